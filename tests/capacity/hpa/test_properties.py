"""Laws that hold for any input: section 9 of the controller's rules, as far as the controller alone can keep them."""

from __future__ import annotations

import json
import math

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.capacity.hpa.scenarios import SECOND_US, decide, random_scenario

import ebbtide.capacity.hpa as api

# The machine may be busy: a slow example is no wrong one.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
EXTERNAL = api.Metric("External", "AverageValue", 30_000, "backlog")
CPU = api.Metric("Resource", "Utilization", 60, "cpu")
POLICY = st.builds(api.ScalingPolicy, st.sampled_from(["Pods", "Percent"]), st.integers(1, 300), st.integers(1, 1800))
RULES = st.builds(
    api.ScalingRules,
    st.lists(POLICY, min_size=1, max_size=3).map(tuple),
    st.sampled_from(["Max", "Min", "Disabled"]),
    st.integers(0, 3600),
    st.none() | st.floats(0, 1),
)
BEHAVIOR = st.none() | st.builds(api.Behavior, RULES, RULES)
RELEASE = st.integers(25, 37).map(api.Release.of)


@PATIENT
@given(BEHAVIOR, RELEASE, st.integers(1, 50), st.integers(0, 100), st.lists(st.integers(0, 9_000_000), max_size=40))
def test_replicas_stay_between_the_bounds_once_there(behavior, release, low, span, backlogs):
    spec = api.HpaSpec(low, low + span, (EXTERNAL,), behavior, release)
    controller, history, count = api.Controller(spec), api.History(), low + span // 2
    for number, backlog in enumerate(backlogs):
        decision = controller.sync(history, number * 15 * SECOND_US, api.Scale(count, count), None, [backlog])
        assert low <= decision.desired <= low + span, "pods beyond what the settings allow are paid for"
        count = decision.desired


@PATIENT
@given(BEHAVIOR, RELEASE, st.integers(0, 500))
def test_a_count_outside_the_bounds_is_brought_back_at_once(behavior, release, count):
    spec = api.HpaSpec(10, 20, (EXTERNAL,), behavior, release)
    decision = api.Controller(spec).sync(api.History(), 0, api.Scale(count, count), None, [api.MetricFailure("away")])
    expected = min(max(count, 10), 20) if count else 0
    assert decision.desired == expected, "0 is a pause; anything else outside is corrected without metrics"


@PATIENT
@given(BEHAVIOR, RELEASE, st.integers(1, 100), st.integers(0, 10**9))
def test_a_failed_metric_never_shrinks(behavior, release, count, backlog):
    spec = api.HpaSpec(1, 100, (EXTERNAL, CPU), behavior, release)
    history = api.History(recommendations=[])
    samples = [backlog, api.MetricFailure("away")]
    decision = api.Controller(spec).sync(history, 0, api.Scale(count, count), None, samples)
    assert decision.desired >= count, "a broken metrics API must not drain a busy consumer"


@PATIENT
@given(BEHAVIOR, st.integers(1, 100), st.integers(1, 200))
def test_a_backlog_of_the_target_per_pod_is_left_alone(behavior, count, target):
    """Little's law needs this fixed point: at `count` times the target nothing moves, so the backlog settles there."""
    spec = api.HpaSpec(1, 100, (api.Metric("External", "AverageValue", target * 1000, "q"),), behavior)
    backlog = count * target * 1000
    decision = api.Controller(spec).sync(api.History(), 0, api.Scale(count, count), None, [backlog])
    assert not decision.rescale
    assert decision.proposal == count


def _growth(ready: int, usage: int, request: int, current: int, unready: int) -> int:
    """What a growing CPU metric proposes; 0 when it does not grow."""
    samples = api.PodSamples(ready, usage, ready * request, unready, unready * request)
    controller = api.Controller(api.HpaSpec(1, 10**6, (CPU,), release=api.Release.of(34)))
    (result,) = controller.sync(api.History(), 0, api.Scale(current, current), None, [samples]).metrics
    return result.proposal if result.outcome == "scales" and result.ratio > 1 else 0


