"""Which components a run is about: `--only`."""

from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import Any

from deploy.errors import SettingsError

ONLY = "_only"
"""The data key that carries `--only`; the underscore keeps it apart from the settings."""


def scope(host: Any, components: Sequence[ModuleType]) -> Iterator[ModuleType]:
    """The chosen components in their own order; all without a choice. Preflight always looks first."""
    known = {component.__name__.rpartition(".")[2]: component for component in components}
    chosen = host.data.get(ONLY)
    if not chosen:
        yield from components
        return
    for name in chosen:
        if name not in known:
            raise SettingsError(f"--only {name}: no such component", next=f"choose among: {', '.join(known)}")
    for name, component in known.items():
        if name == "preflight" or name in chosen:
            yield component
