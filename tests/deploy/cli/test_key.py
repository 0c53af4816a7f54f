"""casemate key new: the key once, its digest for the settings, and no file lost."""

import hashlib
import re
import stat
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from deploy.cli.key import key
from deploy.errors import SettingsError
from deploy.settings.gate import GateSettings
from service.gate.keys import parse


def run(*arguments: str) -> Result:
    return CliRunner().invoke(key, ["new", *arguments])


def settings_in(stderr: str) -> GateSettings:
    """What the settings become with the line that was printed."""
    [line] = [line for line in stderr.splitlines() if line.startswith("gate = ")]
    names: dict[str, object] = {}
    exec(line, names)
    return GateSettings.model_validate(names["gate"])


def test_the_key_is_on_standard_output_and_its_digest_beside_it() -> None:
    result = run("alice")
    made = result.stdout.strip()
    assert parse(made) == "alice"
    assert settings_in(result.stderr).keys == {"alice": f"sha256:{hashlib.sha256(made.encode()).hexdigest()}"}
    assert made not in result.stderr


def test_no_two_are_alike() -> None:
    assert run("alice").stdout != run("alice").stdout


def test_a_file_of_its_owner_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys" / "alice"
    result = run("alice", "--out", str(file))
    assert result.stdout == ""
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(file.parent.stat().st_mode) == 0o700
    digest = hashlib.sha256(file.read_text().strip().encode()).hexdigest()
    assert settings_in(result.stderr).keys == {"alice": f"sha256:{digest}"}
    assert not re.search("csm_", result.stderr)


def test_a_key_in_use_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("in use")
    result = run("alice", "--out", str(tmp_path / "key"))
    assert isinstance(result.exception, SettingsError)
    assert (tmp_path / "key").read_text() == "in use"


@pytest.mark.parametrize("name", ["Alice", "a", "a b", "-alice", "x" * 32, "../alice"])
def test_what_is_no_id_is_refused(name: str) -> None:
    result = run("--", name)
    assert isinstance(result.exception, SettingsError)
    assert result.exception.exit_code == 2
