"""What cannot change in place is known from the provider, for every property that is set, and from no memory."""

from __future__ import annotations

import inspect
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
from pulumi import _types
from tests.contracts.sdk import arguments_class, inputs_of, members, sdk_class
from tests.contracts.test_gcp_properties import GOOGLE
from tests.manifests.google.cases import STACKS

from ebbtide.manifests.resource import to_json
from ebbtide.manifests.stack import stack_resources
from ebbtide.preview.change import MISSING, UNKNOWN, PropertyChange, leaves
from ebbtide.preview.sources import immutable
from ebbtide.preview.sources.immutable import is_immutable, replaces
from ebbtide.settings.loading.loader import load_stack

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "immutable.json"
RECORDED = json.loads(Path(immutable.__file__).with_name("forces_replacement.json").read_text())
TOKENS = sorted({resource.token for resource in GOOGLE.values()})
# How the provider's documentation says that a property forces a replacement. "Changing this" of a part of it, as of
# a subnetwork's range, is a condition.
_FORCES = re.compile(
    r"(forces|force) (the creation of )?a new (resource|cluster)|will force recreation|forces? recreation"
)


def test_the_record_says_where_it_comes_from() -> None:
    assert "schema of the Google (beta) provider" in RECORDED["source"]


@pytest.mark.parametrize("token", TOKENS)
def test_every_type_of_google_that_is_made_has_a_recorded_schema(token: str) -> None:
    """A type that is not recorded would be taken for one of which everything changes in place."""
    name = immutable._GOOGLE.get(token)
    assert name in RECORDED["resources"] or name in immutable._ALSO_OF_GOOGLE, (
        f"{token}: record its schema in forces_replacement.json"
    )


def documented(arguments: type, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], str]]:
    """Every input of a class with its documentation, nested ones included."""
    names = {name: python for python, name in _types.input_type_py_to_pulumi_names(arguments).items()}
    for name, hint in inputs_of(arguments).items():
        getter = inspect.unwrap(inspect.getattr_static(arguments, names[name]).fget)
        yield (*path, name), inspect.getdoc(getter) or ""
        nested = [kind for kind in flattened(hint) if isinstance(kind, type) and _types.is_input_type(kind)]
        for kind in nested if len(path) < 4 else ():
            yield from documented(kind, (*path, name))


def flattened(hint: Any) -> Iterator[Any]:
    """The types in a hint, those in its lists included."""
    for kind in members(hint):
        if get_origin(kind) in {list, Sequence}:
            yield from flattened(get_args(kind)[0])
        else:
            yield kind


@pytest.mark.parametrize("token", TOKENS)
def test_what_the_providers_documentation_says_is_in_the_record(token: str) -> None:
    set_here = {
        tuple(part for part in leaf.path if isinstance(part, str))
        for resource in GOOGLE.values()
        if resource.token == token
        for leaf in leaves(to_json(resource)["properties"])
    }
    missing = [
        ".".join(path)
        for path, text in documented(arguments_class(sdk_class(token)))
        if _FORCES.search(text)
        and not is_immutable(token, path)
        and path not in immutable._SOMETIMES.get(token, {})
        and any(one[: len(path)] == path for one in set_here)
    ]
    assert missing == [], "pulumi_gcp says that a change of these makes a new resource"


@pytest.mark.parametrize("token", TOKENS)
def test_every_recorded_property_is_one_of_the_sdk_and_a_map_is_known_as_one(token: str) -> None:
    """A name that is translated wrongly would never match."""
    wrong = []
    for path in RECORDED["resources"].get(immutable._GOOGLE[token], ()):
        kinds: list[Any] = [arguments_class(sdk_class(token))]
        for part in path.split("."):
            arguments = next((kind for kind in kinds if isinstance(kind, type) and _types.is_input_type(kind)), None)
            hints = inputs_of(arguments) if arguments else {}
            found = [hint for name, hint in hints.items() if immutable._snake(name) in {part, f"{part}s"}]
            kinds = list(flattened(found[0])) if found else []
        if not kinds and "sole_tenant_config.node_affinity" not in path:  # `nodeAffinities`, which nobody here sets
            wrong.append(path)
        is_map = any(get_origin(kind) in {dict, Mapping} for kind in kinds)
        if is_map and path.rpartition(".")[2] not in immutable.MAPS:
            wrong.append(f"{path} is a map")
    assert wrong == []


