"""The container engine."""

from typing import Literal

from pydantic import Field, HttpUrl

from deploy.settings.base import OperatorPath, Settings, Size


class DockerSettings(Settings):
    """Which engine, from where, and how it keeps its logs."""

    source: Literal["distribution", "docker"] = Field(
        "distribution", description="Debian's or Ubuntu's own packages, or Docker's apt repository."
    )
    mirror: HttpUrl = Field(
        HttpUrl("https://download.docker.com/linux"), description="Docker's apt repository, or a mirror of it."
    )
    key_file: OperatorPath | None = Field(
        None, description="The repository's public key on the operator's machine; None fetches it from the mirror."
    )
    key_fingerprint: str = Field(
        "9DC858229FC7DD38854AE2D88D81803C0EBFCD88",
        pattern=r"^[0-9A-F]{40}$",
        description="The only signing key that is accepted.",
    )
    log_max_size: Size = Field("10m", description="A container's own log is turned over at this size.")
    log_max_files: int = Field(5, ge=1, le=100, description="Files kept of a container's own log.")
