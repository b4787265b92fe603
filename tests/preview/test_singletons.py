"""A consumer of which there must never be two stays alone, or a reviewer is told."""

from __future__ import annotations

from typing import Any

import pytest
from tests.preview.test_no_false_all_clear import (
    DEPLOYMENT,
    HPA,
    create,
    deployment,
    hpa,
    merged,
    said,
    same,
    step,
    update,
)

CONSUMES = {
    "command": ["php", "bin/console", "messenger:consume", "scheduler_default"],
    "env": [{"name": "EBBTIDE_PROCESSES", "value": "1"}],
}
ALONE = deployment(CONSUMES, replicas=1, strategy={"type": "Recreate"})
ROLLING = deployment(CONSUMES, replicas=1, strategy={"type": "RollingUpdate"})


NEWER = merged(ALONE, {"spec": {"template": {"metadata": {"labels": {"version": "2"}}}}})
FOR_ONE = hpa(minReplicas=1, maxReplicas=1)
# How a plan writes what is known after the update.
LATER = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


def named(inputs: dict[str, Any], **metadata: str) -> dict[str, Any]:
    return merged(inputs, {"metadata": metadata})


EMPTY = merged(named(ALONE, name="post"), {"spec": {"replicas": 0}})


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([update(ALONE, ROLLING)], "by RollingUpdate the next pod starts before the last one has ended"),
        # Kubernetes' default, where nobody says any more what it is.
        ([update(ALONE, merged(ALONE, {"spec": {"strategy": None}}))], "by RollingUpdate the next pod starts"),
        ([update(ALONE, merged(ALONE, {"spec": {"replicas": 2}}))], "now there are 2"),
        (
            [update(ALONE, merged(ALONE, {"spec": {"replicas": None}})), create(HPA, hpa())],
            "HorizontalPodAutoscaler mail may make it 10",
        ),
        (
            [
                update(ALONE, merged(ALONE, {"spec": {"replicas": None}})),
                create(HPA, hpa(minReplicas=1, maxReplicas=2)),
            ],
            "HorizontalPodAutoscaler mail may make it 2",
        ),
        (
            [same(DEPLOYMENT, ALONE), create(HPA, hpa(minReplicas=1, maxReplicas=2))],
            "HorizontalPodAutoscaler mail may make it 2",
        ),
        ([same(DEPLOYMENT, ALONE), create(HPA, hpa())], "HorizontalPodAutoscaler mail may make it 10"),
        ([same(DEPLOYMENT, ALONE), update(FOR_ONE, hpa(), HPA)], "HorizontalPodAutoscaler mail may make it 10"),
        ([update(ALONE, NEWER), update(FOR_ONE, hpa(), HPA)], "HorizontalPodAutoscaler mail may make it 10"),
        ([update(ALONE, merged(ALONE, {"spec": {"strategy": LATER, "replicas": 2}}))], "now there are 2"),
        (
            [create(DEPLOYMENT, named(ALONE, name="post"), name="post"), step("delete", DEPLOYMENT, ALONE, None)],
            "post starts before its last pod has ended",
        ),
        ([step("replace", DEPLOYMENT, ALONE, named(ALONE, name="post"))], "post starts before its last pod has ended"),
        ([step("replace", DEPLOYMENT, ALONE, named(ALONE, namespace="ops"))], "mail starts before its last pod has"),
    ],
)
def test_what_lets_a_second_one_begin_is_a_danger(steps, words):
    found = said(*steps)["P-17a"]
    assert found.startswith("danger: mail was never there twice (one pod, Recreate), and ")
    assert words in found


SELECTS = merged(ALONE, {"spec": {"selector": {"matchLabels": {"app": "x"}}}})


@pytest.mark.parametrize(
    "steps",
    [
        [update(ALONE, NEWER)],
        [update(ALONE, merged(ALONE, {"spec": {"replicas": 0}}))],
        [update(ROLLING, ALONE)],
        [update(ROLLING, merged(ROLLING, {"spec": {"replicas": 2}}))],
        [update(merged(ALONE, {"spec": {"replicas": 3}}), merged(ALONE, {"spec": {"replicas": 4}}))],
        [step("replace", DEPLOYMENT, ALONE, SELECTS)],
        [step("delete", DEPLOYMENT, ALONE, None)],
        [create(DEPLOYMENT, ALONE)],
        [same(DEPLOYMENT, ALONE), create(HPA, FOR_ONE)],
        [same(DEPLOYMENT, ROLLING), create(HPA, hpa())],
        # An autoscaler could make several of it before.
        [update(ALONE, NEWER), same(HPA, hpa())],
        [update(ALONE, ROLLING), same(HPA, hpa())],
        [same(DEPLOYMENT, ALONE), update(hpa(), hpa(maxReplicas=12), HPA)],
        [update(ALONE, ROLLING), step("delete", HPA, hpa(), None)],
        # Nobody knows yet.
        [update(ALONE, merged(ALONE, {"spec": {"strategy": LATER}}))],
        [update(ALONE, merged(ALONE, {"spec": LATER}))],
        # The new one has no pod.
        [create(DEPLOYMENT, EMPTY, name="post"), step("delete", DEPLOYMENT, ALONE, None)],
    ],
)
def test_what_leaves_it_alone_or_was_never_alone_is_not_said(steps):
    assert "P-17a" not in said(*steps)
