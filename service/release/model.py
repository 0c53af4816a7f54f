"""The model's files on the host: one copy of each content, one directory a list of files."""

import os
import shutil
from pathlib import Path

from service.release.errors import Resend
from service.release.files import settle
from service.release.layout import Layout
from service.release.manifest import Manifest
from service.release.verified import Verified


def check_model(manifest: Manifest, layout: Layout, memory: Verified) -> None:
    """Raise Resend unless the model's directory holds exactly the manifest's files with their content."""
    directory = layout.models / manifest.model
    entries = [path for path in directory.rglob("*") if path.is_symlink() or not path.is_dir()]
    present = {str(path.relative_to(directory)) for path in entries}
    wanted = set(manifest.model_files)
    if present != wanted:
        odd = sorted(present ^ wanted)[0]
        reason = "missing" if odd in wanted else "not part of the model"
        raise Resend(f"{directory / odd} is {reason}; deploy again")
    for name in manifest.model_files:
        _check(directory / name, manifest, name, memory)


def make_model(manifest: Manifest, layout: Layout, memory: Verified) -> None:
    """The model's directory, of verified blobs; a right one is left alone. Raises Resend for a wrong blob."""
    directory = layout.models / manifest.model
    try:
        check_model(manifest, layout, memory)
    except Resend:
        _exchange(_linked(manifest, layout, memory), directory)
        check_model(manifest, layout, memory)  # links went with a wrong directory, and ctimes changed


def _linked(manifest: Manifest, layout: Layout, memory: Verified) -> Path:
    fresh = layout.models / f".{manifest.model}.new"
    shutil.rmtree(fresh, ignore_errors=True)
    for name, file in manifest.model_files.items():
        blob = layout.blobs / file["sha256"]
        if not blob.exists():
            raise Resend(f"model file {name} did not arrive: {blob} is missing")
        try:
            _check(blob, manifest, name, memory)
        except Resend:
            blob.unlink()
            raise
        link = fresh / name
        link.parent.mkdir(parents=True, exist_ok=True)
        os.link(blob, link)
        memory.note(link, file["sha256"])  # linking changes the ctime, and twenty gigabytes are not read twice for that
    settle(fresh)
    return fresh


def _exchange(fresh: Path, directory: Path) -> None:
    """A running container keeps the directory that it was started with; the next one gets the fresh one."""
    if directory.exists():
        wrong = directory.with_name(f".{directory.name}.wrong")
        shutil.rmtree(wrong, ignore_errors=True)
        directory.replace(wrong)
        fresh.replace(directory)
        shutil.rmtree(wrong)
    else:
        fresh.replace(directory)
    settle(directory.parent)


def _check(path: Path, manifest: Manifest, name: str, memory: Verified) -> None:
    wanted = manifest.model_files[name]
    found = memory.digest(path)
    if path.stat().st_size != wanted["size"] or found != wanted["sha256"]:
        digests = f"got SHA-256 {found[:12]}, expected {wanted['sha256'][:12]}"
        raise Resend(f"{path} is not the signed {name}: {digests}; deploy again")
