"""Tables, sentences and JSON of findings."""

from collections.abc import Callable

import pytest

from deploy.judgement.control import Control
from deploy.judgement.finding import Finding
from deploy.judgement.report import document, good, lines, rows, summary

Make = Callable[..., Control]


@pytest.fixture
def findings(control: Make) -> list[Finding]:
    """One of each verdict, in no order."""
    return [
        Finding(control("passed-truth"), "passed"),
        Finding(control("low-truth", severity="low"), "failed", "got 2"),
        Finding(control("unknown-truth"), "unknown", "files could not be read: denied"),
        Finding(control("critical-truth", severity="critical"), "failed", "got 3"),
        Finding(control("waived-truth"), "waived", "until 2027-01-31: approved (got 4)"),
    ]


def test_the_worst_comes_first(findings: list[Finding]) -> None:
    shown = [row["control"] for row in rows("lab1", findings, "inventory/lab.py")]
    assert shown == ["critical-truth", "low-truth", "unknown-truth", "waived-truth", "passed-truth"]


def test_beside_what_is_wrong_stands_the_command_to_type(findings: list[Finding]) -> None:
    first = rows("lab1", findings, "inventory/lab.py")[0]
    assert first["finding"].splitlines() == [
        "The title of critical-truth",
        "got 3",
        "Next: casemate deploy inventory/lab.py",
    ]


def test_a_host_that_does_not_answer_is_one_row_with_what_to_do_about_it(control: Make) -> None:
    why = "lab1: 127.0.0.1 does not answer; next: see whether it is up"
    findings = [Finding(control(name), "unknown", why) for name in ("one-truth", "other-truth")]
    [row] = rows("lab1", findings, "inventory/lab.py")
    assert (row["verdict"], row["control"]) == ("unknown", "all of them")
    assert row["finding"].splitlines() == ["lab1: 127.0.0.1 does not answer", "Next: see whether it is up"]


def test_a_log_gets_a_line_for_each_failed_and_unknown_one(findings: list[Finding]) -> None:
    assert lines(findings, "inventory/lab.py") == [
        "failed critical-truth: got 3. Next: casemate deploy inventory/lab.py",
        "failed low-truth: got 2. Next: casemate deploy inventory/lab.py",
        "unknown unknown-truth: files could not be read: denied. Next: casemate deploy inventory/lab.py",
    ]


def test_the_summary_counts(findings: list[Finding]) -> None:
    assert summary("lab1", findings) == "lab1: 1 passed, 2 failed, 1 unknown, 1 waived"
    assert summary("lab1", findings[:1]) == "lab1: 1 passed, 0 failed, 0 unknown"


def test_json_says_the_same(findings: list[Finding]) -> None:
    found = document({"lab1": findings})
    assert found["good"] is False
    host = found["hosts"]["lab1"]
    assert {name: host[name] for name in ("passed", "failed", "unknown", "waived")} == {
        "passed": 1,
        "failed": 2,
        "unknown": 1,
        "waived": 1,
    }
    assert host["findings"][0] == {
        "control": "critical-truth",
        "verdict": "failed",
        "severity": "critical",
        "title": "The title of critical-truth",
        "reason": "got 3",
        "remedy": "casemate deploy INVENTORY",
        "references": ["CIS 1"],
    }


@pytest.mark.parametrize(
    ("verdicts", "is_good"),
    [
        (["passed"], True),
        (["passed", "waived"], True),
        (["passed", "unknown"], False),
        (["passed", "failed"], False),
        ([], False),
    ],
)
def test_only_passed_and_waived_is_good_and_nothing_judged_is_not(
    control: Make, verdicts: list[str], is_good: bool
) -> None:
    found = [Finding(control(), verdict) for verdict in verdicts]  # type: ignore[arg-type]
    assert good(found) is is_good
    assert document({"lab1": found})["good"] is is_good
    assert document({})["good"] is False
