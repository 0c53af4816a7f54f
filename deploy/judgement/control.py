"""One requirement, as data: policies/<component>.yaml holds a list of them."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.errors import CasemateError
from deploy.paths import ROOT

try:
    from yaml import CSafeLoader as SafeLoader  # In a sixth of the time, where PyYAML was built with libyaml.
except ImportError:
    from yaml import SafeLoader  # type: ignore[assignment]

POLICIES = ROOT / "policies"

Severity = Literal["low", "medium", "high", "critical"]
Text = Annotated[str, Field(min_length=1)]


class PolicyError(CasemateError):
    """A policy file that says nothing that could be judged."""

    exit_code = 2


class Example(BaseModel):
    """The part of a host that a control looks at."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: dict[str, Any] = Field(default_factory=dict)
    probe: dict[str, Any] = Field(default_factory=dict)


class Control(BaseModel):
    """One requirement. `check` and `got` are CEL over `host` (see subject.py) and `probe` (see facts/probed.py)."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)+$")]
    title: Text
    severity: Severity
    references: Annotated[list[Text], Field(min_length=1)]
    rationale: Text
    check: Annotated[str, Field(min_length=1, description="True when the requirement is met.")]
    got: Annotated[str, Field(min_length=1, description="What an operator sees beside a failure.")]
    remedy: Text
    good: Example
    bad: Example


def load_controls(folder: Path = POLICIES) -> list[Control]:
    """All controls, in the order of their files; raises PolicyError with file, entry, key and what was expected."""
    controls: list[Control] = []
    for file in sorted(folder.glob("*.yaml")):
        controls += _read(file)
    ids = [control.id for control in controls]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    if twice:
        raise PolicyError(f"{folder.name}: {', '.join(twice)}: more than one control has this id", next="rename one")
    if not controls:
        raise PolicyError(f"{folder}: no controls: nothing would be judged", next="restore policies/*.yaml")
    return controls


def _read(file: Path) -> list[Control]:
    where = f"{file.parent.name}/{file.name}"
    try:
        entries = yaml.load(file.read_text(encoding="utf-8"), SafeLoader)
    except yaml.YAMLError as error:
        raise PolicyError(f"{where}: {error}", next="correct the file") from error
    if not isinstance(entries, list) or not entries:
        raise PolicyError(
            f"{where}: got {type(entries).__name__}, expected a list of controls", next="correct the file"
        )
    return [_control(where, number, entry) for number, entry in enumerate(entries, 1)]


def _control(where: str, number: int, entry: Any) -> Control:
    try:
        return Control.model_validate(entry)
    except ValidationError as error:
        name = entry.get("id") if isinstance(entry, dict) else None
        faults = "; ".join(f"{_path(detail['loc'])}: {detail['msg']}" for detail in error.errors())
        raise PolicyError(f"{where}: {name or f'control {number}'}: {faults}", next="correct the file") from error


def _path(keys: Sequence[int | str]) -> str:
    return ".".join(map(str, keys)) or "the entry"
