"""Writing: by several processes, across rotation, killed in the middle, on a full disk."""

import json
import os
import signal
import stat
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.ledger import Ledger, LedgerError, verify
from service.ledger.head import beside, first_key, observe

ROOT = Path(__file__).resolve().parents[3]
WRITER = """
import sys
from pathlib import Path
from service.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]))
for i in range(int(sys.argv[2])):
    print(ledger.append({"writer": sys.argv[3], "i": i, "pad": "x" * (i % 9000)}), flush=True)
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "audit.jsonl"


def writer(log: Path, lines: int, name: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-S", "-c", WRITER, str(log), str(lines), name]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)


def seal_intact(log: Path) -> bool:
    return not verify(log, bytes.fromhex(first_key(log).read_text())).findings


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
field_sets = st.dictionaries(
    st.text().filter(lambda name: name not in {"seq", "time", "prev", "mac"}), json_values, max_size=4
)


@pytest.mark.long
@settings(max_examples=60, deadline=None)
@given(lines=st.lists(field_sets, min_size=1, max_size=6))
def test_whatever_is_written_comes_back_and_verifies(
    tmp_path_factory: pytest.TempPathFactory, lines: list[dict[str, Any]]
) -> None:
    log = tmp_path_factory.mktemp("log") / "audit.jsonl"
    ledger = Ledger(log)
    assert [ledger.append(fields) for fields in lines] == list(range(len(lines)))
    raw = log.read_bytes().splitlines()
    assert all(byte < 127 and byte >= 32 for line in raw for byte in line)
    kept = [{k: v for k, v in json.loads(line).items() if k not in {"seq", "time", "prev", "mac"}} for line in raw]
    assert kept == lines
    assert seal_intact(log)


def test_several_processes_make_one_chain(log: Path) -> None:
    writers = [writer(log, 60, str(n)) for n in range(3)]
    numbers = [int(line) for process in writers for line in process.communicate(timeout=60)[0].split()]
    assert sorted(numbers) == list(range(180))
    assert seal_intact(log)
    assert verify(log).lines == 180


def test_several_threads_make_one_chain(log: Path) -> None:
    ledger = Ledger(log)
    with ThreadPoolExecutor(8) as pool:
        numbers = list(pool.map(lambda n: ledger.append({"n": n}), range(200)))
    assert sorted(numbers) == list(range(200))
    assert seal_intact(log)


def test_rotation_under_writers_loses_no_line_and_the_chain_goes_on(log: Path) -> None:
    writers = [writer(log, 150, str(n)) for n in range(2)]
    turned = 0
    while any(process.poll() is None for process in writers):
        if log.exists():
            turned += 1
            log.rename(log.with_name(f"audit.jsonl-2026{turned:04d}"))
        time.sleep(0.01)
    assert all(process.wait() == 0 for process in writers)
    Ledger(log).append({"event": "end"})
    verdict = verify(log, bytes.fromhex(first_key(log).read_text()))
    assert (verdict.findings, verdict.lines) == ([], 301)
    assert len(verdict.files) > 2


def test_sigkill_loses_nothing_that_was_acknowledged(log: Path) -> None:
    acknowledged = -1
    for round_ in range(6):
        process = writer(log, 1_000_000, str(round_))
        assert process.stdout
        acknowledged = int(process.stdout.readline())
        time.sleep(0.004 * round_)
        process.send_signal(signal.SIGKILL)
        acknowledged = max([acknowledged, *(int(line) for line in process.stdout.read().split())])
        process.wait()
        process.stdout.close()
    last = Ledger(log).append({"event": "after"})
    assert last > acknowledged
    assert seal_intact(log)


def test_half_a_line_is_removed_and_told(log: Path) -> None:
    ledger = Ledger(log)
    ledger.append({"n": 0})
    with log.open("ab") as file:
        file.write(b'{"seq":1,"time":"20')
    assert [finding.kind for finding in verify(log).findings] == ["torn"]
    ledger.append({"n": 1})
    assert json.loads(log.read_bytes().splitlines()[-1])["torn"] == 19
    assert seal_intact(log)


@pytest.mark.parametrize("behind", [1, 3])
def test_a_head_that_is_behind_the_log_catches_up(log: Path, behind: int) -> None:
    ledger = Ledger(log)
    ledger.append({"n": 0})
    old = beside(log).read_bytes()
    for n in range(behind):
        ledger.append({"n": n})
    beside(log).write_bytes(old)
    assert ledger.append({"n": "next"}) == behind + 1
    assert seal_intact(log)


@pytest.mark.parametrize("more", ["{'n': 1}", "{'n': 1}, {'n': 2, 'pad': 'x' * 9000}"])
def test_a_full_disk_adds_nothing_and_says_so(log: Path, more: str) -> None:
    ledger = Ledger(log)
    ledger.append({"n": 0})
    before = log.read_bytes()
    script = (
        "import resource, signal; from pathlib import Path; from service.ledger import Ledger\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"resource.setrlimit(resource.RLIMIT_FSIZE, ({len(before) + 100}, -1))\n"
        f"Ledger(Path({str(log)!r})).append_all([{more}])"
    )
    result = subprocess.run([sys.executable, "-S", "-c", script], cwd=ROOT, capture_output=True, text=True)
    assert "LedgerError" in result.stderr
    assert "next: check the disk" in result.stderr
    assert log.read_bytes() == before
    assert ledger.append({"n": 2}) == 1
    assert seal_intact(log)


@pytest.mark.parametrize("fields", [{"seq": 1}, {"x": float("nan")}, {"x": object()}, {"x": "y" * 70_000}])
def test_fields_that_cannot_be_a_line_are_refused(log: Path, fields: dict[str, object]) -> None:
    ledger = Ledger(log)
    with pytest.raises(LedgerError):
        ledger.append(fields)
    assert ledger.append({"ok": 1}) == 0


def test_a_log_without_its_head_is_not_continued_in_silence(log: Path) -> None:
    Ledger(log).append({"n": 0})
    beside(log).unlink()
    with pytest.raises(LedgerError, match="no head"):
        Ledger(log).append({"n": 1})


def test_a_damaged_head_is_named(log: Path) -> None:
    Ledger(log).append({"n": 0})
    beside(log).write_bytes(b"{")
    with pytest.raises(LedgerError, match="is damaged"):
        Ledger(log).append({"n": 1})


def test_files_are_closed_to_others(log: Path) -> None:
    Ledger(log).append({"n": 0})
    modes = [stat.S_IMODE(os.stat(path).st_mode) for path in (log, beside(log), first_key(log))]
    assert modes == [0o640, 0o600, 0o400]


def test_the_key_of_a_written_line_is_gone(log: Path) -> None:
    key = bytes.fromhex((Ledger(log).append({"n": 0}), first_key(log).read_text())[1])
    head, _ = observe(log)
    assert head
    assert key.hex() not in beside(log).read_text()
    assert head.key != key
