"""Operations of twelve kinds on files below a directory, as fast as Python makes system calls.

    python tests/bench/sentinel/storm.py DIRECTORY OPERATIONS SEED

An operation is one change that an observer could have to tell of. About 6,000 files and directories are left.
"""

import contextlib
import os
import random
import sys
from collections.abc import Callable

_FILES = 3000
_NEW = os.O_CREAT | os.O_WRONLY


class Storm:
    """Each kind does a few operations and says how many."""

    def __init__(self, base: str, seed: int) -> None:
        self._random = random.Random(seed)
        self._base = base
        self._number = 0
        self._files: list[str] = []
        self._directories = [base]
        os.mkdir(base)
        self.kinds: list[Callable[[], int]] = [
            self.burst,
            self.nested,
            self.rename_over,
            self.transient,
            self.append,
            self.truncate,
            self.move,
            self.move_directory,
            self.mode,
            self.hard_link,
            self.link,
            self.times,
        ]

    def run(self, operations: int) -> None:
        while operations > 0:
            kind = self._random.choice(self.kinds)
            with contextlib.suppress(FileNotFoundError):  # Moved along with its directory, or removed with it.
                operations -= kind()
            while len(self._files) > _FILES:
                with contextlib.suppress(FileNotFoundError, IsADirectoryError):
                    os.unlink(self._files.pop(self._random.randrange(len(self._files))))
                    operations -= 1

    def burst(self) -> int:
        for _ in range(10):
            _write(self._new(), b"burst")
        return 20

    def nested(self) -> int:
        """A tree in one go, and mostly away with it again."""
        top = f"{self._place()}/n{self._next()}"
        inner = f"{top}/a/b"
        os.makedirs(inner)
        _write(f"{inner}/file", b"nested")
        if self._random.random() < 0.1 and len(self._directories) < 200:
            self._directories += [top, inner]
            return 5
        os.unlink(f"{inner}/file")
        os.rmdir(inner)
        os.rmdir(f"{top}/a")
        os.rmdir(top)
        return 9

    def rename_over(self) -> int:
        new = f"{self._place()}/o{self._next()}"
        _write(new, b"over %d" % self._number)
        os.rename(new, self._file())
        return 3

    def transient(self) -> int:
        path = f"{self._place()}/t{self._next()}"
        _write(path, b"<?php")
        os.unlink(path)
        return 3

    def append(self) -> int:
        file = os.open(self._file(), os.O_WRONLY | os.O_APPEND)
        for _ in range(5):
            os.write(file, b"more")
        os.close(file)
        return 5

    def truncate(self) -> int:
        os.truncate(self._file(), 0)
        return 1

    def move(self) -> int:
        new = f"{self._place()}/m{self._next()}"
        os.rename(self._file(remove=True), new)
        self._files.append(new)
        return 1

    def move_directory(self) -> int:
        if len(self._directories) < 3:
            return 0
        old = self._directories.pop(self._random.randrange(1, len(self._directories)))
        new = f"{self._base}/d{self._next()}"
        os.rename(old, new)
        self._directories.append(new)
        self._files = [new + one[len(old) :] if one.startswith(old + "/") else one for one in self._files]
        self._directories = [new + one[len(old) :] if one.startswith(old + "/") else one for one in self._directories]
        return 1

    def mode(self) -> int:
        os.chmod(self._file(), self._random.choice((0o600, 0o644, 0o755, 0o4755)))
        return 1

    def hard_link(self) -> int:
        os.link(self._file(), self._new())
        return 1

    def link(self) -> int:
        path = f"{self._place()}/s{self._next()}"
        os.symlink("/etc/passwd", path + ".new")
        os.rename(path + ".new", path)
        self._files.append(path)
        return 2

    def times(self) -> int:
        os.utime(self._file(), (1, self._number), follow_symlinks=False)
        return 1

    def _next(self) -> int:
        self._number += 1
        return self._number

    def _place(self) -> str:
        return self._random.choice(self._directories)

    def _new(self) -> str:
        path = f"{self._place()}/f{self._next()}"
        self._files.append(path)
        return path

    def _file(self, remove: bool = False) -> str:
        if not self._files:
            raise FileNotFoundError
        index = self._random.randrange(len(self._files))
        path = self._files[index]
        if os.path.islink(path):  # What it leads to is not ours to change.
            raise FileNotFoundError
        return self._files.pop(index) if remove else path


def _write(path: str, content: bytes) -> None:
    file = os.open(path, _NEW, 0o644)
    os.write(file, content)
    os.close(file)


if __name__ == "__main__":
    Storm(sys.argv[1], int(sys.argv[3])).run(int(sys.argv[2]))
