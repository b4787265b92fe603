"""What rules about changes say that they judge: properties that there are, named where nobody knows their value."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pytest
from pulumi import _types
from tests.contracts.sdk import arguments_class, inputs_of, members, sdk_class
from tests.kubernetes_schema import definition_of_keda
from tests.preview.test_what_teams_do import nested, token_of

from ebbtide.preview.change import SECRET, UNKNOWN, Operation, Path, ResourceChange, StackChange, diff
from ebbtide.preview.kinds import HOMES
from ebbtide.preview.patterns import CREATED, DELETED, REPLACED
from ebbtide.preview.review import Review, review_change
from ebbtide.preview.rules.declare import _scopes

# Of these the SDK has no class: a cluster has them by a definition of somebody else's.
CUSTOM = {"ScaledObject", "TriggerAuthentication", "SecretSync", "VerticalPodAutoscaler"}
TOKENS = {
    "IAMBinding": "gcp:projects/iAMBinding:IAMBinding",
    "IAMPolicy": "gcp:projects/iAMPolicy:IAMPolicy",
    "RepositoryIamBinding": "gcp:artifactregistry/repositoryIamBinding:RepositoryIamBinding",
    "RepositoryIamPolicy": "gcp:artifactregistry/repositoryIamPolicy:RepositoryIamPolicy",
    "HorizontalPodAutoscaler": "kubernetes:autoscaling/v2:HorizontalPodAutoscaler",
}
AS_A_WHOLE = {(CREATED,), (DELETED,), (REPLACED,)}


def declared(rule: str, *how: str) -> Iterator[tuple[str, Path]]:
    """The kinds and properties that a rule names."""
    for scope in _scopes:
        if scope.rule == rule and scope.how in how:
            kinds = scope.declared() if callable(scope.declared) else scope.declared
            for kind in kinds:
                yield from ((kind, path) for path in scope.paths(kind) if path not in AS_A_WHOLE and kind in HOMES)


def names_of(kind: str, path: Path) -> tuple[set[str], set[str]]:
    """Which names of a path are properties where they stand; and those from the first on that is none."""
    there: set[str] = set()
    here: Any = arguments_class(sdk_class(TOKENS.get(kind) or token_of(kind)))
    for place, part in enumerate(path):
        kinds = list(members(here))
        inputs = [one for one in kinds if isinstance(one, type) and _types.is_input_type(one)]
        several = [one for one in kinds if typing.get_origin(one) in {list, Sequence, dict, Mapping}]
        if several:
            # An entry, or a key that is the user's.
            here = typing.get_args(several[0])[-1]
        elif inputs and part in inputs_of(inputs[0]):
            there.add(str(part))
            here = inputs_of(inputs[0])[str(part)]
        else:
            return there, {str(name) for name in path[place:]} - {"*"}
    return there, set()


def unheard_of(schema: Any, path: Path) -> str:
    """The first name of a path that a definition does not have; empty where it has all. Keys of mappings are the
    user's."""
    for part in path:
        if "properties" in schema and part not in schema["properties"]:
            return str(part)
        below = schema.get("additionalProperties")
        entry = schema.get("items") or (below if isinstance(below, dict) else {})
        schema = schema.get("properties", {}).get(part, entry)
    return ""


@pytest.mark.parametrize("kind", ["ScaledObject", "TriggerAuthentication"])
def test_what_rules_judge_of_kedas_own_kinds_is_in_its_definitions(kind: str) -> None:
    definition = definition_of_keda(kind)
    paths = {path for scope in _scopes for path in scope.paths(kind) if path not in AS_A_WHOLE}
    assert len(paths) >= 4
    assert {path for path in paths if unheard_of(definition, path)} == set()
    assert unheard_of(definition, ("spec", "triggerz")) == "triggerz"


def review_of(kind: str, old: Any, new: Any) -> Review:
    """Of a resource that is new where `old` is none, else of its update."""
    operation = Operation.UPDATE if old else Operation.CREATE
    change = ResourceChange(token_of(kind), "x", operation, old, new, tuple(diff(old, new)) if old else ())
    return review_change(StackChange("production", "shop", (change,), 0, "test"))


@pytest.mark.parametrize("rule", sorted({scope.rule for scope in _scopes}))
def test_what_a_rule_judges_is_there_and_is_named_where_nobody_knows_it_yet(rule: str) -> None:
    """A misspelt name would leave the real one to P-40, and a change of it would be called unheard of. Paths that are
    put together of two lists may name what only the other one has."""
    walked = [names_of(kind, path) for kind, path in declared(rule, "reads", "tells") if kind not in CUSTOM]
    there = {name for known, _ in walked for name in known}
    assert {name for _, unheard in walked for name in unheard} <= there
    for kind, path in declared(rule, "reads"):
        review = review_of(kind, {}, nested(path, UNKNOWN))
        assert [one.change.kind for one in review.not_judged] == [kind], path


def test_a_value_that_becomes_a_secret_is_not_judged() -> None:
    path = ("spec", "maxUnavailable")
    (found,) = review_of("PodDisruptionBudget", nested(path, 1), nested(path, SECRET)).not_judged
    assert found.what == "spec.maxUnavailable"
