"""What a stack deploys, as plain data: one `Resource` per registration, without importing Pulumi.

The components register this data by token, so `render --resources`, the previews and their diffs can read it in a
few milliseconds, and what they show is what is registered.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from ebbtide.judgement.secrets import MASK

COMPONENT_PACKAGE = "ebbtide:"
PROVIDER_PACKAGE = "pulumi:providers:"

Value: TypeAlias = Any
"""JSON values, and `Ref`, `Lookup`, `Join` and `Secret` anywhere inside them."""


def kind_of(token: str) -> str:
    """`kubernetes:apps/v1:Deployment` -> `Deployment`."""
    return token.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class Ref:
    """An output of another resource, known only when that resource exists."""

    resource: str
    """The other resource's `key`."""
    output: str
    """The output by the provider's name; dots go inside: `controlPlaneEndpointsConfig.dnsEndpointConfig.endpoint`, a
    number into a list, and `connections[pscAutoConnection/connectionType=X]` to the entry of a list that says so."""

    def __str__(self) -> str:
        return f"${{{self.resource.rpartition('::')[2]}.{self.output}}}"


@dataclass(frozen=True, slots=True)
class Lookup:
    """A fact that the provider is asked for: the number of a project."""

    function: str
    """The function's token: `gcp:organizations/getProject:getProject`."""
    arguments: tuple[tuple[str, str], ...]
    """Its arguments by the provider's names."""
    output: str
    """Which part of the answer."""

    def __str__(self) -> str:
        of = ", ".join(value for _, value in self.arguments)
        return f"${{{self.function.rpartition(':')[2]}({of}).{self.output}}}"


@dataclass(frozen=True, slots=True)
class Join:
    """A text that is put together from literals and what is known only later."""

    parts: tuple[str | Ref | Lookup, ...]

    def __str__(self) -> str:
        return "".join(map(str, self.parts))


@dataclass(frozen=True, slots=True)
class Secret:
    """A value that must be encrypted in the state and masked wherever it is shown."""

    value: Value


@dataclass(frozen=True, slots=True)
class Timeouts:
    """How long the engine waits for an operation, in seconds; None is the provider's default."""

    create_seconds: int | None = None
    update_seconds: int | None = None
    delete_seconds: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """One registration: its type, its inputs in the provider's own names, and its options."""

    token: str
    """The type: `gcp:container/cluster:Cluster`, `kubernetes:apps/v1:Deployment`, `ebbtide:index:QueueConsumer`."""
    name: str
    """The logical name, unique among resources of one type."""
    properties: Mapping[str, Value] = field(default_factory=dict)
    """Inputs in the provider's camelCase."""
    parent: str | None = None
    """The `key` of the component it belongs to; None is the stack itself."""
    provider: str | None = None
    """The `key` of an explicit provider; None is the default provider of the package."""
    depends_on: tuple[str, ...] = ()
    """Keys of resources that must exist first, beside those it refers to; sorted."""
    protect: bool = False
    """Refuse to delete or replace it."""
    delete_before_replace: bool = False
    """Its name is fixed, so a replacement can only be made once the old one is gone."""
    retain_on_delete: bool = False
    """Leave it where it is when the stack no longer has it."""
    ignore_changes: tuple[str, ...] = ()
    """Paths of properties that something else owns."""
    timeouts: Timeouts = Timeouts()
    """How long the engine waits."""
    aliases: tuple[str, ...] = ()
    """Logical names it had before."""
    secret_outputs: tuple[str, ...] = ()
    """Outputs to encrypt beside those that come from secrets; sorted."""

    @property
    def key(self) -> str:
        """What identifies it within its stack: the type and the logical name."""
        return f"{self.token}::{self.name}"

    @property
    def is_provider(self) -> bool:
        """Whether it is the connection to an API rather than something deployed."""
        return self.token.startswith(PROVIDER_PACKAGE)

    @property
    def package(self) -> str:
        """The package whose plugin manages it: `gcp`, `kubernetes`; of a provider, the package it serves."""
        return self.token.removeprefix(PROVIDER_PACKAGE).partition(":")[0]

    def after(self, *keys: str) -> Resource:
        """The same resource, made only when those of `keys` are there."""
        return replace(self, depends_on=tuple(sorted({*self.depends_on, *keys})))

    def below(self, parent: str) -> Resource:
        """The same resource as a part of another component."""
        return replace(self, parent=parent)

    def with_timeouts(self, timeouts: Timeouts) -> Resource:
        """The same resource with these waits."""
        return replace(self, timeouts=timeouts)

    def ignoring(self, *paths: str) -> Resource:
        """The same resource, with properties that something else owns."""
        return replace(self, ignore_changes=(*self.ignore_changes, *paths))

    def ref(self, output: str) -> Ref:
        """One of its outputs."""
        return Ref(self.key, output)


