"""A handover in a unit of its own, watched from outside: steps once, the reason at the end, earlier ones first."""

import sys
from pathlib import Path

import pytest

from service.release import detached
from service.release.detached import run_detached
from service.release.errors import ReleaseError, Resend
from tests.service.release.conftest import Host

RUN = """#!{python}
import json, pathlib, sys, time
now = time.time()
def keep(entry):  # Whole at once, as the real one writes it.
    draft = pathlib.Path({journal!r} + ".draft")
    draft.write_text(json.dumps(entry))
    draft.replace({journal!r})
steps = [{{"at": now, "step": "Verify the release"}}]
for step in ("Look at what runs", "Start the new container"):
    keep({{"steps": steps, "error": None}})
    time.sleep(0.02)
    steps.append({{"at": now, "step": step}})
keep({{"steps": steps, "error": {error!r}}})
print(*sys.argv, file=open({called!r}, "a"))
print("systemd-run has its own words", file=sys.stderr)
sys.exit({status})
"""


@pytest.fixture
def systemd(host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> "Systemd":
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    monkeypatch.setattr(detached, "_LOOK", 0.01)
    host.layout.releases.mkdir(parents=True)
    return Systemd(host, tmp_path)


class Systemd:
    """systemd-run and systemctl, as far as a handover goes."""

    def __init__(self, host: Host, folder: Path) -> None:
        self.host, self.folder, self.said = host, folder, list[str]()
        self.busy(0)

    def busy(self, looks: int) -> None:
        """Another handover runs for so many looks."""
        counter = self.folder / "looks"
        counter.write_text("x" * looks)
        self._script("systemctl", f"[ -s {counter} ] && {{ truncate -s -1 {counter}; echo active; }} || echo inactive")

    def run(self, status: int = 0, error: str | None = None) -> None:
        journal = str(self.host.layout.releases / "handover-vision.json")
        called = str(self.folder / "called")
        text = RUN.format(python=sys.executable, journal=journal, error=error, status=status, called=called)
        (self.folder / "systemd-run").write_text(text)
        (self.folder / "systemd-run").chmod(0o755)
        run_detached(self.host.layout, "vision", "0123456789ab", self.said.append)

    def _script(self, name: str, text: str) -> None:
        (self.folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (self.folder / name).chmod(0o755)


def test_every_step_is_told_once(systemd: Systemd) -> None:
    systemd.run()
    assert systemd.said == ["Verify the release", "Look at what runs", "Start the new container"]
    called = (systemd.folder / "called").read_text()
    assert "--unit=casemate-handover-vision.service" in called
    assert called.strip().endswith("handover --here vision 0123456789ab")


@pytest.mark.parametrize(("status", "kind"), [(1, ReleaseError), (3, Resend)])
def test_a_failure_has_its_reason(systemd: Systemd, status: int, kind: type[ReleaseError]) -> None:
    with pytest.raises(kind, match="the golden question got nothing") as raised:
        systemd.run(status, "the golden question got nothing")
    assert raised.value.exit_code == status


def test_a_killed_one_says_where_to_look(systemd: Systemd) -> None:
    with pytest.raises(ReleaseError, match="systemd-run has its own words"):
        systemd.run(255)


def test_another_one_is_waited_for(systemd: Systemd) -> None:
    systemd.busy(4)
    systemd.run()
    assert systemd.said[0] == "another handover of vision is under way: waiting for its end"
    assert systemd.said[1] == "Verify the release"


def test_an_earlier_runs_journal_is_not_taken_for_this_one(systemd: Systemd) -> None:
    earlier = '{"steps": [{"at": 1, "step": "of yesterday"}], "error": "of yesterday"}'
    (systemd.host.layout.releases / "handover-vision.json").write_text(earlier)
    systemd.run()
    assert "of yesterday" not in systemd.said
