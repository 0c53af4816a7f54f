"""What a run is going to change is gathered before it does, once, and told before the command."""

import hashlib
from types import SimpleNamespace
from typing import Any

import pytest
from pyinfra.api import StringCommand

from deploy.operations.boot import started_at_boot
from deploy.operations.expected import Item, expects, taken, tell_by
from deploy.operations.files import absent, directory, file
from deploy.operations.handover import hand_over
from deploy.operations.packages import installed
from deploy.operations.ship import make_room, ship_model
from deploy.operations.units import unit
from deploy.operations.users import system_users
from tests.deploy.operations.releases import release_in

USERS = {"users": {"ops": {"uid": 1000, "gid": 1000}}, "groups": {"www-data": {"gid": 33, "members": []}}}


def expected(fake_host: Any, operation: Any, arguments: dict[str, Any], **snapshot: Any) -> list[Item]:
    """What an operation says in prepare: pyinfra takes its first command only."""
    host = fake_host(**{**USERS, **snapshot})
    next(iter(operation._inner(**arguments)), None)
    return taken(host)


def test_a_file_is_told_with_content_mode_and_owner(fake_host: Any) -> None:
    found = expected(fake_host, file, {"path": "/etc/x/y", "content": "hello\n", "mode": "0640", "group": "www-data"})
    sha256 = hashlib.sha256(b"hello\n").hexdigest()
    assert found == [{"path": "/etc/x/y", "kind": "file", "sha256": sha256, "mode": "0640", "uid": 0, "gid": 33}]


def test_an_owner_whom_the_host_does_not_know_yet_is_left_free(fake_host: Any) -> None:
    [found] = expected(fake_host, directory, {"path": "/etc/x", "owner": "casemate-new", "group": "casemate-new"})
    assert found == {"path": "/etc/x", "kind": "directory", "mode": "0755"}


def test_what_is_as_wanted_is_not_told(fake_host: Any) -> None:
    known = {"mode": "0755", "owner": "root", "group": "root"}
    assert expected(fake_host, directory, {"path": "/etc/x"}, directories={"/etc/x": known}) == []
    assert expected(fake_host, absent, {"path": "/etc/x"}) == []


def test_what_goes_is_told(fake_host: Any) -> None:
    found = expected(fake_host, absent, {"path": "/etc/x"}, files={"/etc/x": {"target": None}})
    assert found == [{"path": "/etc/x", "removed": True}]


def enabled(state: str) -> dict[str, Any]:
    common = {"load": "loaded", "active": "active", "needs_reload": False, "changed": 50.0, "drop_ins": []}
    return {"nginx.service": {**common, "enabled": state, "fragment": "/lib/systemd/system/nginx.service"}}


@pytest.mark.parametrize("operation", [unit, started_at_boot])
def test_a_unit_is_enabled_by_links_to_its_own_file_and_no_other(fake_host: Any, operation: Any) -> None:
    found = expected(fake_host, operation, {"unit": "nginx.service"}, units=enabled("disabled"))
    links = [one for one in found if one["kind"] == "link"]
    assert "/etc/systemd/system/multi-user.target.wants/nginx.service" in {one["path"] for one in links}
    assert {one["target"] for one in links} == {"/lib/systemd/system/nginx.service"}
    assert expected(fake_host, operation, {"unit": "nginx.service"}, units=enabled("enabled")) == []


