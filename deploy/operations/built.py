"""The release that a host should run: built and read, with its id, and not signed until a host needs it."""

import sys
from dataclasses import dataclass
from threading import Lock
from typing import Any

from deploy.operations.configuration import SECCOMP, configuration
from deploy.release.image import Image, build_image
from deploy.release.manifest import Contents, contents
from deploy.release.model import Model, read_model
from deploy.release.signature import allowed_signers
from deploy.release.signed import Signed, signed_release
from deploy.settings.host import HostSettings
from deploy.settings.release import ReleaseSettings
from service.release.container import create_arguments
from service.release.manifest import model_directory

_made: dict[str, tuple[Image, Model]] = {}
_one_at_a_time = Lock()


@dataclass(frozen=True)
class Built:
    """One host's release: what it consists of on the operator's machine."""

    settings: ReleaseSettings
    image: Image
    model: Model
    configuration: dict[str, dict[str, Any]]
    contents: Contents

    @property
    def id(self) -> str:
        """Twelve hex digits."""
        return self.contents.id

    @property
    def image_ids(self) -> tuple[str, str]:
        """What an engine may call the image."""
        return self.image.config_digest, self.image.manifest_digest

    @property
    def layers(self) -> list[str]:
        """Diff ids, the lowest first."""
        return [layer.diff_id for layer in self.image.layers]

    @property
    def model_directory(self) -> str:
        """The model's directory under /var/lib/casemate/models."""
        return model_directory(self.model.name, self.contents.model_dump(mode="json")["model"]["files"])

    @property
    def signers(self) -> str:
        """The host's file of those whose signature it believes."""
        return f"{allowed_signers(self.settings).strip()}\n"

    def signed(self, newer_than: int) -> Signed:
        """The signed manifest, with a sequence above the last that the host accepted."""
        return signed_release(self.settings, self.image, self.model, self.configuration, newer_than)

    def container(self, component: str, image: str) -> dict[str, Any]:
        """What the engine that calls the image `image` is to be told to create."""
        spec = self.configuration[component]
        return create_arguments(spec, self.id, self.model_directory, image, SECCOMP.read_text())


def built(settings: HostSettings) -> Built:
    """Build what the cache lacks, once a process, however many hosts there are. Raises CasemateError.

    What may be wrong with the settings shows first: an image may have gigabytes to fetch.
    """
    specs = configuration(settings)
    key = settings.release.model_dump_json()
    with _one_at_a_time:
        if key not in _made:
            model = read_model(settings.release, _tell)
            _made[key] = (build_image(settings.release, _tell), model)
    image, model = _made[key]
    return Built(settings.release, image, model, specs, contents(settings.release, image, model, specs))


def _tell(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)
