"""`ebbtide explain`."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import typer

from ebbtide.cli.output import project_root
from ebbtide.explain.model import StackExplanation, explain_stack
from ebbtide.judgement.findings import as_json
from ebbtide.settings.loading.loader import read_stack


def run(stack: str, project: Path | None, format: str) -> None:  # noqa: A002
    """Explain one stack."""
    explanation = explain_stack(read_stack(stack, project_root(project)))
    if format == "json":
        typer.echo(json.dumps(explanation_json(explanation), indent=2))
        return
    from ebbtide.explain.text import make_console, print_explanation

    print_explanation(explanation, make_console())


def explanation_json(explanation: StackExplanation) -> dict[str, object]:
    """The stable JSON form: names as in the dataclasses, units in the names."""
    return {**asdict(explanation), "findings": [as_json(finding) for finding in explanation.findings]}
