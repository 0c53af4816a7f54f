"""casemate verify: do the controls hold?"""

import sys
from collections.abc import Sequence
from typing import Any

import click
from pyinfra.context import ctx_host

from deploy.cli import options, output
from deploy.judgement import report
from deploy.judgement.control import Control, load_controls
from deploy.judgement.finding import Finding
from deploy.judgement.verification import unanswered
from deploy.judgement.verification import verify as verify_host
from deploy.judgement.waiver import Waiver, load_waivers
from deploy.run.connection import Connection, connected
from deploy.settings.inventory import read_inventory
from deploy.settings.load import valid


@click.command()
@options.inventory
@options.limit
@options.as_json
def verify(inventory: str, limit: tuple[str, ...], as_json: bool) -> None:
    """Judge the controls in policies/ on every host of INVENTORY; changes nothing.

    Exits with 1 unless every control passed or is waived on every host; unknown is not passed.
    """
    controls = load_controls()
    waivers = load_waivers(inventory, controls)
    loaded, hosts = read_inventory(inventory, (), limit)
    valid(hosts)
    output.say(f"judging {len(controls)} controls on {len(hosts)} host{'' if len(hosts) == 1 else 's'}")
    with connected(loaded, hosts) as connection:
        judged = judge_all(connection, controls, waivers)
    if as_json:
        output.document(report.document(judged))
    else:
        output.table([row for host, findings in judged.items() for row in report.rows(host, findings, inventory)])
        for host, findings in judged.items():
            output.answer(report.summary(host, findings))
    if not all(report.good(findings) for findings in judged.values()):
        sys.exit(1)


def judge_all(
    connection: Connection, controls: Sequence[Control], waivers: Sequence[Waiver]
) -> dict[str, list[Finding]]:
    """All hosts at once, those that do not answer among them."""

    def one(host: Any) -> list[Finding]:
        with ctx_host.use(host):
            return verify_host(host, controls, waivers)

    greenlets = {host.name: connection.state.pool.spawn(one, host) for host in connection.hosts}
    refused = {name: unanswered(name, error, controls, waivers) for name, error in connection.refused.items()}
    return refused | {name: greenlet.get() for name, greenlet in greenlets.items()}
