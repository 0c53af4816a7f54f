"""The program for a host: one text, standard library only, that runs without any file of ours."""

import json
import subprocess
import sys

import pytest

from deploy.facts.program import self_contained

PROGRAMS = (
    "deploy.facts.posture.snapshot",
    "deploy.facts.probes.attempt",
    "deploy.facts.probes.experiment",
    "deploy.facts.chained.judged",
    "deploy.facts.chained.tailed",
    "deploy.facts.chained.counted",
)


def run(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """As a host does it: an isolated interpreter, which sees neither the checkout nor site-packages."""
    command = [sys.executable, "-I", "-S", "-", *arguments]
    return subprocess.run(command, input=program, capture_output=True, text=True, check=False, cwd="/")


def test_arguments_arrive_as_they_were() -> None:
    program = self_contained("deploy.facts.probes.experiment", 'it\'s "a" program\n', "no-such-container")
    found = json.loads(run(program).stdout)
    assert list(found) == ["error"], "no engine or no such container: said, not raised"


@pytest.mark.parametrize("entry", PROGRAMS)
def test_nothing_but_the_standard_library_and_our_own_modules_is_needed(entry: str) -> None:
    loaded = self_contained(entry).rsplit("\n", 2)[0] + "\nprint('loaded')\n"
    done = run(loaded)
    assert (done.stdout, done.stderr) == ("loaded\n", "")


def test_an_unknown_module_is_an_error_here_and_not_on_the_host() -> None:
    with pytest.raises(ModuleNotFoundError):
        self_contained("deploy.facts.posture.no_such_thing")


@pytest.mark.parametrize("entry", PROGRAMS)
def test_the_programs_are_small_enough_to_travel_with_every_question(entry: str) -> None:
    assert len(self_contained(entry)) < 80 * 1024
