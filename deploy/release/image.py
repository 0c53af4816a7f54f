"""The service's image, built from locks and the checkout: the same inputs give the same digests, on every machine."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from deploy.paths import ROOT
from deploy.release import digests
from deploy.release.code import APP, code_layer
from deploy.release.documents import canonical, digest_of
from deploy.release.layer import Layer
from deploy.release.lockfile import Requirement, read_lock
from deploy.release.packing import EPOCH
from deploy.release.rootfs import root_file_system
from deploy.release.wheelhouse import fetch_wheels
from deploy.release.wheels import SITE_PACKAGES, wheels_layer
from deploy.settings.release import ReleaseSettings

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LANG": "C.UTF-8",
    "HOME": "/tmp",  # noqa: S108  the only writable place
    "LOGNAME": "casemate",  # torch calls getpass.getuser(), which would look the uid up in /etc/passwd
    "PYTHONPATH": f"/{SITE_PACKAGES}:/{APP}",
    "PYTHONSAFEPATH": "1",
    "PYTHONNOUSERSITE": "1",
    "PYTHONDONTWRITEBYTECODE": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HOME": "/tmp/huggingface",  # noqa: S108
}


@dataclass(frozen=True)
class Image:
    """A built image. Docker's `.Id` is `config_digest` on overlay2 and `manifest_digest` on the containerd store."""

    layers: tuple[Layer, ...]
    config_digest: str
    manifest_digest: str
    blobs: dict[str, Path]
    """Everything a host must have, by digest: the layers, the config and the manifest."""


def build_image(settings: ReleaseSettings, progress: Callable[[str], None], root: Path = ROOT) -> Image:
    """Build what the cache lacks, with a full cache without network; raises CasemateError with what is missing."""
    requirements = read_lock(root / "service" / f"{settings.variant}.lock")

    def fetch(wanted: list[Requirement]) -> list[Path]:
        wheels = fetch_wheels(wanted, settings, progress)
        progress(f"packing {wanted[0] if len(wanted) == 1 else f'{len(wanted)} wheels'}")
        return list(wheels.values())

    # By rate of change, the slowest first: a host that has the first n layers is sent only the others.
    return image_of(
        root_file_system(settings, progress),
        wheels_layer("torch", [one for one in requirements if one.heavy], fetch),
        wheels_layer("wheels", [one for one in requirements if not one.heavy], fetch),
        code_layer(root),
    )


def image_of(*layers: Layer) -> Image:
    """Layers to an OCI image, its documents written beside them in the cache."""
    config = _config(layers)
    manifest = canonical(
        {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": _descriptor("application/vnd.oci.image.config.v1+json", digest_of(config), len(config)),
            "layers": [_descriptor("application/vnd.oci.image.layer.v1.tar", one.diff_id, one.size) for one in layers],
        }
    )
    documents = {digest_of(document): _kept(document) for document in (config, manifest)}
    blobs = {layer.diff_id: layer.path for layer in layers} | documents
    return Image(layers, digest_of(config), digest_of(manifest), blobs)


def _descriptor(media_type: str, digest: str, size: int) -> dict[str, str | int]:
    return {"mediaType": media_type, "digest": digest, "size": size}


def _config(layers: tuple[Layer, ...]) -> bytes:
    created = datetime.fromtimestamp(EPOCH, UTC).isoformat().replace("+00:00", "Z")
    return canonical(
        {
            "architecture": "amd64",
            "os": "linux",
            "created": created,
            "config": {
                "User": "64010:64010",
                "Env": [f"{key}={value}" for key, value in ENVIRONMENT.items()],
                "Cmd": ["python3", "-m", "service.vision"],
                "WorkingDir": "/",
                "Labels": {"org.opencontainers.image.title": "casemate"},
            },
            "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
            "history": [{"created": created, "created_by": f"casemate release build: {one.name}"} for one in layers],
        }
    )


def _kept(document: bytes) -> Path:
    path = digests.folder() / "documents" / f"{digest_of(document)[7:]}.json"
    if not path.exists() or path.read_bytes() != document:
        digests.write(path, document)
    return path
