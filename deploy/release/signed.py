"""Signed releases, kept on the operator's machine under their id."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.errors import CasemateError
from deploy.paths import STATE
from deploy.release import digests
from deploy.release.image import Image
from deploy.release.manifest import Manifest, contents, stamped
from deploy.release.model import Model
from deploy.release.signature import sign, verify
from deploy.settings.release import ReleaseSettings

RELEASES = STATE / "releases"


@dataclass(frozen=True)
class Signed:
    """A signed manifest; `directory` holds manifest.json and manifest.json.sig."""

    manifest: Manifest
    document: bytes
    signature: bytes
    directory: Path


def signed_release(
    settings: ReleaseSettings, image: Image, model: Model, configuration: dict[str, Any], newer_than: int = 0
) -> Signed:
    """The signed manifest of these contents.

    The one that is kept is used again, unless its sequence is not above `newer_than` (the last that the host accepted: going back to
    earlier contents would look like a replay), its signature does not hold, or it is damaged.
    """
    found = contents(settings, image, model, configuration)
    try:
        kept = read_signed(found.id)
        verify(kept.document, kept.signature, settings)
        if kept.manifest.sequence > newer_than:
            return kept
    except CasemateError:
        pass  # not there, damaged, or by a key of before: sign it now
    document = stamped(found, newer_than).document()
    directory = RELEASES / found.id
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    # The signature goes first: a manifest without one is never read, and one with an older signature is signed again.
    digests.write(directory / "manifest.json.sig", sign(document, settings))
    digests.write(directory / "manifest.json", document)
    return read_signed(found.id)


def read_signed(release: str) -> Signed:
    """The kept release of this id; its signature is not judged. Raises CasemateError if there is none."""
    directory = RELEASES / release
    document, signature = directory / "manifest.json", directory / "manifest.json.sig"
    try:
        content = document.read_bytes()
        return Signed(Manifest.read(content, document), content, signature.read_bytes(), directory)
    except FileNotFoundError:
        raise CasemateError(f"there is no signed release {release!r} here", next="casemate release show") from None


def kept_releases() -> Iterator[Signed]:
    """All of them, the newest first."""
    ids = [path.parent.name for path in RELEASES.glob("*/manifest.json")]
    yield from sorted(map(read_signed, ids), key=lambda one: one.manifest.sequence, reverse=True)
