"""What one sync costs, and that it does not depend on the number of pods."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest
from tests.capacity.hpa.scenarios import SECOND_US

import ebbtide.capacity.hpa as api

CPU = api.Metric("Resource", "Utilization", 60, "cpu")
BACKLOG = api.Metric("External", "AverageValue", 30_000, "backlog")


def _microseconds(sizes: list[int], metric: api.Metric, behavior: api.Behavior | None) -> list[float]:
    """Processor time of a sync at each number of pods: the fastest of 15 runs of 200 syncs, so that a busy machine does
    not decide. The sizes take turns, so that a while in which the machine is slow is the same for all of them."""
    measured = [_Measured(pods, metric, behavior) for pods in sizes]
    for run in range(15):
        for each in measured:
            each.run(run)
    return [each.best_us for each in measured]


class _Measured:
    """A controller with a number of pods, and its fastest run so far."""

    def __init__(self, pods: int, metric: api.Metric, behavior: api.Behavior | None) -> None:
        self.controller = api.Controller(api.HpaSpec(1, 10_000, (metric,), behavior))
        spare = pods // 10
        classes = api.PodSamples(
            pods - 2 * spare, pods * 600, (pods - 2 * spare) * 1000, spare, spare * 1000, spare, spare * 1000
        )
        self.sample = classes if metric is CPU else pods * 45_000
        self.scale, self.history, self.best_us = api.Scale(pods, pods), api.History(), float("inf")

    def run(self, number_of_run: int) -> None:
        sync, history, scale, samples = self.controller.sync, self.history, self.scale, (self.sample,)
        start = time.thread_time()
        for number in range(200):
            sync(history, (number_of_run * 200 + number) * 15 * SECOND_US, scale, None, samples)
        self.best_us = min(self.best_us, (time.thread_time() - start) / 200 * 1e6)


@pytest.mark.parametrize("behavior", [None, api.Behavior()], ids=["no behavior", "behavior"])
@pytest.mark.parametrize("metric", [CPU, BACKLOG], ids=["cpu", "backlog"])
def test_a_sync_costs_the_same_at_10_and_at_5000_pods(metric, behavior, record_testsuite_property):
    small, large = _microseconds([10, 5000], metric, behavior)
    record_testsuite_property(
        f"microseconds a sync, {metric.name}, {'with' if behavior else 'without'} behavior",
        f"{small:.1f} at 10 pods, {large:.1f} at 5,000",
    )
    assert large <= 2 * small, f"{small:.1f} us at 10 pods, {large:.1f} us at 5,000: a large consumer slows the sweep"


def test_importing_the_controller_brings_no_heavy_package():
    heavy = {"pydantic", "pulumi", "yaml", "numpy", "rich", "typer", "fractions", "decimal"}
    code = "import sys, ebbtide.capacity.hpa; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not heavy & set(ran.stdout.split()), "simulate starts in a fraction of a second only without them"
