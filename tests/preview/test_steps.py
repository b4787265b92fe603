"""Steps of a plan that are not what they seem: imports, options of what stays, and leftovers of a broken update."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest
from tests.preview.test_what_teams_do import DEPLOYMENT, deployment, said

from ebbtide.preview.lines import lines_of
from ebbtide.preview.review import Review, review_change
from ebbtide.preview.sources.plan import read_plan

HPA = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
URN = f"urn:pulumi:production::shop::{DEPLOYMENT}::orders"
ORDERS, SHORTER = deployment(), deployment(lambda pod, worker: pod.update(terminationGracePeriodSeconds=10))


def state(inputs: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"urn": URN, "type": DEPLOYMENT, "custom": True, "inputs": inputs, **options}


def review(*steps: tuple[str, dict[str, Any] | None, dict[str, Any] | None]) -> Review:
    written = [{"op": operation, "urn": URN, "oldState": old, "newState": new} for operation, old, new in steps]
    plan = {"steps": written, "diagnostics": [], "changeSummary": Counter(operation for operation, *_ in steps)}
    return review_change(read_plan(json.dumps(plan), "production"))


def test_what_is_imported_is_taken_over_as_it_is():
    found = review(("import", None, state(ORDERS)))
    assert found.worst is None, said(found)
    assert found.change.notes == ("imported as they are, and not changed: 1 resource",)


def test_a_safeguard_that_is_taken_from_what_stays_is_a_danger():
    for lost in ({"protect": True}, {"retainOnDelete": True}, {"ignoreChanges": ["spec.template"]}):
        found = review(("same", state(ORDERS, **lost), state(ORDERS)))
        assert said(found)["P-04"].startswith("danger: Deployment orders no longer ") or "protect" in lost
        assert found.worst is not None


def test_a_safeguard_more_is_no_risk():
    for gained in ({"protect": True}, {"retainOnDelete": True}, {}):
        assert review(("same", state(ORDERS), state(ORDERS, **gained))).worst is None


def test_an_older_cli_that_remembers_no_options_has_taken_none_away():
    assert review(("same", state(ORDERS), state(ORDERS, ignoreChanges=["spec.template"]))).worst is None


def test_what_an_earlier_update_left_over_hides_no_other_step_of_the_same_resource():
    leftover = ("delete", state(ORDERS, delete=True), None)
    for steps in (
        (leftover, ("update", state(ORDERS), state(SHORTER))),
        (("update", state(ORDERS), state(SHORTER)), leftover),
    ):
        found = said(review(*steps))
        assert "10s instead of 2m to finish" in found["P-03"]
        assert "is deleted" in found["P-02"]


def test_the_three_steps_of_a_replacement_are_one_change():
    other = deployment(lambda pod, worker: pod.update(terminationGracePeriodSeconds=10))
    other["metadata"]["name"] = "orders-2"
    steps = [
        ("create-replacement", state(ORDERS), state(other)),
        ("replace", state(ORDERS), state(other)),
        ("delete-replaced", state(ORDERS), None),
    ]
    found = review(*steps)
    assert len(found.change.changes) == 1
    assert said(found)["P-02"].startswith("disruptive: orders is replaced by orders-2, which is made first")
    assert said(found)["P-03"].startswith("danger: pods of orders-2 get 10s instead of 2m to finish")


def test_a_replacement_that_deletes_first_leaves_nobody_who_consumes_whatever_the_new_one_is_called():
    other = deployment()
    other["metadata"]["name"] = "orders-2"
    made = [("create-replacement", state(ORDERS), state(other)), ("replace", state(ORDERS), state(other))]
    found = said(review(("delete-replaced", state(ORDERS), None), *made))
    assert found["P-02"].startswith("danger: orders is deleted and made anew")


def through(name: str) -> dict[str, Any]:
    return {"provider": f"urn:pulumi:production::shop::pulumi:providers:kubernetes::{name}::0f1e"}


@pytest.mark.parametrize("operations", [("replace",), ("create-replacement", "replace", "delete-replaced")])
def test_what_another_provider_makes_may_be_the_object_that_is_deleted_last(operations: tuple[str, ...]):
    old, new = state(ORDERS, **through("default_4_24_0")), state(ORDERS, **through("blue"))
    steps = {"replace": (old, new), "create-replacement": (old, new), "delete-replaced": (old, None)}
    found = said(review(*((operation, *steps[operation]) for operation in operations)))
    assert found["P-42"].startswith("danger: Deployment orders is made through another provider and then deleted")
    assert "P-02" not in found


def test_all_that_moves_to_another_provider_is_one_line():
    steps = []
    for kind, name in (("apps/v1:Deployment", "orders"), ("core/v1:ServiceAccount", "orders-runs")):
        named = {**ORDERS, "metadata": {**ORDERS["metadata"], "name": name}}
        sides = {f"{side}State": {**state(named), **through(by)} for side, by in (("old", "blue"), ("new", "green"))}
        steps.append({"op": "replace", "urn": f"urn:pulumi:production::shop::kubernetes:{kind}::{name}", **sides})
    risks = review_change(read_plan(json.dumps({"steps": steps}), "production")).risks
    (line,) = (line for line in lines_of(risks) if line.rule == "P-42")
    assert line.sentence.startswith("2 alike (orders and orders-runs): is made through another provider")
    assert [detail.sentence.split(" is ")[0] for detail in line.details] == [
        "Deployment orders",
        "ServiceAccount orders-runs",
    ]


def test_a_newer_default_provider_is_the_same_one():
    old, new = state(ORDERS, **through("default_4_23_0")), state(ORDERS, **through("default_4_24_0"))
    assert "P-42" not in said(review(("replace", old, new)))


def test_a_provider_that_somebody_has_named_after_the_default_is_one_of_its_own():
    old, new = state(ORDERS, **through("default-blue")), state(ORDERS, **through("default-green"))
    assert "P-42" in said(review(("replace", old, new)))


def test_an_autoscaler_that_goes_in_one_cluster_is_not_replaced_by_that_of_another():
    hpa = {
        "metadata": {"name": "orders", "namespace": "shop"},
        "spec": {"maxReplicas": 9, "scaleTargetRef": {"kind": "Deployment", "name": "orders"}},
    }
    urn = f"urn:pulumi:production::shop::{HPA}::"
    gone = {"op": "delete", "urn": f"{urn}blue", "oldState": {**state(hpa), **through("blue")}, "newState": None}
    stays = {**state(hpa), **through("green")}
    steps = [gone, {"op": "same", "urn": f"{urn}green", "oldState": stays, "newState": stays}]
    found = said(review_change(read_plan(json.dumps({"steps": steps}), "production")))
    assert found["P-25"].startswith("danger: the autoscaler of orders is deleted")


@pytest.mark.parametrize("option", ["deletedWith", "replaceOnChanges", "resourceHooks", "somethingNewer"])
def test_an_option_that_no_rule_knows_is_not_judged(option: str):
    for sides in (({}, {option: ["x"]}), ({option: ["x"]}, {})):
        for operation in ("same", "update"):
            found = review((operation, *(state(ORDERS, **side) for side in sides)))
            assert said(found)["P-40"] == f"notJudged: not judged, Deployment orders: option {option}"


def test_what_the_engine_only_remembers_is_no_option():
    noted = {"modified": "2026-11-29", "dependencies": ["x"], "customTimeouts": {"create": 60}, "initErrors": []}
    assert review(("same", state(ORDERS), state(ORDERS, **noted))).worst is None


@pytest.mark.parametrize("step", [{"op": "delete"}, {"op": "update", "urn": "orders"}, "update"])
def test_a_step_of_nobody_knows_what_is_no_plan_in_which_nothing_changes(step: object):
    plan = {"steps": [step], "diagnostics": [], "changeSummary": {}}
    found = review_change(read_plan(json.dumps(plan), "production"))
    assert found.verdict == (
        "production: the preview failed (1 step of it cannot be read: without the name of a resource)"
    )


def test_a_plan_that_the_engine_doubts_has_failed():
    plan = {"steps": [], "diagnostics": [], "changeSummary": {"same": 3}, "maybeCorrupt": True}
    assert "the preview failed" in review_change(read_plan(json.dumps(plan), "production")).verdict


@pytest.mark.parametrize(
    ("event", "why"),
    [
        ({"errorEvent": {"error": "the plugin went away"}}, "the plugin went away"),
        ({"resOpFailedEvent": {"metadata": {"op": "update", "urn": URN}}}, "a step of it failed"),
    ],
)
def test_a_stream_in_which_something_failed_has_failed(event: dict[str, Any], why: str):
    lines = [event, {"summaryEvent": {"resourceChanges": {"same": 3}}}]
    text = "\n".join(json.dumps(line) for line in lines)
    assert review_change(read_plan(text, "production")).verdict == f"production: the preview failed ({why})"
