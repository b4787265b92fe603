"""The text of a comment that a pull request's job wrote: only what our renderer writes keeps its meaning.

A pull request may change the renderer, or write its artifact by hand. Whatever such a text says, it must look like
text: no picture, link, other HTML or second marker, and nobody is notified. What is not prevented: untrue words.
"""

from __future__ import annotations

import re

_WORD_JOINER = "\u2060"
# All of the HTML that review_markdown writes, without attributes.
_OTHER_TAG = re.compile(r"<(?!/?(?:details|summary|code|sub)>)")
# An entity is text only after Markdown has been read, and mentions are looked for after that: `&commat;acme`.
_OTHER_ENTITY = re.compile(r"&(?!(?:lt|gt|amp);)")
# However many backslashes stand before it: two would escape each other.
_BRACKET = re.compile(r"\\*\[")
# What GitHub makes a link of without brackets, and an issue's number, which writes into that history. The
# joiner stands before `://`: behind it, it would be part of a host's name, and browsers leave it out of one.
_BARE_LINK = re.compile(r"(?i)((?=://)|www(?=\.)|mailto(?=:)|xmpp(?=:)|GH(?=-\d)|#(?=\d))")
# `@sha256:` of an image names nobody, and is there to be copied.
_MENTION = re.compile(r"@(?!sha256:)(?=[A-Za-z0-9])")
_FENCE = re.compile(r"([`~])(?=\1\1)")
_CHART_LINE = re.compile(r"gantt|  (?:title|dateFormat|axisFormat|section) [^:;#<&]*|  [^:;#<&]* : 0, \d+")


def neutralised(text: str) -> str:
    """The text below the marker, harmless.

    A code block is left alone, so that a reader can copy from it, only where GitHub certainly sees one too: after an
    empty line (inside of HTML there is none), in the form that the renderer writes. Any other fence is broken up.
    """
    shown: list[str] = []
    block, before = "", "text"
    # Markdown ends a line at a carriage return, too.
    for line in text.replace("\r\n", "\n").replace("\r", "\n").split("\n"):
        after_empty, before = not before.strip(" \t"), line
        if not block and after_empty and line in ("```diff", "```mermaid"):
            block = line
            shown.append(line)
        elif block and line == "```":
            block = ""
            shown.append(line)
        elif block == "```mermaid":
            # Charts have links and scripts of their own.
            shown.append(line if _CHART_LINE.fullmatch(line) else "")
        elif block:
            shown.append(_FENCE.sub(rf"\1{_WORD_JOINER}", line))
        else:
            shown.append(_plain(line))
    return "\n".join(shown)


def _plain(line: str) -> str:
    line = _BARE_LINK.sub(rf"\1{_WORD_JOINER}", line)
    line = _OTHER_ENTITY.sub("&amp;", line)
    line = _OTHER_TAG.sub("&lt;", line)
    line = _BRACKET.sub(r"\\[", line)
    line = _MENTION.sub(f"@{_WORD_JOINER}", line)
    return _FENCE.sub(rf"\1{_WORD_JOINER}", line)
