"""casemate status: what runs on each host, and how well."""

import sys
from datetime import UTC, datetime
from typing import Any

import click
import gevent
from cryptography import x509

from deploy.cli import options, output
from deploy.door import door_of
from deploy.errors import CasemateError
from deploy.facts.observed import Observed
from deploy.run.connection import connected, observe_all
from deploy.settings.host import HostSettings
from deploy.settings.inventory import read_inventory
from deploy.settings.load import InventoryHost, inventory_hosts

COMPONENTS = ("vision", "gate")
_PATIENCE_SECONDS = 5.0
_BEATS = 3
"""Of the sentinel's: silence for longer is an alarm."""


@click.command()
@options.inventory
@options.limit
@options.data
@options.as_json
def status(inventory: str, limit: tuple[str, ...], data: tuple[str, ...], as_json: bool) -> None:
    """Show each host's release, containers, health and certificate expiry; exits with 1 unless all are healthy."""
    loaded, hosts = read_inventory(inventory, data, limit)
    named = inventory_hosts(hosts)
    with connected(loaded, hosts) as connection:
        doors = {host.name: gevent.spawn(door, host) for host in named}
        seen = observe_all(connection)
        found = {host.name: of(seen[host.name], doors[host.name].get(), host.settings) for host in named}
    if as_json:
        output.document(found)
    else:
        output.table([{"host": name, **row(state)} for name, state in found.items()])
    if not all(state["healthy"] for state in found.values()):
        sys.exit(1)


def door(host: InventoryHost) -> str:
    """`ready` when a client's request would be answered now; tried from here, by the way that clients take."""
    try:
        found = door_of(host, _PATIENCE_SECONDS).get("/readyz")
    except CasemateError as error:
        return error.message.removeprefix(f"{host.name}: ")
    return "ready" if found == 200 else f"HTTP {found}"


def of(seen: Observed | CasemateError, door: str, settings: HostSettings) -> dict[str, Any]:
    """One host's state as `--json` shows it. Healthy: the door is ready, no container says otherwise, and nothing
    deviates unaccepted under a sentinel that beats.
    """
    if isinstance(seen, CasemateError):
        return {"healthy": False, "door": door, "error": seen.message}
    release = seen.section("release") or {}
    live = (release.get("state") or {}).get("live") or {}
    containers = {name: container(seen, name, live.get(name)) for name in COMPONENTS}
    # A new container is "starting" until the engine's first check: the hand-over has already asked it a question.
    watched = watch(seen, _BEATS * settings.sentinel.heartbeat_seconds)
    well = all(found["state"] == "running" and found["health"] != "unhealthy" for found in containers.values())
    return {
        "healthy": door == "ready" and well and watched["healthy"],
        "release": live.get("vision"),
        "containers": containers,
        "door": door,
        "certificate_expires": expiry(seen),
        "sentinel": watched,
        "error": None,
    }


def container(seen: Observed, component: str, release: str | None) -> dict[str, Any]:
    """State and health of a component's live container, as the engine tells."""
    docker = seen.section("docker") or {}
    found = (docker.get("containers") or {}).get(f"casemate-{component}-{release}")
    if found is None:
        return {"state": "absent" if docker.get("reachable") else "unknown", "health": "unknown"}
    state = found["State"]
    health = (state.get("Health") or {}).get("Status", "none")
    return {"state": state["Status"], "health": health, "since": state["StartedAt"]}


def watch(seen: Observed, silence: float) -> dict[str, Any]:
    """The sentinel's last beat, and what waits for somebody to look. A host that has none yet is as healthy without.

    `silence`: seconds without a beat after which it is not.
    """
    found = seen.section("sentinel") or {}
    status, now = found.get("status"), (seen.section("resources") or {}).get("time")
    if status is None:
        told = {"beat": None, "alerts": None, "quarantined": None, "error": found.get("error") or seen.why("sentinel")}
        return {"healthy": found.get("installed") is False, **told}
    age = now - status["beat"] if now and status["beat"] else None
    return {
        "healthy": age is not None and age < silence and not status["deviating"] and not status["quarantined"],
        "beat": datetime.fromtimestamp(status["beat"], UTC) if status["beat"] else None,
        "beat_age_seconds": age and round(age, 1),
        "alerts": status["deviating"],
        "quarantined": status["quarantined"],
        "baseline": status["baseline"],
        "window": status["window"],
        "error": None,
    }


def expiry(seen: Observed) -> datetime | None:
    """The earliest end of the certificates that the door shows; None when there is none."""
    ends = [
        certificate.not_valid_after_utc
        for found in (seen.section("certificates") or {}).values()
        for certificate in x509.load_pem_x509_certificates(found["pem"].encode())[:1]
    ]
    return min(ends, default=None)


def row(state: dict[str, Any]) -> dict[str, Any]:
    """The same for a person."""
    if state["error"]:
        empty = dict.fromkeys(("release", "vision", "gate"), "-")
        return {**empty, "door": state["door"], "certificate": "-", "sentinel": state["error"]}
    expires = state["certificate_expires"]
    shown = {name: f"{found['state']}, {found['health']}" for name, found in state["containers"].items()}
    days = f"{(expires - datetime.now(UTC)).days} days left" if expires else "none"
    sentinel = _sentinel_row(state["sentinel"])
    return {
        "release": state["release"] or "none",
        **shown,
        "door": state["door"],
        "certificate": days,
        "sentinel": sentinel,
    }


def _sentinel_row(found: dict[str, Any]) -> str:
    if found["beat"] is None:
        return found["error"] or "no beat yet"
    told = [f"beat {found['beat_age_seconds']:.0f} s ago", f"{found['alerts']} alerts"]
    if found["quarantined"]:
        told.append(f"{found['quarantined']} in quarantine")
    if not (found["baseline"] or {}).get("signed"):
        told.append("baseline not signed")
    return ", ".join(told)
