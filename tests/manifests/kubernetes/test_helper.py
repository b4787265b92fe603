"""What a pod gets for its helper: a port, a token, two ways through the network; and nothing where nobody asks."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from pydantic import ValidationError
from tests.manifests.kubernetes.examples import all_objects, make_container, make_object, make_pod, make_stack

from ebbtide.manifests.stack import compose

METRICS: dict[str, Any] = {"metrics": {}}
IDLE_FIRST: dict[str, Any] = {"shutdown": {"idleFirst": {"apiServer": "10.0.0.2/32"}}}
RIGHTS = ["ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding", "Role", "RoleBinding"]


def test_nobody_reaches_a_pod_and_no_pod_has_a_token_unless_it_is_asked_for() -> None:
    kinds = [each["kind"] for each in all_objects()]
    assert not set(RIGHTS) & set(kinds)
    assert "ingress" not in make_object("NetworkPolicy")["spec"]
    assert "ports" not in make_container()
    assert all("projected" not in volume for volume in make_pod()["volumes"])


def test_only_collectors_may_connect_and_only_to_the_port() -> None:
    prometheus = {"namespace": "monitoring", "pods": {"app": "prometheus"}}
    policy = make_object("NetworkPolicy", {"metrics": {"port": 9000, "scrapers": [prometheus]}})
    assert policy["spec"]["ingress"] == [
        {
            "from": [
                {
                    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}},
                    "podSelector": {"matchLabels": {"app": "prometheus"}},
                }
            ],
            "ports": [{"protocol": "TCP", "port": 9000}],
        }
    ]
    assert make_container({"metrics": {"port": 9000}})["ports"] == [
        {"name": "metrics", "containerPort": 9000, "protocol": "TCP"}
    ]


def test_googles_collectors_are_admitted_by_default_wherever_they_run() -> None:
    (rule,) = make_object("NetworkPolicy", METRICS)["spec"]["ingress"]
    namespaces = [peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for peer in rule["from"]]
    assert namespaces == ["gmp-system", "gke-gmp-system"]
    assert all(peer["podSelector"]["matchLabels"] for peer in rule["from"]), "a whole namespace may connect"


def test_a_stack_that_is_watched_is_served_by_its_pods_to_who_watches() -> None:
    operator = {"kind": "prometheusOperator", "namespace": "monitoring"}
    (rule,) = make_object("NetworkPolicy", observability=operator)["spec"]["ingress"]
    assert rule["from"] == [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
    assert rule["ports"] == [{"protocol": "TCP", "port": 9464}]
    own = make_object("NetworkPolicy", {"metrics": {"port": 9000}}, observability=operator)["spec"]["ingress"]
    assert own[0]["ports"] == [{"protocol": "TCP", "port": 9000}]


@pytest.mark.parametrize("metrics", [{"port": 80}, {"port": 65536}, {"scrapers": []}, {"path": "/x"}])
def test_metrics_that_cannot_be_served_or_read_are_refused(metrics: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        make_stack({"metrics": metrics})


def test_the_token_is_bound_short_and_in_a_volume_of_its_own() -> None:
    pod = make_pod(IDLE_FIRST)
    assert pod["automountServiceAccountToken"] is False
    (volume,) = [volume for volume in pod["volumes"] if "projected" in volume]
    token, certificate, names = volume["projected"]["sources"]
    assert token == {"serviceAccountToken": {"path": "token", "expirationSeconds": 600}}
    assert certificate["configMap"]["name"] == "kube-root-ca.crt"
    assert [item["path"] for item in names["downwardAPI"]["items"]] == ["namespace", "name"]
    (container,) = pod["containers"]
    assert {"name": volume["name"], "mountPath": "/run/ebbtide-api", "readOnly": True} in container["volumeMounts"]


def test_the_way_out_leads_to_the_api_server_only() -> None:
    before, after = (make_object("NetworkPolicy", one)["spec"]["egress"] for one in ({}, IDLE_FIRST))
    assert [rule for rule in after if rule not in before] == [
        {"to": [{"ipBlock": {"cidr": "10.0.0.2/32"}}], "ports": [{"protocol": "TCP", "port": 443}]}
    ]


def test_a_right_is_granted_only_where_what_confines_it_is_in_force() -> None:
    kinds = [each["kind"] for each in all_objects(IDLE_FIRST)]
    assert [kind for kind in kinds if kind in RIGHTS] == RIGHTS
    plan = compose(make_stack(IDLE_FIRST))
    rights = [one for one in plan if one.token.rpartition(":")[2] in RIGHTS]
    for before, after in itertools.pairwise(rights):
        assert before.key in after.depends_on


def test_policies_of_two_consumers_and_two_namespaces_are_not_one() -> None:
    names = {
        make_object("ValidatingAdmissionPolicy", IDLE_FIRST, namespace=namespace)["metadata"]["name"]
        for namespace in ("shop", "mail")
    }
    assert len(names) == 2
    user = make_object("ValidatingAdmissionPolicy", IDLE_FIRST, namespace="shop")["spec"]["matchConditions"]
    assert user[0]["expression"] == "request.userInfo.username == 'system:serviceaccount:shop:events'"


def test_the_helpers_memory_is_counted() -> None:
    def limit(consumer: dict[str, Any]) -> int:
        return make_stack(consumer).consumers["events"].memory_limit_bytes // 1024**2

    recover = {"transport": {"kind": "redis", "redeliverTimeout": "2m", "recover": True}}
    plain = limit({})
    assert [limit(one) - plain for one in (recover, METRICS, IDLE_FIRST, METRICS | recover)] == [14, 24, 24, 24]


@pytest.mark.parametrize(
    ("consumer", "stack", "place", "words"),
    [
        (
            {},
            {"cluster": {"kind": "existing", "kubernetesVersion": "1.29"}},
            "shutdown.idleFirst",
            "1.29 has none",
        ),
        (
            {"worker": {"kind": "command", "command": ["celery", "worker"]}},
            {},
            "shutdown.idleFirst",
            "of kind command cannot tell whether it is busy",
        ),
        (
            {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "5"}},
            {},
            "annotations.controller.kubernetes.io/pod-deletion-cost",
            "written by the pods themselves",
        ),
    ],
)
def test_idle_first_is_refused_where_it_would_do_nothing_or_harm(
    consumer: dict[str, Any], stack: dict[str, Any], place: str, words: str
) -> None:
    with pytest.raises(ValidationError, match=words) as caught:
        make_stack({**consumer, **IDLE_FIRST}, **stack)
    assert f"{place}: " in str(caught.value)


def test_idle_first_needs_no_more_than_kubernetes_1_30() -> None:
    assert make_stack(IDLE_FIRST, cluster={"kind": "existing", "kubernetesVersion": "1.30"})


def test_without_idle_first_a_deletion_cost_is_the_users_own() -> None:
    assert make_stack({"annotations": {"controller.kubernetes.io/pod-deletion-cost": "5"}})
