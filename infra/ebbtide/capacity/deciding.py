"""Who decides how many pods there are: the controller, with KEDA's operator beside it where there is one; what both
remember, what they see, and when they look."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from ebbtide.capacity.clock import MICROSECONDS, Beat, Instant, instants, polls_of
from ebbtide.capacity.hpa import Controller, History, HpaSpec, Metric, PodCounts, Scale
from ebbtide.capacity.hpa.metrics import MetricInput
from ebbtide.capacity.keda import Memory, Operator, Reading, Target
from ebbtide.capacity.model import Scenario
from ebbtide.capacity.pods import Fleet
from ebbtide.capacity.signals import Metrics, State
from ebbtide.capacity.words import AT_ZERO, explain_decision, explain_poll, is_paused


class Verdict(NamedTuple):
    """How many pods there are to be, and why."""

    replicas: int
    reason: str


class Deciders:
    """The autoscaler of one run."""

    def __init__(self, scenario: Scenario, hpa: HpaSpec) -> None:
        self.scenario = scenario
        self.controller = Controller(hpa)
        self.history = History()
        self.operator = Operator(scenario.keda) if scenario.keda else None
        self.memory = Memory(0)
        self.metrics = Metrics(scenario, self.controller.flags)
        self.looks_at_cpu = any(metric.is_cpu for metric in hpa.metrics)
        triggers = scenario.keda.triggers if scenario.keda else ()
        kinds = [self.metrics.counts(trigger) for trigger in triggers]
        self._asked = [
            (kind, self.metrics.age_us(trigger), kinds[:place].count(kind), kinds.count(kind))
            for place, (trigger, kind) in enumerate(zip(triggers, kinds, strict=True))
        ]
        """Of each trigger: what it counts, how old that is, which of several of its kind it is, and of how many."""
        self.now = 0
        self.paused = False
        """Whether nobody does anything until somebody scales by hand."""

    def begin(self, now: int, workers: int) -> None:
        """It is made at `now`, and until then nobody had anything to do."""
        before = self.metrics.kept_us
        self.memory.created_us = now
        self.metrics.record(State(now - before, 0, 0, self.scenario.start_replicas, worker_us=-workers * before))

    def instants(self, begin: int, step: int) -> Iterator[Instant]:
        """Syncs, and where KEDA polls, its polls and what either of them sees late."""
        syncs, spec = Beat(begin + step, step), self.scenario.keda
        if spec is None or not spec.polls:
            return instants(syncs)
        ages = [self.metrics.age_us(trigger) for trigger in spec.triggers if not trigger.of_pods]
        polls = polls_of(begin, spec.polling_seconds, self.scenario.sync_seconds)
        return instants(syncs, polls, ages)

    def poll(self, wanted: int, fleet: Fleet, now: int) -> Verdict | None:
        """KEDA's own loop: from zero or the idle count, and back to it. None where it leaves the number alone."""
        assert self.operator is not None  # noqa: S101 - nobody polls without one
        self.now = now
        active = self.history.conditions.get("ScalingActive")
        queries = active is not None and active.status == "True"
        target = self._target(wanted, fleet, now)
        poll = self.operator.poll(self.memory, now, target, self._readings(), hpa_queries=queries)
        if not poll.rescale:
            return None
        return Verdict(poll.desired, explain_poll(poll, self.operator.spec, self.memory))

    def sync(self, wanted: int, fleet: Fleet, now: int) -> Verdict:
        """One sync of the controller."""
        self.now = now
        fleet.settle(now, self.metrics.kept_us)
        pods = len(fleet.pods)
        counts = PodCounts(pods, fleet.ready(now))
        inputs = [self._input(metric, wanted, fleet, now) for metric in self.controller.spec.metrics]
        decision = self.controller.sync(self.history, now, Scale(wanted, pods), counts, inputs)
        self.paused = is_paused(decision) and not self._wakes
        if is_paused(decision) and self._wakes:
            return Verdict(decision.desired, AT_ZERO)
        return Verdict(decision.desired, explain_decision(decision, self.controller.spec.metrics))

    def _target(self, wanted: int, fleet: Fleet, now: int) -> Target:
        return Target(wanted, fleet.ready(now))

    def _readings(self) -> list[Reading]:
        """What each trigger's broker answers. Several that count the same are of several queues, which have an equal
        share of the one queue here: their sum is right, and no message counts twice."""
        now, seen = self.now, self.metrics.seen
        found: list[Reading] = []
        for kind, age_us, place, sharing in self._asked:
            messages = seen(age_us, now).messages(kind)
            if sharing > 1:
                messages = messages // sharing + (place < messages % sharing)
            found.append(float(messages))
        return found

    def _input(self, metric: Metric, wanted: int, fleet: Fleet, now: int) -> MetricInput:
        """What the controller is told of a metric: by whoever measures it, or by KEDA."""
        if self.operator is None or metric.of_pods:
            return self.metrics.read(metric, fleet, now)
        target, readings = self._target(wanted, fleet, now), self._readings()
        return self.operator.external_metric(self.memory, metric.name, target, readings)

    @property
    def _wakes(self) -> bool:
        """Whether somebody else takes it from zero."""
        return self.operator is not None and not self.operator.spec.pauses.scale_out

    @property
    def fewest(self) -> int:
        """Where it goes back to."""
        spec = self.scenario.keda
        return spec.deactivated_replicas if spec and spec.polls else self.controller.spec.min_replicas

    @property
    def memory_us(self) -> int:
        """After how long with nothing to do and no change it will never change anything again."""
        flags, behavior = self.controller.flags, self.controller.spec.behavior
        rules = (behavior.scale_up, behavior.scale_down) if behavior else ()
        windows = [rule.stabilization_window_seconds or 0 for rule in rules]
        periods = [policy.period_seconds for rule in rules for policy in rule.policies]
        seconds = max([flags.downscale_stabilization_seconds, *windows]) + max([0, *periods])
        spec = self.scenario.keda
        if spec is not None:
            seconds += spec.polling_seconds + max(spec.cooldown_seconds, spec.initial_cooldown_seconds)
        return (seconds + flags.cpu_initialization_period_seconds) * MICROSECONDS + self.metrics.kept_us
