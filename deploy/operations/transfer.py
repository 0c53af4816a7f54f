"""The conversation with `casemate-release` on a host: what is there, the rest, let it in, hand over."""

import io
import json
import sys
import tarfile
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path
from typing import Any

from deploy.errors import CasemateError
from deploy.host_paths import HOST_PROGRAMS, HOST_STATE
from deploy.operations.built import Built
from deploy.operations.channel import Said, part_of, run

PROGRAM = str(HOST_PROGRAMS / "bin" / "casemate-release")
_COMPLAINT = "casemate-release: "
_RESEND = 3
"""Exit status of `accept` when something must be sent (again)."""


def send_image(host: Any, release: Built, *, whole: bool = False) -> None:
    """The image's documents, and the layers above those that an image on the host begins with; `whole`: all layers."""
    found = _have(host)
    there = 0 if whole else max((_common(release.layers, image["layers"]) for image in found["images"]), default=0)
    digests = [release.image.manifest_digest, release.image.config_digest, *release.layers[there:]]
    blobs = {digest.removeprefix("sha256:"): release.image.blobs[digest] for digest in digests}
    _send(host, f"image: {there} of {len(release.layers)} layers are there", blobs, found)


def send_model(host: Any, release: Built) -> None:
    """The model's files that the host lacks."""
    model = release.model
    blobs = {file.sha256: model.directory / name for name, file in model.files.items()}
    _send(host, f"model: {len(model.files)} files", blobs, _have(host))


def accept(host: Any, release: Built, accepted_sequence: int) -> None:
    """Sign what is newer than the host's last, and have it verified there; what the host threw away is sent again."""
    signed = release.signed(newer_than=accepted_sequence)
    documents = _tar({"manifest.json": signed.document, "manifest.json.sig": signed.signature})
    place = f"{HOST_STATE}/incoming/{release.id}"
    command = f"mkdir -p {place} && tar -x -C {place} --no-same-owner && {PROGRAM} accept {place}"
    said = run(host, command, stdin=iter([documents]))
    for whole in (False, True):
        if said.status != _RESEND:
            break
        tell(host, f"release: {said.err.removeprefix(_COMPLAINT)}")
        send_image(host, release, whole=whole)
        send_model(host, release)
        said = run(host, command, stdin=iter([documents]))
    _good(host, said)


def hand_over(host: Any, component: str, release: Built, accepted_sequence: int) -> None:
    """Put the release into service; each step is told. It goes on when the connection breaks.

    What the host finds missing or changed since it was accepted is sent again.
    """

    def heard(line: str) -> None:
        if not line.startswith(_COMPLAINT):  # that one is the error, which is told at the end
            tell(host, f"{component}: {line}")

    said = run(host, PROGRAM, "handover", component, release.id, heard=heard)
    if said.status == _RESEND:
        accept(host, release, accepted_sequence)
        said = run(host, PROGRAM, "handover", component, release.id, heard=heard)
    _good(host, said)


def tell(host: Any, sentence: str) -> None:
    """A line of progress."""
    print(f"{host.name}  ...      {sentence}", file=sys.stderr, flush=True)


def _have(host: Any) -> dict[str, Any]:
    return dict(json.loads(_good(host, run(host, PROGRAM, "have")).out))


def _common(wanted: list[str], found: list[str]) -> int:
    """How many layers both begin with."""
    return len(list(takewhile(lambda pair: pair[0] == pair[1], zip(wanted, found, strict=False))))


def _send(host: Any, what: str, blobs: dict[str, Path], found: dict[str, Any]) -> None:
    missing = {digest: path for digest, path in blobs.items() if digest not in found["blobs"]}
    offsets = {digest: found["partial"].get(digest, 0) for digest in missing}
    size = sum(path.stat().st_size - offsets[digest] for digest, path in missing.items())
    tell(host, f"{what}; {size / 1e6:.1f} MB to send")
    for digest, path in missing.items():
        stream = part_of(path, offsets[digest], _teller(host))
        arguments = ("--size", str(path.stat().st_size), "--offset", str(offsets[digest]))
        _good(host, run(host, PROGRAM, "receive", digest, *arguments, stdin=stream))


def _teller(host: Any) -> Callable[[str], None]:
    return lambda sentence: tell(host, sentence)


def _good(host: Any, said: Said) -> Said:
    if said.status:
        reason = said.err.removeprefix(_COMPLAINT) or f"{PROGRAM} ended with status {said.status}"
        sentence, _, following = reason.partition("; next: ")
        again = "the same command again; what served still serves"
        raise CasemateError(f"{host.name}: {sentence}", next=following or again)
    return said


def _tar(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size, member.mode = len(data), 0o644
            archive.addfile(member, io.BytesIO(data))
    return content.getvalue()
