"""Rules about what decides the number of pods."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from ebbtide.doctor.data import Map, Place, Seq
from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.rules.declare import object_rule, setup_rule, unit_rule
from ebbtide.doctor.setup import SetUp
from ebbtide.doctor.unit import Unit
from ebbtide.doctor.workload import ManifestObject, Workload
from ebbtide.kubernetes.keda import DEFAULT_MAX_REPLICAS, HPA_PREFIX, TAKES_OVER_HPA
from ebbtide.kubernetes.quantity import parse_quantity

_KNATIVE_LEAST: Final = ("autoscaling.knative.dev/min-scale", "autoscaling.knative.dev/minScale")
_WAITING_PROCESSES_A_CPU: Final = 4
_LIKE_A_QUEUE: Final = re.compile(r"(?i)queue|backlog|messages|depth|length|lag|pending|undelivered")
# How long the oldest waits is no number of messages, and is not divided by pods.
_LIKE_AN_AGE: Final = re.compile(r"(?i)latency|seconds|duration|(?:^|[_/.-])age(?:$|[_/.-])|oldest|wait_?time|minutes")


def _quantity(value: Any) -> float | None:
    try:
        return float(parse_quantity(str(value)))
    except (ValueError, ArithmeticError):
        return None


def _metrics(autoscaler: ManifestObject) -> Iterator[tuple[str, Map, Map]]:
    """Type, the metric, and its target, in both forms of the API."""
    for metric in autoscaler.data.items_of("spec", "metrics"):
        kind = metric.text("type")
        body = metric.map(kind[:1].lower() + kind[1:])
        yield kind, body, body.map("target")


def _of_its_pods(one: ManifestObject, unit: Unit, resource: str) -> Iterator[tuple[Map, Map]]:
    """Metrics of a resource, with their targets, that count the workers' container: all of a pod, or it alone."""
    for kind, body, target in _metrics(one):
        own = (
            kind == "ContainerResource" and unit.container is not None and body.text("container") == unit.container.name
        )
        if body.text("name") == resource and (kind == "Resource" or own):
            yield body, target


def _resource_metrics(unit: Unit, resource: str) -> Iterator[tuple[ManifestObject, Place]]:
    for one in unit.autoscalers:
        for body, _ in _of_its_pods(one, unit, resource):
            yield one, one.at(body)
        if resource == "cpu" and "targetCPUUtilizationPercentage" in one.data.map("spec"):
            yield one, one.at(one.data.map("spec"), "targetCPUUtilizationPercentage")
        for trigger in one.data.items_of("spec", "triggers"):
            if trigger.text("type") == resource:
                yield one, one.at(trigger)


@unit_rule(
    "D-50",
    Harm.COSTS,
    remedy="Write the CPU request in whole millicores: 490m.",
    source="The API server rounds up to 1m (SetDefaults_ResourceList); 22.5 idle millicores were 2249 % of it, so the "
    "autoscaler stayed at its maximum (computed from measured CPU).",
)
def check_tiny_request(unit: Unit) -> Iterator[Diagnosis]:
    """A CPU request is at least a millicore. `0.490m` counts as 1m: the scheduler takes the pod for free, and any use
    at all is many times its target."""
    if unit.container is None or unit.workload is None:
        return
    requests = unit.container.resources.map("requests")
    text = requests.text("cpu")
    value = _quantity(text) if text else None
    if value is not None and 0 < value < 0.001:
        yield Diagnosis(
            unit.workload.at(requests, "cpu"),
            unit.title,
            f"requests {text} of CPU, less than a thousandth of a core, which counts as 1m: an autoscaler on CPU "
            "stays at its maximum",
            f"write {value * 1_000_000:g}m" if text.endswith("m") else "write 100m or more",
        )


