"""From a stack's settings and a load to a scenario, with every assumption that this takes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from ebbtide.capacity.autoscaler import read_autoscaler, read_operator
from ebbtide.capacity.keda import Counts, ScaledObject, Trigger
from ebbtide.capacity.measured import NOTHING, Measured
from ebbtide.capacity.model import NodeTimes, Scenario, Signal
from ebbtide.judgement.findings import Finding, Path, SettingsError
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.named_metrics import ExternalMetric, ObjectMetric, PodsMetric
from ebbtide.settings.models.node_capacity import allocatable
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.values.units import format_duration, plural

Source = Literal["settings", "load", "measured", "default"]


@dataclass(frozen=True, slots=True)
class Assumption:
    """A number that the result stands on."""

    what: str
    value: str
    source: Source
    """`default` is what nobody has measured for this consumer yet."""


NOT_MODELLED = (
    "what a worker needs beside its own time (a database that slows down under load)",
    "messages that fail and are tried again, delayed messages, and several receivers (theirs are one queue here)",
    "node failures, Spot reclaims, rolling updates and other consumers on the same nodes",
    "CPU that a busy node does not give, that pods need to boot, and that one pod uses more of than another",
)


def build_scenario(
    stack: StackSettings,
    consumer: ConsumerSettings,
    signals: Mapping[str, Signal],
    seed: int = 1,
    measured: Measured = NOTHING,
) -> Scenario:
    """One consumer of a stack as the simulation sees it.

    `signals` says what each external metric measures. Raises SettingsError for an autoscaler that no load can drive.
    """
    scaling, worker = consumer.autoscaling, consumer.worker
    hpa, keda = read_autoscaler(scaling, stack, consumer), read_operator(scaling, stack, consumer)
    _refuse_undrivable(consumer, signals, measured)
    if hpa is None and keda is not None and _held(keda, scaling.min_replicas) < 1:
        message = "holds the number at 0: nothing is handled, and a backlog only grows"
        remedy = "write the number of pods that are to be simulated, or remove it"
        path = ("consumers", consumer.name, "autoscaling", "pausedReplicas")
        raise SettingsError([Finding(path, message, remedy, rule="load")])
    if keda is not None:
        _refuse_uncounted(consumer, keda, signals, measured)
    scenario = Scenario(
        processes=worker.slots,
        grace_seconds=consumer.shutdown_budget.grace_seconds,
        hpa=hpa,
        # At zero the controller is paused unless it went there itself; a Deployment begins with one pod.
        start_replicas=max(1, hpa.min_replicas) if hpa else _held(keda, scaling.min_replicas),
        keda=keda if hpa else None,
        cpu_request_millicores=consumer.cpu_request_millicores,
        memory_request_bytes=consumer.memory_request_bytes,
        signals=tuple(sorted(signals.items())),
        message_limit=worker.message_limit or 0,
        node=_nodes(stack, consumer),
        seed=seed,
    )
    if consumer.transport is not None:
        scenario = replace(scenario, redelivery_seconds=float(consumer.transport.redelivery_seconds))
    return measured.apply(scenario)


def _held(keda: ScaledObject | None, replicas: int) -> int:
    """Pods that nobody changes: a fixed number, or what KEDA was paused at."""
    if keda is None:
        return replicas
    return max(1, keda.min_replicas) if keda.pauses.replicas is None else keda.pauses.replicas


def list_assumptions(
    stack: StackSettings, consumer: ConsumerSettings, scenario: Scenario, measured: Measured = NOTHING
) -> tuple[Assumption, ...]:
    """Everything that the result of `scenario` stands on, measured or not."""
    pod, node = scenario.pod, scenario.node
    machine: Source = "default" if _pods_per_node(stack, consumer) is None else "settings"
    rows = [
        Assumption("workers in a pod", str(scenario.processes), "settings"),
        Assumption("grace period", f"{scenario.grace_seconds}s", "settings"),
        Assumption(
            "a killed message can be taken again after",
            format_duration(round(scenario.redelivery_seconds)),
            "settings" if consumer.transport else "default",
        ),
    ]

    def add(what: str, value: str, *names: str, otherwise: Source = "default") -> None:
        rows.append(Assumption(what, value, "measured" if measured.has(*names) else otherwise))

    pull = f"{pod.pull_seconds:g}s, on a new node {node.cold_pull_seconds:g}s"
    stays = f"{node.start_seconds:g}s; it goes after {node.unneeded_seconds:g}s without pods"
    add("a pod is scheduled within", f"{pod.schedule_seconds:g}s", "schedule_seconds")
    add("pulling the image takes", pull, "pull_seconds", "cold_pull_seconds")
    add("from a container's start to its first message", f"{pod.boot_seconds:g}s", "boot_seconds")
    add("from there to Ready", f"{pod.ready_seconds:g}s", "ready_seconds")
    add("pods on a node", str(node.pods_per_node), "pods_per_node", otherwise=machine)
    add("a new node takes", stays, "node_start_seconds", "node_unneeded_seconds")
    add("a worker is made anew in", f"{scenario.worker_boot_seconds:g}s", "worker_boot_seconds")
    add("the run begins with", _beginning(scenario), "warm_up_seconds")
    if scenario.crashes_per_worker_hour:
        add("a worker dies", f"{scenario.crashes_per_worker_hour:g} times an hour", "crashes_per_worker_hour")
    if scenario.hpa:
        rows += _autoscaler_assumptions(scenario, measured)
    return tuple(rows)


def _autoscaler_assumptions(scenario: Scenario, measured: Measured) -> list[Assumption]:
    assert scenario.hpa is not None  # noqa: S101 - only called with one
    lags, rows = dict(scenario.metric_lags), []
    if scenario.keda is not None:
        rows += _keda_assumptions(scenario, scenario.keda)
    for metric in scenario.hpa.metrics:
        if scenario.keda is not None and not metric.of_pods:
            continue
        source: Source = "measured" if metric.name in lags else "default"
        seconds = lags.get(metric.name, scenario.metric_lag_seconds)
        rows.append(Assumption(f"what the autoscaler sees of {metric.name} is old by", f"{seconds:g}s", source))
    if any(metric.is_cpu for metric in scenario.hpa.metrics):
        idle, busy = scenario.cpu_idle_millicores, scenario.cpu_busy_millicores
        known = measured.has("cpu_idle_millicores", "cpu_busy_millicores")
        value = f"{idle:g}m idle, {busy:g}m with a message (it waits for others)"
        rows.append(Assumption("CPU of one worker", value, "measured" if known else "default"))
        source = "measured" if measured.has("cpu_window_seconds") else "default"
        window = f"{scenario.cpu_window_seconds:g}s; a new pod has none before"
        rows.append(Assumption("CPU is a rate over the last", window, source))
    if any(metric.name == "memory" and metric.of_pods for metric in scenario.hpa.metrics):
        value = f"{scenario.memory_bytes / 2**20:g}Mi, whatever its load"
        rows.append(Assumption("memory of one pod", value, "measured"))
    if scenario.deletion_cost != "none":
        rows.append(Assumption("pods that go first", "those with the fewest messages in flight", "measured"))
    return rows + [Assumption(f"metric {name} measures", _SIGNALS[of], "load") for name, of in scenario.signals]


def _keda_assumptions(scenario: Scenario, keda: ScaledObject) -> list[Assumption]:
    """Of both loops: when the operator polls, what each trigger counts, and how old its broker's answer is."""
    lags, signals = dict(scenario.metric_lags), dict(scenario.signals)
    pods = plural(keda.deactivated_replicas, "pod")
    polls = f"every {keda.polling_seconds}s; to {pods} {keda.cooldown_seconds}s after the last message"
    rows = [
        Assumption("KEDA polls", polls if keda.polls else "for nothing: above zero only its HPA decides", "settings")
    ]
    for trigger in keda.triggers:
        name = trigger.metric.name
        if trigger.of_pods:
            continue
        if name not in signals:
            rows.append(Assumption(f"trigger {name} counts", _SIGNALS[trigger.counts], "settings"))
        age = f"{lags.get(name, trigger.age_seconds):g}s"
        rows.append(Assumption(f"what {name} tells is old by", age, "measured" if name in lags else "default"))
    alike = max((sum(other.counts == one.counts for other in keda.triggers) for one in keda.triggers), default=0)
    if alike > 1:
        rows.append(Assumption("triggers that count the same", "have an equal share of the load each", "default"))
    return rows


