"""The one module that prints: results to standard output, everything else to standard error."""

import json
import sys
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import click
from tabulate import tabulate

from deploy.errors import CasemateError

_UNSEEN = dict.fromkeys({*range(0x20), *range(0x7F, 0xA0), *range(0xD800, 0xE000)} - {*b"\t\n"}, "\ufffd")


def say(line: str) -> None:
    """Progress."""
    click.echo(line, err=True)


def complain(error: CasemateError) -> None:
    """What went wrong and what to do next."""
    click.secho(error.message, err=True, fg="red")
    click.echo(f"Next: {error.next}", err=True)


def answer(text: str) -> None:
    """A result that is text."""
    click.echo(text)


def words(text: str) -> None:
    """More of what a model says, at once; it may have read it off a picture, so it commands no terminal."""
    sys.stdout.write(text.translate(_UNSEEN))
    sys.stdout.flush()


def document(value: Any) -> None:
    """A result for a program."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False, default=_plain))


def _plain(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)


def table(rows: Sequence[Mapping[str, Any]], none: str = "") -> None:
    """A result for a person; every row has the same keys. `none` is said of no rows: silence might be a fault."""
    if rows:
        click.echo(tabulate([dict(row) for row in rows], headers="keys", disable_numparse=True))
    elif none:
        say(none)
