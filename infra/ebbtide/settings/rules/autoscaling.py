"""Rules about the autoscaler: what the API server would refuse, and what it accepts but cannot work."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.kubernetes.versions import SCALE_TO_ZERO_MINOR
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.scaling_metric import ResourceMetric, ScalingMetric
from ebbtide.settings.rules.declare import consumer_rule
from ebbtide.settings.values.names import CONTAINER_NAME
from ebbtide.settings.values.units import format_cpu

_WHOLE_TARGET_MILLI = 1000
# 70 idle Symfony workers used 22.5 millicores, 0.32 each (measured). Thousandths of a millicore.
IDLE_WORKER_MICROCORES = 321
# What one thread can use at most.
CORE_MILLICORES = 1000
# Below this share of a core, a process is expected to wait nearly all the time.
IO_BOUND_MILLICORES_PER_PROCESS = 50


def _metrics(consumer: ConsumerSettings) -> Iterator[tuple[Path, ScalingMetric]]:
    for index, metric in enumerate(consumer.autoscaling.measured):
        yield ("autoscaling", "metrics", index), metric


def _cpu_targets(consumer: ConsumerSettings) -> Iterator[tuple[Path, int]]:
    """The path of every CPU target of the workers, and what it is for one pod in millicores."""
    for one in consumer.autoscaling.pod_targets:
        if one.resource == "cpu" and one.is_of_workers:
            if one.amount is not None:
                yield one.path, one.amount
            elif one.percent is not None:
                yield one.path, one.percent * consumer.cpu_request_millicores // 100


@consumer_rule(
    "H-01",
    Level.ERROR,
    remedy="Write at most maxReplicas, or raise maxReplicas.",
    source="ValidateHorizontalPodAutoscaler in the API server.",
)
def check_replica_bounds(consumer: ConsumerSettings) -> Iterator[Finding]:
    """`minReplicas` is not above `maxReplicas`."""
    scaling = consumer.autoscaling
    if scaling.min_replicas > scaling.max_replicas:
        yield Finding(
            ("autoscaling", "minReplicas"),
            f"is above maxReplicas (got {scaling.min_replicas} and {scaling.max_replicas})",
            f"write at most {scaling.max_replicas}, or raise maxReplicas",
        )


@consumer_rule(
    "H-02",
    Level.WARNING,
    remedy="Leave selectPolicy and tolerance to their defaults, or accept this with the reason.",
    source="Kubernetes, HPA: a direction that is Disabled never happens; within the tolerance of 1 lies every metric "
    "from none to twice its target.",
)
def check_both_directions_move(consumer: ConsumerSettings) -> Iterator[Finding]:
    """An autoscaler adds pods when there is more to do and takes them away when there is less."""
    scaling = consumer.autoscaling
    # From and to zero KEDA moves all of them, past these limits.
    of_keda = scaling.needs_keda and scaling.min_replicas == 0
    first, till = (" to the first", " before the queue is empty") if of_keda else ("", "")
    for direction, rules in scaling.directions.items():
        grows = direction == "scaleUp"
        place = ("autoscaling", "behavior", direction)
        if rules.select_policy == "Disabled":
            only_grows = till or ": the number only grows"
            never = f"adds no pod{first}, however much waits" if grows else f"takes no pod away{only_grows}"
            yield Finding((*place, "selectPolicy"), f"is Disabled: it {never}", "leave it out")
        elif rules.tolerance is not None and rules.tolerance >= _WHOLE_TARGET_MILLI:
            times = f"above {(1000 + rules.tolerance) / 1000:g} times its target"
            until = f"adds no pod{first} until a metric is {times}"
            never = until if grows else f"takes no pod away{till}, whatever it measures"
            yield Finding((*place, "tolerance"), f"is {rules.tolerance / 1000:g}: it {never}", "write for example 0.1")


@consumer_rule(
    "V-14",
    Level.ERROR,
    remedy="Write 1, or from Kubernetes 1.37 on add an external metric, for example the queue's backlog.",
    source="Kubernetes, HPA scale to zero: it needs an object or external metric.",
)
def check_zero_has_a_metric(consumer: ConsumerSettings) -> Iterator[Finding]:
    """Zero replicas need a metric that exists without pods."""
    scaling = consumer.autoscaling
    if not scaling.measured or scaling.min_replicas > 0:
        return
    if not any(metric.outlives_pods for metric in scaling.measured):
        yield Finding(
            ("autoscaling", "minReplicas"),
            "is 0, and without pods there is nothing that these metrics could measure",
            f"write 1, or from Kubernetes 1.{SCALE_TO_ZERO_MINOR} on add an external metric, for example the queue's "
            "backlog",
        )


@consumer_rule(
    "V-15",
    Level.ERROR,
    remedy="Write the request, or use targetAverageValue.",
    source="The HPA divides use by the request; without one it has no utilisation.",
)
def check_utilization_needs_request(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A utilisation target is a percentage of a request that somebody chose."""
    for path, metric in _metrics(consumer):
        if not isinstance(metric, ResourceMetric) or metric.counts_only not in {None, CONTAINER_NAME}:
            continue  # a sidecar has requests of its own
        of_cpu = metric.resource == "cpu"
        request = consumer.resources.cpu.request if of_cpu else consumer.resources.memory.request
        if metric.target_utilization is not None and request is None:
            name = "cpu" if of_cpu else "memory"
            example = "490m" if of_cpu else "6500Mi"
            yield Finding(
                (*path, "targetUtilization"),
                f"is a percentage of the {name} request, and none is given",
                f"write resources: {{{name}: {{request: {example}}}}}, or use targetAverageValue",
            )


