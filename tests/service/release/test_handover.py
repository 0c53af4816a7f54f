"""What serves goes only when what comes has proven itself."""

import socket
from pathlib import Path

import pytest

from service.release.engine import EngineError
from service.release.errors import ReleaseError
from service.release.prune import prune
from service.release.status import status
from tests.service.release.conftest import Host

pytestmark = pytest.mark.long


def serving(host: Host, component: str = "vision") -> str | None:
    """The release behind the door, if a connection through the door is answered."""
    link = host.layout.sockets(component) / "current"
    with socket.socket(socket.AF_UNIX) as client:
        try:
            client.connect(str(link / f"{component}.sock"))
        except OSError:
            return None
    return Path(link).readlink().name


def only(host: Host, release: str, component: str = "vision") -> None:
    """One container, running; the record and the door agree; nothing of another is left."""
    assert [*host.double.containers] == [f"casemate-{component}-{release}"]
    assert host.double.containers[f"casemate-{component}-{release}"]["State"]["Running"]
    assert host.state()["live"][component] == release
    assert serving(host, component) == release
    assert sorted(path.name for path in host.layout.sockets(component).iterdir()) == sorted([release, "current"])


@pytest.mark.parametrize("component", ["vision", "gate"])
def test_the_first_and_the_next_release_go_into_service(host: Host, component: str) -> None:
    first = host.deploy(component=component)
    only(host, first.id, component)
    second = host.deploy(component=component, sequence=200, code=b"new")
    only(host, second.id, component)
    assert host.journal(component)["outcome"] == "live"
    assert host.journal(component)["mode"] == "overlap"


def test_handing_over_to_what_is_live_keeps_the_container(host: Host) -> None:
    release = host.deploy()
    service = host.double.services[f"casemate-vision-{release.id}"]
    host.handover(release)
    assert host.double.services[f"casemate-vision-{release.id}"] is service


@pytest.mark.parametrize("mode", ["overlap", "stop-first"])
@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [("wrong", "expected an answer with 'red circle'"), ("crash", "ended with status 3: model file is broken")],
)
def test_a_release_that_fails_leaves_the_old_one_serving(host: Host, mode: str, behaviour: str, reason: str) -> None:
    old = host.deploy()
    new = host.build(behaviour, sequence=200, handover={"mode": mode, "start_seconds": 5, "drain_seconds": 1})
    host.accept(new)
    with pytest.raises(ReleaseError, match=f"{reason}.*{old.id} serves as before"):
        host.handover(new)
    only(host, old.id)
    assert host.journal()["mode"] == mode
    assert host.journal()["outcome"] == "failed"


def test_a_release_that_is_never_ready_fails_in_time(host: Host) -> None:
    old = host.deploy()
    slow = {"mode": "overlap", "start_seconds": 0.3, "drain_seconds": 1}
    new = host.build("never ready", sequence=200, handover=slow)
    host.accept(new)
    with pytest.raises(ReleaseError, match="was not ready after"):
        host.handover(new)
    only(host, old.id)


def test_a_gate_that_lets_strangers_in_never_goes_into_service(host: Host) -> None:
    old = host.deploy(component="gate")
    new = host.build("wrong", sequence=200)
    host.accept(new)
    with pytest.raises(ReleaseError, match="without a key got status 204, expected 401"):
        host.handover(new, "gate")
    only(host, old.id, "gate")


def test_the_old_one_stops_first_where_memory_does_not_hold_both(host: Host) -> None:
    host.deploy()
    host.memory((1 << 30) - 4096)
    new = host.deploy(sequence=200, code=b"new")
    only(host, new.id)
    assert host.journal()["mode"] == "stop-first"


def test_a_gpu_is_never_shared_by_two(host: Host) -> None:
    host.deploy()
    new = host.deploy(sequence=200, gpus=["0"])
    only(host, new.id)
    assert host.journal()["mode"] == "stop-first"


def test_a_container_changed_by_hand_is_replaced(host: Host) -> None:
    release = host.deploy()
    host.double.containers[f"casemate-vision-{release.id}"]["HostConfig"]["Memory"] = 99
    host.handover(release)
    only(host, release.id)
    assert host.double.containers[f"casemate-vision-{release.id}"]["HostConfig"]["Memory"] == 1 << 30


@pytest.mark.parametrize(("behind", "kept"), [("", True), ("//deleted", False)])
def test_a_container_whose_model_was_exchanged_meanwhile_is_replaced(host: Host, behind: str, kept: bool) -> None:
    release = host.deploy()
    service = host.double.services[f"casemate-vision-{release.id}"]
    pid = host.double.containers[f"casemate-vision-{release.id}"]["State"]["Pid"]
    mountinfo = host.layout.on_host(f"/proc/{pid}/mountinfo")
    mountinfo.parent.mkdir(parents=True)
    mountinfo.write_text(
        f"36 35 98:0 /var/lib/casemate/models/micro{behind} /models/micro ro,nodev - ext4 /dev/root rw\n"
    )
    host.handover(release)
    only(host, release.id)
    assert (host.double.services[f"casemate-vision-{release.id}"] is service) is kept


