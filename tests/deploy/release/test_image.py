"""The image: the same inputs give the same digests, and a change is sent alone."""

import hashlib
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.errors import CasemateError
from deploy.release.image import Image, build_image
from deploy.settings.release import ReleaseSettings

Settings = Callable[..., ReleaseSettings]

pytestmark = pytest.mark.usefixtures("mmdebstrap")


def build(settings: Settings, checkout: Path) -> Image:
    return build_image(settings(), lambda line: None, checkout)


def test_two_caches_give_the_same_image(
    settings: Settings, checkout: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(settings, checkout)
    monkeypatch.setenv("CASEMATE_CACHE", str(tmp_path / "other"))
    shutil.copytree(tmp_path / "index", tmp_path / "other" / "release" / "wheels")
    second = build(settings, checkout)
    assert (first.config_digest, first.manifest_digest) == (second.config_digest, second.manifest_digest)
    assert first.layers[0].path != second.layers[0].path


def test_a_line_of_code_changes_the_last_layer_only(settings: Settings, checkout: Path) -> None:
    first = build(settings, checkout)
    (checkout / "service/vision/__init__.py").write_text("changed = True\n")
    second = build(settings, checkout)
    assert first.layers[:3] == second.layers[:3]
    assert first.layers[3].diff_id != second.layers[3].diff_id
    assert first.config_digest != second.config_digest


def test_a_full_cache_needs_neither_network_nor_tools(
    settings: Settings, checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = build(settings, checkout)
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr("sys.executable", "/nonexistent")
    assert build(settings, checkout) == first


def test_every_blob_is_what_its_digest_says(settings: Settings, checkout: Path) -> None:
    image = build(settings, checkout)
    assert {f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}" for path in image.blobs.values()} == set(
        image.blobs
    )
    manifest = json.loads(image.blobs[image.manifest_digest].read_bytes())
    config = json.loads(image.blobs[image.config_digest].read_bytes())
    assert manifest["config"]["digest"] == image.config_digest
    assert [layer["digest"] for layer in manifest["layers"]] == config["rootfs"]["diff_ids"]
    assert config["rootfs"]["diff_ids"] == [layer.diff_id for layer in image.layers]
    assert [layer["size"] for layer in manifest["layers"]] == [layer.path.stat().st_size for layer in image.layers]


def test_the_container_is_not_root_and_asks_no_hub(settings: Settings, checkout: Path) -> None:
    image = build(settings, checkout)
    config = json.loads(image.blobs[image.config_digest].read_bytes())["config"]
    assert config["User"] == "64010:64010"
    assert {"HF_HUB_OFFLINE=1", "TRANSFORMERS_OFFLINE=1", "PYTHONDONTWRITEBYTECODE=1"} <= set(config["Env"])


def test_only_what_runs_in_a_container_is_in_the_image(settings: Settings, checkout: Path) -> None:
    (checkout / "service/gate/__pycache__").mkdir()
    (checkout / "service/gate/__pycache__/x.cpython-311.pyc").write_bytes(b"")
    (checkout / "service/gate/notes.txt").write_text("not code")
    (checkout / "service/vision/page").mkdir()
    for name in ("index.html", "style.css", "page.js", "icon.svg"):
        (checkout / "service/vision/page" / name).write_text("the page")
    layers = {layer.name: layer for layer in build(settings, checkout).layers}
    with tarfile.open(layers["code"].path) as tar:
        app = {entry.name for entry in tar if entry.isfile()}
    prefix = "opt/casemate/app/service"
    page = {f"{prefix}/vision/page/{name}" for name in ("index.html", "style.css", "page.js", "icon.svg")}
    code = {f"{prefix}/__init__.py", *(f"{prefix}/{one}/__init__.py" for one in ("vision", "gate", "ledger"))}
    assert app == page | code
    with tarfile.open(layers["torch"].path) as tar:
        assert "opt/casemate/site-packages/torch/__init__.py" in tar.getnames()
    assert list(layers) == ["rootfs", "torch", "wheels", "code"]


def test_a_missing_lock_and_missing_code_are_named(settings: Settings, checkout: Path) -> None:
    (checkout / "service/gate/__init__.py").unlink()
    with pytest.raises(CasemateError, match="service/gate holds no Python file"):
        build(settings, checkout)
    (checkout / "service/cpu.lock").unlink()
    with pytest.raises(CasemateError, match=r"cpu\.lock is missing"):
        build(settings, checkout)
