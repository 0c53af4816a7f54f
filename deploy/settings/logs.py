"""Logs that outlive the container that wrote them."""

from pydantic import Field

from deploy.settings.base import Settings, Size


class LogsSettings(Settings):
    """How long logs are kept. They lie under /var/log/casemate/<component>."""

    max_size: Size = Field("100m", description="A log is turned over at this size, checked hourly.")
    keep: int = Field(90, ge=1, le=3650, description="Turned-over files kept of each log.")
