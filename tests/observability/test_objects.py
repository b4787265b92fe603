"""What a stack deploys to be watched: who scrapes, what is counted of the log, who is told."""

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import ValidationError
from tests.observability.stacks import CONSUMERS, STACKS, watched

from ebbtide.image.ebbtide_supervisor.metric_texts import EVENT_COUNTS
from ebbtide.judgement.findings import Level
from ebbtide.judgement.rule import rules_on, run_rules
from ebbtide.manifests.kubernetes import build_monitoring
from ebbtide.manifests.kubernetes.labels import consumer_labels
from ebbtide.manifests.stack import stack_resources
from ebbtide.observability.alerts import alerts_of_stack
from ebbtide.settings.models.stack import StackSettings


def objects(stack: StackSettings, consumer: str = "mail") -> dict[str, Any]:
    return {manifest["kind"]: manifest for manifest in build_monitoring(stack, stack.consumers[consumer])}


def of_token(stack: StackSettings, kind: str) -> list[Any]:
    return [resource for resource in stack_resources(stack) if resource.token.endswith(f":{kind}")]


@pytest.mark.parametrize(
    ("name", "kinds"),
    [
        ("managedPrometheus", ["PodMonitoring"]),
        ("managedPrometheus, everything", ["PodMonitoring", "Rules"]),
        ("prometheusOperator", ["PodMonitor", "PrometheusRule"]),
    ],
)
def test_each_consumer_has_what_its_collector_reads(name, kinds):
    for consumer in CONSUMERS:
        assert list(objects(STACKS[name], consumer)) == kinds


@pytest.mark.parametrize(
    ("name", "kind"), [("managedPrometheus", "PodMonitoring"), ("prometheusOperator", "PodMonitor")]
)
def test_who_scrapes_selects_the_consumers_pods_and_no_others(name, kind):
    stack = STACKS[name]
    for consumer in stack.consumers.values():
        selected = objects(stack, consumer.name)[kind]["spec"]["selector"]["matchLabels"]
        matching = [
            other.name
            for other in stack.consumers.values()
            if selected.items() <= consumer_labels(stack, other).items()
        ]
        assert matching == [consumer.name]


def test_a_scrape_adds_the_labels_by_which_alerts_select():
    google = objects(STACKS["managedPrometheus"])["PodMonitoring"]["spec"]
    assert {one["to"] for one in google["targetLabels"]["fromPod"]} == {"consumer", "stack"}
    (endpoint,) = objects(STACKS["prometheusOperator"])["PodMonitor"]["spec"]["podMetricsEndpoints"]
    assert {one["targetLabel"]: one["sourceLabels"] for one in endpoint["relabelings"]} == {
        "consumer": ["__meta_kubernetes_pod_label_app_kubernetes_io_name"],
        "stack": ["__meta_kubernetes_pod_label_app_kubernetes_io_instance"],
    }


def test_the_operator_finds_what_is_made_for_it():
    for manifest in objects(STACKS["prometheusOperator"]).values():
        assert manifest["metadata"]["labels"]["release"] == "kube-prometheus-stack"


def test_every_event_that_is_counted_is_counted_once_and_with_its_label():
    metrics = {
        metric.properties["name"]: metric.properties for metric in of_token(STACKS["managedPrometheus"], "Metric")
    }
    assert set(metrics) == {f"{count.name}_shop_eu" for count in EVENT_COUNTS}
    for count in EVENT_COUNTS:
        metric = metrics[f"{count.name}_shop_eu"]
        assert f'jsonPayload.event="{count.event}"' in metric["filter"]
        assert {label["key"] for label in metric["metricDescriptor"]["labels"]} == {
            "consumer",
            *filter(None, [count.label]),
        }
        assert ("valueExtractor" in metric) == (count.value is not None)
        assert (metric["metricDescriptor"]["valueType"] == "DISTRIBUTION") == (count.value is not None)


@pytest.mark.parametrize(
    ("pod", "consumer"),
    [
        ("mail-6d4cf56db6-x7k2p", "mail"),
        ("mail-5-x7k2p", "mail"),
        ("mail-slow-6d4cf56db6-x7k2p", None),
        ("webmail-6d4cf56db6-x7k2p", None),
        ("mail-6d4cf56db6", None),
    ],
)
def test_only_lines_of_the_stacks_own_pods_are_counted(pod, consumer):
    (metric, *_) = of_token(STACKS["managedPrometheus"], "Metric")
    expression = re.search(r'pod_name=~"([^"]+)"', metric.properties["filter"])[1]
    assert bool(re.search(expression, pod)) == (consumer is not None)
    if consumer is not None:
        told = re.search(r'pod_name, "([^"]+)"', metric.properties["labelExtractors"]["consumer"])[1]
        assert re.search(told, pod)[1] == consumer


