"""How quickly there is a host to deploy to."""

from tests.bench.command import casemate
from tests.bench.figure import Figure, at_most


def lab_up() -> list[Figure]:
    """A lab host from its cached root file system, until sshd answers."""
    casemate("lab", "up")  # fills the cache
    casemate("lab", "down")
    return [at_most("lab-up", casemate("lab", "up"), "s", 15)]
