"""Base and head as lists of resources -> the change between them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from ebbtide.preview.change import (
    MISSING,
    UNKNOWN,
    Operation,
    OptionChange,
    PropertyChange,
    ResourceChange,
    diff,
    is_moved,
    leaves,
)
from ebbtide.preview.sources.immutable import replaces

JsonResource = Mapping[str, Any]
"""A resource as `render --resources --format json` prints it: type, name, properties, options."""

# What a reader must hear of; the other options follow from what is deployed.
_JUDGED_OPTIONS = ("protect", "retainOnDelete", "ignoreChanges")
# `${cluster-network.selfLink}`: an output of another resource.
_REFERENCE = re.compile(r"\$\{([^.}(]+)\.([^}]+)\}")
PROVIDER_GOES = PropertyChange(("provider",), MISSING, UNKNOWN, replaces=True)
"""Why an object is replaced that did not change itself: what it is made through is replaced, or is another."""


def compare(
    base: Iterable[JsonResource], head: Iterable[JsonResource]
) -> tuple[tuple[ResourceChange, ...], tuple[ResourceChange, ...]]:
    """The changes in the order of the head, then deletions; and what stays as it is."""
    before = {_key(found): found for found in base}
    after = {_key(found): found for found in head}
    renamed = dict(_renames(before, after))
    pairs = {key: (before.pop(renamed.get(key, key), None), new) for key, new in after.items()}
    compared = _with_consequences({key: _change(old, new) for key, (old, new) in pairs.items()}, pairs)
    compared = {key: _as_it_is_made(change, pairs[key][1]) for key, change in compared.items()}
    deleted = [
        ResourceChange(
            old["type"],
            old["name"],
            Operation.DELETE,
            old=old["properties"],
            is_retained=_is_retained(old),
            through=_through(old),
        )
        for old in before.values()
    ]
    changed, standing = _parted(compared.values())
    return tuple(_without_groups([*changed, *deleted])), tuple(_without_groups(standing))


def _parted(compared: Iterable[ResourceChange]) -> tuple[list[ResourceChange], list[ResourceChange]]:
    """What changes or is new, and what stays as it is. Not by looking each up in the other list: that compares every
    manifest with every one."""
    sides: tuple[list[ResourceChange], list[ResourceChange]] = ([], [])
    for change in compared:
        is_changed = change.properties or change.options or not change.old
        sides[0 if is_changed else 1].append(change)
    return sides


def _without_groups(changes: Iterable[ResourceChange]) -> Iterator[ResourceChange]:
    """Components only group others."""
    return (change for change in changes if not change.token.startswith("ebbtide:"))


def _key(found: JsonResource) -> str:
    return f"{found['type']}::{found['name']}"


def _renames(before: Mapping[str, JsonResource], after: Mapping[str, JsonResource]) -> Iterator[tuple[str, str]]:
    """Resources of the head that say what they were called before."""
    for key, new in after.items():
        for alias in new["options"].get("aliases", []):
            old = f"{new['type']}::{alias}"
            if old in before and key not in before:
                yield key, old


def _change(old: JsonResource | None, new: JsonResource) -> ResourceChange:
    token, name = new["type"], new["name"]
    ignored = tuple(new["options"].get("ignoreChanges", ()))
    if old is None:
        return ResourceChange(
            token, name, Operation.CREATE, new=new["properties"], ignored=ignored, through=_through(new)
        )
    inputs = (old["properties"], _kept(old["properties"], new["properties"], ignored))
    properties = tuple(replace(change, replaces=replaces(token, change)) for change in diff(*inputs))
    moves = is_moved(_through(old), _through(new))
    properties += (PROVIDER_GOES,) if moves else ()
    options = tuple(_option_changes(old["options"], new["options"]))
    return _operation_of(
        ResourceChange(
            token,
            name,
            Operation.UPDATE,
            *inputs,
            properties,
            options,
            ignored,
            is_retained=_is_retained(old),
            through=_through(new),
            moves=moves,
        )
    )


def _through(found: JsonResource) -> str:
    return str(found["options"].get("provider") or "")


def _is_retained(old: JsonResource) -> bool:
    """The engine goes by what it remembers, and not by what the program says now."""
    return bool(old["options"].get("retainOnDelete"))


def _operation_of(change: ResourceChange) -> ResourceChange:
    goes = any(found.replaces for found in change.properties)
    return replace(change, operation=Operation.REPLACE if goes else Operation.UPDATE)


def _kept(old: Mapping[str, Any], new: Mapping[str, Any], ignored: Iterable[str]) -> Mapping[str, Any]:
    """The new inputs with the old ones where the program leaves a property alone. The engine goes by what the program
    says now: a number that it stated before, and now leaves to another owner, stays what it was."""
    for path in ignored:
        new = _with(new, tuple(path.split(".")), old)
    return new


def _with(new: Mapping[str, Any], path: tuple[str, ...], old: Any) -> Mapping[str, Any]:
    name, *below = path
    there = old.get(name, MISSING) if isinstance(old, Mapping) else MISSING
    if below:
        inside = new.get(name, MISSING)
        return {**new, name: _with(inside, tuple(below), there)} if isinstance(inside, Mapping) else new
    rest = {key: value for key, value in new.items() if key != name}
    return rest if there is MISSING else {**rest, name: there}


def _is_ignored(change: PropertyChange, new: JsonResource) -> bool:
    path = ".".join(map(str, change.path))
    return any(path == name or path.startswith(f"{name}.") for name in new["options"].get("ignoreChanges", ()))


def _option_changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[OptionChange]:
    for name in _JUDGED_OPTIONS:
        if old.get(name, MISSING) != new.get(name, MISSING):
            yield OptionChange(name, old.get(name), new.get(name))


_Pairs = Mapping[str, tuple[JsonResource | None, JsonResource]]


def _with_consequences(compared: dict[str, ResourceChange], pairs: _Pairs) -> dict[str, ResourceChange]:
    """What follows from a replacement, as the engine plans it: an output of what is replaced is not known before, so
    that who refers to it changes as well and may be replaced for it; and with a provider all goes that it made."""
    gone: set[str] = set()
    while True:
        new_ones = {key for key, change in compared.items() if change.operation is Operation.REPLACE} - gone
        if not new_ones:
            return compared
        gone |= new_ones
        outputs = {compared[key].name: compared[key] for key in gone}
        for key, (old, new) in pairs.items():
            if old is not None:
                compared[key] = _operation_of(_after(compared[key], new, outputs, gone))


def _after(
    change: ResourceChange, new: JsonResource, replaced: Mapping[str, ResourceChange], gone: set[str]
) -> ResourceChange:
    known = {found.path for found in change.properties}
    more = [
        PropertyChange(leaf.path, leaf.value, UNKNOWN)
        for leaf in leaves(change.new)
        if leaf.path not in known and _refers(leaf.value, replaced)
    ]
    properties = [
        replace(found, replaces=replaces(change.token, found)) for found in more if not _is_ignored(found, new)
    ]
    if new["options"].get("provider") in gone and PROVIDER_GOES not in change.properties:
        properties.append(PROVIDER_GOES)
    return replace(change, properties=(*change.properties, *properties))


def _as_it_is_made(change: ResourceChange, new: JsonResource) -> ResourceChange:
    """A replacement is made of what the program says, also of what it leaves alone otherwise: the engine checks the
    program's own inputs for it (seen with a number of pods that went to an autoscaler)."""
    if change.operation is not Operation.REPLACE:
        return change
    more = [found for found in diff(change.old, new["properties"]) if _is_ignored(found, new)]
    return replace(change, new=new["properties"], properties=(*change.properties, *more))


def _refers(value: object, replaced: Mapping[str, ResourceChange]) -> bool:
    """Whether a text holds an output that is made anew. One that repeats an input, as a name does, stays known."""
    if not isinstance(value, str):
        return False
    for name, output in _REFERENCE.findall(value):
        source = replaced.get(name)
        if source is not None and not (output in source.new and source.new[output] == source.old.get(output)):
            return True
    return False