@consumer_rule(
    "V-15a",
    Level.ERROR,
    remedy="Write a target between what idle workers use and what busy ones can use.",
    source="70 idle Symfony workers used 22.5m (measured); the API server rounds `0.490m` up to 1m.",
)
def check_metric_can_move(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A CPU target lies between what idle workers use and what busy ones can use. Outside of it the
    autoscaler is stuck at one end, as with a request of `0.490m`: 22.5 idle millicores were 2249 % of it."""
    processes = consumer.worker.slots
    limit, threads = consumer.resources.cpu.limit, consumer.worker.threads
    bounds = [*((limit,) if limit else ()), *((threads * CORE_MILLICORES,) if threads else ())]
    most = min(bounds, default=None)
    idle = processes * IDLE_WORKER_MICROCORES // 1000
    for path, target in _cpu_targets(consumer):
        if most is not None and target > most:
            yield Finding(
                path,
                f"asks for {format_cpu(target)} a pod, which can use at most {format_cpu(most)}: it never scales up",
                "lower the target or the request" + (", or raise the CPU limit" if limit else ""),
            )
        elif target <= idle:
            yield Finding(
                path,
                f"asks for {format_cpu(target)} a pod, and {processes} idle workers use about {format_cpu(idle)}: "
                "it always runs maxReplicas",
                f"raise the target above {format_cpu(idle)} a pod",
            )


@consumer_rule(
    "V-16",
    Level.WARNING,
    remedy="Scale on the backlog: messages waiting and in flight, one for each process.",
    source="70 idle workers used 22.5m, 70 busy ones 7 to 10m (measured).",
)
def check_io_bound_on_cpu(consumer: ConsumerSettings) -> Iterator[Finding]:
    """CPU measures the load of workers that compute. Where they wait, it has no signal or the wrong
    sign: 70 idle consumers used 22.5 millicores, 70 fully busy ones 7 to 10 (measured)."""
    slots = consumer.worker.slots
    share = consumer.cpu_request_millicores / slots
    if share >= IO_BOUND_MILLICORES_PER_PROCESS or consumer.autoscaling.counts_work:
        return
    backlog = f"{{kind: external, metric: <messages waiting or in flight>, targetAverageValue: {slots}}}"
    if consumer.autoscaling.needs_keda:
        backlog = "leave triggers out where a transport is given, or add one that counts the queue"
    for path, _ in _cpu_targets(consumer):
        yield Finding(
            path,
            f"scales on CPU, and {share:.0f}m a process says that the workers mostly wait: 70 idle ones used 22.5m, "
            "70 busy ones 7 to 10m, so a full queue may not scale it up",
            f"scale on the backlog: {backlog}; `ebbtide simulate` shows the difference",
        )


@consumer_rule(
    "V-16a",
    Level.WARNING,
    remedy="Scale on the backlog or on CPU.",
    source="PHP frees a process's memory when it ends.",
)
def check_memory_metric(consumer: ConsumerSettings) -> Iterator[Finding]:
    """PHP gives memory back only when a process ends, so memory does not fall with the load."""
    for one in consumer.autoscaling.pod_targets:
        if one.resource == "memory" and one.is_of_workers:
            yield Finding(
                one.path,
                "scales on memory, which a worker gives back only when it ends: it scales up and hardly ever down",
                "scale on the backlog or on CPU",
            )
