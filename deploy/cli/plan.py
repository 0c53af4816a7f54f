"""casemate plan: what would a deploy change?"""

import json
import sys

import click

from deploy.cli import options, output
from deploy.run.rollout import plan as run_plan


@click.command()
@options.inventory
@options.limit
@options.only
@options.data
@options.as_json
@click.option("--exit-code", is_flag=True, help="Exit with 1 when something would change.")
def plan(
    inventory: str, limit: tuple[str, ...], only: tuple[str, ...], data: tuple[str, ...], as_json: bool, exit_code: bool
) -> None:
    """Show what a deploy of INVENTORY would change, with the differences; changes nothing."""
    outcomes = run_plan(inventory, scoped(data, only), limit, output.say)
    if as_json:
        output.document(
            {
                "run": None,
                "hosts": {name: {**outcome.counts(), "changes": outcome.changes} for name, outcome in outcomes.items()},
            }
        )
    else:
        output.table(
            [
                {"host": name, "would change": outcome.changed, "operations": outcome.operations}
                for name, outcome in outcomes.items()
            ]
        )
    if exit_code and any(outcome.changed for outcome in outcomes.values()):
        sys.exit(1)


def scoped(data: tuple[str, ...], only: tuple[str, ...]) -> list[str]:
    """`--only` travels as data, as it does with plain pyinfra: --data '_only=["network"]'."""
    return [*data, f"_only={json.dumps(only)}"] if only else list(data)
