"""The options of `ebbtide render`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ebbtide.cli.commands.options import Project, Stack, new_command

app = new_command()


@app.command(epilog="Example: ebbtide render --stack production --out manifests/")
def render(
    stack: Stack,
    project: Project = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Write one file per object here, and a kustomization; files of the run before go."),
    ] = None,
    format: Annotated[Literal["yaml", "json"], typer.Option("--format", help="Output format.")] = "yaml",  # noqa: A002
    *,
    resources: Annotated[
        bool,
        typer.Option("--resources", help="Every resource of the program, Google Cloud included, with its options."),
    ] = False,
) -> None:
    """Print the Kubernetes manifests of a stack, as they are applied."""
    from ebbtide.cli.render import run

    run(stack, project, out, format, resources=resources)
