"""On which line a setting stands. Only who shows findings asks, so that reading settings keeps no positions."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import yaml

from ebbtide.judgement.findings import Path as SettingsPath
from ebbtide.settings.loading.project import PROJECT_FILE
from ebbtide.settings.loading.yaml import YAML_READER

_Entries = dict[str, tuple[int, yaml.Node]]
"""By key: the line of the key, from 1, and what stands behind it."""
_MERGE = "tag:yaml.org,2002:merge"
_OURS = "ebbtide:"


def place_of(source: str, path: SettingsPath, root: Path) -> tuple[str, int | None] | None:
    """The file of a finding as seen from the current directory, as every linter names files, and the line there.

    `source` is relative to the project. None where it is no file: an option, the environment.
    """
    file = root / source
    if not source or not file.is_file():
        return None
    whole, here = Path(os.path.normpath(file)), Path.cwd()
    return (whole.relative_to(here) if whole.is_relative_to(here) else whole).as_posix(), line_of(file, path)


def line_of(file: Path, path: SettingsPath) -> int | None:
    """The line, from 1, of a setting in a stack file or in Pulumi.yaml, or of its nearest parent there: of the places
    that lead as far, the one that is in force.

    None where the file has neither, or cannot be read.
    """
    root = _composed(file)
    if root is None:
        return None
    found = [_walk(node, line, path[depth:], depth) for line, node, depth in _starts(root, path, file.name)]
    reached = [one for one in found if one[0]]
    return max(reached, key=lambda one: one[0])[1] if reached else None


@lru_cache(maxsize=8)
def _composed(file: Path) -> yaml.Node | None:
    try:
        return yaml.compose(file.read_text(encoding="utf-8"), Loader=YAML_READER)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError):
        return None


def _starts(root: yaml.Node, path: SettingsPath, file: str) -> Iterator[tuple[int, yaml.Node, int]]:
    """Where a path may begin: a line, what stands there, and how much of the path leads to it. What is in force comes
    first: a key of its own before the shared defaults, and these before what they give every consumer."""
    config = {key: (line, _value(node, file)) for key, (line, node) in _entries(_below(root, "config")).items()}
    # `gcp:project` and the like are said with their namespace, ours without.
    for key in (f"{_OURS}{path[0]}", str(path[0])) if path else ():
        if key in config:
            yield *config[key], 1
    for key in (f"{_OURS}defaults", "defaults"):
        if key in config:
            line, shared = config[key]
            yield line, shared, 0
            template = _entries(shared).get("consumer")
            if template and path[:1] == ("consumers",):
                yield *template, 2
    # What is said of the file itself, with `config` as a part of the path or beside it.
    yield 1, root, 0


def _below(node: yaml.Node, key: str) -> yaml.Node:
    return _entries(node).get(key, (0, node))[1]


def _value(node: yaml.Node, file: str) -> yaml.Node:
    """Pulumi.yaml may describe a setting, with its value under `value` or `default`."""
    described = _entries(node) if file == PROJECT_FILE else {}
    return next((described[key][1] for key in ("value", "default") if key in described), node)


def _walk(node: yaml.Node, line: int, path: SettingsPath, depth: int) -> tuple[int, int]:
    """How far the path leads, and the line at which it ends."""
    if path and isinstance(path[0], int):
        if isinstance(node, yaml.SequenceNode) and path[0] < len(node.value):
            entry = node.value[path[0]]
            return _walk(entry, entry.start_mark.line + 1, path[1:], depth + 1)
    elif path and path[0] in (entries := _entries(node)):
        line, entry = entries[path[0]]
        return _walk(entry, line, path[1:], depth + 1)
    return depth, line


# Many findings of one file ask for the same few mappings: its consumers, and each of them.
@lru_cache(maxsize=4096)
def _entries(node: yaml.Node) -> _Entries:
    if not isinstance(node, yaml.MappingNode):
        return {}
    found: _Entries = {}
    for key, value in node.value:
        if key.tag == _MERGE:
            for merged in value.value if isinstance(value, yaml.SequenceNode) else [value]:
                found = {**_entries(merged), **found}
    return {**found, **{str(key.value): (key.start_mark.line + 1, value) for key, value in node.value}}
