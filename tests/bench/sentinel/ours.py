"""One of our sources as a process that prints what it is told of: `ours SOURCE DIRECTORY`, until it is ended."""

import os
import select
import sys
import time

from service.sentinel.event import Event, Source
from service.sentinel.fanotify import Fanotify
from service.sentinel.inotify import Inotify


def main(name: str, root: str) -> None:
    """A path a line, as a peer would print it; gaps, which peers do not have, are counted on standard error."""
    source: Source = Fanotify() if name == "fanotify" else Inotify()
    start = time.monotonic()
    source.watch(os.fsencode(root))
    print("ready", time.monotonic() - start, flush=True)
    while True:
        select.select([source], [], [])
        told = source.read()
        events = [one for one in told if isinstance(one, Event)]
        sys.stdout.buffer.write(b"".join(one.path + b"\n" for one in events))
        sys.stdout.buffer.flush()
        for _gap in range(len(told) - len(events)):
            print("gap", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