@unit_rule(
    "D-51",
    Harm.DELAYS,
    remedy="Scale by messages, waiting and in flight, per worker.",
    source="70 idle consumers used 22.5 millicores, 70 fully busy ones that wait 7 to 10 (measured).",
)
def check_cpu_of_waiting(unit: Unit) -> Iterator[Diagnosis]:
    """The metric rises with the load. Many processes on little CPU mostly wait, and what waits uses less CPU when it is
    busy than when it polls."""
    processes = unit.processes
    if unit.container is None or not isinstance(processes, int) or processes < 2:
        return
    requested = _quantity(unit.container.resources.map("requests").text("cpu") or "0")
    if requested is None or processes < requested * _WAITING_PROCESSES_A_CPU:
        return
    others = [
        kind for one in unit.autoscalers for kind, _, _ in _metrics(one) if kind in ("External", "Object", "Pods")
    ]
    queues = [
        t
        for one in unit.autoscalers
        for t in one.data.items_of("spec", "triggers")
        if t.text("type") not in ("cpu", "memory")
    ]
    if others or queues:
        return
    for one, place in _resource_metrics(unit, "cpu"):
        yield Diagnosis(
            place,
            one.title,
            f"scales {processes} processes a pod on CPU; workers that wait use no more CPU when they are busy, so a "
            "full queue may not add a pod",
            "scale by the number of messages, waiting and in flight",
        )


@unit_rule(
    "D-52",
    Harm.BREAKS,
    remedy="Give every container of the pod a request for the resource that is measured.",
    source="Kubernetes: utilisation is a percentage of the request; without one the metric is not known, and the "
    "autoscaler does nothing.",
)
def check_request_for_metric(unit: Unit) -> Iterator[Diagnosis]:
    """A utilisation target has a request that it is a percentage of."""
    if unit.container is None or unit.workload is None:
        return
    resources = unit.container.resources
    for resource in ("cpu", "memory"):
        if resource in resources.map("requests") or resource in resources.map("limits"):
            continue
        for one, place in _resource_metrics(unit, resource):
            if one.kind == "HorizontalPodAutoscaler" and _is_utilization(one, unit, resource):
                yield Diagnosis(
                    place,
                    one.title,
                    f"aims at a percentage of the {resource} request, and container {unit.container.name} requests "
                    f"none ({unit.container.place}): it never scales",
                    f"write resources.requests.{resource}",
                )


def _is_utilization(one: ManifestObject, unit: Unit, resource: str) -> bool:
    if "targetCPUUtilizationPercentage" in one.data.map("spec"):
        return resource == "cpu"
    return any(
        target.text("type") == "Utilization" or "targetAverageUtilization" in body
        for body, target in _of_its_pods(one, unit, resource)
    )


@unit_rule(
    "D-53",
    Harm.COSTS,
    remedy="Scale by the queue; leave memory out.",
    source="PHP gives memory back only when a process ends.",
)
def check_memory_metric(unit: Unit) -> Iterator[Diagnosis]:
    """The metric falls when the load does. Memory of a worker does not: what scaled up stays."""
    for one, place in _resource_metrics(unit, "memory"):
        yield Diagnosis(
            place,
            one.title,
            "scales on memory, which a worker does not give back when it has nothing to do: pods that came stay",
            "scale by the number of messages, waiting and in flight",
        )


@setup_rule(
    "D-54",
    Harm.BREAKS,
    remedy="Keep one autoscaler for each workload.",
    source="Two controllers write `replicas` in turn (temporal-worker-controller#529: 100 changes in 30 minutes); "
    "KEDA's webhook refuses it.",
)
def check_two_owners(setup: SetUp) -> Iterator[Diagnosis]:
    """One controller decides the number of pods. KEDA makes an HPA of its own: one of yours beside it is a second."""
    seen: dict[tuple[str, str, str], ManifestObject] = {}
    # KEDA takes over the HPA that has the name of its own, and no other one.
    adopted = {
        (one.namespace, one.data.map("spec", "advanced", "horizontalPodAutoscalerConfig").text("name"))
        for one in setup.objects
        if one.kind == "ScaledObject" and one.data.map("metadata", "annotations").text(TAKES_OVER_HPA) == "true"
    }
    for one in setup.objects:
        if one.kind not in ("HorizontalPodAutoscaler", "ScaledObject") or one.name.startswith(HPA_PREFIX):
            continue
        if one.kind == "HorizontalPodAutoscaler" and (one.namespace, one.name) in adopted:
            continue
        target = one.scaled()
        key = (one.namespace, target.text("kind") or "Deployment", target.text("name"))
        first = seen.setdefault(key, one)
        # The same object in several files is that of several environments.
        is_same = (first.kind, first.name) == (one.kind, one.name)
        if not is_same and key[2]:
            yield Diagnosis(
                one.at(),
                one.title,
                f"scales {key[1]} {key[2]}, as {first.title} does ({first.at()}): each undoes what the other decides",
                "keep one of them",
            )


