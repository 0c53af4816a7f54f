"""Containers that something unplanned happened to: stopped where they are, behind a shut door, with what was found."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol

from service.sentinel.change import Change
from service.sentinel.configuration import Reaction
from service.sentinel.containers import Container, Containers
from service.sentinel.docker import DockerError
from service.sentinel.dossier import MOST_FILES, Dossiers
from service.sentinel.entry import readable
from service.sentinel.held import RECORD, Held, again, component_of, new_id, saved
from service.sentinel.hold import hold, let_go
from service.sentinel.maintenance import Maintenance

STATE = Path("/var/lib/casemate/sentinel/quarantine")
ALERTS = Path("/var/log/casemate/sentinel/alerts.jsonl")
_AGAIN = 0.5
_LOOK = 1.0
"""Seconds: until the engine is asked again when it did not answer, and until it is seen that nobody undid anything."""


class QuarantineError(Exception):
    """No release: says why, and what next."""


class Recorder(Protocol):
    """What writes a line to the chained log."""

    def note(self, event: str, severity: Any = None, **fields: Any) -> object: ...


class Quarantine:
    """Shuts the door at once; the engine's part and the evidence are a thread's work, which tries until it is done.

    What is in force is kept in force: after a restart of the sentinel, of Docker or of the host, and if somebody undoes
    it by hand. Any thread may call. Evidence is never removed.
    """

    def __init__(
        self,
        containers: Containers,
        record: Recorder,
        directory: Path = STATE,
        maintenance: Maintenance | None = None,
        alerts: Path = ALERTS,
    ) -> None:
        self._containers, self._record = containers, record
        self._directory = directory
        self._dossiers = Dossiers(directory, alerts, self._refused)
        self._maintenance = maintenance or Maintenance()
        self._held = saved(directory)
        self._written: dict[str, bytes] = {}
        self._found: dict[str, list[Change]] = {}
        self._lock = threading.Lock()
        self._acting = threading.Lock()  # one at a time speaks to the engine
        self._ended, self._wake = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._work, name="quarantine", daemon=True)

    def start(self) -> None:
        """Keep what is in force in force until `close`."""
        self._wake.set()
        self._thread.start()

    def close(self) -> None:
        self._ended.set()
        self._wake.set()
        self._thread.join()

    def react(self, change: Change, reaction: Reaction) -> None:
        """Quarantine the container of a change; all of ours for a change of the host. Never raises, never waits.

        One reaction a container: further changes of one that is in quarantine are evidence, and `pause` is more than
        `isolate`.
        """
        if reaction == "alert":
            return
        with self._lock:
            for name, found in self._targets(change):
                held = next((one for one in self._held.values() if one.in_force and one.container == name), None)
                if held is None:
                    component = found.component if found else component_of(name)
                    because = f"{change.what}: {readable(change.inside or change.path)}"
                    held = Held(new_id(), name, found.id if found else "", component, reaction, because, time.time())
                    self._held[held.id] = held
                    self._shut(held)
                    self._note("quarantined", held, "critical")
                elif reaction == "pause" and held.reaction == "isolate":
                    held.reaction, held.state = "pause", "pending"
                found_before = self._found.setdefault(held.id, [])
                if len(found_before) <= MOST_FILES:  # one more, so that it is said that there were more
                    found_before.append(change)
        self._wake.set()

    def list(self) -> list[dict[str, Any]]:
        """Every quarantine, released ones too, oldest first: JSON values."""
        with self._lock:
            return [self._shown(held) for held in self._held.values()]

    def release(self, identity: str, by: str, reason: str) -> dict[str, Any]:
        """Give the container back, then open its door; what `list` tells of it. Again: nothing more happens.

        Raises QuarantineError, and then it is still in force.
        """
        if not by.strip() or not reason.strip():
            raise QuarantineError("a release needs who does it and why; next: give by and reason")
        with self._acting:
            held = self._held.get(identity)
            if held is None:
                raise QuarantineError(f"there is no quarantine {identity!r}; next: casemate quarantine list INVENTORY")
            if held.state == "unreadable":
                raise QuarantineError(held.said)
            if held.in_force:
                self._let_go(held, by, reason)
            with self._lock:
                return self._shown(held)

    def _let_go(self, held: Held, by: str, reason: str) -> None:
        try:
            said = let_go(self._containers.docker, held) if held.container else ""
            with self._lock:
                before = held.state, held.said, held.released
                held.state, held.said = "released", said
                held.released = {"at": time.time(), "by": by, "reason": reason}
                try:
                    self._save(held)
                except OSError:
                    held.state, held.said, held.released = before
                    raise
            for component in held.doors:
                self._maintenance.open(component, held.id)
        except (DockerError, OSError) as error:
            raise QuarantineError(f"{held.id} is still in force: {error}") from error
        self._containers.look()
        self._note("released", held, "high", by=by, reason=reason)

    def _targets(self, change: Change) -> Iterable[tuple[str, Container | None]]:
        """Names of containers; "" for all, while the engine has not told which there are."""
        known = self._containers.found()
        if change.container:
            return [(change.container, known.get(change.container))]
        running = [(one.name, one) for one in known.values() if one.running]
        return running or ([("", None)] if self._containers.trouble else [])

    def _shut(self, held: Held) -> None:
        """The record, then the door; whatever the disk takes of it. The thread does the rest of it later."""
        self._try_to_save(held)
        for component in held.doors:
            try:
                self._maintenance.shut(component, held.id)
            except OSError as error:
                held.said = f"the door could not be shut: {error}"

    def _work(self) -> None:
        while not self._ended.is_set():
            states = {held.state for held in list(self._held.values()) if held.in_force}
            self._wake.wait(_AGAIN if "pending" in states else _LOOK if states else None)
            self._wake.clear()
            for held in list(self._held.values()):
                if held.in_force and not self._ended.is_set():
                    with self._acting:
                        try:
                            self._keep(held)
                        except Exception as error:  # whatever it is: this thread goes on, and the door stays shut
                            held.said = f"{type(error).__name__}: {error}"

    def _keep(self, held: Held) -> None:
        if not held.in_force:  # released while this thread waited
            return
        self._shut(held)
        try:
            if not held.container:
                self._spread(held)
                return
            first = held.state == "pending"
            done = hold(self._containers.docker, held, lambda: self._try_to_save(held))
            held.state = "in force"
            if done and not first:
                held.said = "somebody had undone it; done again"
            if done or first:
                self._note("quarantined", held, "critical")
            if first:
                self._dossiers.keep_state(held, self._containers.docker)
        except (DockerError, OSError) as error:
            held.said = str(error)
        with self._lock:
            changes = self._found.pop(held.id, [])
        self._dossiers.keep_files(held, changes, self._containers.backing)
        self._try_to_save(held)

    def _try_to_save(self, held: Held) -> None:
        try:
            self._save(held)
        except OSError as error:
            held.said = f"no record could be written: {error}"

    def _save(self, held: Held) -> None:
        """Only what is not there yet: this is asked every second."""
        content = held.content()
        if self._written.get(held.id) != content or not (self._directory / held.id / RECORD).exists():
            held.save(self._directory)
            self._written[held.id] = content

    def _spread(self, held: Held) -> None:
        """The engine tells by now which containers there are: one quarantine each, and this one has done its part."""
        self._containers.look()
        if self._containers.trouble:
            held.said = self._containers.trouble
            return
        for change in self._found.pop(held.id, []) or [again(held)]:
            self.react(change, held.reaction)
        held.state, held.said = "released", "a quarantine of each container took its place"
        held.released = {"at": time.time(), "by": "sentinel", "reason": held.said}
        self._save(held)
        for component in held.doors:
            self._maintenance.open(component, held.id)

    def _refused(self, held: Held, why: str) -> None:
        self._note("evidence_refused", held, "high", why=why)

    def _note(self, event: str, held: Held, severity: str, **more: Any) -> None:
        told = {name: getattr(held, name) for name in ("id", "container", "component", "reaction", "state", "because")}
        self._record.note(event, severity, **told, **({"said": held.said} if held.said else {}), **more)

    def _shown(self, held: Held) -> dict[str, Any]:
        named = (
            "id",
            "container",
            "component",
            "reaction",
            "state",
            "because",
            "since",
            "said",
            "evidence",
            "released",
        )
        return {**{name: getattr(held, name) for name in named}, "directory": str(self._directory / held.id)}
