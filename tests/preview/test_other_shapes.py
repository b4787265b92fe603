"""Plans of other shapes: what is made anew without a provider's asking, what is left out, and what comes beside."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.preview.test_no_false_all_clear import (
    BUDGET,
    DEPLOYMENT,
    HPA,
    KEDA,
    POLICY,
    budget,
    create,
    deployment,
    hpa,
    merged,
    named,
    review_of,
    said,
    step,
    update,
)

from ebbtide.preview.review import Review, review_change
from ebbtide.preview.sources.plan import read_plan

NAMESPACE, SECRET, CONFIG_MAP = (f"kubernetes:core/v1:{kind}" for kind in ("Namespace", "Secret", "ConfigMap"))
DATABASE = "gcp:sql/databaseInstance:DatabaseInstance"
MAIL, SHORTER = deployment(), deployment(pod={"terminationGracePeriodSeconds": 5})
NEWER, SELECTS = deployment({"image": "acme.example/mail:2"}), deployment(selector={"matchLabels": {"app": "x"}})
FORCED, MOVED = "is replaced because the engine is told to", "is made through another provider"
IMAGE, SELECTOR = "spec.template.spec.containers[0].image", "spec.selector.matchLabels.app"


def replaced(token: str, old: Any, new: Any = None, reasons: Any = (), **more: Any) -> dict[str, Any]:
    """A replacement; `was` and `now` add to its states."""
    found = step("replace", token, old, old if new is None else new, was=more.pop("was", {}))
    found["newState"] |= more.pop("now", {})
    return {**found, "replaceReasons": [*reasons], **more}


def forces(*paths: str) -> dict[str, Any]:
    return {"detailedDiff": {path: {"kind": "update-replace", "inputDiff": True} for path in paths}}


ON_CHANGES = {side: {"replaceOnChanges": ["spec"]} for side in ("was", "now")}


@pytest.mark.parametrize(
    "step_of",
    [
        replaced(DEPLOYMENT, MAIL, reasons=["id"]),
        replaced(DEPLOYMENT, MAIL, reasons=["id"], was={"taint": True}),
        replaced(SECRET, named(), reasons=["id"]),
        replaced(CONFIG_MAP, named(), reasons=["replaceWith"]),
        replaced(DEPLOYMENT, MAIL, was={"replacementTrigger": "1"}, now={"replacementTrigger": "2"}),
        replaced(DEPLOYMENT, MAIL, NEWER, ["spec"], **ON_CHANGES, **forces(IMAGE)),
    ],
)
def test_what_the_engine_replaces_by_itself_is_made_over_itself_and_gone(step_of):
    found = said(step_of)
    assert FORCED in found.pop("P-42")
    assert found.keys() <= {"P-11"}, "one cause, one line"


@pytest.mark.parametrize(
    "step_of",
    [
        replaced(DEPLOYMENT, MAIL, SELECTS, ["spec"], **forces(SELECTOR)),
        replaced(DEPLOYMENT, MAIL, SELECTS, ["spec"], **ON_CHANGES, **forces(SELECTOR)),
        replaced(DEPLOYMENT, MAIL, was={"pendingReplacement": True}),
        replaced(DEPLOYMENT, MAIL, merged(MAIL, {"metadata": {"name": "mail-2"}}), ["id"]),
        replaced(DEPLOYMENT, MAIL, reasons=["id"], was={"retainOnDelete": True}),
        replaced(DATABASE, {"name": "db"}, reasons=["id"]),
    ],
)
def test_what_a_provider_replaces_or_is_another_object_is_not_made_over_itself(step_of):
    assert "P-42" not in said(step_of)


def test_a_replacement_that_the_engine_is_told_to_make_names_no_field_that_cannot_change():
    first = step("delete-replaced", DEPLOYMENT, MAIL, None)
    made = {**step("create-replacement", DEPLOYMENT, MAIL, MAIL), "replaceReasons": ["id"]}
    found = said(first, replaced(DEPLOYMENT, MAIL, reasons=["id"]), made)
    assert "is deleted and made anew, because the engine is told to: no pod runs meanwhile" in found["P-02"]
    assert "P-42" not in found


def moved(token: str, old: Any, new: Any = None) -> dict[str, Any]:
    by = {side: f"urn:pulumi:prod::shop::pulumi:providers:kubernetes::{side}::0f1e" for side in ("blue", "green")}
    return replaced(token, old, new, ["provider"], was={"provider": by["blue"]}, now={"provider": by["green"]})


SCALED = named(scaleTargetRef={"name": "mail"}, triggers=[{"type": "redis-streams", "metadata": {}}])


@pytest.mark.parametrize(
    ("token", "inputs"),
    [
        (NAMESPACE, {"metadata": {"name": "shop"}}),
        (DEPLOYMENT, MAIL),
        (HPA, hpa()),
        (KEDA, SCALED),
        (POLICY, named(podSelector={}, egress=[])),
        (BUDGET, budget(maxUnavailable=1)),
        (SECRET, named()),
    ],
)
def test_of_what_only_moves_to_another_provider_one_rule_speaks(token, inputs):
    found = said(moved(token, inputs))
    assert MOVED in found.pop("P-42")
    assert not found


def test_what_moves_and_gets_less_time_is_said_to():
    assert said(moved(DEPLOYMENT, MAIL, SHORTER)).keys() == {"P-42", "P-03"}


def test_pods_that_only_move_are_there_for_what_changes_beside_them():
    found = said(moved(DEPLOYMENT, MAIL), update(budget(minAvailable=1), budget(minAvailable=3), BUDGET))
    assert "P-06" in found


# Of what is not asked for.


def engines(step_of: dict[str, Any], *, there: bool = True) -> dict[str, Any]:
    """A step as the engine writes it: with a provider, and the id of what is there."""
    for side in ("oldState", "newState"):
        if side in step_of:
            step_of[side]["provider"] = "urn:pulumi:prod::shop::pulumi:providers:kubernetes::default_4_24_0::0f1e"
    if there and "oldState" in step_of:
        step_of["oldState"] |= {"id": "shop/mail", "stackTrace": [{"sourcePosition": "project:///__main__.py#1"}]}
    return step_of


def test_what_a_preview_of_a_part_leaves_out_is_said_and_is_not_taken_for_there():
    second = budget("second", maxUnavailable=1)
    steps = [
        engines(update(budget(maxUnavailable=1), budget(maxUnavailable=2), BUDGET)),
        engines(step("same", BUDGET, second, second, name="second"), there=False),
        engines(step("same", DEPLOYMENT, MAIL, MAIL)),
    ]
    text = json.dumps({"steps": steps, "diagnostics": [], "changeSummary": {"same": 2, "update": 1}})
    found = review_change(read_plan(text, "prod"))
    (note,) = (note for note in found.change.notes if "leaves out" in note)
    assert note == (
        "the plan leaves out PodDisruptionBudget second, which the program makes (--target or --exclude): an update "
        "without that option does more than is judged here"
    )
    assert [standing.key for standing in found.change.standing] == [f"{DEPLOYMENT}::mail"]
    assert found.change.unchanged == 1
    assert "P-06" not in {risk.rule for risk in found.risks}, "there is one budget"


@pytest.mark.parametrize(
    ("gained", "is_said"), [(["spec.template"], True), (["spec.replicas"], False), (["spec.replicas", "*"], True)]
)
@pytest.mark.parametrize("operation", ["same", "update"])
def test_what_is_newly_left_alone_is_not_judged(operation, gained, is_said):
    found = engines(step(operation, DEPLOYMENT, MAIL, MAIL if operation == "same" else NEWER))
    found["newState"]["ignoreChanges"] = gained
    assert ("option ignoreChanges" in said(found).get("P-40", "")) == is_said


@pytest.mark.parametrize("package", ["aws", "gcp", "kubernetes", "random", "docker-build"])
def test_a_provider_that_comes_or_gets_newer_does_nothing_itself(package):
    token = f"pulumi:providers:{package}"
    newer = create(token, {"version": "4.18.0"}, name="default_4_18_0")
    older = step("delete", token, {"version": "4.17.0"}, None, name="default_4_17_0")
    assert review_of(newer, older).worst is None
    assert review_of(update({"version": "1.0.0"}, {"version": "1.1.0"}, token)).worst is None
    assert said(update({"region": "eu"}, {"region": "us"}, token)).keys() & {"P-40", "P-01"}


# Streams of events.


def stream(*events: dict[str, Any]) -> Review:
    pre = {"resourcePreEvent": {"metadata": event_of(update(MAIL, NEWER))}}
    lines = [pre, *events, *([] if "summaryEvent" in events[-1] else [{"summaryEvent": {"resourceChanges": {}}}])]
    return review_change(read_plan("\n".join(map(json.dumps, lines)), "prod"))


def event_of(found: dict[str, Any]) -> dict[str, Any]:
    return {"op": found["op"], "urn": found["urn"], "old": found.get("oldState"), "new": found.get("newState")}


@pytest.mark.parametrize("level", ["mandatory", "remediate", "something newer"])
def test_a_policy_that_is_violated_is_a_preview_that_failed(level):
    found = stream({"policyEvent": {"policyName": "no-latest", "message": "m", "enforcementLevel": level}})
    assert found.change.incomplete == "a policy is violated: no-latest m"


@pytest.mark.parametrize(("level", "notes"), [("advisory", ("a policy advises: p m",)), ("disabled", ())])
def test_a_policy_that_only_advises_is_a_note_and_one_that_is_off_is_none(level, notes):
    found = stream({"policyEvent": {"policyName": "p", "message": "m", "enforcementLevel": level}})
    assert not found.change.incomplete
    assert found.change.notes == notes


def test_what_a_policy_has_remedied_is_a_note():
    urn = f"urn:pulumi:prod::shop::{DEPLOYMENT}::mail"
    found = stream({"policyRemediationEvent": {"policyName": "pin", "resourceUrn": urn, "before": {}, "after": {}}})
    assert found.change.notes == ("a policy says of a resource otherwise than the program: mail (pin)",)


@pytest.mark.parametrize(
    ("result", "failure"),
    [("failed", "the engine calls the preview failed"), ("succeeded", ""), ("", ""), (None, "")],
)
def test_a_summary_that_says_that_the_preview_failed_is_believed(result, failure):
    assert stream({"summaryEvent": {"resourceChanges": {}, "result": result}}).change.incomplete == failure


@pytest.mark.parametrize(
    ("now", "words"),
    [(MAIL, ""), (merged(MAIL, {"spec": {"replicas": 9}}), "Deployment mail changed by others"), (None, "gone")],
)
@pytest.mark.parametrize("operation", ["refresh", "update"])
def test_a_refresh_has_found_what_its_end_says(operation, now, words):
    begins, ends = (event_of(step("refresh", DEPLOYMENT, MAIL, one)) for one in (MAIL, now))
    found = stream(
        {"resourcePreEvent": {"metadata": begins}}, {"resOutputsEvent": {"metadata": {**ends, "op": operation}}}
    )
    assert ([words in note for note in found.change.notes if "a refresh" in note] == [True]) == bool(words)
