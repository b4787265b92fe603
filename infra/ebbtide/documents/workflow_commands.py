"""Lines that GitHub's runner turns into annotations of a pull request: `::error file=...,line=...,title=...::text`.

The runner shows ten of each level in a step; the log has them all.
"""

from __future__ import annotations

from collections.abc import Iterable

from ebbtide.documents.annotation import Annotation

_COMMANDS = {"error": "error", "warning": "warning", "note": "notice"}
_DATA: dict[str | int, str | int | None] = {"%": "%25", "\r": "%0D", "\n": "%0A"}
_PROPERTY: dict[str | int, str | int | None] = {**_DATA, ":": "%3A", ",": "%2C"}


def to_workflow_commands(annotations: Iterable[Annotation]) -> str:
    """One line each; what is accepted has none."""
    return "".join(f"{_line(one)}\n" for one in dict.fromkeys(annotations) if not one.accepted)


def _line(one: Annotation) -> str:
    place = {"file": one.file, "line": str(one.line), "title": one.rule} if one.file else {"title": one.rule}
    properties = ",".join(f"{key}={_escape(value, _PROPERTY)}" for key, value in place.items())
    return f"::{_COMMANDS[one.mark]} {properties}::{_escape(one.message, _DATA)}"


def _escape(text: str, table: dict[str | int, str | int | None]) -> str:
    return text.translate(str.maketrans(table))
