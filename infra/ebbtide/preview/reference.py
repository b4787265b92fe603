"""The list of rules in docs/preview.md, written from the rules themselves."""

from __future__ import annotations

from textwrap import wrap
from typing import Any

import ebbtide.preview.rules  # noqa: F401 - declares them
from ebbtide.judgement.rule import RuleText, known_rules

BEGIN = "<!-- rules: written by scripts/generate-docs -->"
END = "<!-- /rules -->"


def with_rules(text: str) -> str:
    """docs/preview.md with its list of rules made anew. Raises ValueError when the marks are missing."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"docs/preview.md needs {BEGIN} and {END}")
    entries = "\n".join(_entry(text) for text in known_rules().values() if text.judges == "change")
    return f"{head}{begin}\n{entries}\n{end}{tail}"


def _entry(text: RuleText) -> str:
    """One line of the list; docs/rules.md has the rest."""
    return "\n".join(wrap(f"- **{text.id} ({' or '.join(text.levels)}).** {text.title} {text.why}", 118, **_INDENTED))


_INDENTED: dict[str, Any] = {"subsequent_indent": "  ", "break_long_words": False, "break_on_hyphens": False}
