"""casemate alerts: what changed on the hosts that no deploy announced."""

import json
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, get_args

import click

from deploy.cli import options, output
from deploy.cli.asking import Found, on_all
from deploy.cli.lines import fields_of, shown
from deploy.cli.period import Moment
from deploy.facts.chained.alerted import wanted
from deploy.facts.chained.logs import LOGS
from deploy.facts.told import told
from deploy.run.connection import Connection, connected
from deploy.settings.inventory import read_inventory
from deploy.settings.sentinel import Severity

_FOLLOW_SECONDS = 1.0
_MOST = 1000
"""Lines a host in one look."""

_SEVERITIES = get_args(Severity)


@click.command()
@options.inventory
@click.option("--since", type=Moment(), default="24h", help="An age (30m, 24h, 7d) or a time (UTC); 24h without this.")
@click.option(
    "--severity",
    type=click.Choice(_SEVERITIES),
    default="medium",
    help="This one and what is worse; medium without this.",
)
@click.option("--follow", is_flag=True, help="Go on with what comes, until interrupted.")
@options.limit
@options.as_json
def alerts(inventory: str, since: datetime, severity: str, follow: bool, limit: tuple[str, ...], as_json: bool) -> None:
    """Show the alerts of every host's sentinel; exits with 1 if there is one, or a host does not tell.

    With --json one object a line, as it is in the log, and its host.
    """
    severities = _SEVERITIES[: _SEVERITIES.index(severity) + 1]
    begin = since.isoformat(timespec="microseconds")
    log = LOGS["sentinel"]
    with connected(*read_inventory(inventory, (), limit)) as connection:
        found = on_all(
            connection, lambda host: told(host, "deploy.facts.chained.alerted", log, begin, severities, _MOST)
        )
        _complain(found)
        lines = _lines(found)
        silent = any("error" in one for one in found.values())
        _print(lines, as_json, not follow, "" if silent else f"no alerts of {severity} or worse since {begin[:19]}")
        after = {host: one.get("last", "") for host, one in found.items()}
        while follow:
            time.sleep(_FOLLOW_SECONDS)
            _print(_news(connection, log, after, begin, severities), as_json, table=False)
    if lines or silent:
        sys.exit(1)


def _news(
    connection: Connection, log: str, after: dict[str, str], since: str, severities: tuple[str, ...]
) -> list[tuple[str, dict[str, Any]]]:
    found = on_all(
        connection, lambda host: told(host, "deploy.facts.chained.tailed", log, _MOST, after.get(host.name, ""))
    )
    after.update({host: one["lines"][-1] for host, one in found.items() if one.get("lines")})
    kept = {
        host: {"lines": [line for line in one.get("lines", ()) if wanted(line, since, frozenset(severities))]}
        for host, one in found.items()
    }
    return _lines(kept)


def _lines(found: Found) -> list[tuple[str, dict[str, Any]]]:
    read = [(host, fields_of(line)) for host, one in found.items() for line in one.get("lines", ())]
    return sorted(read, key=lambda pair: str(pair[1].get("time", "")))


def _complain(found: Found) -> None:
    for host, one in found.items():
        if "error" in one:
            output.say(f"{host}: {shown(one['error'])}")
        elif one["older"]:
            output.say(
                f"{host}: {one['older']} older alerts are not shown; give a later --since or a higher --severity"
            )


def _print(lines: list[tuple[str, dict[str, Any]]], as_json: bool, table: bool, none: str = "") -> None:
    if as_json:
        for host, fields in lines:
            output.answer(json.dumps({"host": host, **fields}))
    elif table:
        output.table([row(host, fields) for host, fields in lines], none)
    else:
        for host, fields in lines:
            output.answer("  ".join(row(host, fields).values()))


def row(host: str, fields: Mapping[str, Any]) -> dict[str, str]:
    """An alert for a person; what the host wrote steers no terminal."""
    where = fields.get("path") or fields.get("root") or "-"
    if fields.get("container"):
        where = f"{fields['container']}:{fields.get('inside') or ''}".rstrip(":")
    columns = {
        "time": str(fields.get("time", ""))[:19],
        "severity": fields.get("severity", "-"),
        "what": _what(fields),
        "where": where,
        "who": _who(fields.get("who") or {}),
    }
    return {"host": host, **{name: shown(str(value)) for name, value in columns.items()}}


def _what(fields: Mapping[str, Any]) -> str:
    if fields.get("event") != "alert":
        told = next((fields[name] for name in ("why", "reason", "error", "because") if fields.get(name)), "")
        if fields.get("state", fields.get("event")) != fields.get("event"):
            told = f"{fields['state']}: {told}"
        return f"{str(fields.get('event')).replace('_', ' ')}{f': {told}' if told else ''}"
    differs = fields.get("differs")
    return f"{fields.get('set')} {fields.get('what')}{' (' + ', '.join(differs) + ')' if differs else ''}"


def _who(who: Mapping[str, Any]) -> str:
    if not who:
        return "-"
    return f"{who.get('program') or '?'} (pid {who.get('pid')}, uid {who.get('uid', '?')})"
