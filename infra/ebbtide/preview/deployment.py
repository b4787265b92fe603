"""What a stack deploys, as data: its resources by component, and what its settings mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ebbtide.explain.model import StackExplanation
from ebbtide.judgement.findings import Level
from ebbtide.manifests.resource import Resource


@dataclass(frozen=True, slots=True)
class DeploymentPreview:
    """One stack, as the program registers it."""

    explanation: StackExplanation
    resources: tuple[Resource, ...]
    what_if: tuple[str, ...] = ()
    """One line of simulation per consumer with a committed load profile."""

    @property
    def deployed(self) -> tuple[Resource, ...]:
        """What will exist: neither components, which only group, nor providers, which only connect."""
        return tuple(found for found in self.resources if not found.is_component and not found.is_provider)

    @property
    def verdict(self) -> str:
        """The first line of every format."""
        consumers = len(self.explanation.consumers)
        open_findings = [found for found in self.explanation.findings if not found.accepted]
        counts = {level: sum(found.level is level for found in open_findings) for level in Level}
        words = [f"{_plural(consumers, 'consumer')} in {_plural(len(self.deployed), 'resource')}"]
        words += [_plural(counts[level], str(level)) for level in (Level.WARNING,) if counts[level]]
        return f"Stack {self.explanation.name} deploys {', with '.join(words)}."

    def by_component(self) -> Mapping[str, list[Resource]]:
        """Resources under the path of components they belong to, in the order of the program."""
        parents = {found.key: found for found in self.resources}
        groups: dict[str, list[Resource]] = {}
        for found in self.deployed:
            path = " / ".join(f"{kind_of(owner)} {owner.name}" for owner in reversed(list(_owners(found, parents))))
            groups.setdefault(path, []).append(found)
        return groups


def _owners(resource: Resource, by_key: Mapping[str, Resource]) -> Iterable[Resource]:
    parent = resource.parent
    while parent is not None and parent in by_key:
        yield by_key[parent]
        parent = by_key[parent].parent


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}{'' if count == 1 else 's'}"


def kind_of(resource: Resource) -> str:
    """`gcp:container/nodePool:NodePool` -> `NodePool`."""
    return resource.token.rpartition(":")[2]


def title_of(resource: Resource) -> str:
    """What the resource is called where it is deployed, rather than in the program."""
    metadata = resource.properties.get("metadata")
    if isinstance(metadata, Mapping) and "name" in metadata:
        return str(metadata["name"])
    for name in ("name", "repositoryId", "accountId", "role"):
        if isinstance(resource.properties.get(name), str):
            return str(resource.properties[name])
    return resource.name


def notes_of(resource: Resource) -> str:
    """The options that matter to a reader."""
    notes = ["protected"] if resource.protect else []
    notes += [f"leaves {path} alone" for path in resource.ignore_changes]
    return ", ".join(notes)
