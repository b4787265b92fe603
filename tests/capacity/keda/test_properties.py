"""Laws that hold for any ScaledObject and any readings."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from tests.capacity.keda.checks import SECOND_US, manifest
from tests.capacity.keda.tables.objects import ANY

from ebbtide.capacity.hpa import Controller, History, MetricFailure, Scale
from ebbtide.capacity.keda import Memory, Operator, ScaledObject, Target
from ebbtide.capacity.keda.manifest import read_scaled_object

# The machine may be busy: a slow example is no wrong one.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
READING = st.integers(-1, 500).map(float) | st.just(MetricFailure("away"))
FALLBACK = st.none() | st.fixed_dictionaries(
    {
        "failureThreshold": st.integers(0, 3),
        "replicas": st.integers(1, 9),
        "behavior": st.sampled_from(["static", "currentReplicas", "currentReplicasIfHigher", "currentReplicasIfLower"]),
    }
)
TRIGGER = st.sampled_from(
    [ANY, {"type": "redis-streams", "metadata": {"stream": "s"}}, {**ANY, "useCachedMetrics": True}]
)


@st.composite
def scaled_objects(draw: st.DrawFn, least: int = 0) -> ScaledObject:
    """Any that KEDA takes, without pauses."""
    minimum = draw(st.integers(least, 4))
    spec: dict[str, Any] = {
        "minReplicaCount": minimum,
        "maxReplicaCount": draw(st.integers(max(1, minimum), 20)),
        "pollingInterval": draw(st.integers(1, 60)),
        "cooldownPeriod": draw(st.integers(0, 600)),
        "initialCooldownPeriod": draw(st.integers(0, 600)),
        "triggers": draw(st.lists(TRIGGER, min_size=1, max_size=3)),
    }
    if minimum > least and draw(st.booleans()):
        spec["idleReplicaCount"] = draw(st.integers(least, minimum - 1))
    if fallback := draw(FALLBACK):
        spec["fallback"] = fallback
    return read_scaled_object(manifest(spec), 34)


def polls(spec: ScaledObject, readings: list[Any], pods: int, seconds: int = 5) -> Any:
    """Poll after poll, with nothing in between: (poll, pods before it, its memory)."""
    operator, memory = Operator(spec), Memory(0)
    for number, reading in enumerate(readings, 1):
        now = number * seconds * SECOND_US + SECOND_US // 2
        poll = operator.poll(memory, now, Target(pods, pods), [reading] * len(spec.triggers))
        yield poll, pods, memory
        pods = poll.desired


@PATIENT
@given(scaled_objects(), st.lists(READING, max_size=30), st.integers(0, 20))
def test_a_poll_goes_only_where_it_may(spec, readings, pods):
    for poll, before, _ in polls(spec, readings, pods):
        allowed = {before, spec.deactivated_replicas, spec.activated_replicas, spec.min_replicas}
        assert poll.desired in allowed, "between the minimum and the maximum only the HPA decides"


@PATIENT
@given(scaled_objects(least=1), st.lists(READING, max_size=30), st.integers(0, 20))
def test_a_minimum_without_an_idle_count_is_never_left_downwards(spec, readings, pods):
    assume(spec.idle_replicas is None)
    for poll, before, _ in polls(spec, readings, pods):
        assert poll.desired >= before, "a poll takes pods away that the settings promise"
        if before >= spec.min_replicas:
            assert not poll.rescale, "polling has no effect above zero: nobody should tune pollingInterval for it"


@PATIENT
@given(scaled_objects(), st.lists(READING, max_size=60), st.integers(1, 20))
def test_nobody_is_taken_to_zero_within_the_cooldown_of_its_last_work(spec, readings, pods):
    worked_us = None
    for poll, before, _ in polls(spec, readings, pods):
        if worked_us is not None and poll.desired < before:
            assert poll.now_us - worked_us >= spec.cooldown_seconds * SECOND_US
        if poll.active and not poll.failed:
            worked_us = poll.now_us


@PATIENT
@given(scaled_objects(), st.lists(st.just(MetricFailure("away")), max_size=60), st.integers(1, 20))
def test_a_broker_that_is_away_takes_no_pod_away(spec, readings, pods):
    """Whatever the fallback, unless its replicas are 0: polls only hold or raise."""
    for poll, before, _ in polls(spec, readings, pods):
        assert poll.desired >= before, "an outage of the broker drains its consumers"


@PATIENT
@given(scaled_objects(), st.lists(READING, min_size=1, max_size=30), st.integers(0, 20))
def test_zero_is_left_only_for_work_or_a_minimum(spec, readings, pods):
    for poll, before, _ in polls(spec, readings, pods):
        if before == 0 and poll.desired:
            assert poll.active or spec.min_replicas, "pods are paid for that nothing asked for"


@PATIENT
@given(scaled_objects(), st.lists(READING, min_size=4, max_size=60))
def test_both_loops_stay_within_the_bounds_once_there(spec, readings):
    operator, memory, history = Operator(spec), Memory(0), History()
    assert spec.hpa is not None
    controller, pods = Controller(spec.hpa), max(1, spec.min_replicas)
    for number, reading in enumerate(readings, 1):
        now = number * 5 * SECOND_US
        read = [reading] * len(spec.triggers)
        pods = operator.poll(memory, now + SECOND_US // 2, Target(pods, pods), read).desired
        if number % 3 == 0:
            told = [
                operator.external_metric(memory, metric.name, Target(pods, pods), read) for metric in spec.hpa.metrics
            ]
            pods = controller.sync(history, now, Scale(pods, pods), None, told).desired
        low = spec.deactivated_replicas if spec.polls else spec.min_replicas
        assert low <= pods <= spec.hpa.max_replicas, "pods beyond what the settings allow are paid for"


@PATIENT
@given(scaled_objects(), st.lists(READING, min_size=2, max_size=40), st.integers(0, 20), st.integers(0, 39))
def test_a_copied_memory_goes_on_as_the_original_does(spec, readings, pods, fork):
    """What-ifs start from a copy: neither may disturb the other."""
    operator, twin = Operator(spec), Memory(0)
    for number, (poll, before, memory) in enumerate(polls(spec, readings, pods)):
        if number > fork:
            read = [readings[number]] * len(spec.triggers)
            assert operator.poll(twin, poll.now_us, Target(before, before), read) == poll
        if number >= fork:
            twin = memory.copy()


@PATIENT
@given(st.integers(0, 300), st.integers(0, 300))
def test_activation_is_strictly_above(activation, waiting):
    trigger = {
        "type": "prometheus",
        "metadata": {"query": "q", "threshold": "10", "activationThreshold": str(activation)},
    }
    spec = read_scaled_object(manifest({"triggers": [trigger]}), 34)
    poll = Operator(spec).poll(Memory(0), SECOND_US, Target(0, 0), [float(waiting)])
    assert poll.desired == (1 if waiting > activation else 0)
