"""What is printed: results for people and for programs."""

import json
from datetime import UTC, datetime

import pytest

from deploy.cli import output


def test_no_rows_are_said_beside_the_results(capsys: pytest.CaptureFixture[str]) -> None:
    output.table([], none="no alerts")
    assert capsys.readouterr() == ("", "no alerts\n")
    output.table([{"host": "gpu1"}], none="no alerts")
    told = capsys.readouterr()
    assert ("gpu1" in told.out, told.err) == (True, "")


def test_a_moment_is_one_that_every_program_reads(capsys: pytest.CaptureFixture[str]) -> None:
    output.document({"expires": datetime(2027, 12, 28, 22, 4, 22, tzinfo=UTC)})
    assert json.loads(capsys.readouterr().out) == {"expires": "2027-12-28T22:04:22+00:00"}
