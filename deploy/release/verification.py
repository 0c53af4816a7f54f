"""Is a kept release still what was signed? Every byte is read again."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from deploy.errors import CasemateError
from deploy.release import digests
from deploy.release.layer import cached_paths
from deploy.release.signature import verify
from deploy.release.signed import Signed
from deploy.release.statement import SIGNATURE
from deploy.release.weights import verify_weights


@dataclass(frozen=True)
class Check:
    """One part of a release; `fault` is None where it is as signed."""

    part: str
    fault: str | None


def verify_release(signed: Signed) -> Iterator[Check]:
    """Both signatures, then each of the image's layers, then each of the model's files."""
    yield Check("signature", _signature(signed))
    yield Check(SIGNATURE, _weights(signed))
    image = signed.manifest.image
    layers = cached_paths()
    for layer in image.layers:
        yield Check(f"layer {layer[7:19]}", _fault(layers.get(layer), layer[7:]))
    for name, file in signed.manifest.model.files.items():
        yield Check(f"model {name}", _fault(signed.settings.model / name, file.sha256))


def _signature(signed: Signed) -> str | None:
    try:
        verify(signed.document, signed.signature, signed.settings)
    except CasemateError as error:
        return error.message
    return None


def _weights(signed: Signed) -> str | None:
    try:
        verify_weights(signed.directory / SIGNATURE, signed.manifest.model.digests, signed.settings)
    except CasemateError as error:
        return error.message
    return None


def _fault(path: Path | None, expected: str) -> str | None:
    if path is None or not path.exists():
        return f"{path} is missing" if path else "not in the cache; casemate release build INVENTORY makes it again"
    got = digests.read_sha256(path)
    return None if got == expected else f"{path} has SHA-256 {got}, expected {expected}"
