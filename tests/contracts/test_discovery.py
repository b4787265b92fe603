"""What a stack sends is what Google's own description of its APIs has: names, types, enums, formats, required fields.

Deprecated fields and those that only Google writes are mistakes too. What no description says, as which fields exclude
each other, is not found here: for that there are rules (docs/rules.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import pytest
from tests.contracts.discovery import DEPRECATED_AND_NEEDED, problems, revisions
from tests.manifests.google.cases import STACKS
from tests.properties.profiles import each_profile, hold
from tests.strategies import valid_stacks
from tools.google.types import TYPES

from ebbtide.manifests.google import names
from ebbtide.manifests.resource import Resource
from ebbtide.manifests.stack import stack_resources
from ebbtide.settings.loading.loader import load_stack
from ebbtide.settings.loading.project import stack_names
from ebbtide.settings.models.stack import StackSettings

ROOT = Path(__file__).parents[2]
WHOLE_SYSTEM = ROOT / "examples" / "whole-system"
COMMITTED = {name: load_stack(name, ROOT) for name in stack_names(ROOT)}
EVERYTHING = {**STACKS, **COMMITTED, "the whole system": load_stack("production", WHOLE_SYSTEM)}


def of_google(stack: StackSettings) -> Iterator[Resource]:
    for resource in stack_resources(stack):
        if resource.package == "gcp":
            yield resource


@pytest.mark.parametrize("stack", EVERYTHING.values(), ids=EVERYTHING)
def test_whatever_our_stacks_send_is_in_googles_description(stack: StackSettings) -> None:
    assert [problem for resource in of_google(stack) for problem in problems(resource)] == []


@pytest.mark.slow
@each_profile
def test_whatever_a_drawn_stack_sends_is_in_googles_description(examples: int) -> None:
    def check(stack: StackSettings) -> None:
        assert [problem for resource in of_google(stack) for problem in problems(resource)] == []

    hold(check, valid_stacks(), examples)


def test_every_type_of_google_is_held() -> None:
    named = {name: value for name, value in vars(names).items() if not name.startswith("GET_")}
    made = {value for value in named.values() if str(value).startswith("gcp:")}
    assert made == set(TYPES)


def test_each_description_has_its_date() -> None:
    assert min(revisions().values()) >= "20260101", "scripts/google-schemas writes newer ones"


def test_what_is_deprecated_and_needed_is_still_sent() -> None:
    """An entry that nobody needs any more would hide a mistake."""
    sent = [resource.properties for stack in STACKS.values() for resource in of_google(stack)]
    for path in DEPRECATED_AND_NEEDED:
        assert any(_has(properties, path.split(".")) for properties in sent), path


def _has(properties: Any, path: list[str]) -> bool:
    return bool(path) and reduce(lambda at, part: at.get(part, {}) if at else {}, path, properties) not in ({}, None)


# Some of them are what the provider does not find without Google.
MISTAKES: dict[str, tuple[str, tuple[str, ...], object, str]] = {
    "a misspelt field": (
        names.CLUSTER,
        ("controlPlaneEndpointsConfig", "dnsEndpointConfig", "allowExternalTrafic"),
        True,
        "has no such field",
    ),
    "a channel that is none": (names.CLUSTER, ("releaseChannel", "channel"), "NIGHTLY", "is none of"),
    "an hour where the API wants seconds": (
        names.NODE_POOL,
        ("nodeDrainConfigs", 0, "graceTerminationDuration"),
        "1h",
        "is no google-duration",
    ),
    "a day instead of a moment": (
        names.CLUSTER,
        ("maintenancePolicy", "recurringWindow", "startTime"),
        "2026-01-05",
        "is no google-datetime",
    ),
    "a text where a number is": (names.NODE_POOL, ("nodeConfig", "diskSizeGb"), "50Gi", "is a number"),
    "a number that is too large": (names.NODE_POOL, ("nodeConfig", "diskSizeGb"), 2**31, "is no int32"),
    "a boolean as a text": (names.SUBNETWORK, ("privateIpGoogleAccess",), "yes", "is a boolean"),
    "a field that Google writes": (names.NETWORK, ("creationTimestamp",), "now", "is Google's to say"),
    "a field that is deprecated": (
        names.CLUSTER,
        ("securityPostureConfig", "vulnerabilityMode"),
        "VULNERABILITY_DISABLED",
        "is deprecated",
    ),
    "an edition that is none": (names.DATABASE_INSTANCE, ("settings", "edition"), "COMMUNITY", "is none of"),
    "a node that Memorystore does not have": (names.VALKEY_INSTANCE, ("nodeType",), "STANDARD_TINY", "is none of"),
    "a misspelt policy of persistence": (
        names.VALKEY_INSTANCE,
        ("persistenceConfig", "aofConfig", "appendFsyncs"),
        "ALWAYS",
        "has no such field",
    ),
    "a period that is no time": (
        names.VALKEY_INSTANCE,
        ("automatedBackupConfig", "retention"),
        "14d",
        "is no google-duration",
    ),
    "a name that is missing": (names.NETWORK, ("name",), None, "is required"),
    "an object where a text is": (names.DATABASE_INSTANCE, ("settings", "tier"), {"cpus": 2}, "is no object"),
}


_WITH = {names.DATABASE_INSTANCE: "cloud sql", names.VALKEY_INSTANCE: "valkey, everything"}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_seen(mistake: str) -> None:
    token, path, value, problem = MISTAKES[mistake]
    stack = STACKS[_WITH.get(token, "standard")]
    right = next(resource for resource in of_google(stack) if resource.token == token)
    (found,) = problems(replace(right, properties=_with(right.properties, path, value)))
    assert problem in found
    assert str(path[-1]) in found


def _with(at: Any, path: tuple[Any, ...], value: object) -> Any:
    if not path:
        return value
    first, *rest = path
    if isinstance(at, list):
        return [_with(entry, tuple(rest), value) if index == first else entry for index, entry in enumerate(at)]
    changed = {**at, first: _with(at.get(first, {}), tuple(rest), value)}
    return {name: entry for name, entry in changed.items() if entry is not None}
