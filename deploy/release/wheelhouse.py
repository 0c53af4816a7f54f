"""The wheels that a lock names, in the cache: fetched by pip, judged by their hash alone."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from tempfile import TemporaryDirectory

from deploy.errors import CasemateError
from deploy.release import digests
from deploy.release.lockfile import Requirement, normalised
from deploy.settings.release import ReleaseSettings

PYTHON = "3.11"
"""The image's Python. The operator's own may be another one."""

_PLATFORMS = [f"manylinux_2_{minor}_x86_64" for minor in range(28, 4, -1)]
_PLATFORMS += ["manylinux2014_x86_64", "manylinux2010_x86_64", "manylinux1_x86_64", "linux_x86_64"]


def fetch_wheels(
    requirements: Iterable[Requirement], settings: ReleaseSettings, progress: Callable[[str], None]
) -> dict[Requirement, Path]:
    """One wheel for each requirement; only those that the cache lacks are asked for, so a full cache needs no network.

    Raises CasemateError if a wheel cannot be found or has another hash than the lock says.
    """
    requirements = list(requirements)
    found = _in_cache(requirements)
    missing = [one for one in requirements if one not in found]
    # Torch and CUDA one by one: pip keeps nothing of a call that was cut short, and a call may be gigabytes.
    batches = [[one] for one in missing if one.heavy] + [[one for one in missing if not one.heavy]]
    for batch in filter(None, batches):
        progress(f"fetching {batch[0] if len(batch) == 1 else f'{len(batch)} wheels'}")
        _download(batch, settings)
    if missing:
        found = _in_cache(requirements)
    for one in requirements:
        if one not in found:
            raise CasemateError(f"pip fetched {one}, but no wheel of it has a hash of the lock", next="make locks")
    return found


def _pool() -> Path:
    return digests.folder() / "wheels"


def _in_cache(requirements: list[Requirement]) -> dict[Requirement, Path]:
    """What of this is there; a file whose bytes are not the lock's does not count."""
    files: dict[str, list[Path]] = {}
    for path in sorted(_pool().glob("*.whl")):
        files.setdefault(normalised(path.name.split("-")[0]), []).append(path)
    return {
        one: path for one in requirements for path in files.get(one.name, []) if digests.sha256_of(path) in one.hashes
    }


def _download(batch: list[Requirement], settings: ReleaseSettings) -> None:
    _pool().mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=_pool()) as fresh:
        wanted = Path(fresh) / "requirements.txt"
        wanted.write_text("\n".join(one.line() for one in batch) + "\n", encoding="utf-8")
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
        command += [
            "--require-hashes",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--dest",
            fresh,
            "--requirement",
            str(wanted),
        ]
        command += ["--implementation", "cp", "--python-version", PYTHON]
        command += [option for platform in _PLATFORMS for option in ("--platform", platform)]
        result = subprocess.run([*command, *torch_source(settings)], capture_output=True, text=True, check=False)
        if result.returncode:
            raise _explained(batch, result.stderr)
        for wheel in Path(fresh).glob("*.whl"):
            wheel.replace(_pool() / wheel.name)


def torch_source(settings: ReleaseSettings) -> list[str]:
    """pip's options that say where the CPU build of torch is; none leaves it to pip's own configuration."""
    source = settings.torch or os.environ.get("CASEMATE_TORCH")
    if not source:
        return []
    return ["--extra-index-url" if "://" in source else "--find-links", source]


def _explained(batch: list[Requirement], stderr: str) -> CasemateError:
    errors = [line.removeprefix("ERROR: ") for line in stderr.splitlines() if line.startswith("ERROR: ")]
    reason = (errors or stderr.strip().splitlines() or ["pip gave no reason"])[-1]
    mismatch = next((line for line in errors if "DO NOT MATCH THE HASHES" in line), None)
    names = ", ".join(map(str, batch[:3])) + (f" and {len(batch) - 3} more" if len(batch) > 3 else "")
    if mismatch:
        package = next(
            (line.strip().split()[0] for line in stderr.splitlines() if "from http" in line or "(from" in line), names
        )
        return CasemateError(
            f"{package}: the wheel found has another SHA-256 than the lock says; nothing was built",
            next="find out who changed the wheel; only if the change is meant: make locks",
        )
    torch = any(one.name == "torch" and "+cpu" in one.version for one in batch)
    return CasemateError(
        f"could not fetch {names}: {reason}",
        next="set CASEMATE_TORCH to a directory or index URL that has this build of torch"
        if torch
        else "check the network and pip's index (pip config list), then run the same again",
    )
