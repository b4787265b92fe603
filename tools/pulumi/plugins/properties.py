"""Properties of resources as plain data, and what differs between two of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

from google.protobuf import json_format, struct_pb2
from pulumi.runtime.proto import provider_pb2
from pulumi.runtime.rpc import UNKNOWN, _special_secret_sig, _special_sig_key

Properties: TypeAlias = dict[str, Any]

ADD = provider_pb2.PropertyDiff.ADD
DELETE = provider_pb2.PropertyDiff.DELETE
UPDATE = provider_pb2.PropertyDiff.UPDATE
_REPLACING = {
    ADD: provider_pb2.PropertyDiff.ADD_REPLACE,
    DELETE: provider_pb2.PropertyDiff.DELETE_REPLACE,
    UPDATE: provider_pb2.PropertyDiff.UPDATE_REPLACE,
}

__all__ = ["UNKNOWN", "Missing", "Path", "Properties", "difference", "plain", "replacing_paths", "to_struct"]


def plain(struct: struct_pb2.Struct) -> Properties:
    """JSON values: whole numbers as integers; what only another resource's creation will tell is UNKNOWN."""
    whole: Properties = _whole(json_format.MessageToDict(struct))
    return whole


def to_struct(properties: Properties) -> struct_pb2.Struct:
    """The same on the wire."""
    return json_format.ParseDict(properties, struct_pb2.Struct())


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get(_special_sig_key) == _special_secret_sig:
            # A provider's own inputs come with their secrets marked, whatever it says that it accepts.
            return _whole(value["value"])
        return {name: _whole(entry) for name, entry in value.items()}
    if isinstance(value, list):
        return [_whole(entry) for entry in value]
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value


Path: TypeAlias = tuple[str | int, ...]


class Missing:
    """Stands for a value that is not there."""


def difference(
    old: Any, new: Any, replaces: Callable[[Path, Any, Any], bool] = lambda *_: False
) -> dict[str, provider_pb2.PropertyDiff]:
    """What differs, by Pulumi's property path; `replaces` says of a path and its values, of which one may be `Missing`,
    whether that asks for another object."""
    found = {}
    for path, kind, was, becomes in _differences(old, new, ()):
        anew = replaces(path, was, becomes)
        found[written(path)] = provider_pb2.PropertyDiff(kind=_REPLACING[kind] if anew else kind, inputDiff=True)
    return found


def replacing_paths(found: dict[str, provider_pb2.PropertyDiff]) -> list[str]:
    """The paths whose change makes another object."""
    return [path for path, change in found.items() if change.kind in _REPLACING.values()]


def _differences(old: Any, new: Any, path: Path) -> Iterator[tuple[Path, Any, Any, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted({*old, *new}):
            yield from _entry(old.get(name, Missing), new.get(name, Missing), (*path, name))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            sides = (side[index] if index < len(side) else Missing for side in (old, new))
            yield from _entry(*sides, (*path, index))
    elif old != new or type(old) is not type(new):
        yield path, UPDATE, old, new


def _entry(old: Any, new: Any, path: Path) -> Iterator[tuple[Path, Any, Any, Any]]:
    if new is Missing:
        yield path, DELETE, old, new
    elif old is Missing:
        yield path, ADD, old, new
    else:
        yield from _differences(old, new, path)


def written(path: Path) -> str:
    """`settings.databaseFlags[0].value`."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif any(character in part for character in '."[]/'):
            quoted = part.replace('"', '\\"')
            text += f'["{quoted}"]'
        else:
            text += f".{part}" if text else part
    return text
