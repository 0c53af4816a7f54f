"""casemate lab: disposable local hosts to deploy to."""

import os
import shlex
import sys

import click

from deploy.cli import options, output
from deploy.cli.group import Group
from deploy.lab import record
from deploy.lab.condition import condition
from deploy.lab.lab import Lab
from deploy.lab.rootfs import RELEASES
from deploy.lab.ssh import ssh


@click.group(cls=Group)
def lab() -> None:
    """Disposable local hosts to deploy to: system containers on this machine's Docker engine."""


@lab.command()
@click.option("--hosts", type=click.IntRange(1, 20), help="Exactly this many. Default: as many as there are, or one.")
@click.option(
    "--release",
    "releases",
    type=click.Choice(RELEASES),
    multiple=True,
    help="Debian release; given twice, hosts take turns. Default: what a host has, or bookworm.",
)
def up(hosts: int | None, releases: tuple[str, ...]) -> None:
    """Start the lab, or bring it to what is asked; a host that already fits is left alone."""
    for host in Lab(say=output.say).up(hosts, releases):
        output.say(f"{host.name} is up: {host.release}, ssh {host.record.address}:{host.record.ssh_port}")


@lab.command()
def down() -> None:
    """Remove every lab host and all that belongs to it."""
    for name in Lab(say=output.say).down():
        output.say(f"{name} is gone")


@lab.command()
@options.as_json
def status(as_json: bool) -> None:
    """Show the lab's hosts; exits with 1 unless there are some and all are up."""
    found = [condition(host) for host in Lab(say=output.say).hosts]
    if as_json:
        output.document(found)
    elif found:
        output.table([{**row, "failed": " ".join(row["failed"])} for row in found])
    else:
        output.say("no lab is running. Next: casemate lab up")
    if not found or not all(row["up"] for row in found):
        sys.exit(1)


@lab.command()
@click.argument("host")
@click.argument("command", nargs=-1, type=click.UNPROCESSED)
def shell(host: str, command: tuple[str, ...]) -> None:
    """Open a shell in HOST over SSH, as a user who may sudo.

    With `-- COMMAND`, run that and pass its exit status on.
    """
    tty = sys.stdin.isatty() and sys.stdout.isatty()
    # ssh joins its words with spaces, and the host's shell reads the line: `-- sh -c 'a | b'` stays as it was typed.
    line = [shlex.join(command)] if len(command) > 1 else command
    arguments = ssh(record.find(record.DIRECTORY, host), record.DIRECTORY, *line, tty=tty)
    os.execvp(arguments[0], arguments)  # noqa: S606
