"""What a host must bring before anything on it is changed."""

from pydantic import Field

from deploy.settings.base import Settings


class PreflightSettings(Settings):
    """The least a host must have. All shortfalls are reported at once, and nothing is changed."""

    min_disk_gb: int = Field(50, ge=1, description="Free space that /var/lib must have, in GB (10^9 bytes).")
    min_memory_gb: int = Field(16, ge=1, description="Memory, in GB (10^9 bytes).")
    max_clock_skew_seconds: int = Field(30, ge=1, description="Largest difference to the operator's clock.")
