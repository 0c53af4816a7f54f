"""What the units run: the live release's container at boot, and its end."""

from service.release import door, state
from service.release.container import drift
from service.release.engine import Engine
from service.release.errors import ReleaseError
from service.release.files import locked
from service.release.layout import Layout
from service.release.quarantine import refuse_held
from service.release.running import containers, create, start, wait_until_ready
from service.release.wanted import wanted


def start_live(layout: Layout, engine: Engine, component: str) -> None:
    """Verify the live release again, run its container and nothing else of the component, and open the door to it.

    Raises ReleaseError, with nothing left running, when the release does not hold: that is what the check is for.
    """
    with locked(layout.releases / f".handover-{component}.lock"):
        refuse_held(layout, component)
        live = state.read(layout).live[component]
        if live is None:
            raise ReleaseError(f"no release of {component} is in service on this host; deploy one")
        try:
            new = wanted(layout, engine, component, live)
        except ReleaseError:
            stop_all(layout, engine, component)
            raise
        for container in containers(engine, component).values():
            if container.name != new.name or drift(new.arguments, container.inspected):
                engine.remove(container.name)
        if new.name not in containers(engine, component):
            create(layout, engine, new)
        found = containers(engine, component)[new.name]
        if not found.running:
            start(layout, engine, found)
        door.lead(layout, component, live)
        door.sweep(layout, component, live)
        wait_until_ready(engine, new.name, new.socket, new.spec["handover"]["start_seconds"])


def stop_all(layout: Layout, engine: Engine, component: str) -> None:
    """Let every container of the component finish its answers, and end. Raises ReleaseError when it is held."""
    refuse_held(layout, component)
    for container in containers(engine, component).values():
        if container.running:
            engine.stop(container.name)
