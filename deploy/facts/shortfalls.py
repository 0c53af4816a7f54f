"""What a host lacks, judged from its snapshot against its settings: everything at once, before anything is changed."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from deploy.facts.addresses import overlaps
from deploy.facts.listeners import busy_ports
from deploy.facts.observed import Observed
from deploy.settings.host import HostSettings

DISTRIBUTIONS = {("debian", "12"), ("debian", "13"), ("ubuntu", "22.04"), ("ubuntu", "24.04")}
_EXPECTED = "Debian 12 or 13, or Ubuntu 22.04 or 24.04"
PYTHON = (3, 10)
_GB = 10**9
_ROOM_TO_WORK = 1
"""GB that a host needs which already holds a release: what its next one needs is asked when that is shipped."""


@dataclass(frozen=True)
class Shortfall:
    """One thing that a host lacks, and what to do about it."""

    what: str
    got: str
    expected: str
    next: str

    def __str__(self) -> str:
        return f"{self.what}: {self.got}, expected {self.expected}. Next: {self.next}"


def shortfalls(settings: HostSettings, seen: Observed, now: float) -> list[Shortfall]:
    """All that keeps this host from being deployed to; `now` is the operator's clock when the snapshot was taken (s).

    A section of the snapshot that could not be read is a shortfall too: unknown is not good enough to begin.
    """
    judges: dict[str, Callable[[HostSettings, Observed], Iterable[Shortfall]]] = {
        "os": _system,
        "resources": lambda settings, seen: (
            *_room(settings, seen),
            *_logs(settings, seen),
            *_clock(settings, seen, now),
        ),
        "users": _uids,
        "listeners": _ports,
        "routes": _routes,
    }
    found: list[Shortfall] = []
    for section, judge in judges.items():
        if seen.section(section) is None:
            found.append(
                Shortfall(section, f"could not be read ({seen.why(section)})", "an answer", "repair that on the host")
            )
        else:
            found.extend(judge(settings, seen))
    return found


def _system(_: HostSettings, seen: Observed) -> Iterator[Shortfall]:
    system: dict[str, Any] = seen.section("os")
    if (system["id"], system["version_id"]) not in DISTRIBUTIONS:
        this = f"this is {system['id'].capitalize() or 'an unknown system'} {system['version_id']}".rstrip()
        yield Shortfall("distribution", this, _EXPECTED, "install one of these")
    if system["architecture"] != "x86_64":
        yield Shortfall("architecture", system["architecture"], "x86_64", "choose another machine")
    if not system["systemd"]:
        yield Shortfall("init", "systemd does not run", "systemd as process 1", "boot the host with systemd")
    if tuple(int(part) for part in system["python"].split(".")[:2]) < PYTHON:
        yield Shortfall("python3", system["python"], "3.10 or newer", "apt-get install python3")
    if not system["root"]:
        yield Shortfall("rights", "this user is not root", "root, or sudo", "set _sudo = True in the host's data")


def _room(settings: HostSettings, seen: Observed) -> Iterator[Shortfall]:
    has: dict[str, Any] = seen.section("resources")
    holds_release = bool((seen.section("release") or {}).get("state"))
    disk = _ROOM_TO_WORK if holds_release else settings.preflight.min_disk_gb
    free = has["disk_free_bytes"].get("/var/lib", has["disk_free_bytes"].get("/", 0))
    if free < disk * _GB:
        change = "make room there" if holds_release else "make room there, or lower preflight.min_disk_gb"
        yield Shortfall("disk", f"{free / _GB:.1f} GB free in /var/lib", f"at least {disk} GB", change)
    memory = settings.preflight.min_memory_gb
    if has["memory_bytes"] < memory * _GB:
        got = f"{has['memory_bytes'] / _GB:.1f} GB"
        yield Shortfall("memory", got, f"at least {memory} GB", "add memory, or lower preflight.min_memory_gb")


def _logs(settings: HostSettings, seen: Observed) -> Iterator[Shortfall]:
    """What logs may grow to must be there, or what they have already: a full disk is the end of every log."""
    has: dict[str, int] = seen.section("resources")["disk_free_bytes"]
    there = seen.section("logs") or {"taken": 0, "journal_bytes": 0}
    disk = has.get("/var/log", has.get("/"))
    free = (disk or 0) + there["taken"] + there["journal_bytes"]
    if disk is not None and free < settings.logs.room:
        got = f"{free / _GB:.1f} GB free or taken by logs in /var/log"
        wanted = f"at least {settings.logs.room / _GB:.1f} GB, what they may grow to"
        yield Shortfall("room for logs", got, wanted, "make room there, or lower logs.max_total")


def _clock(settings: HostSettings, seen: Observed, now: float) -> Iterator[Shortfall]:
    skew = seen.section("resources")["time"] - now
    limit = settings.preflight.max_clock_skew_seconds
    if abs(skew) > limit:
        got = f"{abs(skew):.0f} s {'ahead of' if skew > 0 else 'behind'} this machine's"
        yield Shortfall("clock", got, f"at most {limit} s of difference", "timedatectl set-ntp true, on both machines")


def _uids(settings: HostSettings, seen: Observed) -> Iterator[Shortfall]:
    wanted = {settings.vision.uid: "casemate-vision", settings.gate.uid: "casemate-gate"}
    for name, user in seen.section("users").items():
        if wanted.get(user["uid"], name) != name:
            setting = f"{wanted[user['uid']].removeprefix('casemate-')}.uid"
            got = f"{user['uid']} belongs to {name}"
            yield Shortfall("user id", got, f"it to be free for {wanted[user['uid']]}", f"choose another {setting}")


def _ports(settings: HostSettings, seen: Observed) -> Iterator[Shortfall]:
    for port, holder in busy_ports(settings, seen):
        yield Shortfall(
            "port", f"{port} is held by {holder}", "it to be free for Nginx", "stop that, or choose another port"
        )


def _routes(settings: HostSettings, seen: Observed) -> Iterator[Shortfall]:
    for other in overlaps(settings.network, seen):
        got = f"{settings.network.subnet} overlaps {other}"
        yield Shortfall("subnet", got, "addresses that nothing else here uses", "choose another network.subnet")
