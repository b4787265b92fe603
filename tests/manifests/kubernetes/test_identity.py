"""Names, labels, accounts: how objects find each other, and as whom pods act."""

from __future__ import annotations

from typing import Any

import pytest
from tests.manifests.kubernetes.examples import all_objects, make_object, make_pod

SELECTOR = {"app.kubernetes.io/name": "events", "app.kubernetes.io/instance": "test"}
LABELS = {
    **SELECTOR,
    "app.kubernetes.io/component": "queue-consumer",
    "app.kubernetes.io/part-of": "consumers",
    "app.kubernetes.io/managed-by": "ebbtide",
}
HPA = {"kind": "hpa", "maxReplicas": 5, "metrics": [{"kind": "external", "metric": "backlog", "targetValue": 30}]}


def test_every_object_of_a_consumer_carries_its_name_and_labels() -> None:
    objects = all_objects({"labels": {"team": "x"}, "autoscaling": HPA})[2:]
    kinds = ["ServiceAccount", "NetworkPolicy", "Deployment", "PodDisruptionBudget", "HorizontalPodAutoscaler"]
    assert [each["kind"] for each in objects] == kinds
    for each in objects:
        assert each["metadata"]["name"] == "events"
        assert each["metadata"]["namespace"] == "consumers"
        assert each["metadata"]["labels"] == {"team": "x", **LABELS}


def test_selectors_hold_only_what_never_changes() -> None:
    change = {"labels": {"team": "x"}}
    assert make_object("Deployment", change)["spec"]["selector"] == {"matchLabels": SELECTOR}
    assert make_object("PodDisruptionBudget", change)["spec"]["selector"] == {"matchLabels": SELECTOR}
    assert make_object("NetworkPolicy", change)["spec"]["podSelector"] == {"matchLabels": SELECTOR}


def test_a_consumer_has_an_account_of_its_own_without_a_token() -> None:
    account = make_object("ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    assert "annotations" not in account["metadata"]
    assert make_pod()["serviceAccountName"] == account["metadata"]["name"]


def test_the_account_names_the_google_account_it_acts_as() -> None:
    google = {"project": "acme-dev", "region": "europe-west1"}
    email = "events@acme-dev.iam.gserviceaccount.com"
    account = make_object("ServiceAccount", {"serviceAccount": {"googleServiceAccount": email}}, google=google)
    assert account["metadata"]["annotations"] == {"iam.gke.io/gcp-service-account": email}


def test_the_namespace_admits_only_restricted_pods_by_a_pinned_version() -> None:
    namespace = all_objects(cluster={"kind": "existing", "kubernetesVersion": "1.35"}, namespace="workers")[0]
    assert namespace["metadata"]["name"] == "workers"
    security = {key: value for key, value in namespace["metadata"]["labels"].items() if key.startswith("pod-security")}
    assert security == {
        f"pod-security.kubernetes.io/{mode}{suffix}": value
        for mode in ("enforce", "audit", "warn")
        for suffix, value in (("", "restricted"), ("-version", "v1.35"))
    }


@pytest.mark.parametrize(
    ("budget", "expected"),
    [
        ({}, {"maxUnavailable": 1}),
        ({"maxUnavailable": 2}, {"maxUnavailable": 2}),
        ({"minAvailable": 1}, {"minAvailable": 1}),
    ],
)
def test_a_node_drain_takes_as_many_pods_as_the_settings_say(budget: dict[str, int], expected: dict[str, Any]) -> None:
    spec = make_object("PodDisruptionBudget", {"disruptionBudget": budget})["spec"]
    assert spec.pop("unhealthyPodEvictionPolicy") == "AlwaysAllow", "pods without a broker would hold up the drain"
    assert spec.pop("selector")
    assert spec == expected
