"""The description of metrics: Prometheus' conventions hold, and a pod's cost to a collector is bounded."""

from __future__ import annotations

import re

import pytest

from ebbtide.image.ebbtide_supervisor.metric_texts import EVENT_COUNTS, METRICS, duration_bounds, most_series


@pytest.mark.parametrize("metric", METRICS, ids=lambda metric: metric.name)
def test_names_and_units_follow_prometheus(metric):
    assert re.fullmatch(r"ebbtide_[a-z_]+", metric.name)
    assert metric.name.endswith("_total") == (metric.type == "counter")
    assert metric.name.endswith("_seconds") == (metric.unit == "seconds")
    assert metric.name.endswith("_bytes") == (metric.unit == "bytes")
    assert metric.help.endswith(".")
    assert "ms" not in metric.unit


def test_every_name_is_one_thing():
    names = [metric.name for metric in METRICS] + [count.name for count in EVENT_COUNTS]
    assert len(set(names)) == len(names)


def test_buckets_reach_the_longest_message_and_no_further():
    assert duration_bounds(200)[-2:] == (120, 300)
    assert duration_bounds(60)[-1] == 60
    assert duration_bounds(7 * 86400)[-1] == 7 * 86400


def test_a_pod_costs_a_collector_a_known_number_of_series():
    assert most_series(200) == 40
    assert most_series(7 * 86400) == 46
