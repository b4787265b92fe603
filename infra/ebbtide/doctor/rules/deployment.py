"""Rules about manifests: what the cluster refuses, drops without a word, or runs otherwise than it looks."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from typing import Final

from ebbtide.doctor.data import Map
from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.rules.declare import object_rule, setup_rule, unit_rule
from ebbtide.doctor.rules.fields import FIELDS, KEDA_FIELDS
from ebbtide.doctor.setup import SetUp
from ebbtide.doctor.unit import Unit
from ebbtide.doctor.workload import ManifestObject

# Group and version, kind, since which minor version of Kubernetes, and what to write instead.
_REMOVED: Final[dict[tuple[str, str], tuple[str, str]]] = {
    **{
        (group, kind): ("1.16", "apps/v1")
        for group in ("extensions/v1beta1", "apps/v1beta1", "apps/v1beta2")
        for kind in ("Deployment", "DaemonSet", "ReplicaSet", "StatefulSet")
    },
    ("extensions/v1beta1", "NetworkPolicy"): ("1.16", "networking.k8s.io/v1"),
    ("autoscaling/v2beta1", "HorizontalPodAutoscaler"): ("1.25", "autoscaling/v2"),
    ("autoscaling/v2beta2", "HorizontalPodAutoscaler"): ("1.26", "autoscaling/v2"),
    ("policy/v1beta1", "PodDisruptionBudget"): ("1.25", "policy/v1"),
    ("batch/v1beta1", "CronJob"): ("1.25", "batch/v1"),
    ("batch/v2alpha1", "CronJob"): ("1.21", "batch/v1"),
    ("keda.k8s.io/v1alpha1", "ScaledObject"): ("KEDA 2", "keda.sh/v1alpha1"),
}
_LEAST_SCORE: Final = 0.8


@setup_rule(
    "D-60",
    Harm.BREAKS,
    remedy="Indent with blanks.",
    source="YAML 1.2, 6.1: tabs are no indentation.",
)
def check_tabs(setup: SetUp) -> Iterator[Diagnosis]:
    """YAML is indented with blanks. With tabs nothing of the file can be applied."""
    for place in setup.indented_by_tabs:
        yield Diagnosis(
            place,
            place.file.rpartition("/")[2],
            "is indented with tabs, which YAML refuses; the rest is judged as if they were blanks",
            "indent with blanks",
        )


@object_rule(
    "D-61",
    Harm.BREAKS,
    remedy="Write the version that is served, and the fields that go with it.",
    source="Kubernetes, deprecated API migration guide.",
)
def check_api_version(one: ManifestObject) -> Iterator[Diagnosis]:
    """The cluster serves the API version. Objects of a removed one are refused."""
    version = one.data.text("apiVersion")
    removed = _REMOVED.get((version, one.kind))
    if removed is not None:
        since, instead = removed
        where = since if since.startswith("KEDA") else f"Kubernetes {since}"
        extra = ", and target: {type: Utilization, averageUtilization: ...}" if version == "autoscaling/v2beta1" else ""
        yield Diagnosis(
            one.at(key="apiVersion"),
            one.title,
            f"{version} is not served since {where}: the object is refused",
            f"write apiVersion: {instead}{extra}",
        )


@object_rule(
    "D-62",
    Harm.LOSES,
    remedy="Write the field as the API spells it, and where it belongs.",
    source="kubectl apply and Helm 3 refuse a field that the API does not know (kubectl's --validate is strict; by the "
    "API server itself since Kubernetes 1.27). Where validation is off, or a program sends the object, the API server "
    "drops it and only warns: without its hook such a pod was gone in 1.3 s with 68 of 70 messages (measured).",
)
def check_fields(one: ManifestObject) -> Iterator[Diagnosis]:
    """Each field is one that Kubernetes knows at its place. `Lifecycle`, or `terminationGracePeriodSeconds` outside of
    the pod's spec, is refused by kubectl and Helm. Where validation is off it is dropped: there is no hook then, and
    the grace period is 30 s."""
    for kind, data in _known_levels(one):
        known = _ALL_FIELDS[kind]
        for key in data:
            if key in known:
                continue
            place = one.at(data, key)
            elsewhere = [level for level in ("PodSpec", "Container", "HPASpec") if key in FIELDS[level]]
            close = _KEDA_SAYS.get(key, "") if kind in KEDA_FIELDS else _nearest(key, known)
            if close:
                remedy = f"write {close}"
            elif elsewhere and kind != "HPASpec":
                remedy = f"move it to {_LEVELS[elsewhere[0]]}"
            else:
                remedy = "remove it"
            yield Diagnosis(
                place,
                one.title,
                f"{key} is no field of {_LEVELS[kind]}: it is refused, or dropped where validation is off"
                f"{_consequence(key)}",
                remedy,
            )


_ALL_FIELDS: Final = FIELDS | KEDA_FIELDS
# The words of the HPA that KEDA has others for.
_KEDA_SAYS: Final = {"minReplicas": "minReplicaCount", "maxReplicas": "maxReplicaCount"}
_LEVELS: Final = {
    "WorkloadSpec": "the workload's spec",
    "PodSpec": "the pod's spec",
    "Container": "a container",
    "Lifecycle": "lifecycle",
    "Handler": "a hook",
    "Resources": "resources",
    "HPASpec": "the autoscaler's spec",
    "ScaledObjectSpec": "a ScaledObject's spec",
    "HPAMetric": "a metric",
    "HPAResource": "a resource metric of autoscaling/v2",
}


def _consequence(key: str) -> str:
    low = key.lower()
    if low in ("lifecycle", "prestop"):
        return ", and no hook runs"
    return ", and the grace period is 30 s" if "graceperiod" in low else ""


def _nearest(key: str, known: frozenset[str]) -> str:
    for name in known:
        if name.lower() == key.lower():
            return name
    found = difflib.get_close_matches(key, known, n=1, cutoff=_LEAST_SCORE)
    return found[0] if found else ""


def _known_levels(one: ManifestObject) -> Iterator[tuple[str, Map]]:
    spec = one.data.map("spec")
    if (
        one.group == "autoscaling"
        and one.kind == "HorizontalPodAutoscaler"
        and one.data.text("apiVersion") == "autoscaling/v2"
    ):
        yield "HPASpec", spec
        for metric in spec.items_of("metrics"):
            yield "HPAMetric", metric
            if "resource" in metric:
                yield "HPAResource", metric.map("resource")
    if one.kind == "ScaledObject" and one.group == "keda.sh":
        yield "ScaledObjectSpec", spec
    if one.kind in ("Deployment", "StatefulSet", "DaemonSet") and one.group in ("apps", "extensions"):
        yield "WorkloadSpec", spec
        pod = spec.map("template", "spec")
        yield "PodSpec", pod
        for container in (*pod.items_of("containers"), *pod.items_of("initContainers")):
            yield "Container", container
            yield "Resources", container.map("resources")
            yield "Lifecycle", container.map("lifecycle")
            for name in ("preStop", "postStart"):
                yield "Handler", container.map("lifecycle", name)
            misspelt = next((key for key in container if key.lower() == "lifecycle" and key != "lifecycle"), "")
            if misspelt:
                yield "Lifecycle", container.map(misspelt)


@unit_rule(
    "D-63",
    Harm.BREAKS,
    remedy="Write the image that the Dockerfile builds.",
    source="The base image holds neither the supervisor nor the hook that the Dockerfile adds.",
)
def check_image(unit: Unit) -> Iterator[Diagnosis]:
    """Pods run the image that was built for them, and not the one that it was built from."""
    reference = unit.container.image if unit.container else None
    base = unit.image.base if unit.image else None
    if reference is not None and base is not None and reference.value == base.value and unit.is_kubernetes:
        yield Diagnosis(
            reference.place,
            unit.title,
            f"runs {reference.value}, from which {base.place} builds the workers' image: nothing of what it adds is "
            "there",
            "write the name of the image that is built",
        )


@object_rule(
    "D-64",
    Harm.DELAYS,
    remedy="Write maxUnavailable: 1.",
    source="Evictions are refused until a node's drain gives up (GKE: one hour), and kills then.",
)
def check_budget(one: ManifestObject) -> Iterator[Diagnosis]:
    """A disruption budget lets a pod go."""
    spec = one.data.map("spec")
    if one.kind != "PodDisruptionBudget":
        return
    for key, value in (("maxUnavailable", (0, "0", "0%")), ("minAvailable", ("100%",))):
        if spec.get(key) in value and not isinstance(spec.get(key), bool):
            yield Diagnosis(
                one.at(spec, key),
                one.title,
                f"{key}: {spec[key]} lets no pod go: no node can be drained until the drain gives up and kills",
                "write maxUnavailable: 1",
            )


@setup_rule(
    "D-65",
    Harm.DELAYS,
    remedy="Write maxUnavailable: 1.",
    source="Evictions are refused until a node's drain gives up (GKE: one hour), and kills then.",
)
def check_budget_of_few(setup: SetUp) -> Iterator[Diagnosis]:
    """A disruption budget lets a pod go, also when the autoscaler is at its minimum."""
    for one in setup.objects:
        least = one.data.map("spec").get("minAvailable")
        if one.kind != "PodDisruptionBudget" or not isinstance(least, int):
            continue
        labels = one.data.map("spec", "selector", "matchLabels")
        for workload in setup.workloads:
            pod_labels = workload.data.map("spec", "template", "metadata", "labels")
            if not labels or not pod_labels.holds(labels):
                continue
            minima = [
                spec.get(
                    "minReplicas", 1 if autoscaler.kind == "HorizontalPodAutoscaler" else spec.get("minReplicaCount")
                )
                for autoscaler in setup.objects
                if autoscaler.scaled().text("name") == workload.name
                for spec in [autoscaler.data.map("spec")]
            ]
            known = [number for number in minima if isinstance(number, int)]
            pods = min(known) if known else workload.replicas.value if workload.replicas else 1
            if 0 < pods <= least:
                yield Diagnosis(
                    one.at(one.data.map("spec"), "minAvailable"),
                    one.title,
                    f"minAvailable: {least} lets none of {pods} pod{'s' * (pods != 1)} of {workload.title} go",
                    "write maxUnavailable: 1",
                )


@setup_rule(
    "D-6e",
    Harm.DELAYS,
    remedy="Write the labels of the workload's pods into the budget's selector.",
    source="Kubernetes' documentation of disruption budgets: one counts the pods that its selector finds, and none "
    "where it finds none.",
)
def check_budget_of_nobody(setup: SetUp) -> Iterator[Diagnosis]:
    """A disruption budget counts the pods that it is written for. One whose selector has another label protects none:
    the drain of a node takes all that it finds at once. Judged where a workload is called as the budget, and nobody has
    its labels."""
    if setup.overlays:
        return  # an overlay may give labels to both
    for one in setup.objects:
        selector = one.data.map("spec", "selector")
        labels = selector.map("matchLabels")
        if one.kind != "PodDisruptionBudget" or not labels or "matchExpressions" in selector:
            continue
        near = [
            other
            for other in setup.workloads
            if not other.namespace or other.namespace == (one.namespace or other.namespace)
        ]
        meant = next((other for other in near if other.name == one.name and other.labels), None)
        if meant is None or any(other.labels.holds(labels) for other in setup.workloads):
            continue
        key = next(key for key, value in labels.items() if meant.labels.get(key) != value)
        has = f"have {key}: {meant.labels.text(key)}" if key in meant.labels else f"have no {key}"
        yield Diagnosis(
            one.at(labels, key),
            one.title,
            f"selects {key}: {labels.text(key)}, and the pods of {meant.title} ({meant.place}) {has}: it protects none",
            f"write the labels of {meant.title}'s pods",
        )


@unit_rule(
    "D-68",
    Harm.DELAYS,
    remedy="Use RollingUpdate, with maxUnavailable 0.",
    source="Kubernetes: Recreate ends every pod before it starts one.",
)
def check_strategy(unit: Unit) -> Iterator[Diagnosis]:
    """An update leaves somebody who consumes. With Recreate every pod drains first, for as long as the grace period,
    and nothing is consumed meanwhile."""
    if unit.workload is None or unit.workload.kind != "Deployment" or unit.most_replicas < 2:
        return
    strategy = unit.workload.data.map("spec", "strategy")
    unavailable = strategy.map("rollingUpdate").get("maxUnavailable")
    if strategy.text("type") == "Recreate" or unavailable == "100%":
        yield Diagnosis(
            unit.workload.at(strategy),
            unit.title,
            f"ends all of up to {unit.most_replicas} pods at each update before new ones start",
            "write type: RollingUpdate, maxUnavailable: 0",
        )


@object_rule(
    "D-69",
    Harm.BREAKS,
    remedy="Write the selector's labels into the pod's template.",
    source="The API server refuses it.",
)
def check_selector(one: ManifestObject) -> Iterator[Diagnosis]:
    """A Deployment selects the pods that it makes."""
    labels = one.data.map("spec", "selector", "matchLabels")
    pod_labels = one.data.map("spec", "template", "metadata", "labels")
    if one.kind not in ("Deployment", "StatefulSet", "DaemonSet") or not pod_labels:
        return
    missing = [key for key, value in labels.items() if pod_labels.get(key) != value]
    if missing:
        yield Diagnosis(
            one.at(labels, missing[0]),
            one.title,
            f"selects {missing[0]}: {labels.text(missing[0])}, which its own pods do not have",
            "write the same labels in both",
        )
