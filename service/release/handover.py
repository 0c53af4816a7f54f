"""From the container that serves to the one that will, so that there is always one that can.

Nothing is remembered between steps but what Docker, the door and the state say themselves: a run that was killed
anywhere is completed or undone by the next, whichever release that one is for.
"""

from collections.abc import Callable

from service.release import door, state
from service.release.engine import Engine
from service.release.errors import ReleaseError
from service.release.exchange import Exchange, record
from service.release.files import locked
from service.release.journal import Journal
from service.release.layout import Layout
from service.release.quarantine import refuse_held
from service.release.running import containers
from service.release.wanted import wanted


def handover(layout: Layout, engine: Engine, component: str, release: str, say: Callable[[str], None]) -> None:
    """Put `release` into service. Raises ReleaseError when it does not, and then what served before serves again."""
    journal = Journal(layout, component, release, say)
    with locked(layout.releases / f".handover-{component}.lock"), journal.recording():
        refuse_held(layout, component)
        _settle(layout, engine, component)
        now = state.read(layout)
        now.accepted(release)
        if release not in (now.admitted, now.live[component]):
            raise ReleaseError(
                f"release {release} was accepted once, but {now.admitted} since; to go back:"
                f" casemate-release accept --rollback {layout.releases / release}"
            )
        Exchange(layout, engine, wanted(layout, engine, component, release), now.live[component], journal).run()


def _settle(layout: Layout, engine: Engine, component: str) -> None:
    """A run that died between the door and the record: the door led there because the release had proven itself."""
    behind = door.leads_to(layout, component)
    running = {container.release for container in containers(engine, component).values() if container.running}
    if behind in running and behind != state.read(layout).live[component]:
        record(layout, component, behind)
