"""A source of events that a test waits on, and file systems for it to lose."""

import ctypes
import os
import select
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from service.sentinel.event import Event, Gap, Named, Source
from service.sentinel.fanotify import Fanotify
from service.sentinel.inotify import Inotify

SOURCES: dict[str, Callable[[], Source]] = {"inotify": Inotify, "fanotify": Fanotify}
SECONDS = 60.0


class Watching:
    """What a source has told so far. The names of paths are relative to `base`, as strings."""

    def __init__(self, source: Source, base: Path) -> None:
        self.source = source
        self.base = base
        self.all: list[Event | Gap | Named] = []

    def watch(self, name: str = "") -> None:
        self.source.watch(os.fsencode(self.base / name))

    def read(self, seconds: float = 0.05) -> None:
        if select.select([self.source], [], [], seconds)[0]:
            self.all += self.source.read()

    def told(self) -> list[tuple[str, str]]:
        """(name, what) of the events."""
        return [(self._name(one.path), one.what) for one in self.all if isinstance(one, Event)]

    def gaps(self) -> list[tuple[str, str]]:
        """(name, why) of the gaps."""
        return [(self._name(one.root), one.why) for one in self.all if isinstance(one, Gap)]

    def until(self, *wanted: tuple[str, str]) -> None:
        """Wait for events."""
        self.wait(lambda: set(wanted) <= set(self.told()), f"{wanted}")

    def until_gap(self, name: str, why: str) -> None:
        """Wait for a gap at `name` whose reason holds `why`."""
        self.wait(lambda: any(gap == name and why in reason for gap, reason in self.gaps()), f"a gap: {name}: {why}")

    def wait(self, condition: Callable[[], bool], wanted: str) -> None:
        end = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < end, f"wanted {wanted}, was told {self.all}"
            self.read()

    def settle(self, marker: str = "marker") -> None:
        """Read until all that happened before this was told."""
        (self.base / marker).write_bytes(b"")
        self.until((marker, "created"))
        (self.base / marker).unlink()
        self.until((marker, "removed"))
        self.all.clear()

    def _name(self, path: bytes) -> str:
        whole, base = os.fsdecode(path), str(self.base)
        return whole[len(base) + 1 :] if whole.startswith(base + "/") else "" if whole == base else whole


@contextmanager
def mounted(point: Path, *arguments: str) -> Iterator[Path]:
    """`mount ARGUMENTS POINT`, and gone again, whatever the test did."""
    point.mkdir(parents=True, exist_ok=True)
    subprocess.run(["mount", *arguments, str(point)], check=True)
    try:
        yield point
    finally:
        while subprocess.run(["umount", "-l", str(point)], stderr=subprocess.DEVNULL, check=False).returncode == 0:
            pass


@contextmanager
def disk(image: Path, point: Path) -> Iterator[Path]:
    """A small ext4 of its own."""
    with image.open("wb") as file:
        file.truncate(16 << 20)
    subprocess.run(["mkfs.ext4", "-q", "-F", str(image)], check=True)
    with mounted(point, "-o", "loop", str(image)):
        yield point


def exchange(one: Path, other: Path) -> None:
    """renameat2 with RENAME_EXCHANGE."""
    libc = ctypes.CDLL(None, use_errno=True)
    assert libc.renameat2(-100, os.fsencode(one), -100, os.fsencode(other), 2) == 0
