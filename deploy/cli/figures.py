"""What was counted in logs as rows for a person."""

from collections.abc import Iterator, Mapping
from typing import Any

from deploy.cli.lines import shown


def figures(host: str, told: Mapping[str, Any]) -> dict[str, str]:
    """The requests of one host as a row."""
    if "error" in told:
        return {"host": host, "requests": f"unknown: {told['error']}"}
    ranks = {
        f"{name.replace('_', ' ')} p50/p90/p99 (s)": "/".join(
            "-" if one is None else f"{one:.2f}" for one in ranks.values()
        )
        for name, ranks in told["seconds"].items()
    }
    return {
        "host": host,
        "requests": str(told["requests"]),
        "unended": str(told["unended"]),
        "lost": str(told["lost"]),
        "by status": shown(", ".join(f"{status}: {count}" for status, count in told["by_status"].items())),
        "tokens in/out": f"{told['tokens_in']}/{told['tokens_out']}",
        "pictures": str(told["pictures"]),
        **ranks,
    }


def principals(host: str, told: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """One row for each who asked."""
    for name, one in told.get("principals", {}).items():
        tokens = f"{one['tokens_in']}/{one['tokens_out']}"
        counts = {"requests": str(one["requests"]), "tokens in/out": tokens, "pictures": str(one["pictures"])}
        yield {"host": host, "principal": shown(name), **counts}


def kept_rows(host: str, told: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """One row a log: what there is of it, and what its lines of the period were."""
    if "error" in told:
        yield {"host": host, "log": "-", "files": "-", "MB": "-", "lines": "-", "what": f"unknown: {told['error']}"}
        return
    for log, one in told.items():
        if "error" in one:
            row = {"files": "-", "MB": "-", "lines": "-", "what": f"unknown: {one['error']}"}
        else:
            what = ", ".join(f"{kind}: {count}" for kind, count in one["by"].items())
            size = f"{one['bytes'] / 1e6:.1f}"
            row = {"files": str(one["files"]), "MB": size, "lines": str(one["lines"]), "what": what}
        yield {"host": host, "log": log, **{name: shown(text) for name, text in row.items()}}