def _beginning(scenario: Scenario) -> str:
    pods = plural(scenario.start_replicas, "pod")
    if not scenario.warm_up_seconds:
        return pods
    warm_up, least = (format_duration(round(times * scenario.warm_up_seconds)) for times in (1, 4))
    return f"{pods}; from {least} of load on, what a warm-up of {warm_up} leaves"


_SIGNALS: Mapping[Counts, str] = {
    "backlog": "waiting messages",
    "inFlight": "messages in flight",
    "backlogAndInFlight": "messages that wait or are in flight",
    "delayed": "delayed messages; there are none here",
}


def _refuse_uncounted(
    consumer: ConsumerSettings, keda: ScaledObject, signals: Mapping[str, Signal], measured: Measured
) -> None:
    """Triggers of which nothing says what they count, or that no load moves."""
    path: Path = ("consumers", consumer.name, "autoscaling", "triggers")
    found = [
        _uncounted((*path, place), trigger) for place, trigger in enumerate(keda.triggers) if _asks(trigger, signals)
    ]
    memory = any(trigger.of_pods and trigger.metric.name == "memory" for trigger in keda.triggers)
    if memory and not measured.has("memory_mebibytes"):
        message = "scale on memory, which does not follow from a load, and nothing says how much a pod uses"
        found.append(Finding(path, message, "measure a busy pod and add --measured memoryMebibytes=900", rule="load"))
    if found:
        raise SettingsError(found)


