"""The experiment: the same attempts from where the model lives, and from an open network, where they must succeed.

What the open network could not reach either proves nothing: a target is proven only where the control reached it.
"""

import ipaddress
import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial

from deploy.facts.posture.read import Json, reason
from deploy.facts.probes.canary import Canary
from deploy.facts.probes.running import Running
from deploy.facts.probes.stage import Stage, staged
from deploy.facts.probes.targets import daemon_resolvers, host_ports, local_addresses

ANSWER_SECONDS = 1.5
FAR = ("198.51.100.1", "203.0.113.1", "169.254.169.254", "2001:db8::1")
"""Addresses for documentation, and the one where clouds keep a machine's credentials. Looked up, never spoken to."""

EMBEDDED_RESOLVER = "127.0.0.11"
DIRECTORIES = ("/", "/etc", "/usr", "/var", "/opt", "/home", "/root", "/srv")
HARMLESS = ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24")
"""Networks for documentation: a resolver there is a dead one, and the engine may be asked to forward to it."""

_KEPT = (
    *("CapAdd", "CapDrop", "Privileged", "SecurityOpt", "ReadonlyRootfs", "Tmpfs", "Sysctls", "PidsLimit", "Ulimits"),
    *("Dns", "DnsOptions", "DnsSearch", "ExtraHosts", "GroupAdd", "MaskedPaths", "ReadonlyPaths"),
    *("NetworkMode", "IpcMode", "PidMode", "UTSMode", "UsernsMode", "CgroupnsMode"),
)


def compared(inside: Json, control: Json) -> Json:
    """{"reached": [what got through], "proven": [closed here, open there], "unproven": [closed here and there]}."""
    reached = [f"{target} ({outcome['how']})" for target, outcome in inside.items() if outcome["reached"]]
    closed = [target for target, outcome in inside.items() if not outcome["reached"]]
    proven = [target for target in closed if control.get(target, {}).get("reached")]
    return {"reached": reached, "proven": proven, "unproven": [target for target in closed if target not in proven]}


def would_forward(servers: list[str]) -> list[str]:
    """Resolvers that the engine would ask on a container's behalf, and that are not dead for certain."""
    if not servers:
        return ["the host's own resolvers"]
    dead = [ipaddress.ip_network(network) for network in HARMLESS]
    return [server for server in servers if not any(ipaddress.ip_address(server) in network for network in dead)]


def twin(model: Json) -> Json:
    """A container as hardened as the model's own and on its network, without its mounts, its devices and its size."""
    host = {key: model["HostConfig"].get(key) for key in _KEPT}
    tmpfs = [mount for mount in model["HostConfig"].get("Mounts") or [] if mount["Type"] == "tmpfs"]
    limits = {"Memory": 256 << 20, "MemorySwap": 256 << 20, "Mounts": tmpfs}
    return {"Image": model["Image"], "User": model["Config"]["User"], "HostConfig": {**host, **limits}}


def unwalled(model: Json, network: str, resolver: str) -> Json:
    """The control: the same image and the same program with nothing in the way, for a second or two."""
    options = ["seccomp=unconfined", "apparmor=unconfined"]
    host = {"SecurityOpt": options, "CapAdd": ["SYS_ADMIN"], "Dns": [resolver], "NetworkMode": network}
    return {"Image": model["Image"], "User": "0:0", "HostConfig": host}


def experiment(stage: Stage, program: str, container: str) -> Json:
    """Every probe's outcome, as `compared` has it. Raises RuntimeError or OSError when it could not be made."""
    model = stage.ask("GET", f"/containers/{container}/json")
    gateway = stage.network()
    ports, own = host_ports(), local_addresses()
    canary = Canary([gateway, *addresses_on(stage, model, own)])
    forwarding = would_forward(model["HostConfig"].get("Dns") or daemon_resolvers())
    attempts = {
        "host_tcp": ports | canary.ports,
        "resolver": [*([] if forwarding else [EMBEDDED_RESOLVER]), *canary.resolvers],
        "canary": f"{stage.token}.casemate-probe.invalid",
        "icmp": own,
        "routes": FAR,
        "writes": DIRECTORIES,
        "seconds": ANSWER_SECONDS,
    }
    both = {"inside": twin(model), "control": unwalled(model, stage.name, gateway)}
    with ThreadPoolExecutor(2) as pool:
        beside = dict(zip(both, pool.map(lambda name: neighbour(stage, program, name, both[name]), both), strict=True))
        far = {"a container on another network": beside["control"]}
        wanted = [{**attempts, "neighbours": far | {"a container beside it": beside[name]}} for name in both]
        inside, control = pool.map(partial(outcomes, stage, program), both, both.values(), wanted)
    found = {name: compared(outcome, control[name]) for name, outcome in inside.items()}
    # A resolver that may be somebody's is not asked: nothing leaves the host for a probe.
    found["resolver"]["reached"] += [f"{server} (the engine would ask it)" for server in forwarding]
    return found


def addresses_on(stage: Stage, model: Json, own: list[str]) -> list[str]:
    """The host's addresses on the model's networks."""
    networks = [
        stage.ask("GET", f"/networks/{row['NetworkID']}") for row in model["NetworkSettings"]["Networks"].values()
    ]
    subnets = [ipaddress.ip_network(row["Subnet"]) for network in networks for row in network["IPAM"]["Config"] or []]
    return [address for address in own if any(ipaddress.ip_address(address) in subnet for subnet in subnets)]


def neighbour(stage: Stage, program: str, name: str, container: Json) -> tuple[str, int] | None:
    """Somebody to be reached on the container's network; None on a network that is none."""
    if container["HostConfig"]["NetworkMode"] == "none":
        return None
    found = stage.address(started(stage, program, f"{name}-neighbour", container, {"wait": True}))
    return (found, 9) if found else None


def outcomes(stage: Stage, program: str, name: str, container: Json, wanted: Json) -> Json:
    """What one container's attempts came to."""
    printed = started(stage, program, name, container, wanted).output()
    try:
        return dict(json.loads(printed))
    except ValueError:
        raise RuntimeError(f"the {name} container printed no outcome: {printed[-300:].strip()}") from None


def started(stage: Stage, program: str, name: str, container: Json, wanted: Json) -> Running:
    """A container that runs the attempts."""
    arguments = {"Entrypoint": ["python3", "-I", "-c", program], "Cmd": [json.dumps(wanted)]}
    return stage.start(name, {**container, **arguments})


def main(program: str, container: str) -> None:
    """Print the outcome of every probe as one line of JSON, or {"error": why there is none}."""
    try:
        with staged() as stage:
            found = experiment(stage, program, container)
    except (OSError, RuntimeError, ValueError, LookupError, TypeError) as error:
        found = {"error": reason(error)}
    print(json.dumps(found))
