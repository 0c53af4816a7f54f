"""Hash-locked requirements, as `make locks` writes them."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import CasemateError

_PINNED = re.compile(r"^([A-Za-z0-9][A-Za-z0-9._-]*)==([^\s;\\]+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})\b")
_HEAVY = ("torch", "triton", "nvidia-", "cuda-")


@dataclass(frozen=True)
class Requirement:
    """One pinned package and the SHA-256 (hex) of every wheel that may stand for it."""

    name: str
    version: str
    hashes: frozenset[str]

    @property
    def heavy(self) -> bool:
        """Of torch and CUDA: gigabytes that change once in months, so a layer of their own."""
        return self.name.startswith(_HEAVY)

    def __str__(self) -> str:
        return f"{self.name}=={self.version}"

    def line(self) -> str:
        """As pip reads it with --require-hashes."""
        return " ".join([str(self), *(f"--hash=sha256:{digest}" for digest in sorted(self.hashes))])


def normalised(name: str) -> str:
    """`Jinja2`, `zope.interface` and `huggingface_hub` as PyPI compares names (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_lock(path: Path) -> list[Requirement]:
    """The lock's requirements, sorted; raises CasemateError if it is missing, empty or holds an unhashed line."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise CasemateError(
            f"{path} is missing: nothing says which packages go into the image", next="make locks"
        ) from None
    requirements = [_requirement(path, line) for line in _logical(text)]
    if not requirements:
        raise CasemateError(f"{path} names no package", next="make locks")
    return sorted(requirements, key=lambda one: one.name)


def _logical(text: str) -> Iterable[str]:
    """Lines with continuations joined, without comments and blanks."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            yield line


def _requirement(path: Path, line: str) -> Requirement:
    pinned, hashes = _PINNED.match(line), _HASH.findall(line)
    if not pinned or not hashes:
        raise CasemateError(
            f"{path}: got {line.strip()[:80]!r}, expected NAME==VERSION with --hash=sha256:", next="make locks"
        )
    return Requirement(normalised(pinned[1]), pinned[2], frozenset(hashes))
