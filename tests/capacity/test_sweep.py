"""A sweep and its goal: what they may say, which value is chosen, and what is said of the others."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.capacity.conftest import summary_of

from ebbtide.capacity.sweep import Goal, Sweep, Tried, best, cheapest, parse_goal, parse_sweep, what_binds
from ebbtide.judgement.findings import SettingsError


def _tried(value, wait=0.0, pod_hours=1.0, **figures):
    return Tried(value, summary_of(wait_p95_seconds=wait, pod_hours=pod_hours, **figures))


@pytest.mark.parametrize(
    ("text", "path", "values"),
    [
        ("maxReplicas=2..5", "maxReplicas", (2, 3, 4, 5)),
        ("maxReplicas = 2..2", "maxReplicas", (2,)),
        ("worker.processes=10..50..20", "worker.processes", (10, 30, 50)),
        ("worker.processes=10..49..20", "worker.processes", (10, 30)),
        ("autoscaling.metrics[0].targetAverageValue=0..1", "autoscaling.metrics[0].targetAverageValue", (0, 1)),
        ("maxReplicas=1..1000", "maxReplicas", tuple(range(1, 1001))),
    ],
)
def test_a_sweep_holds_both_its_ends_and_every_step(text, path, values):
    assert parse_sweep(text) == Sweep(path, values)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("maxReplicas", "--sweep: is no sweep (got 'maxReplicas'); write maxReplicas=2..20"),
        ("maxReplicas=2", "is no sweep"),
        ("maxReplicas=-1..2", "is no sweep"),
        ("maxReplicas=1.5..2", "is no sweep"),
        ("=1..2", "is no sweep"),
        ("", "is no sweep"),
        ("maxReplicas=2..1", "has 0 values (got 'maxReplicas=2..1'); count upwards, at most 1000 values"),
        ("maxReplicas=1..2..0", "has 0 values"),
        ("maxReplicas=1..1001", "has 1,001 values"),
        ("maxReplicas=1..999999999", "has 999,999,999 values"),
        ("maxReplicas=1..9999999999", "is no sweep"),
    ],
)
def test_what_is_no_sweep_is_refused_before_it_is_counted_out(text, said):
    with pytest.raises(SettingsError) as error:
        parse_sweep(text)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("text", "goal", "shown"),
    [
        ("p95 < 60s", Goal("p95", 60), "p95 < 60.0 s"),
        ("p95 < 0.5s", Goal("p95", 0.5), "p95 < 0.5 s"),
        ("p50<1m30s", Goal("p50", 90), "p50 < 90.0 s"),
        ("max < 1h", Goal("max", 3600), "max < 3600.0 s"),
        ("backlog < 1000", Goal("backlog", 1000), "backlog < 1000"),
        ("podHours < 26.5", Goal("podHours", 26.5), "podHours < 26.5"),
        ("cutOff < 1", Goal("cutOff", 1), "cutOff < 1"),
        ("connections < 300", Goal("connections", 300), "connections < 300"),
    ],
)
def test_a_goal_is_a_bound_on_one_figure_in_its_unit(text, goal, shown):
    assert parse_goal(text) == goal
    assert str(goal) == shown
    assert isinstance(goal.value_of(summary_of()), float), "the figure is none of a summary's"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("p95", "--goal: is no goal (got 'p95'); write 'p95 < 60s'; figures: p50, p95, p99, max, backlog"),
        ("p95 > 60s", "is no goal"),
        ("p95 < 60s or less", "is no goal"),
        ("p96 < 60s", "is no goal"),
        ("p95 < 60", "has no bound (got '60'); write 'p95 < 60s'"),
        ("p95 < 0s", "has no bound"),
        ("backlog < 60s", "has no bound (got '60s'); write 'backlog < 1000'"),
        ("backlog < nan", "has no bound"),
        ("backlog < inf", "has no bound"),
        ("backlog < -1", "has no bound"),
        (f"p95 < {'9' * 400}s", "has no bound"),
    ],
)
def test_what_is_no_goal_is_refused_with_one_that_is(text, said):
    with pytest.raises(SettingsError) as error:
        parse_goal(text)
    assert said in str(error.value)


_ALMOST = st.from_regex(r"\A(maxReplicas|p95|backlog|\w{0,3}) ?[=<] ?[-\d.hms]{1,12}\Z") | st.text(max_size=30)


@given(_ALMOST)
def test_any_text_is_a_sweep_and_a_goal_or_is_refused_with_a_remedy(text):
    for parse in (parse_sweep, parse_goal):
        refused = None
        try:
            str(parse(text))
        except SettingsError as error:
            refused = error
        assert refused is None or refused.findings[0].remedy


@pytest.mark.parametrize(
    ("tried", "chosen"),
    [
        ([_tried(1, wait=60), _tried(2, wait=59)], 2),
        ([_tried(1, wait=5, pod_hours=30), _tried(2, wait=50, pod_hours=20)], 2),
        ([_tried(3, wait=5, pod_hours=20), _tried(2, wait=50, pod_hours=20)], 2),
        ([_tried(1, wait=5, pod_hours=1, left=1), _tried(2, wait=50, pod_hours=9)], 2),
        ([_tried(1, wait=60), _tried(2, wait=61)], None),
        ([_tried(1, wait=5, left=3)], None),
        ([], None),
    ],
    ids=[
        "the bound itself misses",
        "fewest pod-hours, not the best wait",
        "of equals the smallest",
        "what leaves messages undone meets nothing",
        "none meets",
        "none is done",
        "none was tried",
    ],
)
def test_the_cheapest_that_meets_the_goal_is_chosen(tried, chosen):
    found = cheapest(tried, Goal("p95", 60))
    assert (found.value if found else None) == chosen


@pytest.mark.parametrize(
    ("tried", "nearest"),
    [
        ([_tried(1, wait=90), _tried(2, wait=70), _tried(3, wait=80)], 2),
        ([_tried(1, wait=5, left=9), _tried(2, wait=70)], 2),
        ([_tried(2, wait=70), _tried(1, wait=70)], 1),
    ],
    ids=["the smallest figure", "first what gets done", "of equals the smallest value"],
)
def test_where_none_meets_the_goal_the_nearest_is_named(tried, nearest):
    assert best(tried, Goal("p95", 60)).value == nearest


@pytest.mark.parametrize(
    ("entry", "goal", "said"),
    [
        (_tried(1, left=7), Goal("p95", 60), "7 messages are left undone, however long the run goes on"),
        (
            _tried(1, wait=90, share_at_maximum=0.5),
            Goal("p95", 60),
            "p95 is 90.0 s; the maximum binds, 50% of the time with a backlog",
        ),
        (
            _tried(1, wait=90, share_at_maximum=0.49),
            Goal("p95", 60),
            "p95 is 90.0 s; the maximum hardly binds: the autoscaler's reaction and the start of pods do",
        ),
        (
            _tried(1, peak_waiting=2000, share_at_maximum=1),
            Goal("backlog", 9),
            "backlog is 2000; the maximum binds, 100%",
        ),
        (_tried(1, pod_hours=30, share_at_maximum=1), Goal("podHours", 9), "podHours is 30"),
        (_tried(1, cut_off=2), Goal("cutOff", 1), "cutOff is 2"),
    ],
)
def test_what_binds_is_said_from_the_run_itself(entry, goal, said):
    text = what_binds(entry, goal)
    assert text.startswith(said)
    assert ("maximum" in text) == ("maximum" in said), "more replicas do not lower that figure"
