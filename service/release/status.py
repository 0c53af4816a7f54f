"""What serves on this host."""

from typing import Any

from service.release import door, state
from service.release.engine import Engine
from service.release.layout import COMPONENTS, Layout
from service.release.probe import ready
from service.release.running import Container, containers


def status(layout: Layout, engine: Engine) -> dict[str, Any]:
    """Accepted releases; for each component what is live, where the door leads, whether it is ready, its containers."""
    now = state.read(layout)
    return {
        "accepted_sequence": now.accepted_sequence,
        "admitted": now.admitted,
        "releases": [record.release for record in now.releases],
        "components": {name: _component(layout, engine, name, now.live[name]) for name in COMPONENTS},
    }


def _component(layout: Layout, engine: Engine, component: str, live: str | None) -> dict[str, Any]:
    behind = door.leads_to(layout, component)
    return {
        "live": live,
        "door": behind,
        "ready": behind is not None and ready(layout.sockets(component) / behind / f"{component}.sock"),
        "containers": [_container(container) for container in containers(engine, component).values()],
    }


def _container(container: Container) -> dict[str, Any]:
    inspected = container.inspected
    return {
        "name": container.name,
        "release": container.release,
        "state": inspected["State"]["Status"],
        "health": inspected["State"].get("Health", {}).get("Status"),
        "restarts": inspected["RestartCount"],
        "started": inspected["State"]["StartedAt"],
    }
