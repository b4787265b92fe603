"""What the cluster cannot keep is refused, or said, before anything is deployed."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tests.manifests.google.cases import CONSUMER, GOOGLE

from ebbtide.judgement.findings import Finding, Level
from ebbtide.judgement.rule import rules_on, run_rules
from ebbtide.settings.models.disruption import disruption_caps
from ebbtide.settings.models.node_capacity import allocatable
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.rules.check import check_stack

SPOT_POOLS = {"base": {}, "cheap": {"spot": True}}
LONG_SPOT_POOLS = {"base": {}, "cheap": {"spot": True, "spotNotice": "2m"}}


def stack(cluster: dict[str, Any], consumer: dict[str, Any] | None = None, **more: Any) -> StackSettings:
    consumers = {"events": {**CONSUMER, **(consumer or {})}}
    base = {"name": "dev", "google": GOOGLE, "cluster": cluster, "consumers": consumers}
    return StackSettings.model_validate({**base, **more})


def refused(cluster: dict[str, Any], consumer: dict[str, Any] | None = None, **more: Any) -> list[Finding]:
    with pytest.raises(ValidationError) as caught:
        stack(cluster, consumer, **more)
    return [finding for error in caught.value.errors() for finding in error["ctx"]["findings"]]


def message(seconds: str, **more: Any) -> dict[str, Any]:
    return {"shutdown": {"longestMessage": seconds, **more}}


def on(pool: str) -> dict[str, Any]:
    return {"placement": {"nodeSelector": {"ebbtide.dev/node-pool": pool}}}


STANDARD, AUTOPILOT, EXISTING = {"kind": "gkeStandard"}, {"kind": "gkeAutopilot"}, {"kind": "existing"}
ONE_IS_SHORT = {**STANDARD, "nodePools": {"base": {}, "short": {"upgrade": {"podGrace": "20m"}}}}


@pytest.mark.parametrize(
    ("cluster", "consumer", "caps"),
    [
        (STANDARD, {}, [600, 3600]),
        (STANDARD, message("20s", nodeScaleDown="protect"), [3600]),
        ({**STANDARD, "nodePools": {"a": {"upgrade": {"podGrace": "2h"}}}}, {}, [600, 7200]),
        # What ends pods on nodes that take none of these.
        (ONE_IS_SHORT, on("base"), [600, 3600]),
        (ONE_IS_SHORT, on("short"), [600, 1200]),
        (ONE_IS_SHORT, {}, [600, 1200]),
        (ONE_IS_SHORT, on("another"), [600, 1200]),
        ({**STANDARD, "nodePools": SPOT_POOLS}, {"placement": {"spot": True}, **message("5s")}, [15, 600, 3600]),
        (
            {**STANDARD, "nodePools": LONG_SPOT_POOLS, "kubernetesVersion": "1.35"},
            {"placement": {"spot": True}},
            [105, 600, 3600],
        ),
        (AUTOPILOT, {}, [600, 3600]),
        (AUTOPILOT, message("20s", nodeScaleDown="protect"), [7 * 24 * 3600]),
        (EXISTING, {}, [600]),
        (
            {**EXISTING, "platform": "gkeStandard", "spotNotice": "2m", "kubernetesVersion": "1.35"},
            {"placement": {"spot": True}},
            [105, 600, 3600],
        ),
        ({**EXISTING, "platform": "gkeStandard"}, {}, [600, 3600]),
    ],
)
def test_every_way_of_ending_a_pod_has_its_cap(cluster, consumer, caps):
    settings = stack(cluster, consumer)
    assert [cap.seconds for cap in disruption_caps(settings, settings.consumers["events"])] == caps


@pytest.mark.parametrize(
    ("cluster", "consumer", "rule", "parts"),
    [
        (STANDARD, message("10m"), "V-05", ["node scale-down", "10m", "nodeScaleDown: protect", "at most 570s"]),
        (STANDARD, message("2h", nodeScaleDown="protect"), "V-05", ["node upgrade", "1h", "at most 59m30s"]),
        (AUTOPILOT, message("2h"), "V-05", ["node scale-down"]),
        (AUTOPILOT, message("7h30m"), "V-05", ["node upgrade"]),
        (EXISTING, message("10m"), "V-05", ["node scale-down"]),
        (
            {**STANDARD, "nodePools": SPOT_POOLS},
            {**message("200s"), "placement": {"spot": True}},
            "V-08",
            ["15s", "210s", "longestMessage to 5s, or to 95s with spotNotice: 2m"],
        ),
        (
            {**STANDARD, "nodePools": LONG_SPOT_POOLS, "kubernetesVersion": "1.35"},
            {**message("100s"), "placement": {"spot": True}},
            "V-08",
            ["105s", "110s", "longestMessage to 95s"],
        ),
    ],
)
def test_a_message_that_would_be_killed_is_refused(cluster, consumer, rule, parts):
    found = refused(cluster, consumer)
    matching = [finding for finding in found if finding.rule == rule]
    text = " ".join(map(str, matching))
    for part in parts:
        assert part in text


@pytest.mark.parametrize(
    ("cluster", "consumer"),
    [
        (STANDARD, message("200s")),
        (STANDARD, message("570s")),
        (AUTOPILOT, message("2h", nodeScaleDown="protect")),
        (AUTOPILOT, {**message("5s"), "placement": {"spot": True}}),
        ({**STANDARD, "nodePools": SPOT_POOLS}, {**message("5s"), "placement": {"spot": True}}),
        (
            {**STANDARD, "nodePools": SPOT_POOLS},
            {**message("5s", nodeScaleDown="protect"), "placement": {"spot": True}},
        ),
    ],
)
def test_a_message_that_can_finish_is_not(cluster, consumer):
    assert stack(cluster, consumer)


def on_spot(longest: str, **worker: Any) -> dict[str, Any]:
    return {**message(longest), "placement": {"spot": True}, "worker": {**CONSUMER["worker"], **worker}}


def told_by_a_file(longest: str, time_limit: str) -> dict[str, Any]:
    return on_spot(longest, drain="stopFile", timeLimit=time_limit)


SHORT_SPOT = {**STANDARD, "nodePools": SPOT_POOLS}
LONG_SPOT = {**STANDARD, "nodePools": LONG_SPOT_POOLS, "kubernetesVersion": "1.35"}
SHORT_UPGRADE = {**STANDARD, "nodePools": {"a": {"upgrade": {"podGrace": "30s"}}}}
HALF_AN_HOUR = {
    **STANDARD,
    "nodePools": {
        **{name: {"upgrade": {"podGrace": "30m"}} for name in "ab"},
        "cheap": {"spot": True, "upgrade": {"podGrace": "1m"}},
    },
}
GKE, PROTECTED = {**EXISTING, "platform": "gkeStandard"}, {"nodeScaleDown": "protect"}
LONG = message("30m", **PROTECTED)
LONGER_GRACE, OF_POOLS = "write upgrade: {podGrace:", "cluster.nodePools.a and cluster.nodePools.b"
OF_DEFAULT = "cluster.nodePools.consumers"
NOTICE = "with spotNotice: 2m (from Kubernetes 1.35)"
SPLIT = "split the work into messages of at most"


@pytest.mark.parametrize(
    ("cluster", "consumer", "rule", "remedy"),
    [
        (STANDARD, message("571s"), "V-05", f"write nodeScaleDown: protect, or {SPLIT} 570s"),
        (STANDARD, message("3571s", **PROTECTED), "V-05", f"{LONGER_GRACE} 1h1s}} in {OF_DEFAULT}, or {SPLIT} 59m30s"),
        # Below what a pod needs beside its message no message is short enough.
        (SHORT_UPGRADE, message("20s"), "V-05", "write upgrade: {podGrace: 50s} in cluster.nodePools.a"),
        (HALF_AN_HOUR, LONG, "V-05", f"{LONGER_GRACE} 30m30s}} in {OF_POOLS}, or {SPLIT} 29m30s"),
        (STANDARD, message("24h", **PROTECTED), "V-05", f"{SPLIT} 59m30s"),
        (GKE, message("3571s", **PROTECTED), "V-05", f"{SPLIT} 59m30s"),
        (AUTOPILOT, message("168h", nodeScaleDown="protect"), "V-06", f"{SPLIT} 167h59m30s"),
        (SHORT_SPOT, on_spot("6s"), "V-08", f"remove spot, or shorten longestMessage to 5s, or to 95s {NOTICE}"),
        (LONG_SPOT, on_spot("96s"), "V-08", "remove spot, or shorten longestMessage to 95s"),
        (AUTOPILOT, on_spot("6s"), "V-08", "remove spot, or shorten longestMessage to 5s"),
        (
            SHORT_SPOT,
            told_by_a_file("6s", "4s"),
            "V-08",
            f"remove spot, or shorten longestMessage to 1s, or to 91s {NOTICE}",
        ),
        (SHORT_SPOT, told_by_a_file("6s", "5s"), "V-08", f"remove spot, or to 90s {NOTICE}"),
        (SHORT_SPOT, told_by_a_file("6s", "94s"), "V-08", f"remove spot, or to 1s {NOTICE}"),
        (SHORT_SPOT, told_by_a_file("6s", "95s"), "V-08", "remove spot"),
    ],
)
def test_what_is_offered_for_a_message_that_is_too_long_is_what_helps_there(cluster, consumer, rule, remedy):
    """No protection against an upgrade, no longer notice where none can be set, and no message of zero seconds."""
    assert [one.remedy for one in refused(cluster, consumer) if one.rule == rule] == [remedy]


HPA = {"kind": "hpa", "maxReplicas": 5, "metrics": [{"kind": "external", "metric": "m", "targetAverageValue": "30"}]}
TOLERANT = {**HPA, "behavior": {"scaleDown": {"tolerance": "0.05"}}}


@pytest.mark.parametrize(
    ("version", "scaling", "rule"),
    [
        ("1.34", TOLERANT, "V-13"),
        ("1.35", TOLERANT, None),
        ("1.36", {**HPA, "minReplicas": 0}, "V-14a"),
        ("1.37", {**HPA, "minReplicas": 0}, None),
    ],
)
def test_a_field_that_the_clusters_version_drops_is_refused(version, scaling, rule):
    cluster = {"kind": "existing", "kubernetesVersion": version}
    if rule is None:
        assert stack(cluster, {"autoscaling": scaling})
    else:
        (finding,) = refused(cluster, {"autoscaling": scaling})
        assert finding.rule == rule
        assert version in finding.message


@pytest.mark.parametrize(
    ("cluster", "consumer", "more", "path"),
    [
        (STANDARD, {}, {"google": None}, "cluster.kind"),
        (EXISTING, {}, {"google": None, "imageRepository": {}}, "imageRepository"),
        (
            EXISTING,
            {"serviceAccount": {"googleRoles": ["roles/pubsub.subscriber"]}},
            {"google": None},
            "consumers.events.serviceAccount",
        ),
        (
            STANDARD,
            {"serviceAccount": {"googleRoles": ["pubsub.subscriber"]}},
            {},
            "consumers.events.serviceAccount.googleRoles[0]",
        ),
        (
            STANDARD,
            {"serviceAccount": {"googleRoles": ["roles/editor"]}},
            {},
            "consumers.events.serviceAccount.googleRoles[0]",
        ),
        (STANDARD, {**message("5s"), "placement": {"spot": True}}, {}, "consumers.events.placement.spot"),
        (
            {**STANDARD, "nodePools": LONG_SPOT_POOLS},
            {},
            {},
            "cluster.nodePools.cheap.spotNotice",
        ),
        (
            AUTOPILOT,
            {**message("5s", nodeScaleDown="protect"), "placement": {"spot": True}},
            {},
            "consumers.events.shutdown.nodeScaleDown",
        ),
        (STANDARD, {"resources": {"memory": {"request": "14Gi", "limit": "16Gi"}}}, {}, "consumers.events.resources"),
        (STANDARD, {"resources": {"cpu": {"request": "4"}}}, {}, "consumers.events.resources"),
        ({**STANDARD, "zones": ["europe-west1-b", "us-east1-b"]}, {}, {}, "cluster.zones[1]"),
    ],
)
def test_what_cannot_run_is_refused_where_it_stands(cluster, consumer, more, path):
    (finding,) = refused(cluster, consumer, **more)
    assert str(finding).startswith(f"{path}: ")
    assert finding.remedy


def warnings_of(settings: StackSettings) -> dict[str, Finding]:
    return {finding.rule: finding for finding in run_rules(rules_on(StackSettings), settings)}


def test_autopilot_changes_requests_that_are_out_of_proportion():
    consumer = {"resources": {"cpu": {"request": "490m"}, "memory": {"request": "6500Mi", "limit": "12Gi"}}}
    finding = warnings_of(stack(AUTOPILOT, consumer))["V-07"]
    assert finding.level is Level.WARNING
    assert "980m" in finding.remedy
    assert "V-07" not in warnings_of(
        stack(AUTOPILOT, {"resources": {**consumer["resources"], "cpu": {"request": "1"}}})
    )
    assert "V-07" not in warnings_of(stack(STANDARD, consumer))


@pytest.mark.parametrize(
    ("cpu", "memory", "remedy"),
    [
        ("1100m", "1126Mi", "write at least 1127Mi, which is then paid for"),
        ("1100m", "1127Mi", ""),
        ("2", "2047Mi", "write at least 2048Mi, which is then paid for"),
        ("2", "2048Mi", ""),
    ],
)
def test_autopilot_gives_each_core_at_least_a_gibibyte_and_it_is_paid_for(cpu, memory, remedy):
    """What is said to be enough is, and a mebibyte less is not."""
    requests = {"resources": {"cpu": {"request": cpu}, "memory": {"request": memory, "limit": "12Gi"}}}
    found = [one for one in warnings_of(stack(AUTOPILOT, requests)).values() if one.rule == "V-07"]
    assert [one.remedy for one in found] == ([remedy] if remedy else [])
    assert all(str(one).startswith("consumers.events.resources.memory.request: ") for one in found)


@pytest.mark.parametrize(
    ("name", "cluster", "protect", "level"),
    [
        ("production", STANDARD, False, Level.WARNING),
        ("shop-prod", STANDARD, False, Level.WARNING),
        ("production", STANDARD, True, Level.INFO),
        ("production", EXISTING, False, None),
        ("dev", STANDARD, False, None),
        ("products", STANDARD, False, None),
    ],
)
def test_a_production_cluster_is_protected(name, cluster, protect, level):
    found = warnings_of(stack(cluster, name=name, protect=protect))
    expected = {Level.WARNING: {"G-04"}, Level.INFO: {"G-04a"}, None: set()}[level]
    assert {rule for rule in found if rule.startswith("G-04")} == expected


def test_images_of_another_project_need_a_grant():
    image = "europe-west1-docker.pkg.dev/other-project/consumers/events:1.0.0"
    finding = warnings_of(stack(STANDARD, {"image": image}))["G-05"]
    assert (finding.level, finding.path) == (Level.INFO, ("consumers", "events", "image"))
    assert "other-project" in finding.message
    assert "G-05" not in warnings_of(stack(STANDARD))


@pytest.mark.parametrize(
    ("machine", "cpu", "memory_mebibytes"),
    # GKE's page on node sizes: e2-standard-4 has 3.92 CPU and 13.3 GB, e2-standard-8 7.91 CPU and 28 GB allocatable.
    [
        ("e2-standard-4", 3920, 13621),
        ("e2-standard-8", 7910, 29020),
        ("n2-highcpu-2", 1930, 1439),
        # Of 15, 52, 7.2, 16, 15, 7, 15 and 864 GB, as the tables of the machine series say.
        ("n1-standard-4", 3920, 12700),
        ("n1-highmem-8", 7910, 48273),
        ("n1-highcpu-8", 7910, 5593),
        ("c2d-highcpu-8", 7910, 13621),
        ("c4-standard-4", 3920, 12700),
        ("c4-standard-2", 1930, 5430),
        ("c4-highmem-2", 1930, 12700),
        ("n2-highmem-128", 127610, 860019),
    ],
)
def test_a_node_offers_what_google_does_not_keep(machine, cpu, memory_mebibytes):
    found = allocatable(machine)
    assert found is not None
    assert found[0] == cpu
    assert found[1] // 1024**2 == pytest.approx(memory_mebibytes, abs=60)


def test_a_pod_must_fit_where_it_may_run_and_not_just_anywhere():
    pools = {"base": {}, "cheap": {"spot": True, "machineType": "e2-standard-16"}}
    large = {"resources": {"memory": {"request": "20Gi", "limit": "20Gi"}}}
    (finding,) = refused({**STANDARD, "nodePools": pools}, large)
    assert finding.rule == "G-03"
    assert stack({**STANDARD, "nodePools": pools}, {**large, **message("5s"), "placement": {"spot": True}})


# e2-standard-4: 3.92 CPU and 13.3 GiB; of 6 GiB two pods fit on a node, of 7 GiB one.
POOL = {"base": {"machineType": "e2-standard-4", "maxNodes": 3}}


def room(gibibytes: int, most: int, **more: Any) -> dict[str, Any]:
    memory = f"{gibibytes}Gi"
    scaling = {"kind": "fixed", "replicas": most}
    return {"resources": {"memory": {"request": memory, "limit": memory}}, "autoscaling": scaling, **more}


@pytest.mark.parametrize(
    ("gibibytes", "most", "message"),
    [
        (6, 6, ""),
        (6, 7, "allows 7 pods, and its pools have 3 nodes at most, with room for 6 of"),
        # In sum they would fit, and not on any node.
        (7, 4, "allows 4 pods, and its pools have 3 nodes at most, with room for 3 of"),
    ],
)
def test_more_pods_than_the_pools_have_room_for_are_said_before_they_are_pending(gibibytes, most, message):
    found = warnings_of(stack({**STANDARD, "nodePools": POOL}, room(gibibytes, most))).get("G-09")
    assert (found.message if found else "").startswith(message)
    assert bool(found) is bool(message)
    if found:
        assert found.path == ("consumers", "events", "autoscaling", "replicas")


def test_consumers_that_fit_alone_and_not_together_are_said_once():
    consumers = {name: {**CONSUMER, **room(6, 4)} for name in ("events", "mail")}
    cluster = {**STANDARD, "nodePools": POOL}
    found = warnings_of(stack(cluster, consumers=consumers))["G-09"]
    assert found.path == ("cluster", "nodePools")
    assert "has 3 nodes at most" in found.message
    apart = {"base": POOL["base"], "more": POOL["base"]}
    assert "G-09" not in warnings_of(stack({**STANDARD, "nodePools": apart}, consumers=consumers))


def test_pools_that_do_not_take_a_consumer_are_no_room_for_it():
    pools = {"base": POOL["base"], "large": {**POOL["base"], "maxNodes": 50}}
    cluster = {**STANDARD, "nodePools": pools}
    found = warnings_of(stack(cluster, room(6, 7, **on("base"))))["G-09"]
    assert "its pools have 3 nodes at most, with room for 6 of" in found.message
    assert "G-09" not in warnings_of(stack(cluster, room(6, 7, **on("large"))))
    tainted = {**pools, "large": {**pools["large"], "taints": [{"key": "gpu", "value": "1", "effect": "NoSchedule"}]}}
    assert "G-09" in warnings_of(stack({**STANDARD, "nodePools": tainted}, room(6, 7)))


def test_consumers_of_one_pool_do_not_fit_there_together_however_large_the_others_are():
    pools = {"base": POOL["base"], "large": {**POOL["base"], "maxNodes": 50}}
    consumers = {name: {**CONSUMER, **room(6, 4, **on("base"))} for name in ("events", "mail")}
    found = warnings_of(stack({**STANDARD, "nodePools": pools}, consumers=consumers))["G-09"]
    assert "has 3 nodes at most in base" in found.message
    consumers["mail"] = {**CONSUMER, **room(6, 4)}
    assert "G-09" not in warnings_of(stack({**STANDARD, "nodePools": pools}, consumers=consumers))


def findings_of(rule: str, pools: dict[str, Any], consumers: dict[str, Any]) -> list[Finding]:
    found = check_stack(stack({**STANDARD, "nodePools": pools}, consumers=consumers))
    return [one for one in found if one.rule == rule]


def test_each_consumer_without_room_is_named_and_the_others_are_summed_without_it():
    consumers = {name: {**CONSUMER, **room(6, most)} for name, most in (("events", 7), ("mail", 7), ("a", 4), ("b", 4))}
    found = findings_of("G-09", POOL, consumers)
    assert [one.path[1] for one in found] == ["events", "mail", "nodePools"]
    assert "ask at their maxima for " in found[-1].message
    del consumers["b"]
    assert [one.path[1] for one in findings_of("G-09", POOL, consumers)] == ["events", "mail"]


def test_each_pool_that_is_too_small_is_named_and_what_holds_it_is_not_named_again():
    pools = {"a": POOL["base"], "b": POOL["base"], "free": {**POOL["base"], "taints": [{"key": "x", "value": "1"}]}}
    consumers = {f"{pool}{n}": {**CONSUMER, **room(6, 4, **on(pool))} for pool in "ab" for n in "12"}
    found = [one.message for one in findings_of("G-09", pools, consumers)]
    assert [message.partition(",")[0] for message in found] == ["has 3 nodes at most in a", "has 3 nodes at most in b"]


def test_a_consumer_of_one_pool_counts_among_those_of_more_and_a_pool_that_takes_nobody_does_not():
    pools = {"a": POOL["base"], "b": POOL["base"], "free": {**POOL["base"], "taints": [{"key": "x", "value": "1"}]}}
    consumers = {"pinned": {**CONSUMER, **room(6, 6, **on("a"))}, "both": {**CONSUMER, **room(6, 8)}}
    [found] = findings_of("G-09", pools, consumers)
    assert found.message.startswith("has 6 nodes at most in a, b,")


def test_a_machine_whose_name_does_not_say_its_size_is_not_guessed():
    assert allocatable("e2-custom-4-8192") is None
    assert allocatable("z9-standard-4") is None, "a series that nobody here has read of"
    settings = stack(
        {**STANDARD, "nodePools": {"a": {"machineType": "n2-custom-8-65536"}}},
        {"resources": {"memory": {"request": "40Gi", "limit": "40Gi"}}},
    )
    assert settings


@pytest.mark.parametrize(
    ("cluster", "parts"),
    [
        ({**STANDARD, "nodePools": {"a": {"spot": True}}}, ["all Spot", "without spot: true"]),
        ({**STANDARD, "nodePools": {"a": {"minNodes": 9, "maxNodes": 3}}}, ["9 and 3"]),
        ({**STANDARD, "nodePools": {"a": {"spotNotice": "2m"}}}, ["not Spot"]),
        ({**STANDARD, "nodePools": {"a": {"upgrade": {"maxSurge": 0}}}}, ["maxSurge: 1"]),
        ({**STANDARD, "maintenance": {"days": ["SU"]}}, ["48 hours", "24 hours", "duration: 12h"]),
        (
            {**STANDARD, "controlPlane": {"authorizedNetworks": [{"name": "all", "cidr": "0.0.0.0/0"}]}},
            ["whole internet"],
        ),
        (
            {
                **STANDARD,
                "maintenance": {
                    "exclusions": [{"name": "a", "start": "2026-12-02T00:00:00Z", "end": "2026-12-01T00:00:00Z"}]
                },
            },
            ["no span of time"],
        ),
        (
            {
                **STANDARD,
                "maintenance": {
                    "exclusions": [{"name": "a", "start": "2026-11-01T00:00:00Z", "end": "2026-12-15T00:00:00Z"}]
                },
            },
            ["30 days", "44 days", "NO_MINOR_OR_NODE_UPGRADES"],
        ),
        ({**STANDARD, "network": {"natMinPorts": 100}}, ["power of two", "write 128"]),
        ({"kind": "existing", "context": "a", "dnsEndpoint": "gke-1.europe-west1.gke.goog"}, ["both context"]),
    ],
)
def test_a_cluster_that_google_would_refuse_is_refused_with_a_remedy(cluster, parts):
    with pytest.raises(ValidationError) as caught:
        stack(cluster)
    text = " ".join(f"{error['msg']} {error['ctx']['remedy']}" for error in caught.value.errors())
    assert all(part in text for part in parts), text


@pytest.mark.parametrize(
    ("version", "rules"), [("1.24", {"K-02"}), ("1.25", set()), ("1.37", set()), ("1.38", {"K-02"}), ("1.99", {"K-02"})]
)
def test_a_version_that_the_rules_do_not_know_is_said(version, rules):
    found = run_rules(rules_on(StackSettings), stack({**STANDARD, "kubernetesVersion": version}))
    assert {finding.rule for finding in found if finding.path == ("cluster", "kubernetesVersion")} == rules


def test_a_stack_without_consumers_must_at_least_make_something():
    (finding,) = refused(EXISTING, consumers={})
    assert finding.rule == "K-01"
    assert stack(STANDARD, consumers={})
    assert stack(EXISTING, consumers={}, imageRepository={})


def test_a_cluster_that_is_made_here_has_keda_where_a_consumer_scales_by_it():
    transport = {"kind": "redis", "redeliverTimeout": "90s", "address": "redis.brokers:6379", "stream": "events"}
    by_keda = {"autoscaling": {"kind": "keda", "minReplicas": 1, "maxReplicas": 5}, "transport": transport}
    findings = [one for one in refused(STANDARD, by_keda) if one.rule == "KE-43"]
    assert [one.path for one in findings] == [("consumers", "events", "autoscaling", "kind")]
    assert stack({**STANDARD, "keda": "existing"}, by_keda)
    assert stack(EXISTING, by_keda), "nobody knows what a cluster of others has"


@pytest.mark.parametrize(
    ("key", "value", "remedy"),
    [
        ("cloud.google.com/gke-spot", "true", "write placement.spot: true instead"),
        ("cloud.google.com/gke-preemptible", "true", "write placement.spot: true instead"),
        ("cloud.google.com/gke-provisioning", "spot", "write placement.spot: true instead"),
        ("karpenter.sh/capacity-type", "spot", "name other nodes"),
    ],
)
def test_nodes_that_are_taken_back_are_not_passed_over_for_the_label_that_names_them(key, value, remedy):
    def of(selector: dict[str, str]) -> list[Finding]:
        found = run_rules(rules_on(StackSettings), stack(EXISTING, {"placement": {"nodeSelector": selector}}))
        return [finding for finding in found if finding.rule == "V-08c"]

    (finding,) = of({key: value})
    assert finding.path[-3:] == ("placement", "nodeSelector", key)
    assert finding.remedy.startswith(remedy)
    assert of({key: "standard"}) == []
