"""The list of rules in docs/preview.md, written from the rules themselves."""

from __future__ import annotations

from ebbtide.preview.rules import PREVIEW_RULES

BEGIN = "<!-- rules: written by scripts/generate-docs -->"
END = "<!-- /rules -->"


def with_rules(text: str) -> str:
    """docs/preview.md with its list of rules made anew. Raises ValueError when the marks are missing."""
    head, begin, rest = text.partition(BEGIN)
    _, end, tail = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"docs/preview.md needs {BEGIN} and {END}")
    entries = "\n".join(sorted(map(_entry, PREVIEW_RULES)))
    return f"{head}{begin}\n{entries}\n{end}{tail}"


def _entry(rule: object) -> str:
    heading, _, text = " ".join((rule.__doc__ or "").split()).partition(". ")
    return f"- **{heading}.** {text}"
