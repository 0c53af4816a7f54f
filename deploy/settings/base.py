"""What every component's settings share."""

from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from deploy.paths import ROOT

NAME = r"^[a-z][a-z0-9_.-]{0,62}$"
SIZE = r"^[1-9][0-9]*[kmgKMG]$"


class Settings(BaseModel):
    """One component's settings: frozen, and an unknown key is an error rather than silence."""

    model_config = ConfigDict(extra="forbid", frozen=True, validate_default=True)


def _from_root(path: Path) -> Path:
    """Expand `~`; read a relative path from the checkout, wherever the command was typed."""
    path = path.expanduser()
    return path if path.is_absolute() else ROOT / path


OperatorPath = Annotated[Path, AfterValidator(_from_root)]
"""A file or directory on the operator's machine."""

Size = Annotated[str, Field(pattern=SIZE)]
"""Bytes as Docker and logrotate write them: a whole number and k, m or g."""

_FACTOR = {"k": 1 << 10, "m": 1 << 20, "g": 1 << 30}


def in_bytes(size: Size) -> int:
    """`16g` is 17179869184."""
    return int(size[:-1]) * _FACTOR[size[-1].lower()]
