"""The figures somebody decides by, from runs whose figures are known."""

from __future__ import annotations

from dataclasses import asdict, replace

import pytest
from tests.capacity.conftest import even_load, poisson_load, summary_of

from ebbtide.capacity.histogram import Histogram
from ebbtide.capacity.kernel import PureKernel
from ebbtide.capacity.model import Drain, Result, Row
from ebbtide.capacity.simulation import simulate
from ebbtide.capacity.summary import Range, in_words, ranges, summarize


def _row(seconds, replicas, waiting):
    return Row(seconds, replicas, replicas, 0, waiting, 0, 0.0, "")


def test_every_figure_is_of_the_run_in_its_own_unit(fixed):
    waits = Histogram()
    for wait_us in (0, 1_000_000, 2_000_000, 5_000_000):
        waits.linear[wait_us // 10_000] += 1
        waits.count += 1
        waits.total_us += wait_us
        waits.longest_us = max(waits.longest_us, wait_us)
    result = Result(
        messages=4, done=3, cut_off=2, crashed=1, left=1, pod_seconds=5400, node_seconds=900, peak_pods=5,
        peak_replicas=3, changes=4, peak_waiting=6, waits=waits,
        drains=[Drain(10, 2.5, 1, 0), Drain(20, 7.25, 3, 2)],
    )  # fmt: skip
    summary = summarize(result, fixed, 8 * 3)
    assert summary.pod_hours == 1.5
    assert summary.node_hours == 0.25
    assert summary.wait_p50_seconds == pytest.approx(1, abs=0.011)
    assert (summary.wait_p99_seconds, summary.wait_max_seconds, summary.wait_mean_seconds) == (5, 5, 2)
    assert (summary.drains, summary.longest_drain_seconds) == (2, 7.25)
    assert (summary.messages, summary.left, summary.cut_off, summary.crashed) == (4, 1, 2, 1)
    assert (summary.peak_waiting, summary.scalings, summary.peak_replicas, summary.peak_pods) == (6, 4, 3, 5)
    assert summary.peak_broker_connections == 5 * 8 * 3, "pods that drain hold their connections too"


def test_a_run_without_waits_or_drains_has_figures_of_zero(fixed):
    summary = summarize(Result(), fixed, 1)
    assert summary.longest_drain_seconds == summary.share_at_maximum == summary.wait_max_seconds == 0


@pytest.mark.parametrize(
    ("rows", "share"),
    [
        ([(1, 0), (10, 0)], 0.0),
        ([(1, 5), (10, 5)], 0.5),
        ([(10, 5), (10, 0)], 1.0),
        ([(9, 5), (10, 5), (10, 5)], 0.6667),
    ],
    ids=["never behind", "half of the time behind", "a quiet sync does not count", "two of three"],
)
def test_the_maximum_counts_only_while_messages_wait(on_backlog, rows, share):
    result = Result(rows=[_row(15 * place, *row) for place, row in enumerate(rows, 1)])
    assert summarize(result, on_backlog, 1).share_at_maximum == share


@pytest.mark.parametrize(("replicas", "share"), [(1, 0.0), (2, 1.0)])
def test_the_maximum_of_a_fixed_number_of_pods_is_that_number(fixed, replicas, share):
    result = Result(rows=[_row(15, replicas, 5)])
    assert summarize(result, replace(fixed, start_replicas=2), 1).share_at_maximum == share


def test_a_summary_counts_every_message_of_its_run(fixed):
    result = simulate(fixed, poisson_load(1, 2.0, 3.0, 5000), PureKernel())
    summary = summarize(result, fixed, 1)
    assert summary.messages == 5000
    assert summary.wait_p50_seconds <= summary.wait_p95_seconds <= summary.wait_p99_seconds <= summary.wait_max_seconds
    assert summary.pod_hours == round(result.horizon_seconds / 3600, 3), "one pod all the time"


def test_a_queue_that_is_served_at_once_waits_for_nobody(fixed):
    summary = summarize(simulate(fixed, even_load(1, 1, 100)), fixed, 1)
    assert summary.wait_max_seconds == 0
    assert summary.share_at_maximum == 0


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3], Range(3, 3, 3)),
        ([3, 1, 2], Range(1, 2, 3)),
        ([4, 1, 2, 3], Range(1, 2, 4)),
        ([0.5, 0.25], Range(0.25, 0.25, 0.5)),
    ],
)
def test_several_seeds_are_a_range_around_a_value_that_occurred(values, expected):
    found = ranges([summary_of(wait_p95_seconds=value) for value in values])
    assert found["wait_p95_seconds"] == expected
    assert found["messages"] == Range(100, 100, 100)


def test_no_run_is_no_range():
    with pytest.raises(ValueError, match="no run"):
        ranges([])


_HANDLED = {"wait_p95_seconds": 12.0, "wait_max_seconds": 30.0, "peak_replicas": 2, "pod_hours": 24.0}
_PAUSED = {"wait_p95_seconds": 80_000.0, "wait_max_seconds": 86_400.0, "left": 100}
_PODS = ", most pods 2, pod-hours 24.0"
_WAITS = "95 % of the messages wait at most 12.0 s, the longest 30.0 s"
_SO_FAR = "95 % of the messages wait at most 12.0 s and more, the longest 30.0 s and more"
_NO_LONGER = "95 % of the messages wait at most 12.0 s → no end, the longest 30.0 s → no end"
_STOPPED = "0 of 100 messages left undone → none of 100 messages is handled, "


@pytest.mark.parametrize(
    ("after", "before", "words"),
    [
        (_HANDLED, None, _WAITS + _PODS),
        (_PAUSED, None, "none of 100 messages is handled, most pods 0, pod-hours 0.0"),
        ({**_HANDLED, "left": 40}, None, f"40 of 100 messages left undone, {_SO_FAR}{_PODS}"),
        (_PAUSED, _HANDLED, f"{_STOPPED}{_NO_LONGER}, most pods 2 → 0, pod-hours 24.0 → 0.0"),
        ({**_HANDLED, "cut_off": 7}, _HANDLED, f"{_WAITS}{_PODS}, 7 messages cut off by the grace period"),
    ],
    ids=["handled", "nothing handled", "some left", "a change that stops all", "cut off"],
)
def test_a_sentence_never_praises_what_was_not_done(after, before, words):
    of = [None if figures is None else asdict(summary_of(**figures)) for figures in (after, before)]
    assert in_words(*of) == words
