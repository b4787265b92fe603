"""Rules about what several stacks of a project would make twice, in Google Cloud or in one cluster."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import TYPE_CHECKING, NamedTuple

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.judgement.rule import rule, rules_on, run_rules
from ebbtide.settings.models.brokered import broker_name, cluster_name, made_broker
from ebbtide.settings.models.kinds import of_kind
from ebbtide.settings.models.stack import StackSettings, is_gke

if TYPE_CHECKING:
    from ebbtide.settings.models.cluster import ExistingCluster


@dataclass(frozen=True, slots=True)
class Neighbours:
    """A stack among the others of its project."""

    stack: StackSettings
    others: tuple[StackSettings, ...]


class Named(NamedTuple):
    """Something that a stack makes in Google Cloud."""

    what: str
    project: str
    region: str
    """Empty where a name is one of the whole project."""
    name: str


class Place(NamedTuple):
    """What a stack makes in a network that is not its own, for a broker."""

    network: str
    region: str
    addresses: IPv4Network
    policy: bool


@rule(
    "G-08",
    Level.ERROR,
    subject=Neighbours,
    judges="settings",
    remedy="Leave the name of a cluster or broker out where stacks share a project: it then has the stack's name in "
    "it. Let one stack make an image repository for all.",
    source="Google Cloud: networks, secrets and databases have one name in a project, repositories one in a region.",
)
def check_names_are_of_one_stack(seen: Neighbours) -> Iterator[Finding]:
    """What a stack makes in Google Cloud no other stack of the project makes under the same name. Google refuses the
    second one, of a broker's secrets when cluster and broker are there. Only `ebbtide check` without `--stack` sees
    more than one stack."""
    taken: dict[Named, list[str]] = {}
    for other in seen.others:
        for named in _named(other):
            taken.setdefault(named, []).append(other.name)
    for named, path in _named(seen.stack).items():
        if named in taken:
            yield Finding(
                path,
                f"makes {named.what} called {named.name} in {named.project}, and so does stack "
                f"{', '.join(taken[named])}",
                _REMEDIES[path],
            )


@rule(
    "BR-49",
    Level.ERROR,
    subject=Neighbours,
    judges="settings",
    remedy="Let one stack make the policy, write network.connectionPolicy: existing and its addresses in the others, "
    "and give brokers that need ranges of their own ranges that do not overlap.",
    source="Google Cloud, service connection policies: one for each combination of network, region and service class; "
    "subnets of a network do not overlap.",
)
def check_brokers_of_one_network(seen: Neighbours) -> Iterator[Finding]:
    """Brokers of one network stand side by side: a network has one service connection policy for Memorystore in a
    region, and its ranges do not overlap. Google refuses the second one. A policy that is not of this project's stacks
    is not seen."""
    own = _place(seen.stack)
    if own is None:
        return
    for other in seen.others:
        found = _place(other)
        if found is None or found.network != own.network:
            continue
        if own.policy and found.policy and found.region == own.region:
            yield Finding(
                ("broker", "network"),
                f"makes the service connection policy of {own.network} in {own.region}, and so does stack "
                f"{other.name}: a network can have one",
                f"write connectionPolicy: existing and addresses: {found.addresses} in the stack that comes second",
            )
        elif own.addresses.overlaps(found.addresses):
            yield Finding(
                ("broker", "network", "addresses"),
                f"overlaps the range that stack {other.name} makes in {own.network} (got {own.addresses}, there "
                f"{found.addresses})",
                "write a range that is free",
            )


@rule(
    "N-08",
    Level.ERROR,
    subject=Neighbours,
    judges="settings",
    remedy="Give each stack a namespace of its own; or other names, and let one stack make the namespace.",
    source="Server-side apply takes over an object of the same name without a word, and `destroy` of either stack "
    "deletes it for both.",
)
def check_objects_are_of_one_stack(seen: Neighbours) -> Iterator[Finding]:
    """Two stacks of one cluster that exists make no object twice: a consumer, the Secret of a broker, a namespace.
    Whether it is one cluster is known where both name the same context, endpoint or identifier; and only `ebbtide
    check` without `--stack` sees more than one stack."""
    theirs = [(other.name, _objects(other)) for other in seen.others if _is_one_cluster(seen.stack, other)]
    for (namespace, what, name), path in _objects(seen.stack).items():
        owners = [other for other, objects in theirs if (namespace, what, name) in objects]
        if owners:
            yield Finding(
                path,
                f"makes {what} {name} in namespace {namespace}, and so does stack {', '.join(owners)} in the same "
                "cluster: whichever is destroyed takes it from the other",
                "write namespace: {name: ..., create: false} in all but one, or a namespace of its own"
                if what == _NAMESPACE
                else "write another name, or a namespace of its own",
            )


_NAMESPACE = "the namespace"


def _is_one_cluster(stack: StackSettings, other: StackSettings) -> bool:
    """Whether both say that they are of one that exists already. A control plane has one endpoint: two are of two."""
    one, two = _cluster_of(stack), _cluster_of(other)
    endpoints = {said["dnsEndpoint"] for said in (one, two) if "dnsEndpoint" in said}
    return len(endpoints) < 2 and bool(one.items() & two.items())


def _cluster_of(stack: StackSettings) -> dict[str, str]:
    """What tells its cluster, if it exists already."""
    cluster: ExistingCluster | None = of_kind(stack.cluster, "existing")
    if cluster is None:
        return {}
    said = {"context": cluster.context, "dnsEndpoint": cluster.dns_endpoint, "identifier": cluster.identifier}
    return {name: value for name, value in said.items() if value is not None}


def _objects(stack: StackSettings) -> dict[tuple[str, str, str], Path]:
    """What it makes in namespaces: where, of what kind and name, with the setting that says so."""
    found: dict[tuple[str, str, str], Path] = {}
    for name, consumer in stack.consumers.items():
        place = stack.seen_by(consumer).namespace
        found[place.name, "consumer", name] = ("consumers", name)
        if place.create and consumer.namespace is not None:
            found[place.name, _NAMESPACE, place.name] = ("consumers", name, "namespace")
    if stack.namespace.create and stack.uses_own_namespace:
        found[stack.namespace.name, _NAMESPACE, stack.namespace.name] = ("namespace",)
    broker = made_broker(stack)
    if broker is not None:
        found[stack.namespace.name, "Secret", broker.secret_name] = ("broker", "secret", "name")
    return found


_CLUSTER, _BROKER, _REPOSITORY = ("cluster", "name"), ("broker", "name"), ("imageRepository", "name")
_OF_THE_STACK = "give each its own name, or leave it out: it then has the stack's name in it"
_REMEDIES: Mapping[Path, str] = {
    **dict.fromkeys((_CLUSTER, _BROKER), _OF_THE_STACK),
    # Its default is the same in every stack, and images of all fit into one.
    _REPOSITORY: "let one stack make it, and leave imageRepository out of the others; or give each its own name",
}


def check_neighbours(stacks: Iterable[StackSettings]) -> dict[str, list[Finding]]:
    """What each stack has in common with another, by the stack's name; nothing for most."""
    every = tuple(stacks)
    found = {}
    for stack in every:
        others = tuple(other for other in every if other is not stack)
        found[stack.name] = run_rules(rules_on(Neighbours), Neighbours(stack, others))
    return found


def _named(stack: StackSettings) -> Mapping[Named, Path]:
    """What it makes, with the setting that says how it is called."""
    if stack.google is None:
        return {}
    project, region, found = stack.google.project, stack.google.region, dict[Named, Path]()
    if is_gke(stack.cluster):
        found[Named("a cluster and its network", project, "", cluster_name(stack, stack.cluster))] = _CLUSTER
    broker = made_broker(stack)
    if broker is not None:
        # Its secrets are named after it, whatever region it is in.
        found[Named("a broker and its secrets", project, "", broker_name(stack, broker))] = _BROKER
    if stack.image_repository is not None:
        named = Named("an image repository", project, region, stack.image_repository.name)
        found[named] = _REPOSITORY
    return found


def _place(stack: StackSettings) -> Place | None:
    broker = made_broker(stack)
    if broker is None or broker.network is None or not broker.makes_place or stack.google is None:
        return None
    addresses = IPv4Network(broker.network.addresses, strict=False)
    return Place(broker.network.network, stack.google.region, addresses, broker.is_connected_by_policy)
