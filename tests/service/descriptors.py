"""Which files this process holds open."""

from __future__ import annotations

import os
from contextlib import suppress


def held() -> set[tuple[int, str]]:
    """(descriptor, what it is open on: a path, or `pipe:[inode]` and the like).

    What a test leaked is what it holds now and did not before; the count alone also sinks when Python
    collects what an earlier test has left.
    """
    found = set()
    for name in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the descriptor of the listing itself
            found.add((int(name), os.readlink(f"/proc/self/fd/{name}")))
    return found
