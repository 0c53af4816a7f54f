"""Signed releases, kept on the operator's machine under their id."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy import paths
from deploy.errors import CasemateError, SettingsError
from deploy.private import make_private
from deploy.release import digests
from deploy.release.image import Image
from deploy.release.manifest import Manifest, contents, stamped
from deploy.release.model import Model
from deploy.release.signature import sign, verify
from deploy.release.statement import SIGNATURE
from deploy.release.weights import sign_weights
from deploy.settings.release import ReleaseSettings


@dataclass(frozen=True)
class Signed:
    """A signed manifest as it lies in `directory`, and the settings that it was signed with."""

    manifest: Manifest
    document: bytes
    signature: bytes
    directory: Path
    settings: ReleaseSettings


def signed_release(
    settings: ReleaseSettings, image: Image, model: Model, configuration: dict[str, Any], newer_than: int = 0
) -> Signed:
    """The signed manifest of these contents.

    The one that is kept is used again, unless its sequence is not above `newer_than` (the last that the host accepted:
    going back to earlier contents would look like a replay), its signature does not hold, or it is damaged.
    """
    found = contents(settings, image, model, configuration)
    directory = _releases() / found.id
    make_private(directory)
    sign_weights(directory / SIGNATURE, found.model.name, found.model.digests, settings)
    try:
        kept = read_signed(found.id)
        verify(kept.document, kept.signature, settings)
        if kept.manifest.sequence > newer_than:
            return kept
    except CasemateError:
        pass  # not there, damaged, or by a key of before: sign it now
    document = stamped(found, newer_than).document()
    # The manifest goes last: one that is there has its signature, and one with an older signature is signed again.
    digests.write(directory / "settings.json", settings.model_dump_json(indent=2).encode())
    digests.write(directory / "manifest.json.sig", sign(document, settings))
    digests.write(directory / "manifest.json", document)
    return read_signed(found.id)


def read_signed(release: str) -> Signed:
    """The kept release of this id; its signature is not judged. Raises CasemateError if it is not there or damaged."""
    directory = _releases() / release
    origin = directory / "manifest.json"
    try:
        document = origin.read_bytes()
        signature = origin.with_name("manifest.json.sig").read_bytes()
        settings = ReleaseSettings.model_validate_json(origin.with_name("settings.json").read_bytes())
    except FileNotFoundError:
        raise SettingsError(f"there is no signed release {release!r} here", next="casemate release show") from None
    except ValueError as error:
        raise CasemateError(f"{directory} is damaged: {error}", next=f"rm -r {directory}") from None
    return Signed(Manifest.read(document, origin), document, signature, directory, settings)


def kept_releases() -> list[Signed]:
    """All of them, the newest first."""
    found = [read_signed(path.parent.name) for path in _releases().glob("*/manifest.json")]
    return sorted(found, key=lambda one: one.manifest.sequence, reverse=True)


def _releases() -> Path:
    return paths.STATE / "releases"
