"""Pods and nodes over time: who starts when, who has to go, and what a node costs."""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from ebbtide.capacity.clock import MICROSECONDS
from ebbtide.capacity.model import Scenario


@dataclass(slots=True)
class SimulatedPod:
    """One pod, with the numbers of its workers."""

    number: int
    created_us: int
    scheduled_us: int
    running_us: int
    """When the container starts: before that the pod is Pending."""
    consuming_us: int
    ready_us: int
    node: int
    slots: list[int]
    deletion_cost: int = 0


@dataclass(slots=True)
class Node:
    """A machine with room for some pods."""

    ready_us: int
    pods: int = 0


@dataclass(slots=True)
class Fleet:
    """The pods of one consumer and the nodes they run on."""

    scenario: Scenario
    random: Random
    pods: list[SimulatedPod] = field(default_factory=list)
    settling: list[SimulatedPod] = field(default_factory=list)
    """The few whose state or metrics still change, so that a sync does not look at every pod."""
    nodes: dict[int, Node] = field(default_factory=dict)
    empty_since_us: dict[int, int] = field(default_factory=dict)
    """The nodes without a pod, in the order in which they lost their last one."""
    nodes_us: int = 0
    """How long all nodes together have been there, as of `looked_us`."""
    looked_us: int = 0
    free_slots: list[int] = field(default_factory=list)
    made_pods: int = 0
    made_nodes: int = 0
    next_slot: int = 0

    def start_pod(self, now_us: int, *, warm: bool = False) -> SimulatedPod:
        """Make a pod. `warm` ones, of the beginning, are ready at once."""
        times = self.scenario.pod
        node, room_us, pull_seconds = self._place(now_us, warm=warm)
        slots = self._take_slots(self.scenario.processes)
        if warm:
            scheduled = running = consuming = ready = max(now_us, room_us)
        else:
            scheduled = max(now_us, room_us) + _us(times.schedule_seconds)
            running = scheduled + _us(pull_seconds)
            consuming = running + _us(times.boot_seconds)
            ready = consuming + _us(times.ready_seconds)
        pod = SimulatedPod(self.made_pods, now_us, scheduled, running, consuming, ready, node, slots)
        self.made_pods += 1
        self.pods.append(pod)
        if not warm:
            self.settling.append(pod)
        return pod

    def consuming(self, now_us: int) -> int:
        """How many pods take messages."""
        return len(self.pods) - len([pod for pod in self.settling if pod.consuming_us > now_us])

    def ready(self, now_us: int) -> int:
        """How many pods are Ready."""
        return len(self.pods) - len([pod for pod in self.settling if pod.ready_us > now_us])

    def settle(self, now_us: int, after_us: int) -> None:
        """Forget that pods are new which have been Ready for `after_us`."""
        if self.settling:
            self.settling = [pod for pod in self.settling if pod.ready_us + after_us > now_us]

    def _take_slots(self, count: int) -> list[int]:
        """Numbers of workers that are gone, the last first, and then new ones."""
        kept = max(0, len(self.free_slots) - count)
        slots = self.free_slots[kept:][::-1]
        del self.free_slots[kept:]
        new = range(self.next_slot, self.next_slot + count - len(slots))
        self.next_slot = new.stop
        return [*slots, *new]

    def _place(self, now_us: int, *, warm: bool) -> tuple[int, int, float]:
        """The fullest node with room, or a new one: (its number, when it is ready, how long the pull takes)."""
        limits = self.scenario.node
        number, most = -1, -1
        for candidate, node in self.nodes.items():
            if most < node.pods < limits.pods_per_node:
                number, most = candidate, node.pods
        if number >= 0:
            cold = self.nodes[number].ready_us > now_us
        else:
            number = self.made_nodes
            self.made_nodes += 1
            wait = 0 if warm else _us(limits.start_seconds)
            self.nodes[number] = Node(now_us + wait)
            cold = not warm
        self.nodes[number].pods += 1
        self.empty_since_us.pop(number, None)
        pull = limits.cold_pull_seconds if cold else self.scenario.pod.pull_seconds
        return number, self.nodes[number].ready_us, pull

    def choose_victims(self, count: int, now_us: int) -> list[SimulatedPod]:
        """The pods that a ReplicaSet deletes first: not scheduled, Pending, not Ready, of low cost, on the most crowded
        node, then the youngest by powers of two of their age, then by chance (controller_utils.go,
        ActivePodsWithRanks). Without a cost, busyness plays no part. All containers here start once, so restarts do
        not tell pods apart.
        """
        crowd: dict[int, int] = {}
        for pod in self.pods:
            crowd[pod.node] = crowd.get(pod.node, 0) + 1

        def rank(pod: SimulatedPod) -> tuple[bool, bool, bool, int, int, int, float]:
            ready = pod.ready_us <= now_us
            age_us = now_us - (pod.ready_us if ready else pod.created_us)
            return (
                pod.scheduled_us <= now_us,
                pod.running_us <= now_us,
                ready,
                pod.deletion_cost,
                -crowd[pod.node],
                (1000 * age_us).bit_length(),
                self.random.random(),
            )

        victims = sorted(self.pods, key=rank)[:count]
        gone = {pod.number for pod in victims}
        self.pods = [pod for pod in self.pods if pod.number not in gone]
        self.settling = [pod for pod in self.settling if pod.number not in gone]
        return victims

    def write_costs(self, busy: list[int]) -> None:
        """Let the pods with the most messages in flight go last. `busy` are the numbers of workers that hold one."""
        holding = set(busy)
        for pod in self.pods:
            pod.deletion_cost = sum(slot in holding for slot in pod.slots)

    def release(self, pod: SimulatedPod, now_us: int) -> None:
        """The pod's process has ended: its room and its workers' numbers are free."""
        node = self.nodes[pod.node]
        node.pods -= 1
        if node.pods == 0:
            self.empty_since_us[pod.node] = now_us
        self.free_slots.extend(pod.slots)

    def remove_empty_nodes(self, now_us: int) -> None:
        """Nodes that nobody needed for long enough go; the last one stays. Whoever makes one has called this
        first, so that all have been there since the last call."""
        self.nodes_us += len(self.nodes) * (now_us - self.looked_us)
        self.looked_us = now_us
        edge = now_us - _us(self.scenario.node.unneeded_seconds)
        if next(iter(self.empty_since_us.values()), now_us) > edge:
            return
        for number in sorted(self.empty_since_us):
            if self.empty_since_us[number] <= edge and len(self.nodes) > 1:
                del self.nodes[number], self.empty_since_us[number]


def _us(seconds: float) -> int:
    return round(seconds * MICROSECONDS)
