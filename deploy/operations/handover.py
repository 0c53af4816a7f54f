"""A component's container on the host: the release's, as signed, with the door leading to it."""

from typing import Any

from pyinfra import host

from deploy.facts.observed import Observed, observed
from deploy.host_paths import HOST_MODELS
from deploy.operations import transfer
from deploy.operations.attempt import attempted
from deploy.operations.built import Built
from deploy.operations.change import differs
from deploy.operations.convergence import Commands, convergence
from deploy.operations.expected import expects
from deploy.operations.ship import accepted, model_faults
from service.release.container import REPLACED, drift, exchanged


@convergence
def hand_over(component: str, release: Built) -> Commands:
    """The release serves; where it does not, the host puts it into service, and the old one back if that fails."""
    seen = observed(host)
    found = _faults(seen, component, release)
    if not found:
        host.noop(f"{component} {release.id} serves as signed")
        return
    expects(*_containers(seen, component, release))
    differs(component, "\n".join(found), f"{release.id} serves as signed\n")
    sequence = accepted(seen)["accepted_sequence"]
    yield from attempted(lambda there: transfer.hand_over(there, component, release, sequence))


def _faults(seen: Observed, component: str, release: Built) -> list[str]:
    """Why the component does not serve the release as it was signed; empty when it does."""
    noted, docker = seen.required("release"), seen.section("docker") or {}
    live = accepted(seen)["live"][component]
    if live != release.id:
        return [f"{live or 'nothing'} serves"]
    name = f"casemate-{component}-{release.id}"
    container = docker.get("containers", {}).get(name)
    if container is None:
        return [f"{name} is not there"]
    found = [] if noted["current"][component] == release.id else [f"the door leads to {noted['current'][component]}"]
    if not container["State"]["Running"] or _health(container) == "unhealthy":
        found.append(f"{name} is {container['State']['Status']} and {_health(container) or 'of unknown health'}")
    if container["Image"] not in release.image_ids:
        return [*found, f"{name} runs {container['Image']}"]
    arguments = release.container(component, container["Image"])
    return (
        found
        + drift(arguments, container)
        + _model(seen, arguments, release)
        + exchanged(arguments, _roots(seen, name))
    )


def _model(seen: Observed, arguments: dict[str, Any], release: Built) -> list[str]:
    """What is wrong with the model that it mounts, and is put right before: it needs the right one too."""
    directory = f"{HOST_MODELS}/{release.model_directory}"
    mounts = any(mount["Source"] == directory for mount in arguments["HostConfig"]["Mounts"])
    return [f"{file} {fault}" for file, fault in model_faults(seen, release).items()] if mounts else []


def _roots(seen: Observed, container: str) -> dict[str, str]:
    process = (seen.section("processes") or {}).get(container, {})
    return {mount["target"]: mount["root"] for mount in process.get("mounts", ())}


def _containers(seen: Observed, component: str, release: Built) -> list[dict[str, str]]:
    """The new one, one of its name that makes room, and those that may go, or come back if it fails."""
    own = f"casemate-{component}-"
    there = [name for name in (seen.section("docker") or {}).get("containers", {}) if name.startswith(own)]
    new = f"{own}{release.id}"
    return [{"container": name} for name in sorted({new, *there, *([new + REPLACED] if new in there else [])})]


def _health(container: dict[str, Any]) -> str | None:
    health = container["State"].get("Health") or {}
    return health.get("Status")
