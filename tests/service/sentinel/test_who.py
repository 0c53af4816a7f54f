"""Who did it."""

import os
import subprocess
import sys
from pathlib import Path

from service.sentinel.who import Asked


def test_this_process_is_told_in_full() -> None:
    who = Asked().of(os.getpid())
    assert who.program == os.path.realpath(sys.executable)
    assert who.uid == os.geteuid()
    assert who.command


def test_a_process_that_is_gone_has_its_number() -> None:
    child = subprocess.Popen(["true"])
    child.wait()
    who = Asked().of(child.pid)
    assert (who.pid, who.program, who.command) == (child.pid, None, ())


def test_an_answer_is_kept_for_two_seconds_and_no_longer(tmp_path: Path) -> None:
    now = [100.0]
    asked = Asked(tmp_path, lambda: now[0])
    (tmp_path / "7").mkdir()
    for content, at, expected in ((b"one\0a\n", 100.0, "one"), (b"two\0", 101.9, "one"), (b"two\0", 102.1, "two")):
        (tmp_path / "7/cmdline").write_bytes(content)
        now[0] = at
        assert asked.of(7).command[0] == expected


def test_what_a_process_calls_itself_steers_no_terminal(tmp_path: Path) -> None:
    (tmp_path / "7").mkdir()
    (tmp_path / "7/cmdline").write_bytes(b"\x1b[2J\0\xff")
    assert Asked(tmp_path).of(7).command == ("\\x1b[2J", "\\xff")
