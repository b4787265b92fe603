"""JavaScript and TypeScript as far as brackets tell: what is code, and which block a place is in. Nothing is run."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

_STARTS: Final = re.compile(r"//|/\*|[\"'`/]")
_ENDS: Final = {
    '"': re.compile(r'(?:\\.|[^"\\\n])*"', re.DOTALL),
    "'": re.compile(r"(?:\\.|[^'\\\n])*'", re.DOTALL),
    "`": re.compile(r"(?:\\.|[^`\\])*`", re.DOTALL),
    "/": re.compile(r"(?:\\.|\[(?:\\.|[^\]\\\n])*\]|[^/\\\[\n])+/[a-z]*"),
}
_BEFORE_PATTERN: Final = re.compile(r"(?:[(,=:\[!&|?{};+]|\b(?:return|typeof|case))\s*$|^\s*$")
_BRACKETS: Final = re.compile(r"[()\[\]{}]")
_OPENS: Final = {")": "(", "]": "[", "}": "{"}
# Before the `{` of a block, and not of an object.
_BEFORE_BLOCK: Final = re.compile(r"(?:\)|=>|[{};]|\b(?:else|try|finally|do))\s*(?::\s*[\w<>\[\]., |]+)?$|^\s*$")
_LOOKS_BACK: Final = 200


@dataclass(frozen=True)
class Source:
    """A program's text, with lines and places as in the file."""

    text: str
    code: str = field(init=False)
    """Without comments."""
    bare: str = field(init=False)
    """Without comments and what stands in texts."""

    def __post_init__(self) -> None:
        """Blank what is no code."""
        code, bare = _blanked(self.text)
        object.__setattr__(self, "code", code)
        object.__setattr__(self, "bare", bare)

    def line(self, at: int) -> int:
        """The line of a place."""
        return self.text.count("\n", 0, at) + 1

    @cached_property
    def _pairs(self) -> dict[int, int]:
        """Where each bracket that is opened is closed."""
        found: dict[int, int] = {}
        stack: list[int] = []
        for one in _BRACKETS.finditer(self.bare):
            if one[0] not in _OPENS:
                stack.append(one.start())
            elif stack and self.bare[stack[-1]] == _OPENS[one[0]]:
                found[stack.pop()] = one.start()
        return dict(sorted(found.items()))

    @cached_property
    def _opened(self) -> list[int]:
        return list(self._pairs)

    def closed(self, at: int) -> int:
        """Where the bracket at a place is closed; the end of the text where it is not."""
        return self._pairs.get(at, len(self.bare))

    def around(self, at: int) -> Iterator[tuple[int, int]]:
        """The brackets around a place, from the innermost."""
        inner = at
        for start in reversed(self._opened[: bisect_left(self._opened, at)]):
            end = self._pairs[start]
            if start < inner and end >= at:
                inner = start
                yield start, end

    def before(self, at: int) -> str:
        """The code that stands right before a place."""
        return self.bare[max(at - _LOOKS_BACK, 0) : at].rstrip()

    def is_block(self, at: int) -> bool:
        """Whether the `{` at a place begins a block, and no object."""
        return self.bare[at] == "{" and _BEFORE_BLOCK.search(self.before(at)) is not None


def _blanked(text: str) -> tuple[str, str]:
    """The text without comments, and without what stands in texts as well; each as long as it was."""
    code: list[str] = []
    bare: list[str] = []
    at = 0
    while at < len(text):
        found = _STARTS.search(text, at)
        if found is None:
            break
        code.append(text[at : found.start()])
        bare.append(text[at : found.start()])
        start, sign = found.start(), found[0]
        if sign in ("//", "/*"):
            last = text.find("\n" if sign == "//" else "*/", start + 2)
            end = len(text) if last < 0 else last + (0 if sign == "//" else 2)
            blank = re.sub(r"[^\n]", " ", text[start:end])
            code.append(blank)
            bare.append(blank)
        else:
            end = _end_of_text(text, start, sign)
            code.append(text[start:end])
            inside = re.sub(r"[^\n]", " ", text[start + 1 : end - 1])
            bare.append(text[start:end] if end - start < 2 else f"{sign}{inside}{text[end - 1]}")
        at = end
    return "".join([*code, text[at:]]), "".join([*bare, text[at:]])


def _end_of_text(text: str, start: int, sign: str) -> int:
    """Where a text or a pattern ends; a slash that divides ends at once, and what is never closed at its line's end."""
    if sign == "/" and not _BEFORE_PATTERN.search(text[max(start - _LOOKS_BACK, 0) : start]):
        return start + 1
    found = _ENDS[sign].match(text, start + 1)
    if found is not None:
        return found.end()
    line = text.find("\n", start)
    return start + 1 if sign == "/" else len(text) if sign == "`" or line < 0 else line
