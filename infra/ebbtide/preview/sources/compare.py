"""Base and head as lists of resources -> the change between them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ebbtide.preview.change import MISSING, Operation, OptionChange, PropertyChange, ResourceChange, diff
from ebbtide.preview.sources.immutable import replaces

JsonResource = Mapping[str, Any]
"""A resource as `render --resources --format json` prints it: type, name, properties, options."""

# What a reader must hear of; the other options follow from what is deployed.
_JUDGED_OPTIONS = ("protect", "ignoreChanges")


def compare(base: Iterable[JsonResource], head: Iterable[JsonResource]) -> tuple[tuple[ResourceChange, ...], int]:
    """The changes in the order of the head, then deletions; and how many resources stay as they are."""
    before = {_key(found): found for found in base}
    after = {_key(found): found for found in head}
    renamed = dict(_renames(before, after))
    changes = []
    unchanged = 0
    for key, new in after.items():
        old = before.pop(renamed.get(key, key), None)
        change = _change(old, new)
        if change is None:
            unchanged += 1
        else:
            changes.append(change)
    changes += [
        ResourceChange(old["type"], old["name"], Operation.DELETE, old=old["properties"])
        for old in before.values()
        if not _only_groups(old)
    ]
    return tuple(change for change in changes if not change.token.startswith("ebbtide:")), unchanged


def _key(found: JsonResource) -> str:
    return f"{found['type']}::{found['name']}"


def _only_groups(found: JsonResource) -> bool:
    return str(found["type"]).startswith("ebbtide:")


def _renames(before: Mapping[str, JsonResource], after: Mapping[str, JsonResource]) -> Iterator[tuple[str, str]]:
    """Resources of the head that say what they were called before."""
    for key, new in after.items():
        for alias in new["options"].get("aliases", []):
            old = f"{new['type']}::{alias}"
            if old in before and key not in before:
                yield key, old


def _change(old: JsonResource | None, new: JsonResource) -> ResourceChange | None:
    token, name = new["type"], new["name"]
    if old is None:
        return ResourceChange(token, name, Operation.CREATE, new=new["properties"])
    properties = tuple(_marked(token, change) for change in diff(old["properties"], new["properties"]))
    options = tuple(_option_changes(old["options"], new["options"]))
    if not properties and not options:
        return None
    operation = Operation.REPLACE if any(change.replaces for change in properties) else Operation.UPDATE
    return ResourceChange(token, name, operation, old["properties"], new["properties"], properties, options)


def _marked(token: str, change: PropertyChange) -> PropertyChange:
    return replace(change, replaces=replaces(token, change.path))


def _option_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[OptionChange]:
    for name in _JUDGED_OPTIONS:
        if old.get(name, MISSING) != new.get(name, MISSING):
            yield OptionChange(name, old.get(name), new.get(name))
