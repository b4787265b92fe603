"""YAML with lines, from events: neither depth nor aliases of a stranger's file can exhaust this process."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml
from yaml.events import (
    AliasEvent,
    DocumentStartEvent,
    MappingEndEvent,
    MappingStartEvent,
    ScalarEvent,
    SequenceEndEvent,
    SequenceStartEvent,
)

from ebbtide.doctor.data import UNKNOWN, Map, Seq

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
DEEPEST: Final = 100
MOST_DOCUMENTS: Final = 5_000
_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9_]*)")
_FLOAT: Final = re.compile(r"[-+]?[0-9]*\.[0-9]+(?:[eE][-+]?[0-9]+)?")
_WORDS: Final = {
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
    **dict.fromkeys(("null", "Null", "NULL", "~", ""), None),
}
_MOST_DIGITS: Final = 18


class NotYamlError(ValueError):
    """A document that cannot be read, with its line."""

    def __init__(self, text: str, line: int) -> None:
        super().__init__(text)
        self.line = line


@dataclass
class _Open:
    """A collection that is being read."""

    value: Map | Seq
    anchor: str | None
    key: str | None = None
    key_line: int = 0
    has_key: bool = False
    merged: list[Map] = field(default_factory=list)

    def with_merged(self) -> Map | Seq:
        """The collection, with what `<<` brings beside its own keys."""
        for base in self.merged:
            for key, value in base.items():
                if isinstance(self.value, Map) and key not in self.value:
                    self.value.put(key, value, base.line_of(key))
        return self.value


def documents(text: str) -> Iterator[Any]:
    """The documents of a text, as far as they can be read. Raises NotYamlError at the first that cannot."""
    reader = _Reader()
    try:
        for event in yaml.parse(text, Loader=_Loader):
            reader.take(event)
            while reader.done:
                yield reader.done.pop()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYamlError(
            str(error.problem or error.context or "cannot be read"), mark.line + 1 if mark else 1
        ) from None
    except yaml.YAMLError as error:
        position = getattr(error, "position", 0) or 0
        raise NotYamlError("holds a sign that YAML does not allow", text.count("\n", 0, position) + 1) from None


class _Reader:
    def __init__(self) -> None:
        self.done: list[Any] = []
        self._stack: list[_Open] = []
        self._anchors: dict[str, Any] = {}
        self._count = 0

    def take(self, event: Any) -> None:
        kind = type(event)
        line = event.start_mark.line + 1
        if kind is ScalarEvent:
            self._put(_scalar(event), line, event.anchor)
        elif kind is MappingStartEvent or kind is SequenceStartEvent:
            self._open(Map(line) if kind is MappingStartEvent else Seq(line), event.anchor)
        elif kind is MappingEndEvent or kind is SequenceEndEvent:
            closed = self._stack.pop()
            self._put(closed.with_merged(), closed.value.line, closed.anchor)
        elif kind is AliasEvent:
            self._put(self._anchors.get(event.anchor), line, None)
        elif kind is DocumentStartEvent:
            self._anchors.clear()
            self._count += 1
            if self._count > MOST_DOCUMENTS:
                raise NotYamlError(f"has more than {MOST_DOCUMENTS} documents", line)

    def _open(self, value: Map | Seq, anchor: str | None) -> None:
        if len(self._stack) >= DEEPEST:
            raise NotYamlError(f"is nested deeper than {DEEPEST}", value.line)
        self._stack.append(_Open(value, anchor))

    def _put(self, value: Any, line: int, anchor: str | None) -> None:
        if anchor:
            self._anchors[anchor] = value
        if not self._stack:
            self.done.append(value)
            return
        top = self._stack[-1]
        if isinstance(top.value, Seq):
            top.value.append(value)
            top.value.lines.append(line)
        elif not top.has_key:
            top.key, top.key_line, top.has_key = _key(value), line, True
        else:
            if top.key == "<<":
                merged = value if isinstance(value, Seq) else [value]
                top.merged += [one for one in merged if isinstance(one, Map)]
            else:
                top.value.put(top.key or "", value, top.key_line)
            top.has_key = False


def _key(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return "null" if value is None else str(value) if isinstance(value, (str, int, float)) else "?"


def _scalar(event: ScalarEvent) -> Any:
    text: str = event.value
    if event.tag and not event.tag.startswith("tag:yaml.org,2002:"):
        return UNKNOWN
    if event.style or not event.implicit[0]:
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text) and len(text) <= _MOST_DIGITS:
        return int(text.replace("_", ""))
    return float(text) if _FLOAT.fullmatch(text) and len(text) <= _MOST_DIGITS else text
