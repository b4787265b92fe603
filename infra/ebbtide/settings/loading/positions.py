"""On which line a setting stands. Only who shows findings asks, so that reading settings keeps no positions."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import yaml

from ebbtide.judgement.findings import Path as SettingsPath
from ebbtide.settings.loading.yaml import YAML_READER

_Entries = dict[str, tuple[int, yaml.Node]]
"""By key: the line of the key, from 1, and what stands behind it."""


def line_of(file: Path, path: SettingsPath) -> int | None:
    """The line, from 1, of a setting in a stack file or in Pulumi.yaml, or of its nearest parent there.

    None where the file has neither, or cannot be read.
    """
    root = _composed(file)
    if root is None:
        return None
    found = [_walk(node, line, path[depth:], depth) for line, node, depth in _starts(root, path)]
    return max((one for one in found if one[0]), default=(0, None))[1]


def seen_from_here(file: Path) -> str:
    """Relative to the current directory, as every linter names files: a workflow runs in its repository's root."""
    here = Path.cwd()
    return (file.relative_to(here) if file.is_relative_to(here) else file).as_posix()


@lru_cache(maxsize=8)
def _composed(file: Path) -> yaml.Node | None:
    try:
        return yaml.compose(file.read_text(encoding="utf-8"), Loader=YAML_READER)
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError):
        return None


def _starts(root: yaml.Node, path: SettingsPath) -> Iterator[tuple[int, yaml.Node, int]]:
    """Where a path may begin: a line, what stands there, and how much of the path leads to it."""
    config = _entries(root).get("config")
    for key, (line, node) in _entries(config[1]).items() if config else ():
        name = key.rpartition(":")[2]
        if path and path[0] in {key, name}:
            yield line, _value(node), 1
        elif name == "defaults":
            shared = _value(node)
            yield line, shared, 0
            template = _entries(shared).get("consumer")
            if template and path[:1] == ("consumers",):
                yield *template, 2


def _value(node: yaml.Node) -> yaml.Node:
    """Pulumi.yaml may describe a setting, with its value under `value` or `default`."""
    described = _entries(node)
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
    return {str(key.value): (key.start_mark.line + 1, value) for key, value in node.value}
