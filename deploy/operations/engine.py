"""The container engine: started behind its walls, and restarted without its containers noticing."""

from pyinfra import host

from deploy.facts.observed import observed
from deploy.operations.change import differs
from deploy.operations.convergence import Commands, convergence
from deploy.operations.units import unit

UNIT = "docker.service"
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
    walls, found = observed(host).unit(WALLS), observed(host).unit(UNIT)
    if waits and found and found["active"] != "active" and walls and walls["active"] != "active":
        host.noop(f"{UNIT} waits for {WALLS}")
        return
    yield from unit._inner(unit=UNIT, restarted_by=[CONFIGURATION])
