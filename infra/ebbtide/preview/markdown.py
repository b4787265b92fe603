"""Text inside GitHub-flavoured Markdown that does no more than text does, whoever wrote it.

No picture, link, other HTML, chart or formula of its own; nobody is notified and no issue is referred to; it ends
neither a cell, a fold nor a code block. What is not prevented: untrue words.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

BODY_LIMIT = 65_536
"""What GitHub takes as the text of a comment."""
COMMENT_LIMIT = BODY_LIMIT - 1_024
"""GitHub refuses a comment of more than 65,536 characters; the rest is for a line of a workflow's."""
_MOST_CHARACTERS = 2_000
"""Of one text; the longest sentence of ours has about 500."""
_WORD_JOINER = "\u2060"
# What GitHub makes a link of without brackets, and an issue's number, which writes into that history. The
# joiner stands before `://`: behind it, it would be part of a host's name, and browsers leave it out of one.
_BARE_LINK = re.compile(r"(?i)((?=://)|www(?=\.)|mailto(?=:)|xmpp(?=:)|GH(?=-\d)|#(?=\d))")
# What stands between backticks is code to read, `kubectl get deployment`, as long as it can be nothing else.
_CODE_SPAN = re.compile(r"(`[A-Za-z0-9 ._=/:,{}-]+`)")
_MARKS = re.compile(r"([\\`*\[\]|~$]|(?<!\w)_|_(?!\w))")


def prose(text: str) -> str:
    """In a paragraph, a heading or a table's cell: one line. Code spans of plain characters stay."""
    parts = _CODE_SPAN.split(_one_line(text))
    return "".join(part if place % 2 else _MARKS.sub(r"\\\1", _inert(part)) for place, part in enumerate(parts))


def html(text: str) -> str:
    """Inside of an HTML block, where Markdown is not read (between inline tags it is: `prose`): one line."""
    return _inert(_one_line(text)).replace("`", "&#96;")


def code(text: str) -> str:
    """In a line of a code block, behind something else: one line, to be copied as it is."""
    return _one_line(text).replace("```", "`\u200b``")


def label(text: str) -> str:
    """Of a task in a chart, which has links and directives of its own: only letters, digits and plain marks."""
    return re.sub(r"[^\w .'/-]", " ", _one_line(text)[:80]).strip() or "(none)"


def marker(project: str, stack: str) -> str:
    """The hidden line by which the comment of one project and stack is found again."""
    project, stack = (re.sub(r"[^A-Za-z0-9._-]", "", text)[:100] for text in (project, stack))
    return f"<!-- ebbtide-preview {project}/{stack} -->"


def _one_line(text: str) -> str:
    """Without line breaks, and without what cannot be seen or turns the direction of what can."""
    begin = text[: 4 * _MOST_CHARACTERS]
    seen = "".join(" " if one.isspace() else "" if unicodedata.category(one)[0] == "C" else one for one in begin)
    line = " ".join(seen.split())
    return line if len(line) <= _MOST_CHARACTERS else f"{line[: _MOST_CHARACTERS - 1]}…"


def _inert(text: str) -> str:
    # `&commat;` would be a mention, after Markdown has been read. The joiner keeps `@team` from notifying anybody.
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _BARE_LINK.sub(rf"\1{_WORD_JOINER}", escaped).replace("@", f"@{_WORD_JOINER}")


def fitting(blocks: Iterable[str], limit: int, left_out: str) -> str:
    """The blocks one below the other, as many of the first as fit; then how many are left out, in these words.

    `left_out` has a `{count}`.
    """
    kept, room = [], limit - 200
    several = list(blocks)
    for place, block in enumerate(several):
        room -= len(block) + 1
        if room < 0:
            kept.append(left_out.format(count=len(several) - place))
            break
        kept.append(block)
    return "\n".join(kept)
