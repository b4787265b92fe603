"""Which pods go first, and which node a pod goes to: who is drained decides whose messages are at stake."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from ebbtide.capacity.model import NodeTimes, PodTimes, Scenario
from ebbtide.capacity.pods import Fleet, SimulatedPod

SECOND = 1_000_000
NOW = 10_000 * SECOND


def pod(number: int, **changes: Any) -> SimulatedPod:
    """A pod that has been Ready for 1,000 s, on a node of its own."""
    ready = NOW - 1_000 * SECOND
    times = dict.fromkeys(("created_us", "scheduled_us", "running_us", "consuming_us", "ready_us"), ready)
    values: dict[str, Any] = {"number": number, **times, "node": number, "slots": [number], **changes}
    return SimulatedPod(**values)


UNREADY = {"ready_us": NOW + 3}
PENDING = {**UNREADY, "running_us": NOW + 2}
# What the pod is that goes first, and what the one is that stays. The order of the rules is upstream's.
FIRST = [
    ("not scheduled before Pending", {**PENDING, "scheduled_us": NOW + 1}, PENDING),
    ("Pending before Running", PENDING, UNREADY),
    ("Running before Ready", UNREADY, {"deletion_cost": -5}),
    ("of low cost before of high cost", {"deletion_cost": 1}, {"deletion_cost": 2, "ready_us": NOW - 1 * SECOND}),
    ("Ready for 100 s before Ready for 1,000 s", {"ready_us": NOW - 100 * SECOND}, {}),
    ("of those not Ready the one made last", {**UNREADY, "created_us": NOW - 1 * SECOND}, UNREADY),
]


@pytest.mark.parametrize(("goes", "stays"), [case[1:] for case in FIRST], ids=[case[0] for case in FIRST])
def test_a_replica_set_deletes_in_this_order(goes: dict[str, int], stays: dict[str, int]) -> None:
    """ActivePodsWithRanks in pkg/controller/controller_utils.go, Kubernetes 1.34."""
    for order in (0, 1):
        fleet = Fleet(Scenario(1, 30, None, 1), Random(1))
        fleet.pods = [pod(7, **goes), pod(8, **stays)][:: -1 if order else 1]
        assert [victim.number for victim in fleet.choose_victims(1, NOW)] == [7]


def test_of_equal_pods_one_on_the_most_crowded_node_goes() -> None:
    fleet = Fleet(Scenario(1, 30, None, 1), Random(1))
    fleet.pods = [pod(1, node=1), pod(2, node=2), pod(3, node=2)]
    assert fleet.choose_victims(1, NOW)[0].node == 2


def test_ages_within_a_power_of_two_are_alike_and_chance_decides() -> None:
    """1,000 and 1,090 s lie between 2^39 and 2^40 ns, so a younger pod is as safe as an older one."""
    gone = set()
    for seed in range(40):
        fleet = Fleet(Scenario(1, 30, None, 1), Random(seed))
        fleet.pods = [pod(1), pod(2, ready_us=NOW - 1_090 * SECOND)]
        gone.add(fleet.choose_victims(1, NOW)[0].number)
    assert gone == {1, 2}


def test_a_deletion_cost_of_what_is_in_flight_spares_the_pods_that_work() -> None:
    fleet = Fleet(Scenario(2, 30, None, 1), Random(1))
    fleet.pods = [pod(number, slots=[2 * number, 2 * number + 1]) for number in range(4)]
    fleet.write_costs(busy=[0, 1, 2, 4])
    assert fleet.choose_victims(1, NOW)[0].number == 3
    fleet.choose_victims(2, NOW)
    assert [left.number for left in fleet.pods] == [0], "the pod with two messages in flight must go last"


def test_a_pod_is_useful_only_after_each_of_its_steps() -> None:
    times = PodTimes(schedule_seconds=1, pull_seconds=2, boot_seconds=4, ready_seconds=8)
    nodes = NodeTimes(pods_per_node=1, start_seconds=100, cold_pull_seconds=20)
    fleet = Fleet(Scenario(1, 30, None, 1, pod=times, node=nodes), Random(1))
    fleet.start_pod(0, warm=True)
    made = fleet.start_pod(0)
    steps = (made.scheduled_us, made.running_us, made.consuming_us, made.ready_us)
    assert steps == tuple(seconds * SECOND for seconds in (101, 121, 125, 133)), "a new node pulls the whole image"
    assert (fleet.consuming(124 * SECOND), fleet.ready(124 * SECOND)) == (1, 1)
    assert (fleet.consuming(126 * SECOND), fleet.ready(126 * SECOND)) == (2, 1)
    assert (fleet.consuming(134 * SECOND), fleet.ready(134 * SECOND)) == (2, 2)
