"""What is wrong with a setting: where it was written, what was got, what was expected."""

import difflib
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any, Self

from pydantic import BaseModel

from deploy.settings.host import HostSettings


@dataclass(frozen=True)
class Fault:
    """One wrong setting."""

    origin: str
    path: str
    got: str
    expected: str

    def __str__(self) -> str:
        return f"{self.origin}: {self.path}: {self.got}, expected {self.expected}"

    @classmethod
    def of(cls, detail: Mapping[str, Any], origins: Mapping[tuple[str, ...], str], inventory_file: str) -> Self:
        """From one entry of pydantic's `ValidationError.errors()`."""
        keys = tuple(str(key) for key in detail["loc"] if key != "[key]")
        path, kind = ".".join(keys), detail["type"]
        origin = _origin(keys, origins) or inventory_file
        if kind == "missing":
            return cls(origin, path, "is missing", _meaning(keys) or "a value")
        if kind == "extra_forbidden":
            return cls(origin, path, "unknown setting", _near(keys))
        if kind.startswith("ip_v4_network"):
            return cls(origin, path, f"got {_shown(detail['input'])}", _network_near(detail["input"]))
        if kind == "string_pattern_mismatch":
            return cls(origin, path, f"got {_shown(detail['input'])}", f"what matches {detail['ctx']['pattern']}")
        # pydantic's own sentence says the bound or the form; its prefix repeats what the layout here already says.
        message = detail["msg"].removeprefix("Value error, ")
        expected = message.removeprefix("Input should be ").removeprefix("Input ").removeprefix("a valid ")
        return cls(origin, path, f"got {_shown(detail['input'])}", expected)


def _network_near(value: Any) -> str:
    """The network that an address with host bits was meant to be."""
    try:
        return f"a network such as {IPv4Network(value, strict=False)}"
    except ValueError:
        return "a network such as 10.73.250.0/24"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _origin(keys: tuple[str, ...], origins: Mapping[tuple[str, ...], str]) -> str | None:
    """Who wrote this key, or the nearest thing above or below it."""
    for end in range(len(keys), 0, -1):
        for path, origin in origins.items():
            if path[:end] == keys[:end]:
                return origin
    return None


def _near(keys: tuple[str, ...]) -> str:
    """The names that would have been right, the likeliest first."""
    model = _model(keys[:-1])
    known = list(model.model_fields) if model else []
    close = difflib.get_close_matches(keys[-1], known, n=1)
    return f"{close[0]}?" if close else f"one of {', '.join(known)}"


def _meaning(keys: tuple[str, ...]) -> str | None:
    """What the operator should write there: the setting's description."""
    model = _model(keys[:-1])
    field = model.model_fields.get(keys[-1]) if model else None
    return field.description if field else None


def _model(keys: tuple[str, ...]) -> type[BaseModel] | None:
    model: type[BaseModel] | None = HostSettings
    for key in keys:
        field = model.model_fields.get(key) if model else None
        model = _model_in(field.annotation) if field else None
    return model


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    return next((found for part in typing.get_args(annotation) if (found := _model_in(part))), None)


def explain(host: str, faults: list[Fault]) -> str:
    """All of a host's faults, one a line."""
    return "\n".join(
        [f"{host}: {len(faults)} wrong setting{'' if len(faults) == 1 else 's'}", *(f"  {fault}" for fault in faults)]
    )
