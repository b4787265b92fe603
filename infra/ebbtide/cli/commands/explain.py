"""The options of `ebbtide explain`."""

from typing import Annotated

import typer

from ebbtide.cli.commands.options import Format, Project, Stack, new_command

app = new_command()


@app.command(
    epilog="""\b
Examples:
  ebbtide explain --stack dev
  ebbtide explain --stack production --load mail=black-friday.csv"""
)
def explain(
    stack: Stack,
    project: Project = None,
    load: Annotated[
        list[str] | None,
        typer.Option(
            "--load",
            metavar="CONSUMER=FILE",
            help="What it costs under this load, as simulated. Default: loads/<consumer>.yaml.",
        ),
    ] = None,
    format: Format = "text",  # noqa: A002
) -> None:
    """Explain a stack: settings, shutdown, scaling, cost.

    Where each setting is from, the timeline of a stop, the envelope of its scaling, what it costs a month.
    """
    from ebbtide.cli.explain import run

    run(stack, project, load or [], format)