def test_packages_are_told_where_a_sentinel_asks(fake_host: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from deploy.facts.shell import Answer
    from deploy.operations import packages

    asked: list[tuple[str, ...]] = []

    def ask(_: Any, *command: str) -> Answer:
        asked.append(command)
        return Answer(True, ["Inst libpopt0 (1.19 Debian:12 [amd64])", "Inst logrotate (3.21 Debian:12 [amd64])"], [])

    monkeypatch.setattr(packages, "ask", ask)
    wanted = {"packages": ["logrotate"]}
    assert expected(fake_host, installed, wanted, sentinel={"installed": False}) == []
    assert asked == [], "the first run asks nothing"
    found = expected(fake_host, installed, wanted, sentinel={"installed": True})
    assert found == [{"packages": ["libpopt0", "logrotate"]}]
    assert "-s" in asked[0]


def test_users_change_four_files_and_only_root_s(fake_host: Any) -> None:
    found = expected(fake_host, system_users, {"path": "/etc/sysusers.d/x.conf", "users": {"casemate-new": 64012}})
    assert {one["path"] for one in found} == {f"/etc/{name}" for name in ("passwd", "group", "shadow", "gshadow")}
    assert {one["uid"] for one in found} == {0}


def test_a_model_is_told_by_every_name_that_its_files_have_on_the_way(fake_host: Any, tmp_path: Any) -> None:
    release = release_in(tmp_path)
    state: dict[str, Any] = {"state": None, "manifests": {}}
    found = expected(fake_host, ship_model, {"release": release}, release=state)
    digest = release.model.files["model.safetensors"].sha256
    told = {one["path"] for one in found if one.get("sha256") == digest}
    home, place = "/var/lib/casemate", release.model_directory
    assert told == {
        f"{home}/blobs/{digest}",
        f"{home}/models/{place}/model.safetensors",
        f"{home}/models/.{place}.new/model.safetensors",
    }
    assert {"path": f"{home}/models/.{place}.new", "removed": True} in found


def test_a_handover_tells_of_the_container_that_comes_and_of_those_that_may_go(fake_host: Any, tmp_path: Any) -> None:
    release = release_in(tmp_path)
    live = {"vision": "0" * 12, "gate": "0" * 12}
    state = {"accepted_sequence": 1, "admitted": release.id, "live": live, "releases": []}
    there: dict[str, Any] = {f"casemate-vision-{'0' * 12}": {}, f"casemate-gate-{'0' * 12}": {}, "stranger": {}}
    found = expected(
        fake_host,
        hand_over,
        {"component": "vision", "release": release},
        release={"state": state, "current": live},
        docker={"containers": there},
    )
    assert found == [
        {"container": name} for name in sorted([f"casemate-vision-{'0' * 12}", f"casemate-vision-{release.id}"])
    ]


def test_nothing_is_told_of_models_that_another_operator_signed(
    fake_host: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deploy.paths.STATE", tmp_path / "state")
    release = release_in(tmp_path)
    releases = [{"release": f"{number:012}"} for number in range(5)]
    state = {"accepted_sequence": 1, "admitted": None, "live": {"vision": None, "gate": None}, "releases": releases}
    seen = {"state": state, "blobs": ["ab" * 32]}
    assert expected(fake_host, make_room, {"release": release, "keep": 2}, release=seen) == []


def test_what_a_cut_transfer_left_goes_with_earlier_releases_and_is_told(
    fake_host: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If all releases of the host are known here: else it may be what one of them needs."""
    release, names = release_in(tmp_path), ["old1", "old2", "live"]
    needed = sorted(file.sha256 for file in release.model.files.values())
    live = {"vision": "live", "gate": "live"}
    records = [{"release": name} for name in names]
    state = {"accepted_sequence": 1, "admitted": "live", "live": live, "releases": records}
    escaped = "".join(f"\\x{one:02x}" for one in b"../../../../etc/ssh")  # As the sentinel writes such bytes.
    seen = {"state": state, "blobs": [*needed, "ab" * 32, escaped]}
    for known, told in ((names, ["ab" * 32]), (names[:2], [])):
        signed = [SimpleNamespace(manifest=SimpleNamespace(release=one, model=release.contents.model)) for one in known]
        monkeypatch.setattr("deploy.operations.ship.kept_releases", lambda signed=signed: signed)
        found = expected(fake_host, make_room, {"release": release, "keep": 2}, release=seen)
        assert [one["path"] for one in found if "/blobs/" in one["path"]] == [
            f"/var/lib/casemate/blobs/{blob}" for blob in told
        ]


def test_what_was_told_is_not_told_again(fake_host: Any) -> None:
    host = fake_host(**USERS)
    list(directory._inner(path="/etc/x"))
    assert len(taken(host)) == 1
    list(directory._inner(path="/etc/x"))
    assert taken(host) == []


def test_what_only_shows_in_execute_is_told_before_its_command(fake_host: Any) -> None:
    host = fake_host(executing=True, **USERS)
    heard: list[Any] = []
    tell_by(host, heard.append)
    for command in directory._inner(path="/etc/x"):
        assert [one["path"] for one in heard[0]] == ["/etc/x"], command
        assert isinstance(command, (str, StringCommand))
        heard.append("the command")
    assert heard[1:] == ["the command"]


def test_a_host_that_is_not_told_is_changed_all_the_same(fake_host: Any) -> None:
    fake_host(executing=True, **USERS)
    assert len(list(directory._inner(path="/etc/x"))) == 1
    expects({"path": "/etc/y", "removed": True})
