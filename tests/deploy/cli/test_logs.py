"""casemate logs: the programs that travel run here, in an interpreter that sees nothing of the checkout."""

import gzip
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from click.testing import CliRunner, Result
from gevent.pool import Pool

from deploy import paths
from deploy.cli import logs as module
from deploy.cli.logs import logs
from deploy.errors import CasemateError, SettingsError
from deploy.facts.chained.logs import LOGS
from deploy.facts.program import self_contained
from deploy.operations.configuration import configuration
from service.ledger import Ledger
from service.ledger.head import beside, first_key
from tests.deploy.operations.releases import settings_in


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The audit log of the one host, gpu1; its other logs are not written yet."""

    def here(_: Any, entry: str, *arguments: Any) -> Any:
        command = [sys.executable, "-I", "-S", "-"]
        done = subprocess.run(
            command, input=self_contained(entry, *arguments), capture_output=True, text=True, check=True, cwd="/"
        )
        return json.loads(done.stdout)

    @contextmanager
    def connected(*_: Any) -> Iterator[Any]:
        host = SimpleNamespace(name="gpu1")
        yield SimpleNamespace(hosts=[host], refused={}, state=SimpleNamespace(pool=Pool()))

    for name in LOGS:
        (tmp_path / name).mkdir()
    places = {name: str(tmp_path / name / Path(path).name) for name, path in LOGS.items()}
    monkeypatch.setattr(module, "told", here)
    monkeypatch.setattr(module, "connected", connected)
    monkeypatch.setattr(module, "read_inventory", lambda *_: (None, []))
    monkeypatch.setattr(module, "LOGS", places)
    monkeypatch.setattr(paths, "STATE", tmp_path / "state")
    write(Path(places["vision"]), 8)
    return Path(places["vision"])


def write(log: Path, count: int, **fields: Any) -> None:
    for number in range(count):
        Ledger(log).append({"event": "request", "number": number, "principal": "alice", **fields})


def run(*arguments: str) -> Result:
    return CliRunner().invoke(logs, [arguments[0], "inventory/lab.py", *arguments[1:]])


def findings() -> list[tuple[str, str]]:
    """(kind, file:line) of everything that `verify` finds; and its exit status agrees."""
    result = run("verify", "--json")
    found = json.loads(result.stdout)["gpu1"]
    named = [(one["kind"], one["where"].rpartition("/")[2]) for log in found.values() for one in log["findings"]]
    assert result.exit_code == (1 if named else 0), result.output
    return named


def rewrite(log: Path, change: Callable[[list[bytes]], object]) -> None:
    lines = log.read_bytes().splitlines(keepends=True)
    change(lines)
    log.write_bytes(b"".join(lines))


def forget(tmp_path: Path) -> None:
    """As if this operator had never verified."""
    shutil.rmtree(tmp_path / "state")


def test_the_logs_are_where_the_services_write_them(tmp_path: Path) -> None:
    for component, variable in (("vision", "CASEMATE_VISION_AUDIT_LOG"), ("gate", "CASEMATE_GATE_LOG")):
        spec = configuration(settings_in(tmp_path))[component]
        inside = Path(spec["environment"][variable])
        [outside] = [mount["source"] for mount in spec["mounts"] if mount["target"] == str(inside.parent)]
        assert LOGS[component] == f"{outside}/{inside.name}"


def test_good_logs_are_good_and_how_far_they_came_is_noted(log: Path, tmp_path: Path) -> None:
    result = run("verify")
    assert result.exit_code == 0, result.output
    vision, gate = (line.split() for line in result.stdout.splitlines()[2:4])
    assert vision[:6] == ["gpu1", "vision", "0", "to", "7", "good"]
    assert gate[:4] == ["gpu1", "gate", "none", "good"]
    noted = json.loads((tmp_path / "state" / "anchors" / "lab.json").read_text())["gpu1"]["vision"]
    assert noted["seq"] == 8
    write(log, 2)
    assert findings() == []


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda lines: lines.__setitem__(3, lines[3].replace(b"alice", b"mallory")), [("edited", "audit.jsonl:4")]),
        (lambda lines: lines.pop(3), [("missing", "audit.jsonl:4")]),
        (lambda lines: lines.insert(2, lines.pop(5)), [("reordered", "audit.jsonl:4")]),
        (lambda lines: lines.__delitem__(slice(6, 8)), [("truncated", "audit.jsonl")]),
    ],
)
def test_what_was_done_to_a_log_is_named_with_its_place(
    log: Path, change: Callable[[list[bytes]], object], expected: list[tuple[str, str]]
) -> None:
    rewrite(log, change)
    found = findings()
    assert found[0] == expected[0]
    assert found == findings(), "a finding stays one: what is wrong is never noted as good"
    table = run("verify")
    assert table.exit_code == 1
    assert expected[0][0] in table.stdout


def forge(log: Path, lines: int) -> None:
    """Who owns the directory makes a whole log anew, head, keys and all."""
    for path in (log, beside(log), first_key(log)):
        path.unlink()
    write(log, lines, principal="mallory")


def test_a_log_made_anew_shows_against_what_was_noted(log: Path, tmp_path: Path) -> None:
    assert findings() == []
    forge(log, 12)
    assert findings() == [("remade", "audit.jsonl:8")]
    forget(tmp_path)
    assert findings() == [], "the control: nothing but the note shows it"


def test_a_tail_that_was_cut_with_the_head_put_back_shows_against_what_was_noted(log: Path, tmp_path: Path) -> None:
    content, head = log.read_bytes(), beside(log).read_bytes()
    write(log, 4)
    assert findings() == []
    log.write_bytes(content)
    beside(log).write_bytes(head)
    assert findings() == [("truncated", "audit.jsonl")]
    forget(tmp_path)
    assert findings() == [], "the control: nothing but the note shows it"


def test_a_log_that_is_gone_shows_against_what_was_noted(log: Path, tmp_path: Path) -> None:
    assert findings() == []
    for path in log.parent.iterdir():
        path.unlink()
    assert findings() == [("truncated", "audit.jsonl")]


def test_files_that_were_turned_over_belong_to_the_log(log: Path) -> None:
    assert findings() == []
    turned_over = log.with_name("audit.jsonl-20261123-080000.gz")
    with gzip.open(turned_over, "wb") as file:
        file.write(log.read_bytes())
    log.unlink()
    write(log, 3)
    assert findings() == []
    turned_over.unlink()  # `keep` is over: older lines may go.
    assert findings() == []


def test_a_host_that_is_not_understood_is_unknown_and_that_is_1(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> Any:
        raise CasemateError("gpu1: the SSH connection broke", next="again")

    monkeypatch.setattr(module, "told", broken)
    for verb in ("verify", "tail", "stats"):
        result = run(verb)
        assert result.exit_code == 1
        assert "the SSH connection broke" in result.output


def test_a_log_that_cannot_be_judged_is_unknown_and_that_is_1(log: Path) -> None:
    first_key(log).chmod(0o600)
    first_key(log).write_text("no key")
    result = run("verify")
    assert result.exit_code == 1
    assert "64 hexadecimal digits" in result.stdout


def test_damaged_notes_are_an_error_and_not_a_new_beginning(log: Path, tmp_path: Path) -> None:
    assert findings() == []
    (tmp_path / "state" / "anchors" / "lab.json").write_text("[]")
    result = run("verify")
    assert isinstance(result.exception, SettingsError)


def request(at: datetime, **fields: Any) -> bytes:
    line = {"seq": 0, "time": at.isoformat(timespec="microseconds"), "event": "request", **fields}
    return json.dumps(line).encode() + b"\n"


def test_tail_shows_the_last_lines(log: Path) -> None:
    fields: dict[str, Any] = {"client": "192.0.2.7", "method": "POST", "route": "/v1/chat/completions", "status": 200}
    write(log, 2, **fields, finish="stop", tokens_in=300, tokens_out=12, seconds={"total": 1.25})
    result = run("tail", "-n", "2")
    assert result.exit_code == 0
    assert len(result.stdout.splitlines()) == 4
    for word in ("gpu1", "alice 192.0.2.7", "POST /v1/chat/completions", "200", "stop", "300 > 12", "1.25"):
        assert word in result.stdout.splitlines()[-1]
    shown = [json.loads(line) for line in run("tail", "-n", "3", "--json").stdout.splitlines()]
    assert [(one["host"], one["number"]) for one in shown] == [("gpu1", 7), ("gpu1", 0), ("gpu1", 1)]
    assert shown[-1] == {"host": "gpu1", **json.loads(log.read_bytes().splitlines()[-1])}
    assert run("tail", "--log", "gate").stdout == ""


def test_nothing_in_a_log_steers_the_terminal(log: Path) -> None:
    evil = "\x1b[2J\u202e\x9bx"
    with log.open("ab") as file:
        file.write(request(datetime.now(UTC), principal=evil, status=evil, client=evil, reason=evil))
        file.write(b"\x1b[2J no line \xff\xc2\x9b\n")
        file.write(json.dumps({"event": evil, evil: evil}).encode() + b"\n")
    for result in (run("tail"), run("tail", "--json"), run("stats"), run("verify")):
        assert not [char for char in result.stdout if not char.isprintable() and char != "\n"]


def test_follow_shows_each_line_once_whatever_number_it_claims(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def forge_one() -> None:
        with log.open("ab") as file:
            file.write(b'{"seq":999999999,"time":"2026","forged":1}\n')

    steps: list[Callable[[], None]] = [lambda: write(log, 2), lambda: None, forge_one, lambda: write(log, 1)]

    def sleep(_: float) -> None:
        if not steps:
            raise KeyboardInterrupt
        steps.pop(0)()

    monkeypatch.setattr("time.sleep", sleep)
    result = run("tail", "-n", "1", "--follow", "--json")
    shown = [json.loads(line) for line in result.stdout.splitlines()]
    assert [one.get("number", "forged") for one in shown] == [7, 0, 1, "forged", 0]


def test_stats_of_a_period_out_of_every_file(log: Path) -> None:
    now = datetime.now(UTC)
    answered: dict[str, Any] = {"status": 200, "finish": "stop", "reason": None, "tokens_in": 10, "tokens_out": 5}
    older = [
        request(now - timedelta(hours=3), principal="alice", pictures=[{}, {}], **answered, seconds={"total": number})
        for number in range(1, 101)
    ]
    with gzip.open(log.with_name("audit.jsonl-20261120-080000.gz"), "wb") as file:
        file.write(request(now - timedelta(days=3), principal="long-ago", **answered) + b"".join(older[:60]))
    log.with_name("audit.jsonl-20261121-080000").write_bytes(b"".join(older[60:]))
    log.write_bytes(
        request(now - timedelta(minutes=5), principal="bob", status=429, reason="queue_full")
        + request(now - timedelta(minutes=4), principal="bob", status=200, reason="out_of_memory", tokens_out=3)
        + request(now - timedelta(minutes=3), **answered, seconds={"total": 0.5, "first_token": 0.25})
        + json.dumps({"event": "gap", "lost": 4, "time": now.isoformat()}).encode()
        + b"\nno line\n[]\n"
        + request(now, tokens_in="many", pictures=7, seconds=[], status=200, finish="stop")[:-40]
    )
    whole = json.loads(run("stats", "--json").stdout)["hosts"]["gpu1"]
    assert (whole["requests"], whole["tokens_in"], whole["tokens_out"], whole["pictures"]) == (103, 1010, 508, 200)
    assert (whole["by_status"], whole["by_reason"]) == ({"200": 102, "429": 1}, {"queue_full": 1, "out_of_memory": 1})
    assert whole["principals"]["alice"] == {"requests": 100, "tokens_in": 1000, "tokens_out": 500, "pictures": 200}
    assert list(whole["principals"]) == ["-", "alice", "bob"]
    assert whole["seconds"] == {
        "total": {"p50": 50, "p90": 90, "p99": 99},
        "first_token": {"p50": 0.25, "p90": 0.25, "p99": 0.25},
    }
    assert whole["lost"] == 4
    late = json.loads(run("stats", "--since", "1h", "--json").stdout)["hosts"]["gpu1"]
    assert late["requests"] == 3
    until = (now - timedelta(hours=1)).isoformat()
    early = json.loads(run("stats", "--since", "7d", "--until", until, "--json").stdout)["hosts"]["gpu1"]
    assert (early["requests"], early["seconds"]["first_token"]["p50"]) == (101, None)
    table = run("stats")
    assert "200: 102, 429: 1" in table.stdout
    assert "50.00/90.00/99.00" in table.stdout
    assert "bob" in table.stdout


@pytest.mark.parametrize("wrong", ["yesterday", "24", "0h", "-1h", "2026-13-01"])
def test_a_moment_that_is_none_is_a_usage_error(log: Path, wrong: str) -> None:
    result = run("stats", "--since", wrong)
    assert result.exit_code == 2
    assert "24h" in result.output


def test_a_large_log_is_counted_in_seconds(log: Path) -> None:
    """100,000 requests: the host's python3 needs about a second; ten times that is still an answer."""
    line = request(datetime.now(UTC), principal="a", status=200, finish="stop", tokens_in=1, seconds={"total": 1.0})
    log.write_bytes(line * 100_000)
    began = datetime.now(UTC)
    assert json.loads(run("stats", "--json").stdout)["hosts"]["gpu1"]["requests"] == 100_000
    assert datetime.now(UTC) - began < timedelta(seconds=15)
