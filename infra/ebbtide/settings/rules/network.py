"""Rules about what the workers may reach."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from ebbtide.judgement.findings import Finding, Level
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.rules.declare import consumer_rule

# 10.0.0.0/8 and fc00::/7 are the widest networks of one's own. Two halves of everything are everything.
_WIDEST_PREFIX = 7


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
            "write for example [{cidr: 10.20.0.7/32, ports: [6379]}], the broker's address and port",
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
        cidr = "<its address>/32" if number is None else f"{number}/{number.max_prefixlen}"
        yield Finding(
            ("network", "egress"),
            f"lets the workers reach nothing at {port if number is None else address}, where transport.address has the "
            "broker",
            f"add {{cidr: {cidr}, ports: [{port}]}}",
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
