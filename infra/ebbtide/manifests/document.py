"""What `ebbtide render --resources --format json` prints."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from typing_extensions import TypedDict

from ebbtide.manifests.resource import COMPONENT_PACKAGE, PROVIDER_PACKAGE, Resource, kind_of, to_json


# pydantic reads the one of the standard library from Python 3.12 on.
class OptionsDocument(TypedDict, total=False):
    """What Pulumi calls a resource's options, by its names."""

    parent: str
    """The component that it belongs to: its type and name, joined by `::`."""
    provider: str
    dependsOn: list[str]
    protect: bool
    deleteBeforeReplace: bool
    retainOnDelete: bool
    """Left where it is when the stack no longer has it."""
    ignoreChanges: list[str]
    customTimeouts: dict[str, str]
    aliases: list[str]
    """Names that it had before."""
    additionalSecretOutputs: list[str]


@dataclass(frozen=True, slots=True)
class ResourceDocument:
    """One registration."""

    type: str
    """`gcp:container/cluster:Cluster`, `kubernetes:apps/v1:Deployment`, `ebbtide:index:QueueConsumer`."""
    name: str
    """The logical name, unique among resources of one type."""
    properties: dict[str, Any]
    """Inputs in the provider's camelCase; references as text, secrets as `[secret]`."""
    options: OptionsDocument
    """Where they are set."""

    @classmethod
    def of(cls, resource: Resource) -> ResourceDocument:
        """The same as a document."""
        return cls(**to_json(resource))

    @property
    def key(self) -> str:
        """What identifies it within its stack."""
        return f"{self.type}::{self.name}"

    @property
    def kind(self) -> str:
        """`gcp:container/nodePool:NodePool` -> `NodePool`."""
        return kind_of(self.type)

    @property
    def is_deployed(self) -> bool:
        """Whether it will exist: components only group, and providers only connect."""
        return not self.type.startswith((COMPONENT_PACKAGE, PROVIDER_PACKAGE))


@dataclass(frozen=True, slots=True, kw_only=True)
class ResourcesDocument:
    """Every resource of a stack, in the order in which the program registers them."""

    version: Literal[1]
    """Another one where a key went away or means something else; keys may be added."""
    resources: tuple[ResourceDocument, ...]
