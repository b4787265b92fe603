"""What a consumer's pods may reach. The table is read as a firewall would read it."""

from __future__ import annotations

from ipaddress import ip_address, ip_network
from typing import Any

import pytest
from tests.manifests.kubernetes.examples import all_objects, make_object

GOOGLE_ACCOUNT = {"googleServiceAccount": "events@acme-dev.iam.gserviceaccount.com"}
GOOGLE_ROLES = {"googleRoles": ["roles/pubsub.subscriber"]}
GOOGLE = {"project": "acme-dev", "region": "europe-west1"}
BROKER = [{"cidr": "10.20.0.0/24", "ports": [6379]}]


def allows(policy: Any, address: str, port: int, protocol: str = "TCP") -> bool:
    """Whether the policy lets a pod send to an address outside of the cluster's pods."""
    return any(
        {"protocol": protocol, "port": port} in rule["ports"]
        and any(ip_address(address) in ip_network(peer["ipBlock"]["cidr"]) for peer in rule["to"] if "ipBlock" in peer)
        for rule in policy["spec"]["egress"]
    )


@pytest.mark.parametrize(
    ("identity", "address", "port", "protocol", "allowed"),
    [
        # DNS: NodeLocal DNSCache on the node, Cloud DNS on the metadata server's address.
        ({}, "169.254.20.10", 53, "UDP", True),
        ({}, "169.254.20.10", 53, "TCP", True),
        ({}, "169.254.169.254", 53, "UDP", True),
        ({}, "169.254.20.10", 80, "TCP", False),
        # The metadata server hands out tokens: only to those who have a Google identity to ask for.
        ({}, "169.254.169.254", 80, "TCP", False),
        ({}, "169.254.169.252", 988, "TCP", False),
        (GOOGLE_ACCOUNT, "169.254.169.254", 80, "TCP", True),
        (GOOGLE_ACCOUNT, "169.254.169.254", 8080, "TCP", True),
        (GOOGLE_ACCOUNT, "169.254.169.252", 987, "TCP", True),
        (GOOGLE_ACCOUNT, "169.254.169.252", 988, "TCP", True),
        (GOOGLE_ACCOUNT, "169.254.169.254", 443, "TCP", False),
        (GOOGLE_ROLES, "169.254.169.254", 80, "TCP", True),
        # The broker, and nothing beside it.
        ({}, "10.20.0.7", 6379, "TCP", True),
        ({}, "10.20.0.7", 6379, "UDP", False),
        ({}, "10.20.0.7", 22, "TCP", False),
        ({}, "10.20.1.7", 6379, "TCP", False),
        ({}, "8.8.8.8", 53, "UDP", False),
        ({}, "93.184.216.34", 443, "TCP", False),
    ],
)
def test_a_worker_reaches_what_it_needs_and_nothing_else(
    identity: dict[str, Any], address: str, port: int, protocol: str, allowed: bool
) -> None:
    policy = make_object("NetworkPolicy", {"serviceAccount": identity, "network": {"egress": BROKER}}, google=GOOGLE)
    assert allows(policy, address, port, protocol) is allowed


def test_dns_inside_the_cluster_is_reached_by_label() -> None:
    dns = make_object("NetworkPolicy")["spec"]["egress"][0]
    peers = [peer for peer in dns["to"] if "podSelector" in peer]
    assert [peer["podSelector"]["matchLabels"]["k8s-app"] for peer in peers] == ["kube-dns", "node-local-dns"]
    for peer in peers:
        namespace = {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}
        assert peer["namespaceSelector"] == namespace, "pods of any namespace could pose as the DNS server"


@pytest.mark.parametrize(
    ("rule", "peer"),
    [
        ({"cidr": "10.20.0.7/32"}, {"ipBlock": {"cidr": "10.20.0.7/32"}}),
        ({"cidr": "fd00::/8"}, {"ipBlock": {"cidr": "fd00::/8"}}),
        (
            {"namespace": "brokers"},
            {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "brokers"}}},
        ),
        ({"pods": {"app": "redis"}}, {"podSelector": {"matchLabels": {"app": "redis"}}}),
        (
            {"namespace": "brokers", "pods": {"app": "redis"}},
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "brokers"}},
                "podSelector": {"matchLabels": {"app": "redis"}},
            },
        ),
    ],
)
def test_a_destination_of_the_settings_is_one_peer(rule: dict[str, Any], peer: dict[str, Any]) -> None:
    policy = make_object("NetworkPolicy", {"network": {"egress": [{**rule, "ports": [6379, 6380]}]}})
    assert policy["spec"]["egress"][-1] == {
        "to": [peer],
        "ports": [{"protocol": "TCP", "port": 6379}, {"protocol": "TCP", "port": 6380}],
    }, "two peers instead of one would allow every pod of the namespace"


def test_nothing_reaches_a_worker() -> None:
    spec = make_object("NetworkPolicy")["spec"]
    assert spec["policyTypes"] == ["Ingress", "Egress"]
    assert "ingress" not in spec, "the API server drops an empty list, and kubectl diff would never be clean"


def test_every_pod_of_ours_is_closed_that_no_policy_names_and_nobody_elses() -> None:
    default_deny = all_objects()[1]
    assert default_deny["metadata"]["name"] == "default-deny"
    spec = default_deny["spec"]
    assert {key: value for key, value in spec.items() if key != "podSelector"} == {"policyTypes": ["Ingress", "Egress"]}
    labels = make_object("Deployment")["spec"]["template"]["metadata"]["labels"]
    selected = spec["podSelector"]["matchLabels"]
    assert selected.items() <= labels.items()
    assert selected, "an empty selector would fence off what others run in the namespace"
