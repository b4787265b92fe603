"""Changes that a plan names and does not show: the engine masks a secret on both sides.

What is hidden may be anything: the broker, the time to finish, a limit. It is never called an ordinary deploy.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.preview.plans import UNKNOWN_TEXT
from tests.preview.test_what_teams_do import DEPLOYMENT, OURS, deployment, said

from ebbtide.preview.review import Review, review_change
from ebbtide.preview.sources.plan import read_plan

URN = f"urn:pulumi:production::shop::{DEPLOYMENT}::orders"
POD = "spec.template.spec"
(CONSUMER,) = (one["properties"] for one in OURS if one["type"] == DEPLOYMENT)


def review(old: dict[str, Any], new: dict[str, Any], *paths: str, **step: Any) -> Review:
    states = [{"urn": URN, "type": DEPLOYMENT, "custom": True, "inputs": inputs} for inputs in (old, new)]
    detailed = {path: {"kind": "update", "inputDiff": True} for path in paths} or None
    written = {"op": "update", "urn": URN, "oldState": states[0], "newState": states[1], "detailedDiff": detailed}
    plan = {"steps": [{**written, **step}], "diagnostics": [], "changeSummary": {"update": 1}}
    return review_change(read_plan(json.dumps(plan), "production"))


def newer(inputs: dict[str, Any]) -> dict[str, Any]:
    """The same with a label more, which is harmless."""
    return {**inputs, "metadata": {**inputs["metadata"], "labels": {"team": "mail"}}}


@pytest.mark.parametrize(
    ("hidden", "path"),
    [
        ({"spec": "[secret]"}, f"{POD}.terminationGracePeriodSeconds"),
        ({"spec": "[secret]"}, f"{POD}.containers[0].resources.limits.memory"),
        ({"spec": {"template": "[secret]"}}, f"{POD}.containers[0].lifecycle"),
    ],
)
def test_what_is_below_a_secret_is_not_judged(hidden: dict[str, Any], path: str):
    old = {**deployment(), **hidden}
    for new in (old, newer(old)):
        found = said(review(old, new, path))
        assert found["P-40"] == f"notJudged: not judged, Deployment orders: {path}"
        assert "30s" not in " ".join(found.values()), "a default of Kubernetes is said of what nobody can see"


def test_a_property_that_is_named_by_nothing_but_its_first_part_is_not_judged():
    old = {**deployment(), "spec": "[secret]"}
    found = said(review(old, newer(old), diffReasons=["metadata", "spec"]))
    assert found["P-40"] == "notJudged: not judged, Deployment orders: spec"
    assert "P-15" not in found


def test_a_value_that_is_in_no_input_is_not_judged():
    found = said(review(deployment(), newer(deployment()), "metadata.uid"))
    assert found["P-40"] == "notJudged: not judged, Deployment orders: metadata.uid"
    assert "P-15" not in found


@pytest.mark.parametrize("name", ["MESSENGER_TRANSPORT_DSN", "CELERY_BROKER_URL", "RABBITMQ_HOST", "REDIS_HOST"])
@pytest.mark.parametrize("image", ["acme.example/orders:1", "acme.example/orders:2"])
def test_another_address_of_the_broker_that_is_masked_is_not_judged(name: str, image: str):
    env = [{"name": name, "value": "[secret]"}]
    old, new = deployment(env=env), deployment(env=env, image=image)
    found = review(old, new, f"{POD}.containers[1].env[0].value", f"{POD}.containers[1].image")
    assert (
        said(found)["P-40"] == f"notJudged: not judged, Deployment orders: {POD}.containers[worker].env[{name}].value"
    )


def test_another_password_of_a_cache_is_an_ordinary_deploy():
    (container,) = CONSUMER["spec"]["template"]["spec"]["containers"]
    container = {**container, "env": [*container["env"], {"name": "CACHE_PASSWORD", "value": "[secret]"}]}
    pod = {**CONSUMER["spec"]["template"]["spec"], "containers": [container]}
    spec = {**CONSUMER["spec"], "template": {**CONSUMER["spec"]["template"], "spec": pod}}
    old = {**CONSUMER, "spec": spec}
    found = review(old, old, f"{POD}.containers[0].env[{len(container['env']) - 1}].value")
    assert found.worst == "info", said(found)


def test_a_secret_argument_beside_one_that_is_seen_is_named():
    args = ["celery", "worker", "--queues", "[secret]", "--loglevel"]
    old, new = deployment(args=[*args, "info"]), deployment(args=[*args, "debug"])
    found = said(review(old, new, *(f"{POD}.containers[1].args[{place}]" for place in (3, 5))))
    assert f"{POD}.containers[worker].args[3]" in found["P-40"]


def test_a_time_to_finish_that_is_secret_is_not_the_default():
    new = deployment(lambda pod, worker: pod.update(terminationGracePeriodSeconds="[secret]"))
    found = said(review(deployment(), new, f"{POD}.terminationGracePeriodSeconds"))
    assert found["P-40"] == f"notJudged: not judged, Deployment orders: {POD}.terminationGracePeriodSeconds"
    assert "P-03" not in found


@pytest.mark.parametrize(
    "worker",
    [
        {"env": [{"name": "MESSENGER_TRANSPORT_DSN", "value": UNKNOWN_TEXT}]},
        {"args": ["php", "bin/console", "messenger:consume", UNKNOWN_TEXT]},
    ],
)
def test_which_queue_is_read_that_nobody_knows_yet_is_not_judged(worker: dict[str, Any]):
    before = {name: json.loads(json.dumps(value).replace(UNKNOWN_TEXT, "mail")) for name, value in worker.items()}
    found = said(review(deployment(**before), deployment(**worker)))
    assert found["P-40"].endswith(" (known after the update)")
