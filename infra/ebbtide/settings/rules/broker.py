"""Rules about who reads from the stack's broker, where it is, and whether it takes all their connections."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network
from typing import TYPE_CHECKING

from ebbtide.judgement.findings import Finding, Level
from ebbtide.judgement.rule import RuleText, register
from ebbtide.settings.models.broker import MadeBroker
from ebbtide.settings.models.brokered import (
    DAYS,
    SECRET_SYNC_MINOR,
    connections_of,
    endpoint_range,
    is_protected,
    is_synced,
    made_broker,
    maintenance_of,
)
from ebbtide.settings.models.kinds import of_kind
from ebbtide.settings.models.stack import StackSettings, is_gke
from ebbtide.settings.rules.declare import consumers_of, stack_rule
from ebbtide.settings.values.addresses import is_number

if TYPE_CHECKING:
    from ebbtide.settings.models.broker import ExistingBroker

# Found by who asks Google (components/taken_secrets), which no settings show.
register(
    RuleText(
        "BR-50",
        "settings",
        (Level.ERROR,),
        "No secret of a new broker, or of a rotation, is there already.",
        "`pulumi preview` asks Secret Manager for each that it would make; Google itself refuses it only during `up`, "
        "when cluster and broker are there. It needs secretmanager.secrets.list, and says where it may not look.",
        "Raise broker.secret.version or, before the broker is made, write another broker.name.",
        "Secret Manager: a secret has one name in a project, in whatever region.",
    )
)

# Where Memorystore for Valkey and Cloud SQL are (their pages of locations, 2026). A newer one may be missing.
_REGIONS = frozenset(
    (
        *("africa-south1", "asia-east1", "asia-east2", "asia-northeast1", "asia-northeast2", "asia-northeast3"),
        *("asia-south1", "asia-south2", "asia-southeast1", "asia-southeast2", "australia-southeast1"),
        *("australia-southeast2", "europe-central2", "europe-north1", "europe-north2", "europe-southwest1"),
        *("europe-west1", "europe-west2", "europe-west3", "europe-west4", "europe-west6", "europe-west8"),
        *("europe-west9", "europe-west10", "europe-west12", "me-central1", "me-central2", "me-west1"),
        *("northamerica-northeast1", "northamerica-northeast2", "northamerica-south1", "southamerica-east1"),
        *("southamerica-west1", "us-central1", "us-east1", "us-east4", "us-east5", "us-south1", "us-west1"),
        *("us-west2", "us-west3", "us-west4"),
    )
)


@stack_rule(
    "BR-13",
    Level.ERROR,
    remedy="Write a larger node or machine, or fewer processes or pods.",
    source="Memorystore for Valkey, client limits by node type; PostgreSQL, max_connections.",
)
def check_connections(stack: StackSettings) -> Iterator[Finding]:
    """The broker takes the connections of all that reads from it: processes, the image's helper and KEDA's."""
    if stack.broker is None or (limit := stack.broker.connection_limit) is None:
        return
    steady, _ = connections_of(stack)
    if steady > limit:
        yield Finding(
            ("broker", *stack.broker.limited_by),
            f"takes {limit:,} connections, and the consumers need {steady:,} at their maximum: workers would be "
            "refused",
            "write a larger one, or fewer processes or pods",
        )


@stack_rule(
    "BR-13a",
    Level.WARNING,
    remedy="Write a larger node or machine, or update one consumer after the other.",
    source="Kubernetes counts no pod that is ending: pods that drain keep their connections beside the new ones.",
)
def check_connections_of_updates(stack: StackSettings) -> Iterator[Finding]:
    """The broker takes both fleets of a rolling update of all consumers at their maximum. The engine updates all of
    a stack at once."""
    if stack.broker is None or (limit := stack.broker.connection_limit) is None:
        return
    steady, peak = connections_of(stack)
    if steady <= limit < peak:
        yield Finding(
            ("broker", *stack.broker.limited_by),
            f"takes {limit:,} connections, and the consumers need {peak:,} while all of them are updated at their "
            "maximum: new pods would wait until old ones have drained",
            "write a larger one, or update them one after the other",
        )


@stack_rule(
    "BR-40",
    Level.ERROR,
    remedy="Write the transport of the stack's broker, or the consumer's own address.",
    source="A transport reads from the stack's broker unless it has an address of its own.",
)
def check_transport_fits(stack: StackSettings) -> Iterator[Finding]:
    """A consumer's transport speaks with the stack's broker, or names another."""
    if stack.broker is None:
        return
    for path, consumer in consumers_of(stack):
        transport = consumer.transport
        disagrees = transport is not None and transport.protocol not in {"", stack.broker.speaks}
        if transport is not None and disagrees and transport.own_address is None:
            yield Finding(
                (*path, "transport", "kind"),
                f"speaks {transport.protocol}, and the stack's broker {stack.broker.speaks} (got {transport.kind})",
                "write the kind that reads from it, or transport.address for a broker of its own",
            )


@stack_rule(
    "BR-41",
    Level.ERROR,
    remedy="Remove the variable, or give the transport an address of its own.",
    source="The stack's broker gives its variables to every consumer that reads from it.",
)
def check_one_broker(stack: StackSettings) -> Iterator[Finding]:
    """A consumer has one broker: its workers and what counts its messages look at the same."""
    for path, consumer in consumers_of(stack):
        broker = stack.broker_of(consumer)
        for name in broker.variables if broker is not None else ():
            for setting, given in (
                ("environment", consumer.environment),
                ("secretEnvironment", consumer.secret_environment),
            ):
                if name in given:
                    yield Finding(
                        (*path, setting, name),
                        "names another broker than the stack's, which sets it already",
                        "remove it, or write transport.address as well if it is another one",
                    )


@stack_rule(
    "BR-42",
    Level.WARNING,
    remedy="Describe the transport of each consumer, or remove the broker.",
    source="Only a transport says that a consumer reads from the broker.",
)
def check_somebody_reads(stack: StackSettings) -> Iterator[Finding]:
    """Every consumer of a stack with a broker says whether it reads from it: without a transport it is told no
    address, and no network policy opens one."""
    if stack.broker is None:
        return
    for path, consumer in consumers_of(stack):
        if consumer.transport is None:
            text = "is not given, so the consumer is told nothing of the stack's broker"
            yield Finding((*path, "transport"), text, "write for example transport: {kind: redis}")


@stack_rule(
    "BR-43",
    Level.ERROR,
    remedy="Name a key that the Secret has.",
    source="A pod whose Secret lacks a key does not start.",
)
def check_keys(stack: StackSettings) -> Iterator[Finding]:
    """What is read of the broker's Secret is in it. It belongs to the broker: no other Secret has its name."""
    broker = made_broker(stack)
    if broker is None:
        return
    known = ", ".join(broker.keys)
    for name, reference in broker.variables.items():
        if reference.key not in broker.keys:
            text = f"reads {reference.key!r}, which the broker's Secret does not have"
            yield Finding(("broker", "provides", name), text, f"use one of {known}")
    for path, consumer in consumers_of(stack):
        for name, reference in consumer.secret_environment.items():
            if reference.secret == broker.secret_name and reference.key not in broker.keys:
                yield Finding(
                    (*path, "secretEnvironment", name),
                    f"reads {reference.key!r} of {reference.secret}, which the stack makes for its broker with {known}",
                    f"use one of {known}, or rename your Secret, or the broker's (broker.secret.name)",
                )
        if is_synced(stack, broker) and consumer.name == "broker-secret":
            text = "has the name of the service account that reads the broker's secrets"
            yield Finding(path, text, "give it another name")


