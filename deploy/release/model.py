"""The model's files: only what holds numbers and settings, nothing that could run."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from deploy.errors import CasemateError
from deploy.release.digests import sha256_of
from deploy.release.safetensors import BadHeader, tensors
from deploy.settings.release import ReleaseSettings

_INDEX = "model.safetensors.index.json"
_SINGLE = "model.safetensors"
_ALLOWED = (".safetensors", ".json", ".jinja", ".txt", ".md")
_BY_NAME = ("LICENSE", "NOTICE", "SHA256SUMS")
_REQUIRED = ("config.json", "tokenizer_config.json", "tokenizer.json")


@dataclass(frozen=True)
class File:
    """What a file must be: bare hex SHA-256, size in bytes."""

    sha256: str
    size: int


@dataclass(frozen=True)
class Model:
    """A model that may be served: its files by path relative to `directory`, sorted."""

    name: str
    files: dict[str, File]
    directory: Path


def read_model(settings: ReleaseSettings) -> Model:
    """The model as it lies there; raises CasemateError with every fault of the directory at once."""
    directory = settings.model
    if not directory.is_dir():
        raise CasemateError(
            f"release.model: {directory} is not a directory",
            next="put the model's safetensors there, or correct the setting",
        )
    files = {path.relative_to(directory).as_posix(): path for path in _files(directory)}
    faults = [*_strangers(files), *_incomplete(files), *_headers(files), *_runs_code(files)]
    if faults:
        raise CasemateError(
            f"release.model: {directory} cannot be served: {'; '.join(faults)}",
            next="take the files from the model's publisher again, safetensors only",
        )
    hashed = {name: File(sha256_of(path), path.stat().st_size) for name, path in files.items()}
    return Model(settings.model_name, hashed, directory)


def _files(directory: Path) -> list[Path]:
    """All files. Hidden directories are a download's notes (.cache, .git) and are not part of the model."""
    inside = (path for path in sorted(directory.rglob("*")) if not path.is_dir() or path.is_symlink())
    return [path for path in inside if not any(part.startswith(".") for part in path.relative_to(directory).parts)]


def _strangers(files: dict[str, Path]) -> Iterator[str]:
    for name, path in files.items():
        if not path.is_file():
            yield f"{name} is neither a file nor a link to one"
        elif path.suffix not in _ALLOWED and path.name not in _BY_NAME:
            yield f"{name} may hold code or pickles (allowed: {', '.join(_ALLOWED)})"


def _incomplete(files: dict[str, Path]) -> Iterator[str]:
    for name in _REQUIRED:
        if name not in files:
            yield f"{name} is missing"
    wanted = {_SINGLE}
    if _INDEX in files:
        index = _json(files[_INDEX])
        shards = index.get("weight_map") if isinstance(index, dict) else None
        if not isinstance(shards, dict):
            yield f"{_INDEX} has no weight_map"
            return
        wanted = {str(shard) for shard in shards.values()}
    present = {name for name in files if name.endswith(".safetensors")}
    yield from (f"{name} is missing" for name in sorted(wanted - present))
    yield from (f"{name} is not among the files that the model is made of" for name in sorted(present - wanted))


def _headers(files: dict[str, Path]) -> Iterator[str]:
    for name, path in files.items():
        if path.suffix == ".safetensors" and path.is_file():
            try:
                tensors(path)
            except BadHeader as error:
                yield f"{name}: {error}"


def _runs_code(files: dict[str, Path]) -> Iterator[str]:
    for name, path in files.items():
        if path.suffix == ".json" and path.is_file():
            content = _json(path)
            if content is None:
                yield f"{name} is not JSON"
            elif _mentions(content, "auto_map"):
                yield f"{name} has auto_map, which makes transformers run the model's own code"


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except (ValueError, RecursionError):
        return None


def _mentions(value: Any, key: str) -> bool:
    """Whether the key appears at any depth."""
    if isinstance(value, dict):
        return key in value or any(_mentions(inner, key) for inner in value.values())
    return isinstance(value, list) and any(_mentions(inner, key) for inner in value)
