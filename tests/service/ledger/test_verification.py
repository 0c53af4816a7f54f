"""Judging: every way to falsify a log is named, with its place."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from service.ledger import Ledger, LedgerError, verify
from service.ledger.chain import fingerprint, seal
from service.ledger.head import beside, first_key

LINES = 8
Change = Callable[[list[bytes]], object]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    log = tmp_path_factory.mktemp("written") / "audit.jsonl"
    ledger = Ledger(log)
    for n in range(LINES):
        ledger.append({"n": n, "who": "alice"})
    return log


@pytest.fixture
def log(written: Path, tmp_path: Path) -> Path:
    return copy(written, tmp_path)


def copy(written: Path, to: Path) -> Path:
    for path in (written, beside(written), first_key(written)):
        shutil.copy(path, to / path.name)
    return to / written.name


def found(log: Path, keyed: bool = True) -> list[tuple[str, str]]:
    findings = verify(log, bytes.fromhex(first_key(log).read_text()) if keyed else None).findings
    return [(finding.kind, finding.where.rpartition("/")[2]) for finding in findings]


def rewrite(log: Path, change: Change) -> None:
    lines = log.read_bytes().splitlines(keepends=True)
    change(lines)
    log.write_bytes(b"".join(lines))


def swap(lines: list[bytes], a: int, b: int) -> None:
    lines[a], lines[b] = lines[b], lines[a]


@pytest.mark.parametrize("keyed", [True, False])
def test_a_good_log_is_good(log: Path, keyed: bool) -> None:
    assert found(log, keyed) == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda lines: lines.__setitem__(3, lines[3].replace(b"alice", b"mallory")), [("edited", "audit.jsonl:4")]),
        (lambda lines: lines.__setitem__(7, lines[7].replace(b"alice", b"mallory")), [("edited", "audit.jsonl:8")]),
        (lambda lines: lines.pop(3), [("missing", "audit.jsonl:4")]),
        (lambda lines: lines.__delitem__(slice(2, 5)), [("missing", "audit.jsonl:3")]),
        (lambda lines: swap(lines, 3, 4), [("reordered", "audit.jsonl:5")]),
        (lambda lines: lines.insert(6, lines[2]), [("repeated", "audit.jsonl:7")]),
        (lambda lines: lines.__delitem__(slice(6, 8)), [("truncated", "audit.jsonl")]),
        (lambda lines: lines.__setitem__(3, b"garbage\n"), [("damaged", "audit.jsonl:4")]),
        (lambda lines: lines.__setitem__(3, b"[" * 60_000 + b"\n"), [("damaged", "audit.jsonl:4")]),
        (lambda lines: lines.append(b'{"seq":'), [("torn", "audit.jsonl:9")]),
    ],
)
def test_each_falsification_is_named_with_its_place(log: Path, change: Change, expected: list[tuple[str, str]]) -> None:
    rewrite(log, change)
    assert found(log) == expected


def test_without_the_key_an_edit_shows_at_the_line_after_it(log: Path) -> None:
    rewrite(log, lambda lines: lines.__setitem__(3, lines[3].replace(b"alice", b"mallory")))
    assert found(log, keyed=False) == [("edited", "audit.jsonl:5")]


def test_without_the_key_an_edited_last_line_shows_against_the_head(log: Path) -> None:
    rewrite(log, lambda lines: lines.__setitem__(7, lines[7].replace(b"alice", b"mallory")))
    assert found(log, keyed=False) == [("edited", "audit.jsonl")]


def test_a_chain_made_anew_by_a_thief_of_the_present_key_shows_only_with_the_first_key(log: Path) -> None:
    stolen = bytes.fromhex(json.loads(beside(log).read_bytes())["key"])
    lines = [json.loads(line) for line in log.read_bytes().splitlines()]
    prev, forged = "0" * 64, []
    for fields in lines:
        own = {"n": fields["n"], "who": "mallory"}
        forged.append(seal(fields["seq"], fields["time"], own, prev, stolen))
        prev = fingerprint(forged[-1])
    log.write_bytes(b"\n".join(forged) + b"\n")
    head = json.loads(beside(log).read_bytes())
    beside(log).write_text(json.dumps({**head, "prev": prev}))
    assert found(log, keyed=False) == []
    assert {kind for kind, _ in found(log)} == {"edited"}
    assert len(found(log)) == LINES


def test_a_forged_number_costs_no_time(log: Path) -> None:
    forged = seal(10**18, "x", {}, "0" * 64, b"k")
    rewrite(log, lambda lines: lines.__setitem__(3, forged + b"\n"))
    assert found(log) == [("damaged", "audit.jsonl:4")]


def test_turned_over_and_packed_files_are_read_in_the_chain_s_order(log: Path) -> None:
    ledger = Ledger(log)
    for name in ("audit.jsonl.2.gz", "audit.jsonl.1"):
        packed = name.endswith(".gz")
        log.with_name(name).write_bytes(gzip.compress(log.read_bytes()) if packed else log.read_bytes())
        log.unlink()
        ledger.append({"n": name})
    verdict = verify(log, bytes.fromhex(first_key(log).read_text()))
    assert [Path(path).name for path in verdict.files] == ["audit.jsonl.2.gz", "audit.jsonl.1", "audit.jsonl"]
    assert (verdict.findings, verdict.lines, verdict.first, verdict.last) == ([], LINES + 2, 0, LINES + 1)
    log.with_name("audit.jsonl.2.gz").unlink()
    assert (verify(log).findings, verify(log).first) == ([], LINES)
    log.with_name("audit.jsonl.1").unlink()
    log.with_name("audit.jsonl.1").write_bytes(b"")
    assert found(log) == []


def test_an_emptied_log_is_cut(log: Path) -> None:
    log.write_bytes(b"")
    assert found(log) == [("truncated", "audit.jsonl")]


def test_a_missing_head_is_told(log: Path) -> None:
    beside(log).unlink()
    assert found(log) == [("damaged", "audit.jsonl.head")]


def test_no_log_at_all(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="does not exist"):
        verify(tmp_path / "audit.jsonl")


@settings(max_examples=150, deadline=None)
@given(data=st.data())
def test_no_change_of_a_byte_goes_unseen(
    written: Path, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    log = copy(written, tmp_path_factory.mktemp("changed"))
    raw = bytearray(log.read_bytes())
    at = data.draw(st.integers(0, len(raw) - 1))
    raw[at] = data.draw(st.integers(0, 255).filter(lambda byte: byte != raw[at]))
    log.write_bytes(raw)
    assert found(log)


@settings(max_examples=60, deadline=None)
@given(order=st.lists(st.integers(0, LINES - 1), max_size=LINES + 2).filter(lambda order: order != list(range(LINES))))
def test_no_other_selection_or_order_of_lines_goes_unseen(
    written: Path, tmp_path_factory: pytest.TempPathFactory, order: list[int]
) -> None:
    log = copy(written, tmp_path_factory.mktemp("ordered"))
    lines = log.read_bytes().splitlines(keepends=True)
    log.write_bytes(b"".join(lines[n] for n in order))
    kept_a_suffix = order == list(range(LINES - len(order), LINES)) and order != []
    assert bool(found(log)) is not kept_a_suffix  # Older files may go: their going is retention, not falsification.
