"""What the autoscaler sees of the consumer: each source with its own age, and new pods without a sample."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass, field

from ebbtide.capacity.histogram import MICROSECONDS
from ebbtide.capacity.hpa import Metric, PodSamples
from ebbtide.capacity.hpa.metrics import MetricInput
from ebbtide.capacity.hpa.pods import Pod, Sample, group_pods
from ebbtide.capacity.hpa.spec import ControllerFlags
from ebbtide.capacity.model import Scenario
from ebbtide.capacity.pods import Fleet, SimulatedPod


@dataclass(frozen=True, slots=True)
class State:
    """The consumer at one instant."""

    at_us: int
    waiting: Sequence[int]
    """Messages by queue."""
    in_hand: Sequence[int]
    """Messages by queue."""
    consuming: int
    """Pods that take messages."""
    returning: int = 0
    """Messages of killed workers that cannot be taken again yet."""


@dataclass(slots=True)
class Metrics:
    """The states of the last minutes, and what each metric makes of them."""

    scenario: Scenario
    flags: ControllerFlags
    queues: tuple[str, ...]
    states: deque[State] = field(default_factory=deque)
    settling_us: int = field(init=False)
    """How long after it is Ready a pod may still count otherwise than an old one."""
    _kept_us: int = field(init=False)

    def __post_init__(self) -> None:
        scenario = self.scenario
        longest = max([scenario.metric_lag_seconds, *(lag for _, lag in scenario.metric_lags)])
        self.settling_us = round((longest + scenario.cpu_window_seconds + scenario.sync_seconds) * MICROSECONDS)
        self._kept_us = round(longest * MICROSECONDS)

    def record(self, state: State) -> None:
        """Keep a state for as long as any source lags."""
        self.states.append(state)
        edge = state.at_us - self._kept_us
        while len(self.states) > 1 and self.states[1].at_us <= edge:
            self.states.popleft()

    def read(self, metric: Metric, fleet: Fleet, now: int) -> MetricInput:
        """What one sync is told about a metric."""
        lag = dict(self.scenario.metric_lags).get(metric.name, self.scenario.metric_lag_seconds)
        edge = now - round(lag * MICROSECONDS)
        # The newest measurement that is old enough to be visible.
        state = next((state for state in reversed(self.states) if state.at_us <= edge), self.states[0])
        if metric.source in {"External", "Object"}:
            return 1000 * self._messages(metric.name, state)
        return self._of_pods(metric, fleet, state, now)

    def _messages(self, name: str, state: State) -> int:
        watched = dict(self.scenario.watched_queues).get(name)
        places = range(len(self.queues)) if watched is None else (self.queues.index(watched),)
        count = sum(state.waiting[place] for place in places)
        if dict(self.scenario.signals).get(name, "backlog") == "backlogAndInFlight":
            count += sum(state.in_hand[place] for place in places)
        return count

    def _of_pods(self, metric: Metric, fleet: Fleet, state: State, now: int) -> PodSamples:
        """All workers share the load, so all pods use the same; those that settle are sorted one by one."""
        usage = self._usage_milli(metric, state)
        request = self.scenario.memory_bytes * 1000 if metric.name == "memory" else self.scenario.cpu_request_millicores
        settling = [self._pod(pod, usage, request, state.at_us, now) for pod in fleet.settling]
        samples = group_pods(settling, metric, now, self.flags)
        settled = len(fleet.pods) - len(settling)
        samples.ready += settled
        samples.ready_usage_milli += settled * usage
        samples.ready_request_milli += settled * request
        return samples

    def _usage_milli(self, metric: Metric, state: State) -> int:
        """Of one pod."""
        scenario = self.scenario
        if metric.name == "memory":
            return scenario.memory_bytes * 1000
        workers = max(1, state.consuming * scenario.processes)
        busy = min(sum(state.in_hand), workers)
        used = busy * scenario.cpu_busy_millicores + (workers - busy) * scenario.cpu_idle_millicores
        return round(scenario.processes * used / workers)

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
