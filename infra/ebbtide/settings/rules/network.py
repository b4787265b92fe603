"""Rules about what the workers may reach."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from ebbtide.judgement.findings import Finding, Level
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.kinds import of_kind
from ebbtide.settings.rules.declare import consumer_rule
from ebbtide.settings.values.addresses import service_of

# 10.0.0.0/8 and fc00::/7 are the widest networks of one's own. Two halves of everything are everything.
_WIDEST_PREFIX = 7
_AMQP_PORTS = (5671, 5672)


@consumer_rule(
    "N-02",
    Level.WARNING,
    remedy="List the address and port of the broker, and of whatever else the workers call, under network.egress.",
    source="The NetworkPolicy that ebbtide renders.",
)
def check_egress(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A consumer may reach its broker: its network policy allows DNS, the stack's broker and what it lists, no more."""
    told = consumer.transport is not None and consumer.transport.of_stack is not None
    if not consumer.network.egress and not told:
        yield Finding(
            ("network", "egress"),
            "is empty, so the workers reach DNS and nothing else, no broker either",
            "write for example [{cidr: 10.20.0.7/32, ports: [6379]}], the broker's address and port, or of a Service "
            "in this cluster [{namespace: brokers, ports: [6379]}]",
        )


@consumer_rule(
    "N-02a",
    Level.WARNING,
    remedy="Add the broker's address and port to network.egress.",
    source="Kubernetes, network policies: what none of them names is refused. The transport's address is what KEDA "
    "asks; where the workers have another one for the same server, accept this with the reason.",
)
def check_broker_is_reached(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A consumer may reach the address that its transport names: KEDA would start pods for messages that none of them
    can take. Of a name only the port is judged; where pods are allowed by their labels, of an address as well."""
    address = consumer.transport.own_address if consumer.transport is not None else None
    if address is None or not consumer.network.egress:
        return
    host, _, port = address.rpartition(":")
    rules = [rule for rule in consumer.network.egress if int(port) in rule.ports]
    number = _number_of(host)
    networks = [ip_network(rule.cidr, strict=False) for rule in rules if rule.cidr is not None]
    if number is None or len(networks) < len(rules):
        reached = bool(rules)
    else:
        reached = any(number in network for network in networks)
    if not reached:
        service = service_of(host)
        destination = "cidr: <its address>/32" if number is None else f"cidr: {number}/{number.max_prefixlen}"
        if service is not None and number is None:
            # A policy is asked after a Service's address has become that of a pod: its cidr matches nothing.
            destination = f"namespace: {service.namespace}"
        yield Finding(
            ("network", "egress"),
            f"lets the workers reach nothing at {port if number is None else address}, where transport.address has the "
            "broker",
            f"add {{{destination}, ports: [{port}]}}",
        )


@consumer_rule(
    "N-02b",
    Level.WARNING,
    remedy="Add RabbitMQ's own port, 5672 or 5671 with TLS, to network.egress; accept this where it listens elsewhere.",
    source="RabbitMQ, networking: AMQP is spoken at 5672 and 5671, the management plugin's HTTP at 15672 and 15671.",
)
def check_amqp_is_reached(consumer: ConsumerSettings) -> Iterator[Finding]:
    """The workers of a RabbitMQ may reach its own port. That of the management plugin, which the transport names, is
    what KEDA asks: from there no worker takes a message."""
    transport = of_kind(consumer.transport, "rabbitmq")
    if transport is None or transport.of_stack is not None or transport.address is None:
        return
    port = int(transport.address.rpartition(":")[2])
    open_ports = {one for rule in consumer.network.egress for one in rule.ports}
    if port not in open_ports or port in _AMQP_PORTS or not open_ports.isdisjoint(_AMQP_PORTS):
        return
    amqp = 5671 if transport.tls else 5672
    yield Finding(
        ("network", "egress"),
        f"lets the workers reach RabbitMQ's management at {port}, which KEDA asks, and not {amqp}, where they take "
        "messages",
        f"add {amqp} to the ports; nothing but KEDA needs {port}",
    )


def _number_of(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None


@consumer_rule(
    "N-04",
    Level.WARNING,
    remedy="Name the networks that the workers need.",
    source="Kubernetes, network policies: an address block of everything is no policy.",
)
def check_egress_everywhere(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A consumer may not reach everything."""
    for index, rule in enumerate(consumer.network.egress):
        if rule.cidr is not None and ip_network(rule.cidr, strict=False).prefixlen < _WIDEST_PREFIX:
            yield Finding(
                ("network", "egress", index, "cidr"),
                f"lets the workers reach a large part of all addresses (got {rule.cidr!r})",
                "name the networks they need, for example 10.20.0.0/24",
            )
