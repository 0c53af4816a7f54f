"""What an experiment proves, and what it must not claim."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.facts.probes import stage as stage_module
from deploy.facts.probes.experiment import compared, twin, unwalled, would_forward
from deploy.facts.probes.running import frames
from deploy.facts.probes.stage import LABEL, STARTED, Stage, somewhere
from deploy.facts.probes.targets import parse_local_addresses

OPEN, SHUT = {"reached": True, "how": "open"}, {"reached": False, "how": "no answer"}

MODEL: dict[str, Any] = {
    "Image": "sha256:aa",
    "Config": {"User": "64010:64010"},
    "HostConfig": {
        "CapDrop": ["ALL"],
        "ReadonlyRootfs": True,
        "SecurityOpt": ["no-new-privileges", 'seccomp={"defaultAction":"SCMP_ACT_ERRNO"}'],
        "NetworkMode": "none",
        "Privileged": False,
        "Mounts": [{"Type": "bind", "Source": "/var/log/casemate/vision"}, {"Type": "tmpfs", "Target": "/tmp"}],
        "DeviceRequests": [{"Driver": "nvidia"}],
        "Memory": 34359738368,
    },
}


def test_closed_is_proven_only_where_the_control_got_through() -> None:
    found = compared({"a": SHUT, "b": SHUT, "c": OPEN, "d": SHUT}, {"a": OPEN, "b": SHUT, "c": OPEN})
    assert found == {"reached": ["c (open)"], "proven": ["a"], "unproven": ["b", "d"]}


OUTCOMES = st.dictionaries(st.sampled_from("abcdef"), st.sampled_from([OPEN, SHUT]))


@given(OUTCOMES, OUTCOMES)
def test_every_target_ends_in_exactly_one_place(inside: dict[str, Any], control: dict[str, Any]) -> None:
    found = compared(inside, control)
    names = [target.split(" ")[0] for target in found["reached"]] + found["proven"] + found["unproven"]
    assert sorted(names) == sorted(inside)


def test_the_twin_has_the_model_s_walls_and_none_of_its_belongings() -> None:
    made = twin(MODEL)
    host = made["HostConfig"]
    for wall in ("CapDrop", "ReadonlyRootfs", "SecurityOpt", "NetworkMode", "Privileged"):
        assert host[wall] == MODEL["HostConfig"][wall]
    assert (made["Image"], made["User"]) == ("sha256:aa", "64010:64010")
    assert [mount["Type"] for mount in host["Mounts"]] == ["tmpfs"]
    assert "DeviceRequests" not in host
    assert host["Memory"] == host["MemorySwap"] < MODEL["HostConfig"]["Memory"]


def test_a_wall_that_the_model_lacks_is_lacking_in_its_twin_too() -> None:
    """Else a privileged model would be judged by an unprivileged twin."""
    without = {**MODEL, "HostConfig": {**MODEL["HostConfig"], "Privileged": True, "PidMode": "host"}}
    assert (twin(without)["HostConfig"]["Privileged"], twin(without)["HostConfig"]["PidMode"]) == (True, "host")


def test_the_control_runs_the_same_image_with_nothing_in_the_way() -> None:
    made = unwalled(MODEL, "casemate-probe-x", "198.18.0.1")
    assert made["Image"] == MODEL["Image"]
    assert "CapDrop" not in made["HostConfig"]
    assert made["HostConfig"]["NetworkMode"] == "casemate-probe-x"
    assert "Mounts" not in made["HostConfig"]


@pytest.mark.parametrize(
    ("servers", "somebody_s"),
    [
        (["192.0.2.1"], []),
        (["127.0.0.53"], ["127.0.0.53"]),
        (["192.0.2.1", "10.0.0.2"], ["10.0.0.2"]),
        (["fd00::1"], ["fd00::1"]),
        ([], ["the host's own resolvers"]),
    ],
)
def test_a_resolver_that_may_be_somebody_s_is_never_asked(servers: list[str], somebody_s: list[str]) -> None:
    assert would_forward(servers) == somebody_s


TRIE = """Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 127.0.0.0/8 2 0 2
        |-- 127.0.0.1
           /32 host LOCAL
     +-- 172.31.250.0/24 2 0 2
        |-- 172.31.250.0
           /24 link UNICAST
        |-- 172.31.250.1
           /32 host LOCAL
        |-- 172.31.250.255
           /32 link BROADCAST
Local:
        |-- 172.31.250.1
           /32 host LOCAL
"""


def test_own_addresses_are_those_of_the_host_itself() -> None:
    assert parse_local_addresses(TRIE) == ["172.31.250.1"]


@given(st.integers(min_value=0, max_value=2**32 - 1))
def test_the_open_network_lies_where_nobody_lives(number: int) -> None:
    subnet, gateway = somewhere(number)
    first, size = subnet.split("/")
    assert size == "28"
    assert first.startswith(("198.18.", "198.19."))
    assert int(first.split(".")[3]) % 16 == 0
    assert int(gateway.split(".")[3]) == int(first.split(".")[3]) + 1


def test_the_engine_s_frames_are_put_together() -> None:
    def frame(channel: int, text: bytes) -> bytes:
        return bytes([channel, 0, 0, 0]) + len(text).to_bytes(4, "big") + text

    assert frames(frame(1, b"a") + frame(2, b"b") + frame(1, b"c\n")) == "abc\n"
    assert frames(b"") == ""
    assert frames(frame(1, b"whole") + b"\x01\x00") == "whole"


class Recorded(Stage):
    """A stage whose engine lists what it is told and notes what is removed."""

    def __init__(
        self, containers: list[dict[str, Any]], networks: list[dict[str, Any]], busy: dict[str, int] | None = None
    ) -> None:
        super().__init__("abcd1234")
        self.listed = {"/containers": containers, "/networks": networks}
        self.removed: list[str] = []
        self.busy = busy or {}

    def ask(self, method: str, path: str, body: Any = None) -> Any:
        return next(rows for prefix, rows in self.listed.items() if path.startswith(prefix))

    def raw(self, method: str, path: str, body: Any = None) -> bytes:
        self.removed.append(f"{method} {path}")
        if self.busy.get(path, 0) > 0:
            self.busy[path] -= 1
            raise RuntimeError("403: network has active endpoints")
        for rows in self.listed.values():
            rows[:] = [row for row in rows if f"/{row['Id']}?" not in path]
        return b""


def row(name: str, started: int) -> dict[str, Any]:
    return {"Id": name, "Labels": {LABEL: "x", STARTED: str(started)}}


def test_a_stage_removes_all_that_is_its_own_until_it_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """A network cannot go while a container is on it."""
    monkeypatch.setattr(stage_module, "PAUSE_SECONDS", 0)
    stage = Recorded([row("c1", 0), row("c2", 0)], [row("n1", 0)], busy={"/networks/n1?force=1": 2})
    stage.clear()
    assert stage.listed == {"/containers": [], "/networks": []}
    assert stage.removed.count("DELETE /networks/n1?force=1") == 3


def test_a_stage_gives_up_on_what_cannot_be_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stage_module, "PAUSE_SECONDS", 0)
    stage = Recorded([], [row("n1", 0)], busy={"/networks/n1?force=1": 10**6})
    stage.clear()
    assert len(stage.removed) == stage_module.ROUNDS


def test_of_others_only_what_was_left_behind_is_removed() -> None:
    young = 2**40
    stage = Recorded([row("old", 0), row("young", young)], [row("running", young)])
    stage.clear_stale()
    assert stage.removed == ["DELETE /containers/old?force=1"]
