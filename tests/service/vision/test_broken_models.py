"""Model directories that are no good: one sentence that says where and what next, at once, and the service ends."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from service.vision.engine.transformers import TransformersEngine
from tests.service.vision.conftest import choices
from tests.service.vision.running import Running

pytestmark = pytest.mark.long

Damage = Callable[[Path], object]


def without(*names: str) -> Damage:
    """All of them, when none is named."""

    def damage(path: Path) -> None:
        for name in names or [file.name for file in path.iterdir()]:
            (path / name).unlink()

    return damage


def holding(name: str, content: bytes) -> Damage:
    return lambda path: (path / name).write_bytes(content)


def changed(name: str, change: Callable[[dict[str, Any]], object]) -> Damage:
    def damage(path: Path) -> None:
        content = json.loads((path / name).read_text())
        change(content)
        (path / name).write_text(json.dumps(content))

    return damage


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (without(), "config.json cannot be read"),
        (holding("model.safetensors.index.json", b'{"weight_map": {"a": "model-2.safetensors"}}'), "is missing"),
        (holding("model.safetensors.index.json", b'{"weight_map": []}'), "weight_map is [], expected names of tensors"),
        (holding("model.safetensors.index.json", b'{"weight_map": {"a": 1}}'), "weight_map is {'a': 1}, expected"),
        (holding("model.safetensors.index.json", b'{"weight_map": 7}'), "weight_map is 7, expected"),
        (holding("model.safetensors.index.json", b"{}"), "weight_map is missing, expected"),
        (holding("model.safetensors.index.json", b'{"weight_map": {"a": "../b"}}'), "weight_map is {'a': '../b'}"),
        (lambda path: (path / "model.safetensors").open("r+b").truncate(9999), "no whole safetensors file"),
        (holding("pytorch_model.bin", b"\x80\x04."), "can hold code"),
        (changed("config.json", lambda to: to.update(architectures=["LlamaForCausalLM"])), "architecture Llama"),
        (changed("config.json", lambda to: to.update(architectures="Glm46V")), "architecture Glm46V"),
        (changed("config.json", lambda to: to.pop("vision_config")), "vision_config is missing, expected an object"),
        (changed("config.json", lambda to: to.update(text_config=[])), "text_config is [], expected an object"),
        (
            changed("config.json", lambda to: to["text_config"].update(hidden_size="x")),
            "hidden_size is 'x', expected",
        ),
        (
            changed("config.json", lambda to: to["text_config"].update(num_attention_heads=0)),
            "text_config.num_attention_heads is 0, expected a whole number from 1",
        ),
        (changed("config.json", lambda to: to["vision_config"].update(num_heads=0)), "vision_config.num_heads is 0"),
        (changed("config.json", lambda to: to["text_config"].update(num_hidden_layers=3)), "no fitting weights"),
        (changed("config.json", lambda to: to["text_config"].update(hidden_act="os.system")), "cannot be loaded"),
        (without("tokenizer.json"), "tokenizer.json cannot be read"),
        (holding("tokenizer.json", b"\xff\x00"), "tokenizer.json cannot be read"),
        (changed("tokenizer.json", lambda to: to.update(added_tokens=[])), "tokenizer.json has no added_tokens"),
        (holding("chat_template.jinja", b"{% if %}"), "chat template"),
        (holding("chat_template.jinja", b"\xff\xfe{{"), "chat_template.jinja cannot be read"),
        (without("preprocessor_config.json"), "preprocessor_config.json cannot be read"),
        (changed("preprocessor_config.json", lambda to: to.update(size={})), "size is {}, expected shortest_edge"),
        (changed("preprocessor_config.json", lambda to: to.pop("size")), "size is missing, expected shortest_edge"),
        (holding("generation_config.json", b"[]"), "generation_config.json holds no JSON object"),
        (changed("generation_config.json", lambda to: to.update(eos_token_id=["x"])), "eos_token_id is no number"),
        (changed("generation_config.json", lambda to: to.update(top_p="x")), "top_p is 'x', expected a number from 0"),
    ],
)
def test_one_sentence_and_the_end(
    checkpoint: Path, tmp_path: Path, damage: Damage, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    model = shutil.copytree(checkpoint, tmp_path / "model")
    damage(model)
    running = Running(tmp_path, TransformersEngine(choices(model)), model=model).start()
    running.thread.join(20)
    assert not running.thread.is_alive()
    failure = running.serving.failure
    assert failure
    assert told in failure
    assert str(model) in failure
    assert "\n" not in failure
    assert "next: " in failure or "no fitting weights" in failure
    said = capsys.readouterr().err
    assert said.splitlines()[-1] == failure
    assert "Traceback" not in said
