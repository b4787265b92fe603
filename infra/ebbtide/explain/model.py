"""Everything `explain` and `preview` say about a stack, as data."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ebbtide.cost.prices import PriceTable
from ebbtide.explain.cost import CostExplanation, Loads, explain_cost
from ebbtide.explain.envelope import EnvelopePoint, build_envelope
from ebbtide.explain.scaling import ScalingLimits, build_scaling_limits, scaling_values, scaling_words
from ebbtide.explain.timeline import Moment, build_timeline
from ebbtide.judgement.findings import Finding, Path, format_path
from ebbtide.settings.loading.loader import LoadedStack, located
from ebbtide.settings.loading.merge import Sources
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.lookup import reason_at
from ebbtide.settings.rules.check import check_stack
from ebbtide.settings.values.units import format_cpu, format_duration, format_memory

DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Value:
    """One resolved setting and where it came from: a file, `default` (with its reason, where a field has one), or what
    it was derived from."""

    path: str
    value: str
    source: str


@dataclass(frozen=True, slots=True)
class ConsumerExplanation:
    """One consumer, resolved."""

    name: str
    values: tuple[Value, ...]
    timeline: tuple[Moment, ...]
    envelope: tuple[EnvelopePoint, ...]
    scaling: ScalingLimits | None
    """None where no HPA decides the number of pods."""
    scaling_words: str
    """How fast the number of pods can follow, in a sentence."""


@dataclass(frozen=True, slots=True)
class StackExplanation:
    """One stack, resolved."""

    name: str
    cluster: str
    namespace: str
    consumers: tuple[ConsumerExplanation, ...]
    findings: tuple[Finding, ...]
    cost: CostExplanation | None = None


def explain_stack(
    loaded: LoadedStack, prices: PriceTable | None = None, loads: Loads | None = None
) -> StackExplanation:
    """Resolve a stack that was read from its files; with prices, what it costs too, also under loads."""
    stack = loaded.settings
    findings = [located(found, loaded.sources) for found in check_stack(stack, loaded.notes)]
    consumers = (_explain_consumer(loaded, consumer) for consumer in stack.consumers.values())
    where = f" in {stack.google.project}, {stack.google.region}" if stack.google else ""
    title = f"{stack.cluster.kind} (Kubernetes {stack.cluster.kubernetes_version}){where}"
    cost = explain_cost(stack, prices, loads) if prices is not None else None
    return StackExplanation(stack.name, title, stack.namespace.name, tuple(consumers), tuple(findings), cost)


def _explain_consumer(loaded: LoadedStack, consumer: ConsumerSettings) -> ConsumerExplanation:
    limits = build_scaling_limits(loaded.settings, consumer)
    return ConsumerExplanation(
        consumer.name,
        (*_given_values(consumer.name, consumer, loaded.sources), *_derived_values(consumer)),
        build_timeline(loaded.settings, consumer),
        build_envelope(consumer),
        limits,
        scaling_words(consumer.autoscaling, limits),
    )


def _given_values(name: str, consumer: ConsumerSettings, sources: Sources) -> Iterator[Value]:
    dumped = consumer.model_dump(mode="json", exclude={"name"}, exclude_none=True)
    for path, value in _leaves(dumped):
        full = ("consumers", name, *path)
        # A list is one value: it comes whole from one file.
        exact = next((full[:end] for end in range(len(full), 2, -1) if full[:end] in sources), None)
        if exact is not None and exact != ("consumers", name) and _says(exact, full):
            source = sources[exact]
        else:
            reason = reason_at(path, ConsumerSettings, dumped)
            source = f"{DEFAULT}: {reason}" if reason else DEFAULT
        yield Value(format_path(path), _show(value), source)


def _says(exact: Path, full: Path) -> bool:
    """Whether the entry that a source is known for holds this very value, not just a mapping around it."""
    return exact == full or isinstance(full[len(exact)], int)


def _leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(value, Mapping) and value:
        for key, entry in value.items():
            yield from _leaves(entry, (*path, key))
    elif isinstance(value, list) and any(isinstance(entry, Mapping) for entry in value):
        for index, entry in enumerate(value):
            yield from _leaves(entry, (*path, index))
    elif value not in ({}, []):
        yield path, value


def _show(value: Any) -> str:
    if isinstance(value, list):
        return " ".join(map(str, value))
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else str(value)


def _derived_values(consumer: ConsumerSettings) -> Iterator[Value]:
    budget = consumer.shutdown_budget
    longest = "derived from shutdown.longestMessage"
    yield Value("stopwaitsecs", format_duration(budget.stop_wait_seconds), longest)
    yield Value("drain hook deadline", format_duration(budget.drain_deadline_seconds), longest)
    yield Value("terminationGracePeriodSeconds", format_duration(budget.grace_seconds), longest)
    resources = consumer.resources
    if resources.cpu.request is None:
        yield Value("CPU request", format_cpu(consumer.cpu_request_millicores), "derived from worker.processes")
    limit = "derived from worker.processes and its memory limit"
    if resources.memory.request is None:
        source = limit if resources.memory.measured is None else "derived from resources.memory.measured"
        yield Value("memory request", format_memory(consumer.memory_request_bytes), source)
    if resources.memory.limit is None:
        yield Value("memory limit", format_memory(consumer.memory_limit_bytes), limit)
    for name, value, source in scaling_values(consumer.autoscaling, consumer):
        yield Value(name, value, source)
    if consumer.worker.at_once > 1:
        of_both = "derived from worker.processes and worker.concurrency"
        yield Value("messages that a pod handles at once", str(consumer.worker.slots), of_both)
    if consumer.worker.untried:
        yield Value("not tried", consumer.worker.untried, "docs/workers.md")
    yield Value("start of each process", consumer.worker.start_words, "derived from worker")
    yield Value("command of each process", " ".join(consumer.argv), "derived from worker")
