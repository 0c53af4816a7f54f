"""What the tests of shipping share: settings of a host, and a release of a few bytes."""

import hashlib
from pathlib import Path
from typing import Any

from deploy.operations.built import Built
from deploy.operations.configuration import configuration
from deploy.release.image import Image, image_of
from deploy.release.layer import Layer
from deploy.release.manifest import contents
from deploy.release.model import File, Model
from deploy.settings.host import HostSettings


def settings_in(folder: Path, **vision: Any) -> HostSettings:
    """Settings of a host whose files lie in `folder`."""
    (folder / "golden.png").write_bytes(b"a picture")
    golden = {"picture": folder / "golden.png", "question": "What is it?", "answer": "red circle"}
    return HostSettings.model_validate(
        {
            "release": {"variant": "cpu", "model": folder, "model_name": "micro", "signing_key": folder / "key"},
            "vision": {"device": "cpu", "golden": golden, **vision},
            "proxy": {"server_name": "lab.test"},
        }
    )


def release_in(folder: Path, code: bytes = b"code", **vision: Any) -> Built:
    """A release that nobody needs to build."""
    settings = settings_in(folder, **vision)
    image, model = _image(folder, code), _model(folder)
    specs = configuration(settings)
    return Built(settings.release, image, model, specs, contents(settings.release, image, model, specs))


def _image(folder: Path, code: bytes) -> Image:
    layers = []
    for name, content in (("rootfs", b"root file system"), ("wheels", b"wheels"), ("code", code)):
        path = folder / f"{name}-{len(content)}.tar"
        path.write_bytes(content)
        layers.append(Layer(name, f"sha256:{hashlib.sha256(content).hexdigest()}", path, len(content)))
    return image_of(*layers)


def _model(folder: Path) -> Model:
    files = {}
    for name, content in (("config.json", b"{}"), ("model.safetensors", b"weights")):
        (folder / name).write_bytes(content)
        files[name] = File(hashlib.sha256(content).hexdigest(), len(content))
    return Model("micro", files, folder)
