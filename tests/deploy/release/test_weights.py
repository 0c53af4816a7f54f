"""The operator's signature of the weights: by a key of its own, which only its owner may read."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.errors import CasemateError
from deploy.release.bundle import read_public_key
from deploy.release.weights import public_key, sign_weights, verify_weights
from deploy.settings.release import ReleaseSettings

Settings = Callable[..., ReleaseSettings]
FILES = {"config.json": "1" * 64}


@pytest.fixture
def signature(tmp_path: Path, settings: Settings) -> Path:
    path = tmp_path / "state" / "releases" / "x" / "model.sig"
    sign_weights(path, "tiny", FILES, settings())
    return path


def private_key(settings: Settings) -> Path:
    return settings().signing_key.with_name("release-weights.pem")


def test_a_key_is_made_for_its_owner_only(signature: Path, settings: Settings) -> None:
    verify_weights(signature, FILES, settings())
    modes = [stat.S_IMODE(path.stat().st_mode) for path in (private_key(settings), private_key(settings).parent)]
    assert modes == [0o600, 0o700]
    assert [path.name for path in private_key(settings).parent.iterdir() if path.name.startswith(".")] == []


def test_the_public_half_is_a_key_of_the_standard(signature: Path, settings: Settings) -> None:
    assert read_public_key(public_key(settings()).read_bytes()).curve.name == "secp256r1"


def test_one_that_holds_is_kept(signature: Path, settings: Settings) -> None:
    before = signature.read_bytes()
    sign_weights(signature, "tiny", FILES, settings())
    assert signature.read_bytes() == before


@pytest.mark.parametrize("other", [{}, {"config.json": "2" * 64}, {**FILES, "more.json": "1" * 64}])
def test_other_files_are_refused_and_signed_anew(signature: Path, settings: Settings, other: dict[str, str]) -> None:
    with pytest.raises(CasemateError, match="over other files than the release"):
        verify_weights(signature, other, settings())
    sign_weights(signature, "tiny", other, settings())
    verify_weights(signature, other, settings())


def test_another_key_signs_anew(signature: Path, settings: Settings, tmp_path: Path) -> None:
    other = settings(signing_key=tmp_path / "state" / "signing" / "other")
    sign_weights(signature, "tiny", FILES, other)
    verify_weights(signature, FILES, other)
    with pytest.raises(CasemateError, match="by another key"):
        verify_weights(signature, FILES, settings())


def test_a_lost_public_half_is_made_again(signature: Path, settings: Settings) -> None:
    before = public_key(settings()).read_bytes()
    public_key(settings()).unlink()
    with pytest.raises(CasemateError, match=r"release-weights\.pub\.pem is missing"):
        verify_weights(signature, FILES, settings())
    sign_weights(signature, "tiny", FILES, settings())
    assert public_key(settings()).read_bytes() == before


def test_halves_that_do_not_belong_together_sign_nothing(signature: Path, settings: Settings, tmp_path: Path) -> None:
    other = settings(signing_key=tmp_path / "state" / "signing" / "other")
    sign_weights(tmp_path / "model.sig", "tiny", FILES, other)
    public_key(settings()).write_bytes(public_key(other).read_bytes())
    with pytest.raises(CasemateError, match="by another key") as error:
        sign_weights(signature, "tiny", FILES, settings())
    assert "restore both keys" in error.value.next


def test_a_key_that_others_may_read_does_not_sign(signature: Path, settings: Settings) -> None:
    private_key(settings).chmod(0o640)
    signature.unlink()
    with pytest.raises(CasemateError, match="has mode 0640, expected 0600"):
        sign_weights(signature, "tiny", FILES, settings())
    assert not signature.exists()


@pytest.mark.parametrize("content", [b"", b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_a_damaged_key_is_named_and_kept(signature: Path, settings: Settings, content: bytes) -> None:
    private_key(settings).write_bytes(content)
    signature.unlink()
    with pytest.raises(CasemateError, match=r"release-weights\.pem is no elliptic-curve key"):
        sign_weights(signature, "tiny", FILES, settings())
    assert private_key(settings).read_bytes() == content
