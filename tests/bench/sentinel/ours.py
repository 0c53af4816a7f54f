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
        paths = [one.path for one in events]
        # What is below a directory that appeared, must be looked at: that is what the event means.
        for one in events:
            if one.directory and one.what == "created":
                paths += below(one.path)
        sys.stdout.buffer.write(b"".join(path + b"\n" for path in paths))
        sys.stdout.buffer.flush()
        for _gap in range(len(told) - len(events)):
            print("gap", file=sys.stderr, flush=True)


def below(directory: bytes) -> list[bytes]:
    """Every path."""
    walked = os.walk(directory)
    return [os.path.join(folder, name) for folder, folders, files in walked for name in (*folders, *files)]


if __name__ == "__main__":
    main(*sys.argv[1:])