@PATIENT
@given(st.integers(1, 60), st.integers(1, 200), st.integers(0, 200), st.integers(0, 4000), st.integers(1, 2000))
def test_unready_pods_lift_a_growth_proposal_by_at_most_one(ready, current, unready, per_cent, request):
    """The one is the truncation to whole per cent; above `target` ready pods it can be more (120 pods: 180 to 182)."""
    usage = ready * request * per_cent // 100
    with_unready = _growth(ready, usage, request, current, unready)
    assert with_unready <= max(_growth(ready, usage, request, current, 0), current) + 1


@PATIENT
@given(st.integers(1, 900), st.integers(1, 200), st.integers(0, 200), st.integers(0, 4000), st.integers(1, 2000))
def test_growth_never_asks_for_more_than_the_usage_fills(ready, current, unready, per_cent, request):
    usage = ready * request * per_cent // 100
    assert _growth(ready, usage, request, current, unready) <= 100 * usage // (60 * request) + 1


@PATIENT
@given(st.integers(1, 1000), st.integers(1, 5), st.integers(0, 10**6), st.sampled_from([30, 60, 100, 150, 300]))
def test_classes_of_pods_decide_as_single_pods_do(ready, missing, usage, target):
    metric = api.Metric("Resource", "Utilization", target, "cpu")
    flags, old = api.ControllerFlags(), -(10**12)
    pods = [api.Pod("Running", "True", old, old, request_milli=700, sample=api.Sample(usage, 0, 0))] * ready
    pods += [api.Pod("Running", "True", old, old, request_milli=700)] * missing
    classes = api.PodSamples(ready, ready * usage, ready * 700, missing=missing, missing_request_milli=missing * 700)
    grouped = api.group_pods(pods, metric, 0, flags)
    assert grouped == classes


@settings(PATIENT, max_examples=60)
@given(st.integers(0, 10**9))
def test_the_same_scenario_is_decided_the_same_way_twice(seed):
    release = api.Release.of(34)
    scenario = random_scenario(api, seed, release)
    first = json.dumps(decide(api, scenario, release))
    assert first == json.dumps(decide(api, scenario, release))


@settings(PATIENT, max_examples=60)
@given(st.integers(0, 10**9), st.integers(0, 50))
def test_a_copied_history_goes_on_as_the_original_does(seed, fork):
    """What-ifs start from a copy: neither may disturb the other."""
    spec = api.HpaSpec(1, 50, (EXTERNAL,), api.Behavior())
    controller, history, count = api.Controller(spec), api.History(), 5
    twin, twins_count = api.History(), 5
    for number in range(60):
        if number == fork:
            twin, twins_count = history.copy(), count
        backlog = int(800_000 * (1 + math.sin(seed + number / 7)))
        now_us = number * 15 * SECOND_US
        decision = controller.sync(history, now_us, api.Scale(count, count), None, [backlog])
        if number >= fork:
            twins = controller.sync(twin, now_us, api.Scale(twins_count, twins_count), None, [backlog])
            assert twins == decision
            twins_count = twins.desired
        count = decision.desired


@PATIENT
@given(BEHAVIOR, st.lists(st.integers(0, 9_000_000), min_size=30, max_size=90))
def test_what_is_remembered_does_not_grow_with_time(behavior, backlogs):
    spec = api.HpaSpec(1, 100, (EXTERNAL,), behavior)
    controller, history, count = api.Controller(spec), api.History(), 3
    for number, backlog in enumerate(backlogs):
        decision = controller.sync(history, number * 1900 * SECOND_US, api.Scale(count, count), None, [backlog])
        count = decision.desired
    # Nothing is younger than two syncs here: windows reach 3600 s, periods 1800 s, and the first one is kept.
    assert len(history.recommendations or []) <= 4
    assert len(history.scale_ups) + len(history.scale_downs) <= 2
