"""casemate quarantine: what the sentinels have stopped, and letting it go on."""

import getpass
import socket
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from deploy.cli import options, output
from deploy.cli.asking import on_all
from deploy.cli.group import Group
from deploy.cli.lines import shown
from deploy.errors import CasemateError
from deploy.run import journal
from deploy.run.connection import connected
from deploy.run.sentinel import asked
from deploy.settings.inventory import read_inventory


@click.group(cls=Group)
def quarantine() -> None:
    """List and release what the hosts' sentinels have stopped."""


@quarantine.command("list")
@options.inventory
@options.limit
@options.as_json
def listed(inventory: str, limit: tuple[str, ...], as_json: bool) -> None:
    """List what is or was in quarantine, and where the evidence lies; exits with 1 if something is in force."""
    with connected(*read_inventory(inventory, (), limit)) as connection:
        found = on_all(connection, lambda host: {"quarantines": asked(host, "quarantine", "list")["quarantines"]})
    if as_json:
        output.document(found)
    else:
        output.table([row for host, one in found.items() for row in _rows(host, one)], none="no quarantines")
    if any("error" in one or any(_in_force(entry) for entry in one["quarantines"]) for one in found.values()):
        sys.exit(1)


@quarantine.command()
@options.inventory
@click.argument("id", metavar="ID")
@click.option("--reason", required=True, help="Why it may go on; it goes to the journals of host and operator.")
@options.limit
@options.as_json
def release(inventory: str, id: str, reason: str, limit: tuple[str, ...], as_json: bool) -> None:
    """Let the container of quarantine ID go on, and the door open. The evidence stays on the host."""
    if not reason.strip():
        raise click.UsageError("--reason: say why it may go on")
    with connected(*read_inventory(inventory, (), limit)) as connection:
        found = on_all(connection, lambda host: _released(host, inventory, id, reason))
    if as_json:
        output.document(found)
    else:
        output.table(
            [
                {"host": host, "quarantine": id, "release": shown(one.get("error", "done"))}
                for host, one in found.items()
            ]
        )
    if any("error" in one for one in found.values()):
        sys.exit(1)


def _released(host: Any, inventory: str, id: str, reason: str) -> dict[str, Any]:
    by = f"{getpass.getuser()}@{socket.gethostname()}"
    asked(host, "quarantine", "release", id=id, by=by, reason=reason)
    line = journal.entry("release", host.name, quarantine=id, reason=reason)
    journal.keep(Path(inventory).stem, line)
    if trouble := journal.write(host, line):
        raise CasemateError(f"{host.name}: released, but not in the host's journal: {trouble}", next="see: df -h")
    return {"released": id}


def _rows(host: str, one: dict[str, Any]) -> list[dict[str, str]]:
    if "error" in one:
        empty = dict.fromkeys(("id", "container", "since", "state", "evidence"), "-")
        return [{"host": host, **empty, "why": shown(one["error"])}]
    return [
        {
            "host": host,
            "id": shown(str(entry["id"])),
            "container": shown(str(entry["container"] or "all")),
            "since": datetime.fromtimestamp(entry["since"], UTC).isoformat(timespec="seconds"),
            "state": shown(f"{entry['reaction']}, {entry['state']}{': ' if entry['said'] else ''}{entry['said']}"),
            "evidence": shown(f"{entry['evidence']['files']} files in {entry['directory']}"),
            "why": shown(str(entry["because"])),
        }
        for entry in one["quarantines"]
    ]


def _in_force(entry: dict[str, Any]) -> bool:
    return entry["state"] != "released"
