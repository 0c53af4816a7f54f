"""Image layers, in the cache by what they are made from."""

import hashlib
import json
import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from deploy.release import digests, packing
from deploy.release.packing import Member, pack

_UNUSED_DAYS = 30


@dataclass(frozen=True)
class Layer:
    """A finished layer: an uncompressed tar. `diff_id` is the SHA-256 of the file at `path`; `size` is in bytes."""

    name: str
    diff_id: str
    path: Path
    size: int


def packed_layer(name: str, inputs: object, members: Callable[[], Iterable[Member]]) -> Layer:
    """The layer of these members, which follow from `inputs` and are asked for only if the cache lacks it."""
    packer = digests.sha256_of(Path(packing.__file__))
    return cached_layer(name, [packer, inputs], lambda path: pack(members(), path))


def cached_layer(name: str, inputs: object, make: Callable[[Path], str]) -> Layer:
    """The layer made from these inputs (JSON values): from the cache if it is there and whole, else by `make`.

    `make` writes the tar at the path that it is given and returns its hex SHA-256.
    """
    key = hashlib.sha256(json.dumps([name, inputs], sort_keys=True).encode()).hexdigest()[:24]
    layers = folder()
    path, record = layers / f"{name}-{key}.tar", layers / f"{name}-{key}.json"
    try:
        diff_id = str(json.loads(record.read_bytes())["diff_id"])
        if f"sha256:{digests.sha256_of(path)}" == diff_id:
            os.utime(record)
            return Layer(name, diff_id, path, path.stat().st_size)
    except (OSError, ValueError, KeyError):
        pass  # not there, or cut short: make it
    layers.mkdir(parents=True, exist_ok=True)
    _forget_unused(layers)
    part = layers / f".{name}-{key}.{os.getpid()}"
    try:
        digest = make(part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    digests.remember(path, digest)
    digests.write(record, json.dumps({"diff_id": f"sha256:{digest}"}).encode())
    return Layer(name, f"sha256:{digest}", path, path.stat().st_size)


def cached_paths() -> dict[str, Path]:
    """The tar of every layer in the cache, by diff id."""
    records = folder().glob("*.json")
    return {str(json.loads(record.read_bytes())["diff_id"]): record.with_suffix(".tar") for record in records}


def folder() -> Path:
    """Where layers lie."""
    return digests.folder() / "layers"


def _forget_unused(layers: Path) -> None:
    """Remove layers that no build has used for a month: a CUDA layer is gigabytes."""
    oldest = time.time() - _UNUSED_DAYS * 86400
    for record in layers.glob("*.json"):
        if record.stat().st_mtime < oldest:
            record.with_suffix(".tar").unlink(missing_ok=True)
            record.unlink(missing_ok=True)
