"""The model directory: only numbers and settings, all of them, and no others."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from deploy.errors import CasemateError
from deploy.release.model import read_model
from deploy.settings.release import ReleaseSettings

Settings = Callable[..., ReleaseSettings]


def fault(settings: Settings) -> str:
    with pytest.raises(CasemateError, match=r"release\.model") as error:
        read_model(settings(), print)
    return error.value.message


def test_every_file_is_listed_with_its_hash(model: Path, settings: Settings) -> None:
    found = read_model(settings(), print)
    assert list(found.files) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    content = (model / "config.json").read_bytes()
    assert found.files["config.json"].sha256 == hashlib.sha256(content).hexdigest()
    assert found.files["config.json"].size == len(content)
    assert (found.name, found.directory) == ("tiny", model)


def test_a_changed_file_is_hashed_again(model: Path, settings: Settings) -> None:
    before = read_model(settings(), print).files["config.json"]
    (model / "config.json").write_text('{"model_type": "TINY"}')
    after = read_model(settings(), print).files["config.json"]
    assert before.size == after.size
    assert before.sha256 != after.sha256


@pytest.mark.parametrize(
    "name", ["modeling.py", "pytorch_model.bin", "model.pkl", "optimizer.pt", "run.sh", "lib.so", "weights"]
)
def test_what_could_run_is_refused(model: Path, settings: Settings, name: str) -> None:
    (model / name).write_bytes(b"")
    assert f"{name} may hold code or pickles" in fault(settings)


def test_a_pickle_called_safetensors_is_refused(model: Path, settings: Settings) -> None:
    (model / "model.safetensors").write_bytes(b"\x80\x04\x95" + bytes(64))
    assert "model.safetensors: got a header of" in fault(settings)


@pytest.mark.parametrize("where", ["config.json", "tokenizer_config.json", "more/processor_config.json"])
def test_auto_map_is_refused_at_any_depth(model: Path, settings: Settings, where: str) -> None:
    (model / "more").mkdir()
    (model / where).write_text(json.dumps({"inner": [{"auto_map": {"AutoModel": "modeling.Evil"}}]}))
    assert f"{where} has auto_map" in fault(settings)


def test_a_directory_must_be_complete(model: Path, settings: Settings) -> None:
    (model / "config.json").unlink()
    (model / "model.safetensors").unlink()
    message = fault(settings)
    assert "config.json is missing" in message
    assert "model.safetensors is missing" in message


def test_shards_are_exactly_those_of_the_index(model: Path, settings: Settings) -> None:
    weights = (model / "model.safetensors").read_bytes()
    (model / "model.safetensors").rename(model / "model-1.safetensors")
    index = {"weight_map": {"weight": "model-1.safetensors", "bias": "model-2.safetensors"}}
    (model / "model.safetensors.index.json").write_text(json.dumps(index))
    assert "model-2.safetensors is missing" in fault(settings)
    (model / "model-2.safetensors").write_bytes(weights)
    read_model(settings(), print)
    (model / "model-3.safetensors").write_bytes(weights)
    assert "model-3.safetensors is not among the files" in fault(settings)


def test_broken_settings_are_refused(model: Path, settings: Settings) -> None:
    (model / "config.json").write_text("{")
    assert "config.json is not JSON" in fault(settings)


def test_links_into_a_download_cache_are_followed_and_dead_ones_named(model: Path, settings: Settings) -> None:
    blob = model.with_name("blob")
    (model / "config.json").rename(blob)
    (model / "config.json").symlink_to(blob)
    assert read_model(settings(), print).files["config.json"].size == blob.stat().st_size
    blob.unlink()
    assert "config.json is neither a file nor a link to one" in fault(settings)


def test_a_downloads_own_notes_are_no_part_of_the_model(model: Path, settings: Settings) -> None:
    (model / ".cache").mkdir()
    (model / ".cache" / "x.lock").write_bytes(b"")
    assert ".cache/x.lock" not in read_model(settings(), print).files


def test_a_missing_directory_is_named(settings: Settings, tmp_path: Path) -> None:
    assert f"{tmp_path / 'model'} is not a directory" in fault(settings)
