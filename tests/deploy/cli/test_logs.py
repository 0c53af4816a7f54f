"""casemate logs: the programs that travel run here, in an interpreter that sees nothing of the checkout."""

import gzip
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.cli import logs as module
from deploy.errors import CasemateError, SettingsError
from deploy.facts.chained.logs import LOGS
from deploy.operations.configuration import configuration
from deploy.run import chains, proof
from service.ledger.head import beside, first_key
from tests.deploy.cli.host_logs import run, write
from tests.deploy.operations.releases import settings_in

pytestmark = pytest.mark.long


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
    noted = json.loads((tmp_path / "state" / "anchors" / "lab.json").read_text())["gpu1"]
    assert (noted["host_key"], noted["logs"]["vision"]["seq"]) == ("SHA256:gpu1", 8)
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
        path.unlink(missing_ok=True)
    write(log, lines, principal="mallory")


def test_a_log_made_anew_shows_against_what_was_noted(log: Path, tmp_path: Path) -> None:
    assert findings() == []
    forge(log, 12)
    found = findings()
    assert ("remade", "audit.jsonl:8") in found, "against the note"
    assert ("remade", "audit.jsonl") in found, "by the new key beside it"
    assert {("edited", f"audit.jsonl:{line}") for line in range(1, 13)} <= {*found}, "by the first key"
    forget(tmp_path)
    assert findings() == [], "the control: nothing but what is kept here shows it"


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


def test_another_machine_under_the_name_is_told_and_judged_by_itself(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert findings() == []
    forge(log, 12)
    for one in (module, chains, proof):
        monkeypatch.setattr(one, "host_key", lambda _: "SHA256:other")
    result = run("verify")
    assert (result.exit_code, "another host key" in result.stderr) == (0, True)
    assert "another host key" not in run("verify").stderr
    forge(log, 12)
    assert ("remade", "audit.jsonl:12") in findings()


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

    for one in (module, chains, proof):
        monkeypatch.setattr(one, "told", broken)
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
