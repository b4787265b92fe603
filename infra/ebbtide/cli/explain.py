"""`ebbtide explain`."""

from __future__ import annotations

from pathlib import Path

import typer

from ebbtide.cli.output import project_root
from ebbtide.cost.prices import read_prices
from ebbtide.explain.cost import Loads
from ebbtide.explain.model import explain_stack
from ebbtide.judgement.findings import refused
from ebbtide.settings.loading.loader import read_stack
from ebbtide.settings.models.stack import StackSettings

_OPTION = "--load"


def run(stack: str, project: Path | None, load: list[str], format: str) -> None:  # noqa: A002
    """Explain one stack."""
    root = project_root(project)
    loaded = read_stack(stack, root)
    explanation = explain_stack(loaded, read_prices(root), _loads(load, root, loaded.settings))
    if format == "json":
        from ebbtide.documents.document import to_json
        from ebbtide.explain.document import ExplanationDocument

        typer.echo(to_json(ExplanationDocument.of(explanation)))
        return
    from ebbtide.cli.console import make_console
    from ebbtide.explain.text import print_explanation

    print_explanation(explanation, make_console())


def _loads(given: list[str], root: Path, stack: StackSettings) -> Loads:
    """The loads that were given, or those that are committed. Raises SettingsError for one that cannot be used."""
    from ebbtide.capacity.what_if import committed_runs, mean_pods, pods_under

    if not given:
        return Loads(mean_pods(committed_runs(root, stack)))
    found = {}
    for text in given:
        consumer, _, file = text.rpartition("=")
        consumer = consumer or next(iter(stack.consumers), "")
        if consumer not in stack.consumers or ("=" not in text and len(stack.consumers) > 1):
            names = ", ".join(stack.consumers) or "none"
            raise refused(
                "simulate", f"names no consumer (got {text!r}; there are {names})", _remedy(stack), (_OPTION,)
            )
        found[consumer] = pods_under(Path(file), stack, consumer)
    return Loads(found, "given")


def _remedy(stack: StackSettings) -> str:
    return f"write for example {next(iter(stack.consumers), 'mail')}=traffic.csv"
