"""Who is let through to which port, and whether that lies within what others are let through."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, collapse_addresses, ip_network

Flow = tuple[str, str]
"""Who is at the other end, and which port: "10.0.0.0/8", "6379"."""
EVERY_PORT = "every port"
METADATA_SERVER = "the metadata server"
"""Who is at the addresses of Google's metadata server."""
EVERYWHERE = frozenset({"0.0.0.0/0", "::/0"})
INGRESS = "ingress from "
"""Before who may come in; whom one may reach has nothing before it."""


def beyond(flows: set[Flow], others: set[Flow]) -> set[Flow]:
    """The flows that the others do not let through: for none of these networks and ports together."""
    return {
        (peer, port)
        for peer, port in flows
        if not _is_within(peer, [end for end, which in others if _covers(which, port)])
    }


def _is_within(peer: str, others: list[str]) -> bool:
    """Whether who is at an end is among others: by itself, with everybody, or as a part of their networks."""
    prefix = INGRESS if peer.startswith(INGRESS) else ""
    if {peer, f"{prefix}everywhere"} & set(others):
        return True
    mine = _network(peer)
    if mine is None:
        # Pods that are meant by their labels. Whether a network has pods in it is the network plugin's own: to Cilium,
        # which GKE's Dataplane V2 is, it has none (cilium/cilium#9209, #14497); Kubernetes means what is outside.
        return False
    theirs = [
        network
        for end in others
        if end.startswith(INGRESS) == bool(prefix) and (network := _network(end)) and network.version == mine.version
    ]
    return any(mine.subnet_of(network) for network in collapse_addresses(theirs))  # type: ignore[type-var, arg-type]


def pods_by_network(flows: set[Flow], others: set[Flow]) -> set[Flow]:
    """The flows with pods, meant by their labels, of which the others let through every address of version 4."""
    return {
        (peer, port)
        for peer, port in flows
        if _network(peer) is None
        and any(
            end == f"{INGRESS if peer.startswith(INGRESS) else ''}0.0.0.0/0" and _covers(which, port)
            for end, which in others
        )
    }


def _network(peer: str) -> IPv4Network | IPv6Network | None:
    where = peer.removeprefix(INGRESS)
    try:
        return ip_network("169.254.169.254/32" if where == METADATA_SERVER else where, strict=False)
    except ValueError:
        return None


def _covers(port: str, other: str) -> bool:
    """Whether one of the two, `6379`, `6379-6389/UDP` or every port, has all of the other in it."""
    if port in {other, EVERY_PORT}:
        return True
    (first, last, protocol), (least, most, whose) = _range(port), _range(other)
    return protocol == whose and first is not None and least is not None and first <= least and most <= last


def _range(port: str) -> tuple[int | None, int, str]:
    """The first and the last of some ports and their protocol; None for one that has a name."""
    numbers, _, protocol = port.partition("/")
    first, _, last = numbers.partition("-")
    if not first.isdecimal() or not (last or first).isdecimal():
        return None, 0, protocol
    return int(first), int(last or first), protocol


def in_words(flows: set[Flow]) -> str:
    """`10.0.0.0/8 (443, 6379), the metadata server (every port)`."""
    ports: dict[str, list[str]] = {}
    for peer, port in sorted(flows):
        ports.setdefault(peer, []).append(port)
    return ", ".join(f"{peer} ({', '.join(listed)})" for peer, listed in ports.items())
