"""The containers of ours that are there, and what a path of the host means inside them."""

from __future__ import annotations

import fnmatch
import os
import re
import stat
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from service.sentinel.configuration import Configuration
from service.sentinel.docker import LABEL, SOCKET, Docker, DockerError, Events
from service.sentinel.layers import Layers, Shows, mount_points, of_driver, of_process

_LOOK_ANYWAY = 30.0
"""Seconds after which the engine is asked again though it told nothing; half a second after it did not answer."""


@dataclass(frozen=True)
class Root:
    """A directory of the host to watch. Those of kind `upper` and `lower` are to be swept too; `merged` is not: what it
    shows follows from them, and it is gone while the container does not run.

    Several containers may have the same lower. `since` is when the container was started, in the engine's words: a
    merged directory that was mounted anew is another root.
    """

    path: bytes
    container: str
    component: str
    kind: Literal["upper", "lower", "merged"]
    since: str = ""


@dataclass(frozen=True)
class Meaning:
    """What a path of the host is to one container. `expected`: what changes there is no alert."""

    container: str
    component: str
    inside: bytes
    shows: Shows
    expected: bool


@dataclass(frozen=True)
class Container:
    """One of ours as the engine has it. `mount_points`: paths inside on which something else is mounted."""

    id: str
    name: str
    component: str
    release: str
    running: bool
    paused: bool
    started: str
    layers: Layers | None
    mount_points: frozenset[bytes]
    inspected: dict[str, Any] = field(repr=False, compare=False, default_factory=dict)

    def roots(self) -> list[Root]:
        """Where its file system lies; empty when that is not known (a stopped one of containerd's image store)."""
        if self.layers is None:
            return []
        named = (self.name, self.component)
        found = [Root(self.layers.upper, *named, "upper"), *(Root(one, *named, "lower") for one in self.layers.lowers)]
        return [*found, Root(self.layers.merged, *named, "merged", self.started)] if self.layers.merged else found


