"""The manifest: its id is its contents', and the host reads it the same way."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy.errors import CasemateError
from deploy.release.image import Image, image_of
from deploy.release.layer import Layer
from deploy.release.manifest import Contents, Manifest, contents, stamped
from deploy.release.model import read_model
from deploy.settings.release import ReleaseSettings
from service.release.manifest import unverified

Settings = Callable[..., ReleaseSettings]


def image(tmp_path: Path) -> Image:
    return image_of(
        *(Layer(name, f"sha256:{digit * 64}", tmp_path / name, 10) for name, digit in zip("abcd", "1234", strict=True))
    )


@pytest.fixture
def found(model: Path, settings: Settings, tmp_path: Path) -> Contents:
    configuration: dict[str, Any] = {"vision": {"image": "x", "environment": {"NAME": "Gewölbe"}}, "gate": {}}
    return contents(settings(), image(tmp_path), read_model(settings(), print), configuration)


def test_the_id_does_not_depend_on_when_it_is_signed(found: Contents) -> None:
    first, second = stamped(found, 0), stamped(found, 5_000_000_000)
    assert first.release == second.release == found.id
    assert second.sequence == 5_000_000_001


def test_other_contents_are_another_release(found: Contents) -> None:
    assert found.model_copy(update={"lock": "0" * 64}).id != found.id


def test_the_host_reads_what_is_written(found: Contents, tmp_path: Path) -> None:
    manifest = stamped(found, 0)
    (tmp_path / "manifest.json").write_bytes(manifest.document())
    host = unverified(tmp_path)
    assert (host.release, host.sequence) == (manifest.release, manifest.sequence)
    assert (host.config_digest, host.manifest_digest) == (found.image.config_digest, found.image.manifest_digest)
    assert list(host.layers) == found.image.layers
    assert host.model_files == {name: file.model_dump() for name, file in found.model.files.items()}
    assert host.configuration == found.configuration


def test_it_reads_what_it_writes(found: Contents, tmp_path: Path) -> None:
    manifest = stamped(found, 0)
    assert Manifest.read(manifest.document(), tmp_path / "manifest.json") == manifest


@pytest.mark.parametrize(
    "change", [{"release": "0" * 12}, {"lock": "0" * 64}, {"extra": 1}, {"sequence": -1}, {"image": {}}]
)
def test_a_changed_manifest_is_refused(found: Contents, tmp_path: Path, change: dict[str, Any]) -> None:
    document = json.dumps({**json.loads(stamped(found, 0).document()), **change}).encode()
    with pytest.raises(CasemateError, match=r"manifest\.json"):
        Manifest.read(document, tmp_path / "manifest.json")


@pytest.mark.parametrize("document", [b"", b"{", b"[]", b"\xff"])
def test_what_is_no_manifest_is_refused(tmp_path: Path, document: bytes) -> None:
    with pytest.raises(CasemateError, match="is not a release's manifest"):
        Manifest.read(document, tmp_path / "manifest.json")
