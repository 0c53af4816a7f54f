"""Refuse a host that cannot carry the service, before anything on it is changed."""

from pyinfra import host
from pyinfra.api import deploy

from deploy.errors import CasemateError
from deploy.facts.observed import observed
from deploy.facts.shortfalls import Shortfall, shortfalls
from deploy.settings.host import HostSettings


@deploy("Preflight")
def apply(settings: HostSettings) -> None:
    """Changes nothing. It judges while the run is prepared, so that nothing at all has been changed by then."""
    judge(settings)


def judge(settings: HostSettings) -> None:
    """Raises CasemateError with all shortfalls of the current host in one list."""
    seen = observed(host)
    found = shortfalls(settings, seen, now=seen.taken)
    if found:
        raise refusal(host.name, found)


def refusal(name: str, found: list[Shortfall]) -> CasemateError:
    """One error for all: an operator mends everything in one go, instead of meeting them one after the other."""
    things = "1 thing is" if len(found) == 1 else f"{len(found)} things are"
    lines = "".join(f"\n  {shortfall}" for shortfall in found)
    return CasemateError(
        f"{name}: {things} missing, nothing was changed:{lines}", next="put that right, then the same command again"
    )