def test_a_network_joined_by_hand_is_left_again(host: Host) -> None:
    release = host.deploy()
    host.double.containers[f"casemate-vision-{release.id}"]["NetworkSettings"]["Networks"]["bridge"] = {}
    host.handover(release)
    assert [*host.double.containers[f"casemate-vision-{release.id}"]["NetworkSettings"]["Networks"]] == ["none"]


def test_a_repair_that_fails_brings_the_changed_one_back(host: Host) -> None:
    release = host.deploy()
    host.double.containers[f"casemate-vision-{release.id}"]["HostConfig"]["Memory"] = 99
    host.double.failing.append("POST /create")
    with pytest.raises(ReleaseError, match=r"told to refuse.*serves as before"):
        host.handover(release)
    only(host, release.id)


def test_a_container_that_ended_is_made_anew(host: Host) -> None:
    release = host.deploy()
    host.double._stop(f"casemate-vision-{release.id}", {})
    host.handover(release)
    only(host, release.id)


def test_only_what_was_accepted_last_may_be_handed_over_to(host: Host) -> None:
    old = host.deploy()
    new = host.deploy(sequence=200, code=b"new")
    with pytest.raises(ReleaseError, match="accept --rollback"):
        host.handover(old)
    with pytest.raises(ReleaseError, match="never accepted"):
        host.handover(host.build(sequence=300, code=b"unknown"))
    only(host, new.id)


def test_rolling_back(host: Host) -> None:
    old = host.deploy()
    host.deploy(sequence=200, code=b"new")
    host.accept(old, rollback=True)
    host.handover(old)
    only(host, old.id)


def test_a_changed_picture_or_filter_stops_the_handover(host: Host) -> None:
    old = host.deploy()
    new = host.build(sequence=200, seccomp={"path": "/etc/casemate/vision/seccomp.json", "sha256": "0" * 64})
    host.accept(new)
    with pytest.raises(ReleaseError, match=r"seccomp\.json is missing"):
        host.handover(new)
    (host.layout.root / "etc/casemate/vision/seccomp.json").write_text("{}")
    with pytest.raises(ReleaseError, match="not the signed system call filter"):
        host.handover(new)
    (host.layout.root / "etc/casemate/vision/golden.png").write_bytes(b"another")
    host.accept(host.build(sequence=300, code=b"x"))
    with pytest.raises(ReleaseError, match="not the signed golden picture"):
        host.handover(host.build(sequence=300, code=b"x"))
    only(host, old.id)


def test_an_image_that_left_the_engine_is_named(host: Host) -> None:
    release = host.build()
    host.accept(release)
    host.double.images.clear()
    with pytest.raises(ReleaseError, match="not in the engine; deploy again"):
        host.handover(release)


def test_a_failure_after_the_door_opened_is_finished_by_the_next_run(host: Host) -> None:
    host.deploy()
    new = host.build(sequence=200, code=b"new")
    host.accept(new)
    host.double.failing.append("DELETE /containers")
    with pytest.raises(EngineError):
        host.handover(new)
    assert serving(host) == new.id
    host.handover(new)
    only(host, new.id)


def test_status_tells_what_serves(host: Host) -> None:
    release = host.deploy()
    told = status(host.layout, host.engine)
    vision = told["components"]["vision"]
    assert (vision["live"], vision["door"], vision["ready"]) == (release.id, release.id, True)
    assert [container["state"] for container in vision["containers"]] == ["running"]
    assert told["components"]["gate"] == {"live": None, "door": None, "ready": False, "containers": []}


def test_pruning_keeps_what_may_be_gone_back_to(host: Host) -> None:
    ids = [host.deploy(sequence=100 + n, code=b"%d" % n).id for n in range(4)]
    somebody = {"Id": "sha256:x", "RepoTags": ["other:1"], "RootFS": {"Layers": []}}
    host.double.images["sha256:x"] = somebody
    assert prune(host.layout, host.engine, keep=1) == ids[:2]
    assert [record["release"] for record in host.state()["releases"]] == ids[2:]
    assert sorted(path.name for path in host.layout.releases.iterdir() if path.is_dir()) == sorted(ids[2:])
    assert len(host.double.images) == 3
    assert somebody in host.double.images.values()
    assert len([*host.layout.blobs.iterdir()]) == 2
    only(host, ids[3])
    assert prune(host.layout, host.engine, keep=1) == []


def test_a_live_container_that_does_not_answer_is_replaced(host: Host) -> None:
    release = host.deploy()
    host.double.services[f"casemate-vision-{release.id}"].behaviour = "never ready"
    host.handover(release)
    only(host, release.id)
    assert host.double.services[f"casemate-vision-{release.id}"].behaviour == "right"


def test_a_live_container_that_answers_wrong_is_told_and_kept(host: Host) -> None:
    release = host.deploy()
    host.double.services[f"casemate-vision-{release.id}"].behaviour = "wrong"
    with pytest.raises(ReleaseError, match="expected an answer with"):
        host.handover(release)
    only(host, release.id)
