"""A control judged on a host: passed, failed, unknown or waived."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Literal

from deploy.judgement.control import Control
from deploy.judgement.expression import Unknown, holds, prepared, value
from deploy.judgement.waiver import Waiver

Verdict = Literal["failed", "unknown", "waived", "passed"]


@dataclass(frozen=True)
class Finding:
    """One verdict. `reason` is what was got for a failure, what could not be seen for an unknown, why it is waived."""

    control: Control
    verdict: Verdict
    reason: str | None = None


def judge(controls: Sequence[Control], seen: Mapping[str, Mapping[str, Any]]) -> list[Finding]:
    """Every control on one host; `seen` has `host` and `probe`."""
    variables = prepared(seen)
    return [_judged(control, variables) for control in controls]


def unseen(controls: Sequence[Control], why: str) -> list[Finding]:
    """Every control on a host that did not answer."""
    return [Finding(control, "unknown", why) for control in controls]


def _judged(control: Control, variables: Mapping[str, Any]) -> Finding:
    try:
        if holds(control.check, variables):
            return Finding(control, "passed")
    except Unknown as why:
        return Finding(control, "unknown", str(why))
    try:
        return Finding(control, "failed", f"got {_shown(value(control.got, variables))}")
    except Unknown as why:
        return Finding(control, "failed", str(why))


def waive(findings: Sequence[Finding], waivers: Sequence[Waiver], host: str, today: date) -> list[Finding]:
    """The same, where a finding that an approved exception covers is waived until the exception ends."""
    return [_waived(finding, waivers, host, today) for finding in findings]


def _waived(finding: Finding, waivers: Sequence[Waiver], host: str, today: date) -> Finding:
    covering = [waiver for waiver in waivers if waiver.covers(finding.control, host)]
    if finding.verdict == "passed" or not covering:
        return finding
    waiver = max(covering, key=lambda waiver: waiver.until)
    if waiver.until < today:
        return Finding(finding.control, finding.verdict, f"{finding.reason}; its waiver ended on {waiver.until}")
    return Finding(finding.control, "waived", f"until {waiver.until}: {waiver.reason} ({finding.reason})")


def _shown(got: Any) -> str:
    """A list, however nested, as one line."""
    if isinstance(got, list):
        return ", ".join(_shown(part) for part in got if part != []) or "nothing"
    return str(got)
