"""RabbitMQ in a pod of the node, and the example application beside it that sends."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from ebbtide.brokers import BROKERS
from ebbtide.rehearsal.access import open_access
from ebbtide.rehearsal.broker import POD, broker_pod
from ebbtide.rehearsal.cluster import Cluster
from ebbtide.rehearsal.load import POD as SENDER_POD
from ebbtide.rehearsal.load import sender_pod

RABBITMQ = BROKERS["rabbitmq"]
SENDS = "php bin/console app:send-events"
DIRECTORY = "/srv/app"
"""Where the example application is in its image."""


def dsn_at(host: str, port: int = RABBITMQ.port) -> str:
    """The address as the application reads it."""
    return str(RABBITMQ.environment(host, port)["MESSENGER_TRANSPORT_DSN"])


@contextmanager
def rabbitmq(images: Mapping[str, str], namespace: str) -> Iterator[tuple[Cluster, str]]:
    """The cluster of KUBECONFIG, and the address of the broker in it; both pods are ready, and gone afterwards."""
    cluster = Cluster(open_access(None, cluster_is_gke=False))
    cluster.make_namespace(namespace)
    cluster.create(broker_pod(RABBITMQ, images["broker"]), namespace)
    address = cluster.wait_until_ready(namespace, POD, "image")["status"]["podIP"]
    variables = [{"name": "MESSENGER_TRANSPORT_DSN", "value": dsn_at(address)}]
    cluster.create(sender_pod(images["githubevents"], variables, DIRECTORY), namespace)
    cluster.wait_until_ready(namespace, SENDER_POD, "image")
    cluster.execute(namespace, SENDER_POD, "php bin/console messenger:setup-transports", 90)
    yield cluster, address
    cluster.remove_namespace(namespace)
    cluster.close()
