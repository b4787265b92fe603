"""The resources of a deployment as a reader sees them: by component, by the names they have where they are deployed."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ebbtide.manifests.document import ResourceDocument
from ebbtide.preview.change import deployed_name


def by_component(resources: Iterable[ResourceDocument]) -> Mapping[str, list[ResourceDocument]]:
    """What is deployed, under the path of components it belongs to, in the order of the program."""
    known = {resource.key: resource for resource in resources}
    groups: dict[str, list[ResourceDocument]] = {}
    for resource in known.values():
        if resource.is_deployed:
            owners = list(_owners(resource, known))
            path = " / ".join(f"{owner.kind} {owner.name}" for owner in reversed(owners))
            groups.setdefault(path or "(stack)", []).append(resource)
    return groups


def _owners(resource: ResourceDocument, known: Mapping[str, ResourceDocument]) -> Iterator[ResourceDocument]:
    # A document from elsewhere may name owners in a circle.
    seen = {resource.key}
    parent = resource.options.get("parent", "")
    while parent in known and parent not in seen:
        seen.add(parent)
        yield known[parent]
        parent = known[parent].options.get("parent", "")


def title_of(resource: ResourceDocument) -> str:
    """What the resource is called where it is deployed, rather than in the program."""
    return deployed_name(resource.properties) or resource.name


def notes_of(resource: ResourceDocument) -> str:
    """The options that matter to a reader."""
    notes = ["protected"] if resource.options.get("protect") else []
    notes += [f"leaves {path} alone" for path in resource.options.get("ignoreChanges", [])]
    return ", ".join(notes)
