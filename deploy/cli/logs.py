"""casemate logs: what the hosts' chained logs say, and whether anybody changed them."""

import json
import sys
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

import click

from deploy.cli import options, output
from deploy.cli.asking import Found, on_all
from deploy.cli.figures import figures, kept_rows, principals
from deploy.cli.group import Group
from deploy.cli.lines import fields_of, row, shown, text_of, without_ended
from deploy.cli.period import Moment
from deploy.cli.verdicts import verdict_rows
from deploy.facts.chained.logs import LOGS, PLAIN
from deploy.facts.told import told
from deploy.run.anchors import Anchored, anchored, note
from deploy.run.connection import Connection, connected, host_key
from deploy.run.proof import judge
from deploy.settings.inventory import read_inventory

_FOLLOW_SECONDS = 1.0
_MOST_FOLLOWED = 500
"""Lines a host in one look."""


@click.group(cls=Group)
def logs() -> None:
    """Verify, show and count the logs of every host.

    Chained are vision's requests, gate's refusals, sentinel's alerts and the deploy journal; Nginx's are not.
    """


@logs.command()
@options.inventory
@options.limit
@options.as_json
def verify(inventory: str, limit: tuple[str, ...], as_json: bool) -> None:
    """Find lines that are missing, edited, moved or cut; exits with 1 on any finding.

    The host reads its whole logs. What is new since the last time comes here and is proven with the first keys, which
    .casemate/keys has and the host has no more; how far each good log had come is noted in .casemate/anchors, and held
    against it the next time: what was changed, cut or made anew before that shows, whoever has which keys by then.
    """
    known = anchored(inventory)
    with _hosts(inventory, limit) as connection:
        keys = {host.name: host_key(host) for host in connection.hosts}
        for name in [name for name, key in keys.items() if name in known and known[name].host_key != key]:
            output.say(f"{name} has another host key than at the last verify: its logs are judged as a new machine's")
            del known[name]
        found = on_all(
            connection, lambda host: judge(host, inventory, known.get(host.name, Anchored(keys[host.name])), output.say)
        )
    note(inventory, {host: Anchored(key, ends) for host, key in keys.items() if (ends := _ends(found[host]))})
    if as_json:
        output.document(found)
    else:
        rows = [line for host, verdicts in found.items() for line in verdict_rows(host, verdicts)]
        output.table([{key: shown(text) for key, text in line.items()} for line in rows])
    if not all(_good(verdicts) for verdicts in found.values()):
        sys.exit(1)


@logs.command()
@options.inventory
@click.option("--log", type=click.Choice([*LOGS, *PLAIN]), default="vision", help="Which log; vision's without this.")
@click.option(
    "-n", "--lines", type=click.IntRange(1, 10_000), default=10, help="How many of each host; 10 without this."
)
@click.option("--follow", is_flag=True, help="Go on with what comes, until interrupted.")
@options.limit
@options.as_json
def tail(inventory: str, log: str, lines: int, follow: bool, limit: tuple[str, ...], as_json: bool) -> None:
    """Show the last lines; with --json one object a line, as it is in the log, and its host.

    Without --json a streamed answer is one line, its end, unless that is missing or yet to come.
    """
    after: dict[str, str] = {}
    path = {**LOGS, **PLAIN}[log]
    with _hosts(inventory, limit) as connection:
        found, good = _read(connection, path, lines, after, as_json)
        if as_json:
            _print(found, as_json)
        else:
            output.table([row(host, fields) for host, fields in found], none=f"no lines in {path}" if good else "")
        while follow:
            time.sleep(_FOLLOW_SECONDS)
            _print(_read(connection, path, _MOST_FOLLOWED, after, as_json)[0], as_json)
    if not good:
        sys.exit(1)


@logs.command()
@options.inventory
@click.option("--since", type=Moment(), default="24h", help="An age (30m, 24h, 7d) or a time (UTC); 24h without this.")
@click.option("--until", type=Moment(), default=None, help="The same; now without this.")
@options.limit
@options.as_json
def stats(inventory: str, since: datetime, until: datetime | None, limit: tuple[str, ...], as_json: bool) -> None:
    """Count requests, principals, tokens and pictures, rank latencies, and tell what there is of each log.

    Counted on each host, in its own logs: only the figures travel.
    """
    period = [moment.isoformat(timespec="microseconds") for moment in (since, until or datetime.now(UTC))]
    with _hosts(inventory, limit) as connection:
        found = _all(connection, "deploy.facts.chained.counted", lambda _: (LOGS["vision"], *period))
        kept = _all(connection, "deploy.facts.chained.kept", lambda _: ({**LOGS, **PLAIN}, *period))
    if as_json:
        hosts = {host: {**told, "logs": kept[host]} for host, told in found.items()}
        output.document({"since": period[0], "until": period[1], "hosts": hosts})
    else:
        output.table([figures(host, told) for host, told in found.items()])
        if people := [line for host, told in found.items() for line in principals(host, told)]:
            output.answer("")
            output.table(people)
        output.answer("")
        output.table([line for host, told in kept.items() for line in kept_rows(host, told)])
    if any("error" in told for told in [*found.values(), *kept.values()]):
        sys.exit(1)


def _hosts(inventory: str, limit: tuple[str, ...]) -> Any:
    return connected(*read_inventory(inventory, (), limit))


def _all(connection: Connection, entry: str, arguments: Callable[[str], tuple[Any, ...]]) -> Found:
    """One program on all hosts at once."""
    return on_all(connection, lambda host: told(host, entry, *arguments(host.name)))


def _good(verdicts: Mapping[str, Any]) -> bool:
    return "error" not in verdicts and all(one.get("findings") == [] for one in verdicts.values())


def _ends(verdicts: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Where logs without a finding end: what is wrong once stays a finding, and is never noted as good."""
    if "error" in verdicts:
        return {}
    return {log: one["end"] for log, one in verdicts.items() if one.get("findings") == [] and one["end"]}


def _read(
    connection: Connection, path: str, count: int, after: dict[str, str], every: bool
) -> tuple[list[tuple[str, dict[str, Any]]], bool]:
    """The last `count` that follow those in `after` (the last one seen, by host), by time; and whether all hosts told.

    All lines count if `every`, else an answer's beginning and end are one: then twice as many are enough to look at.
    """
    looked_at = count if every else 2 * count
    found = _all(connection, "deploy.facts.chained.tailed", lambda host: (path, looked_at, after.get(host, "")))
    for host, said in found.items():
        if "error" in said:
            output.say(f"{host}: {shown(said['error'])}")
    after.update({host: said["lines"][-1] for host, said in found.items() if said.get("lines")})
    understood = text_of if path == PLAIN["errors"] else fields_of
    read = []
    for host, said in found.items():
        lines = [understood(line) for line in said.get("lines", ())]
        read += [(host, fields) for fields in (lines if every else without_ended(lines)[-count:])]
    return sorted(read, key=lambda pair: str(pair[1].get("time", ""))), not any(
        "error" in one for one in found.values()
    )


def _print(found: list[tuple[str, dict[str, Any]]], as_json: bool) -> None:
    for host, fields in found:
        output.answer(json.dumps({"host": host, **fields}) if as_json else "  ".join(row(host, fields).values()))
