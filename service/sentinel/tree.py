"""Where the watched directories lie, in little memory: each knows its parent and its own name."""

from __future__ import annotations

_LONGEST = 1 << 14
_MOST_REMEMBERED = 4096


class Tree:
    """Watch descriptors to places. A place is a parent's descriptor and a name in it; with 0 the name is a whole path.

    A rename of a directory moves all that hangs from it at once. A descriptor has several places where a directory is
    seen at several paths: two roots of which one holds the other, or a bind mount.
    """

    def __init__(self) -> None:
        self._place: dict[int, bytes] = {}  # One bytes object each: a tuple would take twice as much.
        self._more: dict[int, list[bytes]] = {}
        self._paths: dict[int, tuple[bytes, ...]] = {}

    def __contains__(self, wd: int) -> bool:
        return wd in self._place

    def __len__(self) -> int:
        return len(self._place)

    def has(self, wd: int, parent: int, name: bytes) -> bool:
        """Whether the descriptor is known at that place."""
        place = _packed(parent, name)
        return self._place.get(wd) == place or place in self._more.get(wd, ())

    def put(self, wd: int, parent: int, name: bytes) -> None:
        """One more place; not one below itself, as a bind mount of a directory into itself would have."""
        if wd not in self._place:
            self._place[wd] = _packed(parent, name)
        elif not self.has(wd, parent, name) and not self._leads_to(parent, wd):
            self._more.setdefault(wd, []).append(_packed(parent, name))
            self._paths.clear()

    def drop(self, wd: int, path: bytes) -> bool:
        """Take away the places that make this path. True: none is left, and the descriptor is not known any more."""
        return self._keep(wd, [place for place in self._places(wd) if path not in self._follow([(place, b"")])])

    def untop(self, wd: int, root: bytes) -> bool:
        """Take away the place that it has as this root. True: none is left."""
        return self._keep(wd, [place for place in self._places(wd) if place != _packed(0, root)])

    def remove(self, wd: int) -> None:
        """Forget it; what hangs from it has no path any more."""
        self._place.pop(wd, None)
        self._more.pop(wd, None)
        self._paths.clear()

    def paths(self, wd: int) -> tuple[bytes, ...]:
        """Whole paths, usually one; none where it hangs from what was forgotten."""
        known = self._paths.get(wd)
        if known is None:
            if len(self._paths) > _MOST_REMEMBERED:
                self._paths.clear()
            known = self._paths[wd] = tuple(dict.fromkeys(self._follow([(one, b"") for one in self._places(wd)])))
        return known

    def named(self, name: bytes) -> list[int]:
        """Those whose place ends with this name."""
        ends = [wd for wd, place in self._place.items() if place.endswith(name)]
        return ends + [wd for wd, places in self._more.items() if any(one.endswith(name) for one in places)]

    def lost(self) -> list[int]:
        """Those that hang from what was forgotten."""
        alive = {0: True}
        for wd in self._place:
            chain = []
            while wd not in alive and wd not in self._more:
                chain.append(wd)
                alive[wd] = False  # A circle leads nowhere.
                place = self._place.get(wd)
                if place is None:
                    break
                wd = int.from_bytes(place[:4], "little")
            end = alive[wd] if wd in alive and wd not in chain else bool(self.paths(wd))
            alive.update(dict.fromkeys(chain, end))
        return [wd for wd in self._place if not alive.get(wd, True)]

    def _keep(self, wd: int, places: list[bytes]) -> bool:
        self.remove(wd)
        if places:
            self._place[wd] = places[0]
        if places[1:]:
            self._more[wd] = places[1:]
        return not places

    def _places(self, wd: int) -> list[bytes]:
        place = self._place.get(wd)
        return [] if place is None else [place, *self._more.get(wd, ())]

    def _follow(self, ends: list[tuple[bytes, bytes]]) -> list[bytes]:
        found = []
        while ends:
            place, below = ends.pop()
            parent, name = int.from_bytes(place[:4], "little"), place[4:]
            if parent == 0:
                found.append((b"" if name == b"/" and below else name) + below)
            elif len(below) < _LONGEST:
                ends += [(one, b"/" + name + below) for one in self._places(parent)]
        return found

    def _leads_to(self, wd: int, sought: int) -> bool:
        waiting, seen = [wd], set()
        while waiting:
            wd = waiting.pop()
            if wd == sought:
                return True
            if wd not in seen:
                seen.add(wd)
                waiting += [int.from_bytes(place[:4], "little") for place in self._places(wd)]
        return False


def _packed(parent: int, name: bytes) -> bytes:
    return parent.to_bytes(4, "little") + name
