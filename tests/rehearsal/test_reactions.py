"""What a rehearsal concludes of an autoscaler that follows the broker, down to zero and back."""

import pytest

from ebbtide.rehearsal.autoscaler_document import KedaLook
from ebbtide.rehearsal.ledger import Handling
from ebbtide.rehearsal.load import Batch, Kind
from ebbtide.rehearsal.reactions import (
    find_growths,
    find_outages,
    find_overlooked,
    find_scalings,
    find_sleeps,
    find_wakes,
)
from ebbtide.rehearsal.record import Outage
from ebbtide.rehearsal.watch import Moment

ONE = Kind("single", 1.0, 0.0, 0, 1)
LATER = Kind("delayed", 1.0, 0.0, 0, 1, delay_seconds=30)


def moment(at, desired, held=0):
    """`held`: messages that were sent and are not finished."""
    pods = desired or 0
    return Moment(at, pods, pods, 0, desired, None, None, 0, 100, 100 + held)


def test_a_message_that_finds_no_pod_is_timed_to_the_pod_and_to_its_handler():
    moments = [moment(0, 0), moment(10, 0), moment(16, 1)]
    (wake,) = find_wakes(
        moments, [Batch(ONE, ("m",), 10, 12)], [Handling("m", "p", "w", 19), Handling("n", "p", "w", 3)]
    )
    assert (wake.at, wake.asked_seconds, wake.handled_seconds) == (12, 4, 7)


def test_a_delayed_message_is_timed_from_when_it_is_due():
    moments = [moment(0, 0), moment(45, 1)]
    (wake,) = find_wakes(moments, [Batch(LATER, ("m",), 1, 2)], [Handling("m", "p", "w", 47)])
    assert (wake.at, wake.asked_seconds, wake.handled_seconds) == (32, 13, 15)


@pytest.mark.parametrize("before", [[], [moment(0, 1)], [moment(0, None)]], ids=["not seen", "a pod", "not known"])
def test_a_message_that_finds_a_pod_wakes_nobody(before):
    assert find_wakes([*before, moment(20, 2)], [Batch(ONE, ("m",), 10, 12)], []) == []


def test_a_message_for_which_no_pod_comes_is_no_good_time():
    (wake,) = find_wakes([moment(0, 0), moment(99, 0)], [Batch(ONE, ("m",), 10, 12)], [])
    assert (wake.asked_seconds, wake.handled_seconds) == (None, None)


@pytest.mark.parametrize(
    ("moments", "seconds"),
    [
        ([moment(0, 1), moment(5, 1, 20), moment(17, 5, 40)], [12]),
        # From zero: before the first pod is asked for, nothing can cross what it is for.
        ([moment(0, 0, 20), moment(5, 1, 20), moment(20, 5, 20)], [15]),
        # It came down again in between: that is another crossing.
        ([moment(0, 1, 20), moment(5, 1, 1), moment(10, 1, 20), moment(20, 2, 20)], [10]),
        # A tenth more than the pods are for moves nothing.
        ([moment(0, 1, 11), moment(20, 2, 11)], []),
        ([moment(0, 1, 20), moment(20, 0, 0), moment(30, 1, 0)], []),
        ([moment(0, 2, 90), moment(20, 4, 90)], []),
    ],
    ids=["grows", "from zero", "twice", "tolerated", "to zero", "not the first step"],
)
def test_growth_is_timed_from_the_crossing_of_the_fewest_pods(moments, seconds):
    assert [one.seconds for one in find_growths(moments, 10, 1)] == seconds


def test_the_step_to_zero_is_timed_from_the_last_message():
    moments = [moment(0, 3), moment(50, 0), moment(60, 1)]
    handlings = [Handling("a", "p", "w", 1, 10), Handling("b", "p", "w", 1, 20), Handling("c", "p", "w", 55, 56)]
    (sleep,) = find_sleeps(moments, handlings)
    assert (sleep.at, sleep.pods, sleep.seconds) == (50, 3, 30)


def _polled(at: float, *, active: bool, ready: bool = True) -> KedaLook:
    return KedaLook(at, at - 1, 1, 1, 0.0, 1, 1, (), "", "", ready, active, False, False, None, ())


@pytest.mark.parametrize(
    ("looks", "handling", "overlooked"),
    [
        ([_polled(10, active=True), _polled(20, active=False)], Handling("a", "p", "w", 1, 30), True),
        ([_polled(10, active=True), _polled(20, active=False)], Handling("a", "p", "w", 1, 19.5), False),
        # RabbitMQ's figures may be from before it was taken.
        ([_polled(10, active=True), _polled(20, active=False)], Handling("a", "p", "w", 15, 30), False),
        # It came between two polls, and no one has asked since.
        ([_polled(10, active=False), _polled(20, active=False)], Handling("a", "p", "w", 1, 30), False),
        # A broker that does not answer says nothing of its messages.
        ([_polled(10, active=True), _polled(20, active=False, ready=False)], Handling("a", "p", "w", 1, 30), False),
        # A worker that was killed has nothing in hand.
        ([_polled(10, active=True), _polled(20, active=False)], Handling("a", "p", "w", 1, None), False),
    ],
)
def test_a_poll_that_saw_nothing_overlooked_what_was_in_hand(looks, handling, overlooked):
    assert bool(find_overlooked(looks, [handling])) is overlooked, "pods that work would be ended, and nobody told"


def test_a_step_to_zero_with_a_message_in_hand_is_timed_from_the_one_before():
    (sleep,) = find_sleeps([moment(0, 1), moment(50, 0)], [Handling("a", "p", "w", 1, 70)])
    assert sleep.seconds is None


@pytest.mark.parametrize(
    ("asked", "pods"),
    [([4, 4, 4], (4,)), ([4, 3, 4], (4, 3, 4)), ([4, None, 4], (4,))],
    ids=["unchanged", "there and back", "not asked"],
)
def test_what_was_asked_for_in_an_outage_is_seen(asked, pods):
    moments = [moment(9, 2), *(moment(20 + number, one) for number, one in enumerate(asked)), moment(71, 9)]
    (outage,) = find_outages(moments, [Outage(10, 70)])
    assert (outage.seconds, outage.pods) == (60, pods)


def test_zero_is_a_number_of_pods():
    found = [
        (one.before, one.after) for one in find_scalings([moment(0, None), moment(1, 1), moment(2, 0), moment(3, 1)])
    ]
    assert found == [(1, 0), (0, 1)]
