"""A deploy window: told signed before the first change, closed at the end, and the baseline signed."""

import base64
import json
import time
from typing import Any

import pytest

from deploy.errors import CasemateError
from deploy.operations import expected
from deploy.release.signature import WINDOW, verify
from deploy.run import window
from deploy.run.baseline import Baseline
from deploy.settings.release import ReleaseSettings
from tests.deploy.run.sentinels import Sentinel, entry, host, sentinel, settings

__all__ = ["sentinel", "settings"]

ITEM = {"path": "/etc/a", "kind": "file", "sha256": "0" * 64}
MORE = {"path": "/etc/b", "removed": True}


def with_changes(there: Any, *items: dict[str, Any]) -> Any:
    there.connector_data["casemate.expected"] = {json.dumps(item, sort_keys=True): item for item in items}
    return there


def test_a_window_is_for_this_host_this_run_and_these_changes(sentinel: Sentinel, settings: ReleaseSettings) -> None:
    window.begin(with_changes(host(), ITEM), "run1")
    [(verb, given)] = sentinel.asked
    document = base64.b64decode(given["document"])
    verify(document, given["signature"].encode(), settings, WINDOW)
    said = json.loads(document)
    assert (verb, said["host"], said["run"], said["plan"]) == ("window open", "SHA256:gpu1", "run1", [ITEM])
    assert 0 < said["until"] - time.time() <= 4 * 3600
    assert said["schema"] == 1


def test_what_comes_later_is_told_with_a_higher_sequence(sentinel: Sentinel) -> None:
    there = with_changes(host(), ITEM)
    window.begin(there, "run1")
    time.sleep(0.002)
    with_changes(there, MORE)
    expected.tell(there)
    first, second = (json.loads(base64.b64decode(given["document"])) for _, given in sentinel.asked)
    assert second["sequence"] > first["sequence"]
    assert (second["run"], second["plan"]) == ("run1", [MORE])


def test_a_run_that_changes_nothing_asks_nothing(sentinel: Sentinel) -> None:
    there = host(status={"baseline": {"sequence": 1, "signed": True}})
    window.begin(there, "run1")
    window.end(there, "lab.py")
    assert sentinel.asked == []


def test_at_the_end_the_window_is_closed_and_the_baseline_signed_and_kept(
    sentinel: Sentinel, settings: ReleaseSettings
) -> None:
    there = with_changes(host(), ITEM)
    window.begin(there, "run1")
    window.end(there, "inventory/lab.py")
    assert sentinel.verbs == ["window open", "window close", "baseline sign"]
    kept = Baseline.kept("lab", "gpu1")
    assert kept is not None
    assert (kept.said["sequence"], kept.signature) == (2, sentinel.signature)
    assert kept.whole()


def test_unplanned_changes_are_said(sentinel: Sentinel, capfd: pytest.CaptureFixture[str]) -> None:
    there = with_changes(host(), ITEM)
    sentinel.unplanned = 3
    window.begin(there, "run1")
    window.end(there, "lab.py")
    assert "changes that were not the deploy's: 3" in capfd.readouterr().err


def test_a_sentinel_that_does_not_hear_stops_no_deploy(sentinel: Sentinel, capfd: pytest.CaptureFixture[str]) -> None:
    there = with_changes(host(), ITEM)
    sentinel.says = CasemateError("gpu1: the sentinel says: no", next="look")
    window.begin(there, "run1")
    with_changes(there, MORE)
    expected.tell(there)
    window.end(there, "lab.py")
    assert "will be alerts" in capfd.readouterr().err
    assert sentinel.verbs == ["window open", "status"], "and it is asked once only"


def test_the_first_run_opens_no_window_and_signs_what_it_brought(sentinel: Sentinel) -> None:
    there = with_changes(host(installed=False), ITEM)
    window.begin(there, "run1")
    assert sentinel.asked == []
    there.connector_data["casemate.snapshot"] = host().connector_data["casemate.snapshot"]
    window.end(there, "lab.py")
    assert sentinel.verbs == ["status", "baseline sign"]
    assert Baseline.kept("lab", "gpu1") is not None


def test_what_nobody_prepared_opens_the_window_when_it_shows(sentinel: Sentinel) -> None:
    """`pyinfra -y` asks no operation what it would do."""
    there = host()
    window.begin(there, "run1")
    assert sentinel.asked == []
    expected.tell(with_changes(there, ITEM))
    window.end(there, "lab.py")
    assert sentinel.verbs == ["window open", "window close", "baseline sign"]


def test_the_first_run_may_be_unprepared_too(sentinel: Sentinel) -> None:
    there = host(installed=False)
    window.begin(there, "run1")
    expected.tell(with_changes(there, ITEM))
    there.connector_data["casemate.snapshot"] = host().connector_data["casemate.snapshot"]
    window.end(there, "lab.py")
    assert sentinel.verbs == ["status", "baseline sign"]


def test_a_host_without_a_sentinel_is_left_alone(sentinel: Sentinel) -> None:
    there = with_changes(host(installed=False), ITEM)
    window.begin(there, "run1")
    window.end(there, "lab.py")
    assert sentinel.asked == []


def test_a_baseline_that_no_run_of_ours_led_to_is_not_signed(
    sentinel: Sentinel, capfd: pytest.CaptureFixture[str]
) -> None:
    """Somebody who was root made one between two runs."""
    there = with_changes(host(), ITEM)
    window.begin(there, "run1")
    window.end(there, "lab.py")
    sentinel.entries["/etc/evil"] = entry()
    sentinel.sequence, sentinel.signature = 3, b""
    there = host(status={"baseline": {"sequence": 3, "signed": False}})
    window.begin(there, "run2")
    window.end(there, "lab.py")
    assert "baseline 3 is not signed" in capfd.readouterr().err
    there = with_changes(host(), ITEM)
    window.begin(there, "run3")
    window.end(there, "lab.py")
    assert "about /etc/evil" in capfd.readouterr().err
    assert sentinel.signature == b""


def test_what_the_run_announced_may_be_in_the_new_baseline(sentinel: Sentinel) -> None:
    for run in ("run1", "run2"):
        there = with_changes(host(), ITEM, MORE)
        window.begin(there, run)
        sentinel.entries = {"/etc/a": entry(b"new")} if run == "run2" else sentinel.entries
        window.end(there, "lab.py")
        assert sentinel.signature


def test_a_machine_set_up_anew_under_the_name_begins_anew(sentinel: Sentinel) -> None:
    there = with_changes(host(), ITEM)
    window.begin(there, "run1")
    window.end(there, "lab.py")
    sentinel.host, sentinel.sequence, sentinel.signature = "SHA256:other", 1, b""
    sentinel.entries = {"/etc/c": entry()}
    there = with_changes(host(installed=False), ITEM)
    window.begin(there, "run2")
    there.connector_data["casemate.snapshot"] = host().connector_data["casemate.snapshot"]
    window.end(there, "lab.py")
    kept = Baseline.kept("lab.py", "gpu1")
    assert kept is not None
    assert kept.said["host"] == "SHA256:other"
