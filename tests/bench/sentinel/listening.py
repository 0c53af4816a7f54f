"""A program that prints paths as they change, and what we know of a directory by looking at what it prints."""

import os
import select
import stat
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from deploy.paths import ROOT

State = dict[bytes, tuple[int, ...]]
Program = Callable[[Path], tuple[Sequence[str], bytes]]
"""By directory: what prints the paths that change below it, and what it says on either output when it watches."""
_QUIET = 3.0


@dataclass
class Listening:
    """`seen`: what lay at each path when it was looked at last, just after it was printed."""

    process: "subprocess.Popen[bytes]"
    ready: float
    seen: State = field(default_factory=dict)
    named: set[bytes] = field(default_factory=set)
    gone: set[bytes] = field(default_factory=set)
    last: float = 0.0

    def settled(self) -> None:
        """Wait until nothing has been printed for some seconds."""
        self.last = time.monotonic()
        while time.monotonic() < self.last + _QUIET:
            time.sleep(0.1)

    def unreported(self, directory: Path) -> int:
        """Paths whose final state nobody has seen."""
        final = state(directory)
        wrong = {path for path, _ in final.items() ^ self.seen.items()}
        # Of a directory that is known to be gone, nobody needs to be told what was in it.
        return sum(path in final or not self._went(os.path.dirname(path)) for path in wrong)

    def _went(self, directory: bytes) -> bool:
        while len(directory) > 1:
            if directory in self.gone:
                return True
            directory = os.path.dirname(directory)
        return False

    @property
    def resident(self) -> float:
        """Megabytes."""
        return int(Path(f"/proc/{self.process.pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6

    def read(self) -> None:
        assert self.process.stdout
        rest = b""
        while chunk := os.read(self.process.stdout.fileno(), 1 << 20):
            *lines, rest = (rest + chunk).split(b"\n")
            self.last = time.monotonic()
            for path in set(lines):
                path = path.rstrip(b"/")
                self.named.add(path)
                if (found := stamp(path)) is not None:
                    self.seen[path] = found
                else:
                    self.seen.pop(path, None)
                    self.gone.add(path)


@contextmanager
def listening(command: Sequence[str], ready: bytes) -> Iterator[Listening]:
    """From when it says that it watches; `ready` are the seconds that it took, by its own clock if it says them."""
    start = time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout
    assert process.stderr
    try:
        # Unbuffered: what follows the word is left for the thread that reads paths.
        for line in iter(lambda: _line(process), b""):
            if line.startswith(ready):
                break
        said = line[len(ready) :].strip()
        one = Listening(process, float(said) if said else time.monotonic() - start)
        threading.Thread(target=one.read, daemon=True).start()
        threading.Thread(target=process.stderr.read, daemon=True).start()
        yield one
    finally:
        process.kill()
        process.wait()


def _line(process: "subprocess.Popen[bytes]") -> bytes:
    """The next line of either output, byte by byte."""
    assert process.stdout
    assert process.stderr
    outputs = [process.stdout.fileno(), process.stderr.fileno()]
    line = b""
    while not line.endswith(b"\n"):
        for output in select.select(outputs, [], [])[0]:
            if not (one := os.read(output, 1)):
                return line
            line += one
    return line


def state(directory: Path) -> State:
    """Everything below."""
    found: State = {}
    for folder, directories, files in os.walk(os.fsencode(directory)):
        for name in (*directories, *files):
            path = os.path.join(folder, name)
            if (one := stamp(path)) is not None:
                found[path] = one
    return found


def stamp(path: bytes) -> tuple[int, ...] | None:
    """What is to be reported of a path: of a directory its mode alone, the rest follows from what is in it."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    if stat.S_ISDIR(found.st_mode):
        return (found.st_mode,)
    return (found.st_mode, found.st_ino, found.st_size, found.st_mtime_ns)
