"""Findings as a table, as a sentence and as JSON."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from deploy.judgement.finding import Finding

_WIDTH = 88
_VERDICTS = ("failed", "unknown", "waived", "passed")
_SEVERITIES = ("critical", "high", "medium", "low")


def good(findings: Sequence[Finding]) -> bool:
    """All passed or waived; nothing judged is not good."""
    return bool(findings) and all(finding.verdict in ("passed", "waived") for finding in findings)


def count(findings: Sequence[Finding]) -> dict[str, int]:
    """How many of each verdict."""
    return {name: sum(finding.verdict == name for finding in findings) for name in _VERDICTS}


def worst_first(findings: Sequence[Finding]) -> list[Finding]:
    """Failures before unknowns, and the severest of each first."""
    return sorted(
        findings,
        key=lambda found: (
            _VERDICTS.index(found.verdict),
            _SEVERITIES.index(found.control.severity),
            found.control.id,
        ),
    )


def rows(host: str, findings: Sequence[Finding], inventory: str) -> list[dict[str, str]]:
    """One row for the terminal each; what to type stands beside what is wrong. One for a host that does not answer."""
    why = findings[0].reason or ""
    if len(findings) > 1 and all(finding.verdict == "unknown" and finding.reason == why for finding in findings):
        said = _wrapped(*why.replace("; next: ", "\nNext: ").splitlines())
        return [{"host": host, "verdict": "unknown", "severity": "-", "control": "all of them", "finding": said}]
    return [
        {
            "host": host,
            "verdict": finding.verdict,
            "severity": finding.control.severity,
            "control": finding.control.id,
            "finding": _text(finding, inventory),
        }
        for finding in worst_first(findings)
    ]


def lines(findings: Sequence[Finding], inventory: str) -> list[str]:
    """What is not as it should be, each in a line for a log."""
    return [
        f"{found.verdict} {found.control.id}: {found.reason}. {_next(found, inventory)}"
        for found in worst_first(findings)
        if found.verdict in ("failed", "unknown")
    ]


def _next(finding: Finding, inventory: str) -> str:
    return f"Next: {finding.control.remedy.replace('INVENTORY', inventory)}"


def _text(finding: Finding, inventory: str) -> str:
    """What is the matter, in lines that a terminal holds beside the other columns."""
    title, remedy = finding.control.title, _next(finding, inventory)
    parts = {
        "passed": (title,),
        "waived": (title, f"{finding.reason}"),
        "unknown": (title, f"unknown: {finding.reason}", remedy),
        "failed": (title, f"{finding.reason}", remedy),
    }[finding.verdict]
    return _wrapped(*parts)


def _wrapped(*lines: str) -> str:
    # A path or an option is never broken: it is there to be copied.
    wrapped = textwrap.TextWrapper(_WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return "\n".join(wrapped.fill(line) for line in lines)


def summary(host: str, findings: Sequence[Finding]) -> str:
    """`lab1: 23 passed, 0 failed, 0 unknown`."""
    counts = count(findings)
    waived = f", {counts['waived']} waived" if counts["waived"] else ""
    return f"{host}: {counts['passed']} passed, {counts['failed']} failed, {counts['unknown']} unknown{waived}"


def document(judged: Mapping[str, Sequence[Finding]]) -> dict[str, Any]:
    """{"good": bool, "hosts": {host: {"passed", "failed", "unknown", "waived": int, "findings": [...]}}}."""
    hosts = {
        host: {**count(findings), "findings": [_entry(finding) for finding in worst_first(findings)]}
        for host, findings in judged.items()
    }
    return {"good": bool(judged) and all(good(findings) for findings in judged.values()), "hosts": hosts}


def _entry(finding: Finding) -> dict[str, Any]:
    control = finding.control
    return {
        "control": control.id,
        "verdict": finding.verdict,
        "severity": control.severity,
        "title": control.title,
        "reason": finding.reason,
        "remedy": control.remedy,
        "references": control.references,
    }
