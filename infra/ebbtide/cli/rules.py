"""`ebbtide rules`."""

from __future__ import annotations

import typer

from ebbtide.cli.console import make_console
from ebbtide.cli.output import fail
from ebbtide.judgement.rule import RuleText, nearest
from ebbtide.rulebook import all_rules


def run(id: str | None, format: str) -> None:  # noqa: A002
    """Print one rule, or a line for each. Exits with 1 for an id that no rule has."""
    rules = all_rules()
    if id is None:
        chosen = list(rules.values())
    else:
        found = next((text for known, text in rules.items() if known.lower() == id.lower()), None)
        if found is None:
            close = nearest(id)
            fail(f"no rule is called {id!r}; " + (f"did you mean {close}?" if close else "`ebbtide rules` lists them"))
        chosen = [found]
    if format == "json":
        from ebbtide.documents.document import to_json
        from ebbtide.documents.rules import RulesDocument

        typer.echo(to_json(RulesDocument(version=1, rules=tuple(chosen))))
    elif id is None:
        _print_list(chosen)
    else:
        _print_one(chosen[0])


def _print_list(rules: list[RuleText]) -> None:
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for _ in range(3):
        table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for text in rules:
        table.add_row(text.id, text.judges, " or ".join(text.levels), text.title)
    make_console().print(table)


def _print_one(text: RuleText) -> None:
    from rich.text import Text

    console = make_console()
    console.print(Text.assemble((text.id, "bold"), f"  {' or '.join(text.levels)}, judges {_JUDGES[text.judges]}"))
    for part in (f"{text.title} {text.why}".rstrip(), f"What to do: {text.remedy}", f"Source: {text.source}"):
        console.print()
        console.print(Text(part))


_JUDGES = {"settings": "settings", "change": "changes", "image": "images", "set-up": "set-ups", "input": "input"}
