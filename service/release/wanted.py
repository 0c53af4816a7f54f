"""A release's container, after every check that can be made before it runs."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.release.container import create_arguments, drift, exchanged
from service.release.engine import Engine
from service.release.errors import ReleaseError, Resend
from service.release.files import locked
from service.release.image import image_id
from service.release.layout import Layout
from service.release.manifest import verified
from service.release.model import check_model
from service.release.verified import Verified


@dataclass(frozen=True)
class Wanted:
    """What is to run: a verified release's container of one component."""

    component: str
    release: str
    spec: dict[str, Any]
    arguments: dict[str, Any]
    socket: Path

    @property
    def name(self) -> str:
        return f"casemate-{self.component}-{self.release}"

    @property
    def uid(self) -> int:
        return int(self.spec["user"].partition(":")[0])

    def runs_in(self, container: dict[str, Any], roots: Mapping[str, str]) -> bool:
        """Is this container running, and exactly what was signed, on what is there? `roots` as `exchanged` has them."""
        faults = drift(self.arguments, container) or exchanged(self.arguments, roots)
        return bool(container["State"]["Running"]) and not faults


def wanted(layout: Layout, engine: Engine, component: str, release: str) -> Wanted:
    """Verify an accepted release again, as it lies on the disk and in the engine now. Raises ReleaseError.

    Resend among them: what is missing or wrong can come again.
    """
    manifest = verified(layout.releases / release, layout)
    if manifest.release != release:
        raise ReleaseError(f"{layout.releases / release} holds release {manifest.release}")
    image = image_id(manifest, engine)
    if image is None:
        raise Resend(f"the signed image {manifest.config_digest[:19]} is not in the engine; deploy again")
    with locked(layout.home / ".verified.lock"):
        memory = Verified(layout.verified)
        check_model(manifest, layout, memory)
        memory.keep()
    spec = manifest.spec(component)
    arguments = create_arguments(spec, release, manifest.model, image, _seccomp(layout, spec))
    return Wanted(component, release, spec, arguments, layout.sockets(component) / release / f"{component}.sock")


def _seccomp(layout: Layout, spec: dict[str, Any]) -> str | None:
    """The profile's text; the engine takes no path."""
    if spec["seccomp"] is None:
        return None
    path = layout.on_host(spec["seccomp"]["path"])
    try:
        text = path.read_bytes()
    except FileNotFoundError:
        raise ReleaseError(f"{path} is missing; deploy again") from None
    if hashlib.sha256(text).hexdigest() != spec["seccomp"]["sha256"]:
        raise ReleaseError(f"{path} is not the signed system call filter; deploy again")
    return text.decode()
