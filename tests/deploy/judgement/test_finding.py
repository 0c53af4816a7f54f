"""Verdicts, and waivers that end."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from deploy.judgement.control import Control
from deploy.judgement.finding import Finding, judge, unseen, waive
from deploy.judgement.waiver import Waiver

Make = Callable[..., Control]
TODAY = date(2026, 11, 23)


def seen(**host: Any) -> dict[str, Any]:
    return {"host": host, "probe": {}}


def waiver(**fields: Any) -> Waiver:
    given = {"control": "some-truth", "host": "gpu1", "reason": "approved by the board", "until": TODAY}
    return Waiver.model_validate(given | fields)


def test_a_control_that_holds_passed(control: Make) -> None:
    [found] = judge([control()], seen(a={"b": 1}))
    assert (found.verdict, found.reason) == ("passed", None)


def test_a_control_that_does_not_hold_failed_and_says_what_was_got(control: Make) -> None:
    [found] = judge([control()], seen(a={"b": 2}))
    assert (found.verdict, found.reason) == ("failed", "got b is 2")


def test_a_failure_stays_one_when_what_was_got_cannot_be_shown(control: Make) -> None:
    [found] = judge([control(got="host.a.c")], seen(a={"b": 2}))
    assert found.verdict == "failed"
    assert found.reason == "host.a.c was not seen"


@pytest.mark.parametrize(
    "host", [{}, {"a": None}, {"a": {}}, {"a": {"b": "1"}}, {"a": None, "errors": {"a": "denied"}}]
)
def test_what_could_not_be_seen_is_unknown(control: Make, host: dict[str, Any]) -> None:
    [found] = judge([control()], seen(**host))
    assert found.verdict == "unknown"
    assert found.reason


def test_got_is_one_line_however_nested(control: Make) -> None:
    [found] = judge([control(check="host.a.b == 9", got="[['x', 'y'], [], ['z']]")], seen(a={"b": 1}))
    assert found.reason == "got x, y, z"


def test_one_control_s_trouble_is_not_the_others_(control: Make) -> None:
    found = judge([control("first-truth", check="host.x.y"), control("second-truth")], seen(a={"b": 1}))
    assert [finding.verdict for finding in found] == ["unknown", "passed"]


def test_a_host_that_does_not_answer_is_unknown_through_and_through(control: Make) -> None:
    found = unseen([control("first-truth"), control("second-truth")], "no answer")
    assert [(finding.verdict, finding.reason) for finding in found] == [("unknown", "no answer")] * 2


@pytest.mark.parametrize("verdict", ["failed", "unknown"])
def test_a_waiver_covers_a_finding_until_its_last_day(control: Make, verdict: Any) -> None:
    finding = Finding(control(), verdict, "got 2")
    [on_the_day] = waive([finding], [waiver()], "gpu1", TODAY)
    assert on_the_day.verdict == "waived"
    assert on_the_day.reason == "until 2026-11-23: approved by the board (got 2)"
    [after] = waive([finding], [waiver(until=date(2026, 11, 22))], "gpu1", TODAY)
    assert after.verdict == verdict
    assert "its waiver ended on 2026-11-22" in str(after.reason)


def test_of_two_waivers_the_longer_counts(control: Make) -> None:
    both = [waiver(until=date(2026, 1, 1)), waiver(until=date(2027, 1, 1))]
    assert waive([Finding(control(), "failed", "x")], both, "gpu1", TODAY)[0].verdict == "waived"


@pytest.mark.parametrize("other", [{"control": "other-truth"}, {"host": "gpu2"}, {"host": "lab*"}])
def test_a_waiver_covers_nothing_else(control: Make, other: dict[str, str]) -> None:
    assert waive([Finding(control(), "failed", "x")], [waiver(**other)], "gpu1", TODAY)[0].verdict == "failed"


def test_what_passed_needs_no_waiver(control: Make) -> None:
    assert waive([Finding(control(), "passed")], [waiver(host="*")], "gpu1", TODAY)[0].verdict == "passed"
