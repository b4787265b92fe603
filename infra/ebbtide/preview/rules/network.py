"""What may reach what: network policies, and firewalls of Google Cloud."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.preview.change import Operation, ResourceChange, entries, mapping
from ebbtide.preview.flows import (
    EVERY_PORT,
    EVERYWHERE,
    INGRESS,
    METADATA_SERVER,
    Flow,
    beyond,
    in_words,
    pods_by_network,
)
from ebbtide.preview.patterns import CREATED, DELETED, REPLACED
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule

_WIDE = EVERYWHERE | {"everywhere", f"{INGRESS}everywhere"} | {f"{INGRESS}{cidr}" for cidr in EVERYWHERE}
_METADATA_SERVERS = {"169.254.169.252/32", "169.254.169.254/32"}
# What the rules read of a policy. Not spec.podSelector: it moves all of that to other pods.
_FLOWS = (
    "spec.policyTypes.*",
    *(
        f"spec.{direction}.*.{part}"
        for direction, peers in (("egress", "to"), ("ingress", "from"))
        for part in (
            *(f"{peers}.*.{name}" for name in ("ipBlock.cidr", "namespaceSelector.matchLabels.*")),
            f"{peers}.*.podSelector.matchLabels.*",
            *(f"ports.*.{name}" for name in ("protocol", "port", "endPort")),
        )
    ),
)
_FIREWALL = (
    "direction",
    "sourceRanges.*",
    "destinationRanges.*",
    "allows.*.protocol",
    "allows.*.ports.*",
    "denies.*.*",
)


@change_rule(
    "P-30",
    RiskLevel.DANGER,
    RiskLevel.INFO,
    remedy="Name the network and the port that are needed.",
    source="Kubernetes, network policies: what none allows is refused once one selects the pod.",
    tells={"NetworkPolicy": (DELETED,), "Firewall": (CREATED,)},
    reads={"NetworkPolicy": _FLOWS, "Firewall": _FIREWALL},
)
def check_network(context: Context) -> Iterator[Risk]:
    """A network policy lets more through, another network or another port of one, or a new firewall does."""
    for change in context.of("Firewall", Operation.CREATE):
        opened = _openings(change.new)
        if opened:
            level = RiskLevel.DANGER if {peer for peer, _ in opened} & EVERYWHERE else RiskLevel.INFO
            sentence = f"a new firewall {change.title} lets through {in_words(opened)}"
            yield Risk(
                change.title,
                sentence,
                "name the network it needs" if level is RiskLevel.DANGER else "",
                change.key,
                level,
            )
    # With what it guarded, or with its namespace, a policy goes without leaving anything open.
    gone = {change.title for kind in ("Deployment", "Namespace") for change in context.of(kind, Operation.DELETE)}
    for change in context.of("NetworkPolicy"):
        if change.operation is Operation.DELETE:
            if change.title in gone or _namespace(change.old) in gone:
                continue
            yield Risk(
                change.title,
                f"network policy {change.title} is deleted: {_goes(context, change)}",
                "keep it",
                change.key,
            )
            continue
        if change.operation is Operation.CREATE:
            continue
        opened = beyond(_flows(change.new), _flows(change.old))
        if not opened:
            continue
        wide = any(peer in _WIDE for peer, _ in opened)
        level = RiskLevel.DANGER if wide else RiskLevel.INFO
        sentence = f"{change.title} may reach more: {in_words(opened)}"
        advice = "name the network it needs" if wide else ""
        yield Risk(change.title, sentence, advice, change.key, level)


def _goes(context: Context, policy: ResourceChange) -> str:
    """What follows from that a policy goes. What several allow adds up: while another one selects its pods, what only
    this one allowed is refused from then on; where none does, all is allowed."""
    spec = mapping(policy.old.get("spec"))
    directions = {direction for direction in ("egress", "ingress") if _restricts(spec, direction)}
    others = [
        (one, {direction for direction in directions if _restricts(mapping(one.new.get("spec")), direction)})
        for one in context.after("NetworkPolicy")
        if _namespace(one.new) == _namespace(policy.old) and _may_share_pods(one.new, policy.old)
    ]
    beside = [one.title for one, same in others if any(spec.get(direction) for direction in same)]
    kept = {direction for one, same in others if _selects_all_of(one.new, policy.old) for direction in same}
    words = ["what it kept out may come in"] if directions - kept or not beside else []
    if beside:
        words.append(f"what it alone allows is refused to the pods that {' and '.join(beside)} still selects")
    return ", and ".join(words)


def _selected(policy: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(mapping(policy.get("spec")).get("podSelector"))


def _may_share_pods(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether no label of one selector speaks against the other."""
    labels, others = (mapping(_selected(side).get("matchLabels")) for side in (one, other))
    return all(others.get(name, value) == value for name, value in labels.items())


