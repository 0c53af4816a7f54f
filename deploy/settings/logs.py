"""Logs that outlive the container that wrote them."""

from typing import Self

from pydantic import Field, model_validator

from deploy.settings.base import OperatorPath, Settings, Size, in_bytes

CONTAINED = ("vision", "gate")
"""Components whose container owns the log directory."""


class ForwardSettings(Settings):
    """The remote syslog that gets a copy of every line, over TLS."""

    host: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.:-]*$", description="Its name or address.")
    port: int = Field(6514, ge=1, le=65535, description="Its port for syslog over TLS (RFC 5425).")
    name: str | None = Field(
        None,
        pattern=r"^[A-Za-z0-9*][A-Za-z0-9.-]*$",
        description="The name that its certificate bears; None: its host.",
    )
    ca: OperatorPath = Field(description="The CA that signed its certificate, PEM.")
    certificate: OperatorPath | None = Field(None, description="What the host shows of itself there, PEM.")
    private_key: OperatorPath | None = Field(None, description="Its key, PEM, readable by its owner only.")
    max_queue: Size = Field("1g", description="Disk that lines may take which the remote side has not taken yet.")

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key belong together: set both, or neither")
        return self


class LogsSettings(Settings):
    """How long logs are kept, and how much. They lie under /var/log/casemate/<component>."""

    max_size: Size = Field("100m", description="A log is turned over at this size, checked hourly.")
    keep: int = Field(90, ge=1, le=3650, description="Turned-over files kept of each log.")
    max_total: Size = Field("10g", description="What all logs may take together: the oldest of the largest goes first.")
    container_max: Size | None = Field(
        "2g",
        description="What a container can write into its log directory: a file system of that size; None: no bound.",
    )
    journal_max: Size = Field("1g", description="What the system's journal may take on the disk.")
    forward: ForwardSettings | None = Field(None, description="The remote syslog; None: lines stay on the host.")

    @property
    def room(self) -> int:
        """Bytes that all of it may take on the disk."""
        queue = in_bytes(self.forward.max_queue) if self.forward else 0
        return in_bytes(self.max_total) + self.containers + in_bytes(self.journal_max) + queue

    @property
    def containers(self) -> int:
        """Bytes that the file systems of all containers have."""
        return len(CONTAINED) * in_bytes(self.container_max) if self.container_max else 0

    @model_validator(mode="after")
    def _containers_leave_room_for_the_others(self) -> Self:
        """Else what a container writes would have the ledger remove the logs of others."""
        if self.containers > in_bytes(self.max_total):
            raise ValueError(
                f"{len(CONTAINED)} containers of container_max ({self.container_max}) may take more than max_total"
                f" ({self.max_total}): lower container_max, or raise max_total"
            )
        return self

    @model_validator(mode="after")
    def _a_container_has_room_to_turn_over(self) -> Self:
        """A log can grow beyond max_size for an hour, and lies there twice while it is packed."""
        if self.container_max and 8 * in_bytes(self.max_size) > in_bytes(self.container_max):
            raise ValueError(
                f"container_max ({self.container_max}) is less than 8 times max_size ({self.max_size}):"
                " raise container_max, or lower max_size"
            )
        return self

    @model_validator(mode="after")
    def _one_log_has_room(self) -> Self:
        one = in_bytes(self.max_size) * (self.keep + 1)
        if one > in_bytes(self.max_total):
            raise ValueError(
                f"one log alone may take max_size x (keep + 1) = {one / 1e9:.1f} GB, more than max_total"
                f" ({self.max_total}): lower max_size or keep, or raise max_total"
            )
        return self
