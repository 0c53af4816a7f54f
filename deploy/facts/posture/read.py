"""Reading small things of a host without falling over."""

import os
import subprocess
from collections.abc import Iterable, Iterator
from typing import Any

Json = dict[str, Any]

COMMAND_SECONDS = 10
PATH = "/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/sbin:/usr/local/bin"


def text(path: str) -> str:
    """A whole file; undecodable bytes are replaced."""
    with open(path, encoding="utf-8", errors="replace") as file:
        return file.read()


def text_or_none(path: str) -> str | None:
    """A whole file, stripped; None when it cannot be read."""
    try:
        return text(path).strip()
    except OSError:
        return None


def output(*argv: str) -> str:
    """Standard output of a command; raises RuntimeError with its last error line when it fails."""
    environment = {**os.environ, "LC_ALL": "C", "PATH": PATH}
    try:
        done = subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=COMMAND_SECONDS, env=environment, check=False
        )
    except FileNotFoundError:
        raise RuntimeError(f"{argv[0]} is not installed") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"exit status {done.returncode}"]
        raise RuntimeError(f"{' '.join(argv)}: {lines[-1]}")
    return done.stdout.decode(errors="replace")


def printable(name: str) -> str:
    """A file name as valid text: file systems hold bytes."""
    return name.encode("utf-8", "replace").decode("utf-8", "replace")


def pairs(lines: Iterable[str], separator: str) -> Iterator[tuple[str, str]]:
    """Key and value of each line that has the separator."""
    for line in lines:
        key, found, value = line.partition(separator)
        if found:
            yield key.strip(), value.strip()


def reason(error: BaseException) -> str:
    """One line for the operator."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
