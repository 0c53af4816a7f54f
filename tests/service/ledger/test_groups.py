"""Several lines at once: all or none, in order, killed in the middle."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.ledger import Ledger, LedgerError, verify
from service.ledger.head import beside
from tests.service.ledger.test_log import ROOT, field_sets, seal_intact

pytestmark = pytest.mark.long


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


@settings(max_examples=60, deadline=None)
@given(groups=st.lists(st.lists(field_sets, max_size=5), min_size=1, max_size=4))
def test_groups_come_back_in_order_and_verify(
    tmp_path_factory: pytest.TempPathFactory, groups: list[list[dict[str, Any]]]
) -> None:
    log = tmp_path_factory.mktemp("log") / "audit.jsonl"
    ledger = Ledger(log, sync=True)
    numbers = [number for group in groups for number in ledger.append_all(group)]
    lines = [fields for group in groups for fields in group]
    assert numbers == list(range(len(lines)))
    raw = log.read_bytes().splitlines() if lines else []
    kept = [{k: v for k, v in json.loads(line).items() if k not in {"seq", "time", "prev", "mac"}} for line in raw]
    assert kept == lines
    assert not lines or seal_intact(log)


@settings(max_examples=60, deadline=None)
@given(
    groups=st.lists(st.tuples(st.lists(field_sets, max_size=4), st.integers(0, 4), st.booleans()), max_size=4),
    bad=st.sampled_from([{"seq": 1}, {"x": float("inf")}, {"x": object()}, {"x": "y" * 70_000}]),
)
def test_a_group_is_added_whole_or_not_at_all(
    tmp_path_factory: pytest.TempPathFactory,
    groups: list[tuple[list[dict[str, Any]], int, bool]],
    bad: dict[str, Any],
) -> None:
    log = tmp_path_factory.mktemp("log") / "audit.jsonl"
    ledger = Ledger(log)
    ledger.append({})
    for lines, place, spoiled in groups:
        before = log.read_bytes()
        if spoiled:
            with pytest.raises(LedgerError):
                ledger.append_all([*lines[:place], bad, *lines[place:]])
            assert log.read_bytes() == before
        else:
            ledger.append_all(lines)
    assert verify(log).lines == 1 + sum(len(lines) for lines, _, spoiled in groups if not spoiled)
    assert seal_intact(log)


@pytest.mark.parametrize("lines", [1, 50, 400])
def test_a_head_that_misses_a_group_of_a_large_log_catches_up(log: Path, lines: int) -> None:
    ledger = Ledger(log)
    ledger.append_all([{"pad": "x" * 700} for _ in range(2000)])
    old = beside(log).read_bytes()
    ledger.append_all([{"n": n, "pad": "x" * 700} for n in range(lines)])
    beside(log).write_bytes(old)
    assert ledger.append({"n": "next"}) == 2000 + lines
    assert seal_intact(log)


GROUPS = """
import sys
from pathlib import Path
from service.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]))
for i in range(1_000_000):
    print(ledger.append_all([{"i": i, "pad": "x" * 500} for n in range(1000)])[-1], flush=True)
"""


def test_sigkill_within_a_group_loses_nothing_that_was_acknowledged(log: Path) -> None:
    acknowledged = -1
    for round_ in range(6):
        process = subprocess.Popen(
            [sys.executable, "-S", "-c", GROUPS, str(log)], cwd=ROOT, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout
        acknowledged = int(process.stdout.readline())
        time.sleep(0.004 * round_)
        process.send_signal(signal.SIGKILL)
        acknowledged = max([acknowledged, *(int(line) for line in process.stdout.read().split())])
        process.wait()
        process.stdout.close()
    assert Ledger(log).append({"event": "after"}) > acknowledged
    assert seal_intact(log)
