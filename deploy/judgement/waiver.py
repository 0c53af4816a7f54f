"""Exceptions to a control that somebody approved: waivers.yaml beside the inventory."""

from collections.abc import Sequence
from datetime import date
from fnmatch import fnmatch
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from deploy.errors import SettingsError
from deploy.judgement.control import Control

NAME = "waivers.yaml"


class Waiver(BaseModel):
    """A control need not hold on these hosts until the end of that day; afterwards its finding counts again."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    control: str
    host: Annotated[str, Field(description="A host's name, or a pattern such as gpu*.")]
    reason: Annotated[str, Field(min_length=10, description="Why, for who reads it in a year.")]
    until: date

    def covers(self, control: Control, host: str) -> bool:
        """Is it about this control on this host?"""
        return self.control == control.id and fnmatch(host, self.host)


def load_waivers(inventory: str, controls: Sequence[Control]) -> list[Waiver]:
    """The waivers beside an inventory file; none without such a file. Raises SettingsError, also for a control that
    does not exist: a waiver with a typo would silently waive nothing."""
    file = Path(inventory).parent / NAME
    if not file.exists():
        return []
    try:
        waivers = TypeAdapter(list[Waiver]).validate_python(yaml.safe_load(file.read_text(encoding="utf-8")) or [])
    except (yaml.YAMLError, ValidationError) as error:
        raise SettingsError(f"{file}: {error}", next="correct the file") from error
    known = {control.id for control in controls}
    for waiver in waivers:
        if waiver.control not in known:
            raise SettingsError(f"{file}: {waiver.control}: no such control", next="name one of policies/*.yaml")
    return waivers
