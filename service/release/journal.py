"""What a handover did, step by step, for whoever waits for it and whoever looks later."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from service.release.errors import ReleaseError
from service.release.files import write_json
from service.release.layout import Layout


class Journal:
    """`handover-<component>.json` among the releases: written at each step, so that a killed run shows where it was."""

    def __init__(self, layout: Layout, component: str, release: str, say: Callable[[str], None]) -> None:
        self._path = layout.releases / f"handover-{component}.json"
        self._say = say
        self._entry: dict[str, Any] = {"component": component, "release": release, "from": None, "mode": None}
        self._entry.update(steps=[], outcome=None, error=None)

    def step(self, sentence: str, **facts: str | None) -> None:
        """Something is about to be done."""
        self._entry.update(facts)
        self._entry["steps"].append({"at": round(time.time(), 3), "step": sentence})
        write_json(self._path, self._entry)
        self._say(sentence)

    @contextmanager
    def recording(self) -> Iterator[None]:
        """The outcome is `live`, or `failed` with the reason."""
        self.step("Verify the release")
        try:
            yield
        except Exception as error:
            reason = str(error) if isinstance(error, ReleaseError) else f"unexpected {error!r}"
            self._entry.update(outcome="failed", error=reason)
            write_json(self._path, self._entry)
            raise
        self._entry["outcome"] = "live"
        write_json(self._path, self._entry)
