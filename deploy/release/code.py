"""Our own code in the image: the last layer, the one that changes daily."""

import io
from pathlib import Path

from deploy.errors import CasemateError
from deploy.paths import ROOT
from deploy.release.layer import Layer, packed_layer
from deploy.release.packing import Member

APP = "opt/casemate/app"

PACKAGES = ("service/vision", "service/gate", "service/ledger")
"""What runs in a container. service/release runs on the host, service/micro nowhere but in the lab."""

_SHIPPED = frozenset({".py", ".html", ".css", ".js", ".svg", ".cu"})
"""Python, the page, and the GPU's kernels."""


def code_layer(root: Path = ROOT) -> Layer:
    """The checkout's sources as they are now."""
    files = sources(root)
    inputs = {place: content.decode() for place, content in files.items()}
    return packed_layer("code", inputs, lambda: (_member(place, content) for place, content in files.items()))


def sources(root: Path) -> dict[str, bytes]:
    """Path in the image to content, of the packages' files; raises CasemateError if a package has no Python."""
    found = {"service/__init__.py": (root / "service/__init__.py").read_bytes()}
    for package in PACKAGES:
        files = sorted(path for path in (root / package).rglob("*") if path.suffix in _SHIPPED)
        if not any(path.suffix == ".py" for path in files):
            raise CasemateError(f"{root / package} holds no Python file", next="git checkout -- service")
        found |= {path.relative_to(root).as_posix(): path.read_bytes() for path in files}
    return {f"{APP}/{place}": content for place, content in found.items()}


def _member(place: str, content: bytes) -> Member:
    return Member(place, 0o644, len(content), lambda: io.BytesIO(content))
