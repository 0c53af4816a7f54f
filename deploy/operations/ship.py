"""A release to a host: only what it lacks, over the connection that is there, and let in by the host itself."""

import hashlib
from typing import Any

from pyinfra import host

from deploy.facts.observed import Observed, observed
from deploy.operations import transfer
from deploy.operations.attempt import attempted
from deploy.operations.built import Built
from deploy.operations.change import differs
from deploy.operations.convergence import Commands, convergence

_NOTHING: dict[str, Any] = {
    "accepted_sequence": 0,
    "admitted": None,
    "live": {"vision": None, "gate": None},
    "releases": [],
}


@convergence
def ship_image(release: Built) -> Commands:
    """The engine has the image, or its missing layers lie on the host."""
    if _has_image(observed(host), release):
        host.noop(f"the engine has the image {release.image.config_digest[:19]}")
        return
    differs("image", None, f"{release.image.config_digest}\n")
    yield from attempted(lambda there: transfer.send_image(there, release))


@convergence
def ship_model(release: Built) -> Commands:
    """The model's files are on the host."""
    if _has_model(observed(host), release):
        host.noop(f"the host has the model {release.model_directory}")
        return
    differs("model", None, f"{release.model_directory}\n")
    yield from attempted(lambda there: transfer.send_model(there, release))


@convergence
def accept_release(release: Built) -> Commands:
    """The host has verified the release and let it in."""
    seen = observed(host)
    state, manifests = accepted(seen), seen.required("release")["manifests"]
    signers = hashlib.sha256(release.signers.encode()).hexdigest()
    known = any((one["release"], one.get("signers")) == (release.id, signers) for one in state["releases"])
    whole = _has_image(seen, release) and _has_model(seen, release) and release.id in manifests
    if state["admitted"] == release.id and known and whole:
        host.noop(f"release {release.id} is accepted")
        return
    differs("release", state["admitted"], release.id)
    yield from attempted(lambda there: transfer.accept(there, release, state["accepted_sequence"]))


@convergence
def make_room(release: Built, keep: int) -> Commands:
    """Before a release that is new to the host comes: what serves now will be one of the `keep` to go back to."""
    state, keep = accepted(observed(host)), keep - 1
    needed = {state["admitted"], *state["live"].values()}
    earlier = [record["release"] for record in state["releases"] if record["release"] not in needed]
    if release.id in needed or len(earlier) <= keep:
        host.noop(f"{len(earlier)} earlier releases are kept")
        return
    differs("earlier releases", "\n".join(earlier), "\n".join(earlier[len(earlier) - keep :]))
    yield f"{transfer.PROGRAM} prune --keep {keep}"


def accepted(seen: Observed) -> dict[str, Any]:
    """What the host's release program noted; of a host that never accepted anything: nothing."""
    return dict(seen.required("release")["state"] or _NOTHING)


def _has_image(seen: Observed, release: Built) -> bool:
    images = (seen.section("docker") or {}).get("images", {})
    return any(digest in images for digest in release.image_ids)


def _has_model(seen: Observed, release: Built) -> bool:
    return any(record["model"] == release.model_directory for record in accepted(seen)["releases"])
