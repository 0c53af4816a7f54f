"""The signed manifest of a release: believed only after its signature."""

import hashlib
import json
import subprocess
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from service.release.errors import ReleaseError
from service.release.layout import Layout

NAMESPACE = "casemate-release-v1"
SCHEMA = 1
_OUTSIDE_THE_ID = ("sequence", "created", "release")


@dataclass(frozen=True)
class Manifest:
    """One image, one model, one configuration. Digests of the image begin with `sha256:`, those of files do not."""

    release: str
    sequence: int
    config_digest: str
    manifest_digest: str
    layers: tuple[str, ...]
    model_name: str
    model_files: dict[str, dict[str, Any]]
    configuration: dict[str, dict[str, Any]]

    @property
    def image_ids(self) -> tuple[str, str]:
        """What the engine may call the image: overlay2 says the configuration's digest, containerd the manifest's."""
        return self.config_digest, self.manifest_digest

    @property
    def image_tag(self) -> str:
        """The image is `casemate:<tag>` on a host: without a name `docker image prune` would take it."""
        return self.config_digest.removeprefix("sha256:")[:12]

    @property
    def model(self) -> str:
        """The model's directory under `models`: another list of files is another directory."""
        return model_directory(self.model_name, self.model_files)

    def spec(self, component: str) -> dict[str, Any]:
        """The container that the configuration describes."""
        try:
            return self.configuration[component]
        except KeyError:
            raise ReleaseError(f"release {self.release} has no configuration for {component}") from None


def model_directory(name: str, files: dict[str, dict[str, Any]]) -> str:
    """What a model of these files ({path: {sha256, size}}) is called under `models`."""
    return f"{name}-{hashlib.sha256(canonical(files)).hexdigest()[:12]}"


def canonical(value: Any) -> bytes:
    """JSON that is the same bytes for the same value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def verified(directory: Path, layout: Layout) -> Manifest:
    """The manifest in `directory`; raises ReleaseError unless its signature, its id and its form are right."""
    content = _content(directory)
    _signature(content, directory / "manifest.json.sig", layout)
    return _parsed(content, directory)


def unverified(directory: Path) -> Manifest:
    """The manifest in `directory`, whoever signed it: to know which files are still needed, no more."""
    return _parsed(_content(directory), directory)


def _content(directory: Path) -> bytes:
    try:
        return (directory / "manifest.json").read_bytes()
    except FileNotFoundError:
        raise ReleaseError(f"{directory} holds no manifest.json: the release did not arrive whole") from None


def _signature(content: bytes, signature: Path, layout: Layout) -> None:
    signers = str(layout.signers)
    if not signature.exists():
        raise ReleaseError(f"{signature} is missing: an unsigned release is not accepted")
    found = _ssh_keygen("find-principals", "-f", signers, "-s", str(signature))
    principal = found.stdout.decode().strip().splitlines()
    if found.returncode or not principal:
        raise ReleaseError(f"{signature} is by no key in {signers}: {_reason(found)}")
    revoked = ["-r", str(layout.revoked)] if layout.revoked.exists() else []
    asked = ("verify", "-f", signers, "-I", principal[0], "-n", NAMESPACE, "-s", str(signature), *revoked)
    checked = _ssh_keygen(*asked, content=content)
    if checked.returncode:
        raise ReleaseError(f"the signature of {signature.with_suffix('')} does not hold: {_reason(checked)}")


def _ssh_keygen(*arguments: str, content: bytes = b"") -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(["ssh-keygen", "-Y", *arguments], input=content, capture_output=True, check=False)


def _reason(run: "subprocess.CompletedProcess[bytes]") -> str:
    said = (run.stderr + run.stdout).decode("utf-8", "replace").strip().splitlines()
    return said[-1] if said else f"ssh-keygen ended with {run.returncode}"


def _parsed(content: bytes, directory: Path) -> Manifest:
    try:
        raw: dict[str, Any] = json.loads(content)
        if raw["schema"] != SCHEMA:
            raise ReleaseError(f"{directory}: got a manifest of schema {raw['schema']}, expected {SCHEMA}")
        image, model = raw["image"], raw["model"]
        manifest = Manifest(
            release=raw["release"],
            sequence=int(raw["sequence"]),
            config_digest=image["config_digest"],
            manifest_digest=image["manifest_digest"],
            layers=tuple(image["layers"]),
            model_name=model["name"],
            model_files=model["files"],
            configuration=raw["configuration"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise ReleaseError(f"{directory}/manifest.json is signed, and is no manifest: {error!r}") from error
    body = {key: value for key, value in raw.items() if key not in _OUTSIDE_THE_ID}
    if hashlib.sha256(canonical(body)).hexdigest()[:12] != manifest.release:
        raise ReleaseError(f"{directory}/manifest.json calls itself {manifest.release}, and its content has another id")
    for name in (manifest.model_name, *manifest.model_files):
        path = PurePosixPath(name)
        if path.is_absolute() or ".." in path.parts or not path.parts:
            raise ReleaseError(f"{directory}/manifest.json names a model file outside the model: {name!r}")
    return manifest
