"""A pod template can move what an autoscaler does, though nobody touches the autoscaler."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.preview.plans import plan_of
from tests.preview.test_autoscalers import (
    DEPLOYMENT,
    HPA,
    SCALED_OBJECT,
    deployment,
    hpa,
    of_settings,
    review,
    scaled_object,
)
from tests.settings.conftest import CONSUMER

from ebbtide.manifests.resource import to_json
from ebbtide.manifests.stack import stack_resources
from ebbtide.preview.review import review_change
from ebbtide.preview.sources.plan import read_plan
from ebbtide.settings.models.stack import StackSettings

LIMIT_ONLY = {"limits": {"cpu": "1"}}
SIDECAR = {"name": "proxy", "resources": {"requests": {"cpu": "100m"}}}
MEMORY = {"name": "memory", "target": {"type": "Utilization", "averageUtilization": 80}}
OF_ONE = {"name": "cpu", "container": "w", "target": {"type": "Utilization", "averageUtilization": 50}}
IN_KEDA = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "50"}}
AVERAGE = {"type": "cpu", "metricType": "AverageValue", "metadata": {"value": "50"}}


def pods(resources: dict[str, Any], *more: dict[str, Any]) -> dict[str, Any]:
    return deployment(template={"spec": {"containers": [{"name": "w", "resources": resources}, *more]}})


def cpu(request: str) -> dict[str, Any]:
    return {"requests": {"cpu": request}}


@pytest.mark.parametrize(
    ("token", "autoscaler", "before", "after", "said"),
    [
        (HPA, hpa(), pods(cpu("200m")), pods(cpu("1")), "at 500m a pod instead of 100m"),
        (HPA, hpa(), pods(cpu("200m")), pods(cpu("0.2")), ""),
        (HPA, hpa(), pods(cpu("200m")), pods(cpu("200m"), SIDECAR), "at 150m a pod instead of 100m"),
        (HPA, hpa(), pods(cpu("200m")), pods(LIMIT_ONLY), "at 500m a pod instead of 100m"),
        (HPA, hpa(), pods(cpu("200m")), pods({}), "of nothing"),
        (HPA, hpa(), pods(cpu("200m")), pods({"requests": {"cpu": "200m", "memory": "1Gi"}}), ""),
        (HPA, hpa(target="other"), pods(cpu("200m")), pods(cpu("1")), ""),
        (
            HPA,
            hpa(metrics=[{"type": "Resource", "resource": MEMORY}]),
            pods({"requests": {"memory": "100Mi"}}),
            pods({"requests": {"memory": "200Mi"}}),
            "the memory target of w, 80 %, is of 200Mi instead of 100Mi: it scales at 160Mi a pod instead of 80Mi",
        ),
        (
            HPA,
            hpa(metrics=[{"type": "ContainerResource", "containerResource": OF_ONE}]),
            pods(cpu("200m")),
            pods(cpu("200m"), SIDECAR),
            "",
        ),
        *(
            (token, autoscaler, pods(cpu("200m"), SIDECAR), after, said)
            for token, autoscaler in (
                (HPA, hpa(metrics=[{"type": "ContainerResource", "containerResource": OF_ONE}])),
                (
                    SCALED_OBJECT,
                    scaled_object(triggers=[{**IN_KEDA, "metadata": {"value": "50", "containerName": "w"}}]),
                ),
            )
            for after, said in (
                (pods(cpu("1"), SIDECAR), "at 500m a pod instead of 100m"),
                (pods({}, SIDECAR), "container w requests no CPU any more, and the target of 50 % is of nothing"),
                (pods(cpu("200m")), ""),
            )
        ),
        (SCALED_OBJECT, scaled_object(triggers=[IN_KEDA]), pods(cpu("200m")), pods({}), "w requests no CPU any more"),
        (
            SCALED_OBJECT,
            scaled_object(triggers=[{"type": "cpu", "metadata": {"value": "50"}}]),
            pods(cpu("200m")),
            pods(cpu("1")),
            "at 500m a pod instead of 100m",
        ),
        (HPA, hpa(), pods(cpu("200m")), pods(cpu("lots")), ""),
        (
            SCALED_OBJECT,
            scaled_object(triggers=[IN_KEDA]),
            pods(cpu("200m")),
            pods(cpu("1")),
            "at 500m a pod instead of 100m",
        ),
        (SCALED_OBJECT, scaled_object(triggers=[AVERAGE]), pods(cpu("200m")), pods(cpu("1")), ""),
    ],
)
def test_a_target_in_per_cent_moves_with_the_request(
    token: str, autoscaler: dict[str, Any], before: dict[str, Any], after: dict[str, Any], said: str
) -> None:
    found = review(("same", token, autoscaler, autoscaler), ("update", DEPLOYMENT, before, after))
    sentences = [risk.sentence for risk in found.risks if risk.rule == "P-23a"]
    assert len(sentences) == bool(said)
    assert said in " ".join(sentences)


def test_where_the_autoscaler_is_in_no_step_its_settings_say_the_target():
    """A plan leaves out what stays as it is."""
    scaling = {"kind": "hpa", "maxReplicas": 5, "metrics": [{"kind": "cpu", "targetUtilization": 60}]}
    settings = of_settings(scaling, resources={"cpu": {"request": "200m"}})
    before, after = ({**pods(cpu(request)), "metadata": {"name": "jobs"}} for request in ("200m", "1"))
    found = review(("update", DEPLOYMENT, before, after), settings=settings)
    (sentence,) = [risk.sentence for risk in found.risks if risk.rule == "P-23a"]
    assert "the CPU target of jobs, 60 %" in sentence


def test_a_number_of_processes_that_is_in_a_config_map_is_not_taken_for_one() -> None:
    reference = {"configMapKeyRef": {"name": "sizes", "key": "processes"}}
    before, after = (
        deployment(template={"spec": {"containers": [{"name": "w", "env": [{"name": "EBBTIDE_PROCESSES", **one}]}]}})
        for one in ({"value": "70"}, {"valueFrom": reference})
    )
    assert "P-21a" not in {risk.rule for risk in review(("update", DEPLOYMENT, before, after)).risks}


def at_once(before: dict[str, Any], after: dict[str, Any]) -> list[tuple[str, str]]:
    """What is said of two containers, of which one follows the other."""
    old, new = (deployment(template={"spec": {"containers": [{"name": "w", **one}]}}) for one in (before, after))
    risks = review(("update", DEPLOYMENT, old, new)).risks
    return [(risk.level.value, risk.sentence) for risk in risks if risk.rule == "P-21a"]


def runs(command: str, **variables: str) -> dict[str, Any]:
    env = [{"name": name, "value": value} for name, value in variables.items()]
    return {"args": command.split(), **({"env": env} if env else {})}


@pytest.mark.parametrize(
    ("before", "after", "said"),
    [
        ("sidekiq", "sidekiq -c 1", "takes 1 message at once, and its command did not say how many before"),
        ("sidekiq -c 5", "sidekiq", "took 5 messages at once, and its command no longer says how many"),
        ("celery worker -c 8", "celery worker", "took 8 messages at once, and its command no longer says how many"),
        (
            "celery worker",
            "celery worker -P solo",
            "takes 1 message at once, and its command did not say how many before",
        ),
    ],
)
def test_a_worker_that_says_only_on_one_side_how_many_messages_it_takes_is_not_judged(before, after, said):
    assert at_once(runs(before), runs(after)) == [
        ("notJudged", f"a worker of w {said}: whether that is as many is not judged")
    ]


def test_a_worker_of_a_team_that_has_never_heard_of_ebbtide_takes_fewer_messages_too():
    assert at_once(runs("celery worker -c 8"), runs("celery worker -c 1")) == [
        ("scaling", "a pod of w handles 1 message at once instead of 8")
    ]


def test_how_many_the_image_lets_a_worker_take_counts_like_an_option():
    before, after = (runs("node w.js", EBBTIDE_PROCESSES="2", EBBTIDE_CONCURRENCY=each) for each in ("10", "1"))
    assert at_once(before, after) == [("scaling", "a pod of w handles 2 messages at once instead of 20")]


def test_more_workers_of_which_nobody_knows_how_many_each_takes_are_counted_as_workers():
    before, after = (runs("sidekiq", EBBTIDE_PROCESSES=number) for number in ("2", "4"))
    assert at_once(before, after) == [("scaling", "a pod of w runs 4 workers instead of 2")]


@pytest.mark.parametrize("more", ["", " -q mail"])
def test_of_how_many_a_worker_takes_nothing_is_said_where_neither_side_says_it(more):
    assert at_once(runs("sidekiq"), runs(f"sidekiq{more}")) == []


def test_a_percentage_of_kedas_is_known_from_the_settings_where_a_plan_does_not_show_its_scaled_object():
    cpu = {"type": "cpu", "metricType": "Utilization", "metadata": {"value": "60"}}
    cluster = {"kind": "existing", "keda": {"version": "2.20.2"}}
    sides = [
        StackSettings.model_validate(
            {
                "name": "prod",
                "cluster": cluster,
                "consumers": {
                    "mail": {
                        **CONSUMER,
                        "autoscaling": {"kind": "keda", "minReplicas": 1, "maxReplicas": 5, "triggers": [cpu]},
                        "resources": {"cpu": {"request": request}},
                    }
                },
            }
        )
        for request in ("3500m", "7")
    ]
    old, new = ([to_json(one) for one in stack_resources(side)] for side in sides)
    review = review_change(read_plan(json.dumps(plan_of(old, new, "prod")), "prod"), sides[1])
    assert "P-23a" in {risk.rule for risk in review.risks}
