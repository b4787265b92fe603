"""Whatever owns the number of pods, of every kind: taken over, let go, fought over, or resized behind its back."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest

from ebbtide.preview.review import Review, review_change
from ebbtide.preview.sources.plan import read_plan
from ebbtide.settings.loading.loader import load_stack
from ebbtide.settings.models.stack import StackSettings

SETTINGS = load_stack("prod", Path(__file__).parent / "cases" / "project")
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
HPA = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
OLD_HPA = "kubernetes:autoscaling/v1:HorizontalPodAutoscaler"
SCALED_OBJECT = "kubernetes:keda.sh/v1alpha1:ScaledObject"
VPA = "kubernetes:autoscaling.k8s.io/v1:VerticalPodAutoscaler"
CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}


def hpa(name: str = "w", target: str = "w", **spec: Any) -> dict[str, Any]:
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": target}
    spec = {"scaleTargetRef": reference, "minReplicas": 2, "maxReplicas": 10, "metrics": [CPU], **spec}
    return {"metadata": {"name": name, "namespace": "platform"}, "spec": spec}


def scaled_object(target: str = "w", annotations: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    trigger = {"type": "rabbitmq", "metadata": {"host": "amqp://u:hunter2@mq/", "value": "1"}}
    spec = {"scaleTargetRef": {"name": target}, "maxReplicaCount": 10, "triggers": [trigger], **spec}
    metadata = {"name": "so", "namespace": "platform", "annotations": annotations or {}}
    return {"metadata": metadata, "spec": spec}


def taking_over(name: str) -> dict[str, Any]:
    """KEDA gives its HPA this name, or its usual one, and may take over one that is there."""
    config = {"advanced": {"horizontalPodAutoscalerConfig": {"name": name}}} if name else {}
    return scaled_object(annotations={"scaledobject.keda.sh/transfer-hpa-ownership": "true"}, **config)


def vpa(mode: str) -> dict[str, Any]:
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "w"}
    metadata = {"name": "v", "namespace": "platform"}
    return {"metadata": metadata, "spec": {"targetRef": reference, "updatePolicy": {"updateMode": mode}}}


def deployment(name: str = "w", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "namespace": "platform"}, "spec": spec}


Step = tuple[str, str, dict[str, Any] | None, dict[str, Any] | None]


def review(*steps: Step, settings: StackSettings = SETTINGS) -> Review:
    """The review of a plan: operation, type, before and after."""
    written = []
    for number, (operation, token, old, new) in enumerate(steps):
        urn = f"urn:pulumi:prod::services::{token}::thing-{number}"
        step: dict[str, Any] = {"op": operation, "urn": urn}
        for side, inputs in (("oldState", old), ("newState", new)):
            if inputs is not None:
                step[side] = {"urn": urn, "type": token, "custom": True, "inputs": inputs}
        written.append(step)
    return review_change(read_plan(json.dumps({"steps": written}), "prod"), settings)


CASES: dict[str, tuple[tuple[Step, ...], set[tuple[str, str]]]] = {
    "an HPA over a running Deployment": ((("create", HPA, None, hpa()),), {("P-26", "scaling")}),
    "a ScaledObject over a running Deployment": (
        (("create", SCALED_OBJECT, None, scaled_object()),),
        {("P-26", "scaling")},
    ),
    "an HPA and its new Deployment": (
        (("create", DEPLOYMENT, None, deployment()), ("create", HPA, None, hpa())),
        {("P-14", "info")},
    ),
    "an HPA of another version of the API": (
        (("create", HPA, None, hpa()), ("delete", OLD_HPA, hpa(), None)),
        {("P-26", "scaling")},
    ),
    "an HPA that is made anew": ((("replace", HPA, hpa(), hpa()),), {("P-26", "scaling")}),
    "an HPA that scales something else": ((("update", HPA, hpa(), hpa(target="other")),), {("P-26", "scaling")}),
    "a ScaledObject that is deleted": ((("delete", SCALED_OBJECT, scaled_object(), None),), {("P-25", "danger")}),
    "a ScaledObject that goes with its Deployment": (
        (("delete", SCALED_OBJECT, scaled_object(), None), ("delete", DEPLOYMENT, deployment(), None)),
        {("P-02", "danger")},
    ),
    "a ScaledObject in place of an HPA": (
        (("create", SCALED_OBJECT, None, scaled_object()), ("delete", HPA, hpa(), None)),
        {("P-26", "scaling"), ("P-72", "danger")},
    ),
    "a lower maximum": (
        (("update", SCALED_OBJECT, scaled_object(), scaled_object(maxReplicaCount=1)),),
        {("P-22", "disruptive")},
    ),
    "another trigger": (
        (("update", SCALED_OBJECT, scaled_object(), scaled_object(triggers=[{"type": "redis"}])),),
        {("P-23", "scaling")},
    ),
    "a field that nobody has judged": (
        (("update", SCALED_OBJECT, scaled_object(), scaled_object(somethingNew=1)),),
        {("P-40", "notJudged")},
    ),
    "a pause": (
        (
            (
                "update",
                SCALED_OBJECT,
                scaled_object(),
                scaled_object(annotations={"autoscaling.keda.sh/paused": "true"}),
            ),
        ),
        {("P-70", "scaling")},
    ),
    "two owners in one plan": (
        (("create", HPA, None, hpa()), ("create", SCALED_OBJECT, None, scaled_object())),
        {("P-26", "scaling"), ("P-28", "danger")},
    ),
    "KEDA takes an HPA over": (
        (
            ("create", HPA, None, hpa()),
            (
                "create",
                SCALED_OBJECT,
                None,
                taking_over("w"),
            ),
        ),
        {("P-26", "scaling")},
    ),
    "KEDA takes another HPA over": (
        (("create", HPA, None, hpa()), ("create", SCALED_OBJECT, None, taking_over("another"))),
        {("P-26", "scaling"), ("P-28", "danger")},
    ),
    "KEDA may take an HPA over, and none is of the name of its own": (
        (("create", HPA, None, hpa()), ("create", SCALED_OBJECT, None, taking_over(""))),
        {("P-26", "scaling"), ("P-28", "danger")},
    ),
    "KEDA takes over the HPA that it made before": (
        (("create", HPA, None, hpa("keda-hpa-so")), ("create", SCALED_OBJECT, None, taking_over(""))),
        {("P-26", "scaling")},
    ),
    "an HPA over a Deployment that states its number": (
        (
            ("update", DEPLOYMENT, deployment(replicas=3), deployment(replicas=3, progressDeadlineSeconds=60)),
            ("create", HPA, None, hpa()),
        ),
        {("P-26", "scaling"), ("P-28", "danger")},
    ),
    "an HPA over a consumer of a fixed number": (
        (("create", HPA, None, hpa("jobs", "jobs")),),
        {("P-26", "scaling"), ("P-28", "danger")},
    ),
    "a VPA that recommends": ((("create", VPA, None, vpa("Off")),), {("P-29", "info")}),
    "a VPA that evicts": ((("create", VPA, None, vpa("Auto")),), {("P-29", "disruptive")}),
    "a VPA on what an HPA measures": (
        (("create", VPA, None, vpa("Auto")), ("update", HPA, hpa(), hpa(maxReplicas=12))),
        {("P-22", "scaling"), ("P-29", "danger")},
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_owns_the_number_of_pods_is_judged_whatever_its_kind(name: str) -> None:
    steps, expected = CASES[name]
    assert {(risk.rule, risk.level.value) for risk in review(*steps).risks} == expected


def test_the_address_in_a_trigger_is_not_shown() -> None:
    after = copy.deepcopy(scaled_object())
    after["spec"]["triggers"][0]["metadata"]["value"] = "2"
    (risk,) = review(("update", SCALED_OBJECT, scaled_object(), after)).risks
    assert risk.sentence == "so changes its target: rabbitmq from value 1 to value 2"


FAST = {"policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}]}
MEMORY = {"type": "Resource", "resource": {"name": "memory", "target": {"type": "AverageValue", "averageValue": "1Gi"}}}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ({"scaleUp": FAST}, {"scaleUp": {"selectPolicy": "Disabled"}}, "; it never scales up"),
        ({"scaleDown": FAST}, {"scaleDown": {"selectPolicy": "Disabled"}}, "; it never scales down"),
        ({"scaleUp": {"policies": []}}, {"scaleUp": FAST}, "4 Pods in 15s"),
        (None, {"scaleUp": FAST}, "the first step from 1 pod is to 5 instead of 4"),
    ],
)
def test_how_an_autoscaler_moves_from_now_on_is_said_in_words(before: Any, after: Any, words: str) -> None:
    (risk,) = review(("update", HPA, hpa(behavior=before), hpa(behavior=after))).risks
    assert (risk.rule, risk.level.value) == ("P-24", "scaling")
    assert words in risk.sentence


def test_of_two_metrics_only_the_one_that_changes_is_named() -> None:
    more = {**CPU, "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 75}}}
    (risk,) = review(("update", HPA, hpa(metrics=[MEMORY, CPU]), hpa(metrics=[MEMORY, more]))).risks
    assert risk.sentence == "w changes its target: cpu from 50 % to 75 %"


def test_a_vpa_that_states_no_mode_evicts_as_kubernetes_takes_it() -> None:
    silent = vpa("Auto")
    del silent["spec"]["updatePolicy"]
    (risk,) = review(("create", VPA, None, silent)).risks
    assert risk.level.value == "disruptive"
    assert "other requests (Auto): it evicts" in risk.sentence


def of_settings(scaling: dict[str, Any], **consumer: Any) -> StackSettings:
    """The same stack, whose one consumer scales in this way."""
    written = SETTINGS.model_dump(mode="json", by_alias=True, exclude_unset=True)
    written["consumers"]["jobs"].update(autoscaling=scaling, **consumer)
    return StackSettings.model_validate(written)


@pytest.mark.parametrize(
    ("others", "fights"), [((), True), ((("delete", HPA, hpa("jobs", "jobs"), None),), False)], ids=["stays", "goes"]
)
def test_an_autoscaler_of_the_settings_owns_nothing_once_it_goes(others: tuple[Step, ...], fights: bool) -> None:
    """Otherwise each move from an HPA to KEDA would be called a fight."""
    metric = {"kind": "external", "metric": "backlog", "targetAverageValue": 3}
    settings = of_settings({"kind": "hpa", "maxReplicas": 5, "metrics": [metric]})
    found = review(*others, ("create", SCALED_OBJECT, None, scaled_object("jobs")), settings=settings)
    sentences = [risk.sentence for risk in found.risks if risk.rule == "P-28"]
    assert bool(sentences) == fights
    assert all("and the hpa of its settings decide the number of pods of jobs" in one for one in sentences)


def test_a_bound_that_is_known_after_the_update_is_no_bound() -> None:
    after = hpa(maxReplicas="3eeb2bf0-c639-47a8-9e75-3b44932eb421")
    (risk,) = review(("update", HPA, hpa(), after)).risks
    assert (risk.rule, risk.level.value) == ("P-40", "notJudged")
    assert "spec.maxReplicas (known after the update)" in risk.sentence


def test_an_autoscaler_starts_from_the_number_of_its_own_deployment_and_not_from_that_of_another():
    others = [
        ("update", DEPLOYMENT, deployment(name, replicas=number), deployment(name, replicas=number))
        for name, number in (("a", 50), ("w", 3), ("z", 60))
    ]
    unstated = ("update", DEPLOYMENT, deployment("b"), deployment("b"))
    found = [one for one in review(unstated, *others, ("create", HPA, None, hpa())).risks if one.rule == "P-26"]
    assert [(one.level, one.sentence[-20:]) for one in found] == [("scaling", "and it starts from 3")]