@dataclass(frozen=True, slots=True)
class Component:
    """A component of the program: its own registration, and what it groups."""

    resource: Resource
    """The component itself."""
    parts: tuple[Resource, ...] = ()
    """What it registers, in this order."""
    components: tuple[Component, ...] = ()
    """Components inside of it, made after its parts."""

    @property
    def name(self) -> str:
        """Its logical name."""
        return self.resource.name

    @property
    def key(self) -> str:
        """The key of its own registration."""
        return self.resource.key

    def __iter__(self) -> Iterator[Resource]:
        """Every registration, in the order in which the program makes them."""
        yield self.resource
        yield from self.parts
        for component in self.components:
            yield from component


_ENTRY_THAT_SAYS = re.compile(r"(?P<list>\w+)\[(?P<path>[\w/]+)=(?P<value>\w+)\]")


def inside(at: Any, part: str) -> Any:
    """One step into another resource's output, as `Ref.output` writes it between dots.

    Raises LookupError where there is nothing.
    """
    if isinstance(at, list):
        return at[int(part)]
    chosen = _ENTRY_THAT_SAYS.fullmatch(part)
    if chosen is None:
        return at[part]
    path = chosen["path"].split("/")
    for entry in at[chosen["list"]]:
        if functools.reduce(inside, path, entry) == chosen["value"]:
            return entry
    raise LookupError(f"no entry of {chosen['list']} says {chosen['path']}={chosen['value']}")


def references(value: Value) -> Iterator[Ref]:
    """Every reference inside a value."""
    if isinstance(value, Ref):
        yield value
    elif isinstance(value, Join):
        yield from (part for part in value.parts if isinstance(part, Ref))
    elif isinstance(value, Secret):
        yield from references(value.value)
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from references(entry)
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for entry in value:
            yield from references(entry)


def with_text_references(value: Value) -> Value:
    """The same value with every reference written as text, `${cluster-network.id}`; secrets stay secrets."""
    if isinstance(value, (Ref, Lookup, Join)):
        return str(value)
    if isinstance(value, Secret):
        return Secret(with_text_references(value.value))
    if isinstance(value, Mapping):
        return {key: with_text_references(entry) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [with_text_references(entry) for entry in value]
    return value


def to_json(resource: Resource) -> dict[str, Any]:
    """The resource as JSON: references as text, secrets masked, options only where they are set."""
    options = {
        "parent": resource.parent,
        "provider": resource.provider,
        "dependsOn": list(resource.depends_on),
        "protect": resource.protect,
        "deleteBeforeReplace": resource.delete_before_replace,
        "retainOnDelete": resource.retain_on_delete,
        "ignoreChanges": list(resource.ignore_changes),
        "customTimeouts": {
            operation: f"{seconds}s"
            for operation, seconds in (
                ("create", resource.timeouts.create_seconds),
                ("update", resource.timeouts.update_seconds),
                ("delete", resource.timeouts.delete_seconds),
            )
            if seconds is not None
        },
        "aliases": list(resource.aliases),
        "additionalSecretOutputs": list(resource.secret_outputs),
    }
    return {
        "type": resource.token,
        "name": resource.name,
        "properties": _masked(with_text_references(resource.properties)),
        "options": {name: value for name, value in options.items() if value},
    }


def _masked(value: Value) -> Value:
    if isinstance(value, Secret):
        return MASK
    if isinstance(value, Mapping):
        return {key: _masked(entry) for key, entry in value.items()}
    if isinstance(value, list):
        return [_masked(entry) for entry in value]
    return value
