"""The real image in a real engine: it loads, partially too, imports what it must, and the Dockerfile says the same."""

import hashlib
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import docker
import pytest

from deploy.paths import ROOT
from deploy.release.code import PACKAGES, code_layer
from deploy.release.image import ENVIRONMENT, Image, build_image
from deploy.release.lockfile import read_lock
from deploy.release.packing import pack
from deploy.release.wheelhouse import fetch_wheels
from deploy.release.wheels import unpacked
from deploy.settings.release import ReleaseSettings
from service.release.archive import archive
from service.release.manifest import Manifest

pytestmark = pytest.mark.lab

NAME = "casemate-build-test"
SETTINGS = ReleaseSettings(variant="cpu", model=ROOT / "service/micro/weights", model_name="micro")
IMPORTS = "import torch, transformers, fastapi, uvicorn, PIL, service.vision, service.gate, getpass; getpass.getuser()"
WALLS = {"user": "64010:64010", "read_only": True, "network_mode": "none", "cap_drop": ["ALL"], "remove": True}
DOCKERS_OWN = (".dockerenv", "dev/", "etc/hosts", "etc/hostname", "etc/resolv.conf", "etc/mtab")


@pytest.fixture
def engine() -> Iterator[Any]:
    client: Any = docker.from_env(timeout=600)
    before = {image.id for image in client.images.list()}
    yield client
    for image in client.images.list():
        if image.id not in before and any(tag.startswith(("casemate:", NAME)) for tag in image.tags):
            client.images.remove(image.id, force=True)


@pytest.fixture
def image() -> Image:
    return build_image(SETTINGS, print)


@pytest.fixture
def changed(image: Image, tmp_path: Path) -> Image:
    """The same but for one line of our code."""
    root = tmp_path / "checkout"
    for package in PACKAGES:
        shutil.copytree(ROOT / package, root / package)
    for name in ("__init__.py", "cpu.lock"):
        shutil.copy(ROOT / "service" / name, root / "service" / name)
    with (root / "service/vision/__init__.py").open("a") as file:
        file.write("CHANGED = True\n")
    return build_image(SETTINGS, print, root)


def load(engine: Any, image: Image, folder: Path, skip: int) -> int:
    """As the host does it, without the first `skip` layers; returns the bytes that the engine was sent."""
    folder.mkdir(exist_ok=True)
    for digest, path in image.blobs.items():
        (folder / digest[7:]).unlink(missing_ok=True)
        (folder / digest[7:]).symlink_to(path)
    layers = tuple(layer.diff_id for layer in image.layers)
    manifest = Manifest("0" * 12, 1, image.config_digest, image.manifest_digest, layers, "micro", {}, {})
    sent = 0

    def counted() -> Iterator[bytes]:
        nonlocal sent
        for piece in archive(manifest, folder, layers[skip:]):
            sent += len(piece)
            yield piece

    engine.api.load_image(counted())
    return sent


def python(engine: Any, image: Image, program: str) -> str:
    """What a program prints in a container with a host's walls."""
    found = engine.images.get(f"casemate:{image.config_digest[7:19]}")
    assert found.id in (image.config_digest, image.manifest_digest)
    output = engine.containers.run(found.id, ["python3", "-c", program], name=NAME, tmpfs={"/tmp": "size=64m"}, **WALLS)
    return str(output.decode())


def test_it_loads_and_then_only_what_changed(engine: Any, image: Image, changed: Image, tmp_path: Path) -> None:
    load(engine, image, tmp_path / "blobs", skip=0)
    assert python(engine, image, f"{IMPORTS}; print(torch.ones(3) @ torch.ones(3))") == "tensor(3.)\n"
    assert changed.layers[:3] == image.layers[:3]
    assert load(engine, changed, tmp_path / "blobs", skip=3) <= 1_500_000
    assert python(engine, changed, "import service.vision; print(service.vision.CHANGED)") == "True\n"


def test_nothing_in_it_is_setuid_or_byte_code(image: Image) -> None:
    for layer in image.layers:
        with tarfile.open(layer.path) as tar:
            entries = [(entry.name, entry.mode) for entry in tar if not entry.issym()]
        assert [name for name, mode in entries if mode & 0o6000] == []
        assert [name for name, _ in entries if name.endswith(".pyc") or "__pycache__" in name] == []


def test_the_dockerfile_gives_the_same_files(engine: Any, image: Image, tmp_path: Path) -> None:
    # A few wheels stand for all: the whole would take gigabytes and minutes to say the same.
    requirements = {one.name: one for one in read_lock(ROOT / "service/cpu.lock")}
    wheels = {stage: fetch_wheels([requirements[name]], SETTINGS, print) for stage, name in STAGES.items()}
    expected = files(image.layers[0].path) | files(code_layer().path)
    context = tmp_path / "context"
    for stage, found in wheels.items():
        (context / "wheels" / stage).mkdir(parents=True)
        for path in found.values():
            shutil.copy(path, context / "wheels" / stage)
        pack(unpacked(found.values()), tmp_path / f"{stage}.tar")
        expected |= files(tmp_path / f"{stage}.tar")
    shutil.copy(image.layers[0].path, context / "rootfs.tar")
    shutil.copy(ROOT / "service/Dockerfile", context)
    shutil.copytree(ROOT / "service", context / "service", ignore=shutil.ignore_patterns("__pycache__", "*.lock"))

    built, _ = engine.images.build(path=str(context), tag=f"{NAME}:dockerfile", rm=True, network_mode="none")

    assert exported(engine, built, tmp_path / "exported.tar") == expected
    configuration = built.attrs["Config"]
    assert dict(line.split("=", 1) for line in configuration["Env"]) == ENVIRONMENT
    assert (configuration["User"], configuration["Cmd"]) == ("64010:64010", ["python3", "-m", "service.vision"])


STAGES = {"torch": "markupsafe", "others": "h11"}


def exported(engine: Any, image: Any, path: Path) -> dict[str, str]:
    container = engine.containers.create(image, name=NAME)
    try:
        with path.open("wb") as file:
            file.writelines(container.export())
    finally:
        container.remove()
    return files(path)


def files(path: Path) -> dict[str, str]:
    """Path to content or link; not directories, of which Docker makes some of its own."""
    found = {}
    with tarfile.open(path) as tar:
        for entry in tar:
            name = entry.name.removeprefix("./")
            if entry.isdir() or name.startswith(DOCKERS_OWN):
                continue
            # Hard links come in another order from Docker: the file's content, whichever name carries it.
            content = None if entry.issym() else tar.extractfile(entry)
            found[name] = hashlib.sha256(content.read()).hexdigest() if content else f"-> {entry.linkname}"
    return found
