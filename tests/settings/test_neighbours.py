"""Two stacks of a project that would make one thing of Google's are both told so, before either is made."""

from __future__ import annotations

from typing import Any

import pytest
from tests.manifests.google.cases import GOOGLE, REDIS, TABLE

from ebbtide.judgement.findings import Level, format_path
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.rules.neighbours import check_neighbours

STANDARD, VALKEY = {"kind": "gkeStandard"}, {"kind": "memorystoreValkey"}
EXISTING = {"kind": "existing", "platform": "gkeStandard", "kubernetesVersion": "1.34"}
SHARED = {"network": "projects/acme-shop/global/networks/queues", "addresses": "10.9.0.0/28"}
ELSEWHERE, NORTH = {**GOOGLE, "project": "acme-other"}, {**GOOGLE, "region": "europe-north1"}
ORDERS = {**VALKEY, "name": "orders", "network": SHARED}


def stack(name: str, **given: Any) -> StackSettings:
    base = {"name": name, "google": GOOGLE, "cluster": EXISTING, "consumers": {"events": REDIS}}
    return StackSettings.model_validate({**base, **given})


@pytest.mark.parametrize(
    ("first", "second", "paths"),
    [
        ({"broker": ORDERS}, {"broker": ORDERS}, ["broker.name"]),
        # The instance is another one, and its secrets are not: they are of the whole project.
        ({"broker": ORDERS}, {"broker": ORDERS, "google": NORTH}, ["broker.name"]),
        ({"broker": ORDERS}, {"broker": ORDERS, "google": ELSEWHERE}, []),
        ({"broker": ORDERS}, {"broker": {**VALKEY, "network": SHARED}}, []),
        # One that is nowhere in Google Cloud.
        ({"broker": ORDERS}, {"google": None}, []),
        # What the other one is called by default.
        ({"broker": {**ORDERS, "name": "ebbtide-two"}}, {"broker": {**VALKEY, "network": SHARED}}, ["broker.name"]),
        (
            {"broker": VALKEY, "cluster": {**STANDARD, "name": "queues"}},
            {"broker": VALKEY, "cluster": {**STANDARD, "name": "queues"}},
            ["cluster.name"],
        ),
        ({"broker": VALKEY, "cluster": STANDARD}, {"broker": VALKEY, "cluster": STANDARD}, []),
        (
            {"imageRepository": {}, "broker": ORDERS},
            {"imageRepository": {}, "broker": ORDERS},
            ["broker.name", "imageRepository.name"],
        ),
        (
            {"imageRepository": {}, "broker": {**VALKEY, "network": SHARED}},
            {"imageRepository": {}, "broker": {**VALKEY, "network": SHARED}, "google": NORTH},
            [],
        ),
    ],
)
def test_stacks_that_would_make_one_thing_are_both_refused(
    first: dict[str, Any], second: dict[str, Any], paths: list[str]
) -> None:
    found = check_neighbours([stack("one", **first), stack("two", **second)])
    for name, other in (("one", "two"), ("two", "one")):
        said = [finding for finding in found[name] if finding.rule == "G-08"]
        assert [format_path(finding.path) for finding in said] == paths
        for finding in said:
            assert finding.level is Level.ERROR
            assert f"so does stack {other}" in finding.message
            assert finding.remedy


def test_a_repository_whose_name_does_not_follow_the_stack_is_made_by_one_of_them() -> None:
    found = check_neighbours([stack(name, imageRepository={}) for name in ("one", "two")])
    assert found["two"][0].remedy.startswith("let one stack make it, and leave imageRepository out of the others")
    found = check_neighbours([stack(name, broker=ORDERS) for name in ("one", "two")])
    assert "leave it out: it then has the stack's name in it" in found["two"][0].remedy


def test_of_three_stacks_each_is_told_of_both_others() -> None:
    found = check_neighbours(stack(name, broker=ORDERS) for name in ("one", "two", "three"))
    assert "stack one, three" in found["two"][0].message


def test_a_stack_by_itself_has_no_neighbours() -> None:
    assert check_neighbours([stack("one", broker=ORDERS)]) == {"one": []}


def place(addresses: str, **more: Any) -> dict[str, Any]:
    return {**SHARED, "addresses": addresses, **more}


EXISTING_POLICY = {"connectionPolicy": "existing"}
POSTGRES: dict[str, Any] = {"broker": {"kind": "cloudSqlPostgres"}, "consumers": {"events": TABLE}}


def postgres(network: dict[str, Any]) -> dict[str, Any]:
    return {**POSTGRES, "broker": {"kind": "cloudSqlPostgres", "network": network}}


