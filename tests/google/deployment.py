"""What a stack makes of Google's, made by requests without an engine: in the order of its references, and back."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tools.google.client import Client
from tools.google.kinds import Kind
from tools.google.types import PROJECT_NUMBER, TYPES

from ebbtide.manifests.resource import Join, Lookup, Ref, Resource, Secret, inside, references

# What Google refuses to delete while it is set; the provider's own protection is not asked here.
_PROTECTIONS = (("deletionProtectionEnabled",), ("settings", "deletionProtectionEnabled"))


@dataclass(frozen=True, slots=True)
class Made:
    """One of them."""

    resource: Resource
    kind: Kind
    identifier: str
    inputs: Mapping[str, Any]

    def seen(self, client: Client) -> Mapping[str, Any] | None:
        """Its inputs as a refresh would find them; None where it is gone."""
        found = self.kind.read(client, self.identifier, self.inputs)
        return None if found is None else self.kind.seen(client, self.inputs, found)

    def changed(self, client: Client, **properties: Any) -> Made:
        """The same with other properties."""
        new = {**self.inputs, **properties}
        self.kind.update(client, self.identifier, self.inputs, new)
        return Made(self.resource, self.kind, self.identifier, new)

    def delete(self, client: Client) -> None:
        """Take its protection away, and then itself."""
        made = self
        for first, *rest in _PROTECTIONS:
            value = self.inputs.get(first)
            is_protected = isinstance(value, Mapping) and value.get(rest[0]) if rest else value
            if is_protected:
                made = made.changed(client, **{first: {**value, rest[0]: False} if rest else False})
        self.kind.delete(client, self.identifier, made.inputs)


def make(client: Client, resources: Iterable[Resource]) -> list[Made]:
    """Make all of Google's, each when what it needs is there. Raises Refused."""
    outputs: dict[str, Any] = {}
    made = []
    for resource in _in_order([one for one in resources if one.package == "gcp" and not one.is_provider]):
        kind, inputs = TYPES[resource.token], _known(resource.properties, outputs)
        identifier, found = kind.create(client, inputs)
        outputs[resource.key] = _outputs(inputs, identifier, kind.added(client, identifier, found))
        made.append(Made(resource, kind, identifier, inputs))
    return made


def _in_order(left: list[Resource]) -> Iterator[Resource]:
    while left:
        waiting = {resource.key for resource in left}
        ready = next(one for one in left if not waiting & {*one.depends_on, *_needed(one)})
        left.remove(ready)
        yield ready


def _needed(resource: Resource) -> Iterator[str]:
    return (reference.resource for reference in references(resource.properties))


def _outputs(inputs: Mapping[str, Any], identifier: str, added: Mapping[str, Any]) -> dict[str, Any]:
    outputs = {**inputs, "id": identifier}
    for path, value in added.items():
        outputs = _with(outputs, path.split("."), value)
    return outputs


def _with(at: Mapping[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    first, *rest = path
    return {**at, first: _with(at.get(first) or {}, rest, value) if rest else value}


def _known(value: Any, outputs: Mapping[str, Any]) -> Any:
    """The value with what earlier ones have told; what no resource of Google's tells is a text."""
    match value:
        case Ref() if value.resource in outputs:
            found = functools.reduce(inside, value.output.split("."), outputs[value.resource])
        case Ref():
            found = "told by another provider"
        case Lookup():
            found = PROJECT_NUMBER
        case Join():
            found = "".join(part if isinstance(part, str) else _known(part, outputs) for part in value.parts)
        case Secret():
            found = _known(value.value, outputs)
        case dict():
            found = {key: _known(entry, outputs) for key, entry in value.items()}
        case list() | tuple():
            found = [_known(entry, outputs) for entry in value]
        case _:
            found = value
    return found
