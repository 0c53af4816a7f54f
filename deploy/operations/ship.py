"""A release to a host: only what it lacks, over the connection that is there, and let in by the host itself."""

import hashlib
import re
from collections.abc import Iterable
from typing import Any

from pyinfra import host

from deploy.errors import CasemateError
from deploy.facts.observed import Observed, observed
from deploy.host_paths import HOST_MODELS, HOST_STATE
from deploy.operations import transfer
from deploy.operations.attempt import attempted
from deploy.operations.built import Built
from deploy.operations.change import differs
from deploy.operations.convergence import Commands, convergence
from deploy.operations.expected import Item, directory_item, expects, file_item, parents_of, removed
from deploy.release.signed import kept_releases
from service.release.manifest import model_directory

_BLOBS = HOST_STATE / "blobs"
_DIGEST = re.compile("[0-9a-f]{64}")
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
    expects(*_passing(digest.removeprefix("sha256:") for digest in release.image.blobs))
    differs("image", None, f"{release.image.config_digest}\n")
    yield from attempted(lambda there: transfer.send_image(there, release))


@convergence
def ship_model(release: Built) -> Commands:
    """The model's files are on the host."""
    faults = model_faults(observed(host), release)
    if not faults:
        host.noop(f"the host has the model {release.model_directory}")
        return
    expects(*_model_items(release), *_thrown_away(release, faults))
    differs(
        "model",
        "\n".join(f"{file} {fault}" for file, fault in faults.items()),
        f"{release.model_directory} as signed\n",
    )
    yield from attempted(lambda there: transfer.send_model(there, release))


@convergence
def accept_release(release: Built) -> Commands:
    """The host has verified the release and let it in."""
    seen = observed(host)
    state, manifests = accepted(seen), seen.required("release")["manifests"]
    signers = hashlib.sha256(release.signers.encode()).hexdigest()
    known = any((one["release"], one.get("signers")) == (release.id, signers) for one in state["releases"])
    whole = _has_image(seen, release) and not model_faults(seen, release) and release.id in manifests
    if state["admitted"] == release.id and known and whole:
        host.noop(f"release {release.id} is accepted")
        return
    expects(*_model_items(release), *_passing(digest.removeprefix("sha256:") for digest in release.image.blobs))
    differs("release", state["admitted"], release.id)
    yield from attempted(lambda there: transfer.accept(there, release, state["accepted_sequence"]))


@convergence
def make_room(release: Built, keep: int) -> Commands:
    """Before a release that is new to the host comes: what serves now will be one of the `keep` to go back to."""
    seen, keep = observed(host), keep - 1
    state = accepted(seen)
    needed = {state["admitted"], *state["live"].values()}
    earlier = [record["release"] for record in state["releases"] if record["release"] not in needed]
    if release.id in needed or len(earlier) <= keep:
        host.noop(f"{len(earlier)} earlier releases are kept")
        return
    gone, kept = earlier[: len(earlier) - keep], {*needed, *earlier[len(earlier) - keep :]} - {None}
    expects(*_pruned_items(gone, kept, seen.required("release")["blobs"]))
    differs("earlier releases", "\n".join(earlier), "\n".join(earlier[len(earlier) - keep :]))
    yield f"{transfer.PROGRAM} prune --keep {keep}"


def _passing(digests: Iterable[str]) -> list[Item]:
    """Blobs that come, and go when the engine has them."""
    return [item for digest in digests for item in (_blob(digest), removed(f"{_BLOBS}/{digest}"))]


def _blob(digest: str) -> Item:
    return file_item(f"{_BLOBS}/{digest}", digest, "0444", "root", "root")


def _model_items(release: Built) -> list[Item]:
    """Its files as blobs, in the directory where they are linked, and in their own."""
    files = {name: file.sha256 for name, file in release.model.files.items()}
    fresh, place = f"{HOST_MODELS}/.{release.model_directory}.new", f"{HOST_MODELS}/{release.model_directory}"
    items = [*map(_blob, files.values()), removed(fresh), removed(f"{HOST_MODELS}/.{release.model_directory}.wrong")]
    for root in (fresh, place):
        directories = {root, *(parent for name in files for parent in parents_of(f"{root}/{name}", root))}
        items += [directory_item(path) for path in sorted(directories)]
        items += [file_item(f"{root}/{name}", digest, "0444", "root", "root") for name, digest in files.items()]
    return items


def _pruned_items(gone: list[str], kept: set[str], there: list[str]) -> list[Item]:
    """What only these releases needed, as far as this operator signed them; if all, also what a cut transfer left."""
    try:
        models = {one.manifest.release: one.manifest.model for one in kept_releases()}
    except CasemateError:  # a damaged one here is no reason to leave the host full; the sentinel will tell what went
        models = {}

    def files(releases: Iterable[str]) -> dict[str, Any]:
        return {name: models[name].model_dump(mode="json")["files"] for name in releases if name in models}

    needed = {file["sha256"] for one in files(kept).values() for file in one.values()}
    directories = {f"{HOST_MODELS}/{model_directory(models[name].name, one)}" for name, one in files(gone).items()}
    blobs = {file["sha256"] for one in files(gone).values() for file in one.values()} - needed
    if models.keys() >= {*gone, *kept}:
        blobs |= {name for name in there if _DIGEST.fullmatch(name)} - needed
    return [removed(path) for path in sorted({*directories, *(f"{_BLOBS}/{blob}" for blob in blobs)})]


def accepted(seen: Observed) -> dict[str, Any]:
    """What the host's release program noted; of a host that never accepted anything: nothing."""
    return dict(seen.required("release")["state"] or _NOTHING)


def _has_image(seen: Observed, release: Built) -> bool:
    images = (seen.section("docker") or {}).get("images", {})
    return any(digest in images for digest in release.image_ids)


def model_faults(seen: Observed, release: Built) -> dict[str, str]:
    """Which files are not those that the host verified as the model's; empty when all of them are."""
    if not any(record["model"] == release.model_directory for record in accepted(seen)["releases"]):
        return {"the model": "is not there"}
    signed = {name: file.sha256 for name, file in release.model.files.items()}
    there = seen.required("release")["models"].get(release.model_directory, {})
    wrong = [name for name in signed if signed[name] != there.get(name)]
    return {name: "changed" if name in there else "is missing" for name in wrong} | {
        name: "is not part of the model" for name in there if name not in signed
    }


def _thrown_away(release: Built, faults: Iterable[str]) -> list[Item]:
    """A wrong blob goes before a right one comes."""
    return [removed(f"{_BLOBS}/{release.model.files[name].sha256}") for name in faults if name in release.model.files]
