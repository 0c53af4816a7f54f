"""The journal's native protocol on a real datagram socket."""

from pathlib import Path

import pytest

from service.sentinel.outlets.journald import Journald
from tests.service.sentinel.receivers import journal, message, told


def test_an_entry_has_the_sentence_and_fields_to_find_it(tmp_path: Path) -> None:
    with journal(tmp_path / "socket") as entries:
        Journald(tmp_path / "socket").deliver(message(7, severity="critical", path="/e\\x0aPRIORITY=0", container="v"))
        entry = entries.get(timeout=10)
    assert entry == {
        "MESSAGE": "critical: etc: /e\\x0aPRIORITY=0 changed in container v",
        "PRIORITY": "2",
        "SYSLOG_IDENTIFIER": "casemate-sentinel",
        "CASEMATE_EVENT": "alert",
        "CASEMATE_SEVERITY": "critical",
        "CASEMATE_SET": "etc",
        "CASEMATE_CONTAINER": "v",
        "CASEMATE_COUNT": "1",
        "CASEMATE_SEQ": "7",
    }


def test_no_value_can_begin_a_field(tmp_path: Path) -> None:
    with journal(tmp_path / "socket") as entries:
        Journald(tmp_path / "socket").deliver(message(0, "note", None, why="a\nPRIORITY=0\n\udc80"))
        assert entries.get(timeout=10)["PRIORITY"] == "6"


def test_the_longest_message_fits(tmp_path: Path) -> None:
    longest = message(0, path="\U0001f4a5" * 5000)
    for n in range(30):
        longest.add(told(n, path="\U0001f4a5" * 5000))
    with journal(tmp_path / "socket") as entries:
        Journald(tmp_path / "socket").deliver(longest)
        assert len(entries.get(timeout=10)["MESSAGE"]) > 20_000


def test_a_journal_that_is_not_there_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="No such file"):
        Journald(tmp_path / "socket").deliver(message(0))
