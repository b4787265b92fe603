"""Loads and scenarios for the tests of the simulation."""

from __future__ import annotations

import os
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import fields, replace
from random import Random
from typing import Any

import pytest
from tools.compilers import c_compiler

from ebbtide.capacity.hpa import HpaSpec, Metric
from ebbtide.capacity.model import NodeTimes, PodTimes, Scenario
from ebbtide.capacity.summary import Summary
from ebbtide.capacity.trace import Chunk
from ebbtide.settings.models.stack import StackSettings

MICROSECONDS = 1_000_000


@pytest.fixture(scope="session", autouse=True)
def compiler() -> None:
    """A C compiler for the kernel, which half of these tests run, also on a machine that has none."""
    os.environ["CC"] = str(c_compiler())


def poisson_load(seed: int, rate_per_second: float, mean_seconds: float, count: int) -> Iterator[Chunk]:
    """Exponential gaps and exponential durations: what Erlang's formulas are about."""
    random = Random(seed)
    now = 0.0
    arrivals, durations = array("q"), array("q")
    for _ in range(count):
        now += random.expovariate(rate_per_second)
        arrivals.append(round(now * MICROSECONDS))
        durations.append(round(random.expovariate(1 / mean_seconds) * MICROSECONDS))
        if len(arrivals) == 4096:
            yield arrivals, durations
            arrivals, durations = array("q"), array("q")
    if arrivals:
        yield arrivals, durations


def even_load(rate_per_second: float, seconds: float, count: int) -> Iterator[Chunk]:
    """A message at every tick of a clock, all of one length."""
    gap = MICROSECONDS / rate_per_second
    yield (
        array("q", (round(place * gap) for place in range(count))),
        array("q", [round(seconds * MICROSECONDS)] * count),
    )


CONSUMER: dict[str, Any] = {
    "image": "registry.example/consumers/mail:1.0.0",
    "worker": {"kind": "symfonyMessenger", "receivers": ["mail"], "processes": 4},
    "shutdown": {"longestMessage": "20s"},
    "autoscaling": {
        "kind": "hpa",
        "minReplicas": 1,
        "maxReplicas": 4,
        "metrics": [{"kind": "external", "metric": "mail_backlog", "targetAverageValue": 8}],
    },
}


def stack_of(cluster: Mapping[str, Any] | None = None, **changes: Any) -> StackSettings:
    """A stack with the consumer `mail`, as a file with these keys of the consumer would say it."""
    raw: dict[str, Any] = {
        "name": "dev",
        "cluster": cluster or {"kind": "existing", "kubernetesVersion": "1.34"},
        "consumers": {"mail": {**CONSUMER, **changes}},
    }
    if cluster:
        raw["google"] = {"project": "acme-dev", "region": "europe-west1"}
    return StackSettings.model_validate(raw)


def summary_of(**figures: float) -> Summary:
    """The figures of a run of a hundred messages in which nothing happened, but for these."""
    zero: dict[str, Any] = {field.name: 0 for field in fields(Summary)}
    return Summary(**{**zero, "messages": 100, **figures})


@pytest.fixture
def fixed() -> Scenario:
    """A pod with eight workers that never rotate."""
    return Scenario(processes=8, grace_seconds=60, hpa=None, start_replicas=1)


@pytest.fixture
def on_backlog() -> Scenario:
    """One to ten pods of four workers, one pod for every eight waiting messages; pods start at once."""
    metric = Metric("External", "AverageValue", 8_000, "queue")
    at_once = PodTimes(schedule_seconds=0, pull_seconds=0, boot_seconds=0, ready_seconds=0)
    return Scenario(
        processes=4,
        grace_seconds=60,
        hpa=HpaSpec(1, 10, (metric,)),
        start_replicas=1,
        signals=(("queue", "backlog"),),
        metric_lag_seconds=0,
        pod=at_once,
        node=replace(NodeTimes(), pods_per_node=100),
    )
