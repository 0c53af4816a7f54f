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
    if named[0] not in ARCHITECTURES:
        raise EngineUnusable(f"{path}: architecture {named[0]}, expected one of {', '.join(ARCHITECTURES)}")
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


def _shards(path: Path) -> list[Path]:
    index = path / "model.safetensors.index.json"
    names = sorted(set(read_json(index).get("weight_map", {}).values())) if index.exists() else ["model.safetensors"]
    missing = [name for name in names if not (path / name).is_file()]
    if missing or not names:
        found = ", ".join(missing) or "every shard"
        raise EngineUnusable(f"{path}: {found} is missing; next: casemate release verify")
    return [path / name for name in names]


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