def test_every_alert_is_one_policy_that_names_its_page_and_whom_to_tell():
    stack = STACKS["managedPrometheus, everything"]
    policies = {policy.properties["displayName"]: policy for policy in of_token(stack, "AlertPolicy")}
    assert set(policies) == {f"ebbtide shop-eu: {found.alert.name}" for found in alerts_of_stack(stack)}
    for policy in policies.values():
        (condition,) = policy.properties["conditions"]
        question = condition["conditionPrometheusQueryLanguage"]
        assert int(question["evaluationInterval"].removesuffix("s")) % 30 == 0
        assert "https://wiki.acme.example/runbook#" in policy.properties["documentation"]["content"]
        assert policy.properties["notificationChannels"] == ["projects/acme-shop/notificationChannels/123"]


def test_what_asks_a_metric_of_the_log_comes_after_it():
    for policy in of_token(STACKS["managedPrometheus"], "AlertPolicy"):
        asks = (
            "logging_googleapis_com" in policy.properties["conditions"][0]["conditionPrometheusQueryLanguage"]["query"]
        )
        assert bool(policy.depends_on) == asks


def test_nothing_of_google_is_made_for_another_collector():
    assert [one for one in stack_resources(STACKS["prometheusOperator"]) if one.package == "gcp"] == []
    assert not any(one.token.endswith(":Observability") for one in stack_resources(STACKS["prometheusOperator"]))


def test_nothing_watches_where_nobody_asked():
    stack = StackSettings.model_validate(
        {**STACKS["managedPrometheus"].model_dump(by_alias=True), "observability": None}
    )
    assert {one.token for one in stack_resources(stack) if "onitor" in one.token or "ogging" in one.token} == set()


GOOGLES = {"kind": "managedPrometheus"}
REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "no project": ({"google": None, "cluster": {"kind": "existing"}}, "O-01", "observability.kind"),
    "no collector in the cluster": (
        {"cluster": {"kind": "gkeStandard", "observability": {"managedPrometheus": False}}},
        "O-02",
        "cluster.observability.managedPrometheus",
    ),
    "no log": (
        {"cluster": {"kind": "gkeStandard", "observability": {"workloadLogs": False}}},
        "O-02",
        "cluster.observability.workloadLogs",
    ),
    "a goal between two bounds": (
        {"consumers": {"mail": {**CONSUMERS["mail"], "goal": {"within": "7s"}}}},
        "O-04",
        "goal.within",
    ),
    "a goal above all bounds": (
        {"consumers": {"mail": {**CONSUMERS["mail"], "goal": {"within": "120s"}}}},
        "O-04",
        "goal.within",
    ),
}


@pytest.mark.parametrize(("more", "rule", "place"), REFUSED.values(), ids=REFUSED)
def test_what_could_never_be_seen_is_refused_where_it_is_written(more, rule, place):
    with pytest.raises(ValidationError) as caught:
        watched(GOOGLES, **more)
    (error,) = caught.value.errors()
    assert [finding.rule for finding in error["ctx"]["findings"]] == [rule]
    assert f"{place}: " in str(caught.value)


def test_a_goal_that_is_refused_names_those_that_are_not():
    with pytest.raises(ValidationError, match="write one of 1s, 5s, 10s, 30s, 1m"):
        watched(GOOGLES, consumers={"mail": {**CONSUMERS["mail"], "goal": {"within": "7s"}}})


COMMAND = {**CONSUMERS["reports"], "worker": {"kind": "command", "command": ["thumbnails"], "memoryLimit": "64M"}}


@pytest.mark.parametrize(
    ("more", "rule", "level", "place"),
    [
        ({"cluster": {"kind": "existing"}}, "O-03", Level.WARNING, "observability.kind"),
        ({"consumers": {"thumbnails": COMMAND}}, "O-05", Level.INFO, "consumers.thumbnails.worker.kind"),
    ],
)
def test_what_will_be_missing_is_said(more, rule, level, place):
    (found,) = [one for one in run_rules(rules_on(StackSettings), watched(GOOGLES, **more)) if one.rule == rule]
    assert found.level is level
    assert str(found).startswith(f"{place}: ")
    assert rule not in {finding.rule for finding in run_rules(rules_on(StackSettings), watched(GOOGLES))}


def test_an_operator_of_ones_own_needs_no_cluster_of_google():
    assert "O-03" not in {one.rule for one in run_rules(rules_on(StackSettings), STACKS["prometheusOperator"])}


def test_nothing_is_missed_of_what_nobody_watches():
    stack = watched(GOOGLES, consumers={"thumbnails": COMMAND}).model_copy(update={"observability": None})
    assert [one.rule for one in run_rules(rules_on(StackSettings), stack) if one.rule.startswith("O-")] == []