def valkey(network: dict[str, Any]) -> dict[str, Any]:
    return {"broker": {**VALKEY, "network": network}}


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        (valkey(place("10.9.0.0/28")), valkey(place("10.9.0.16/28")), "a network can have one"),
        (valkey(place("10.9.0.0/28")), valkey(place("10.9.0.0/28", **EXISTING_POLICY)), ""),
        (valkey(place("10.9.0.0/28", **EXISTING_POLICY)), valkey(place("10.9.0.0/28", **EXISTING_POLICY)), ""),
        (valkey(place("10.9.0.0/28")), {**valkey(place("10.9.0.16/28")), "google": NORTH}, ""),
        (valkey(place("10.9.0.0/28")), {**valkey(place("10.9.0.0/28")), "google": NORTH}, "overlaps the range"),
        (
            valkey(place("10.9.0.0/28")),
            valkey({"network": "projects/acme-shop/global/networks/other", "addresses": "10.9.0.0/28"}),
            "",
        ),
        (valkey(place("10.9.0.0/28")), postgres(place("10.9.0.16/28")), ""),
        (valkey(place("10.9.0.0/27")), postgres(place("10.9.0.16/28")), "overlaps the range"),
        (postgres(place("10.9.0.0/28")), postgres(place("10.9.0.16/28")), ""),
    ],
)
def test_brokers_of_one_network_stand_side_by_side_or_are_both_refused(
    first: dict[str, Any], second: dict[str, Any], words: str
) -> None:
    found = check_neighbours([stack("one", **first), stack("two", **second)])
    for name in ("one", "two"):
        said = [finding for finding in found[name] if finding.rule == "BR-49"]
        assert len(said) == bool(words)
        assert all(words in finding.message and finding.remedy for finding in said)


HERE: dict[str, Any] = {"cluster": {**EXISTING, "context": "shop"}}
OTHER: dict[str, Any] = {"events-2": {**REDIS, "transport": {**REDIS["transport"], "stream": "other"}}}


@pytest.mark.parametrize(
    ("first", "second", "paths"),
    [
        (HERE, HERE, ["consumers.events", "namespace"]),
        (HERE, {**HERE, "consumers": OTHER}, ["namespace"]),
        ({**HERE, "namespace": {"name": "consumers", "create": False}}, {**HERE, "consumers": OTHER}, []),
        (HERE, {**HERE, "namespace": "another"}, []),
        # Nobody knows whether it is one cluster.
        ({}, {}, []),
        (HERE, {"cluster": {**EXISTING, "context": "other"}}, []),
        (HERE, {"cluster": {**EXISTING, "identifier": "shop"}}, []),
        # Of one identifier for Pulumi, and of two control planes.
        (
            {"cluster": {**EXISTING, "identifier": "shop", "dnsEndpoint": "gke-0a.europe-west1.gke.goog"}},
            {"cluster": {**EXISTING, "identifier": "shop", "dnsEndpoint": "gke-0b.europe-west1.gke.goog"}},
            [],
        ),
        *(
            ({"cluster": {**EXISTING, **same}}, {"cluster": {**EXISTING, **same}}, ["consumers.events", "namespace"])
            for same in ({"identifier": "shop"}, {"dnsEndpoint": "gke-0a.europe-west1.gke.goog"})
        ),
        # Brokers of two names, and one Secret: what the pods of the one read is the other's.
        (
            {**HERE, "broker": ORDERS},
            {**HERE, "broker": {**ORDERS, "name": "mail"}, "consumers": OTHER},
            ["namespace", "broker.secret.name"],
        ),
        (
            {**HERE, "broker": ORDERS},
            {**HERE, "broker": {**ORDERS, "name": "mail", "secret": {"name": "mail"}}, "consumers": OTHER},
            ["namespace"],
        ),
        (
            {**HERE, "broker": ORDERS},
            {**HERE, "broker": {**ORDERS, "name": "mail", "secret": {"version": 2}}, "consumers": OTHER},
            ["namespace"],
        ),
    ],
)
def test_two_stacks_of_one_cluster_make_no_object_twice(
    first: dict[str, Any], second: dict[str, Any], paths: list[str]
) -> None:
    found = check_neighbours([stack("one", **first), stack("two", **second)])
    for name, other in (("one", "two"), ("two", "one")):
        said = [finding for finding in found[name] if finding.rule == "N-08"]
        assert [format_path(finding.path) for finding in said] == paths
        assert all(f"so does stack {other} in the same cluster" in finding.message for finding in said)
