"""A review says of what is watched: harmless, or that nobody is told any more; and never nothing."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from tests.observability.stacks import CONSUMERS, STACKS, watched

from ebbtide.manifests.resource import to_json
from ebbtide.manifests.stack import stack_resources
from ebbtide.preview.change import StackChange
from ebbtide.preview.review import Review, review_change
from ebbtide.preview.risk import RiskLevel
from ebbtide.preview.sources.compare import compare
from ebbtide.settings.models.stack import StackSettings

GOOGLES, OPERATORS = STACKS["managedPrometheus, everything"], STACKS["prometheusOperator"]


def resources(stack: StackSettings) -> list[dict[str, Any]]:
    return [to_json(resource) for resource in stack_resources(stack)]


def review(before: list[dict[str, Any]], after: list[dict[str, Any]], stack: StackSettings) -> Review:
    changes, standing = compare(before, after)
    return review_change(StackChange("shop-eu", "shop", changes, len(standing), "test", standing=standing), stack)


def said(review: Review) -> set[tuple[str, RiskLevel]]:
    return {(risk.rule, risk.level) for risk in review.risks}


def without_collector(stack: StackSettings) -> StackSettings:
    """The same stack, whose pods serve their metrics to the same scrapers all the same."""
    assert stack.observability is not None
    plain = stack.model_dump(by_alias=True)
    scrapers = [one.model_dump(by_alias=True) for one in stack.observability.scrapers]
    consumers = {name: {**entry, "metrics": {"scrapers": scrapers}} for name, entry in plain["consumers"].items()}
    return StackSettings.model_validate({**plain, "observability": None, "consumers": consumers})


@pytest.mark.parametrize("stack", [GOOGLES, OPERATORS], ids=["google", "operator"])
def test_to_be_watched_from_now_on_harms_nobody(stack):
    unwatched = without_collector(stack)
    found = review(resources(unwatched), resources(stack), stack)
    assert [risk for risk in found.risks if risk.level is RiskLevel.NOT_JUDGED] == []
    assert "no effect on running consumers found" in found.verdict


@pytest.mark.parametrize("stack", [GOOGLES, OPERATORS], ids=["google", "operator"])
def test_to_be_watched_no_more_is_said(stack):
    unwatched = without_collector(stack)
    found = review(resources(stack), resources(unwatched), unwatched)
    assert said(found) == {("P-50", RiskLevel.INFO)}
    assert any("no alert about metrics can fire" in risk.sentence for risk in found.risks)


def test_another_interval_goal_or_text_harms_nobody():
    consumers = {**CONSUMERS, "mail": {**CONSUMERS["mail"], "goal": {"within": "30s", "percent": 95}}}
    other = watched(
        {
            "kind": "managedPrometheus",
            "rules": True,
            "scrapeInterval": "60s",
            "runbook": "https://elsewhere.example/",
            "notificationChannels": ["projects/acme-shop/notificationChannels/123"],
        },
        consumers=consumers,
    )
    found = review(resources(GOOGLES), resources(other), other)
    assert found.risks == ()


def test_another_channel_is_said():
    told = watched(
        {
            "kind": "managedPrometheus",
            "rules": True,
            "scrapeInterval": "15s",
            "runbook": "https://wiki.acme.example/runbook",
        }
    )
    found = review(resources(GOOGLES), resources(told), told)
    assert said(found) == {("P-50", RiskLevel.INFO)}
    assert all("tells others than before" in risk.sentence for risk in found.risks)


@pytest.mark.parametrize(
    "kind", ["PodMonitoring", "Rules", "Metric", "AlertPolicy", "Dashboard", "PodMonitor", "PrometheusRule"]
)
def test_a_property_that_nobody_knows_is_named(kind):
    stack = OPERATORS if kind in {"PodMonitor", "PrometheusRule"} else GOOGLES
    before = resources(stack)
    after = copy.deepcopy(before)
    changed = next(one for one in after if one["type"].endswith(f":{kind}"))
    changed["properties"].setdefault("spec" if "spec" in changed["properties"] else "unheard", {})["ofField"] = 1
    found = review(before, after, stack)
    assert {risk.level for risk in found.risks} == {RiskLevel.NOT_JUDGED}
    assert any("ofField" in risk.sentence for risk in found.risks)


def test_a_metric_of_another_name_is_another_metric_and_says_so():
    before = resources(GOOGLES)
    after = copy.deepcopy(before)
    next(one for one in after if one["type"].endswith(":Metric"))["properties"]["project"] = "acme-other"
    found = review(before, after, GOOGLES)
    assert any(risk.rule == "P-50" and "made anew" in risk.sentence for risk in found.risks)