CLUSTER = "gcp:container/cluster:Cluster"
SUBNETWORK = "gcp:compute/subnetwork:Subnetwork"
POOL = "gcp:container/nodePool:NodePool"
PROVIDER = "pulumi:providers:kubernetes"
DEPLOYMENT = "kubernetes:apps/v1:Deployment"
CASES: list[tuple[str, str, Any, Any, bool]] = [
    (CLUSTER, "project", "a", "b", True),
    (CLUSTER, "description", "a", "b", True),
    (CLUSTER, "resourceLabels.team", "a", "b", False),
    (CLUSTER, "clusterAutoscaling.autoProvisioningDefaults.bootDiskKmsKey", MISSING, "key", True),
    (CLUSTER, "clusterAutoscaling.autoProvisioningDefaults", MISSING, {"bootDiskKmsKey": "key"}, True),
    (CLUSTER, "clusterAutoscaling.autoProvisioningDefaults", MISSING, {"diskSize": 100}, False),
    (POOL, "nodeConfig.machineType", "a", "b", False),
    (POOL, "nodeConfig", {"machineType": "a"}, MISSING, True),
    (POOL, "nodeConfig.metadata.disable-legacy-endpoints", "true", "false", True),
    (POOL, "nodeConfig.oauthScopes", ["a"], ["a", "b"], True),
    (SUBNETWORK, "ipCidrRange", "10.0.0.0/24", "10.0.0.0/20", False),
    (SUBNETWORK, "ipCidrRange", "10.0.0.0/20", "10.0.0.0/24", True),
    (SUBNETWORK, "ipCidrRange", "10.0.0.0/24", UNKNOWN, True),
    (PROVIDER, "clusterIdentifier", "a", "b", True),
    (PROVIDER, "clusterIdentifier", MISSING, "b", False),
    (DEPLOYMENT, "spec.selector.matchLabels.app", "a", "b", True),
    (DEPLOYMENT, "spec.template.metadata.labels.app", "a", "b", False),
    (DEPLOYMENT, "apiVersion", "apps/v1", "apps/v2", False),
    ("kubernetes:rbac.authorization.k8s.io/v1:RoleBinding", "roleRef.name", "a", "b", True),
]


@pytest.mark.parametrize(("token", "path", "old", "new", "expected"), CASES)
def test_a_change_replaces_what_cannot_change_in_place(
    token: str, path: str, old: Any, new: Any, expected: bool
) -> None:
    assert replaces(token, PropertyChange(tuple(path.split(".")), old, new)) is expected


def test_no_text_of_our_own_that_cannot_change_in_place_has_changed(update_golden: bool) -> None:
    """A release with another description would replace every cluster that is there."""
    stacks = {**STACKS, **{name: load_stack(name, ROOT) for name in ("dev", "local", "production")}}
    found = {
        name: {
            f"{one['type']}::{one['name']} {'.'.join(map(str, leaf.path))}": leaf.value
            for one in map(to_json, stack_resources(stack))
            for leaf in leaves(one["properties"])
            if is_immutable(one["type"], leaf.path)
        }
        for name, stack in sorted(stacks.items())
    }
    if update_golden:
        GOLDEN.write_text(json.dumps(found, indent=1, sort_keys=True) + "\n")
    assert json.loads(GOLDEN.read_text()) == found, (
        "everybody who has deployed would have these replaced: keep the text, or say so in the changelog"
    )
