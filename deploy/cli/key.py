"""casemate key: API keys. The host learns their digest only."""

import os
from pathlib import Path

import click

from deploy.cli import output
from deploy.cli.group import Group
from deploy.errors import SettingsError
from service.gate.keys import digest, new_key


@click.group(cls=Group)
def key() -> None:
    """Make API keys."""


@key.command()
@click.argument("key_id", metavar="ID")
@click.option(
    "--out", type=click.Path(path_type=Path), metavar="PATH", help="Write the key here (0600), not to stdout."
)
def new(key_id: str, out: Path | None) -> None:
    """Make a key for ID (a person or program), show it once, and say what goes into the settings."""
    try:
        made = new_key(key_id)
    except ValueError as error:
        raise SettingsError(str(error), next="casemate key new alice") from error
    if out:
        _write(out, made)
        output.say(f"The key is in {out}. Nobody can show it again; the settings take its digest:")
    else:
        output.answer(made)
        output.say("Nobody can show this key again; the settings take its digest:")
    output.say(f'gate = {{"keys": {{"{key_id}": "sha256:{digest(made)}"}}}}')


def _write(path: Path, made: str) -> None:
    """A new file: a key that is in use is never overwritten."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(f"{made}\n")
    except FileExistsError as error:
        raise SettingsError(f"{path} is there already", next="name another file, or remove that one first") from error
    except OSError as error:
        raise SettingsError(f"{path}: {error.strerror}", next="name a file that can be written") from error
