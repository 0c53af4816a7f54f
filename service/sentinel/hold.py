"""What a quarantine does to a container in the engine, and how that is taken back."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from service.sentinel.docker import Docker, DockerError
from service.sentinel.held import Held

_NEVER = {"Name": "no", "MaximumRetryCount": 0}


def hold(docker: Docker, held: Held, save: Callable[[], None]) -> bool:
    """Pause or cut off the container, as far as it is not; whether there was anything to do. Raises DockerError.

    It is not started again by the engine from now on: that would undo both. `save` is called before anything is taken
    away that has to be given back. A network of the host cannot be cut: such a container is paused.
    """
    found = docker.container(held.container_id or held.container)
    if found is None:
        held.said = "the container is gone; the door stays shut until the release"
        return False
    state, networks = found["State"], _networks(found)
    pauses = held.reaction == "pause" or found["HostConfig"]["NetworkMode"] == "host"
    held.container_id, held.said = found["Id"], "" if state["Running"] else "the container does not run"
    if held.restart is None:
        held.restart = found["HostConfig"]["RestartPolicy"]
    cut = {} if pauses else networks
    held.networks = {**{name: _endpoint(found, told) for name, told in cut.items()}, **held.networks}
    save()
    if found["HostConfig"]["RestartPolicy"]["Name"] not in ("", "no"):
        docker.restart_policy(held.container_id, _NEVER)
    for name in cut:
        docker.disconnect(name, held.container_id)
    if pauses and state["Running"] and not state["Paused"]:
        docker.pause(held.container_id)
        return True
    return bool(cut)


def let_go(docker: Docker, held: Held) -> str:
    """Give back what `hold` took; what could not be, in a sentence, else "". Raises DockerError."""
    found = docker.container(held.container_id or held.container)
    if found is None:
        return "the container is gone; next: casemate deploy INVENTORY"
    there, said = _networks(found), []
    for name, endpoint in held.networks.items():
        if name not in there:
            said.append(_connected(docker, name, found["Id"], endpoint))
    if held.restart and held.restart["Name"] not in ("", "no"):
        docker.restart_policy(found["Id"], held.restart)
    if found["State"]["Paused"]:
        docker.unpause(found["Id"])  # last: a process that was killed meanwhile ends now
    if not found["State"]["Running"]:
        said.append(f"the container does not run; next: systemctl restart casemate-{held.component}")
    return "; ".join(one for one in said if one)


def _networks(found: dict[str, Any]) -> dict[str, Any]:
    told = (found.get("NetworkSettings") or {}).get("Networks") or {}
    return {name: one for name, one in told.items() if name not in ("none", "host")}


def _endpoint(found: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """The engine's EndpointConfig that gives the same addresses again; its own names it adds itself."""
    wanted = told.get("IPAMConfig") or {}
    addresses = {
        "IPv4Address": told.get("IPAddress") or wanted.get("IPv4Address"),
        "IPv6Address": told.get("GlobalIPv6Address") or wanted.get("IPv6Address"),
    }
    return {
        "IPAMConfig": {name: address for name, address in addresses.items() if address},
        "Aliases": [one for one in told.get("Aliases") or [] if not found["Id"].startswith(one)],
        "Links": told.get("Links") or [],
        "DriverOpts": told.get("DriverOpts") or {},
    }


def _connected(docker: Docker, network: str, container: str, endpoint: dict[str, Any]) -> str:
    try:
        docker.connect(network, container, endpoint)
    except DockerError as error:
        if error.status == 0:
            raise
        if error.status == 404:
            return f"{error}; next: casemate deploy INVENTORY"
        # Not every network lets an address be asked for, and another container may have it by now.
        docker.connect(network, container, {**endpoint, "IPAMConfig": {}})
        return f"{network} gave it another address ({error})"
    return ""
