"""What a source of events tells, and what it promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Protocol

What = Literal["created", "changed", "metadata", "removed"]


@dataclass(frozen=True)
class Event:
    """Something happened at a path. A hint: what is true is what lies there when it is looked at.

    A rename is `removed` at the one path and `created` at the other. `directory`: it concerns one, so that what is
    below it must be swept. `at`: seconds since 1970, when it was read. `pid`: who did it, where the kernel tells.
    """

    path: bytes
    what: What
    directory: bool
    at: float
    pid: int | None = None


@dataclass(frozen=True)
class Gap:
    """From here on something may have been missed below `root`: it must be swept. `why` is for people."""

    root: bytes
    why: str
    at: float


@dataclass(frozen=True)
class Named:
    """A file got one more name, and may have lost it since: by that name nothing of what is done to it is told yet.

    `device`, `inode`: as lstat has them. Whether it is one that is watched, the source does not know.
    """

    device: int
    inode: int


class WatchLimit(Exception):
    """The kernel has no more watches; the message says how many there are and which setting of it to raise."""


class Source(Protocol):
    """Tells of events below its roots. `read` is called by one thread, `watch` and `forget` by any."""

    name: str
    """`inotify` or `fanotify`."""

    @property
    def watches(self) -> int:
        """How many watches or marks it holds in the kernel."""

    def fileno(self) -> int:
        """Readable when there is something to read."""

    def watch(self, root: bytes) -> None:
        """From the return of this on, every event at and below `root` is told, until `forget`.

        `root`: absolute, a file or a directory; a link is not followed. What lay there before is not told. A root that
        does not exist is waited for. Raises WatchLimit, after which `root` is watched as far as it went.
        """

    def forget(self, root: bytes) -> None:
        """The root is of no interest any more."""

    def linked(self, path: bytes, *, again: bool) -> bool:
        """What lies there, below a root, has several names: what is done by any is told at this path from here on.

        False: it was before, or cannot be. `again`: it may be another file than the last time.
        """

    def read(self) -> Sequence[Event | Gap | Named]:
        """What came since, in order; empty when there is nothing. Drains the kernel's queue first of all."""

    def close(self) -> None: ...
