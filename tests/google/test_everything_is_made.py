"""Whatever a stack has in Google Cloud is made by requests that Google's own descriptions of its APIs have, read back
as it was asked for, and deleted again: without an engine, against the stand-in of the APIs."""

from __future__ import annotations

import pytest
from tests.contracts.discovery import plain
from tests.contracts.test_discovery import EVERYTHING, ROOT, of_google
from tests.engine.google_api.api import Api
from tests.engine.google_api.server import served
from tests.google.deployment import make
from tests.properties.profiles import hold
from tests.strategies import valid_stacks
from tools.google.client import Client
from tools.google.kinds import UNMAPPED, ClusterPart
from tools.google.types import TYPES

from ebbtide.manifests.google import names
from ebbtide.manifests.resource import Resource
from ebbtide.preview.change import PropertyChange
from ebbtide.preview.sources.immutable import replaces
from ebbtide.settings.models.stack import StackSettings

# Between them every type; the others in the tier `slow`.
QUICK = ("watched by Google", "valkey, everything", "cloud sql, everything", "scaled by KEDA", "identities")


def _lives(stack: StackSettings) -> None:
    api = Api()
    with served(api) as endpoint:
        client = Client(endpoint)
        resources = list(of_google(stack))
        _bring_what_is_there_already(api, resources)
        there = set(api.stored)
        made = make(client, resources)
        for one in made:
            assert one.seen(client) == one.inputs, f"{one.identifier} is read otherwise than it was asked for"
        for one in reversed(made):
            one.delete(client)
        assert set(api.stored) == there, "something is left over"
        assert not any(api.policies[name].get("bindings") for name in api.policies), "a grant is left over"


def _bring_what_is_there_already(api: Api, resources: list[Resource]) -> None:
    """What a stack names, and others have made."""
    for resource in resources:
        properties = resource.properties
        if "serviceAccountId" in properties:
            api.take("iam.projects.serviceAccounts", properties["serviceAccountId"])
        if str(properties.get("network", "")).startswith("projects/"):
            api.take("compute.networks", properties["network"])


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in QUICK else pytest.mark.slow) for name in EVERYTHING]
)
def test_what_a_stack_has_is_made_read_as_it_was_and_deleted(name: str) -> None:
    _lives(EVERYTHING[name])


@pytest.mark.slow
def test_what_a_drawn_stack_has_is_made_read_as_it_was_and_deleted() -> None:
    hold(_lives, valid_stacks(), 60)


def test_the_quick_ones_have_every_type() -> None:
    types = {resource.token for name in QUICK for resource in of_google(EVERYTHING[name])}
    named = [value for name, value in vars(names).items() if not name.startswith("GET_")]
    every = {value for value in named if str(value).startswith("gcp:")}
    assert every - types == set()


def test_what_changes_in_place_is_mapped_or_named_as_not_proven() -> None:
    """GKE has a request for each field of a cluster; the provider knows which field makes another cluster instead."""
    # Of a pool's configuration some fields make another pool, and some do not.
    missing = {"NodePool": {"config"}}
    for resource in (one for stack in EVERYTHING.values() for one in of_google(stack)):
        kind = TYPES[resource.token]
        if isinstance(kind, ClusterPart):
            in_place = {key: value for key, value in plain(resource.properties).items() if not _replaces(resource, key)}
            unmapped = {field for field in kind.body(in_place) if not kind.maps(field)}
            missing.setdefault(kind.schema, set()).update(unmapped)
    assert missing == {name: set(fields) for name, fields in UNMAPPED.items()}
    said = (ROOT / "scripts" / "tiers.py").read_text().partition("NOT_PROVEN")[2].partition("ARGUMENTS")[0]
    assert [field for fields in UNMAPPED.values() for field in fields if field not in said] == []


def _replaces(resource: Resource, key: str) -> bool:
    return bool(replaces(resource.token, PropertyChange((key,), "before", "after")))
