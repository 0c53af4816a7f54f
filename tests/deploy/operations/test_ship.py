"""A host that has a release is left alone; one that has not is told what it will get."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from deploy.errors import CasemateError
from deploy.operations.built import Built
from deploy.operations.change import differences
from deploy.operations.expected import taken
from deploy.operations.handover import hand_over
from deploy.operations.ship import accept_release, make_room, ship_image, ship_model
from tests.deploy.operations.releases import release_in

SIGNERS = "release@casemate ssh-ed25519 AAAA\n"
SIGNED = hashlib.sha256(SIGNERS.encode()).hexdigest()


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Built:
    monkeypatch.setattr(Built, "signers", SIGNERS)
    return release_in(tmp_path)


def container(release: Built, component: str = "vision", **state: Any) -> dict[str, Any]:
    """`docker container inspect` of the release's container."""
    arguments = release.container(component, release.image.config_digest)
    return {
        "Name": f"/casemate-{component}-{release.id}",
        "Image": release.image.config_digest,
        "Config": {**arguments},
        "HostConfig": {key: value or None for key, value in arguments["HostConfig"].items()}
        | {"Privileged": False, "PublishAllPorts": False, "AutoRemove": False},
        "NetworkSettings": {"Networks": {"none": {}}},
        "State": {"Running": True, "Status": "running", "Health": {"Status": "healthy"}, **state},
    }


def snapshot(release: Built, *others: str, **changes: Any) -> dict[str, Any]:
    """A host on which the release serves, and `others` served before."""
    records = [{"release": name, "model": "micro-old", "signers": ""} for name in others]
    state = {
        "accepted_sequence": 100,
        "admitted": release.id,
        "live": {"vision": release.id, "gate": release.id},
        "releases": [*records, {"release": release.id, "model": release.model_directory, "signers": SIGNED}],
    }
    found = container(release)
    return {
        "docker": {
            "images": {release.image.config_digest: {}},
            "containers": {found["Name"].lstrip("/"): found},
        },
        "release": {
            "state": state,
            "manifests": {release.id: {}},
            "blobs": [],
            "current": {"vision": release.id, "gate": release.id},
            "models": {release.model_directory: {name: file.sha256 for name, file in release.model.files.items()}},
        },
        **changes,
    }


NOTHING = {
    "docker": {"images": {}},
    "release": {"state": None, "manifests": {}, "current": {"vision": None, "gate": None}, "models": {}},
}


@pytest.mark.parametrize("operation", [ship_image, ship_model, accept_release])
def test_what_is_there_is_not_sent(commands: Any, release: Built, operation: Any) -> None:
    assert commands(operation, {"release": release}, **snapshot(release)) == []
    assert len(commands(operation, {"release": release}, **NOTHING)) == 1


def test_the_containerd_stores_name_of_the_image_will_do(commands: Any, release: Built) -> None:
    found = snapshot(release, docker={"images": {release.image.manifest_digest: {}}, "containers": {}})
    assert commands(ship_image, {"release": release}, **found) == []


@pytest.mark.parametrize(("file", "told"), [("model.safetensors", "changed"), ("added.py", "is not part of the model")])
def test_a_model_that_is_not_as_the_host_verified_it_is_announced_and_let_in_again(
    fake_host: Any, release: Built, file: str, told: str
) -> None:
    found = snapshot(release)
    found["release"]["models"][release.model_directory][file] = None
    host = fake_host(**found)
    for operation in (ship_model, accept_release):
        generator: Any = operation
        assert len([*generator._inner(release=release)]) == 1
    assert f"-{file} {told}" in "\n".join(differences(host, "operation"))
    gone = [item["path"] for item in taken(host) if item.get("removed")]
    for name, signed in release.model.files.items():
        assert (f"/var/lib/casemate/blobs/{signed.sha256}" in gone) == (name == file)


def test_a_host_that_cannot_be_read_is_never_taken_for_an_empty_one(commands: Any, release: Built) -> None:
    with pytest.raises(CasemateError, match="release could not be read"):
        commands(accept_release, {"release": release}, docker={}, release=None)


