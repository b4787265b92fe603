"""From plain data to registrations: the only place where a `Resource` meets Pulumi.

Resources are registered by token, without the SDK's generated classes: importing those takes 4.4 s, and the data is
already in the provider's own names, which a contract test holds against the classes. What a class would add is
added here: the version of the plugin.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from importlib.metadata import version
from typing import Any

import pulumi

from ebbtide.manifests.resource import Join, Lookup, Ref, Resource, Secret, Timeouts, Value, inside, references

Registered = dict[str, pulumi.CustomResource]
"""What has been registered, by the key of its data."""


@functools.cache
def plugin_version(package: str) -> str:
    """The version of the provider's plugin: that of the installed SDK, as its classes would ask for."""
    return version(f"pulumi-{package}")


def register(
    resources: Iterable[Resource],
    parent: pulumi.Resource | None = None,
    known: Mapping[str, pulumi.CustomResource] | None = None,
) -> Registered:
    """Register resources in their order, as children of `parent`, whose provider they use.

    `known` are resources of other components that these refer to. Raises KeyError for a reference to a resource that
    neither of both holds.
    """
    resources = tuple(resources)
    outputs = _outputs(resources)
    here: Registered = dict(known or {})
    registered: Registered = {}
    for resource in resources:
        properties = {name: _input(value, here) for name, value in resource.properties.items()}
        # An output that nobody states as an input exists only if it is asked for.
        asked = {name: None for name in outputs.get(resource.key, ()) if name not in properties}
        options = _options(resource, parent, here)
        registered[resource.key] = here[resource.key] = _register_one(resource, {**asked, **properties}, options)
    return registered


def resolve(value: Value, known: Mapping[str, pulumi.CustomResource]) -> pulumi.Output[Any]:
    """The value, with what it refers to, as an output."""
    return pulumi.Output.from_input(_input(value, known))


def _register_one(
    resource: Resource, properties: dict[str, Any], options: pulumi.ResourceOptions
) -> pulumi.CustomResource:
    if resource.is_provider:
        return pulumi.ProviderResource(resource.package, resource.name, properties, options)
    return pulumi.CustomResource(resource.token, resource.name, properties, options)


# Outputs that other components refer to; those within one component are found from its data.
EXPORTED_OUTPUTS = {
    "gcp:container/cluster:Cluster": ("controlPlaneEndpointsConfig", "name", "location"),
    "gcp:artifactregistry/repository:Repository": ("name", "registryUri"),
}


def _outputs(resources: Iterable[Resource]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for resource in resources:
        found.setdefault(resource.key, set()).update(EXPORTED_OUTPUTS.get(resource.token, ()))
        for ref in references(resource.properties):
            found.setdefault(ref.resource, set()).add(ref.output.partition(".")[0])
    return {key: names - {"id"} for key, names in found.items()}


def _input(value: Value, known: Mapping[str, pulumi.CustomResource]) -> Any:
    match value:
        case Ref():
            found: Any = _output(value, known)
        case Lookup():
            found = _answer(value)
        case Join():
            parts = (part if isinstance(part, str) else _input(part, known) for part in value.parts)
            found = pulumi.Output.concat(*parts)
        case Secret():
            found = pulumi.Output.secret(_input(value.value, known))
        case dict():
            found = {name: _input(entry, known) for name, entry in value.items()}
        case list() | tuple():
            found = [_input(entry, known) for entry in value]
        case _:
            found = value
    return found


def _answer(lookup: Lookup) -> pulumi.Output[Any]:
    options = pulumi.InvokeOptions(version=plugin_version(lookup.function.partition(":")[0]))
    answer = pulumi.runtime.invoke_output(lookup.function, dict(lookup.arguments), options)
    return answer.apply(lambda found: found[lookup.output])


def _output(ref: Ref, known: Mapping[str, pulumi.CustomResource]) -> pulumi.Output[Any]:
    name, *steps = ref.output.split(".")
    output: pulumi.Output[Any] = getattr(known[ref.resource], name)
    return output.apply(lambda value: functools.reduce(inside, steps, value)) if steps else output


def _options(
    resource: Resource,
    parent: pulumi.Resource | None,
    known: Mapping[str, pulumi.CustomResource],
) -> pulumi.ResourceOptions:
    return pulumi.ResourceOptions(
        parent=parent,
        # In another's program the namespace may be of that program: then its order is that program's business.
        depends_on=[known[key] for key in resource.depends_on if key in known],
        # None is inherited from the component: whoever protects it protects what is in it.
        protect=resource.protect or None,
        delete_before_replace=resource.delete_before_replace or None,
        retain_on_delete=resource.retain_on_delete or None,
        ignore_changes=list(resource.ignore_changes) or None,
        custom_timeouts=_custom_timeouts(resource.timeouts),
        aliases=[pulumi.Alias(name=name) for name in resource.aliases] or None,
        additional_secret_outputs=list(resource.secret_outputs) or None,
        version=plugin_version(resource.package),
    )


def _custom_timeouts(timeouts: Timeouts) -> pulumi.CustomTimeouts | None:
    if timeouts == Timeouts():
        return None

    def text(seconds: int | None) -> str | None:
        return None if seconds is None else f"{seconds}s"

    return pulumi.CustomTimeouts(
        create=text(timeouts.create_seconds),
        update=text(timeouts.update_seconds),
        delete=text(timeouts.delete_seconds),
    )
