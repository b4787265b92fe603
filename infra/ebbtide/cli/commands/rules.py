"""The options of `ebbtide rules`."""

from typing import Annotated

import typer

from ebbtide.cli.commands.options import Format, new_command

app = new_command()


@app.command(epilog="Examples: ebbtide rules; ebbtide rules V-21")
def rules(
    id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Only this one, with its reason.")] = None,  # noqa: A002
    format: Format = "text",  # noqa: A002
) -> None:
    """List what ebbtide judges, or explain one rule.

    Why it is there, what to do, and where it is known from.
    """
    from ebbtide.cli.rules import run

    run(id, format)