def test_another_signing_key_has_the_release_accepted_again(
    commands: Any, release: Built, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Built, "signers", "release@casemate ssh-ed25519 BBBB\n")
    assert len(commands(accept_release, {"release": release}, **snapshot(release))) == 1


def test_a_release_that_serves_as_signed_is_left_alone(commands: Any, release: Built) -> None:
    assert commands(hand_over, {"component": "vision", "release": release}, **snapshot(release)) == []


@pytest.mark.parametrize(
    ("place", "key", "value", "told"),
    [
        ("HostConfig", "Memory", 1, "Memory: got 1,"),
        ("HostConfig", "Privileged", True, "Privileged: got True"),
        ("NetworkSettings", "Networks", {"bridge": {}}, "networks: got"),
        ("State", "Running", False, "is running and healthy"),
        ("State", "Health", {"Status": "unhealthy"}, "unhealthy"),
        ("Config", "User", "0:0", "User: got 0:0"),
    ],
)
def test_a_container_that_is_not_as_signed_is_handed_over(
    fake_host: Any, release: Built, place: str, key: str, value: Any, told: str
) -> None:
    found = snapshot(release)
    found["docker"]["containers"][f"casemate-vision-{release.id}"][place][key] = value
    host = fake_host(**found)
    generator: Any = hand_over
    assert len([*generator._inner(component="vision", release=release)]) == 1
    assert told in "\n".join(differences(host, "operation"))


@pytest.mark.parametrize("component", ["vision", "gate"])
def test_a_container_whose_model_is_put_right_is_handed_over(commands: Any, release: Built, component: str) -> None:
    """Before it is, and after: it would keep the files that it was started with."""
    wrong, exchanged = snapshot(release), snapshot(release)
    for found in (wrong, exchanged):
        one = container(release, component)
        found["docker"]["containers"][one["Name"].lstrip("/")] = one
    wrong["release"]["models"][release.model_directory]["model.safetensors"] = None
    root = f"/var/lib/casemate/models/{release.model_directory}//deleted"
    mounts = [{"target": f"/models/{release.model.name}", "root": root}]
    exchanged["processes"] = {f"casemate-vision-{release.id}": {"mounts": mounts}}
    for found in (wrong, exchanged):
        planned = commands(hand_over, {"component": component, "release": release}, **found)
        assert len(planned) == (component == "vision")


def test_a_container_that_makes_room_for_one_of_the_same_release_is_announced(fake_host: Any, release: Built) -> None:
    found = snapshot(release)
    name = f"casemate-vision-{release.id}"
    found["docker"]["containers"][name]["State"]["Health"]["Status"] = "unhealthy"
    host = fake_host(**found)
    generator: Any = hand_over
    assert len([*generator._inner(component="vision", release=release)]) == 1
    assert taken(host) == [{"container": name}, {"container": f"{name}-replaced"}]


def test_whatever_else_serves_is_handed_over(commands: Any, release: Built) -> None:
    arguments = {"component": "vision", "release": release}
    for place, value in (("live", "0123456789ab"), ("current", "0123456789ab")):
        found = snapshot(release)
        (found["release"]["state"]["live"] if place == "live" else found["release"]["current"])["vision"] = value
        assert len(commands(hand_over, arguments, **found)) == 1
    found = snapshot(release)
    found["docker"]["containers"].clear()
    assert len(commands(hand_over, arguments, **found)) == 1
    assert len(commands(hand_over, arguments, **NOTHING)) == 1


def test_room_is_made_only_for_a_release_that_is_new(commands: Any, release: Built, tmp_path: Path) -> None:
    found = snapshot(release, "old1", "old2", "old3")
    assert commands(make_room, {"release": release, "keep": 2}, **found) == []
    new = release_in(tmp_path, code=b"new code")
    [command] = commands(make_room, {"release": new, "keep": 2}, **found)
    assert command.endswith("prune --keep 1")
    assert commands(make_room, {"release": new, "keep": 4}, **found) == []
