"""One container for another: start, prove, open the door, let the old one finish; or all the way back."""

from service.release import door, state
from service.release.container import REPLACED
from service.release.engine import Engine
from service.release.errors import ReleaseError
from service.release.journal import Journal
from service.release.layout import Layout
from service.release.memory import available
from service.release.probe import examine, ready
from service.release.quarantine import refuse_held
from service.release.running import Container, containers, create, roots, start, wait_until_ready
from service.release.wanted import Wanted


def record(layout: Layout, component: str, release: str) -> None:
    """Note which release serves."""
    with state.changed(layout) as now:
        now.live[component] = release


class Exchange:
    """One run of a handover; `live` is the release that serves, or should."""

    def __init__(self, layout: Layout, engine: Engine, new: Wanted, live: str | None, journal: Journal) -> None:
        self.layout, self.engine, self.new, self.live, self.journal = layout, engine, new, live, journal

    def run(self) -> None:
        self.journal.step("Look at what runs", **{"from": self.live})
        try:
            self._set_aside()
            self._start_new()
            self._prove()
        except ReleaseError as error:
            left = self._undo(error)
            raise ReleaseError(
                f"{self.new.component} {self.new.release} did not go into service: {error}; {left}"
            ) from error
        refuse_held(self.layout, self.new.component)  # meanwhile: the old one stays, and so does what is found in it
        self._lead()

    def _set_aside(self) -> None:
        """A container of this very release that is not as signed, or does not answer, makes room for a right one.

        It is kept until that one serves.
        """
        found = containers(self.engine, self.new.component)
        same, aside = found.get(self.new.name), self.new.name + REPLACED
        if same is None:
            return
        right = self.new.runs_in(same.inspected, roots(self.layout, same.inspected))
        if right and (same.release != self.live or ready(self.new.socket)):
            return
        if same.release == self.live and aside not in found:
            self.journal.step("Set the container aside that is not as signed, or does not answer")
            self.engine.stop(same.name)
            self.engine.rename(same.name, aside)
        else:
            self.engine.remove(same.name)  # of an attempt that died, or a second drift

    def _others(self) -> list[Container]:
        found = containers(self.engine, self.new.component).values()
        return [container for container in found if container.name != self.new.name]

    def _start_new(self) -> None:
        if self.new.name in containers(self.engine, self.new.component):
            return  # as signed and running: an attempt that died had come this far
        running = [container for container in self._others() if container.running]
        mode = self._mode(running)
        if mode == "stop-first":
            self.journal.step("Stop the old container first", mode=mode)
            for container in running:
                self.engine.stop(container.name)
        self.journal.step("Create the new container", mode=mode)
        create(self.layout, self.engine, self.new)
        self.journal.step("Start the new container")
        start(self.layout, self.engine, containers(self.engine, self.new.component)[self.new.name])

    def _mode(self, running: list[Container]) -> str:
        mode = str(self.new.spec["handover"]["mode"])
        if any(container.release == self.new.release for container in running):
            return "stop-first"  # both would open the same socket
        if mode != "auto":
            return mode
        fits = available(self.layout) >= self.new.spec["memory"]
        return "overlap" if fits and not self.new.spec["gpus"] else "stop-first"

    def _prove(self) -> None:
        self.journal.step("Wait until the new container is ready")
        allowed = self.new.spec["handover"]["start_seconds"]
        left = wait_until_ready(self.engine, self.new.name, self.new.socket, allowed)
        self.journal.step("Ask what it must know")
        examine(self.layout, self.new.spec, self.new.socket, max(left, 30))

    def _lead(self) -> None:
        component, release = self.new.component, self.new.release
        if door.leads_to(self.layout, component) != release:
            self.journal.step("Open the door to the new container")
            door.lead(self.layout, component, release)
        if self.live != release:
            record(self.layout, component, release)
        for container in self._others():
            self.journal.step(f"Let {container.name} finish, and remove it")
            self._retire(container)
        door.sweep(self.layout, component, release)

    def _retire(self, container: Container) -> None:
        if container.running:
            self.engine.stop(container.name)
        self.engine.remove(container.name)

    def _undo(self, reason: ReleaseError) -> str:
        """The new one goes and the old one serves as before; says how that went."""
        try:
            refuse_held(self.layout, self.new.component)
        except ReleaseError as held:
            return str(held)
        self.journal.step(f"Go back: {reason}")
        found = containers(self.engine, self.new.component)
        aside = found.get(self.new.name + REPLACED)
        if self.new.name in found and (self.live != self.new.release or aside):
            self.engine.remove(self.new.name)
        if aside:
            self.engine.rename(aside.name, self.new.name)
        left = "nothing serves"
        for container in containers(self.engine, self.new.component).values():
            if container.release == self.live:
                left = self._serve_again(container)
            else:
                self._retire(container)
        door.sweep(self.layout, self.new.component, self.live)
        return left

    def _serve_again(self, container: Container) -> str:
        try:
            if not container.running:
                self.journal.step("Start the old container again")
                socket = start(self.layout, self.engine, container)
                wait_until_ready(self.engine, container.name, socket, self.new.spec["handover"]["start_seconds"])
        except ReleaseError as error:
            return f"{container.release} did not come back either: {error}"
        door.lead(self.layout, container.component, container.release)
        return f"{container.release} serves as before"
