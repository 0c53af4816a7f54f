"""The publisher's own signature of a model (OpenSSF Model Signing), where the settings demand one."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from deploy.errors import CasemateError
from deploy.release.bundle import LIMIT, BadSignature, opened, read_public_key
from deploy.release.statement import SIGNATURE, stated_digests
from deploy.settings.release import ReleaseSettings

_SHOWN = 8
"""Faults that are named; one wrong directory has hundreds."""


def published_digests(settings: ReleaseSettings, tell: Callable[[str], None]) -> dict[str, str] | None:
    """What the publisher signed, file by file; None where the settings name no key. Raises CasemateError."""
    path, key = settings.model / SIGNATURE, settings.publisher_key
    if key is None:
        if path.exists():
            tell(f"{path} is not verified: release.publisher_key names no key")
        return None
    try:
        public = read_public_key(_start_of(key))
    except BadSignature as error:
        raise CasemateError(
            f"release.publisher_key: {key}: {error}", next="take the publisher's public key from a place that you trust"
        ) from None
    try:
        return stated_digests(opened(_start_of(path), public))
    except BadSignature as error:
        raise CasemateError(
            f"release.publisher_key: {path} does not hold for {key}: {error}",
            next="take model, signature and key from the publisher again, the key from a place that you trust",
        ) from None


def check_published(settings: ReleaseSettings, signed: Mapping[str, str], found: Mapping[str, str]) -> None:
    """Raise CasemateError unless the files that were found are those that were signed, with these digests."""
    faults = list(_faults(signed, found))
    if not faults:
        return
    more = [f"and {len(faults) - _SHOWN} more"] if len(faults) > _SHOWN else []
    raise CasemateError(
        f"release.publisher_key: {settings.model} is not what its publisher signed:"
        f" {'; '.join([*faults[:_SHOWN], *more])}",
        next="take the model and its signature from the publisher again; what was added there, move elsewhere",
    )


def _faults(signed: Mapping[str, str], found: Mapping[str, str]) -> Iterator[str]:
    for name in sorted(found.keys() | signed.keys()):
        if name not in signed:
            yield f"{name!r} is not signed"
        elif name not in found:
            yield f"{name!r} is missing"
        elif signed[name] != found[name]:
            yield f"{name!r} has SHA-256 {found[name]}, expected {signed[name]}"


def _start_of(path: Path) -> bytes:
    """As much as a signature may have, and a byte more where it has more. Raises CasemateError."""
    try:
        with path.open("rb") as file:
            return file.read(LIMIT + 1)
    except OSError as error:
        raise CasemateError(
            f"release.publisher_key: {path} cannot be read: {error.strerror}",
            next="put the publisher's file there, or remove the setting and ship what nobody vouches for",
        ) from None
