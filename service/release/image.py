"""The image in the engine: the signed one, or none."""

from service.release.archive import archive
from service.release.engine import Engine, EngineError
from service.release.errors import ReleaseError, Resend
from service.release.layout import Layout
from service.release.manifest import Manifest
from service.release.verified import Verified


def image_id(manifest: Manifest, engine: Engine) -> str | None:
    """The engine's id of the signed image, when it has it with the signed layers."""
    for digest in manifest.image_ids:
        found = engine.image(digest)
        if found and found["Id"] in manifest.image_ids and tuple(found["RootFS"]["Layers"]) == manifest.layers:
            return str(found["Id"])
    return None


def make_image(manifest: Manifest, layout: Layout, engine: Engine, memory: Verified) -> str:
    """The engine's id of the signed image, loaded from verified blobs when it is not there. Raises Resend."""
    present = image_id(manifest, engine)
    if present is None:
        present = _loaded(manifest, layout, engine, memory)
    engine.tag(present, "casemate", manifest.image_tag)
    for digest in (*manifest.image_ids, *manifest.layers):
        (layout.blobs / _hex(digest)).unlink(missing_ok=True)  # the engine has them now
    return present


def _loaded(manifest: Manifest, layout: Layout, engine: Engine, memory: Verified) -> str:
    """Layers that did not come are those the engine said it has; it refuses when it has them not."""
    _check(manifest.image_ids, layout, memory, optional=False)
    sent = _check(manifest.layers, layout, memory, optional=True)
    try:
        engine.load(archive(manifest, layout.blobs, sent))
    except EngineError as error:
        if error.status == 0 or sent == manifest.layers:
            raise
        raise Resend(f"{error} ({len(sent)} of {len(manifest.layers)} layers were sent)") from error
    loaded = image_id(manifest, engine)
    if loaded is None:
        raise ReleaseError(f"the engine loaded an image that is not the signed {manifest.config_digest}")
    return loaded


def _check(digests: tuple[str, ...], layout: Layout, memory: Verified, *, optional: bool) -> tuple[str, ...]:
    """Those that came, each with the content that its digest says."""
    came = []
    for digest in digests:
        blob = layout.blobs / _hex(digest)
        if not blob.exists():
            if optional:
                continue
            raise Resend(f"{blob} did not arrive")
        if memory.digest(blob) != _hex(digest):
            blob.unlink()
            raise Resend(f"{blob} has not the signed content; it was thrown away")
        came.append(digest)
    return tuple(came)


def _hex(digest: str) -> str:
    return digest.removeprefix("sha256:")
