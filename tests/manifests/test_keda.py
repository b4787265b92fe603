"""KEDA as a stack installs it: pinned, kept apart, and able to reach what it has to."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tests.manifests.google.cases import CONSUMER, stack

from ebbtide.in_process import run_in_process
from ebbtide.manifests.stack import compose
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.rules.check import check_stack

REDIS = {"kind": "redis", "redeliverTimeout": "60s", "stream": "events", "address": "redis.brokers:6379"}
KEDA_CONSUMER = {**CONSUMER, "transport": REDIS, "autoscaling": {"kind": "keda", "maxReplicas": 5}}
STANDARD = {"kind": "gkeStandard"}


def with_keda(keda: Any, cluster: dict[str, Any] | None = None, address: str = "redis.brokers:6379") -> StackSettings:
    consumer = {**KEDA_CONSUMER, "transport": {**REDIS, "address": address}}
    return stack({**(cluster or STANDARD), "keda": keda}, consumers={"githubevents": consumer})


def parts(settings: StackSettings) -> dict[str, Any]:
    keda = compose(settings).keda
    assert keda is not None
    return {part.name: part for part in keda.parts}


def release(settings: StackSettings) -> Any:
    return parts(settings)["keda-release"]


def operator_egress(settings: StackSettings) -> list[Any]:
    found: list[Any] = parts(settings)["keda-keda-operator-only"].properties["spec"]["egress"]
    return found


def test_the_version_is_pinned_and_its_kinds_outlive_the_release():
    """Removing the release would otherwise delete every ScaledObject of the cluster."""
    properties = release(with_keda({"version": "2.20.2"})).properties
    assert properties["version"] == "2.20.2"
    assert properties["values"]["crds"]["additionalAnnotations"] == {"helm.sh/resource-policy": "keep"}
    assert release(with_keda({})).properties["version"] == "2.20.2"


def test_it_reads_secrets_where_it_scales_and_nowhere_else():
    values = release(with_keda({"watches": ["shop"]})).properties["values"]
    assert values["watchNamespace"] == "consumers,shop"
    assert values["rbac"] == {"enabledCustomScaledRefKinds": False}
    assert "operator" not in values["permissions"], "Secrets would be read from KEDA's own namespace only"
    elsewhere = {**KEDA_CONSUMER, "namespace": "mail"}
    two = stack({**STANDARD, "keda": {}}, consumers={"githubevents": KEDA_CONSUMER, "mails": elsewhere})
    assert release(two).properties["values"]["watchNamespace"] == "consumers,mail"


def test_it_comes_after_the_namespace_that_it_gets_rights_in_and_before_what_needs_its_kinds():
    plan = compose(with_keda({}))
    found = release(with_keda({}))
    namespace = next(one for one in plan if one.token.endswith(":Namespace"))
    assert namespace.key in found.depends_on
    scaled = next(one for one in plan if one.token.endswith(":ScaledObject"))
    assert found.key in scaled.depends_on


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("10.20.0.7:6379", {"ipBlock": {"cidr": "10.20.0.7/32"}}),
        ("[fd00::7]:6379", {"ipBlock": {"cidr": "fd00::7/128"}}),
        ("redis.brokers:6379", {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "brokers"}}}),
        (
            "redis.brokers.svc.cluster.local:6379",
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "brokers"}}},
        ),
        ("redis.acme.example.com:6379", {"ipBlock": {"cidr": "0.0.0.0/0"}}),
    ],
)
def test_its_operator_reaches_the_broker_of_each_transport_and_nobody_reaches_it(address, peer):
    egress = operator_egress(with_keda({}, address=address))
    assert {"to": [peer], "ports": [{"protocol": "TCP", "port": 6379}]} in egress
    policy = parts(with_keda({}))["keda-keda-operator-only"].properties["spec"]
    (ingress,) = policy["ingress"]
    assert ingress["from"] == [{"podSelector": {"matchLabels": {"app": "keda-operator-metrics-apiserver"}}}]


def opened(address: str) -> list[dict[str, Any]]:
    return [rule["to"] for rule in operator_egress(with_keda({}, address=address)) if rule["ports"][0]["port"] == 6379]


def test_a_name_of_two_labels_is_reached_as_a_service_and_as_a_host_outside():
    """`example.com` is no Service of a namespace `com`: KEDA would never read the queue."""
    anywhere = [{"ipBlock": {"cidr": "0.0.0.0/0"}}]
    within = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "com"}}}]
    assert opened("example.com:6379") == [within, anywhere]
    assert opened("example.com.svc:6379") == [within]
    assert opened("redis.example.com:6379") == [anywhere]
    assert opened("redis:6379") == [anywhere]


def test_brokers_of_other_stacks_are_reached_where_they_are_named():
    extra = {"cidr": "10.30.0.0/24", "ports": [5672]}
    assert {
        "to": [{"ipBlock": {"cidr": "10.30.0.0/24"}}],
        "ports": [{"protocol": "TCP", "port": 5672}],
    } in operator_egress(with_keda({"egress": [extra]}))


def test_the_control_plane_of_a_private_cluster_reaches_metrics_and_webhook():
    firewall = parts(with_keda({}))["keda-control-plane"].properties
    assert firewall["allows"] == [{"protocol": "tcp", "ports": ["6443", "9443"]}]
    assert firewall["direction"] == "INGRESS"
    existing = {"kind": "existing", "platform": "gkeStandard"}
    assert "keda-control-plane" not in parts(with_keda({}, existing))


def test_cloud_monitoring_is_read_as_a_google_service_account():
    account = "keda-operator@acme-shop.iam.gserviceaccount.com"
    found = parts(with_keda({"googleServiceAccount": account}))
    assert found["keda-release"].properties["values"]["podIdentity"]["gcp"]["gcpIAMServiceAccount"] == account
    assert found["keda-workload-identity"].properties["member"].endswith("[keda/keda-operator]")
    assert found["keda-monitoring-viewer"].properties["role"] == "roles/monitoring.viewer"


def test_one_that_is_there_is_left_alone_and_its_way_to_the_broker_is_said():
    settings = with_keda("existing")
    assert compose(settings).keda is None
    finding = next(one for one in check_stack(settings) if one.rule == "KE-26")
    assert "redis.brokers:6379 by KEDA's operator, from namespace keda" in finding.message
    with pytest.raises(ValidationError, match="configures a KEDA that somebody else installs"):
        with_keda({"install": False, "watches": ["shop"]})


def test_a_cluster_that_is_made_without_keda_is_said_before_it_is_made():
    with pytest.raises(ValidationError, match="nothing installs KEDA in the cluster that this stack makes"):
        stack(STANDARD, consumers={"githubevents": KEDA_CONSUMER})
    assert stack({"kind": "existing"}, consumers={"githubevents": KEDA_CONSUMER})


@pytest.mark.parametrize(
    ("version", "kubernetes", "fits"),
    [
        ("2.20.2", "1.34", True),
        ("2.18.3", "1.34", False),
        ("2.20.2", "1.37", False),
        ("2.21.0", "1.34", True),
        ("2.21.0", "1.36", False),
        ("2.17.0", "1.31", False),
        ("2.30.0", "1.35", False),
    ],
)
def test_versions_of_keda_and_kubernetes_that_were_not_tested_together_are_said(version, kubernetes, fits):
    for keda in ({"version": version}, {"install": False, "version": version}):
        found = check_stack(with_keda(keda, {"kind": "existing", "kubernetesVersion": kubernetes}))
        assert ("KE-01" in {one.rule for one in found}) is not fits


def test_a_cluster_stack_names_the_namespaces_that_keda_may_read_secrets_in():
    alone = stack({**STANDARD, "keda": {}}, consumers={})
    assert "KE-22" in {one.rule for one in check_stack(alone)}
    assert compose(alone).keda is not None
    named = stack({**STANDARD, "keda": {"watches": ["shop"]}}, consumers={})
    assert "KE-22" not in {one.rule for one in check_stack(named)}


def test_what_is_composed_is_what_is_registered():
    settings = with_keda({"googleServiceAccount": "keda-operator@acme-shop.iam.gserviceaccount.com"})
    run = run_in_process(settings)
    assert {resource.key for resource in run.resources} == {resource.key for resource in compose(settings)}


@pytest.mark.parametrize(
    ("collector", "kind", "scraper"),
    [
        ({"kind": "managedPrometheus"}, "PodMonitoring", "gmp-system"),
        ({"kind": "prometheusOperator", "labels": {"release": "prometheus"}}, "PodMonitor", "monitoring"),
    ],
    ids=["Google's", "an operator's"],
)
def test_a_stack_that_is_watched_has_keda_scraped_or_its_alerts_on_keda_would_never_fire(collector, kind, scraper):
    watched = with_keda({}).model_dump(by_alias=True, exclude_unset=True) | {"observability": collector}
    found = parts(StackSettings.model_validate(watched))
    values = found["keda-release"].properties["values"]
    assert values["prometheus"]["operator"] == {"enabled": True, "port": 8080}
    monitor = next(one for one in found.values() if one.token.endswith(f":{kind}"))
    assert monitor.properties["metadata"]["namespace"] == "keda"
    assert monitor.properties["spec"]["selector"] == {"matchLabels": {"app": "keda-operator"}}
    assert collector.get("labels", {}).items() <= monitor.properties["metadata"]["labels"].items()
    (endpoint,) = monitor.properties["spec"].get("endpoints") or monitor.properties["spec"]["podMetricsEndpoints"]
    assert endpoint["port"] == "metrics"
    _, scraped = found["keda-keda-operator-only"].properties["spec"]["ingress"]
    assert scraped["ports"] == [{"protocol": "TCP", "port": 8080}]
    names = [one["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for one in scraped["from"]]
    assert scraper in names


def test_a_stack_that_nobody_watches_opens_no_port_for_it():
    assert "prometheus" not in release(with_keda({})).properties["values"]
    assert not [one for one in parts(with_keda({})) if "monitor" in one]
