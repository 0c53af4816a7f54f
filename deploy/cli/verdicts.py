"""Verdicts on chained logs as rows for a person."""

from collections.abc import Iterator, Mapping
from typing import Any


def verdict_rows(host: str, verdicts: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """One row a log that is good, and one a finding."""
    if "error" in verdicts:
        yield {"host": host, "log": "-", "lines": "-", "verdict": "unknown", "where": "-", "what": verdicts["error"]}
        return
    for log, one in verdicts.items():
        lines = f"{one['first']} to {one['last']}" if one.get("last") is not None else "none"
        common = {"host": host, "log": log, "lines": lines}
        if "error" in one:
            yield {**common, "verdict": "unknown", "where": one["path"], "what": one["error"]}
        elif not one["findings"]:
            yield {**common, "verdict": "good", "where": f"files: {len(one['files'])}", "what": _proof(one)}
        for finding in one.get("findings", ()):
            yield {**common, "verdict": finding["kind"], "where": finding["where"], "what": finding["message"]}
        if one.get("more"):
            yield {**common, "verdict": "more", "where": one["path"], "what": f"further findings: {one['more']}"}


def _proof(one: Mapping[str, Any]) -> str:
    if one["proven"] is None:
        return "its first key is neither here nor there: not proven" if one["files"] else ""
    return f"new lines proven here: {one['proven']}" if one["proven"] else "nothing new to prove"