@unit_rule(
    "D-55",
    Harm.DELAYS,
    remedy="Leave `replicas` out of the manifest.",
    source="Kubernetes, migrating to horizontal autoscaling: each apply sets the number again.",
)
def check_replicas(unit: Unit) -> Iterator[Diagnosis]:
    """The autoscaler's number survives a deployment. With `replicas` in the manifest each apply sets that number: all
    pods above it drain at once."""
    workload = unit.workload
    if workload is None or workload.replicas is None or workload.is_live or not unit.autoscalers:
        return
    if any(_is_left_alone(one, workload) for one in unit.setup.objects):
        return
    yield Diagnosis(
        workload.replicas.place,
        unit.title,
        f"replicas: {workload.replicas.value} is written, and {unit.autoscalers[0].title} decides it: each apply "
        f"drains every pod above {workload.replicas.value} at once",
        "remove replicas",
    )


def _is_left_alone(one: ManifestObject, workload: Workload) -> bool:
    """Whether an Application of Argo CD applies a workload without its number of pods."""
    spec = one.data.map("spec")
    options = spec.map("syncPolicy").get("syncOptions")
    if one.group != "argoproj.io" or "RespectIgnoreDifferences=true" not in (
        options if isinstance(options, Seq) else ()
    ):
        return False
    return any(
        entry.text("kind") in (workload.kind, "*")
        and entry.text("name") in ("", workload.name)
        and re.search(
            r"/spec/replicas|\.spec\.replicas", f"{entry.get('jsonPointers')}{entry.get('jqPathExpressions')}"
        )
        for entry in spec.items_of("ignoreDifferences")
    )


@object_rule(
    "D-59",
    Harm.COSTS,
    remedy="Write type: AverageValue, messages a pod.",
    source="Kubernetes: with Value the ratio is multiplied by the ready pods, so a queue that is above its target adds "
    "pods until the maximum.",
)
def check_value_target(one: ManifestObject) -> Iterator[Diagnosis]:
    """A queue's length is divided by the pods. With `Value` more pods do not lower the ratio, and the number grows to
    its maximum."""
    if one.kind == "HorizontalPodAutoscaler":
        for kind, body, target in _metrics(one):
            name = body.map("metric").text("name") or body.text("metricName")
            if (
                kind == "External"
                and (target.text("type") == "Value" or "targetValue" in body)
                and _LIKE_A_QUEUE.search(name)
                and not _LIKE_AN_AGE.search(name)
            ):
                yield Diagnosis(
                    one.at(target or body),
                    one.title,
                    f"compares the whole of {name} with one number, whatever the pods: above it the number grows to "
                    "the maximum",
                    "write type: AverageValue, messages for each pod",
                )
    if one.kind == "ScaledObject":
        for trigger in one.data.items_of("spec", "triggers"):
            is_queue = trigger.text("type") not in ("prometheus", "cpu", "memory", "cron")
            if trigger.text("metricType") == "Value" and is_queue:
                yield Diagnosis(
                    one.at(trigger, "metricType"),
                    one.title,
                    "compares the whole queue with one number, whatever the pods: above it the number grows to the "
                    "maximum",
                    "write metricType: AverageValue",
                )


