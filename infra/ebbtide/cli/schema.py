"""`ebbtide schema`."""

from __future__ import annotations

import json

import typer


def run() -> None:
    """Print the JSON Schema of a stack file."""
    from ebbtide.settings.schema import stack_file_schema

    typer.echo(json.dumps(stack_file_schema(), indent=2))
