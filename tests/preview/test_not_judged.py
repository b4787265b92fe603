"""What no rule and no list of harmless properties knows is said by name, and never taken for harmless."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st
from tests.preview.test_plan import as_json, comment_of, on_a_terminal
from tests.properties.profiles import each_profile, hold

from ebbtide.manifests.resource import to_json
from ebbtide.manifests.stack import stack_resources
from ebbtide.preview.change import StackChange, leaves
from ebbtide.preview.harmless import HARMLESS
from ebbtide.preview.patterns import DELETED, matches, overlaps, parse_pattern
from ebbtide.preview.review import Review, review_change
from ebbtide.preview.risk import RiskLevel
from ebbtide.preview.rules.declare import scopes_of
from ebbtide.preview.sources.compare import compare
from ebbtide.preview.sources.plan import read_plan
from ebbtide.settings.loading.loader import load_stack

ROOT = Path(__file__).parents[2]
ALL_CLEAR = "no effect on running consumers found"
STACKS = {name: load_stack(name, ROOT) for name in ("dev", "local", "production")}
RENDERED = {
    # What the program leaves alone, the engine leaves as it is.
    found["type"]: {**found, "options": {}}
    for stack in STACKS.values()
    for found in map(to_json, stack_resources(stack))
    if not found["type"].startswith("ebbtide:")
}

WHOLE = load_stack("production", ROOT / "examples" / "whole-system")
MADE = {found["type"]: found for found in map(to_json, stack_resources(WHOLE))} | RENDERED
MADE = {token: found for token, found in MADE.items() if not token.startswith("ebbtide:")}


def review_of(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Review:
    changes, standing = compare(before, after)
    change = StackChange("production", "ebbtide", changes, len(standing), "test", standing=standing)
    return review_change(change, STACKS["production"])


def edited(resource: dict[str, Any], path: tuple[str | int, ...], value: Any) -> dict[str, Any]:
    """A resource with another value in one place."""
    changed = copy.deepcopy(resource)
    here = changed["properties"]
    for part in path[:-1]:
        here = here[part]
    here[path[-1]] = value
    return changed


def mappings(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The place of every mapping inside of a manifest."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    own = [path] if isinstance(value, dict) else []
    return [*own, *(found for key, entry in below for found in mappings(entry, (*path, key)))]


PLACES = [(token, path) for token, found in RENDERED.items() for path in mappings(found["properties"])]
# Where the keys are the user's own, any key is as good as another: it is a label, or changes what a trigger counts.
USERS_OWN = {"labels", "matchLabels", "nodeSelector", "resourceLabels"}
NAMES = st.from_regex(r"[a-z][a-zA-Z]{3,20}", fullmatch=True).filter(lambda name: name not in {"name", "namespace"})
VALUES = st.recursive(
    st.booleans() | st.integers() | st.text(max_size=8) | st.none(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(NAMES, inner, max_size=2),
    max_leaves=4,
)


@each_profile
def test_a_field_that_nobody_has_heard_of_is_never_harmless(examples: int) -> None:
    def check(drawn: Any) -> None:
        place, name, value = drawn
        token, path = place
        resource = RENDERED[token]
        here: Any = resource["properties"]
        for part in path:
            here = here[part]
        if (
            name in here
            or (path and path[-1] in USERS_OWN)
            or (path[-3:-2], path[-1:]) == (("triggers",), ("metadata",))
        ):
            return
        review = review_of([resource], [edited(resource, (*path, name), value)])
        assert ALL_CLEAR not in review.verdict
        assert review.worst in {RiskLevel.DANGER, RiskLevel.NOT_JUDGED}, f"{token} {path} {name}: {review.verdict}"
        assert any(name in found.what for found in review.not_judged) or review.worst is RiskLevel.DANGER

    hold(check, st.tuples(st.sampled_from(PLACES), NAMES, VALUES), examples)


@each_profile
def test_a_known_field_is_harmless_only_if_a_list_says_so_or_a_rule_has_looked(examples: int) -> None:
    def check(drawn: Any) -> None:
        token, data = drawn
        resource = RENDERED[token]
        leaf = data.draw(st.sampled_from(sorted(leaves(resource["properties"]), key=lambda found: str(found.path))))
        place = by_place(resource["properties"], leaf.path)
        review = review_of([resource], [edited(resource, place, data.draw(VALUES | st.just(leaf.value)))])
        if ALL_CLEAR not in review.verdict:
            return
        (change,) = review.change.changes
        known = [parse_pattern(path) for path in HARMLESS.get(token, {})]
        read = [path for scope, path in scopes_of(change) if scope.how == "reads"]
        for found in change.properties:
            for side in (found.old, found.new):
                for part in leaves(side, found.path):
                    assert any(matches(part, pattern) for pattern in (*known, *read)), part

    hold(check, st.tuples(st.sampled_from(sorted(RENDERED)), st.data()), examples)


def by_place(document: Any, path: tuple[str | int, ...]) -> tuple[str | int, ...]:
    """A path with entries of named lists by their place."""
    places: list[str | int] = []
    for part in path:
        step: str | int = part
        if isinstance(document, list) and isinstance(part, str):
            step = next(index for index, entry in enumerate(document) if entry.get("name") == part)
        places.append(step)
        document = document[step]
    return tuple(places)


@pytest.mark.parametrize("operation", ["create", "update", "replace", "delete"])
@pytest.mark.parametrize(
    "token",
    [
        "kubernetes:core/v1:ResourceQuota",
        "kubernetes:admissionregistration.k8s.io/v1:MutatingWebhookConfiguration",
        "kubernetes:example.com/v1:Anything",
        "gcp:pubsub/topic:Topic",
        "aws:sqs/queue:Queue",
    ],
)
def test_a_type_that_nobody_has_heard_of_is_named(token: str, operation: str) -> None:
    urn = f"urn:pulumi:production::ebbtide::{token}::thing"
    state = {"urn": urn, "type": token, "custom": True}
    step = {
        "op": operation,
        "urn": urn,
        "oldState": {**state, "inputs": {"spec": {"a": 1}}},
        "newState": {**state, "inputs": {"spec": {"a": 2}}},
    }
    if operation in {"create", "delete"}:
        del step["oldState" if operation == "create" else "newState"]
    review = review_change(read_plan(json.dumps({"steps": [step]})), STACKS["production"])
    assert review.worst is RiskLevel.NOT_JUDGED
    for shown in (on_a_terminal(review), comment_of(review), as_json(review)):
        assert "not judged" in shown
        assert "thing" in shown
    document = json.loads(as_json(review))
    assert document["notJudged"][0]["resource"] == f"{token}::thing"
    assert document["level"] == "notJudged"


@pytest.mark.parametrize("token", sorted(MADE))
def test_what_a_stack_makes_is_known_when_it_is_new(token: str) -> None:
    """A first review that calls a network of its own not judged would teach nobody to read on."""
    assert [str(one) for one in review_of([], [MADE[token]]).not_judged] == []


def test_an_update_of_which_nothing_is_said_is_not_judged() -> None:
    urn = "urn:pulumi:production::ebbtide::kubernetes:apps/v1:Deployment::mail"
    state = {"urn": urn, "type": "kubernetes:apps/v1:Deployment", "custom": True, "inputs": {}}
    plan = {"steps": [{"op": "transmogrify", "urn": urn, "oldState": state, "newState": state}]}
    review = review_change(read_plan(json.dumps(plan)), STACKS["production"])
    assert review.worst is RiskLevel.NOT_JUDGED


def test_every_harmless_property_has_its_reason() -> None:
    for token, known in HARMLESS.items():
        for path, reason in known.items():
            assert len(reason.split()) >= 3, f"{token} {path}"
            assert parse_pattern(path), f"{token} {path}"


def test_not_judged_stands_between_danger_and_what_is_known_to_disrupt() -> None:
    levels = list(RiskLevel)
    assert levels.index(RiskLevel.DANGER) < levels.index(RiskLevel.NOT_JUDGED) < levels.index(RiskLevel.DISRUPTIVE)


def test_where_everything_is_known_to_be_harmless_it_says_so() -> None:
    resource = RENDERED["gcp:container/cluster:Cluster"]
    after = edited(resource, ("costManagementConfig",), {"enabled": False})
    review = review_of([resource], [after])
    assert ALL_CLEAR in review.verdict
    assert review.not_judged == ()


UNKNOWNS = {
    "bool": "1c4a061d-8072-4f0a-a4cb-0ff528b18fe7",
    "number": "3eeb2bf0-c639-47a8-9e75-3b44932eb421",
    "text": "04da6b54-80e4-46f7-96ec-b56ff0331ba9",
    "list": "6a19a0b0-7e62-4c92-b797-7f8e31da9cc2",
    "asset": "030794c1-ac77-496b-92df-f27374a8bd58",
    "archive": "e48ece36-62e2-4504-bad9-02848725956a",
    "mapping": "dd056dcd-154b-4c76-9bd3-c8f88648b5ff",
    "output": {"4dabf18193072939515e22adb298388d": "d0e6a833031e9bbcd3f4e8bde6ca49a4"},
}


def all_places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[str | int, ...]]:
    """The place of every value inside of a manifest, mappings and lists included."""
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(found for key, entry in below for found in all_places(entry, (*path, key)))]


VALUES_OF = [(token, path) for token, found in RENDERED.items() for path in all_places(found["properties"]) if path]


OPERATIONS = st.sampled_from(["create", "update", "replace"])


@each_profile
def test_a_value_that_is_known_after_the_update_is_never_taken_for_one(examples: int) -> None:
    def check(drawn: Any) -> None:
        place, form, operation = drawn
        token, path = place
        resource = RENDERED[token]
        after = edited(resource, path, UNKNOWNS[form])
        urn = f"urn:pulumi:production::ebbtide::{token}::thing"
        step: dict[str, Any] = {"op": operation, "urn": urn}
        for side, found in (("oldState", resource), ("newState", after)):
            if side == "newState" or operation != "create":
                step[side] = {"urn": urn, "type": token, "custom": True, "inputs": found["properties"]}
        review = review_change(read_plan(json.dumps({"steps": [step]})), STACKS["production"])
        text = on_a_terminal(review) + comment_of(review) + as_json(review)
        assert not [mark for mark in UNKNOWNS.values() if isinstance(mark, str) and mark in text]
        assert "None" not in " ".join(risk.sentence for risk in review.risks)
        if operation == "update" and ALL_CLEAR in review.verdict:
            known = [parse_pattern(pattern) for pattern in HARMLESS.get(token, {})]
            (change,) = review.change.changes
            assert all(any(overlaps(found.path, pattern) for pattern in known) for found in change.properties), (
                f"{token} {path}"
            )

    hold(check, st.tuples(st.sampled_from(VALUES_OF), st.sampled_from(sorted(UNKNOWNS)), OPERATIONS), examples)


WHOLE = {
    f"{name}: {found['type'].rpartition(':')[2]} {found['name']}": (found, resources)
    for name, stack in {**STACKS, "whole system": load_stack("production", ROOT / "examples" / "whole-system")}.items()
    for resources in [[{**to_json(one), "options": {}} for one in stack_resources(stack)]]
    for found in resources
    if not found["type"].startswith("ebbtide:")
}


@pytest.mark.parametrize("what", WHOLE)
def test_nothing_that_we_render_goes_without_a_word(what):
    resource, resources = WHOLE[what]
    review = review_of(resources, [one for one in resources if one is not resource])
    assert review.risks or DELETED in HARMLESS.get(resource["type"], {}), "a rule claims to tell of it, and is silent"
