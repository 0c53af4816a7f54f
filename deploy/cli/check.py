"""casemate check: are the settings of every host valid?"""

import click

from deploy.cli import options, output
from deploy.settings.load import load_inventory


@click.command()
@options.inventory
@options.limit
@options.data
@options.as_json
def check(inventory: str, limit: tuple[str, ...], data: tuple[str, ...], as_json: bool) -> None:
    """Validate the settings of every host in INVENTORY; connects to none."""
    hosts = load_inventory(inventory, data, limit)
    if as_json:
        output.document({host.name: host.settings.model_dump(mode="json") for host in hosts})
    else:
        output.table([{"host": host.name, "address": host.address, "settings": "valid"} for host in hosts])
