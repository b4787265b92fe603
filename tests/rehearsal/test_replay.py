"""The simulator's controller decides on what the real one saw."""

from ebbtide.capacity.hpa import HpaSpec, Metric
from ebbtide.rehearsal.metrics import cpu_milli, measured_utilization, seen_utilization
from ebbtide.rehearsal.replay import Sync, replay

SPEC = HpaSpec(1, 4, (Metric("Resource", "Utilization", 60, "cpu"),))
READY_SINCE = "2026-11-23T17:00:00Z"
NOW = 1795458600.0  # 2026-11-23T18:30:00Z


def pod(name, **metadata):
    conditions = [{"type": "Ready", "status": "True", "lastTransitionTime": READY_SINCE}]
    return {
        "metadata": {"name": name, **metadata},
        "spec": {"containers": [{"resources": {"requests": {"cpu": "100m"}}}]},
        "status": {"phase": "Running", "startTime": READY_SINCE, "conditions": conditions},
    }


def sample(name, cpu):
    return {
        "metadata": {"name": name},
        "timestamp": "2026-11-23T18:29:50Z",
        "window": "15.01s",
        "containers": [{"usage": {"cpu": cpu}}],
    }


def sync(at, current, desired, cpu, names=("a",)):
    samples = [sample(one, cpu) for one in names]
    return Sync(NOW + at, current, desired, None, [pod(one) for one in names], (samples, samples))


def test_a_change_that_both_decided_agrees():
    (compared,) = replay(SPEC, [sync(0, 1, 1, "60m"), sync(15, 1, 3, "146m")])
    assert (compared.real, compared.ours, compared.agrees) == (3, 3, True)


def test_a_change_that_only_one_decided_does_not():
    (real,) = replay(SPEC, [sync(0, 1, 3, "60m")])
    (ours,) = replay(SPEC, [sync(0, 1, 1, "146m")])
    assert (real.agrees, ours.agrees) == (False, False), "a simulator that is wrong would look right"


def test_of_two_samples_the_one_counts_that_the_autoscaler_saw():
    earlier, later = [sample("a", "60m")], [sample("a", "146m")]
    seen = Sync(NOW, 1, 3, 146, [pod("a")], (earlier, later))
    assert [one.agrees for one in replay(SPEC, [seen])] == [True]


def test_usage_is_read_in_every_unit_of_the_metrics_api():
    assert [cpu_milli(text) for text in ("1500000n", "1500u", "1.5m", "2")] == [1.5, 1.5, 1.5, 2000]


def test_the_mean_is_over_pods_that_have_a_sample():
    assert measured_utilization([pod("a"), pod("b"), pod("c")], [sample("a", "50m"), sample("b", "100m")], NOW) == 75
    assert measured_utilization([pod("a")], [], NOW) is None


def test_what_the_autoscaler_does_not_count_is_no_crossing():
    going = pod("b", deletionTimestamp="2026-11-23T18:31:00Z")
    fresh = pod("c")
    fresh["status"] |= {
        "startTime": "2026-11-23T18:29:30Z",
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": "2026-11-23T18:29:40Z"}],
    }
    samples = [sample("a", "10m"), sample("b", "100m"), sample("c", "100m")]
    counted = measured_utilization([pod("a"), going, fresh], samples, NOW)
    assert counted == 10, (
        "its 30 s would begin with a sample that it does not look at: of 15 s, 10 s after it was ready"
    )


def test_an_autoscaler_that_has_not_decided_yet_does_not_differ():
    assert replay(SPEC, [sync(0, 1, 0, "60m"), sync(15, 1, 0, "146m")]) == []


def test_what_the_autoscaler_saw_is_in_its_status():
    status = {"currentMetrics": [{"type": "Resource", "resource": {"current": {"averageUtilization": 146}}}]}
    assert seen_utilization(status) == 146
    assert seen_utilization({}) is None