@object_rule(
    "D-5a",
    Harm.BREAKS,
    remedy="Write minReplicas of at least 1, or scale by an external metric on Kubernetes 1.37 or later.",
    source="Kubernetes: HPAScaleToZero is off before 1.37, and needs an Object or External metric.",
)
def check_zero(one: ManifestObject) -> Iterator[Diagnosis]:
    """An autoscaler that goes to zero can wake. CPU of no pods is not known."""
    spec = one.data.map("spec")
    if one.kind == "HorizontalPodAutoscaler" and spec.get("minReplicas") == 0:
        kinds = {kind for kind, _, _ in _metrics(one)}
        if not kinds & {"External", "Object"}:
            yield Diagnosis(
                one.at(spec, "minReplicas"),
                one.title,
                "may go to zero pods, and measures what only pods have: it is refused, or never wakes",
                "write minReplicas: 1",
            )
    if one.kind == "ScaledObject" and spec.get("minReplicaCount", 0) == 0:
        triggers = spec.items_of("triggers")
        if triggers and all(trigger.text("type") in ("cpu", "memory") for trigger in triggers):
            yield Diagnosis(
                one.at(spec, "triggers"),
                one.title,
                "may go to zero pods, and measures what only pods have: it is refused",
                "write minReplicaCount: 1",
            )


@unit_rule(
    "D-5h",
    Harm.BREAKS,
    remedy='Annotate the template with autoscaling.knative.dev/min-scale: "1", or run it as a Deployment.',
    source="Knative's autoscaling: without requests over HTTP a revision goes to zero after 60 s, and only a request "
    "wakes it.",
)
def check_knative(unit: Unit) -> Iterator[Diagnosis]:
    """A worker as a service of Knative stays when nobody asks it by HTTP: that is what Knative counts, and not what
    lies in a queue."""
    workload = unit.workload
    if workload is None or not workload.data.text("apiVersion").startswith("serving.knative.dev/"):
        return
    annotations = workload.data.map("spec", "template", "metadata", "annotations")
    least = [str(annotations[key]) for key in _KNATIVE_LEAST if key in annotations]
    if any(worker.program for worker in unit.workers) and least in ([], ["0"]):
        yield Diagnosis(
            workload.place,
            unit.title,
            "goes to zero pods when no request comes by HTTP, whatever lies in the queue",
            'annotate the template with autoscaling.knative.dev/min-scale: "1"',
        )


@object_rule(
    "D-5b",
    Harm.BREAKS,
    remedy="Write a minimum that is not above the maximum, and an idleReplicaCount below the minimum.",
    source="The API server refuses it; KEDA refuses an idleReplicaCount that is not below the minimum "
    "(kedacore/keda#2619).",
)
def check_bounds(one: ManifestObject) -> Iterator[Diagnosis]:
    """The minimum is not above the maximum, and what KEDA calls idle is below the minimum."""
    spec = one.data.map("spec")
    idle, least = spec.get("idleReplicaCount"), _least_of_keda(spec)
    if one.kind == "ScaledObject" and isinstance(idle, int) and least is not None and idle >= least:
        yield Diagnosis(
            one.at(spec, "idleReplicaCount"),
            one.title,
            f"has an idleReplicaCount of {idle}, which is not below the minimum of {least}: KEDA refuses it, and "
            "nothing scales",
            "remove idleReplicaCount, or write 0" if idle else "remove idleReplicaCount, or write minReplicaCount: 1",
        )
    for low, high, default in (
        ("minReplicas", "maxReplicas", None),
        ("minReplicaCount", "maxReplicaCount", DEFAULT_MAX_REPLICAS),
    ):
        least, most = spec.get(low), spec.get(high, default)
        if one.scaled() and isinstance(least, int) and isinstance(most, int) and least > most:
            yield Diagnosis(
                one.at(spec, low), one.title, f"has a minimum of {least} and a maximum of {most}", f"lower {low}"
            )


def _least_of_keda(spec: Map) -> int | None:
    """The minimum that KEDA holds an idleReplicaCount against: a 0 that is written is the HPA's 1, and one that is not
    is 0 (CheckReplicaCountBoundsAreValid). None where it is no number."""
    least = spec.get("minReplicaCount")
    if least is None:
        return 0
    return max(least, 1) if isinstance(least, int) else None
