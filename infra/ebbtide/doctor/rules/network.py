"""What the workers may reach: NetworkPolicies that select them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from ebbtide.doctor.data import Map, Seq
from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.rules.declare import unit_rule
from ebbtide.doctor.unit import Unit
from ebbtide.doctor.workload import ManifestObject

_DNS_PORTS: Final = (53, 5353)
"""5353 is where the pods of OpenShift's DNS listen, and a policy is about the pods' ports."""
_DNS: Final = {*_DNS_PORTS, "53", "dns", "dns-tcp"}
_BROKER_PORTS: Final = {"redis": 6379, "rediss": 6379, "amqp": 5672, "amqps": 5671}
_ADDRESS: Final = re.compile(r"[0-9.]+$|localhost$")
_BROKER: Final = re.compile(
    r"\b(?P<scheme>rediss?|amqps?)://(?:[^@/\s]*@)?(?:(?P<host>[A-Za-z0-9.-]+)|\[[0-9A-Fa-f:]+\])"
    r"(?::(?P<port>[0-9]{1,5}))?(?=[/?\s]|$)"
)


def egress_policies(unit: Unit) -> list[ManifestObject]:
    """The policies that say what these pods may reach. One that selects by an expression may be one as well: it is
    left out, and may allow more."""
    if unit.workload is None or not unit.is_kubernetes:
        return []
    labels = unit.workload.data.map("spec", "template", "metadata", "labels")
    return [
        one
        for one in unit.setup.of_kind("NetworkPolicy")
        if one.namespace == unit.workload.namespace
        and _is_about_egress(one.data.map("spec"))
        and _selects(one.data.map("spec", "podSelector"), labels)
    ]


@unit_rule(
    "D-6a",
    Harm.BREAKS,
    remedy="Allow the broker's address and port in egress.",
    source="Kubernetes, NetworkPolicy: a pod that a policy with egress selects reaches what one of them lists, and "
    "nothing else.",
)
def check_egress(unit: Unit) -> Iterator[Diagnosis]:
    """The workers reach their broker. A policy that selects them and lists nothing, or DNS alone, lets them reach
    nothing else; nor is a broker reached whose address has a port that no rule lists."""
    policies = egress_policies(unit)
    if not policies or _may_be_selected_by_another(unit):
        return
    rules = [rule for one in policies for rule in _entries(one.data.map("spec"), "egress")]
    if all(map(_is_dns_alone, rules)):
        what = "DNS and nothing else" if rules else "nothing"
        yield Diagnosis(
            policies[0].at(policies[0].data.map("spec"), "egress"),
            unit.title,
            f"{policies[0].title} lets the workers reach {what}, so no broker",
            "add the broker's address and port to egress",
        )
        return
    listed = [_ports(rule) for rule in rules]
    for scheme, port in _brokers(unit):
        if all(ports is not None and not any(port in one for one in ports) for ports in listed):
            yield Diagnosis(
                policies[0].at(policies[0].data.map("spec"), "egress"),
                unit.title,
                f"{policies[0].title} lists no rule for port {port}, on which the workers look for {scheme}://",
                f"add the broker's address and port {port} to egress",
            )


@unit_rule(
    "D-6d",
    Harm.BREAKS,
    remedy="Allow port 53, UDP and TCP, in egress.",
    source="Kubernetes, NetworkPolicy: a policy that denies egress denies DNS too (kubernetes/website#54997).",
)
def check_names(unit: Unit) -> Iterator[Diagnosis]:
    """The workers find their broker by its name. A policy whose ports leave out DNS lets them look up none."""
    policies = egress_policies(unit)
    if not policies or _may_be_selected_by_another(unit):
        return
    listed = [_ports(rule) for one in policies for rule in _entries(one.data.map("spec"), "egress")]
    hosts = [host for match in _addresses(unit) if (host := match["host"]) and not _is_found(unit, host)]
    if listed and hosts and not any(ports is None or _has_dns(ports) for ports in listed):
        yield Diagnosis(
            policies[0].at(policies[0].data.map("spec"), "egress"),
            unit.title,
            f"{policies[0].title} lists no rule for DNS, and the workers look for their broker by its name, {hosts[0]}",
            "add port 53, UDP and TCP, to egress",
        )


def _is_found(unit: Unit, host: str) -> bool:
    """Whether a host is found without DNS: an address, this pod, or a name in the pod's own hosts file."""
    aliases = unit.workload.pod.items_of("hostAliases") if unit.workload else []
    return _ADDRESS.match(host) is not None or any(host in _entries(one, "hostnames") for one in aliases)


def _has_dns(ports: list[range]) -> bool:
    return any(port in one for one in ports for port in _DNS_PORTS)


def _brokers(unit: Unit) -> list[tuple[str, int]]:
    """Scheme and port of the brokers that the container's variables and command name."""
    found = {(match["scheme"], int(match["port"] or _BROKER_PORTS[match["scheme"]])) for match in _addresses(unit)}
    return sorted(found)


def broker_ports(unit: Unit) -> list[int]:
    """The ports of the brokers that the container's variables and command name."""
    return [port for _, port in _brokers(unit)]


def _addresses(unit: Unit) -> Iterator[re.Match[str]]:
    variables = unit.container.environment.values() if unit.container else ()
    words = [word for worker in unit.workers for word in worker.words if word]
    for text in (*(said.value for said in variables), *words):
        yield from _BROKER.finditer(text)


def _ports(rule: Any) -> list[range] | None:
    """What a rule lists; None where it lets all through, or names a port that only the other pod knows."""
    ports = _entries(rule, "ports") if isinstance(rule, Map) else []
    found: list[range] = []
    for port in ports:
        first = port.get("port") if isinstance(port, Map) else None
        if not isinstance(first, int):
            return None
        last = port.get("endPort", first)
        found.append(range(first, last + 1 if isinstance(last, int) else first + 1))
    return found or None


def _is_about_egress(spec: Map) -> bool:
    types = spec.get("policyTypes")
    return "Egress" in types if isinstance(types, Seq) else "egress" in spec


def _selects(selector: Map, labels: Map) -> bool:
    return "matchExpressions" not in selector and labels.holds(selector.map("matchLabels"))


def _may_be_selected_by_another(unit: Unit) -> bool:
    """A policy whose selector is an expression, or whose namespace is not said, may allow the broker."""
    assert unit.workload is not None  # noqa: S101 - there are policies about its pods
    return any(
        one.namespace in ("", unit.workload.namespace) and "matchExpressions" in one.data.map("spec", "podSelector")
        for one in unit.setup.of_kind("NetworkPolicy")
    )


def _entries(data: Map, key: str) -> list[Any]:
    found = data.get(key)
    return list(found) if isinstance(found, Seq) else []


def _is_dns_alone(rule: Any) -> bool:
    ports = _entries(rule, "ports") if isinstance(rule, Map) else []
    return bool(ports) and all(_is_dns(port) for port in ports)


def _is_dns(port: Any) -> bool:
    return isinstance(port, Map) and port.get("port") in _DNS and "endPort" not in port
