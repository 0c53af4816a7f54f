"""A program of ours on the host: one executable zip file of `service/<package>`, for the distribution's own python3."""

import io
import zipfile
from functools import cache
from typing import Any

from deploy.operations.files import file
from deploy.paths import HOST_PROGRAMS, ROOT

_SHEBANG = b"#!/usr/bin/python3 -I\n"
_LONG_AGO = (1980, 1, 1, 0, 0, 0)


def program(name: str, package: str) -> Any:
    """`/opt/casemate/bin/casemate-<package>` is made of this checkout's `service/<package>`."""
    path = str(HOST_PROGRAMS / "bin" / f"casemate-{package}")
    return file(name=name, path=path, content=zipped(package), mode="0755")


@cache
def zipped(package: str) -> bytes:
    """The program's bytes: the same for the same sources, whoever makes them, wherever and whenever."""
    main = f"import sys\nfrom service.{package}.__main__ import main\nsys.exit(main())\n"
    sources = [ROOT / "service" / "__init__.py", *sorted((ROOT / "service" / package).glob("**/*.py"))]
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr(zipfile.ZipInfo("__main__.py", _LONG_AGO), main)
        for source in sources:
            archive.writestr(zipfile.ZipInfo(str(source.relative_to(ROOT)), _LONG_AGO), source.read_bytes())
    return _SHEBANG + content.getvalue()
