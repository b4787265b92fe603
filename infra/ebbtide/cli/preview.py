"""`ebbtide preview`."""

from __future__ import annotations

from pathlib import Path

import typer

from ebbtide.cli.output import BAD_INPUT, project_root
from ebbtide.explain.model import explain_stack
from ebbtide.preview.deployment import DeploymentPreview
from ebbtide.settings.loader import read_stack


def run(
    stack: str,
    project: Path | None,
    *,
    base: str | None,
    plan: Path | None,
    engine: str,
    format: str,  # noqa: A002
    fail_on: str | None,
    out: Path | None,
) -> None:
    """Show what the stack deploys."""
    del base, plan, engine, fail_on
    loaded = read_stack(stack, project_root(project))
    from ebbtide.in_process import run_in_process

    preview = DeploymentPreview(explain_stack(loaded), run_in_process(loaded.settings).resources)
    write(_render(preview, format), out)


def _render(preview: DeploymentPreview, format: str) -> str | DeploymentPreview:  # noqa: A002
    from ebbtide.preview.deployment_text import render_deployment_json, render_deployment_markdown

    if format == "json":
        return render_deployment_json(preview)
    return render_deployment_markdown(preview) if format == "markdown" else preview


def write(rendered: str | DeploymentPreview, out: Path | None) -> None:
    """Print to the terminal, or write to a file as plain text."""
    from rich.console import Console

    from ebbtide.explain.text import make_console
    from ebbtide.preview.deployment_text import print_deployment

    try:
        if isinstance(rendered, str):
            if out is None:
                typer.echo(rendered, nl=False)
            else:
                out.write_text(rendered, encoding="utf-8")
        elif out is None:
            print_deployment(rendered, make_console())
        else:
            with out.open("w", encoding="utf-8") as file:
                print_deployment(rendered, Console(file=file, width=120, highlight=False))
    except OSError as error:
        typer.echo(f"{out}: cannot be written: {error.strerror}; name another file with --out", err=True)
        raise typer.Exit(BAD_INPUT) from None
