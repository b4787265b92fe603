"""Rules about the nodes that pods find: machines that are large enough, pools that take them and have room."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.node_capacity import allocatable
from ebbtide.settings.models.node_choice import refusals, takers
from ebbtide.settings.models.node_pool import COMPUTE_CLASS, NodePoolSettings
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.rules.declare import consumers_of, stack_rule
from ebbtide.settings.values.units import format_cpu, format_memory, plural

# In millicores and bytes: the largest machine, and the most of a pod of Autopilot's default class.
_LARGEST_MACHINE = (416_000, 11776 * 1024**3)
_LARGEST_POD = (30_000, 110 * 1024**3)
_Pools = Mapping[str, NodePoolSettings]
_Several = tuple[int, int, int]
"""How many nodes, or pods, and the millicores and bytes of each."""


@stack_rule(
    "G-10",
    Level.WARNING,
    remedy="Write what a busy pod was seen to use; 500m is half a core, and 500 are 500 cores.",
    source="Compute Engine, memory-optimized machines: m2-ultramem-416 is the largest that is virtual, 416 vCPU and "
    "11776 GB; X4 is bare metal and has more. GKE, Autopilot: a pod of the default class has at most 30 vCPU and 110 "
    "GiB.",
)
def check_a_machine_has_it(stack: StackSettings) -> Iterator[Finding]:
    """There is a machine with what a pod asks for; else it stays pending for ever. Where the node pools are made here,
    G-03 asks those."""
    if stack.cluster.pools:
        return
    for path, consumer in consumers_of(stack):
        most, where = _LARGEST_MACHINE, "Google's largest virtual machine"
        if stack.cluster.platform == "gkeAutopilot" and COMPUTE_CLASS not in consumer.placement.node_selector:
            most, where = _LARGEST_POD, "a pod of Autopilot's default class"
        cpu, memory = consumer.pod_cpu_request_millicores, consumer.pod_memory_request_bytes
        if cpu > most[0]:
            yield Finding(
                (*path, "resources", "cpu", "request"),
                f"asks for {cpu / 1000:g} cores a pod, and {where} has {most[0] // 1000}: without a larger "
                "node it stays pending",
                f"write {cpu // 1000}m if thousandths of a core were meant, or less",
            )
        if memory > most[1]:
            yield Finding(
                (*path, "resources", "memory", "request"),
                f"asks for {format_memory(memory)} a pod, and {where} has {format_memory(most[1])}: without "
                "a larger node it stays pending",
                "write less, or fewer processes",
            )


@stack_rule(
    "G-03",
    Level.ERROR,
    remedy="Write a larger machineType under cluster.nodePools, or fewer processes or less memory a pod.",
    source="GKE, node sizes: what a machine has less what GKE keeps.",
)
def check_pod_fits_a_node(stack: StackSettings) -> Iterator[Finding]:
    """A pod's requests fit on a node of some pool it may run on; else it stays pending for ever."""
    for path, consumer in consumers_of(stack):
        pools = takers(consumer.placement, stack.cluster.pools)
        offers = {pool.machine_type: allocatable(pool.machine_type) for pool in pools.values()}
        sizes = [offer for offer in offers.values() if offer is not None]
        if len(sizes) < len(offers) or not sizes:
            continue  # a machine whose size its name does not say
        cpu, memory = consumer.pod_cpu_request_millicores, consumer.pod_memory_request_bytes
        if not any(cpu <= node_cpu and memory <= node_memory for node_cpu, node_memory in sizes):
            largest_cpu, largest_memory = max(sizes, key=lambda size: size[1])
            yield Finding(
                (*path, "resources"),
                f"asks for {format_cpu(cpu)} and {memory // 1024**2}Mi a pod, and the largest node "
                f"({', '.join(offers)}) offers {format_cpu(largest_cpu)} and {largest_memory // 1024**2}Mi: "
                "it would stay pending",
                "write a larger machineType under cluster.nodePools, or fewer processes or less memory a pod",
            )


@stack_rule(
    "G-03a",
    Level.WARNING,
    remedy="Let placement name and tolerate what a pool has under cluster.nodePools, or add such a pool.",
    source="Kubernetes, taints and tolerations, nodeSelector: a pod goes only where it tolerates every taint and finds "
    "every label.",
)
def check_a_pool_takes_the_pod(stack: StackSettings) -> Iterator[Finding]:
    """Some node pool takes the pods: they tolerate its taints, and its nodes have the labels that they ask for. Else
    they stay pending for ever. Labels that Kubernetes and clouds give are not judged; of Spot V-08a speaks."""
    pools = stack.cluster.pools
    for path, consumer in consumers_of(stack):
        placement = consumer.placement
        refused = refusals(placement, {n: pool for n, pool in pools.items() if pool.spot or not placement.spot})
        if refused and all(refused.values()):
            reasons = ", ".join(f"{name} {reason}" for name, reason in refused.items())
            yield Finding(
                (*path, "placement"),
                f"leads to no node pool ({reasons}): its pods would stay pending",
                "let placement tolerate the taint, and ask for labels that a pool has; or change taints and labels of "
                "the pool under cluster.nodePools",
            )


