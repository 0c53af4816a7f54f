"""Kept releases: signed once, and again only for a reason."""

from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.errors import SettingsError
from deploy.release import digests
from deploy.release.image import Image, build_image
from deploy.release.model import read_model
from deploy.release.signed import Signed, kept_releases, read_signed, signed_release
from deploy.release.verification import verify_release
from deploy.settings.release import ReleaseSettings

pytestmark = pytest.mark.long

Settings = Callable[..., ReleaseSettings]


@pytest.fixture
def image(mmdebstrap: Path, checkout: Path, settings: Settings) -> Image:
    return build_image(settings(), lambda line: None, checkout)


@pytest.fixture
def release(image: Image, model: Path, settings: Settings) -> Callable[..., Signed]:
    def make(newer_than: int = 0, limit: str = "1g", **changed: object) -> Signed:
        mine = settings(**changed)
        configuration = {"vision": {"memory": limit}, "gate": {}}
        return signed_release(mine, image, read_model(mine, print), configuration, newer_than)

    return make


def test_equal_contents_are_signed_once(release: Callable[..., Signed]) -> None:
    first, second = release(), release()
    assert (first.document, first.signature) == (second.document, second.signature)


def test_only_the_owner_may_enter(release: Callable[..., Signed]) -> None:
    directory = release().directory
    assert [path.stat().st_mode & 0o777 for path in (directory, *directory.parents[:2])] == [0o700] * 3


def test_going_back_to_earlier_contents_is_signed_anew(release: Callable[..., Signed]) -> None:
    first = release()
    other = release(limit="2g", newer_than=first.manifest.sequence)
    again = release(newer_than=other.manifest.sequence)
    assert other.manifest.release != first.manifest.release
    assert again.manifest.release == first.manifest.release
    assert again.manifest.sequence > other.manifest.sequence > first.manifest.sequence


@pytest.mark.parametrize("name", ["manifest.json", "manifest.json.sig", "model.sig", "settings.json"])
def test_a_damaged_release_is_signed_anew(release: Callable[..., Signed], name: str) -> None:
    first = release()
    (first.directory / name).write_bytes(b"{")
    again = release()
    assert again.manifest.release == first.manifest.release
    assert all(check.fault is None for check in verify_release(again))


def test_another_key_signs_anew(release: Callable[..., Signed], tmp_path: Path) -> None:
    first = release()
    second = release(signing_key=tmp_path / "state" / "signing" / "other")
    assert first.manifest.release == second.manifest.release
    assert first.signature != second.signature


def test_a_release_without_a_signature_of_its_weights_gets_one_and_keeps_its_own(
    release: Callable[..., Signed],
) -> None:
    first = release()
    (first.directory / "model.sig").unlink()
    again = release()
    assert (first.document, first.signature) == (again.document, again.signature)
    assert (first.directory / "model.sig").is_file()


def test_nothing_is_hashed_for_signing(release: Callable[..., Signed], monkeypatch: pytest.MonkeyPatch) -> None:
    hashed, read = [], digests.read_sha256

    def counted(path: Path) -> str:
        hashed.append(path.name)
        return read(path)

    monkeypatch.setattr(digests, "read_sha256", counted)
    release()
    assert hashed.count("model.safetensors") == 1


def test_the_newest_is_shown_first(release: Callable[..., Signed]) -> None:
    first = release()
    second = release(limit="2g", newer_than=first.manifest.sequence)
    assert [one.manifest.release for one in kept_releases()] == [second.manifest.release, first.manifest.release]


def test_an_unknown_release_is_named() -> None:
    with pytest.raises(SettingsError, match="no signed release '0123456789ab'"):
        read_signed("0123456789ab")


def test_a_whole_release_verifies(release: Callable[..., Signed]) -> None:
    checks = list(verify_release(release()))
    assert len(checks) == 2 + 4 + 5
    assert {check.fault for check in checks} == {None}


@pytest.mark.parametrize(
    "part", ["signature", "model.sig", "absent model.sig", "layer", "absent layer", "model", "absent model"]
)
def test_each_change_is_found(release: Callable[..., Signed], image: Image, model: Path, part: str) -> None:
    signed = release()
    match part:
        case "signature":
            (signed.directory / "manifest.json.sig").write_bytes(b"none")
        case "model.sig":
            (signed.directory / "model.sig").write_bytes(b"none")
        case "absent model.sig":
            (signed.directory / "model.sig").unlink()
        case "layer":
            image.layers[1].path.write_bytes(b"other")
        case "absent layer":
            image.layers[1].path.unlink()
        case "model":
            (model / "model.safetensors").write_bytes(b"other")
        case "absent model":
            (model / "model.safetensors").unlink()
    faults = [check for check in verify_release(read_signed(signed.manifest.release)) if check.fault]
    assert [check.part.split()[0] for check in faults] == [part.split()[-1]]
