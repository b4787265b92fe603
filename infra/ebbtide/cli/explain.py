"""`ebbtide explain`."""

from __future__ import annotations

from pathlib import Path

import typer

from ebbtide.cli.output import project_root
from ebbtide.cost.prices import read_prices
from ebbtide.explain.model import explain_stack
from ebbtide.settings.loading.loader import read_stack


def run(stack: str, project: Path | None, format: str) -> None:  # noqa: A002
    """Explain one stack."""
    root = project_root(project)
    explanation = explain_stack(read_stack(stack, root), read_prices(root))
    if format == "json":
        from ebbtide.documents.document import to_json
        from ebbtide.explain.document import ExplanationDocument

        typer.echo(to_json(ExplanationDocument.of(explanation)))
        return
    from ebbtide.cli.console import make_console
    from ebbtide.explain.text import print_explanation

    print_explanation(explanation, make_console())
