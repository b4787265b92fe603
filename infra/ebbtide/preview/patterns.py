"""Patterns of properties: how rules, and the list of what is harmless, name what they know."""

from __future__ import annotations

import re
from functools import cache

from ebbtide.preview.change import Leaf, Path
from ebbtide.preview.reads import tells_of_broker

CREATED, DELETED, REPLACED = "(created)", "(deleted)", "(replaced)"
"""In place of a property: that the resource comes, goes, or is made anew."""

NO_PREFIX = "(no prefix)"
"""In place of a key: any without a domain before it, as `team`. `istio.io/rev` is somebody's, who acts on it."""

OF_A_BROKER = "(of a broker)"
"""In place of a key: any variable that says by its name where messages come from, as `MESSENGER_TRANSPORT_DSN`."""

_PART = re.compile(r"\[([^\]]*)\]|([^.\[\]]+)")


@cache
def parse_pattern(text: str) -> Path:
    """`metadata.labels[app.kubernetes.io/name]` -> ("metadata", "labels", "app.kubernetes.io/name"); `*` stands for any
    one key or place."""
    return tuple(quoted or plain for quoted, plain in _PART.findall(text))


def matches(leaf: Leaf, pattern: Path) -> bool:
    """Whether a pattern names this very value. An empty mapping or list holds no other, and is named with its place."""
    if len(leaf.path) < len(pattern):
        return leaf.value in ({}, []) and overlaps(leaf.path, pattern)
    return len(leaf.path) == len(pattern) and overlaps(leaf.path, pattern)


def overlaps(path: Path, pattern: Path) -> bool:
    """Whether one is at, above or below the other."""
    return all(_names(wanted, str(part)) for part, wanted in zip(path, pattern, strict=False))


def _names(wanted: str | int, part: str) -> bool:
    if wanted == OF_A_BROKER:
        return tells_of_broker(part)
    return wanted in {"*", part} or (wanted == NO_PREFIX and "/" not in part)
