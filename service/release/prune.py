"""Earlier releases, beyond those to go back to, leave the host."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from service.release import state
from service.release.engine import Engine, EngineError
from service.release.files import locked
from service.release.layout import Layout
from service.release.manifest import unverified

_STALE = 7 * 86400
"""Seconds after which a cut transfer is not waited for any more."""


def prune(layout: Layout, engine: Engine, keep: int) -> list[str]:
    """Forget all but what is live or admitted and the `keep` newest more; the ids that went.

    Images, model directories and blobs that no kept release needs go with them. Containers are not touched.
    """
    with locked(layout.releases / ".accept.lock"):
        with state.changed(layout) as now:
            needed = {now.admitted, *now.live.values()}
            earlier = [record for record in now.releases if record.release not in needed]
            gone = earlier[: max(len(earlier) - keep, 0)]
            now.releases = [record for record in now.releases if record not in gone]
        kept = [unverified(layout.releases / record.release) for record in now.releases]
        for record in gone:
            shutil.rmtree(layout.releases / record.release, ignore_errors=True)
        _prune_images(engine, {manifest.image_tag for manifest in kept})
        for directory in _beside(layout.models, {manifest.model for manifest in kept}):
            shutil.rmtree(directory)
        for blob in _beside(layout.blobs, {str(file["sha256"]) for one in kept for file in one.model_files.values()}):
            blob.unlink()
        for path in _beside(layout.incoming, set()):
            if path.is_file() and time.time() - path.stat().st_mtime > _STALE:
                path.unlink()
    return [record.release for record in gone]


def _beside(directory: Path, kept: set[str]) -> Iterator[Path]:
    """What else is in a directory."""
    for path in sorted(directory.iterdir()) if directory.exists() else ():
        if path.name not in kept:
            yield path


def _prune_images(engine: Engine, kept: set[str]) -> None:
    """Only names of ours: what else is in the engine is somebody else's."""
    for image in engine.images():
        for name in image.get("RepoTags") or []:
            repository, _, tag = name.rpartition(":")
            if repository == "casemate" and tag not in kept:
                try:
                    engine.untag(name)
                except EngineError as error:
                    if error.status != 409:  # a container still has it; the next run takes it
                        raise
