"""The container engine: started behind its walls, and restarted without its containers noticing."""

from typing import Any

from pyinfra import host

from deploy.facts.observed import Observed, observed
from deploy.operations.change import differs
from deploy.operations.convergence import Commands, convergence
from deploy.operations.units import unit

UNIT = "docker.service"
_SOCKET = "docker.socket"
WALLS = "casemate-firewall.service"
CONFIGURATION = "/etc/docker/daemon.json"

# An engine that was started without live-restore stops every container when it stops. It takes the option up while it
# runs, on SIGHUP. Sent past systemd: a reload counts as a change of state, and so would hide that a restart is due.
_TAKE_UP = """systemctl kill --signal=HUP --kill-who=main docker.service
for _ in $(seq 50); do
  if [ "$(docker info --format '{{.LiveRestoreEnabled}}')" = true ]; then exit 0; fi
  sleep 0.2
done
echo 'the engine did not take up live-restore; see: journalctl -u docker' >&2; exit 1"""

# When packages bring other unit files (Docker's for the distribution's) the running docker.socket loses its descriptor.
# No engine starts behind it until it is started afresh; nor does one that systemd gave up on. containerd came with the
# same packages; containers belong to neither of the two, and go on running.
_AFRESH = (
    f"systemctl stop {UNIT} {_SOCKET}; systemctl reset-failed {UNIT} {_SOCKET} || true; "
    "systemctl try-restart containerd.service"
)


@convergence
def live_restore() -> Commands:
    """A running engine keeps its containers when it is restarted; nothing to do for one that does not run."""
    docker = observed(host).section("docker") or {}
    if not docker.get("reachable") or docker["info"]["LiveRestoreEnabled"]:
        host.noop("a restart of the engine leaves its containers running")
        return
    differs(UNIT, "live-restore off\n", "live-restore on\n")
    yield _TAKE_UP


@convergence
def engine(waits: bool = False) -> Commands:
    """The engine runs with its current configuration.

    `waits`: one whose walls do not stand is left alone for now. systemd would refuse to start it, and with that the run
    would end before the network's component, which puts the walls up and then asks for the engine again.
    """
    seen = observed(host)
    walls, found = seen.unit(WALLS), seen.unit(UNIT)
    if waits and found and found["active"] != "active" and walls and walls["active"] != "active":
        host.noop(f"{UNIT} waits for {WALLS}")
        return
    if found and found["active"] in ("activating", "reloading"):
        yield f"systemctl start {UNIT}"  # waits for whoever began it: the walls, when their unit was restarted
        seen = observed(host)
        found = seen.unit(UNIT)
    fault = found and _fault(seen, found)
    if fault:
        differs(UNIT, f"{fault}\n", "the installed engine runs and answers\n")
        yield _AFRESH
    yield from unit._inner(unit=UNIT, restarted_by=[CONFIGURATION])


def _fault(seen: Observed, found: dict[str, Any]) -> str | None:
    """Why the engine must be stopped before it is started; None for one that at most wants to read its files."""
    docker = seen.section("docker") or {}
    if found["active"] in ("failed", "inactive") or found["needs_reload"]:
        return f"{found['active']}, {'with other unit files' if found['needs_reload'] else 'not running'}"
    if found["active"] == "active" and docker.get("reachable") is False:
        return f"active, but does not answer: {docker.get('error')}"
    installed = seen.package("docker-ce") or seen.package("docker.io")
    running = docker.get("version", {}).get("Version")
    if installed and running and not installed.rpartition(":")[2].startswith(running):
        return f"{running} runs, {installed} is installed"
    return None
