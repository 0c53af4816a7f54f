"""The image's root file system: Debian's packages and nothing else, without anything that only a root user needs."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from deploy.errors import CasemateError
from deploy.release import digests
from deploy.release.layer import Layer, cached_layer
from deploy.release.packing import EPOCH
from deploy.settings.release import ReleaseSettings

PACKAGES = ("python3", "libstdc++6")
"""Besides Debian's essential set. torch's wheel brings its own libgomp."""

_STALE_DAYS = 30
_PASSED_ON = ("PATH", "TMPDIR")
_KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")

_LEFT_OUT = [f"path-exclude=/usr/share/{name}/*" for name in ("doc", "man", "info", "locale")]
_LEFT_OUT += ["path-include=/usr/share/doc/*/copyright"]

_CUSTOMIZE = (
    # Nobody is root in the container, so a setuid file could only be of use to an intruder.
    'find "$1" -xdev ! -type l -perm /6000 -exec chmod ug-s {} +',
    # The sources are what is audited. Python would believe the byte code instead.
    'find "$1" -xdev -name __pycache__ -prune -exec rm -r {} +',
    # Traces of the machine and the moment that built it, and what only apt reads.
    'cd "$1" && rm -rf etc/apt/sources.list* etc/hostname etc/resolv.conf var/cache/*/* var/lib/dpkg/*-old',
)


def root_file_system(settings: ReleaseSettings, progress: Callable[[str], None]) -> Layer:
    """The layer; it is made once and then comes from the cache, so it does not follow Debian's updates by itself."""
    command = _command(settings)

    def make(path: Path) -> str:
        progress("making the root file system with mmdebstrap")
        _run(command, path)
        return digests.read_sha256(path)

    layer = cached_layer("rootfs", command, make)
    days = int((time.time() - layer.path.stat().st_mtime) / 86400)
    if days > _STALE_DAYS:
        progress(f"the root file system is {days} days old; for Debian's updates since then: rm {layer.path}")
    return layer


def _command(settings: ReleaseSettings) -> list[str]:
    command = ["mmdebstrap", "--mode=root", "--format=tar", "--variant=essential", "--architectures=amd64"]
    command += ["--hook-dir=/usr/share/mmdebstrap/hooks/merged-usr", "--skip=output/dev"]
    command += [f"--include={','.join(PACKAGES)}"]
    command += [f"--dpkgopt={option}" for option in _LEFT_OUT]
    command += [f"--customize-hook={hook}" for hook in _CUSTOMIZE]
    return [*command, settings.suite, "TARGET", *([str(settings.mirror)] if settings.mirror else [])]


def _run(command: list[str], target: Path) -> None:
    if not shutil.which("mmdebstrap"):
        raise CasemateError(
            "mmdebstrap is missing: it makes the image's root file system", next="apt-get install mmdebstrap"
        )
    if os.geteuid():
        raise CasemateError(
            "making the root file system needs root, this once; then it comes from the cache",
            next="run the same with sudo, with CASEMATE_CACHE set to a directory that you can read",
        )
    if not _KEYRING.exists():
        raise CasemateError(
            f"{_KEYRING} is missing: Debian's packages could not be verified",
            next="apt-get install debian-archive-keyring",
        )
    # The operator's language, time zone and the like must not show in the result.
    kept = {key: value for key, value in os.environ.items() if key in _PASSED_ON or key.lower().endswith("_proxy")}
    environment = {**kept, "SOURCE_DATE_EPOCH": str(EPOCH), "LC_ALL": "C.UTF-8"}
    arguments = [str(target) if argument == "TARGET" else argument for argument in command]
    result = subprocess.run(arguments, env=environment, umask=0o022, capture_output=True, text=True, check=False)
    if result.returncode:
        said = [line for line in result.stderr.splitlines() if line.startswith("E:")] or ["E: no reason given"]
        raise CasemateError(
            f"mmdebstrap could not make the root file system: {said[0][2:].strip()}",
            next="check that Debian's mirror answers (setting release.mirror), then run the same again",
        )
