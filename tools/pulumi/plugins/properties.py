"""Properties of resources as plain data, and what differs between two of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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

__all__ = ["UNKNOWN", "Properties", "difference", "plain", "replacing_paths", "to_struct"]


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


def difference(old: Any, new: Any, replacing: Iterable[str] = ()) -> dict[str, provider_pb2.PropertyDiff]:
    """What differs, by Pulumi's property path; a path at or below one of `replacing` asks for a replacement."""
    replacing = tuple(replacing)
    found = {}
    for path, kind in _differences(old, new, ""):
        at_or_below = any(path == root or path.startswith((f"{root}.", f"{root}[")) for root in replacing)
        found[path] = provider_pb2.PropertyDiff(kind=_REPLACING[kind] if at_or_below else kind, inputDiff=True)
    return found


def replacing_paths(found: dict[str, provider_pb2.PropertyDiff]) -> list[str]:
    """The paths whose change makes another object."""
    return [path for path, change in found.items() if change.kind in _REPLACING.values()]


def _differences(old: Any, new: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for name in sorted({*old, *new}):
            inside = _below(path, name)
            if name not in new:
                yield inside, DELETE
            elif name not in old:
                yield inside, ADD
            else:
                yield from _differences(old[name], new[name], inside)
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            inside = f"{path}[{index}]"
            if index >= len(new):
                yield inside, DELETE
            elif index >= len(old):
                yield inside, ADD
            else:
                yield from _differences(old[index], new[index], inside)
    elif old != new or type(old) is not type(new):
        yield path, UPDATE


def _below(path: str, name: str) -> str:
    if any(character in name for character in '."[]/'):
        quoted = name.replace('"', '\\"')
        return f'{path}["{quoted}"]'
    return f"{path}.{name}" if path else name
