"""Options that several verbs share, so that each means the same everywhere."""

import click

inventory = click.argument("inventory", type=click.Path())
limit = click.option(
    "--limit", multiple=True, metavar="HOST", help="Only this host, group or pattern; may be repeated."
)
data = click.option(
    "--data", multiple=True, metavar="KEY=VALUE", help="Override a setting, such as vision.memory=16g; may be repeated."
)
only = click.option("--only", multiple=True, metavar="COMPONENT", help="Only this component; may be repeated.")
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
