"""Containers as they are found, started and waited for."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from service.release import door
from service.release.engine import Engine
from service.release.errors import ReleaseError
from service.release.layout import Layout
from service.release.probe import ready
from service.release.wanted import Wanted

_CRASHES = 2
"""Restarts after which a new container is given up; the engine itself would try five times."""


@dataclass(frozen=True)
class Container:
    """One of ours, as the engine sees it; `release` and `component` are its labels."""

    name: str
    component: str
    release: str
    uid: int
    running: bool
    inspected: dict[str, Any]


def containers(engine: Engine, component: str) -> dict[str, Container]:
    """All containers of a component, by name."""
    found = {}
    for inspected in engine.containers(component):
        labels, user = inspected["Config"]["Labels"], inspected["Config"]["User"]
        name = inspected["Name"].lstrip("/")
        found[name] = Container(
            name,
            component,
            labels["casemate.release"],
            int(user.partition(":")[0]),
            inspected["State"]["Running"],
            inspected,
        )
    return found


def roots(layout: Layout, inspected: dict[str, Any]) -> dict[str, str]:
    """What is mounted where in a running container, as the kernel names it; empty when it has ended."""
    try:
        lines = layout.on_host(f"/proc/{inspected['State']['Pid']}/mountinfo").read_text().splitlines()
    except OSError:
        return {}
    return {fields[4]: fields[3] for fields in map(str.split, lines)}


def create(layout: Layout, engine: Engine, new: Wanted) -> None:
    """A container that does not run yet. The engine wants every directory that it mounts to be there already."""
    door.socket_directory(layout, new.component, new.release, new.uid)
    engine.create(new.name, new.arguments)


def start(layout: Layout, engine: Engine, container: Container) -> Path:
    """Start a container that is not running, with a fresh directory for its socket; the socket that it will open."""
    directory = door.socket_directory(layout, container.component, container.release, container.uid)
    engine.start(container.name)
    return directory / f"{container.component}.sock"


def wait_until_ready(engine: Engine, name: str, socket: Path, seconds: float) -> float:
    """Seconds that are left when it is ready. Raises ReleaseError when it ends, crashes or takes too long."""
    deadline = time.monotonic() + seconds
    pause = 0.05
    while not ready(socket):
        found = engine.container(name)
        if found is None:
            raise ReleaseError(f"{name} was removed while it started")
        now = found["State"]
        if found["RestartCount"] >= _CRASHES or not (now["Running"] or now["Restarting"]):
            last = engine.last_words(name) or "it said nothing"
            raise ReleaseError(f"{name} ended with status {now['ExitCode']}: {last[-300:]}")
        if time.monotonic() > deadline:
            raise ReleaseError(f"{name} was not ready after {seconds:.0f} s; see: docker logs {name}")
        time.sleep(pause)
        pause = min(2 * pause, 1)
    return deadline - time.monotonic()
