"""A host program is the same bytes wherever it is made, and runs on a bare python3."""

import subprocess
import sys
import zipfile
from pathlib import Path

import inotify_simple
import pytest

from deploy.errors import CasemateError
from deploy.operations.program import locked_wheels, zipped
from deploy.paths import ROOT
from deploy.release import wheelhouse
from deploy.release.wheels import content
from deploy.settings.release import ReleaseSettings


def test_the_same_sources_are_the_same_bytes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    first = zipped("release")
    monkeypatch.chdir(tmp_path)
    zipped.cache_clear()
    assert zipped("release") == first


@pytest.mark.parametrize("package", ["release", "ledger"])
def test_it_holds_its_own_package_and_runs_alone(package: str, tmp_path: Path) -> None:
    program = tmp_path / f"casemate-{package}"
    program.write_bytes(zipped(package))
    names = zipfile.ZipFile(program).namelist()
    assert {name for name in names if not name.startswith(f"service/{package}/")} == {
        "__main__.py",
        "service/__init__.py",
    }
    assert len(names) == len([*(ROOT / "service" / package).glob("**/*.py")]) + 2
    done = subprocess.run(
        [sys.executable, "-I", "-S", program, "--help"], cwd="/", capture_output=True, text=True, check=True
    )
    assert f"casemate-{package}" in done.stdout


def test_a_wrong_call_exits_with_2(tmp_path: Path) -> None:
    program = tmp_path / "casemate-release"
    program.write_bytes(zipped("release"))
    assert subprocess.run([sys.executable, program, "start", "nginx"], capture_output=True, check=False).returncode == 2


def test_a_program_of_several_packages_carries_locked_wheels(tmp_path: Path) -> None:
    """The sentinel: with the ledger, and with a module that the lock names, its licence beside it."""
    wheel = tmp_path / "inotify_simple-2.0.1-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        module = Path(inotify_simple.__file__).read_text()
        archive.writestr("inotify_simple.py", f"{module}\nVERSION = 'of the wheel'\n")
        archive.writestr("inotify_simple-2.0.1.dist-info/licenses/LICENSE", "BSD\n")
        archive.writestr("inotify_simple.pyc", "byte code that nobody read")
    program = tmp_path / "casemate-sentinel"
    program.write_bytes(zipped("sentinel", ("ledger",), tuple(content(wheel).items())))
    names = set(zipfile.ZipFile(program).namelist())
    assert {"service/sentinel/__main__.py", "service/ledger/chain.py", "inotify_simple.py"} <= names
    assert {name for name in names if name.endswith(".pyc")} == set()
    assert any(name.endswith("LICENSE") for name in names)
    ask = f"import sys; sys.path.insert(0, {str(program)!r}); import inotify_simple; print(inotify_simple.VERSION)"
    done = subprocess.run([sys.executable, "-I", "-S", "-c", ask], capture_output=True, text=True, check=True)
    assert done.stdout == "of the wheel\n"
    said = subprocess.run([sys.executable, "-I", "-S", program, "--help"], capture_output=True, text=True, check=True)
    assert "casemate-sentinel" in said.stdout


def test_wheels_come_by_the_lock_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel of the right name and another content is not taken out of the cache."""
    monkeypatch.setenv("CASEMATE_CACHE", str(tmp_path))
    pool = tmp_path / "release" / "wheels"
    pool.mkdir(parents=True)
    (pool / "inotify_simple-2.0.1-py3-none-any.whl").write_bytes(b"another's")
    monkeypatch.setattr(wheelhouse, "_download", lambda *_: None)
    with pytest.raises(CasemateError, match="no wheel of it has a hash of the lock"):
        locked_wheels("sentinel", ReleaseSettings(model=tmp_path, model_name="micro"))
