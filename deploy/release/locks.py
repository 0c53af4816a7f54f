"""`make locks`: write the five locks anew from pyproject.toml's groups and today's versions, by uv."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import tomllib

from deploy.errors import CasemateError
from deploy.paths import ROOT
from deploy.release.wheelhouse import PYTHON


@dataclass(frozen=True)
class Lock:
    """A lock file, the groups of pyproject.toml that it pins, and whether torch is its CPU build."""

    path: str
    groups: tuple[str, ...]
    cpu: bool = False


LOCKS = (
    Lock("deploy/deploy.lock", ("deploy",)),
    Lock("tests/dev.lock", ("deploy", "service", "sentinel", "dev"), cpu=True),
    Lock("service/cpu.lock", ("service",), cpu=True),
    Lock("service/cuda.lock", ("service",)),
    Lock("service/sentinel.lock", ("sentinel",)),
)


def main() -> None:
    """Write all five, so that they agree."""
    for lock in LOCKS:
        print(f"locking {lock.path}", file=sys.stderr)
        try:
            write(lock)
        except CasemateError as error:
            sys.exit(str(error))


def write(lock: Lock) -> None:
    """Resolve one lock for the image's Python and platform, wheels only; raises CasemateError if uv cannot."""
    command = [
        _uv(),
        "pip",
        "compile",
        "--quiet",
        "--no-config",
        "--upgrade",
        "--generate-hashes",
        "--only-binary",
        ":all:",
    ]
    command += ["--python-version", PYTHON, "--python-platform", "x86_64-manylinux_2_28"]
    # No line may tell where a package came from: that is each machine's own business.
    command += ["--no-emit-index-url", "--no-emit-find-links", "--custom-compile-command", "make locks"]
    command += [argument for group in lock.groups for argument in ("--group", f"pyproject.toml:{group}")]
    command += ["--output-file", lock.path]
    if lock.cpu:
        command += [*_torch_source(), "--constraint", "-"]
    cpu_build = f"{_pinned_torch()}+cpu\n".encode()
    done = subprocess.run(
        command, cwd=ROOT, input=cpu_build, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, check=False
    )
    if done.returncode:
        raise CasemateError(
            f"uv could not resolve {lock.path}: {done.stderr.decode().strip()}",
            next="correct the group in pyproject.toml; for torch's CPU build set CASEMATE_TORCH to its place",
        )


def _uv() -> str:
    beside = Path(sys.executable).with_name("uv")
    found = str(beside) if beside.exists() else shutil.which("uv")
    if not found:
        raise CasemateError("uv is missing: it resolves the locks", next="pip install uv")
    return found


def _pinned_torch() -> str:
    """`torch==2.13.0`, as the group `service` says; both builds have the same version."""
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    return next(str(line) for line in groups["service"] if line.startswith("torch=="))


def _torch_source() -> list[str]:
    """Where the CPU build is: $CASEMATE_TORCH, else pip's own directories (uv does not read pip's configuration)."""
    source = os.environ.get("CASEMATE_TORCH")
    if source and "://" in source:
        return ["--extra-index-url", source, "--index-strategy", "unsafe-best-match"]
    places = [source] if source else _pip_links()
    return [argument for place in places for argument in ("--find-links", place)]


def _pip_links() -> Iterator[str]:
    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False
    )
    for links in re.findall(r"\.find-links='([^']*)'", listed.stdout):
        yield from links.split()


if __name__ == "__main__":
    main()
