"""`python3 -m service.ledger`, as the deploy journal and a person use it."""

import io
import json
import subprocess
import sys
import zipapp
from pathlib import Path

import pytest

from service.ledger.__main__ import main

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "journal.jsonl"


def append(log: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(sys, "stdin", io.StringIO(text))
    return main(["append", str(log)])


def test_append_tail_verify(log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert [append(log, json.dumps({"run": n}), monkeypatch) for n in range(3)] == [0, 0, 0]
    assert capsys.readouterr().out.split() == ["0", "1", "2"]
    assert main(["tail", "-n", "2", str(log)]) == 0
    assert [json.loads(line)["run"] for line in capsys.readouterr().out.splitlines()] == [1, 2]
    assert main(["verify", "--json", str(log)]) == 0
    assert json.loads(capsys.readouterr().out)["keyed"] is True
    log.write_text(log.read_text().replace('"run":1', '"run":7'))
    assert main(["verify", str(log)]) == 1
    assert capsys.readouterr().out == f"edited: {log}:2: is not what was written, expected line 1\n"


@pytest.mark.parametrize("text", ["", "{", "[1]", "7"])
def test_what_is_no_object_is_a_usage_error(log: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert append(log, text, monkeypatch) == 2
    assert not log.exists()


def test_reserved_fields_are_refused(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert append(log, '{"mac": 1}', monkeypatch) == 1
    assert "belong to the ledger" in capsys.readouterr().err


def test_verify_says_when_there_is_no_log(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["verify", str(log)]) == 1
    assert "does not exist" in capsys.readouterr().err


def test_a_wrong_key_file_is_named(
    log: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    append(log, "{}", monkeypatch)
    (log.parent / "k").write_text("xyz")
    assert main(["verify", "--key", str(log.parent / "k"), str(log)]) == 1
    assert "64 hexadecimal digits" in capsys.readouterr().err


def test_tail_keeps_control_characters_away_from_the_terminal(log: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log.write_bytes(b"\x1b[2Jgone\xff\n")
    main(["tail", str(log)])
    assert capsys.readouterr().out == "\\x1b[2Jgone\\xff\n"


def test_the_host_s_python_runs_it_as_a_zipapp_with_nothing_installed(log: Path, tmp_path: Path) -> None:
    tree = tmp_path / "tree" / "service"
    (tree / "ledger").mkdir(parents=True)
    (tree / "__init__.py").touch()
    for source in (ROOT / "service" / "ledger").glob("*.py"):
        (tree / "ledger" / source.name).write_bytes(source.read_bytes())
    # Not zipapp's own main=: the program that it writes drops the exit status.
    start = "import sys\nfrom service.ledger.__main__ import main\nsys.exit(main())\n"
    (tree.parent / "__main__.py").write_text(start)
    program = tmp_path / "casemate-ledger"
    zipapp.create_archive(tree.parent, program)
    command = [sys.executable, "-I", "-S", str(program), "append", str(log)]
    assert subprocess.run(command, input='{"event": "deploy"}', text=True, capture_output=True).stdout == "0\n"
    assert subprocess.run(command, input="nonsense", text=True, capture_output=True).returncode == 2
