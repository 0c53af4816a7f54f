"""Which files with which digests a model consists of: the in-toto statement of OpenSSF Model Signing.

Spelled as model-signing 1.1.1 does (its _signing/signing.py, `Payload`). Fields that a reader of v1.0 does not know are
to be ignored, and so are the ignored paths: what is shipped is known here, and all of it must be signed.
"""

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.release.bundle import BadSignature
from deploy.release.documents import canonical, strict

SIGNATURE = "model.sig"
"""A model's signature, as the standard tool calls it."""

_TYPES = {"_type": "https://in-toto.io/Statement/v1", "predicateType": "https://model_signing/signature/v1.0"}
_IGNORED = (SIGNATURE, ".cache", ".git", ".gitattributes", ".github", ".gitignore")
"""What lies beside a model's files where they were downloaded or checked out; nothing of it is shipped."""

_SHA256 = 64
"""Hex digits."""

Hex = Annotated[str, Field(pattern=r"^([0-9a-f]{2})+$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True)


class _Digest(_Part):
    sha256: Hex


class _Subject(_Part):
    digest: _Digest


class _Resource(_Part):
    name: str
    algorithm: str
    digest: Hex


class _Serialization(_Part):
    method: str
    hash_type: str


class _Predicate(_Part):
    serialization: _Serialization
    resources: list[_Resource]


class _Statement(_Part):
    subject: list[_Subject] = Field(min_length=1, max_length=1)
    predicate: _Predicate


def statement(name: str, digests: Mapping[str, str]) -> bytes:
    """The statement of a model: its name, its files by relative path with their hex SHA-256."""
    # By components, as the standard tool sorts paths: `a/b` comes before `a.b`, and the order is part of the digest.
    names = sorted(digests, key=lambda one: PurePosixPath(one).parts)
    serialization = {
        "method": "files",
        "hash_type": "sha256",
        "allow_symlinks": True,
        "ignore_paths": list(_IGNORED),
    }
    resources = [{"name": one, "algorithm": "sha256", "digest": digests[one]} for one in names]
    return canonical(
        {
            **_TYPES,
            "subject": [{"name": name, "digest": {"sha256": _whole(digests[one] for one in names)}}],
            "predicate": {"serialization": serialization, "resources": resources},
        }
    )


def stated_digests(payload: bytes) -> dict[str, str]:
    """The files of a statement with their hex SHA-256; raises BadSignature."""
    predicate = _read(payload)
    serialization = predicate.serialization
    if serialization.method != "files":
        raise BadSignature(
            f"it is over pieces of files (method {serialization.method!r}), and only whole files are compared here"
        )
    found: dict[str, str] = {}
    for resource in predicate.resources:
        algorithms = {serialization.hash_type, resource.algorithm}
        if algorithms != {"sha256"}:
            raise BadSignature(f"its digests are {', '.join(map(repr, sorted(algorithms)))}, expected 'sha256'")
        if len(resource.digest) != _SHA256:
            raise BadSignature(f"the digest of {resource.name!r} is no SHA-256")
        if not _is_below(resource.name):
            raise BadSignature(f"{resource.name!r} is no path inside a model")
        if resource.name in found:
            raise BadSignature(f"{resource.name!r} is in it twice")
        found[resource.name] = resource.digest
    return found


def _read(payload: bytes) -> _Predicate:
    try:
        document: Any = strict(payload)
    except ValueError as error:
        raise BadSignature(f"its statement is not JSON: {error}") from None
    for key, expected in _TYPES.items():
        got = document.get(key) if isinstance(document, dict) else None
        if got != expected:
            raise BadSignature(f"its {key} is {got!r}, expected {expected!r}")
    try:
        found = _Statement.model_validate(document)
        whole = _whole(resource.digest for resource in found.predicate.resources)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BadSignature(f"its statement is not one of a model: {place}: {first['msg']}") from None
    if whole != found.subject[0].digest.sha256:
        raise BadSignature("its digests do not add up to its subject's")
    return found.predicate


def _whole(digests: Iterable[str]) -> str:
    """One digest over all, in their order."""
    return hashlib.sha256(b"".join(map(bytes.fromhex, digests))).hexdigest()


def _is_below(name: str) -> bool:
    path = PurePosixPath(name)
    return name == str(path) and not path.is_absolute() and ".." not in path.parts and name not in (".", "")