@stack_rule(
    "BR-44",
    Level.ERROR,
    remedy="Upgrade the cluster, or write broker.secret.sync: false and copy the Secret by the documented command.",
    source="Secret Manager, synchronize secrets to Kubernetes Secrets: GKE 1.34 and later.",
)
def check_sync_exists(stack: StackSettings) -> Iterator[Finding]:
    """GKE's secret sync exists where it is asked for."""
    broker = made_broker(stack)
    if broker is None or not is_synced(stack, broker) or not stack.consumers:
        return
    if stack.cluster.platform == "other":
        text = "asks for GKE's secret sync, and the cluster does not say that it is one of GKE"
        yield Finding(("broker", "secret", "sync"), text, "write cluster.platform: gkeStandard, or sync: false")
    elif stack.kubernetes_minor < SECRET_SYNC_MINOR:
        yield Finding(
            ("broker", "secret", "sync"),
            f"asks for GKE's secret sync, which is there from 1.{SECRET_SYNC_MINOR} (the cluster has "
            f"{stack.cluster.kubernetes_version})",
            "write the newer version, or sync: false and copy the Secret by hand (docs/brokers.md)",
        )


@stack_rule(
    "BR-45",
    Level.ERROR,
    remedy="Write broker.network for a cluster that exists, and leave it out for one that the stack makes.",
    source="The broker is reached by an address in the cluster's network.",
)
def check_place(stack: StackSettings) -> Iterator[Finding]:
    """A broker that the stack makes has a place in the cluster's network."""
    broker = made_broker(stack)
    if broker is None:
        return
    if is_gke(stack.cluster) and broker.network is not None:
        text = "is given, and the stack makes the cluster's network: the broker is in that one"
        yield Finding(("broker", "network"), text, "remove it")
    elif not is_gke(stack.cluster) and broker.network is None:
        example = "{network: projects/.../global/networks/..., addresses: 10.1.2.0/28}"
        text = "is not given, and the stack does not make the cluster's network"
        yield Finding(("broker", "network"), text, f"write network: {example}")
    elif endpoint_range(stack, broker) is None:
        text = "has no room behind nodes, pods and Services for the broker's 16 addresses"
        yield Finding(("cluster", "network", "addresses"), text, "write a larger block, before the cluster is made")
    elif not broker.makes_place and not broker.is_connected_by_policy:
        text = f"is of Memorystore, and a {broker.kind} gets an address of its own"
        yield Finding(("broker", "network", "connectionPolicy"), text, "remove it, and name a range that is free")
    elif broker.network is not None and int(broker.network.addresses.rpartition("/")[2]) > 29:
        text = f"is smaller than the 8 addresses of a subnet (got {broker.network.addresses})"
        yield Finding(("broker", "network", "addresses"), text, "write a /28")


