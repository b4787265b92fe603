"""What the autoscaler sees of the consumer: each source with its own age, and new pods without a sample."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from itertools import pairwise
from typing import NamedTuple

from ebbtide.capacity.clock import MICROSECONDS
from ebbtide.capacity.hpa import Metric, PodSamples
from ebbtide.capacity.hpa.metrics import MetricInput
from ebbtide.capacity.hpa.pods import Pod, Sample, group_pods
from ebbtide.capacity.hpa.spec import ControllerFlags
from ebbtide.capacity.keda import Counts, Trigger
from ebbtide.capacity.model import Scenario
from ebbtide.capacity.pods import Fleet, SimulatedPod

_NANOCORES = 1_000_000
"""In a millicore."""


class State(NamedTuple):
    """The consumer at one instant."""

    at_us: int
    waiting: int
    """Messages."""
    in_flight: int
    """Messages, those of draining pods included: a broker counts them as well."""
    consuming: int
    """Pods that take messages."""
    returning: int = 0
    """Messages of killed workers that cannot be taken again yet."""
    busy_us: int = 0
    """How long workers have handled messages so far, all together, without pods that drain."""
    worker_us: int = 0
    """How long workers have been there to do so."""

    def messages(self, counts: Counts) -> int:
        """So many messages of a kind. None is delayed here, and of an unknown kind there is none."""
        waiting = self.waiting if counts in {"backlog", "backlogAndInFlight"} else 0
        return waiting + (self.in_flight if counts in {"inFlight", "backlogAndInFlight"} else 0)


@dataclass(slots=True)
class Metrics:
    """The states of the last minutes, and what each metric makes of them."""

    scenario: Scenario
    flags: ControllerFlags
    states: deque[State] = field(default_factory=deque)
    kept_us: int = field(init=False)
    """How far back a metric may look, and so how long after it is Ready a pod may count otherwise than an old one."""

    def __post_init__(self) -> None:
        scenario = self.scenario
        ages = [self.age_us(trigger) for trigger in (scenario.keda.triggers if scenario.keda else ())]
        lags = [_us(lag) for lag in (scenario.metric_lag_seconds, *(lag for _, lag in scenario.metric_lags))]
        self.kept_us = max(lags + ages) + _us(scenario.cpu_window_seconds + scenario.sync_seconds)

    def record(self, state: State) -> None:
        """Keep a state for as long as any source lags."""
        self.states.append(state)
        edge = state.at_us - self.kept_us
        while len(self.states) > 1 and self.states[1].at_us <= edge:
            self.states.popleft()

    def read(self, metric: Metric, fleet: Fleet, now: int) -> MetricInput:
        """What one sync is told about a metric."""
        lag = dict(self.scenario.metric_lags).get(metric.name, self.scenario.metric_lag_seconds)
        state = self.seen(_us(lag), now)
        if metric.source in {"External", "Object"}:
            return 1000 * state.messages(dict(self.scenario.signals).get(metric.name, "backlog"))
        return self._of_pods(metric, fleet, state, now)

    def counts(self, trigger: Trigger) -> Counts:
        """Which messages a trigger of KEDA's counts: as the load says, or by itself."""
        return dict(self.scenario.signals).get(trigger.metric.name, trigger.counts)

    def age_us(self, trigger: Trigger) -> int:
        """How old its broker's answer is: as measured, or as such brokers are."""
        return _us(dict(self.scenario.metric_lags).get(trigger.metric.name, trigger.age_seconds))

    def seen(self, age_us: int, now: int) -> State:
        """The newest measurement that is old enough to be visible."""
        edge = now - age_us
        for state in reversed(self.states):
            if state.at_us <= edge:
                return state
        return self.states[0]

    def _of_pods(self, metric: Metric, fleet: Fleet, state: State, now: int) -> PodSamples:
        """All workers share the load, so all pods use the same; those that settle are sorted one by one."""
        usage, request = self._memory_milli() if metric.name == "memory" else self._cpu_milli(state)
        settling = [self._pod(pod, usage, request, state.at_us, now) for pod in fleet.settling]
        samples = group_pods(settling, metric, now, self.flags)
        settled = len(fleet.pods) - len(settling)
        samples.ready += settled
        samples.ready_usage_milli += settled * usage
        samples.ready_request_milli += settled * request
        return samples

    def _memory_milli(self) -> tuple[int, int]:
        """What a pod uses, and its request."""
        return self.scenario.memory_bytes * 1000, self.scenario.memory_request_bytes * 1000

    def _cpu_milli(self, state: State) -> tuple[int, int]:
        """What a pod uses, and its request. metrics-server counts in billionths of a core, and the controller rounds
        up to thousandths (metrics/client.go, `MilliValue`)."""
        scenario, busy = self.scenario, self._busy_share(state)
        of_worker = busy * scenario.cpu_busy_millicores + (1 - busy) * scenario.cpu_idle_millicores
        return -(-round(scenario.processes * of_worker * _NANOCORES) // _NANOCORES), scenario.cpu_request_millicores

    def _busy_share(self, state: State) -> float:
        """Which part of their time workers have handled messages, in the window before a sample."""
        busy_us, worker_us = self._worked_until(state.at_us - round(self.scenario.cpu_window_seconds * MICROSECONDS))
        there = state.worker_us - worker_us
        return (state.busy_us - busy_us) / there if there else 0.0

    def _worked_until(self, at: int) -> tuple[int, int]:
        """How long workers had been busy, and there, at an instant; evenly between two states."""
        for before, after in pairwise(self.states):
            if before.at_us <= at < after.at_us:
                passed, all_of_it = at - before.at_us, after.at_us - before.at_us
                return (
                    before.busy_us + (after.busy_us - before.busy_us) * passed // all_of_it,
                    before.worker_us + (after.worker_us - before.worker_us) * passed // all_of_it,
                )
        return self.states[0].busy_us, self.states[0].worker_us

    def _pod(self, pod: SimulatedPod, usage: int, request: int, sampled_us: int, now: int) -> Pod:
        window = round(self.scenario.cpu_window_seconds * MICROSECONDS)
        sampled = pod.running_us + window <= sampled_us
        ready = pod.ready_us <= now
        return Pod(
            phase="Running" if pod.running_us <= now else "Pending",
            ready_status="True" if ready else "False",
            ready_transition_us=pod.ready_us if ready else pod.scheduled_us,
            start_us=pod.scheduled_us if pod.scheduled_us <= now else None,
            request_milli=request,
            sample=Sample(usage, sampled_us, window) if sampled else None,
        )


def _us(seconds: float) -> int:
    return round(seconds * MICROSECONDS)
