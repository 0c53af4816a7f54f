"""casemate deploy: make the hosts what the settings say."""

import sys

import click

from deploy.cli import options, output
from deploy.cli.plan import scoped
from deploy.run.journal import HOST_JOURNAL
from deploy.run.rollout import deploy as run_deploy


@click.command()
@options.inventory
@options.limit
@options.only
@options.data
@options.as_json
@click.option(
    "--batch", type=click.IntRange(1), help="Hosts at once; a batch with a failure is the last. Default: all."
)
def deploy(
    inventory: str,
    limit: tuple[str, ...],
    only: tuple[str, ...],
    data: tuple[str, ...],
    as_json: bool,
    batch: int | None,
) -> None:
    """Make the hosts of INVENTORY what the settings say."""
    run, outcomes = run_deploy(inventory, scoped(data, only), limit, batch, output.say)
    if as_json:
        output.document({"run": run, "hosts": {name: outcome.counts() for name, outcome in outcomes.items()}})
    else:
        output.table([{"host": name, **outcome.counts()} for name, outcome in outcomes.items()])
        output.answer(f"run {run}; journal: {HOST_JOURNAL} on each host, .casemate/journal here")
    failed = {name: outcome for name, outcome in outcomes.items() if outcome.failed}
    for name, outcome in failed.items():
        output.say(f"{name}: {(outcome.error or '').removeprefix(f'{name}: ')}")
    if failed:
        output.say(f"Next: casemate plan {inventory}, to see what is left; then: casemate deploy {inventory}")
        sys.exit(1)
