"""What was accepted and what is live, as last written."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any

from service.release.errors import ReleaseError
from service.release.files import locked, write_json
from service.release.layout import Layout


@dataclass
class Accepted:
    """One release that passed every check.

    `image` is the engine's id of it, `accepted` seconds since 1970, `signers` the SHA-256 of the signers' file that it
    was checked against: when that changes, who deploys knows to sign again.
    """

    release: str
    sequence: int
    accepted: float
    image: str
    model: str
    signers: str = ""


@dataclass
class State:
    """`admitted` is what the last `accept` let in: only that, or what is live, may be handed over to."""

    schema: int = 1
    accepted_sequence: int = 0
    admitted: str | None = None
    live: dict[str, str | None] = field(default_factory=lambda: {"vision": None, "gate": None})
    releases: list[Accepted] = field(default_factory=list)

    def accepted(self, release: str) -> Accepted:
        """The record of a release; raises ReleaseError when it was never accepted."""
        for record in self.releases:
            if record.release == release:
                return record
        raise ReleaseError(f"release {release} was never accepted on this host; deploy it first")


def read(layout: Layout) -> State:
    """The state; a fresh one on a host that never accepted anything. Raises ReleaseError when it is no JSON."""
    path = layout.releases / "state.json"
    try:
        raw: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return State()
    except ValueError as error:
        raise ReleaseError(f"{path} is no JSON ({error}); put back the copy from the last backup") from error
    return State(**{**raw, "releases": [Accepted(**record) for record in raw["releases"]]})


@contextmanager
def changed(layout: Layout) -> Iterator[State]:
    """The state, to be changed; written as a whole when the block ends well. Others that change it wait."""
    with locked(layout.releases / ".state.lock"):
        state = read(layout)
        yield state
        write_json(layout.releases / "state.json", asdict(state))
