"""What a rehearsal concludes from what it saw."""

from dataclasses import replace

import pytest

from ebbtide.capacity.hpa import HpaSpec
from ebbtide.capacity.hpa.spec import Behavior, ScalingPolicy, ScalingRules
from ebbtide.explain.scaling import ScalingLimits
from ebbtide.rehearsal.ledger import Handling, PodEvent
from ebbtide.rehearsal.outcome import (
    contradictions,
    find_drains,
    find_scalings,
    is_window_judged,
    seconds_to_first_scale_up,
)
from ebbtide.rehearsal.watch import Moment, PodRecord

LIMITS = ScalingLimits((1, 3, 4), 15, 60, "all at once")


def up_by(kind, value, period):
    return HpaSpec(1, 4, behavior=Behavior(ScalingRules((ScalingPolicy(kind, value, period),))))


TWO_PODS = up_by("Pods", 2, 15)


def moment(at, desired=1, utilization=None, measured=None):
    return Moment(at, desired or 1, desired or 1, 0, desired, utilization, measured)


def pod(name="a", template="t1", created=0.0, deleted=100.0, gone=130.0):
    return PodRecord(name, template, "node", created, deleted, gone, 0)


def drain_of(*handlings, pods=None, events=(), lengths=None, removed=None):
    (drain,) = [
        one for one in find_drains(pods or [pod()], handlings, events, lengths or {}, removed or {}) if one.pod == "a"
    ]
    return drain


def test_a_drain_is_held_against_its_longest_message():
    drain = drain_of(
        Handling("m", "a", "w", 95, 110), Handling("n", "a", "w", 99, 129), Handling("o", "b", "w", 99, 300)
    )
    assert (drain.in_flight, drain.longest_remaining_seconds, drain.seconds) == (2, 29, 30)
    assert drain.overhead_seconds == 1


def test_a_message_that_ended_before_the_deletion_was_not_in_flight():
    assert drain_of(Handling("m", "a", "w", 95, 99)).in_flight == 0


def test_a_message_that_was_cut_off_would_have_needed_its_full_length():
    drain = drain_of(Handling("m", "a", "w", 95, None), lengths={"m": 200.0})
    assert (drain.cut_off, drain.longest_remaining_seconds) == (1, 195)


def test_a_message_begun_during_the_drain_is_seen():
    drain = drain_of(Handling("m", "a", "w", 101, 104))
    assert (drain.in_flight, drain.begun_after, drain.longest_remaining_seconds) == (0, 1, 4)


def test_the_image_s_own_words_are_more_exact_than_the_api_server_s_seconds():
    events = [PodEvent("a", 100.4, "drainStarted", {}), PodEvent("a", 129.7, "containerEnding", {})]
    assert drain_of(events=events).seconds == pytest.approx(29.3)


@pytest.mark.parametrize(
    ("others", "removed", "cause"),
    [
        ([], {}, "scale-down"),
        ([pod("b", "t2", created=90, deleted=None)], {}, "rolling update"),
        ([pod("b", "t2", created=110, deleted=None)], {}, "scale-down"),
        ([], {"a": "eviction"}, "eviction"),
    ],
    ids=["nothing else", "a newer template", "a template that came later", "we did it"],
)
def test_why_a_pod_ended(others, removed, cause):
    assert drain_of(pods=[pod(), *others], removed=removed).cause == cause


def test_a_pod_that_still_runs_has_no_drain():
    assert find_drains([pod(deleted=None, gone=None)], [], [], {}, {}) == []


def test_scalings_are_what_the_autoscaler_asks_for():
    moments = [moment(0, None), moment(1, 1), moment(2, 1), moment(3, 4, 250), moment(4, 2)]
    assert [(one.at, one.before, one.after) for one in find_scalings(moments)] == [(3, 1, 4), (4, 4, 2)]


def test_a_change_in_its_very_first_sync_is_seen():
    moments = [moment(0, None), moment(1, 0), moment(2, 3)]
    assert [(one.at, one.before, one.after) for one in find_scalings(moments)] == [(2, 1, 3)]


def test_pods_that_are_not_there_yet_are_no_growth():
    moments = [Moment(0, 0, 0, 0, None, None, None), Moment(1, 0, 0, 0, 1, None, None), moment(2, 1)]
    assert find_scalings(moments) == [], "a growth that never was takes from what may grow in its period"


