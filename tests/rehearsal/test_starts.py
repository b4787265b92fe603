"""How long a pod that messages wait for needs, on made-up records."""

import pytest

from ebbtide.rehearsal.ledger import Handling, PodEvent
from ebbtide.rehearsal.load import Batch, Kind
from ebbtide.rehearsal.starts import find_starts
from ebbtide.rehearsal.watch import PodRecord, Watch

OWN = [PodEvent("p", 11.25, "containerStarted", {}), PodEvent("p", 12.5, "workersReady", {})]


def pod(name="p", scheduled=10.0):
    return PodRecord(name, "t", "node", scheduled or 0.0, scheduled_at=scheduled)


def sent(at, *messages, delay=0):
    return Batch(Kind("k", 1.0, 0.0, 0, 1, delay_seconds=delay), messages or ("m",), at, at + 1)


def test_a_pod_is_timed_from_its_node_to_its_first_message_and_to_all_its_workers():
    handlings = [Handling("n", "p", "w-2", 13.0), Handling("m", "p", "w-1", 12.0), Handling("o", "q", "w-1", 1.0)]
    (start,) = find_starts([pod()], handlings, OWN, [sent(5, "m", "n", "o")])
    assert (start.pod, start.at) == ("p", 10)
    assert (start.container_seconds, start.message_seconds, start.workers_seconds) == (1.25, 2, 2.5)
    assert start.own_seconds == 0.75


def test_a_container_that_starts_again_has_begun_once():
    events = [*OWN, PodEvent("p", 70.0, "containerStarted", {}), PodEvent("p", 71.0, "workersReady", {})]
    (start,) = find_starts([pod()], [Handling("m", "p", "w", 12)], events, [sent(5)])
    assert (start.container_seconds, start.workers_seconds) == (1.25, 2.5)


@pytest.mark.parametrize(
    ("batch", "counts"),
    [
        (sent(9.9), True),
        (sent(10.9), True),
        (sent(11.1), False),
        (sent(1, delay=30), False),
        (sent(1, delay=5), True),
        (sent(5, "another"), False),
    ],
    ids=["before", "within the stamp's second", "after", "not due yet", "due", "of somebody else"],
)
def test_only_a_pod_whose_first_message_waited_for_it_says_how_long_a_start_takes(batch, counts):
    found = find_starts([pod()], [Handling("m", "p", "w", 45)], [], [batch])
    assert bool(found) == counts, "the wait for a message is no part of a start"


def test_a_pod_that_never_had_a_node_or_a_message_has_no_start():
    assert find_starts([pod(scheduled=None), pod("idle")], [Handling("m", "p", "w", 12)], OWN, [sent(5)]) == []


def test_an_image_that_says_nothing_is_timed_by_its_first_message_alone():
    (start,) = find_starts([pod()], [Handling("m", "p", "w", 12)], [], [sent(5)])
    assert (start.message_seconds, start.container_seconds, start.workers_seconds) == (2, None, None)
    assert start.own_seconds is None


def test_starts_are_told_by_time():
    pods = [pod("late", 20.0), pod("early", 10.0)]
    handlings = [Handling("m", "late", "w", 22), Handling("n", "early", "w", 12)]
    assert [one.pod for one in find_starts(pods, handlings, [], [sent(5, "m", "n")])] == ["early", "late"]


class Namespace:
    """One pod, at two moments."""

    def __init__(self):
        self.conditions = [{"type": "PodScheduled", "status": "False", "lastTransitionTime": "1970-01-01T00:00:05Z"}]

    def pods(self, namespace, selector):
        metadata = {"name": "p", "labels": {}, "creationTimestamp": "1970-01-01T00:00:05Z"}
        return [{"metadata": metadata, "spec": {}, "status": {"conditions": self.conditions}}]


def test_a_pod_is_scheduled_when_its_condition_says_so():
    cluster = Namespace()
    watch = Watch(cluster, "n", "", "consumer", None, lambda pods: None)
    watch._run = lambda *target: None
    watch._keep_pods(cluster.pods("", ""), 6)
    assert watch.pods["p"].scheduled_at is None, "a pod that waits for a node was not scheduled"
    cluster.conditions[0] |= {"status": "True", "lastTransitionTime": "1970-01-01T00:00:10Z"}
    watch._keep_pods(cluster.pods("", ""), 11)
    assert watch.pods["p"].scheduled_at == 10
