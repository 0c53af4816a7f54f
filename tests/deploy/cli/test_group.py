"""What a verb's help says of its commands."""

import importlib
from importlib.metadata import version

import click
import pytest
from click.testing import CliRunner

from deploy.cli import VERBS, casemate

GROUPS = [
    verb for verb in VERBS if isinstance(getattr(importlib.import_module(f"deploy.cli.{verb}"), verb), click.Group)
]


@pytest.mark.parametrize("verb", GROUPS)
def test_no_sentence_is_cut(verb: str) -> None:
    _, heading, commands = CliRunner().invoke(casemate, [verb, "--help"]).output.partition("\nCommands:\n")
    assert heading
    assert "..." not in commands


def test_the_whole_first_sentence_stands_there() -> None:
    shown = " ".join(CliRunner().invoke(casemate, ["logs", "--help"]).output.split())
    assert "verify Find lines that are missing, edited, moved or cut; exits with 1 on any finding." in shown


def test_the_version_is_that_of_the_package() -> None:
    done = CliRunner().invoke(casemate, ["--version"])
    assert (done.exit_code, done.output) == (0, f"casemate {version('casemate')}\n")
