"""The daemon and the file systems of running containers, in a real engine."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.service.sentinel.engine import NEEDED, Engine, new_engine
from tests.service.sentinel.running import Line, Sentinel, until

pytestmark = NEEDED


@pytest.fixture(scope="module")
def shared() -> Iterator[Engine]:
    with new_engine() as made:
        yield made


@pytest.fixture
def engine(shared: Engine, sentinel: Sentinel) -> Iterator[Engine]:
    sentinel.layout.docker.parent.mkdir(parents=True)
    sentinel.layout.docker.symlink_to(shared.socket)
    yield shared
    sentinel.close()
    shared.clear()


@pytest.fixture(params=["fanotify", "inotify"])
def started(engine: Engine, sentinel: Sentinel, request: pytest.FixtureRequest) -> Sentinel:
    """With one container of ours."""
    engine.container("vision")
    watched = {"severity": "critical", "may_change": {"vision": ["/var/cache/*"]}}
    sentinel.start(containers=watched, source=request.param)
    assert not sentinel.alerts()
    return sentinel


NAME = "casemate-vision-0123456789ab"


def _inside(sentinel: Sentinel, path: str, what: str) -> Line:
    return sentinel.wait(lambda line: line["event"] == "alert" and line.get("inside") == path and line["what"] == what)


def test_a_webshell_in_a_container_is_alerted_by_its_name_and_path(engine: Engine, started: Sentinel) -> None:
    engine.inside(NAME, "echo evil > /app/shell.py")
    line = _inside(started, "/app/shell.py", "created")
    assert (line["container"], line["set"], line["severity"]) == (NAME, "containers", "critical")
    engine.inside(NAME, "echo more >> /app/main.py")
    assert _inside(started, "/app/main.py", "created")["container"] == NAME
    engine.inside(NAME, "rm /app/assets/page.html")
    assert _inside(started, "/app/assets/page.html", "removed")
    engine.inside(NAME, "mkdir -p /var/cache/thumbs; echo x > /var/cache/thumbs/1")
    started.ask("sweep")
    told = {line["inside"] for line in started.alerts() if not line["inside"].startswith("/var")}
    assert told == {"/app/assets/page.html", "/app/main.py", "/app/shell.py"}, "and not the directories above them"
    engine.inside(NAME, "chmod 777 /app")
    _inside(started, "/app", "changed")
    engine.inside(NAME, "rm -r /app/assets; mkdir /app/assets")
    started.wait(lambda line: line["event"] == "alert" and line.get("inside") == "/app/assets")


def test_what_was_written_into_a_container_counts_until_it_is_accepted_or_the_container_goes(
    engine: Engine, started: Sentinel
) -> None:
    engine.inside(NAME, "echo evil > /one; echo evil > /two")
    one, _ = _inside(started, "/one", "created"), _inside(started, "/two", "created")
    assert started.status()["deviating"] == 2
    assert {found["path"] for found in started.ask("baseline diff")["differences"]} >= {one["path"]}
    assert started.ask("baseline accept", paths=[one["path"]], reason="mine", by="olga")
    assert started.status()["deviating"] == 1
    engine.run("rm", "-f", NAME)
    until(lambda: started.status()["deviating"] == 0)


def test_a_write_past_the_container_into_its_layers_is_alerted(engine: Engine, started: Sentinel) -> None:
    driver = engine.inspected(NAME)["GraphDriver"]["Data"]
    (Path(driver["UpperDir"]) / "planted").write_text("past overlay")
    _inside(started, "/planted", "created")
    lower = Path(driver["LowerDir"].split(":")[-1])
    (lower / "app/main.py").write_text("the image itself")
    _inside(started, "/app/main.py", "changed")


def test_a_restart_is_no_alert_and_no_gap(engine: Engine, started: Sentinel) -> None:
    engine.run("restart", "-t", "0", NAME)
    engine.inside(NAME, "echo evil > /after")
    _inside(started, "/after", "created")
    assert {line["inside"] for line in started.alerts()} == {"/after"}  # Created, and then perhaps written.
    started.stop()
    engine.run("restart", "-t", "0", NAME)
    engine.inside(NAME, "echo evil > /while-nobody-looked")
    started.start()
    assert _inside(started, "/while-nobody-looked", "created")["found_by"] == "sweep"
    assert {line["inside"] for line in started.alerts()} == {"/after", "/while-nobody-looked"}


def test_a_container_that_was_announced_comes_and_goes_in_silence(engine: Engine, started: Sentinel) -> None:
    new = "casemate-vision-ba9876543210"
    plan = [{"container": NAME}, {"container": new}]
    started.ask("window open", **started.window(plan=plan))
    engine.container("vision", release="ba9876543210")
    until(lambda: started.status()["containers"]["count"] == 2)
    engine.run("rm", "-f", NAME)
    until(lambda: started.status()["containers"]["count"] == 1)
    assert started.wait(lambda line: line["event"] == "container_appeared" and line["container"] == new)["run"]
    assert started.ask("window close", run="run1")["unplanned"] == 0
    assert not started.alerts()
    engine.container("vision", release="cccccccccccc")
    line = started.wait(lambda one: one["event"] == "container_appeared" and one["severity"])
    assert line["container"] == "casemate-vision-cccccccccccc"
    engine.inside("casemate-vision-cccccccccccc", "echo evil > /evil")
    _inside(started, "/evil", "created")


def test_a_container_that_writes_very_much_is_told_in_full(engine: Engine, started: Sentinel) -> None:
    engine.inside(NAME, "mkdir /many; i=0; while [ $i -lt 5000 ]; do echo $i > /many/$i; i=$((i+1)); done")
    started.ask("sweep")
    assert len({line["inside"] for line in started.alerts()}) == 5001


def test_a_change_inside_pauses_the_container_where_that_is_set(engine: Engine, sentinel: Sentinel) -> None:
    engine.container("vision")
    sentinel.start(containers={"severity": "critical", "reaction": "pause"})
    engine.inside(NAME, "echo evil > /evil")
    until(lambda: engine.inspected(NAME)["State"]["Paused"])
    held = sentinel.ask("quarantine list")["quarantines"][0]
    sentinel.ask("quarantine release", id=held["id"], by="olga", reason="it was me")
    until(lambda: not engine.inspected(NAME)["State"]["Paused"])
