"""The image as `docker load` wants it, made while it is read: never a second copy on the disk.

A hybrid of Docker's and the OCI form. Engines on overlay2 read `manifest.json`, those on containerd `index.json`; each
accepts that the layers which it has already are not in it.
"""

import tarfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from service.release.manifest import Manifest, canonical
from service.release.verified import CHUNK

_OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def archive(manifest: Manifest, blobs: Path, layers: Iterable[str]) -> Iterator[bytes]:
    """A tar of the image with these of its layers (diff ids), from files in `blobs` that have been verified."""
    name = f"casemate:{manifest.image_tag}"
    described = {
        "mediaType": _OCI_MANIFEST,
        "digest": manifest.manifest_digest,
        "size": (blobs / _hex(manifest.manifest_digest)).stat().st_size,
        "annotations": {
            "io.containerd.image.name": f"docker.io/library/{name}",
            "org.opencontainers.image.ref.name": name,
        },
    }
    docker = {
        "Config": _path(manifest.config_digest),
        "RepoTags": [name],
        "Layers": [_path(layer) for layer in manifest.layers],
    }
    yield from _member("oci-layout", canonical({"imageLayoutVersion": "1.0.0"}))
    yield from _member("index.json", canonical({"schemaVersion": 2, "manifests": [described]}))
    yield from _member("manifest.json", canonical([docker]))
    for digest in (manifest.manifest_digest, manifest.config_digest, *layers):
        yield from _file(_path(digest), blobs / _hex(digest))
    yield bytes(2 * tarfile.BLOCKSIZE)


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")


def _path(digest: str) -> str:
    return f"blobs/sha256/{_hex(digest)}"


def _member(name: str, content: bytes) -> Iterator[bytes]:
    yield _header(name, len(content))
    yield content + _padding(len(content))


def _file(name: str, path: Path) -> Iterator[bytes]:
    size = path.stat().st_size
    yield _header(name, size)
    with path.open("rb", buffering=0) as file:
        while chunk := file.read(CHUNK):
            yield chunk
    yield _padding(size)


def _header(name: str, size: int) -> bytes:
    info = tarfile.TarInfo(name)
    info.size, info.mode = size, 0o644
    return info.tobuf(tarfile.GNU_FORMAT)


def _padding(size: int) -> bytes:
    return bytes(-size % tarfile.BLOCKSIZE)