class Containers:
    """Looks when the engine tells that something happened, and now and then anyway. Any thread may ask.

    A container that has stopped is still there, with what it wrote; its roots go when it is removed. While the engine
    does not answer everything stays as it was last seen, and `trouble` says why.
    """

    def __init__(self, configuration: Configuration, socket: Path = SOCKET, proc: Path = Path("/proc")) -> None:
        watched = configuration.containers
        self._watched = watched is not None
        self._may_change = (watched.may_change if watched else None) or {}
        self.docker = Docker(socket)
        self.trouble: str | None = "the Docker engine has not been asked yet"
        self.changed = threading.Event()
        """Set when what `roots` and `found` tell has changed; who waits for it clears it."""
        self._proc = proc
        self._found: dict[str, Container] = {}
        self._looked = threading.Lock()
        self._ended, self._look_now = threading.Event(), threading.Event()
        self._stream: Events | None = None
        self._threads: list[threading.Thread] = []

    def start(self) -> None:
        """Look once, then go on in two threads until `close`."""
        self.look()
        for work in (self._listen, self._keep_looking):
            thread = threading.Thread(target=work, name=f"containers{work.__name__}", daemon=True)
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        self._ended.set()
        self._look_now.set()
        while any(thread.is_alive() for thread in self._threads):
            if stream := self._stream:
                stream.close()
            for thread in self._threads:
                thread.join(0.05)

    def found(self) -> dict[str, Container]:
        """The containers by name, as last seen."""
        return self._found

    def roots(self) -> list[Root]:
        """What to watch and sweep, as last seen."""
        return [root for one in self._found.values() for root in one.roots()] if self._watched else []

    def meanings(self, path: bytes) -> list[Meaning]:
        """What a path below a root is inside, for each container that has that root; empty for any other path."""
        found = []
        for one in self._found.values():
            inside = one.layers.inside(path) if one.layers else None
            if one.layers and inside is not None:
                backing = self.backing(path)
                shows = one.layers.shows(backing)
                expected = self._expected(one, one.layers, backing, inside) and shows != "replaced"
                found.append(Meaning(one.name, one.component, inside, shows, expected))
        return found

    def backing(self, path: bytes) -> bytes:
        """A path below a merged directory becomes the one in upper, where every write goes; others stay."""
        for one in self._found.values():
            if one.layers and one.layers.merged and (path + b"/").startswith(one.layers.merged + b"/"):
                return one.layers.upper + path[len(one.layers.merged) :]
        return path

    def of_process(self, pid: int) -> str | None:
        """The name of the container that a process runs in, where its cgroup still tells."""
        with suppress(OSError):
            named = set(re.findall(r"[0-9a-f]{64}", (self._proc / str(pid) / "cgroup").read_text("ascii", "replace")))
            return next((one.name for one in self._found.values() if one.id in named), None)
        return None

    def look(self) -> None:
        """Ask the engine what is there now."""
        with self._looked:
            try:
                seen = self.docker.containers()
            except DockerError as error:
                self.trouble = str(error)
                return
            before = {one.id: one for one in self._found.values()}
            made = [self._made(one, before) for one in seen if not one["State"].get("Dead")]
            found = {one.name: one for one in made}
            self.trouble = None
            if found != self._found:
                self._found = found
                self.changed.set()

    def _made(self, inspected: dict[str, Any], before: Mapping[str, Container]) -> Container:
        state, labels = inspected["State"], inspected["Config"]["Labels"]
        layers = of_driver(inspected) or (of_process(state["Pid"], self._proc) if state.get("Pid") else None)
        if layers is None and inspected["Id"] in before and (known := before[inspected["Id"]].layers):
            layers = Layers(known.upper, known.lowers)
        targets = {os.fsencode(mount["Destination"]) for mount in inspected.get("Mounts") or []}
        targets |= {os.fsencode(target) for target in inspected["HostConfig"].get("Tmpfs") or ()}
        targets |= mount_points(state.get("Pid") or 0, self._proc)  # a runtime's own too: of a GPU's driver, of an init
        return Container(
            inspected["Id"],
            inspected["Name"].lstrip("/"),
            labels[LABEL],
            labels.get("casemate.release", ""),
            bool(state["Running"]),
            bool(state.get("Paused")),
            state.get("StartedAt", ""),
            layers,
            frozenset(target.rstrip(b"/") for target in targets),
            inspected,
        )

    def _expected(self, container: Container, layers: Layers, path: bytes, inside: bytes) -> bool:
        text = os.fsdecode(inside)
        if any(fnmatch.fnmatchcase(text, one) for one in self._may_change.get(container.component, ())):
            return True
        above = path.startswith(layers.upper)
        return above and (_is_of_the_engine(container, layers, path, inside) or _is_copied(layers, path, inside))

    def _listen(self) -> None:
        while not self._ended.is_set():
            try:
                self._stream = self.docker.events()
            except DockerError:
                self._ended.wait(0.2)
                continue
            self._look_now.set()  # what happened while nobody listened
            for _ in self._stream:
                self._look_now.set()

    def _keep_looking(self) -> None:
        while not self._ended.is_set():
            self._look_now.wait(0.5 if self.trouble else _LOOK_ANYWAY)
            self._look_now.clear()
            if not self._ended.is_set():
                self.look()


def _is_copied(layers: Layers, path: bytes, inside: bytes) -> bool:
    """Whether this in upper is a directory as the image has it: overlayfs copies those above whatever is written."""
    known = layers.below(inside)
    try:
        status = os.lstat(path)
    except OSError:
        return False
    return known is not None and _like(status) == _like(known) and stat.S_ISDIR(status.st_mode)


def _like(status: os.stat_result) -> tuple[int, int, int]:
    return status.st_mode, status.st_uid, status.st_gid


def _is_of_the_engine(container: Container, layers: Layers, path: bytes, inside: bytes) -> bool:
    """Whether this in upper is what the engine makes when it starts a container: a place to mount on, and the
    directories on the way there, which it makes, or copies as they are in the image."""
    on_the_way = inside == b"/" or any((point + b"/").startswith(inside + b"/") for point in container.mount_points)
    if not on_the_way:
        return False
    try:
        status = os.lstat(path)
    except OSError:
        return False
    if stat.S_ISREG(status.st_mode):
        return inside in container.mount_points and status.st_size == 0
    known = layers.below(inside)
    return _like(status) == (_like(known) if known else (stat.S_IFDIR | 0o755, 0, 0))
