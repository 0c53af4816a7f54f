"""Clocks that are set and processes that stand still."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from deploy.paths import ROOT
from service.sentinel.tick import Passed, waited
from tests.freezing import freeze

_CHILD = """
import threading
from service.sentinel.tick import waited

class Begun(threading.Event):
    def wait(self, seconds):
        print("ready", flush=True)  # Not before: the clocks have been read.
        return super().wait(seconds)

print(waited(Begun(), 5).stood, flush=True)
"""


def test_an_ordinary_wait_is_nothing() -> None:
    assert waited(threading.Event(), 0.01) == Passed(0.0, 0.0)


@pytest.mark.parametrize("days", [1, -1])
def test_a_clock_that_jumps_by_a_day_is_seen(days: int, monkeypatch: pytest.MonkeyPatch) -> None:
    given = iter([1_000_000.0, 1_000_000.0 + days * 86_400])
    monkeypatch.setattr(time, "time", lambda: next(given))
    passed = waited(threading.Event(), 0.01)
    assert passed.jumped == pytest.approx(days * 86_400, abs=1)
    assert passed.stood == 0


@pytest.mark.long
def test_a_process_that_stood_still_knows_for_how_long() -> None:
    with subprocess.Popen([sys.executable, "-c", _CHILD], cwd=ROOT, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout
        child.stdout.readline()
        freeze(child.pid)
        time.sleep(11)
        os.kill(child.pid, signal.SIGCONT)
        assert float(child.stdout.readline()) >= 11