@stack_rule(
    "BR-46",
    Level.WARNING,
    remedy="Write a region of the service; if it is right, look for a newer ebbtide.",
    source="Memorystore for Valkey and Cloud SQL, locations.",
)
def check_region(stack: StackSettings) -> Iterator[Finding]:
    """The broker's region has the service."""
    if made_broker(stack) is not None and stack.google is not None and stack.google.region not in _REGIONS:
        text = f"is no region in which this ebbtide knows brokers (got {stack.google.region})"
        yield Finding(("google", "region"), text, "write for example europe-west1")


@stack_rule(
    "BR-47",
    Level.WARNING,
    remedy="Leave maintenance out: the hour before the cluster's window is the default.",
    source="A failover of the broker while nodes drain makes drains longer.",
)
def check_windows(stack: StackSettings) -> Iterator[Finding]:
    """Broker and cluster are not maintained at once: a worker that must finish while its node drains needs the
    broker to acknowledge."""
    broker = made_broker(stack)
    if broker is None or not is_gke(stack.cluster):
        return
    window, own = stack.cluster.maintenance, maintenance_of(stack, broker)
    hour, minute = map(int, window.start.split(":"))
    # In minutes of a week, as a window of the evening is open on the next day too. The broker's hour that begins less
    # than one before it lies partly in it.
    opened = hour * 60 + minute - 59
    since = [
        ((DAYS.index(own.day) - DAYS.index(day)) * 24 * 60 + own.hour * 60 - opened) % (7 * 24 * 60)
        for day in window.days
    ]
    if min(since) < window.duration // 60 + 59:
        text = f"is {own.day} at {own.hour}:00, when the cluster's nodes are upgraded too"
        yield Finding(("broker", "maintenance"), text, "leave it out, or write another hour")


@stack_rule(
    "BR-51",
    Level.WARNING,
    remedy="Leave reachedAt out, where the address says it; or accept this, where something forwards one to the other.",
    source="Kubernetes, network policies: what none of them names is refused.",
)
def check_the_address_is_opened(stack: StackSettings) -> Iterator[Finding]:
    """What the network policy opens for a broker that exists has its address in it. Of a name, and of pods that stand
    behind a Service, it is not judged."""
    broker: ExistingBroker | None = of_kind(stack.broker, "existing")
    if broker is None or broker.reached_at is None or broker.reached_at.cidr is None:
        return
    opened, (host, _, port) = broker.reached_at, broker.address.rpartition(":")
    if not is_number(host):
        return
    if ip_address(host) not in ip_network(broker.reached_at.cidr) or int(port) not in opened.ports:
        ports = ", ".join(map(str, opened.ports))
        yield Finding(
            ("broker", "reachedAt"),
            f"opens {opened.cidr} at {ports}, and the broker's address is {broker.address}: no worker would come to it",
            "leave it out: the address says it; or accept this, where something forwards one to the other",
        )


@stack_rule(
    "BR-48",
    Level.WARNING,
    remedy="Leave protect out.",
    source="Pulumi's protect, deletionProtectionEnabled of Memorystore and Cloud SQL.",
)
def check_protected(stack: StackSettings) -> Iterator[Finding]:
    """A broker outside of development is protected: what replaces it empties it."""
    broker = made_broker(stack)
    unprotected = broker is not None and not is_protected(stack, broker)
    if (
        isinstance(broker, MadeBroker)
        and unprotected
        and is_protected(stack, broker.model_copy(update={"protect": None}))
    ):
        text = f"is off in stack {stack.name}: one wrong change empties the broker"
        yield Finding(("broker", "protect"), text, "leave it out: outside of development it is on")