@stack_rule(
    "G-09",
    Level.WARNING,
    remedy="Raise maxNodes under cluster.nodePools, or lower maxReplicas.",
    source="GKE, cluster autoscaler: a pool stops at its maximum, and pods that find no node are Pending.",
)
def check_pools_have_room_for_every_maximum(stack: StackSettings) -> Iterator[Finding]:
    """Nodes have room for every consumer at its maximum at once, as far as sums tell: what GKE's own pods and an
    update's new ones take comes on top. Pods without a node are Pending, and what they were to read waits. Asked are
    the pools that take a consumer, as G-03a knows them; a larger choice of pools is left out where a part of it is too
    small."""
    pools = stack.cluster.pools
    choices = {path: frozenset(takers(one.placement, pools)) for path, one in consumers_of(stack)}
    alone = {
        path: found
        for path, one in consumers_of(stack)
        for found in _without_room(path, one, _nodes(pools, choices[path]))
    }
    yield from alone.values()
    asked = {path: _asked(one) for path, one in consumers_of(stack) if choices[path] and path not in alone}
    yield from _without_room_together(asked, choices, pools)


def _without_room(path: Path, consumer: ConsumerSettings, nodes: list[_Several]) -> Iterator[Finding]:
    """One whose pods do not all find a node, though it has the nodes for itself."""
    pods, cpu, memory = _asked(consumer)
    most = sum(count for count, _, _ in nodes)
    room = sum(count * min(node_cpu // cpu, node_memory // memory) for count, node_cpu, node_memory in nodes)
    if 0 < room < pods:
        yield Finding(
            (*path, "autoscaling", *_most_pods(consumer)),
            f"allows {plural(pods, 'pod')}, and its pools have {plural(most, 'node')} at most, with room for {room} of "
            f"{format_cpu(cpu)} CPU and {format_memory(memory)}: the others would be Pending",
            f"write at most {room}, or raise maxNodes under cluster.nodePools",
        )


def _without_room_together(
    asked: Mapping[Path, _Several], choices: Mapping[Path, frozenset[str]], pools: _Pools
) -> Iterator[Finding]:
    """Those that may run nowhere else, for each choice of pools that somebody has, and for all that somebody uses."""
    own = {choices[path] for path in asked}
    too_small: list[frozenset[str]] = []
    for choice in sorted({*own, frozenset[str]().union(*own)}, key=lambda names: (len(names), sorted(names))):
        there = [one for path, one in asked.items() if choices[path] <= choice]
        nodes = _nodes(pools, choice)
        if not nodes or any(part <= choice for part in too_small):
            continue
        cpu, memory = (sum(one[0] * one[part] for one in there) for part in (1, 2))
        most_cpu, most_memory = (sum(one[0] * one[part] for one in nodes) for part in (1, 2))
        if cpu > most_cpu or memory > most_memory:
            too_small.append(choice)
            most = plural(sum(count for count, _, _ in nodes), "node")
            yield Finding(
                ("cluster", "nodePools"),
                f"has {most} at most in {', '.join(sorted(choice))}, which offer {format_cpu(most_cpu)} CPU and "
                f"{most_memory // 1024**2}Mi; consumers that run nowhere else ask at their maxima for "
                f"{format_cpu(cpu)} CPU and {memory // 1024**2}Mi: the last pods would be Pending",
                "raise maxNodes, or lower maxReplicas",
            )


def _asked(consumer: ConsumerSettings) -> _Several:
    """The most pods, and what each asks for."""
    return consumer.autoscaling.max_replicas, consumer.pod_cpu_request_millicores, consumer.pod_memory_request_bytes


def _nodes(pools: _Pools, names: frozenset[str]) -> list[_Several]:
    """The most nodes of these pools, and what each offers; none where the name of a machine does not say it."""
    offers = [(pool.max_nodes, allocatable(pool.machine_type)) for name, pool in pools.items() if name in names]
    known = [(count, *offer) for count, offer in offers if offer is not None]
    return known if len(known) == len(offers) else []


def _most_pods(consumer: ConsumerSettings) -> tuple[str, ...]:
    """The setting that says how many pods there may be; a kind from outside may have another."""
    names = {"max_replicas": "maxReplicas", "replicas": "replicas"}
    fields = type(consumer.autoscaling).model_fields
    return next(((setting,) for name, setting in names.items() if name in fields), ())