def _selects_all_of(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether every pod that the other selects is selected by the one."""
    labels, others = (mapping(_selected(side).get("matchLabels")) for side in (one, other))
    return not _selected(one).get("matchExpressions") and labels.items() <= others.items()


def _openings(firewall: Mapping[str, Any]) -> set[Flow]:
    """What a firewall of Google Cloud allows; without a range it is meant for everybody."""
    key = "destinationRanges" if firewall.get("direction") == "EGRESS" else "sourceRanges"
    peers = _words(firewall, key) or _words(firewall, "sourceTags") or _words(firewall, "sourceServiceAccounts")
    ports = {
        (port if protocol == "tcp" else f"{port}/{protocol}")
        for allow in entries(firewall.get("allows"))
        for protocol in [str(allow.get("protocol"))]
        for port in _words(allow, "ports") or [EVERY_PORT]
    }
    return {(peer, port) for peer in peers or ["0.0.0.0/0"] for port in ports}


def _namespace(policy: Mapping[str, Any]) -> str:
    return str(mapping(policy.get("metadata")).get("namespace", ""))


def _flows(policy: Mapping[str, Any]) -> set[Flow]:
    """What a policy lets through, in words."""
    spec = mapping(policy.get("spec"))
    found: set[Flow] = set()
    for direction, key in (("egress", "to"), ("ingress", "from")):
        prefix = "" if direction == "egress" else INGRESS
        if not _restricts(spec, direction):
            found.add((f"{prefix}everywhere", EVERY_PORT))
            continue
        for rule in entries(spec.get(direction)):
            peers = [_peer(peer) for peer in entries(rule.get(key))] or ["everywhere"]
            ports = [_port(port) for port in entries(rule.get("ports"))] or [EVERY_PORT]
            found |= {(f"{prefix}{peer}", port) for peer in peers for port in ports}
    return found


def _restricts(spec: Mapping[str, Any], direction: str) -> bool:
    """Whether the policy says anything of a direction; where it names none, Kubernetes takes ingress, and egress if
    there are rules for it."""
    types = spec.get("policyTypes")
    if isinstance(types, list) and types:
        return direction.capitalize() in types
    return direction == "ingress" or bool(spec.get("egress"))


def _port(port: Mapping[str, Any]) -> str:
    number = str(port.get("port", EVERY_PORT))
    if "endPort" in port:
        number += f"-{port['endPort']}"
    protocol = port.get("protocol", "TCP")
    return number if protocol == "TCP" else f"{number}/{protocol}"


def _peer(peer: Mapping[str, Any]) -> str:
    if isinstance(peer.get("ipBlock"), Mapping):
        cidr = str(peer["ipBlock"].get("cidr", "everywhere"))
        return METADATA_SERVER if cidr in _METADATA_SERVERS else cidr
    which = _labels(peer.get("podSelector"))
    if "namespaceSelector" in peer:
        namespaces = _labels(peer["namespaceSelector"])
        place = f"namespaces {namespaces}" if namespaces else "every namespace"
    else:
        place = "" if which else "its own namespace"
    return " ".join(("pods", *([which] if which else []), *([f"of {place}"] if place else [])))


def _labels(selector: object) -> str:
    named = [f"{name}={value}" for name, value in mapping(mapping(selector).get("matchLabels")).items()]
    return ", ".join([*named, *(["expressions"] if mapping(selector).get("matchExpressions") else [])])


@change_rule(
    "P-34",
    RiskLevel.DANGER,
    RiskLevel.NOT_JUDGED,
    remedy="Make sure that nothing the consumer needs is there.",
    source="Kubernetes, network policies: what none allows is refused, and ipBlock means what is outside of the "
    "cluster; to Cilium no pod is in one (cilium/cilium#9209, #14497).",
    tells={"NetworkPolicy": (CREATED, REPLACED)},
    reads={"NetworkPolicy": _FLOWS, "Firewall": _FIREWALL},
)
def check_network_closed(context: Context) -> Iterator[Risk]:
    """A network policy no longer lets through what it did, or a new one, or a firewall that denies, is laid over pods
    that run: a consumer that needs it reaches neither its broker nor its database. Where every address takes the place
    of pods by their labels, GKE's Dataplane V2 lets nobody through to them; what another plugin does is not judged."""
    for change in context.of("Firewall", Operation.CREATE):
        if change.new.get("denies") or not _openings(change.new):
            sentence = f"a new firewall {change.title} denies what was allowed"
            advice = "make sure that nothing a node needs is there"
            yield Risk(change.title, sentence, advice, change.key, RiskLevel.DANGER)
    new_ones = {
        change.title
        for kind in ("Deployment", "Namespace")
        for change in context.of(kind, Operation.CREATE, Operation.REPLACE)
    }
    # The pods of a Helm release that makes its namespace come with it.
    new_ones |= {
        str(change.new.get("namespace"))
        for change in context.of("Release", Operation.CREATE)
        if change.new.get("createNamespace") is True
    }
    for change in context.of("NetworkPolicy", Operation.CREATE):
        selects_all = not mapping(mapping(change.new.get("spec")).get("podSelector"))
        comes_with = {_namespace(change.new), *([] if selects_all else [change.title])}
        if not comes_with & new_ones:
            allowed = in_words(_flows(change.new)) or "nothing"
            sentence = f"a new network policy {change.title}: what it selects may reach, and be reached by, {allowed}"
            advice = "make sure that nothing a pod needs is missing"
            yield Risk(change.title, sentence, advice, change.key, RiskLevel.DANGER)
    knows_plugin = any(map(_is_dataplane_v2, context.after("Cluster")))
    for change in context.of("NetworkPolicy", Operation.UPDATE, Operation.REPLACE):
        closed = beyond(_flows(change.old), _flows(change.new))
        if not knows_plugin and (doubtful := pods_by_network(closed, _flows(change.new))):
            sentence = (
                f"{change.title} names every address instead of {in_words(doubtful)}: whether pods are among these is "
                "the network plugin's own, and not judged (to Cilium, and so to GKE's Dataplane V2, they are not)"
            )
            advice = "keep the pods' labels beside the network"
            yield Risk(change.title, sentence, advice, change.key, RiskLevel.NOT_JUDGED)
            closed -= doubtful
            if not closed and change.operation is Operation.UPDATE:
                continue
        if closed:
            sentence = f"{change.title} may no longer reach {in_words(closed)}"
        elif change.operation is Operation.REPLACE:
            sentence = f"network policy {change.title} is made anew: meanwhile only the other policies hold"
        else:
            continue
        advice = "make sure that nothing it needs is there"
        yield Risk(change.title, sentence, advice, change.key, RiskLevel.DANGER)


def _is_dataplane_v2(cluster: ResourceChange) -> bool:
    """Whether its network plugin is Cilium, as of every cluster that ebbtide makes, and of each Autopilot."""
    return cluster.new.get("datapathProvider") == "ADVANCED_DATAPATH" or cluster.new.get("enableAutopilot") is True


def _words(rule: Mapping[str, Any], key: str) -> list[str]:
    value = rule.get(key)
    return [str(word) for word in value] if isinstance(value, list) else []