@pytest.mark.parametrize(
    ("moments", "seconds"),
    [
        ([moment(0, 1, measured=10), moment(5, 1, measured=90), moment(17, 3)], 12),
        ([moment(0, 1, measured=65), moment(5, 1, measured=67), moment(17, 3)], 12),
        ([moment(0, 1, measured=10), moment(5, 3), moment(6, 3, measured=90)], 0),
        ([moment(0, 1, measured=10), moment(5, 2), moment(9, 2, measured=90), moment(17, 3)], 8),
        ([moment(0, 1, measured=10), moment(5, 3)], None),
        ([moment(0, 1, measured=90)], None),
    ],
    ids=[
        "over",
        "within the tolerance is not over",
        "the autoscaler saw it first",
        "to the minimum before any load",
        "never over",
        "never grew",
    ],
)
def test_the_first_scale_up_is_timed_from_the_crossing(moments, seconds):
    assert seconds_to_first_scale_up(moments, 60, 2) == seconds


BUSY = [moment(0, 3, 250), moment(20, 3, 250), moment(40, 3, 10), moment(60, 1, 10)]


@pytest.mark.parametrize(
    ("spec", "moments", "words"),
    [
        (TWO_PODS, [moment(0, 1), moment(1, 4)], "allow 3 at most"),
        (up_by("Percent", 100, 15), [moment(0, 1), moment(1, 3)], "allow 2 at most"),
        (up_by("Pods", 2, 60), [moment(0, 1), moment(1, 3), moment(16, 4)], "allow 3 at most"),
        (HpaSpec(1, 9), [moment(0, 1), moment(1, 5)], "allow 4 at most"),
        (TWO_PODS, [moment(0, 4), moment(1, 5)], "1 to 4"),
        (TWO_PODS, BUSY, "shrank"),
    ],
    ids=[
        "more pods than in a period",
        "more per cent than in a period",
        "again within the period",
        "without policies more than four at once",
        "above the maximum",
        "too soon after a high load",
    ],
)
def test_what_explain_excludes_is_a_contradiction(spec, moments, words):
    limits = replace(LIMITS, first_steps=(1, 4, 8, 9)) if spec.behavior is None else LIMITS
    (found,) = contradictions(moments, limits, 60, spec)
    assert words in found


@pytest.mark.parametrize(
    "moments",
    [
        [moment(0, 1, 250), moment(1, 3, 250), moment(16, 4, 100), moment(40, 4, 10), moment(120, 1, 10)],
        [moment(0, 2, 250), moment(1, 4, 250)],
        [moment(0, 1, 250), moment(1, 3, 250), moment(15.5, 4, 250)],
    ],
    ids=["up and down", "from between two steps", "a sync that was seen late"],
)
def test_what_explain_allows_is_none(moments):
    assert contradictions(moments, LIMITS, 60, TWO_PODS) == [], "a rehearsal would fail for a change that is allowed"


@pytest.mark.parametrize("behavior", [None, TWO_PODS.behavior, up_by("Percent", 100, 15).behavior])
def test_from_below_the_minimum_it_goes_there_at_once(behavior):
    moments = [moment(0, None), moment(1, 6)]
    spec = HpaSpec(6, 9, behavior=behavior)
    assert contradictions(moments, replace(LIMITS, first_steps=(6, 9)), 60, spec) == []


def test_a_change_that_was_seen_late_is_as_old_as_it_can_be():
    moments = [moment(0, 1, 250), moment(2.5, 3, 250), moment(15.2, 3, 250), moment(15.6, 4, 250)]
    assert contradictions(moments, LIMITS, 60, TWO_PODS) == [], "the first one came 15 s before, and was seen late"


def test_what_shrank_within_the_period_may_grow_again():
    spec = up_by("Pods", 1, 16)
    moments = [moment(0, 4, 10), moment(1, 2, 10), moment(15.9, 2, 10), moment(16.4, 4, 250)]
    assert contradictions(moments, LIMITS, 60, spec) == [], "the period began with four pods"


@pytest.mark.parametrize(("window", "judged"), [(60, True), (31, True), (30, False), (15, False)])
def test_a_window_within_two_syncs_cannot_be_judged(window, judged):
    assert is_window_judged(replace(LIMITS, seconds_before_shrinking=window)) == judged
