"""A verb with commands of its own."""

import inspect

import click


class Group(click.Group):
    """Its help says of each command the whole first sentence; click's own cuts at the end of a line."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = []
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            paragraph = inspect.cleandoc((command and command.help) or "").partition("\n\n")[0]
            sentence, dot, _ = " ".join(paragraph.split()).partition(". ")
            rows.append((name, sentence + dot.strip()))
        with formatter.section("Commands"):
            formatter.write_dl(rows)
