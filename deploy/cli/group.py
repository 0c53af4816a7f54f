"""A verb with commands of its own."""

import sys

import click


class Group(click.Group):
    """Its help says of each command the whole first sentence; click's own cuts at the end of a line."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(
                [(name, self.commands[name].get_short_help_str(sys.maxsize)) for name in self.list_commands(ctx)]
            )
