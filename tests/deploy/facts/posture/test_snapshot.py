"""The snapshot as a whole: one line of JSON, whatever is missing on the host."""

import json
import subprocess
import sys

import pytest

from deploy.facts.posture.snapshot import SECTIONS, gather
from deploy.facts.program import self_contained


def test_it_prints_one_line_of_json_with_every_section_on_any_machine() -> None:
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-"],
        input=self_contained("deploy.facts.posture.snapshot"),
        capture_output=True,
        text=True,
        check=True,
    )
    [line] = done.stdout.splitlines()
    found = json.loads(line)
    assert set(SECTIONS) <= set(found)
    assert found["schema"] == 1
    for name in SECTIONS:
        assert found[name] is not None or name in found["errors"] or name == "lock", f"{name} is null without a reason"


def test_a_section_that_fails_is_null_with_its_reason_and_the_others_are_still_read() -> None:
    def broken(_: object) -> None:
        raise ValueError("no such thing")

    found = gather({"first": lambda _: 1, "second": broken, "third": lambda seen: seen["first"] + 1})
    assert found == {"first": 1, "second": None, "third": 2, "errors": {"second": "ValueError: no such thing"}}


def test_a_section_reads_those_before_it() -> None:
    assert gather({"units": lambda _: None, "docker": lambda seen: seen["units"] is None})["docker"] is True


@pytest.mark.parametrize("error", [KeyError("x"), OSError(13, "denied"), RuntimeError(), UnicodeError("bad")])
def test_no_error_of_a_section_ends_the_program(error: Exception) -> None:
    def broken(_: object) -> None:
        raise error

    found = gather({"only": broken})
    assert found["only"] is None
    assert type(error).__name__ in found["errors"]["only"]
