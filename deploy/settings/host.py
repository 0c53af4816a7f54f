"""All settings of one host."""

from deploy.settings.base import Settings
from deploy.settings.docker import DockerSettings
from deploy.settings.gate import GateSettings
from deploy.settings.logs import LogsSettings
from deploy.settings.network import NetworkSettings
from deploy.settings.preflight import PreflightSettings
from deploy.settings.proxy import ProxySettings
from deploy.settings.release import ReleaseSettings
from deploy.settings.sentinel import SentinelSettings
from deploy.settings.vision import VisionSettings


class HostSettings(Settings):
    """One field a component, in the order of site.py."""

    preflight: PreflightSettings = PreflightSettings()
    docker: DockerSettings = DockerSettings()
    network: NetworkSettings = NetworkSettings()
    logs: LogsSettings = LogsSettings()
    release: ReleaseSettings
    vision: VisionSettings
    gate: GateSettings = GateSettings()
    proxy: ProxySettings
    sentinel: SentinelSettings = SentinelSettings()
