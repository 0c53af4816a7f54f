"""The isolated network, and the walls around it."""

from pyinfra.api import deploy

from deploy.operations.drop_in import drop_in
from deploy.operations.engine import WALLS, engine
from deploy.operations.files import directory, file
from deploy.operations.firewall import firewall
from deploy.operations.network import isolated_network
from deploy.operations.packages import installed
from deploy.operations.templates import render
from deploy.operations.units import unit
from deploy.settings.host import HostSettings

RULESET = "/etc/casemate/network/casemate.nft"


@deploy("Isolated network")
def apply(settings: HostSettings) -> None:
    """The walls stand before the network does, and at every boot before the engine starts."""
    installed(name="Install the firewall's tools", packages=["nftables"])
    directory(name="Make the configuration directory", path="/etc/casemate")
    directory(name="Make the network's configuration directory", path="/etc/casemate/network")
    file(
        name="Write the firewall tables",
        path=RULESET,
        content=render("network/casemate.nft.j2", settings=settings.network),
        check="nft -c -f {}",
    )
    file(
        name="Write the firewall's unit",
        path=f"/etc/systemd/system/{WALLS}",
        content=render(f"network/{WALLS}.j2", ruleset=RULESET),
    )
    drop_in(
        name="Keep the tables when the distribution's firewall flushes all",
        unit="nftables.service",
        content=render("network/nftables.conf.j2", ruleset=RULESET),
    )
    unit(name="Load the firewall tables at every boot", unit=WALLS, reloaded_by=[RULESET])
    firewall(name="Hold the firewall tables in the kernel", path=RULESET, settings=settings.network)
    engine(name="Run the engine behind them")
    isolated_network(name="Create the isolated network", settings=settings.network)
