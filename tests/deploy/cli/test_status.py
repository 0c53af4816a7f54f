"""casemate status: the sentinel's part."""

from datetime import UTC, datetime
from typing import Any

import pytest

from deploy.cli import status
from deploy.facts.observed import Observed


def observed(sentinel: dict[str, Any] | None) -> Observed:
    return Observed({"sentinel": sentinel, "resources": {"time": 1000.0}, "errors": {"sentinel": "no"}}, 1000.0)


GOOD = {"beat": 990.0, "deviating": 0, "quarantined": 0, "baseline": {"sequence": 1, "signed": True}, "window": None}


@pytest.mark.parametrize(
    ("found", "healthy", "words"),
    [
        ({"installed": True, "status": GOOD}, True, "beat 10 s ago, 0 alerts"),
        ({"installed": True, "status": {**GOOD, "beat": 800.0}}, False, "beat 200 s ago"),
        ({"installed": True, "status": {**GOOD, "beat": None}}, False, "no beat yet"),
        ({"installed": True, "status": {**GOOD, "deviating": 3}}, False, "3 alerts"),
        ({"installed": True, "status": {**GOOD, "quarantined": 1}}, False, "1 in quarantine"),
        ({"installed": True, "status": {**GOOD, "baseline": {"sequence": 2, "signed": False}}}, True, "not signed"),
        ({"installed": True, "status": None, "error": "timed out"}, False, "timed out"),
        ({"installed": False, "status": None, "error": "it is not there"}, True, "it is not there"),
        (None, False, "no"),
    ],
)
def test_silence_and_alerts_are_no_health(found: dict[str, Any] | None, healthy: bool, words: str) -> None:
    told = status.watch(observed(found), 90.0)
    assert told["healthy"] is healthy
    assert words in status._sentinel_row(told)


def test_the_beat_is_a_time() -> None:
    told = status.watch(observed({"installed": True, "status": GOOD}), 90.0)
    assert told["beat"] == datetime.fromtimestamp(990, UTC)


def test_silence_is_measured_by_the_beats_that_are_set() -> None:
    found = observed({"installed": True, "status": GOOD})
    age = status.watch(found, 90.0)["beat_age_seconds"]
    assert status.watch(found, age + 1)["healthy"]
    assert not status.watch(found, age)["healthy"]
