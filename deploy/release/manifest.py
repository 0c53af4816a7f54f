"""What a release is, in one document: an image, a model and a configuration, under one id."""

import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from deploy.errors import CasemateError
from deploy.paths import ROOT
from deploy.release.digests import sha256_of
from deploy.release.documents import canonical, digest_of
from deploy.release.image import Image
from deploy.release.model import Model
from deploy.settings.release import ReleaseSettings

Digest = Annotated[str, Field(pattern=r"^sha256:[0-9a-f]{64}$")]
Hex = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ImagePart(_Part):
    """The image's two digests, its layers (diff ids, the lowest first) and their sizes in bytes."""

    config_digest: Digest
    manifest_digest: Digest
    layers: list[Digest]
    sizes: list[int]


class FilePart(_Part):
    """One of the model's files."""

    sha256: Hex
    size: int


class ModelPart(_Part):
    """The model's files by relative path."""

    name: str
    files: dict[str, FilePart]

    @property
    def digests(self) -> dict[str, str]:
        """Hex SHA-256 by path."""
        return {name: file.sha256 for name, file in self.files.items()}


class Contents(_Part):
    """What the release id stands for: the same contents are the same release, whenever they are signed."""

    schema_: Literal[1] = Field(1, alias="schema")
    image: ImagePart
    model: ModelPart
    configuration: dict[str, Any]
    configuration_sha256: Hex
    lock: Hex

    @property
    def id(self) -> str:
        """Twelve hex digits."""
        body = self.model_dump(mode="json", by_alias=True, exclude={"sequence", "created", "release"})
        return digest_of(canonical(body))[7:19]


class Manifest(Contents):
    """Contents with their id and the moment of signing; a host refuses a `sequence` below the last that it accepted."""

    sequence: int = Field(gt=0)
    created: str
    release: Annotated[str, Field(pattern=r"^[0-9a-f]{12}$")]

    def document(self) -> bytes:
        """manifest.json as it is signed."""
        return canonical(self.model_dump(mode="json", by_alias=True))

    @classmethod
    def read(cls, document: bytes, origin: Path) -> Self:
        """Parse a manifest.json; raises CasemateError if it is none, or if its id is not that of its contents."""
        again = f"rm -r {origin.parent}, then: casemate release build INVENTORY"
        try:
            manifest = cls.model_validate(json.loads(document))
        except (ValueError, ValidationError) as error:
            reason = str(error).splitlines()[-1].strip()
            raise CasemateError(f"{origin} is not a release's manifest: {reason}", next=again) from None
        if manifest.id != manifest.release:
            raise CasemateError(f"{origin} calls itself {manifest.release}, its contents are {manifest.id}", next=again)
        return manifest


def contents(settings: ReleaseSettings, image: Image, model: Model, configuration: dict[str, Any]) -> Contents:
    """What a release of these would be; nothing is signed. `configuration` maps components to container specs."""
    return Contents(
        schema=1,
        image=ImagePart(
            config_digest=image.config_digest,
            manifest_digest=image.manifest_digest,
            layers=[layer.diff_id for layer in image.layers],
            sizes=[layer.size for layer in image.layers],
        ),
        model=ModelPart(
            name=model.name,
            files={name: FilePart(sha256=file.sha256, size=file.size) for name, file in model.files.items()},
        ),
        configuration=configuration,
        configuration_sha256=digest_of(canonical(configuration))[7:],
        lock=sha256_of(ROOT / "service" / f"{settings.variant}.lock"),
    )


def stamped(found: Contents, newer_than: int) -> Manifest:
    """A manifest of these contents as of now, with a sequence above `newer_than`."""
    sequence = max(int(time.time()), newer_than + 1)
    created = datetime.fromtimestamp(sequence, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    body = found.model_dump(by_alias=True)
    return Manifest.model_validate({**body, "sequence": sequence, "created": created, "release": found.id})
