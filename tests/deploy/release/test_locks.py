"""`make locks`: what uv is asked."""

from pathlib import Path

import pytest

from deploy.errors import CasemateError
from deploy.release import locks

UV = """#!/bin/sh
cat > "$UV_LOG.stdin"
printf '%s\\n' "$@" > "$UV_LOG"
[ -z "$UV_FAILS" ] || { echo "no version of torch" >&2; exit 1; }
"""


@pytest.fixture
def uv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in that notes its arguments, one a line, and its standard input."""
    (tmp_path / "uv").write_text(UV)
    (tmp_path / "uv").chmod(0o755)
    monkeypatch.setattr("sys.executable", str(tmp_path / "python"))
    monkeypatch.setenv("UV_LOG", str(tmp_path / "uv.log"))
    monkeypatch.setenv("CASEMATE_TORCH", "/srv/torch")
    return tmp_path / "uv.log"


def arguments(log: Path) -> str:
    return " ".join(log.read_text().splitlines())


def test_the_cpu_lock_takes_torch_from_its_own_place(uv: Path) -> None:
    locks.write(locks.Lock("service/cpu.lock", ("service",), cpu=True))
    assert "--find-links /srv/torch --constraint -" in arguments(uv)
    assert uv.with_name("uv.log.stdin").read_text().startswith("torch==")
    assert uv.with_name("uv.log.stdin").read_text().endswith("+cpu\n")


def test_an_index_is_searched_beside_pypi(uv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CASEMATE_TORCH", "https://torch.invalid/cpu")
    locks.write(locks.Lock("service/cpu.lock", ("service",), cpu=True))
    assert "--extra-index-url https://torch.invalid/cpu --index-strategy unsafe-best-match" in arguments(uv)


@pytest.mark.parametrize("lock", locks.LOCKS, ids=lambda lock: lock.path)
def test_every_lock_is_hashed_and_keeps_its_origin_to_itself(uv: Path, lock: locks.Lock) -> None:
    locks.write(lock)
    asked = arguments(uv)
    assert "--generate-hashes --only-binary :all:" in asked
    assert "--no-emit-index-url --no-emit-find-links" in asked
    assert f"--output-file {lock.path}" in asked
    assert ("--constraint" in asked) is lock.cpu


def test_uvs_reason_is_passed_on(uv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV_FAILS", "1")
    with pytest.raises(CasemateError, match=r"service/cpu\.lock: no version of torch") as error:
        locks.write(locks.Lock("service/cpu.lock", ("service",), cpu=True))
    assert "CASEMATE_TORCH" in error.value.next


def test_without_uv_it_says_what_to_install(uv: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv.with_name("uv").unlink()
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(CasemateError, match="uv is missing"):
        locks.write(locks.LOCKS[0])


def test_pips_own_directories_serve_where_nothing_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", "/srv/one /srv/two")
    assert locks._torch_source() == ["--find-links", "/srv/one", "--find-links", "/srv/two"]
