"""Key 0 leaves the host without ever being lost, and lines are proven by it here."""

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy import paths
from deploy.errors import CasemateError, SettingsError
from deploy.facts.observed import Observed
from deploy.operations import channel
from deploy.run import chains, first_keys
from service.ledger.chain import fingerprint, seal, successor
from service.ledger.head import beside, first_key, peek
from service.ledger.keys import Keys
from tests.deploy.cli.host_logs import HOST, INVENTORY, findings, run, verdict, write

pytestmark = pytest.mark.long


def test_the_first_key_is_kept_here_alone_and_the_chain_goes_on(log: Path, tmp_path: Path) -> None:
    key = first_key(log).read_text().strip()
    assert findings() == []
    assert not first_key(log).exists()
    kept = tmp_path / "state" / "keys" / "lab" / "gpu1.json"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    one = json.loads(kept.read_text())["SHA256:gpu1"]["vision"]
    assert (one["key"], one["seq"]) == (key, 8)
    assert one["evolved"] == Keys(0, bytes.fromhex(key)).at(8).hex()
    write(log, 3)
    assert (verdict()["findings"], verdict()["proven"]) == ([], 0)


def test_only_new_lines_come_here(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert verdict()["proven"] == 8
    write(log, 2)
    assert verdict()["proven"] == 2

    def unasked(*_: Any, **__: Any) -> Any:
        raise AssertionError("nothing is new")

    monkeypatch.setattr(channel, "read", unasked)
    assert verdict()["proven"] == 0


def test_lines_of_turned_over_files_are_proven_too(log: Path) -> None:
    assert verdict()["proven"] == 8
    write(log, 2)
    packed = log.with_name("audit.jsonl-20261123-080000.gz")
    packed.write_bytes(gzip.compress(log.read_bytes()))
    log.unlink()
    write(log, 3)
    assert (findings(), verdict()["proven"]) == ([], 0)
    write(log, 1)
    assert verdict()["proven"] == 1


def test_a_run_that_saw_a_key_there_takes_it(log: Path) -> None:
    section = {"keys": {str(log): 1.0}, "heads": {}}
    chains.after_a_run(HOST, INVENTORY, Observed({"logs": section}, 0.0), print)
    assert not first_key(log).exists()


def test_a_key_is_on_the_disk_here_before_it_is_gone_there(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[str] = []
    sync = os.fsync

    def noted(fd: int) -> None:
        synced.append(os.readlink(f"/proc/self/fd/{fd}"))
        sync(fd)

    monkeypatch.setattr(os, "fsync", noted)
    ask: Callable[..., Any] = vars(chains)["told"]

    def told(host: Any, entry: str, *arguments: Any) -> Any:
        if entry.endswith("taken"):
            assert any(path.endswith("gpu1.new") for path in synced)
            assert any(path.endswith("keys/lab") for path in synced)
            assert first_keys.first_keys(INVENTORY, "gpu1")["SHA256:gpu1"]["vision"]
        return ask(host, entry, *arguments)

    monkeypatch.setattr(chains, "told", told)
    chains.take(HOST, INVENTORY)
    assert synced
    assert not first_key(log).exists()


@pytest.mark.parametrize("step", ["keep", "taken"])
def test_a_death_in_between_loses_no_key(log: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    def dies(*_: Any) -> Any:
        raise CasemateError("died", next="")

    ask: Callable[..., Any] = vars(chains)["told"]
    key = first_key(log).read_text().strip()
    with monkeypatch.context() as patched:
        if step == "keep":
            patched.setattr(chains, "keep", dies)
        else:
            patched.setattr(
                chains, "told", lambda host, entry, *rest: dies() if entry.endswith(step) else ask(host, entry, *rest)
            )
        with pytest.raises(CasemateError):
            chains.take(HOST, INVENTORY)
    assert first_key(log).read_text().strip() == key
    assert findings() == []
    assert not first_key(log).exists()
    assert first_keys.first_keys(INVENTORY, "gpu1")["SHA256:gpu1"]["vision"].key == key


def test_another_key_beside_the_log_replaces_none(log: Path) -> None:
    chains.take(HOST, INVENTORY)
    kept = first_keys.first_keys(INVENTORY, "gpu1")
    for path in (log, beside(log)):
        path.unlink()
    write(log, 8)
    said: list[str] = []
    chains.after_a_run(HOST, INVENTORY, None, said.append)
    assert "made anew" in said[0]
    assert first_keys.first_keys(INVENTORY, "gpu1") == kept
    assert first_key(log).exists()
    assert ("remade", "audit.jsonl") in findings()


def test_lines_that_went_before_they_were_proven_are_missing(log: Path) -> None:
    assert findings() == []
    write(log, 4)
    log.unlink()
    write(log, 2)
    assert findings() == [("missing", "audit.jsonl:1")]


@pytest.mark.parametrize("spoil", [lambda out: out[:-20], lambda out: b"garbage" + out, lambda out: b""])
def test_what_does_not_come_whole_proves_nothing(
    log: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[bytes], bytes]
) -> None:
    read = channel.read

    def spoilt(*arguments: Any, **keywords: Any) -> Any:
        yield spoil(b"".join(read(*arguments, **keywords)))

    monkeypatch.setattr(channel, "read", spoilt)
    result = run("verify")
    assert (result.exit_code, "unknown" in result.stdout) == (1, True)
    assert first_keys.first_keys(INVENTORY, "gpu1")["SHA256:gpu1"]["vision"].seq == 0


def test_a_key_that_is_nowhere_is_said(log: Path) -> None:
    first_key(log).unlink()
    result = run("verify")
    assert result.exit_code == 0
    assert "its first key is neither here nor there" in result.stdout


def test_damaged_keys_are_an_error_and_no_new_beginning(log: Path, tmp_path: Path) -> None:
    assert findings() == []
    kept = tmp_path / "state" / "keys" / "lab" / "gpu1.json"
    kept.write_text(kept.read_text().replace('"key": "', '"key": "x'))
    result = run("verify")
    assert result.exit_code == 1 or isinstance(result.exception, SettingsError)
    assert not isinstance(result.exception, (KeyError, ValueError))


def test_lines_longer_than_a_piece_and_bytes_that_are_none_keep_their_places(log: Path) -> None:
    write(log, 30, padding="x" * 30_000)
    assert findings() == []
    with log.open("ab") as file:
        file.write(b"\xff" * 200_000 + b"\n")
    write(log, 1)
    assert ("damaged", "audit.jsonl:42") in findings()


def test_a_hundred_thousand_lines_are_proven_in_seconds(log: Path) -> None:
    """Linear in new lines: a line costs two HMACs and a JSON; ten times what it needs is still an answer."""
    head = peek(log)
    assert head
    prev, key, lines = head.prev, head.key, []
    for seq in range(head.seq, head.seq + 100_000):
        lines.append(seal(seq, "2026-11-23T00:00:00.000000+00:00", {"event": "request", "number": seq}, prev, key))
        prev, key = fingerprint(lines[-1]), successor(key)
    with log.open("ab") as file:
        file.write(b"\n".join(lines) + b"\n")
    text = json.dumps({"seq": head.seq + len(lines), "prev": prev, "key": key.hex()})
    beside(log).write_text(text.ljust(255) + "\n")
    began = os.times().elapsed
    assert findings() == []
    assert os.times().elapsed - began < 60


def test_two_commands_at_once_lose_no_key(log: Path) -> None:
    """One that proves and one that takes both rewrite the file; what is lost here is lost for ever."""
    program = (
        "import sys; from pathlib import Path; from deploy import paths; from deploy.run.first_keys import begun, keep;"
        "paths.STATE = Path(sys.argv[1]);"
        "[keep('lab', 'gpu1', 'SHA256:gpu1', {sys.argv[2] + str(n): begun('0' * 64)}) for n in range(30)]"
    )
    state = str(paths.STATE)
    both = [subprocess.Popen([sys.executable, "-c", program, state, name]) for name in ("a", "b")]
    assert [one.wait(60) for one in both] == [0, 0]
    assert len(first_keys.first_keys("lab", "gpu1")["SHA256:gpu1"]) == 60
