"""casemate status: what runs on each host, and how well."""

import sys
from datetime import UTC, datetime
from typing import Any

import click
from cryptography import x509

from deploy.cli import options, output
from deploy.errors import CasemateError
from deploy.facts.observed import Observed
from deploy.run.connection import connected, observe_all
from deploy.settings.inventory import read_inventory

COMPONENTS = ("vision", "gate")


@click.command()
@options.inventory
@options.limit
@options.as_json
def status(inventory: str, limit: tuple[str, ...], as_json: bool) -> None:
    """Show each host's release, containers, health and certificate expiry; exits with 1 unless all are healthy."""
    loaded, hosts = read_inventory(inventory, (), limit)
    with connected(loaded, hosts) as connection:
        seen = observe_all(connection)
    found = {host.name: of(seen[host.name]) for host in hosts}
    if as_json:
        output.document(found)
    else:
        output.table([{"host": name, **row(state)} for name, state in found.items()])
    if not all(state["healthy"] for state in found.values()):
        sys.exit(1)


def of(seen: Observed | CasemateError) -> dict[str, Any]:
    """One host's state as `--json` shows it."""
    if isinstance(seen, CasemateError):
        return {"healthy": False, "error": seen.message}
    release = seen.section("release") or {}
    live = (release.get("state") or {}).get("live") or {}
    containers = {name: container(seen, name, live.get(name)) for name in COMPONENTS}
    nginx = seen.unit("nginx.service") if seen.section("units") else None
    return {
        "healthy": bool(
            nginx and nginx["active"] == "active" and all(c["health"] == "healthy" for c in containers.values())
        ),
        "release": live.get("vision"),
        "containers": containers,
        "proxy": nginx["active"] if nginx else "absent",
        "certificate_expires": expiry(seen),
        "error": None,
    }


def container(seen: Observed, component: str, release: str | None) -> dict[str, Any]:
    """State and health of a component's live container, as the engine tells."""
    docker = seen.section("docker") or {}
    found = (docker.get("containers") or {}).get(f"casemate-{component}-{release}")
    if found is None:
        return {"state": "unknown" if not docker.get("reachable") else "absent", "health": "unknown"}
    state = found["State"]
    return {
        "state": state["Status"],
        "health": (state.get("Health") or {}).get("Status", "none"),
        "since": state["StartedAt"],
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
        return {"release": "-", "vision": "-", "gate": "-", "proxy": "-", "certificate": state["error"]}
    expires = state["certificate_expires"]
    shown = {name: f"{c['state']}, {c['health']}" for name, c in state["containers"].items()}
    days = f"{(expires - datetime.now(UTC)).days} days left" if expires else "none"
    return {"release": state["release"] or "none", **shown, "proxy": state["proxy"], "certificate": days}
