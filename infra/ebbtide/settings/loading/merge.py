"""How a stack's values stand over the shared defaults.

The engine replaces whole top-level values, so a shared base under the same key would be lost at the first
difference. The base therefore has a key of its own, `ebbtide:defaults`, and this merge, the same in both ways of
running:

- mappings merge key by key, to any depth;
- lists and scalars replace;
- a mapping with another `kind` replaces as a whole: it is another thing;
- `null` removes what the base says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ebbtide.judgement.findings import Path

Sources = dict[Path, str]
"""For every value, by path, the file that it came from."""


def merge(base: Any, over: Any) -> Any:
    """`over` laid on `base`, neither of which is changed."""
    if not (isinstance(base, Mapping) and isinstance(over, Mapping)):
        return without_nulls(over)
    if "kind" in over and "kind" in base and over["kind"] != base["kind"]:
        return without_nulls(over)
    merged = dict(base)
    for key, value in over.items():
        if value is None:
            merged.pop(key, None)
        else:
            merged[key] = merge(merged[key], value) if key in merged else without_nulls(value)
    return merged


def without_nulls(value: Any) -> Any:
    """A mapping without its null entries, which only say what to remove."""
    if isinstance(value, Mapping):
        return {key: without_nulls(entry) for key, entry in value.items() if entry is not None}
    return value


def record_sources(value: Any, source: str, sources: Sources, path: Path = ()) -> None:
    """Note `source` for `value` and everything below it; a later call stands over an earlier one."""
    sources[path] = source
    if isinstance(value, Mapping):
        for key, entry in value.items():
            record_sources(entry, source, sources, (*path, key))


def source_of(path: Path, sources: Sources) -> str:
    """The file that the value at `path`, or its nearest parent, came from."""
    for length in range(len(path), 0, -1):
        if path[:length] in sources:
            return sources[path[:length]]
    return ""
