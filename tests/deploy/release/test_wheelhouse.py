"""Fetching wheels: pip itself, against a directory instead of an index."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.errors import CasemateError
from deploy.release import wheelhouse
from deploy.release.lockfile import Requirement
from deploy.settings.release import ReleaseSettings

pytestmark = pytest.mark.long

Wheel = Callable[..., Path]
Settings = Callable[..., ReleaseSettings]


def requirement(path: Path) -> Requirement:
    name, version = path.name.split("-")[:2]
    return Requirement(name, version, frozenset({hashlib.sha256(path.read_bytes()).hexdigest()}))


def fetch(wanted: list[Requirement], settings: ReleaseSettings) -> tuple[dict[Requirement, Path], list[str]]:
    said: list[str] = []
    return wheelhouse.fetch_wheels(wanted, settings, said.append), said


def test_only_what_the_cache_lacks_is_fetched(wheel: Wheel, settings: Settings) -> None:
    first, second = requirement(wheel("first", {"f.py": b""})), requirement(wheel("second", {"s.py": b""}))
    assert fetch([first], settings())[1] == ["fetching first==1.0"]
    found, said = fetch([first, second], settings())
    assert said == ["fetching second==1.0"]
    assert {one: path.name for one, path in found.items()} == {
        first: "first-1.0-py3-none-any.whl",
        second: "second-1.0-py3-none-any.whl",
    }


def test_a_full_cache_needs_no_index_and_no_pip(
    wheel: Wheel, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = [requirement(wheel("tiny", {"t.py": b""}))]
    first = fetch(wanted, settings())[0]
    monkeypatch.setattr("sys.executable", "/nonexistent")
    assert fetch(wanted, settings(torch=None)) == (first, [])


def test_a_wheel_with_another_hash_is_refused(wheel: Wheel, settings: Settings) -> None:
    wanted = requirement(wheel("tiny", {"t.py": b"good"}))
    wheel("tiny", {"t.py": b"evil"})
    with pytest.raises(CasemateError, match=r"tiny.* another SHA-256 than the lock says"):
        fetch([wanted], settings())


def test_a_damaged_wheel_in_the_cache_is_fetched_again(wheel: Wheel, settings: Settings) -> None:
    wanted = requirement(wheel("tiny", {"t.py": b""}))
    path = fetch([wanted], settings())[0][wanted]
    path.write_bytes(path.read_bytes()[:-9])
    found, said = fetch([wanted], settings())
    assert said == ["fetching tiny==1.0"]
    assert hashlib.sha256(found[wanted].read_bytes()).hexdigest() in wanted.hashes


def test_a_missing_wheel_is_named(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    with pytest.raises(CasemateError, match=r"could not fetch absent==1\.0: .*absent==1\.0"):
        fetch([Requirement("absent", "1.0", frozenset({"0" * 64}))], settings())


def test_a_missing_cpu_build_of_torch_says_which_setting(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    with pytest.raises(CasemateError) as error:
        fetch([Requirement("torch", "2.0+cpu", frozenset({"0" * 64}))], settings())
    assert "CASEMATE_TORCH" in error.value.next


@pytest.mark.parametrize(
    ("setting", "environment", "options"),
    [
        ("/srv/wheels", None, ["--find-links", "/srv/wheels"]),
        (None, "https://torch.invalid/cpu", ["--extra-index-url", "https://torch.invalid/cpu"]),
        ("/srv/wheels", "https://torch.invalid/cpu", ["--find-links", "/srv/wheels"]),
        (None, None, []),
    ],
)
def test_torch_comes_from_the_setting_or_the_environment(
    settings: Settings,
    monkeypatch: pytest.MonkeyPatch,
    setting: str | None,
    environment: str | None,
    options: list[str],
) -> None:
    if environment:
        monkeypatch.setenv("CASEMATE_TORCH", environment)
    assert wheelhouse.torch_source(settings(torch=setting)) == options
