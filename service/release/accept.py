"""Let a release in, or refuse it and change nothing."""

import shutil
import time
from pathlib import Path

from service.release import state
from service.release.engine import Engine
from service.release.errors import ReleaseError
from service.release.files import locked, settle
from service.release.image import make_image
from service.release.layout import Layout
from service.release.manifest import Manifest, verified
from service.release.model import make_model
from service.release.verified import Verified, sha256


def accept(layout: Layout, engine: Engine, directory: Path, *, rollback: bool = False) -> Manifest:
    """Signature, sequence, every hash, image: in this order, and the record last. What runs is not touched.

    Accepting again what was accepted before renews it; with `rollback` it is how to go back. Raises ReleaseError.
    """
    with locked(layout.releases / ".accept.lock"):
        manifest = verified(directory, layout)
        newest = state.read(layout).accepted_sequence
        if manifest.sequence < newest and not rollback:
            raise ReleaseError(
                f"release {manifest.release} of sequence {manifest.sequence} is older than what this host accepted"
                f" ({newest}); to go back: casemate-release accept --rollback {directory}"
            )
        image = _made(manifest, layout, engine)
        _keep(directory, layout.releases / manifest.release)
        with state.changed(layout) as now:
            now.accepted_sequence = max(now.accepted_sequence, manifest.sequence)
            now.admitted = manifest.release
            now.releases = [record for record in now.releases if record.release != manifest.release]
            now.releases.append(
                state.Accepted(
                    manifest.release, manifest.sequence, time.time(), image, manifest.model, sha256(layout.signers)
                )
            )
    return manifest


def _made(manifest: Manifest, layout: Layout, engine: Engine) -> str:
    with locked(layout.home / ".verified.lock"):
        memory = Verified(layout.verified)
        try:
            make_model(manifest, layout, memory)
            return make_image(manifest, layout, engine, memory)
        finally:
            memory.keep()


def _keep(arrived: Path, kept: Path) -> None:
    """The signed files move to where releases are kept; those of the same release give way."""
    if arrived.resolve() == kept.resolve():
        return
    wrong = kept.with_name(f".{kept.name}.old")
    shutil.rmtree(wrong, ignore_errors=True)
    if kept.exists():
        kept.replace(wrong)
    arrived.replace(kept)
    shutil.rmtree(wrong, ignore_errors=True)
    settle(kept.parent)
