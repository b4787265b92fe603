"""Steps of a plan that are not what they seem: imports, options of what stays, and leftovers of a broken update."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

from tests.preview.test_what_teams_do import DEPLOYMENT, deployment, said

from ebbtide.preview.review import Review, review_change
from ebbtide.preview.sources.plan import read_plan

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
