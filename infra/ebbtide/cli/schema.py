"""`ebbtide schema`."""

from __future__ import annotations

import typer


def run() -> None:
    """Print the JSON Schema of a stack file."""
    from ebbtide.settings.reference.schema import stack_file_schema_text

    typer.echo(stack_file_schema_text(), nl=False)
