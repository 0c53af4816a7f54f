"""Deploy windows: what was announced is planned, all else an alert, and nobody opens one without the key."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator

import pytest

from service.sentinel.control import ControlError
from tests.service.sentinel.running import Sentinel, until

pytestmark = pytest.mark.long


def test_in_a_window_what_was_announced_is_planned_and_all_else_an_alert(trusted: Sentinel) -> None:
    planned, gone, other = (trusted.watched / name for name in ("new", "file1", "file2"))
    sha256 = hashlib.sha256(b"as announced").hexdigest()
    plan = [{"path": str(planned), "sha256": sha256, "mode": "0600"}, {"path": str(gone), "removed": True}]
    trusted.ask("window open", **trusted.window(plan=plan))
    planned.touch(0o600)
    planned.write_bytes(b"as announced")
    gone.unlink()
    other.write_text("nobody said so")
    line = trusted.wait(lambda one: one["event"] == "planned" and one["path"] == str(gone))
    assert line["run"] == "run1"
    trusted.alerted(other, "changed")
    closed = trusted.ask("window close", run="run1")
    assert trusted.wait(lambda one: one["event"] == "planned" and one["path"] == str(planned))
    assert closed["unplanned"] == len(trusted.alerts())
    assert closed["baseline"]["sequence"] == 2
    assert not trusted.alerts(gone)
    assert [one["path"] for one in trusted.ask("baseline diff")["differences"]] == [str(other)]
    planned.write_bytes(b"after the window")
    until(lambda: trusted.alerts(planned) and trusted.alerts(planned)[-1]["differs"])
    trusted.true()


def test_something_else_at_an_announced_place_is_an_alert(trusted: Sentinel) -> None:
    there = trusted.watched / "file1"
    trusted.ask("window open", **trusted.window(plan=[{"path": str(there), "sha256": "00" * 32}]))
    there.write_text("not that")
    assert trusted.alerted(there, "changed")["severity"] == "critical"


def test_a_large_announced_file_is_no_alert_while_it_is_read(trusted: Sentinel) -> None:
    content = bytes(range(256)) * (40 << 12)
    weights = trusted.watched / "model.safetensors"
    plan = [{"path": str(weights), "sha256": hashlib.sha256(content).hexdigest()}]
    trusted.ask("window open", **trusted.window(plan=plan))
    weights.write_bytes(content)
    assert trusted.ask("window close", run="run1")["unplanned"] == len(trusted.alerts())
    trusted.wait(lambda one: one["event"] == "planned" and one["path"] == str(weights))
    assert not [one for one in trusted.alerts(weights) if one["after"].get("sha256") == plan[0]["sha256"]]


def _refused(trusted: Sentinel) -> Iterator[tuple[dict[str, str], str]]:
    yield trusted.signed({"schema": 1}, "casemate-window-v1"), "not as expected"
    yield trusted.window(host="another"), "is for another"
    yield trusted.window(seconds=-1), "was over"
    yield trusted.window(seconds=5 * 3600), "longer than 4 hours"
    yield trusted.window(plan=[{"path": "/x", "unknown": 1}]), "unknown"
    good = trusted.window()
    yield {**good, "document": base64.b64encode(b"{}").decode()}, "does not hold"
    yield trusted.signed(json.loads(base64.b64decode(good["document"])), "casemate-baseline-v1"), "does not hold"
    yield {"document": "?", "signature": good["signature"]}, "not as expected"


def test_only_a_window_that_is_right_in_everything_opens(trusted: Sentinel) -> None:
    for given, why in _refused(trusted):
        with pytest.raises(ControlError, match=why):
            trusted.ask("window open", **given)
    assert trusted.status()["window"] is None


def test_a_window_opens_once_grows_and_closes_by_itself(trusted: Sentinel) -> None:
    first = trusted.window(seconds=60, plan=[{"path": str(trusted.watched / "a")}])
    trusted.ask("window open", **first)
    with pytest.raises(ControlError, match="used before"):
        trusted.ask("window open", **first)
    trusted.ask("window open", **trusted.window(sequence=3, seconds=20, plan=[{"path": str(trusted.watched / "b")}]))
    (trusted.watched / "a").write_text("a")
    (trusted.watched / "b").write_text("b")
    both = {str(trusted.watched / "a"), str(trusted.watched / "b")}
    until(lambda: both <= {line["path"] for line in trusted.lines() if line["event"] == "planned"})
    trusted.wait(lambda one: one["event"] == "window_closed" and "over" in one["why"], seconds=60)
    (trusted.watched / "a").write_text("again")
    trusted.alerted(trusted.watched / "a", "changed")
    with pytest.raises(ControlError, match="used before"):
        trusted.ask("window open", **first)


def test_the_window_of_a_run_that_was_cut_off_ends_with_the_next_one(trusted: Sentinel) -> None:
    first, second = trusted.watched / "a", trusted.watched / "b"
    trusted.ask("window open", **trusted.window(plan=[{"path": str(first)}, {"path": str(second)}]))
    first.write_text("announced by the run that was cut off")
    trusted.wait(lambda one: one["event"] == "planned" and one["path"] == str(first))
    trusted.ask("window open", **trusted.window(run="run2", sequence=2))
    assert trusted.wait(lambda one: one["event"] == "window_closed" and one["run"] == "run1")["why"]
    trusted.arrives(second, "announced by nobody who is still there")
    trusted.alerted(second, "created")
    assert trusted.ask("window close", run="run2")["unplanned"] == 1
    assert [one["path"] for one in trusted.ask("baseline diff")["differences"]] == [str(second)]


def test_a_window_and_its_sequence_outlive_a_restart(trusted: Sentinel) -> None:
    given = trusted.window(plan=[{"path": str(trusted.watched / "a")}])
    trusted.ask("window open", **given)
    trusted.stop()
    trusted.start()
    (trusted.watched / "a").write_text("a")
    trusted.wait(lambda one: one["event"] == "planned")
    trusted.ask("window close", run="run1")
    trusted.stop()
    trusted.start()
    with pytest.raises(ControlError, match="used before"):
        trusted.ask("window open", **given)
