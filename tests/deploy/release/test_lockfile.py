"""Locks: what is read, what is refused, and what the real ones may not tell."""

import re
from pathlib import Path

import pytest
import tomllib

from deploy.errors import CasemateError
from deploy.paths import ROOT
from deploy.release.lockfile import Requirement, normalised, read_lock
from deploy.release.locks import LOCKS, Lock


def test_reads_names_versions_and_hashes(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text(
        f"# note\nB_b==1.0+cpu \\\n    --hash=sha256:{'a' * 64} \\\n    --hash=sha256:{'b' * 64}\n    # via x\n"
    )
    assert read_lock(tmp_path / "lock") == [Requirement("b-b", "1.0+cpu", frozenset({"a" * 64, "b" * 64}))]


def test_a_requirement_is_written_as_pip_reads_it() -> None:
    assert Requirement("tiny", "1.0", frozenset({"b" * 64, "a" * 64})).line() == (
        f"tiny==1.0 --hash=sha256:{'a' * 64} --hash=sha256:{'b' * 64}"
    )


def test_a_missing_lock_says_how_to_make_it(tmp_path: Path) -> None:
    with pytest.raises(CasemateError, match="is missing") as error:
        read_lock(tmp_path / "cpu.lock")
    assert error.value.next == "make locks"


@pytest.mark.parametrize(
    "line", ["tiny==1.0", "tiny>=1.0 --hash=sha256:" + "a" * 64, "-e .", "tiny==1.0 --hash=md5:aa"]
)
def test_an_unhashed_line_is_refused(tmp_path: Path, line: str) -> None:
    (tmp_path / "lock").write_text(line + "\n")
    with pytest.raises(CasemateError, match="expected NAME==VERSION"):
        read_lock(tmp_path / "lock")


def test_an_empty_lock_is_refused(tmp_path: Path) -> None:
    (tmp_path / "lock").write_text("# nothing\n")
    with pytest.raises(CasemateError, match="names no package"):
        read_lock(tmp_path / "lock")


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.path)
def test_the_real_locks_are_hashed_and_tell_nothing_of_the_machine(lock: Lock) -> None:
    requirements = read_lock(ROOT / lock.path)
    assert len({one.name for one in requirements}) == len(requirements)
    text = (ROOT / lock.path).read_text()
    assert not re.search(r"https?:|file:|^--|^\s*#.*(?:-c |-r |/(?!\w+\.toml))", text, re.MULTILINE)


def test_the_locks_agree_about_what_they_share() -> None:
    dev = {one.name: one for one in read_lock(ROOT / "tests/dev.lock")}
    for path in ("deploy/deploy.lock", "service/cpu.lock"):
        assert all(dev[one.name] == one for one in read_lock(ROOT / path))


def test_each_variant_has_its_own_build_of_torch() -> None:
    def heavy(path: str) -> dict[str, str]:
        return {one.name: one.version for one in read_lock(ROOT / path) if one.heavy}

    assert list(heavy("service/cpu.lock")) == ["torch"]
    assert heavy("service/cpu.lock")["torch"] == heavy("service/cuda.lock")["torch"] + "+cpu"
    assert {"nvidia-cublas", "triton", "cuda-bindings"} <= set(heavy("service/cuda.lock"))


def test_names_compare_as_pypi_compares_them() -> None:
    assert normalised("Zope.Interface") == normalised("zope_interface") == "zope-interface"


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.path)
def test_every_package_that_a_group_names_is_locked(lock: Lock) -> None:
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    wanted = {normalised(re.split(r"[^A-Za-z0-9._-]", line)[0]) for group in lock.groups for line in groups[group]}
    assert wanted <= {one.name for one in read_lock(ROOT / lock.path)}
