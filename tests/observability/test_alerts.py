"""An alert asks for what there is, names whom it is about, and leads to the page that answers it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.observability.queries import every_query, known_names, metrics_in
from tests.observability.stacks import CONSUMERS, STACKS, watched

from ebbtide.observability.alerts import alerts_of, alerts_of_stack
from ebbtide.observability.metrics import METRICS

ROOT = Path(__file__).parents[2]
QUERIES = [(name, stack, asks, query) for name, stack in STACKS.items() for asks, query in every_query(stack)]
ALERTS = {alert.name: alert for stack in STACKS.values() for alert in alerts_of(stack, stack.consumers["mail"])}


@pytest.mark.parametrize(("name", "stack", "asks", "query"), QUERIES, ids=[f"{n}: {asks}" for n, _, asks, _ in QUERIES])
def test_a_query_names_only_metrics_of_the_one_description(name, stack, asks, query):
    named = metrics_in(query)
    assert named, "it asks for nothing"
    assert named <= known_names(stack)


def test_a_name_that_nobody_describes_is_seen():
    assert metrics_in('sum(rate(ebbtide_mesages_total{a="ebbtide_workers"}[5m])) > other{b="c"}') == {
        "ebbtide_mesages_total",
        "other",
    }


def test_every_metric_is_asked_for_by_an_alert_or_a_picture():
    """One that nobody looks at costs a series in every pod."""
    asked = {name for _, _, _, query in QUERIES for name in metrics_in(query)}
    unasked = {metric.name for metric in METRICS if not any(name.startswith(metric.name) for name in asked)}
    assert unasked == {"ebbtide_worker_progress"}, "it says why others are absent"


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub makes them."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("alert", ALERTS.values(), ids=ALERTS)
def test_an_alert_leads_to_its_section_of_the_runbook(alert):
    assert alert.runbook in anchors(ROOT / "docs" / "runbook.md")


@pytest.mark.parametrize("alert", ALERTS.values(), ids=ALERTS)
def test_an_alert_asks_the_metrics_or_the_log_and_says_whom_it_is_about(alert):
    assert alert.metrics or alert.logs
    for query in filter(None, (alert.metrics, alert.logs)):
        assert "%s" in query or 'scaledObject="mail"' in query, "it asks of every stack that there is"
    assert alert.severity in {"page", "ticket"}
    assert not alert.title.endswith(".")


def test_consumers_of_which_the_same_is_asked_are_asked_together_and_others_by_or():
    stack = STACKS["managedPrometheus"]
    queries = {found.alert.name: found.query for found in alerts_of_stack(stack)}
    assert queries["EbbtideStartsHeld"].count("ebbtide_starts_held") == 1
    assert 'consumer=~"mail|reports"' in queries["EbbtideStartsHeld"]
    assert ") or (" in queries["EbbtideGoalBurnsFast"]
    assert 'consumer="mail",le=~"10([.]0)?"' in queries["EbbtideGoalBurnsFast"]
    assert 'consumer="reports",le=~"300([.]0)?"' in queries["EbbtideGoalBurnsFast"]


def test_one_consumer_that_is_scraped_does_not_hide_another_that_is_not():
    query = {found.alert.name: found.query for found in alerts_of_stack(STACKS["managedPrometheus"])}[
        "EbbtideNoMetrics"
    ]
    assert query == (
        '(absent(ebbtide_build_info{stack="shop-eu",consumer="mail"})) or '
        '(absent(ebbtide_build_info{stack="shop-eu",consumer="reports"}))'
    )


def test_a_consumer_that_may_have_no_pod_is_not_missed():
    queue = {"kind": "external", "metric": "queue", "targetValue": 5}
    scaled = {"kind": "hpa", "minReplicas": 0, "maxReplicas": 4, "metrics": [queue]}
    mail = {**CONSUMERS["mail"], "autoscaling": scaled}
    cluster = {"kind": "gkeStandard", "kubernetesVersion": "1.37"}
    stack = watched({"kind": "managedPrometheus"}, consumers={"mail": mail}, cluster=cluster)
    assert "EbbtideNoMetrics" not in {alert.name for alert in alerts_of(stack, stack.consumers["mail"])}


def test_a_fixed_number_of_pods_is_at_no_maximum():
    stack = STACKS["managedPrometheus"]
    assert "EbbtideAtMaximum" not in {alert.name for alert in alerts_of(stack, stack.consumers["reports"])}
