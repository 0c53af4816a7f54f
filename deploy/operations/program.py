"""A program of ours on the host: one executable zip file of `service/<package>`, for the distribution's own python3."""

import io
import sys
import zipfile
from collections.abc import Mapping
from functools import cache
from typing import Any

from deploy.host_paths import HOST_PROGRAMS
from deploy.operations.files import file
from deploy.paths import ROOT
from deploy.release.lockfile import read_lock
from deploy.release.wheelhouse import fetch_wheels
from deploy.release.wheels import content
from deploy.settings.release import ReleaseSettings

_SHEBANG = b"#!/usr/bin/python3 -I\n"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def program(name: str, package: str, also: tuple[str, ...] = (), wheels: Mapping[str, bytes] | None = None) -> Any:
    """`/opt/casemate/bin/casemate-<package>` is made of this checkout's `service/<package>`.

    `also`: other packages of `service` that it imports; `wheels`: what `locked_wheels` gave, to lie beside them.
    """
    path = str(HOST_PROGRAMS / "bin" / f"casemate-{package}")
    return file(name=name, path=path, content=zipped(package, also, tuple((wheels or {}).items())), mode="0755")


def locked_wheels(lock: str, settings: ReleaseSettings) -> dict[str, bytes]:
    """The files of the wheels that `service/<lock>.lock` names, by path; fetched only if the cache lacks them.

    Raises CasemateError when one cannot be had, or has another hash than the lock says.
    """
    found = fetch_wheels(read_lock(ROOT / "service" / f"{lock}.lock"), settings, _tell)
    return {place: data for wheel in found.values() for place, data in content(wheel).items()}


@cache
def zipped(package: str, also: tuple[str, ...] = (), wheels: tuple[tuple[str, bytes], ...] = ()) -> bytes:
    """The program's bytes: the same for the same sources, whoever makes them, wherever and whenever."""
    main = f"import sys\nfrom service.{package}.__main__ import main\nsys.exit(main())\n"
    sources = [ROOT / "service" / "__init__.py"]
    for part in (package, *also):
        sources += sorted((ROOT / "service" / part).glob("**/*.py"))
    files = {str(source.relative_to(ROOT)): source.read_bytes() for source in sources}
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_STORED) as archive:
        for place, data in {"__main__.py": main.encode(), **files, **dict(sorted(wheels))}.items():
            archive.writestr(zipfile.ZipInfo(place, _LONG_AGO), data)
    return _SHEBANG + packed.getvalue()


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
