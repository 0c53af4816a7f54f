"""The isolated Docker network, compared with `docker network inspect` and made anew when it differs."""

import hashlib
import shlex
from typing import Any

from pyinfra import host

from deploy.errors import CasemateError
from deploy.facts.observed import observed
from deploy.operations.change import differs
from deploy.operations.convergence import Commands, convergence
from deploy.operations.phase import executing
from deploy.settings.network import NetworkSettings

LABEL = "casemate.network"
_BRIDGE = "com.docker.network.bridge."


@convergence
def isolated_network(settings: NetworkSettings) -> Commands:
    """The network is internal, and traffic between its containers is off.

    One that differs is made anew: its containers are taken off it, and put back. They go on running, and are reached by
    UNIX sockets all the while. A run that died in between left containers without a network: they are put back too.
    """
    docker = observed(host).section("docker")
    if not docker or not docker.get("reachable"):
        if executing():
            why = (docker or {"error": observed(host).why("docker")}).get("error") or "it is not installed"
            raise CasemateError(f"the engine did not answer: {why}", next="on the host: systemctl status docker")
        yield _create(settings, {})
        return
    found = docker["networks"].get(settings.name)
    options = wanted_options(settings, docker["version"]["Version"])
    wanted = _shown(_wanted(settings, options))
    users = sorted(name for name, container in docker["containers"].items() if _uses(container, settings.name))
    if found is None or _shown(found) != wanted:
        differs(f"Docker network {settings.name}", found and _shown(found), wanted)
        if found is not None:
            attached = [name for name in users if settings.name in _networks(docker["containers"][name])]
            yield from (_command("disconnect", "--force", settings.name, name) for name in attached)
            yield _command("rm", settings.name)
        yield _create(settings, options)
        yield from (_command("connect", settings.name, name) for name in users)
        return
    lost = [name for name in users if settings.name not in _networks(docker["containers"][name])]
    if lost:
        differs(f"Docker network {settings.name}", None, "".join(f"{name} is connected\n" for name in lost))
        yield from (_command("connect", settings.name, name) for name in lost)
        return
    host.noop(f"network {settings.name} is isolated as wanted")


def wanted_options(settings: NetworkSettings, engine: str) -> dict[str, str]:
    """Options of the bridge driver for an engine of this version."""
    options = {
        f"{_BRIDGE}name": settings.bridge,
        f"{_BRIDGE}enable_icc": "false",
        f"{_BRIDGE}enable_ip_masquerade": "false",
    }
    if int(engine.split(".")[0]) >= 28:
        # The bridge gets no address of the host at all: there is nothing to knock at.
        options[f"{_BRIDGE}gateway_mode_ipv4"] = "isolated"
    return options


def _wanted(settings: NetworkSettings, options: dict[str, str]) -> dict[str, Any]:
    return {
        "Driver": "bridge",
        "Internal": True,
        "EnableIPv6": False,
        "Attachable": False,
        "IPAM": {"Config": [{"Subnet": str(settings.subnet)}]},
        "Options": options,
        "Labels": {LABEL: digest(settings, options)},
    }


def _shown(network: dict[str, Any]) -> str:
    """What matters of a network's inspect, as text for comparison and for a plan."""
    subnets = [row["Subnet"] for row in (network["IPAM"].get("Config") or [])]
    flags = " ".join(f"{key}={network[key]}" for key in ("Driver", "Internal", "EnableIPv6", "Attachable"))
    options = "".join(f"{key}={value}\n" for key, value in sorted((network.get("Options") or {}).items()))
    return f"{flags}\nsubnets={subnets}\n{options}{LABEL}={(network.get('Labels') or {}).get(LABEL)}\n"


def _uses(container: dict[str, Any], network: str) -> bool:
    """Was it created on this network, or put on it later? A container keeps the first to itself when it loses it."""
    return bool(container["HostConfig"]["NetworkMode"] == network or network in _networks(container))


def _networks(container: dict[str, Any]) -> dict[str, Any]:
    """What it is on now, by name."""
    return container["NetworkSettings"].get("Networks") or {}


def digest(settings: NetworkSettings, options: dict[str, str]) -> str:
    """What the network's label says, so that a control can tell our network from one of the same name."""
    return hashlib.sha256(f"{settings.name} {settings.subnet} {sorted(options.items())}".encode()).hexdigest()


def _create(settings: NetworkSettings, options: dict[str, str]) -> str:
    return _command(
        "create",
        "--driver=bridge",
        "--internal",
        f"--subnet={settings.subnet}",
        f"--label={LABEL}={digest(settings, options)}",
        *(f"--opt={key}={value}" for key, value in sorted(options.items())),
        settings.name,
    )


def _command(*words: str) -> str:
    return shlex.join(["docker", "network", *words])
