"""The model's files: only what holds numbers and settings, nothing that could run."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath, PurePosixPath
from typing import Any

from deploy.errors import CasemateError, SettingsError
from deploy.release.digests import sha256_of
from deploy.release.publisher import check_published, published_digests
from deploy.release.safetensors import BadHeader, tensors
from deploy.release.statement import SIGNATURE
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


def read_model(settings: ReleaseSettings, tell: Callable[[str], None]) -> Model:
    """The model as it lies there; raises CasemateError with every fault of the directory at once.

    Where `publisher_key` is set, it is exactly what the publisher signed.
    """
    directory = settings.model
    if not directory.is_dir():
        raise SettingsError(
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
    published = published_digests(settings, tell)
    hashed = {name: File(sha256_of(path), path.stat().st_size) for name, path in files.items()}
    if published is not None:
        # Without what a publisher signs and nobody here ships: hidden files, code, pictures.
        signed = {name: digest for name, digest in published.items() if _served(PurePosixPath(name))}
        check_published(settings, signed, {name: file.sha256 for name, file in hashed.items()})
    return Model(settings.model_name, hashed, directory)


def _files(directory: Path) -> list[Path]:
    """All files but the signature. What is hidden (.cache, .git) are a download's notes and no part of the model."""
    signature = directory / SIGNATURE
    inside = (path for path in sorted(directory.rglob("*")) if not path.is_dir() or path.is_symlink())
    inside = (path for path in inside if path != signature or not path.is_file())
    return [path for path in inside if not _hidden(path.relative_to(directory))]


def _hidden(name: PurePath) -> bool:
    return any(part.startswith(".") for part in name.parts)


def _served(name: PurePath) -> bool:
    return not _hidden(name) and _holds_no_code(name)


def _holds_no_code(name: PurePath) -> bool:
    return name.suffix in _ALLOWED or name.name in _BY_NAME


def _strangers(files: dict[str, Path]) -> Iterator[str]:
    for name, path in files.items():
        if not path.is_file():
            yield f"{name} is neither a file nor a link to one"
        elif PurePosixPath(name).parts[0] == SIGNATURE:
            yield f"{name} lies where a signature is expected, and signatures do not cover what is there"
        elif not _holds_no_code(path):
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
