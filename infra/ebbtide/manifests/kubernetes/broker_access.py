"""How a consumer's pods are told of the stack's broker: variables from its Secret, and its authority as a file."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.manifests.kubernetes.labels import Manifest
from ebbtide.settings.models.broker import DSN
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.pod import SecretReference
from ebbtide.settings.models.stack import StackSettings

BROKER_DSN = "BROKER_DSN"
BROKER_DIRECTORY = "/etc/ebbtide/broker"
_VOLUME = "broker"


def broker_environment(stack: StackSettings, consumer: ConsumerSettings) -> Iterator[Manifest]:
    """Where the stack's broker is. Its address is written once, and each consumer puts its own queue behind it."""
    broker, transport = stack.broker_of(consumer), consumer.transport
    if broker is None or transport is None:
        return
    for name, reference in sorted(broker.variables.items()):
        if reference.key == DSN and transport.own_queue is not None:
            yield _secret(BROKER_DSN, reference)
            yield {"name": name, "value": f"$({BROKER_DSN})/{transport.own_queue}"}
        else:
            yield _secret(name, reference)
    if broker.ca_key is not None:
        # OpenSSL takes it beside the directory of the system's own authorities: PHP and the image's helper alike.
        yield {"name": "SSL_CERT_FILE", "value": f"{BROKER_DIRECTORY}/{broker.ca_key}"}


def broker_volumes(stack: StackSettings, consumer: ConsumerSettings) -> list[Manifest]:
    """The authority of a broker that speaks TLS."""
    broker = stack.broker_of(consumer)
    if broker is None or broker.ca_key is None:
        return []
    items = [{"key": broker.ca_key, "path": broker.ca_key}]
    return [{"name": _VOLUME, "secret": {"secretName": broker.secret_name, "items": items}}]


def broker_mounts(stack: StackSettings, consumer: ConsumerSettings) -> list[Manifest]:
    """Where the container sees it."""
    mount = {"name": _VOLUME, "mountPath": BROKER_DIRECTORY, "readOnly": True}
    return [mount] if broker_volumes(stack, consumer) else []


def _secret(name: str, reference: SecretReference) -> Manifest:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": reference.secret, "key": reference.key}}}
