"""The options of `ebbtide check`."""

from typing import Annotated, Literal

import typer

from ebbtide.cli.commands.options import Project, complete_stack, new_command

app = new_command()


@app.command(epilog="Example: ebbtide check --strict")
def check(
    stack: Annotated[
        str | None, typer.Option("--stack", "-s", help="Only this stack. Default: all.", autocompletion=complete_stack)
    ] = None,
    project: Project = None,
    format: Annotated[  # noqa: A002
        Literal["text", "json", "sarif", "github"],
        typer.Option("--format", help="Output format; sarif is for code scanning, github marks lines in a workflow."),
    ] = "text",
    *,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 1 for warnings as well.")] = False,
) -> None:
    """Validate stacks and print all findings. Exit status 1 if there is an error.

    An error of a consumer hides its warnings.
    """
    from ebbtide.cli.check import run

    run(stack, project, format, strict=strict)
