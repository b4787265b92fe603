"""The broker of a stack as a component: what it is in Google Cloud, and the Secret through which it is known."""

from __future__ import annotations

from collections.abc import Iterable

# Each of these registers how its kind is made.
import ebbtide.manifests.google.cloud_sql
import ebbtide.manifests.google.memorystore  # noqa: F401
from ebbtide.judgement.findings import refused
from ebbtide.manifests.google import names
from ebbtide.manifests.google.broker import build_broker_resources, build_place, build_secrets
from ebbtide.manifests.kubernetes.broker_secret import BrokerSecretObjects, build_broker_secret
from ebbtide.manifests.kubernetes.labels import Manifest
from ebbtide.manifests.kubernetes_resource import kubernetes_resource, namespace_key
from ebbtide.manifests.resource import Component, Resource, references
from ebbtide.settings.models.brokered import made_broker
from ebbtide.settings.models.stack import StackSettings


def build_broker(stack: StackSettings, name: str = "broker", namespace_name: str | None = None) -> Component:
    """The component with the broker, its secrets, and what writes the Kubernetes Secret.

    `namespace_name` is the namespace's component in another's program. Raises SettingsError where the stack makes no
    broker.
    """
    broker = made_broker(stack)
    if broker is None:
        message = f"is not made by stack {stack.name}"
        raise refused("wiring", message, "write for example broker: {kind: memorystoreValkey}", ("broker",))
    component = Resource(token=names.BROKER, name=name)
    place = build_place(stack, broker, name, component.key)
    made = build_broker_resources(broker, stack, name, component.key, place)
    secrets = build_secrets(stack, broker, name, component.key, made.values)
    namespace = namespace_name or (stack.namespace.name if stack.namespace.create else None)
    before = (namespace_key(namespace),) if namespace else ()
    objects = build_broker_secret(stack)
    written = () if objects is None else _written(objects, component, before, secrets)
    made_place = () if place.subnetwork is None else (place.subnetwork,)
    return Component(component, (*made_place, *made.parts, *secrets, *written))


def _written(
    objects: BrokerSecretObjects, component: Resource, before: Iterable[str], secrets: Iterable[Resource]
) -> tuple[Resource, ...]:
    """What writes the Kubernetes Secret, once its values are there and may be read."""

    def resource(manifest: Manifest) -> Resource:
        return kubernetes_resource(manifest, component, manifest["metadata"]["name"]).after(*before)

    readers = (resource(objects.service_account), resource(objects.provider_class))
    ready = (part.key for part in (*secrets, *readers) if part.token != names.SECRET)
    return (*readers, resource(objects.secret_sync).after(*ready))


def last_parts(broker: Component) -> tuple[str, ...]:
    """The keys of those that nothing else of the broker builds on. Whoever waits for them waits for all of it, and
    is gone before any of it goes."""
    used = {ref.resource for part in broker.parts for ref in references(part.properties)}
    used |= {key for part in broker.parts for key in part.depends_on}
    return tuple(part.key for part in broker.parts if part.key not in used)
