"""Files converge by hash, mode and owner; their content is in no argv, and a secret's in no diff."""

import base64
import hashlib
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.operations.change import differences
from deploy.operations.files import _put, _sent, absent, directory, file

TEXT = "hello\n"


def seen(**changes: Any) -> dict[str, Any]:
    sha = hashlib.sha256(TEXT.encode()).hexdigest()
    return {"sha256": sha, "mode": "0644", "owner": "root", "group": "root", "content": TEXT, "target": None, **changes}


def test_a_file_as_wanted_yields_nothing(commands: Any) -> None:
    assert commands(file, {"path": "/etc/x", "content": TEXT}, files={"/etc/x": seen()}) == []


@pytest.mark.parametrize(
    "change", [{"sha256": "0" * 64}, {"mode": "0666"}, {"owner": "ops"}, {"group": "ops"}, {"target": "/etc/passwd"}]
)
def test_whatever_differs_is_put_right(commands: Any, change: dict[str, Any]) -> None:
    assert len(commands(file, {"path": "/etc/x", "content": TEXT}, files={"/etc/x": seen(**change)})) == 1


def test_an_absent_file_is_written(commands: Any) -> None:
    [command] = commands(file, {"path": "/etc/x", "content": TEXT})
    assert TEXT.strip() not in command


def test_the_content_travels_by_standard_input(fake_host: Any) -> None:
    fake_host()
    [command] = file._inner(path="/etc/x", content="s3cret-value\n", secret=True)
    assert "s3cret-value" not in command.get_raw_value()
    digest, content = command.connector_arguments["_stdin"][0].split("\n", 1)
    assert digest == hashlib.sha256(b"s3cret-value\n").hexdigest()
    assert digest not in command.get_raw_value(), "a short secret could be guessed by it"
    assert base64.b64decode(content) == b"s3cret-value\n"


def test_a_plan_shows_the_difference(fake_host: Any) -> None:
    host = fake_host(files={"/etc/x": seen(sha256="0" * 64, content="old\n")})
    list(file._inner(path="/etc/x", content=TEXT))
    assert "-old\n+hello" in differences(host, "operation")[0]


def test_a_plan_does_not_show_a_secret(fake_host: Any) -> None:
    host = fake_host(files={"/etc/x": seen(sha256="0" * 64, content="old-secret\n")})
    list(file._inner(path="/etc/x", content="new-secret\n", secret=True))
    assert "secret\n" not in "".join(differences(host, "operation"))
    assert differences(host, "operation")


def run_put(target: Path, data: bytes, check: str | None = None, mode: str = "0640", lines: int | None = None) -> int:
    """`lines`: of what is sent so many come."""
    user = f"{os.getuid()}"
    script = _put(str(target), mode, user, f"{os.getgid()}", check)
    sent = "".join(_sent(data).splitlines(keepends=True)[:lines])
    return subprocess.run(["sh", "-c", script], input=sent.encode(), check=False).returncode


@pytest.mark.long
@given(
    data=st.binary(max_size=4096),
    name=st.text("ab c'\"$`\\;&|\n*?", min_size=1, max_size=12).filter(lambda n: n not in ". .."),
)
def test_any_content_arrives_under_any_name(tmp_path_factory: pytest.TempPathFactory, data: bytes, name: str) -> None:
    target = tmp_path_factory.mktemp("put") / "new" / name
    assert run_put(target, data) == 0
    assert target.read_bytes() == data
    assert target.stat().st_mode & 0o7777 == 0o640
    assert [path.name for path in target.parent.iterdir()] == [name]


def test_a_failed_check_leaves_the_old_file(tmp_path: Path) -> None:
    target = tmp_path / "daemon.json"
    target.write_text("old")
    assert run_put(target, b"new", check="grep -q impossible {}") != 0
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
    assert run_put(target, b"new", check="grep -q new {}") == 0
    assert target.read_text() == "new"


@pytest.mark.parametrize("lines", [0, 1, 9])
def test_a_connection_that_is_cut_while_the_content_comes_leaves_the_old_file(tmp_path: Path, lines: int) -> None:
    """Each line of base64 ends on a whole byte: by itself it would be a whole file, a shorter one."""
    target = tmp_path / "program.pyz"
    target.write_text("old")
    assert run_put(target, bytes(600), lines=lines) != 0
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]
    assert run_put(target, bytes(600)) == 0
    assert target.read_bytes() == bytes(600)


def test_directories_and_absence(commands: Any) -> None:
    wanted = {"mode": "0755", "owner": "root", "group": "root"}
    assert commands(directory, {"path": "/etc/d"}, directories={"/etc/d": wanted}) == []
    assert len(commands(directory, {"path": "/etc/d"}, directories={"/etc/d": {**wanted, "mode": "0777"}})) == 1
    assert commands(absent, {"path": "/etc/x"}) == []
    assert commands(absent, {"path": "/etc/x"}, files={"/etc/x": seen()}) == ["rm -f /etc/x"]


def test_an_unreadable_section_is_never_taken_for_absent(commands: Any) -> None:
    from deploy.errors import CasemateError

    with pytest.raises(CasemateError, match="files could not be read"):
        commands(absent, {"path": "/etc/x"}, files=None, errors={"files": "Permission denied"})
