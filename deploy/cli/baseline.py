"""casemate baseline: what the hosts' sentinels hold to be right."""

import getpass
import socket
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import click

from deploy.cli import options, output
from deploy.cli.asking import Found, on_all
from deploy.cli.group import Group
from deploy.cli.lines import shown
from deploy.errors import CasemateError
from deploy.host_paths import HOST_MODELS
from deploy.run import journal
from deploy.run.baseline import Baseline, changed, sign_and_keep, signed_by_operator
from deploy.run.connection import connected
from deploy.run.sentinel import asked
from deploy.settings.inventory import read_inventory
from deploy.settings.load import settings_of, valid


@click.group(cls=Group)
def baseline() -> None:
    """Show, compare and accept what the hosts' sentinels hold to be right."""


@baseline.command()
@options.inventory
@options.limit
@options.as_json
def show(inventory: str, limit: tuple[str, ...], as_json: bool) -> None:
    """Say which baseline each host has, who made it, and whether it is the one that was signed and kept here.

    Exits with 1 unless all of them are.
    """
    found = _asked(inventory, limit, lambda host: _state(host, inventory))
    if as_json:
        output.document(found)
    else:
        output.table([{"host": host, **_row(one)} for host, one in found.items()])
    if any("error" in one or one["verdict"] != "good" for one in found.values()):
        sys.exit(1)


@baseline.command()
@options.inventory
@options.limit
@options.as_json
def diff(inventory: str, limit: tuple[str, ...], as_json: bool) -> None:
    """Show what is not as the baselines say, and what baselines say that the copies here do not; exits with 1 then."""
    found = _asked(inventory, limit, lambda host: _differences(host, inventory))
    if as_json:
        output.document(found)
    else:
        for host, one in found.items():
            if "error" in one:
                output.say(f"{host}: {shown(one['error'])}")
        rows = [row for host, one in found.items() for row in _difference_rows(host, one)]
        output.table(rows, none="" if any("error" in one for one in found.values()) else "all is as the baselines say")
    if any("error" in one or one["differences"] or one["edited"] for one in found.values()):
        sys.exit(1)


@baseline.command()
@options.inventory
@click.argument("paths", nargs=-1, metavar="[PATH]...")
@click.option("--all", "everything", is_flag=True, help="All that differs, instead of single paths.")
@click.option("--reason", required=True, help="Why it is right; it goes to the journals of host and operator.")
@options.limit
@options.as_json
def accept(
    inventory: str, paths: tuple[str, ...], everything: bool, reason: str, limit: tuple[str, ...], as_json: bool
) -> None:
    """Make what `diff` shows for PATH the baseline, and sign it. The alerts stay in the log."""
    if bool(paths) == everything:
        raise click.UsageError("name the paths to accept, as `casemate baseline diff` shows them, or give --all")
    if not reason.strip():
        raise click.UsageError("--reason: say why it is right")
    found = _asked(inventory, limit, lambda host: _accepted(host, inventory, paths, reason))
    if as_json:
        output.document(found)
    else:
        output.table([{"host": host, **_accepted_row(one)} for host, one in found.items()])
    if any("error" in one for one in found.values()):
        sys.exit(1)


def _asked(inventory: str, limit: tuple[str, ...], question: Any) -> Found:
    loaded, hosts = read_inventory(inventory, (), limit)
    valid(hosts)
    with connected(loaded, hosts) as connection:
        return on_all(connection, question)


def _state(host: Any, inventory: str) -> dict[str, Any]:
    there = Baseline.of_host(host)
    here, said = there.kept_before(inventory, host.name), there.said
    return {
        **{name: said.get(name) for name in ("sequence", "sha256", "entries")},
        **{name: there.header.get(name) for name in ("made", "run", "reason", "by")},
        "kept_sequence": here.said["sequence"] if here else None,
        "verdict": _verdict(there, here, signed_by_operator(there, settings_of(host).release)),
    }


def _verdict(there: Baseline, here: Baseline | None, signed: bool) -> str:
    if not there.whole():
        return "edited: its lines are not those that its document is about"
    if not signed:
        return "not signed by this operator"
    if here is None:
        return "no copy here"
    if here.said != there.said:
        older = there.said["sequence"] < here.said["sequence"]
        return "an old one was put back" if older else "newer than the copy here: another operator's?"
    return "good"


def _row(one: Mapping[str, Any]) -> dict[str, str]:
    if "error" in one:
        return {"baseline": "-", "made": "-", "by": "-", "why": "-", "paths": "-", "verdict": shown(one["error"])}
    why = f"run {one['run']}" if one.get("run") else str(one.get("reason") or "-")
    return {
        "baseline": str(one["sequence"]),
        "made": shown(str(one["made"])),
        "by": shown(str(one.get("by") or "-")),
        "why": shown(why),
        "paths": str(one["entries"]),
        "verdict": one["verdict"],
    }


def _differences(host: Any, inventory: str) -> dict[str, Any]:
    """`differences`: the host's paths against its baseline; `edited`: its baseline against the copy here."""
    told = asked(host, "baseline", "diff")
    there = Baseline.of_host(host)
    here = there.kept_before(inventory, host.name)
    return {"differences": told["differences"], "edited": changed(here, there) if here else []}


def _difference_rows(host: str, one: Mapping[str, Any]) -> list[dict[str, str]]:
    rows = [
        {
            "host": host,
            "path": shown(str(entry.get("path"))),
            "what": shown(str(entry.get("what"))),
            "differs": shown(", ".join(entry.get("differs") or ())),
        }
        for entry in one.get("differences", ())
    ]
    edited = "in the host's baseline, and not as it was signed here"
    return rows + [{"host": host, "path": shown(path), "what": edited, "differs": ""} for path in one.get("edited", ())]


def _accepted(host: Any, inventory: str, paths: tuple[str, ...], reason: str) -> dict[str, Any]:
    by = f"{getpass.getuser()}@{socket.gethostname()}"
    chosen = list(paths) or _all_but_the_model(host, inventory)
    what: dict[str, Any] = {"paths": list(paths)} if paths else {"all": True}
    asked(host, "baseline", "accept", **what, reason=reason, by=by)
    signed = sign_and_keep(host, inventory, settings_of(host).release).said
    line = journal.entry("accept", host.name, accepted=chosen, reason=reason, baseline=signed["sequence"])
    journal.keep(Path(inventory).stem, line)
    if trouble := journal.write(host, line):
        raise CasemateError(f"{host.name}: accepted, but not in the host's journal: {trouble}", next="see: df -h")
    return {"sequence": signed["sequence"], "entries": signed.get("entries")}


def _all_but_the_model(host: Any, inventory: str) -> list[str]:
    """What differs. Raises CasemateError if it is the model: nobody accepts that among other things."""
    found = [str(one["path"]) for one in asked(host, "baseline", "diff")["differences"]]
    if weights := [path for path in found if PurePosixPath(path).is_relative_to(HOST_MODELS)]:
        others = f" and {len(weights) - 1} more" if len(weights) > 1 else ""
        raise CasemateError(
            f"{host.name}: {shown(weights[0])}{others}: the model is signed, and --all does not stand for it",
            next=f"casemate deploy {inventory} --only vision sends it again; an old one that is gone: name its paths",
        )
    return found


def _accepted_row(one: Mapping[str, Any]) -> dict[str, str]:
    if "error" in one:
        return {"baseline": "-", "accepted": shown(one["error"])}
    return {"baseline": str(one["sequence"]), "accepted": "signed, and kept here"}
