"""What is refused before anything of it is loaded."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.vision.engine.checkpoint import inspect
from service.vision.engine.protocol import EngineUnusable


@pytest.fixture
def copied(checkpoint: Path, tmp_path: Path) -> Path:
    return shutil.copytree(checkpoint, tmp_path / "model")


def edited(name: str, **changes: Any) -> Callable[[Path], object]:
    def edit(path: Path) -> None:
        file = path / name
        file.write_text(json.dumps({**(json.loads(file.read_text()) if file.exists() else {}), **changes}))

    return edit


def shard(content: Callable[[bytes], bytes]) -> Callable[[Path], object]:
    return lambda path: (path / "model.safetensors").write_bytes(content((path / "model.safetensors").read_bytes()))


def test_a_good_one(checkpoint: Path) -> None:
    found = inspect(checkpoint)
    assert found.architecture == "Glm46VForConditionalGeneration"
    size = (checkpoint / "model.safetensors").stat().st_size
    assert 0.9 * size < 4 * found.parameters < size


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda path: (path / "pytorch_model.bin").write_bytes(b""), "pytorch_model.bin in .* can hold code"),
        (lambda path: (path / "modeling_glm.py").write_bytes(b""), "can hold code"),
        (lambda path: ((path / "sub").mkdir(), (path / "sub" / "x.PKL").write_bytes(b"")), "can hold code"),
        (edited("config.json", auto_map={"AutoModel": "m.M"}), "remote code"),
        (edited("tokenizer_config.json", auto_map={"AutoTokenizer": "t.T"}), "remote code"),
        (
            edited("config.json", architectures=["LlamaForCausalLM"]),
            "architecture LlamaForCausalLM, expected one of Glm46V",
        ),
        (edited("config.json", architectures=None), "architecture none"),
        (lambda path: (path / "config.json").write_text("{"), "config.json cannot be read"),
        (lambda path: (path / "config.json").write_text("[]"), "holds no JSON object"),
        (lambda path: (path / "config.json").unlink(), "config.json cannot be read"),
        (lambda path: (path / "model.safetensors").unlink(), "model.safetensors is missing"),
        (
            edited("model.safetensors.index.json", weight_map={"a": "model-2.safetensors"}),
            "model-2.safetensors is missing",
        ),
        (edited("model.safetensors.index.json", weight_map={}), "every shard is missing"),
        (shard(lambda content: content[:-1]), "no whole safetensors file"),
        (shard(lambda content: content + b"x"), "no whole safetensors file"),
        (shard(lambda content: b"\xff" * 8 + content[8:]), "its header is too long"),
        (shard(lambda content: content[:100]), "no whole safetensors file"),
        (shard(lambda content: b"PK\x03\x04" + content), "no whole safetensors file"),
    ],
)
def test_refused(copied: Path, damage: Callable[[Path], object], told: str) -> None:
    damage(copied)
    with pytest.raises(EngineUnusable, match=told) as refused:
        inspect(copied)
    assert "; next: " in str(refused.value) or "expected one of" in str(refused.value)


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EngineUnusable, match="is no directory; next: mount the model"):
        inspect(tmp_path / "nothing")
