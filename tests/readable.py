"""Resources as a test compares them."""

from __future__ import annotations

from dataclasses import replace

from ebbtide.manifests.resource import Resource, with_text_references


def readable(resource: Resource) -> Resource:
    """The same resource with every reference written as text; secrets stay secrets."""
    return replace(resource, properties=with_text_references(resource.properties))
