"""The only door."""

from ipaddress import ip_address
from typing import Self

from pydantic import Field, field_validator, model_validator

from deploy.paths import STATE
from deploy.settings.base import OperatorPath, Settings, Size


class ProxySettings(Settings):
    """Nginx in front of gate and vision."""

    server_name: str = Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$", description="Name in the certificate.")
    port: int = Field(443, ge=1, le=65535)
    address: str | None = Field(
        None,
        pattern=r"^[^:]+:[0-9]{1,5}$",
        description="Where clients reach the door, as host:port, behind NAT say; None: the SSH address and `port`.",
    )
    redirect_port: int | None = Field(80, ge=1, le=65535, description="Redirects to HTTPS; None: no such listener.")
    certificate: OperatorPath | None = Field(None, description="Own certificate chain, PEM; None: the private CA's.")
    private_key: OperatorPath | None = Field(None, description="Its key, PEM, readable by its owner only.")
    ca: OperatorPath = Field(
        STATE / "ca", description="Directory of the private CA (made when absent); clients trust its ca.pem."
    )
    max_body: Size = Field("24m", description="Largest request; held in memory, never on disk.")
    read_seconds: int = Field(
        300,
        ge=20,
        le=3600,
        description="Longest silence of the model within an answer; a stream is never so long silent.",
    )
    requests_per_second: int = Field(
        50, ge=1, le=10_000, description="Requests a second from one client address; twice as many in a burst."
    )
    connections: int = Field(256, ge=1, le=10_000, description="Requests under way at once from one client address.")

    @property
    def ports(self) -> tuple[int, ...]:
        """TCP ports that Nginx listens on."""
        return (self.port, self.redirect_port) if self.redirect_port else (self.port,)

    @field_validator("server_name")
    @classmethod
    def _a_name(cls, value: str) -> str:
        try:
            ip_address(value)
        except ValueError:
            return value
        # A TLS client that is given an address sends no name, and the door opens only to who knows its name.
        raise ValueError("a DNS name, not an address; without DNS, put the name into the clients' /etc/hosts")

    @model_validator(mode="after")
    def _two_ports(self) -> Self:
        if self.redirect_port == self.port:
            raise ValueError(f"port and redirect_port are both {self.port}: choose another, or None for no redirect")
        return self

    @model_validator(mode="after")
    def _both_or_none(self) -> Self:
        if (self.certificate is None) != (self.private_key is None):
            raise ValueError("certificate and private_key belong together: set both, or neither for the private CA")
        return self
