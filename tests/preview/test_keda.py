"""A review says what a change about KEDA does: while it runs, on the way to it, and on the way from it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.manifests.google.cases import CONSUMER, STACKS, stack

from ebbtide.manifests.resource import to_json
from ebbtide.manifests.stack import stack_resources
from ebbtide.preview.change import StackChange, leaves
from ebbtide.preview.review import Review, review_change
from ebbtide.preview.risk import RiskLevel
from ebbtide.preview.sources.compare import compare

REDIS = {"kind": "redis", "redeliverTimeout": "60s", "stream": "events", "address": "redis.brokers:6379"} | {
    "password": {"secret": "broker-v1", "key": "password"}
}
HPA = {"kind": "hpa", "maxReplicas": 5, "metrics": [{"kind": "external", "metric": "m", "targetAverageValue": 8}]}
FIXED = {"kind": "fixed", "replicas": 3}
KEDA = {"kind": "keda", "maxReplicas": 5}


def resources(scaling: dict[str, Any], **transport: Any) -> list[dict[str, Any]]:
    consumer = {**CONSUMER, "autoscaling": scaling, "transport": {**REDIS, **transport}}
    found = stack({"kind": "existing"}, imageRepository=None, consumers={"events": consumer})
    return [to_json(one) for one in stack_resources(found)]


def review(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Review:
    changes, standing = compare(before, after)
    change = StackChange("shop", "shop", changes, len(standing), "test", standing=standing)
    return review_change(change, None)


def said(before: dict[str, Any], after: dict[str, Any]) -> dict[str, list[tuple[RiskLevel, str]]]:
    found: dict[str, list[tuple[RiskLevel, str]]] = {}
    for risk in review(resources(before), resources(after)).risks:
        found.setdefault(risk.rule, []).append((risk.level, f"{risk.sentence}; {risk.advice}"))
    return found


SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any], RiskLevel, str]] = {
    "polls": ({}, {"pollingInterval": "30s"}, RiskLevel.SCALING, "every 30 s instead of 10"),
    "cooldown": (
        {},
        {"cooldown": "10m"},
        RiskLevel.SCALING,
        "its last pods 600 s after the last message instead of 300",
    ),
    "a short start": ({}, {"initialCooldown": "0s"}, RiskLevel.DISRUPTIVE, "every pod at its first quiet poll"),
    "paused": ({}, {"paused": True}, RiskLevel.SCALING, "is told paused: true"),
    "no longer paused": ({"paused": True}, {}, RiskLevel.SCALING, "is no longer told paused"),
    "paused at a number": ({}, {"pausedReplicas": 2}, RiskLevel.DISRUPTIVE, "brought to 2 pods"),
    "its HPA": ({}, {"takesOver": "old"}, RiskLevel.SCALING, "made anew as old"),
    "a fallback": (
        {},
        {"fallback": {"replicas": 2, "behavior": "static"}},
        RiskLevel.DISRUPTIVE,
        "has 2 pods in an outage",
    ),
    "no fallback": ({"fallback": {"replicas": 2}}, {}, RiskLevel.SCALING, "keeps its pods in an outage"),
}


@pytest.mark.parametrize("case", SETTINGS)
def test_what_a_setting_of_keda_changes_is_said(case):
    before, after, level, words = SETTINGS[case]
    found = said({**KEDA, **before}, {**KEDA, **after})
    assert [one for one in found["P-70"] if one[0] is level and words in one[1]], found


TOKEN = "kubernetes:keda.sh/v1alpha1:ScaledObject"
TRANSFER = "scaledobject.keda.sh/transfer-hpa-ownership"
# What somebody has written by hand: the spec and annotations before and after, and what is said of it by P-70.
BY_HAND: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any], set[str]]] = [
    ({}, {"initialCooldownPeriod": 299}, {}, {}, {"leaves a new one", "ends every pod at its first quiet poll"}),
    ({}, {"initialCooldownPeriod": 300}, {}, {}, {"leaves a new one"}),
    (
        {"minReplicaCount": 1},
        {"minReplicaCount": 1, "initialCooldownPeriod": 1},
        {},
        {},
        {"leaves a new one"},
    ),
    ({}, {}, {}, {TRANSFER: "true"}, {"may take an HPA over"}),
    ({}, {}, {TRANSFER: "true"}, {}, {"no longer may take an HPA over"}),
]


@pytest.mark.parametrize(("before", "after", "told", "tells", "words"), BY_HAND)
def test_what_is_written_by_hand_is_told_by_the_defaults_of_keda(before, after, told, tells, words):
    sides = [
        {
            "type": TOKEN,
            "name": "o",
            "options": {},
            "properties": {"metadata": {"name": "o", "annotations": notes}, "spec": spec},
        }
        for spec, notes in ((before, told), (after, tells))
    ]
    found = [risk.sentence for risk in review(sides[:1], sides[1:]).risks if risk.rule == "P-70"]
    assert len(found) == len(words)
    assert all(any(sentence.startswith(f"o {word}") for sentence in found) for word in words), found


def test_a_short_start_ends_no_pod_of_a_consumer_that_always_has_one():
    always = {**KEDA, "minReplicas": 1}
    found = said(always, {**always, "initialCooldown": "0s"})
    assert not [words for _, words in found.get("P-70", []) if "first quiet poll" in words]


def test_a_fallback_to_zero_that_somebody_writes_by_hand_is_a_danger():
    before = resources(KEDA)
    after = copy.deepcopy(before)
    (scaled,) = [one for one in after if one["type"].endswith(":ScaledObject")]
    scaled["properties"]["spec"]["fallback"] = {"failureThreshold": 1, "replicas": 0}
    found = review(before, after)
    assert found.worst is RiskLevel.DANGER
    assert "ends every pod in an outage" in found.risks[0].sentence


def test_another_number_of_messages_or_another_secret_is_about_what_is_counted():
    assert "P-71" in said(KEDA, {**KEDA, "messagesPerWorker": 5})
    other = review(resources(KEDA), resources(KEDA, password={"secret": "broker-v2", "key": "password"}))
    assert "P-71" in {risk.rule for risk in other.risks}


def test_no_field_of_what_is_rendered_is_left_unjudged():
    """Every leaf of both kinds, changed by itself: a rule tells of it, or a list says that it is harmless."""
    everything = {**KEDA, "behavior": {"scaleDown": {"stabilizationWindow": "60s"}}, "paused": True} | {
        "fallback": {"replicas": 2},
        "takesOver": "old",
    }
    before = resources(everything, ca={"secret": "a", "key": "b"}, tls=True, username="keda")
    for index, one in enumerate(before):
        if "keda.sh" not in one["type"]:
            continue
        for leaf in leaves(one["properties"]):
            if leaf.path[0] in {"kind", "apiVersion"} or leaf.path[:2] in {
                ("spec", "scaleTargetRef"),
                ("metadata", "name"),
                ("metadata", "labels"),
            }:
                continue
            after = copy.deepcopy(before)
            here = after[index]["properties"]
            for part in leaf.path[:-1]:
                here = _step(here, part)
            here[leaf.path[-1]] = f"{leaf.value}9" if isinstance(leaf.value, str) else 9
            if leaf.path[:2] == ("metadata", "namespace"):
                continue
            found = review(before, after)
            assert not found.not_judged, f"{one['type']} {leaf.path}"
            assert found.risks, f"{one['type']} {leaf.path}"


def _step(here: Any, part: str | int) -> Any:
    if isinstance(here, list) and isinstance(part, str):
        return next(entry for entry in here if entry.get("name", entry.get("parameter")) == part)
    return here[part]


def test_from_keda_to_a_fixed_number_without_a_pause_what_keda_sets_meanwhile_stays():
    (level, sentence) = said(KEDA, FIXED)["P-72"][0]
    assert level is RiskLevel.DANGER
    assert "KEDA still decides while events becomes a fixed 3" in sentence
    assert "at zero nobody comes back" in sentence
    assert "pausedReplicas: 3" in sentence


def test_from_a_paused_keda_to_the_same_fixed_number_nothing_is_lost():
    assert "P-72" not in said({**KEDA, "pausedReplicas": 3}, FIXED)


def test_an_hpa_that_takes_over_at_zero_would_stay_at_zero():
    (level, sentence) = said(KEDA, HPA)["P-72"][0]
    assert level is RiskLevel.DANGER
    assert "first an update with minReplicas: 1" in sentence
    assert "P-72" not in said({**KEDA, "minReplicas": 1}, HPA)


def test_from_an_hpa_to_keda_the_webhook_is_in_the_way_unless_keda_takes_it_over():
    (level, sentence) = said(HPA, KEDA)["P-72"][0]
    assert level is RiskLevel.DANGER
    assert "KEDA's webhook refuses events while HPA events is there" in sentence
    assert "takesOver: events" in sentence
    (level, sentence) = said(HPA, {**KEDA, "takesOver": "events"})["P-72"][0]
    assert level is RiskLevel.SCALING
    assert "no pod goes" in sentence


def keda_of(name: str) -> list[dict[str, Any]]:
    return [to_json(one) for one in stack_resources(STACKS[name])]


def test_keda_that_goes_or_whose_kinds_would_go_with_it_is_a_danger():
    before = keda_of("scaled by KEDA")
    (release,) = [one for one in before if one["type"].endswith(":Release")]
    gone = review(before, [one for one in before if one is not release])
    assert next(one.sentence for one in gone.risks if one.rule == "KE-18").startswith("KEDA goes: every number")
    loose = copy.deepcopy(before)
    (found,) = [one for one in loose if one["type"].endswith(":Release")]
    del found["properties"]["values"]["crds"]
    without = review(before, loose)
    assert "with them every ScaledObject of the cluster" in " ".join(one.sentence for one in without.risks)


def test_a_second_owner_of_external_metrics_is_a_danger():
    before = keda_of("scaled by KEDA")
    adapter = {
        "type": "kubernetes:helm.sh/v3:Release",
        "name": "adapter",
        "properties": {"name": "adapter", "chart": "prometheus-adapter", "namespace": "monitoring"},
        "options": {},
    }
    found = review(before, [*before, adapter])
    assert "KEDA and prometheus-adapter both answer for external metrics" in " ".join(
        one.sentence for one in found.risks if one.rule == "KE-28"
    )
