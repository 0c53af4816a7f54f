"""Wheels as image files: unpacked as they are, without pip.

pip would write the operator's interpreter into scripts and its own notes into RECORD, so two machines would not build
the same image. Unpacked, each file is the wheel's own, and its RECORD stays the publisher's list of hashes.
"""

import re
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path, PurePosixPath
from typing import IO

from deploy.errors import CasemateError
from deploy.release import digests
from deploy.release.layer import Layer, packed_layer
from deploy.release.lockfile import Requirement
from deploy.release.packing import Member

SITE_PACKAGES = "opt/casemate/site-packages"

_LIBRARIES = re.compile(r"^[^/]+\.data/(?:purelib|platlib)/")
"""PEP 427: these go beside the rest. Scripts, headers and data stay where they lie: nothing in the image runs them."""


def wheels_layer(
    name: str, requirements: list[Requirement], fetch: Callable[[list[Requirement]], Iterable[Path]]
) -> Layer:
    """The layer of these requirements. The wheels are fetched only if the cache has no such layer."""
    inputs = [digests.sha256_of(Path(__file__)), [one.line() for one in requirements]]
    return packed_layer(name, inputs, lambda: unpacked(fetch(requirements)))


def unpacked(wheels: Iterable[Path]) -> list[Member]:
    """Every file of the wheels, below site-packages; raises CasemateError where two wheels disagree about one."""
    members: dict[str, tuple[Member, int, Path]] = {}
    for path in sorted(wheels):
        wheel = zipfile.ZipFile(path)
        for info in wheel.infolist():
            if info.is_dir() or _left_out(info.filename):
                continue
            place = f"{SITE_PACKAGES}/{_safe(path, info.filename)}"
            mode = 0o755 if info.external_attr >> 16 & 0o111 else 0o644
            earlier = members.get(place)
            if earlier and earlier[1] != info.CRC:
                raise CasemateError(
                    f"{earlier[2].name} and {path.name} both bring {place}, and the two differ",
                    next="drop one of the packages from the group `service` in pyproject.toml, then: make locks",
                )
            members[place] = (Member(place, mode, info.file_size, _opener(wheel, info)), info.CRC, path)
    return [member for member, _, _ in members.values()]


def content(wheel: Path) -> dict[str, bytes]:
    """A wheel's files by their places below site-packages, its licence among them."""
    archive = zipfile.ZipFile(wheel)
    names = [name for name in archive.namelist() if not name.endswith("/") and not _left_out(name)]
    return {_safe(wheel, name): archive.read(name) for name in names}


def _left_out(name: str) -> bool:
    """Byte code: Python would believe it over the source that is audited."""
    return name.endswith((".pyc", ".pyo"))


def _safe(wheel: Path, name: str) -> str:
    place = _LIBRARIES.sub("", name)
    if place.startswith("/") or "\\" in place or ".." in PurePosixPath(place).parts:
        raise CasemateError(
            f"{wheel.name} wants to write outside its directory: {name!r}", next="do not use this wheel"
        )
    return place


def _opener(wheel: zipfile.ZipFile, info: zipfile.ZipInfo) -> Callable[[], IO[bytes]]:
    return lambda: wheel.open(info)
