"""The isolated network that the model lives on."""

from ipaddress import IPv4Network

from pydantic import Field

from deploy.settings.base import NAME, Settings


class NetworkSettings(Settings):
    """A Docker network without a way out, and the firewall table that closes its way in."""

    name: str = Field("casemate", pattern=NAME, description="Docker network name.")
    bridge: str = Field("csm0", pattern=r"^[a-z][a-z0-9]{0,14}$", description="Bridge interface name on the host.")
    # Outside Docker's own pools (172.17.0.0/16 to 172.31.0.0/16) and the defaults of AWS, GCP and Kubernetes.
    subnet: IPv4Network = Field(IPv4Network("10.73.250.0/24"), description="Addresses of the containers.")
