"""The options of `ebbtide dashboard`."""

from pathlib import Path
from typing import Annotated

import typer

from ebbtide.cli.commands.options import Format, Project, Stack, new_command

app = new_command()


@app.command(
    epilog="""\b
Examples:
  ebbtide dashboard --stack production --out monitoring/
  ebbtide dashboard --stack production --format json"""
)
def dashboard(
    stack: Stack,
    project: Project = None,
    out: Annotated[Path | None, typer.Option("--out", metavar="DIR", help="Write the files here.")] = None,
    format: Format = "text",  # noqa: A002
) -> None:
    """Write dashboards and alerts as files.

    For whoever gives them to Grafana, Prometheus, Loki or Google Cloud by hand.

    A stack with `observability` deploys its own; this needs none.
    """
    from ebbtide.cli.dashboard import run

    run(stack, project, out, format)