def _asks(trigger: Trigger, signals: Mapping[str, Signal]) -> bool:
    return trigger.counts == "unknown" and not trigger.of_pods and trigger.metric.name not in signals


def _uncounted(path: Path, trigger: Trigger) -> Finding:
    name = trigger.metric.name
    message = f"is a {trigger.type} trigger, {name} to its HPA, and the load does not say what it counts"
    remedy = (
        f"write `signals: {{{name}: backlogAndInFlight}}` in the load profile, or --signal {name}=backlogAndInFlight"
    )
    return Finding(path, message, remedy, rule="load")


def _refuse_undrivable(consumer: ConsumerSettings, signals: Mapping[str, Signal], measured: Measured) -> None:
    found = []
    metrics = consumer.autoscaling.measured
    for place, metric in enumerate(metrics):
        path: Path = ("consumers", consumer.name, "autoscaling", "metrics", place)
        if isinstance(metric, PodsMetric):
            message = f"scales on {metric.metric}, which a load says nothing about"
            found.append(
                Finding(path, message, "simulate it with an external metric in its place (--set)", rule="load")
            )
        elif isinstance(metric, ExternalMetric | ObjectMetric) and metric.metric not in signals:
            message = f"scales on {metric.metric}, and the load does not say what it measures"
            name = metric.metric
            remedy = f"write `signals: {{{name}: backlog}}` in the load profile, or --signal {name}=backlog"
            found.append(Finding(path, message, remedy, rule="load"))
        elif metric.kind in {"memory", "containerMemory"} and not measured.has("memory_mebibytes"):
            message = "scales on memory, which does not follow from a load, and nothing says how much a pod uses"
            remedy = "measure a busy pod and add --measured memoryMebibytes=900, or leave the metric out (--set)"
            found.append(Finding(path, message, remedy, rule="load"))
    if metrics and all(metric.kind in {"memory", "containerMemory"} for metric in metrics):
        message = "scales on memory alone, which does not follow the load: workers give none back when they are idle"
        found.append(
            Finding(
                ("consumers", consumer.name, "autoscaling", "metrics"),
                message,
                "scale on the backlog: {kind: external, metric: ...}",
                rule="load",
            )
        )
    if found:
        raise SettingsError(found)


def _nodes(stack: StackSettings, consumer: ConsumerSettings) -> NodeTimes:
    fitting = _pods_per_node(stack, consumer)
    return NodeTimes() if fitting is None else NodeTimes(pods_per_node=fitting)


def _pods_per_node(stack: StackSettings, consumer: ConsumerSettings) -> int | None:
    """How many pods of this consumer a node of the first pool has room for; None where no machine is known."""
    first = next(iter(stack.cluster.pools.values()), None)
    room = allocatable(first.machine_type) if first else None
    if room is None:
        return None
    millicores, size_bytes = room
    return max(
        1, min(millicores // consumer.pod_cpu_request_millicores, size_bytes // consumer.pod_memory_request_bytes)
    )
