"""The options of `ebbtide preview`."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from ebbtide.cli.commands.options import Out, Project, Stack, new_command

app = new_command()


@app.command(epilog="Example: ebbtide preview --stack production --base origin/main --format markdown")
def preview(
    stack: Stack,
    project: Project = None,
    base: Annotated[
        str | None,
        typer.Option(
            "--base", metavar="GIT-REF", help="Compare with where the work tree left this branch, in process."
        ),
    ] = None,
    plan: Annotated[
        Path | None,
        typer.Option(
            "--plan", metavar="FILE", help="Judge the output of `pulumi preview --json`; - reads standard input."
        ),
    ] = None,
    engine: Annotated[
        Literal["in-process", "pulumi"],
        typer.Option(
            "--engine", help="in-process needs no login; pulumi runs the real preview (Pulumi CLI and backend)."
        ),
    ] = "in-process",
    format: Annotated[  # noqa: A002
        Literal["text", "markdown", "json", "sarif", "github"],
        typer.Option("--format", help="Output format; sarif is for code scanning, github marks lines in a workflow."),
    ] = "text",
    read: Annotated[
        Path | None,
        typer.Option("--from", metavar="FILE", help="Show what --format json wrote earlier, of the same stack."),
    ] = None,
    fail_on: Annotated[
        Literal["danger", "notJudged", "disruptive", "scaling", "info"] | None,
        typer.Option("--fail-on", help="Exit with 3 if a risk is at this level or above."),
    ] = None,
    out: Out = None,
) -> None:
    """Show what a stack deploys, or what a change does to consumers.

    A change is what --base or --plan tell it.
    """
    from ebbtide.cli.preview import run

    run(stack, project, base=base, plan=plan, engine=engine, read=read, format=format, fail_on=fail_on, out=out)
