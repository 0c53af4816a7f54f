"""Looking at a model's directory before anything in it is trusted or loaded."""

from __future__ import annotations

import json
import math
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.vision.engine.protocol import EngineUnusable

ARCHITECTURES = ("Glm46VForConditionalGeneration", "Glm4vForConditionalGeneration")
_CODE = frozenset({".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".py", ".so", ".h5", ".msgpack"})
_SIZES = {
    "text_config": (
        *("hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads"),
        *("vocab_size", "max_position_embeddings"),
    ),
    "vision_config": (
        *("hidden_size", "intermediate_size", "depth", "num_heads", "out_hidden_size", "in_channels"),
        *("image_size", "patch_size", "spatial_merge_size", "temporal_patch_size"),
    ),
}
_LONGEST_HEADER = 100_000_000


@dataclass(frozen=True)
class Checkpoint:
    """A directory of safetensors: its config.json, its shards, how many numbers they hold."""

    path: Path
    architecture: str
    config: dict[str, Any]
    parameters: int


def inspect(path: Path) -> Checkpoint:
    """Read what loading would need, and nothing that could run. Raises EngineUnusable."""
    if not path.is_dir():
        raise EngineUnusable(f"{path} is no directory; next: mount the model there, or correct CASEMATE_VISION_MODEL")
    for file in sorted(path.rglob("*")):
        if file.suffix.lower() in _CODE:
            raise EngineUnusable(
                f"{file.name} in {path} can hold code; next: keep only safetensors, JSON and text there"
            )
    config = read_json(path / "config.json")
    for name in ("config.json", "tokenizer_config.json", "preprocessor_config.json", "processor_config.json"):
        if (path / name).exists() and "auto_map" in read_json(path / name):
            raise EngineUnusable(
                f"{path / name} asks for remote code (auto_map); next: take a checkpoint that needs none"
            )
    named = config.get("architectures") or ["none"]
    if not isinstance(named, list) or named[0] not in ARCHITECTURES:
        name = named[0] if isinstance(named, list) else named
        expected = f"expected one of {', '.join(ARCHITECTURES)}"
        raise EngineUnusable(f"{path}: architecture {name}, {expected}; next: take a checkpoint of one of these")
    _sizes(path / "config.json", config)
    _pictures(path)
    return Checkpoint(path, named[0], config, sum(_parameters(shard) for shard in _shards(path)))


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file. Raises EngineUnusable."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise EngineUnusable(f"{path} cannot be read: {error}; next: casemate release verify") from error
    if not isinstance(content, dict):
        raise EngineUnusable(f"{path} holds no JSON object; next: casemate release verify")
    return content


def _sizes(file: Path, config: dict[str, Any]) -> None:
    """Sizes that are written down must be some; where one is not, the library knows the architecture's own."""
    for part, names in _SIZES.items():
        sizes = config.get(part)
        if not isinstance(sizes, dict):
            raise EngineUnusable(
                f"{file}: {part} is {_shown(sizes)}, expected an object; next: casemate release verify"
            )
        for name in names:
            if name in sizes and (type(sizes[name]) is not int or sizes[name] < 1):
                got = f"{part}.{name} is {_shown(sizes[name])}"
                raise EngineUnusable(f"{file}: {got}, expected a whole number from 1; next: casemate release verify")


def _pictures(path: Path) -> None:
    """Within which sizes pictures are scaled: without that, one could ask for any amount of memory."""
    file, whole = path / "preprocessor_config.json", path / "processor_config.json"
    given = read_json(file) if file.exists() or not whole.exists() else read_json(whole).get("image_processor")
    size = given.get("size") if isinstance(given, dict) else None
    edges = [size.get(name) for name in ("shortest_edge", "longest_edge")] if isinstance(size, dict) else [None]
    if not all(type(edge) is int and edge > 0 for edge in edges):
        expected = "expected shortest_edge and longest_edge, whole numbers from 1"
        raise EngineUnusable(f"{file}: size is {_shown(size)}, {expected}; next: casemate release verify")


def _shown(value: Any) -> str:
    return "missing" if value is None else ascii(value)[:80]


def _shards(path: Path) -> list[Path]:
    index = path / "model.safetensors.index.json"
    names = _named(index) if index.exists() else ["model.safetensors"]
    missing = [name for name in names if not (path / name).is_file()]
    if missing or not names:
        found = ", ".join(missing) or "every shard"
        raise EngineUnusable(f"{path}: {found} is missing; next: casemate release verify")
    return [path / name for name in names]


def _named(index: Path) -> list[str]:
    shards = read_json(index).get("weight_map")
    if not isinstance(shards, dict) or not all(map(_is_name, shards.values())):
        expected = "expected names of tensors with names of files"
        raise EngineUnusable(f"{index}: weight_map is {_shown(shards)}, {expected}; next: casemate release verify")
    return sorted(set(shards.values()))


def _is_name(name: Any) -> bool:
    """A name with a place in it would lead out of the directory that was signed."""
    return isinstance(name, str) and name not in ("", "..") and name == Path(name).name


def _parameters(shard: Path) -> int:
    """How many numbers a shard holds; also finds one that was cut."""
    try:
        with shard.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _LONGEST_HEADER:
                raise ValueError("its header is too long")
            tensors = json.loads(file.read(length))
        tensors.pop("__metadata__", None)
        end = 8 + length + max((tensor["data_offsets"][1] for tensor in tensors.values()), default=0)
        if shard.stat().st_size != end:
            raise ValueError(f"it has {shard.stat().st_size} bytes, expected {end}")
        return sum(math.prod(tensor["shape"]) for tensor in tensors.values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise EngineUnusable(f"{shard} is no whole safetensors file: {error}; next: casemate release verify") from error
