"""casemate logs tail and stats: the last lines for a terminal, and the figures of a period."""

import gzip
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.cli.host_logs import run, write

pytestmark = pytest.mark.long


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


def begun(at: datetime, request: Any) -> bytes:
    line = {
        "seq": 0,
        "time": at.isoformat(),
        "request": request,
        "principal": "alice",
        "tokens_in": 7,
        "event": "begun",
    }
    return json.dumps(line).encode() + b"\n"


def test_tail_shows_a_stream_as_one_line_unless_its_end_is_not_there(log: Path) -> None:
    now = datetime.now(UTC)
    streams = [begun(now, f"r{n}") + request(now, request=f"r{n}", principal=f"p{n}") for n in range(3)]
    log.write_bytes(request(now, principal="first") + begun(now, "killed") + b"".join(streams) + begun(now, ["odd"]))
    rows = run("tail", "-n", "5").stdout.splitlines()[-5:]
    for shown, word in zip(rows, ("alice", "p0", "p1", "p2", "alice"), strict=True):
        assert word in shown
    for shown in (rows[0], rows[-1]):
        assert ("begun" in shown, "7 > -" in shown) == (True, True)
    assert "first" not in "".join(rows)
    assert "first" in run("tail", "-n", "6").stdout
    events = [json.loads(line)["event"] for line in run("tail", "-n", "5", "--json").stdout.splitlines()]
    assert events == ["begun", "request", "begun", "request", "begun"]


def test_follow_shows_a_stream_s_beginning_while_its_end_is_to_come(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = datetime.now(UTC)

    def add(lines: bytes) -> None:
        with log.open("ab") as file:
            file.write(lines)

    steps = [
        begun(now, "long"),
        begun(now, "short") + request(now, request="short", status=201),
        request(now, request="long", status=202),
    ]

    def sleep(_: float) -> None:
        if not steps:
            raise KeyboardInterrupt
        add(steps.pop(0))

    monkeypatch.setattr("time.sleep", sleep)
    begins, short, long = run("tail", "-n", "1", "--follow").stdout.splitlines()[-3:]
    assert ("begun" in begins, "201" in short, "202" in long) == (True, True, True)


def test_stats_count_each_request_once(log: Path) -> None:
    """Ended; killed; begun and its end lost; lost without a line; still answered; ended after the period, or before."""
    now = datetime.now(UTC)
    early, late = now - timedelta(hours=2), now - timedelta(minutes=10)
    log.write_bytes(
        begun(early, "before")
        + request(late, request="before", status=200)
        + begun(late, "ended")
        + request(late, request="ended", status=200)
        + begun(late, "killed")
        + begun(late, "end lost")
        + json.dumps({"event": "gap", "lost": 3, "begun": 1, "time": late.isoformat()}).encode()
        + b"\n"
        + begun(late, "ended after")
        + begun(late, ["odd"])
        + request(now, request="ended after", status=200)
    )
    until = (now - timedelta(minutes=1)).isoformat()
    told = json.loads(run("stats", "--since", "1h", "--until", until, "--json").stdout)["hosts"]["gpu1"]
    assert (told["requests"], told["unended"], told["lost"]) == (2, 3, 2)
    assert told["logs"]["vision"]["by"] == {"begun": 5, "request": 2, "gap": 1}
    header, _, figures = run("stats", "--since", "1h", "--until", until).stdout.splitlines()[:3]
    assert [name for name in ("requests", "unended", "lost") if name in header] == ["requests", "unended", "lost"]
    assert figures.split()[:4] == ["gpu1", "2", "3", "2"]


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
    assert (whole["lost"], whole["unended"]) == (4, 0)
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


def test_every_component_s_log_is_shown_and_counted(log: Path) -> None:
    """Nginx's too, which are in no chain; its errors are text, in the host's own time."""
    now = datetime.now().astimezone()
    access = log.parent.parent / "access" / "access.jsonl"
    fields = {"request_id": "r", "client": "192.0.2.7", "method": "POST", "path": "/v1/models", "principal": "alice"}
    times = (now.isoformat(timespec="seconds"), (now - timedelta(days=2)).isoformat(timespec="seconds"))
    lines = [{"time": at, **fields, "status": "401", "reason": "no_key", "seconds": 0.5} for at in times]
    access.write_text("".join(json.dumps(line) + "\n" for line in lines))
    errors = log.parent.parent / "errors" / "error.log"
    errors.write_text(f"{now:%Y/%m/%d %H:%M:%S} [warn] 7#7: *3 \x1b[2J no\nno line\n")
    write(log.parent.parent / "sentinel" / "alerts.jsonl", 2, event="alert", severity="critical")
    counted = json.loads(run("stats", "--json").stdout)["hosts"]["gpu1"]["logs"]
    assert counted["access"] == {"files": 1, "bytes": access.stat().st_size, "lines": 1, "by": {"401": 1}}
    assert (counted["errors"]["lines"], counted["errors"]["by"]) == (1, {"warn": 1})
    assert (counted["sentinel"]["by"], counted["vision"]["by"]) == ({"alert": 2}, {"request": 8})
    assert counted["gate"] == {"files": 0, "bytes": 0, "lines": 0, "by": {}}
    assert "alert: 2" in run("stats").stdout
    shown = run("tail", "--log", "access", "-n", "1").stdout.splitlines()[-1]
    for word in ("alice 192.0.2.7", "POST /v1/models", "401", "no_key", "0.5"):
        assert word in shown
    for result in (run("tail", "--log", "errors"), run("tail", "--log", "errors", "--json")):
        assert "[warn]" in result.stdout
        assert "damaged" not in result.stdout
        assert not [char for char in result.stdout if not char.isprintable() and char != "\n"]
    assert "severity=critical" in run("tail", "--log", "sentinel").stdout
