"""A release of very small parts: its own cache and state, wheels of a few bytes, a root file system without Debian."""

import hashlib
import io
import json
import os
import shutil
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from deploy import paths
from deploy.settings.release import ReleaseSettings

Wheel = Callable[..., Path]
Settings = Callable[..., ReleaseSettings]

MMDEBSTRAP = """#!/bin/sh
echo "$SOURCE_DATE_EPOCH" > "$MMDEBSTRAP_LOG"
for argument; do echo "$argument" >> "$MMDEBSTRAP_LOG"; case $argument in */.rootfs-*) target=$argument;; esac; done
cp "$MMDEBSTRAP_TAR" "$target"
"""


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the operator's own cache, keys or pip settings is touched."""
    monkeypatch.setenv("CASEMATE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    for name in ("PIP_FIND_LINKS", "CASEMATE_TORCH"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(paths, "STATE", tmp_path / "state")


@pytest.fixture
def wheel(tmp_path: Path) -> Wheel:
    """`wheel("tiny", {"tiny/__init__.py": b"..."})` in the directory `index`; `executable` names get their bit."""

    def make(name: str, files: dict[str, bytes], version: str = "1.0", executable: tuple[str, ...] = ()) -> Path:
        path = tmp_path / "index" / f"{name}-{version}-py3-none-any.whl"
        path.parent.mkdir(exist_ok=True)
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n".encode()
        notes = {
            f"{name}-{version}.dist-info/METADATA": metadata,
            f"{name}-{version}.dist-info/WHEEL": b"Wheel-Version: 1.0\n",
        }
        with zipfile.ZipFile(path, "w") as archive:
            for place, content in {**files, **notes}.items():
                info = zipfile.ZipInfo(place, (2026, 1, 2, 3, 4, 5))
                info.external_attr = (stat.S_IFREG | (0o775 if place in executable else 0o664)) << 16
                archive.writestr(info, content)
        return path

    return make


@pytest.fixture
def lock() -> Callable[[Path, list[Path]], None]:
    """Write a lock file for these wheels."""

    def write(path: Path, wheels: list[Path]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = []
        for one in wheels:
            name, version = one.name.split("-")[:2]
            digest = hashlib.sha256(one.read_bytes()).hexdigest()
            lines.append(f"{name}=={version} \\\n    --hash=sha256:{digest}\n    # via casemate\n")
        path.write_text("# written by a test\n" + "".join(lines))

    return write


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """Release settings whose wheels, model and key lie in the test's own directory."""

    def make(**changed: Any) -> ReleaseSettings:
        mine = {"torch": str(tmp_path / "index"), "signing_key": tmp_path / "state" / "signing" / "release"}
        return ReleaseSettings(
            **{"variant": "cpu", "model": tmp_path / "model", "model_name": "tiny", **mine, **changed}
        )

    return make


@pytest.fixture
def mmdebstrap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A stand-in that copies a small tar; returns the file in which it notes SOURCE_DATE_EPOCH and its arguments."""
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "mmdebstrap").write_text(MMDEBSTRAP)
    (programs / "mmdebstrap").chmod(0o755)
    content = tmp_path / "debian.tar"
    with tarfile.open(content, "w") as tar:
        entry = tarfile.TarInfo("./etc/debian_version")
        entry.size = 5
        tar.addfile(entry, io.BytesIO(b"12.4\n"))
    log = tmp_path / "mmdebstrap.log"
    monkeypatch.setenv("PATH", f"{programs}:{os.environ['PATH']}")
    monkeypatch.setenv("MMDEBSTRAP_LOG", str(log))
    monkeypatch.setenv("MMDEBSTRAP_TAR", str(content))
    monkeypatch.setattr("deploy.release.rootfs._KEYRING", content)
    monkeypatch.setattr("deploy.release.rootfs._PASSED_ON", ("PATH", "MMDEBSTRAP_LOG", "MMDEBSTRAP_TAR"))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return log


@pytest.fixture
def checkout(tmp_path: Path, wheel: Wheel, lock: Callable[[Path, list[Path]], None]) -> Path:
    """A checkout with a line of code in each package and a lock of two wheels, which are in the cache already."""
    root = tmp_path / "checkout"
    for package in ("vision", "gate", "ledger", "micro"):
        (root / "service" / package).mkdir(parents=True)
        (root / "service" / package / "__init__.py").write_text(f'"""{package}."""\n')
    (root / "service" / "__init__.py").write_text('"""What runs."""\n')
    wheels = [wheel("torch", {"torch/__init__.py": b"big = True\n"}), wheel("tiny", {"tiny.py": b"small = True\n"})]
    lock(root / "service" / "cpu.lock", wheels)
    shutil.copytree(wheels[0].parent, tmp_path / "cache" / "release" / "wheels")
    return root


def safetensors(header: dict[str, Any], data: bytes) -> bytes:
    """The bytes of a safetensors file."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model directory that may be served."""
    folder = tmp_path / "model"
    folder.mkdir()
    tensor = {"dtype": "F32", "shape": [2, 2], "data_offsets": [0, 16]}
    (folder / "model.safetensors").write_bytes(safetensors({"weight": tensor}, bytes(16)))
    for name in ("config.json", "tokenizer_config.json", "tokenizer.json"):
        (folder / name).write_text('{"model_type": "tiny"}')
    (folder / "README.md").write_text("# A tiny model\n")
    return folder
