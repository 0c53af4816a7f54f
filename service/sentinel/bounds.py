"""What a baseline speaks of: what the settings name; a container's files are its image's, whose release is signed."""

from __future__ import annotations

import json
from collections.abc import Callable

from service.sentinel import deviations
from service.sentinel.store import Store
from service.sentinel.territory import SET, Territory, Watched

_FACT = "containers"


class Bounds:
    """`roots`: the directories of containers whose files are known, over restarts."""

    def __init__(self, territory: Callable[[], Territory], store: Store) -> None:
        self._territory = territory
        self.roots: set[bytes] = {bytes.fromhex(one) for one in json.loads(store.fact(_FACT) or "[]")}

    def covers(self, path: bytes) -> bool:
        return self.may_say(path) and self._territory().of(path) is not None

    def may_say(self, path: bytes) -> bool:
        while path:
            if path in self.roots:
                return False
            path = path.rpartition(b"/")[0]
        return True

    def add(self, store: Store, root: bytes) -> bool:
        """False: it was known."""
        if root in self.roots:
            return False
        self.roots = self.roots | {root}
        self._keep(store)
        return True

    def remove(self, store: Store, root: bytes) -> None:
        """Its files are forgotten with it."""
        if root in self.roots:
            self.roots = self.roots - {root}
            store.remove_below(root)
            store.remove(root)
            deviations.forget_below(store, root)
            self._keep(store)

    def _keep(self, store: Store) -> None:
        store.note(_FACT, json.dumps(sorted(one.hex() for one in self.roots)))


def of_container(watched: Watched) -> bool:
    """Whether it holds files of a container; a merged directory holds none of its own."""
    return watched.set == SET and watched.backing is None
