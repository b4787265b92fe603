"""What a stack's broker and cluster are once the stack is known: names, addresses, window and protection."""

from __future__ import annotations

import re
from ipaddress import IPv4Network

from ebbtide.settings.models.broker import BrokerMaintenance, MadeBroker
from ebbtide.settings.models.cluster import CLUSTER_NAME_MAX_LENGTH, Day, GkeAutopilot, GkeStandard
from ebbtide.settings.models.pod import EgressRule
from ebbtide.settings.models.stack import StackSettings, is_gke
from ebbtide.settings.values.names import BROKER_NAME_MAX_LENGTH, shorten

# GKE, secret sync: from this minor version on.
SECRET_SYNC_MINOR = 34
# Google Cloud keeps four addresses of a subnet, and each endpoint takes one or two.
ENDPOINTS_PREFIX_LENGTH = 28
# A trigger for what waits, and on Redis one for what is delayed.
KEDA_CONNECTIONS = 2
_OF_DEVELOPMENT = re.compile(r"(.*-)?(dev|development|local|test|tests|ci|review|preview|sandbox)(-.*)?")
DAYS: tuple[Day, ...] = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
# With a cluster that somebody else makes: a night in which few deploy.
_QUIET = BrokerMaintenance.model_construct(day="SU", hour=2)


def made_broker(stack: StackSettings) -> MadeBroker | None:
    """The broker, if the stack makes it."""
    return stack.broker if isinstance(stack.broker, MadeBroker) else None


def is_protected(stack: StackSettings, broker: MadeBroker) -> bool:
    """Whether deleting or replacing it is refused: as it is written, or everywhere but in development."""
    written = broker.protect
    return stack.protect or not _OF_DEVELOPMENT.fullmatch(stack.name) if written is None else written


def broker_name(stack: StackSettings, broker: MadeBroker) -> str:
    """What it is called in Google Cloud."""
    return broker.name or shorten(f"ebbtide-{stack.name}", BROKER_NAME_MAX_LENGTH)


def cluster_name(stack: StackSettings, cluster: GkeStandard | GkeAutopilot) -> str:
    """What the cluster that it makes is called in Google Cloud; network, subnet and router are called so too."""
    return cluster.name or shorten(f"ebbtide-{stack.name}", CLUSTER_NAME_MAX_LENGTH)


def is_synced(stack: StackSettings, broker: MadeBroker) -> bool:
    """Whether GKE writes its Secret."""
    return stack.cluster.platform != "other" if broker.secret.sync is None else broker.secret.sync


def syncs_secrets(stack: StackSettings) -> bool:
    """Whether the cluster that the stack makes needs GKE's secret sync."""
    broker = made_broker(stack)
    asked = is_gke(stack.cluster) and stack.cluster.secret_sync
    return asked or (broker is not None and is_synced(stack, broker))


def endpoint_range(stack: StackSettings, broker: MadeBroker) -> str | None:
    """The range in which the broker gets its address: as it is written, or the first free one of the cluster's own
    block. None where neither says."""
    if broker.network is not None:
        return broker.network.addresses
    if not is_gke(stack.cluster):
        return None
    network = stack.cluster.network
    ranges = network.ranges
    start = max(int(used.broadcast_address) + 1 for used in (ranges.nodes, ranges.pods, ranges.services))
    size = 2 ** (32 - ENDPOINTS_PREFIX_LENGTH)
    start = -(-start // size) * size
    if start + size - 1 > int(IPv4Network(network.addresses).broadcast_address):
        return None
    return str(IPv4Network((start, ENDPOINTS_PREFIX_LENGTH)))


def broker_egress(stack: StackSettings) -> EgressRule | None:
    """What a network policy opens for those that read from the stack's broker."""
    broker = stack.broker
    if broker is None or broker.egress is not None:
        return None if broker is None else broker.egress
    made = made_broker(stack)
    addresses = endpoint_range(stack, made) if made else None
    return EgressRule(cidr=addresses, ports=(made.port,)) if made and addresses else None


def maintenance_of(stack: StackSettings, broker: MadeBroker) -> BrokerMaintenance:
    """When Google may update it: as it is written, or the hour before the cluster's window on its first day."""
    if broker.maintenance is not None:
        return broker.maintenance
    if not is_gke(stack.cluster):
        return _QUIET
    window = stack.cluster.maintenance
    first = min(window.days, key=DAYS.index)
    hour = int(window.start.partition(":")[0]) - 1
    # Before midnight it is the day before.
    day = first if hour >= 0 else DAYS[DAYS.index(first) - 1]
    return BrokerMaintenance.model_construct(day=day, hour=hour % 24)


def connections_of(stack: StackSettings) -> tuple[int, int]:
    """The connections of all that reads from the stack's broker: at the maximum, and while a rolling update of all of
    them runs there, when pods that drain and pods that work both have theirs.

    Of each pod its processes and, where killed messages are claimed, the image's helper; of each consumer the two that
    KEDA's triggers keep.
    """
    steady = peak = 0
    for consumer in stack.consumers.values():
        if stack.broker_of(consumer) is None:
            continue
        helper = int(consumer.transport is not None and consumer.transport.recovers)
        pod = consumer.worker.broker_connections + helper
        most = consumer.autoscaling.max_replicas
        steady += most * pod + KEDA_CONNECTIONS
        peak += 2 * most * pod + KEDA_CONNECTIONS
    return steady, peak
