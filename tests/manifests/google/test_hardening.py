"""Every row of the hardening table (CIS GKE benchmark, Google's advice) is set, or switched by a setting."""

from __future__ import annotations

from typing import Any

import pytest
from tests.manifests.google.cases import KEY, STACKS
from tests.readable import readable

from ebbtide.manifests.resource import Resource
from ebbtide.manifests.stack import stack_resources

MISSING = object()


def properties(stack: str, name: str) -> dict[str, Any]:
    resources = {resource.name: readable(resource) for resource in stack_resources(STACKS[stack])}
    return dict(resources[name].properties)


def at(values: Any, path: str) -> Any:
    for part in path.split("."):
        if isinstance(values, list):
            values = values[int(part)]
        elif part not in values:
            return MISSING
        else:
            values = values[part]
    return values


# What is set whatever the settings say, on both kinds of cluster.
ALWAYS = [
    ("5.5.4 release channel", "releaseChannel.channel", None),
    ("5.6.2 VPC-native", "networkingMode", "VPC_NATIVE"),
    ("5.6.2 ranges", "ipAllocationPolicy.clusterSecondaryRangeName", "pods"),
    ("5.6.3 no public cloud addresses", "controlPlaneEndpointsConfig.ipEndpointsConfig.enabled", None),
    ("5.6.5 private nodes", "privateClusterConfig.enablePrivateNodes", True),
    ("5.7.1 logs", "loggingConfig.enableComponents", None),
    ("5.7.1 metrics", "monitoringConfig.enableComponents", None),
    ("5.8.1 no client certificate", "masterAuth.clientCertificateConfig.issueClientCertificate", False),
    ("5.8.4 no ABAC", "enableLegacyAbac", False),
    ("5.10 no alpha features", "enableKubernetesAlpha", MISSING),
    ("anonymous access limited", "anonymousAuthenticationConfig.mode", "LIMITED"),
    ("no bindings of everybody", "rbacBindingConfig.enableInsecureBindingSystemAuthenticated", False),
    ("no bindings of anonymous", "rbacBindingConfig.enableInsecureBindingSystemUnauthenticated", False),
]
STANDARD = [
    ("5.2.2 Workload Identity", "workloadIdentityConfig.workloadPool", "acme-shop.svc.id.goog"),
    ("5.5.5 shielded nodes", "enableShieldedNodes", True),
    ("5.6.1 flows inside a node", "enableIntranodeVisibility", True),
    ("5.6.7 NetworkPolicy enforced", "datapathProvider", "ADVANCED_DATAPATH"),
    ("5.6.7 not by Calico", "networkPolicy", MISSING),
    ("kubelet's read-only port", "nodePoolDefaults.nodeConfigDefaults.insecureKubeletReadonlyPortEnabled", "FALSE"),
    ("no default pool", "removeDefaultNodePool", True),
    ("5.2.1 its own identity even so", "nodeConfig.serviceAccount", "${cluster-node-service-account.email}"),
]
NODE = [
    ("5.2.1 no default identity", "nodeConfig.serviceAccount", "${cluster-node-service-account.email}"),
    ("5.2.2 metadata server", "nodeConfig.workloadMetadataConfig.mode", "GKE_METADATA"),
    ("5.5.1 Container-Optimized OS", "nodeConfig.imageType", "COS_CONTAINERD"),
    ("5.5.2 auto-repair", "management.autoRepair", True),
    ("5.5.3 auto-upgrade", "management.autoUpgrade", True),
    ("5.5.6 integrity", "nodeConfig.shieldedInstanceConfig.enableIntegrityMonitoring", True),
    ("5.5.7 secure boot", "nodeConfig.shieldedInstanceConfig.enableSecureBoot", True),
    ("5.6.5 private", "networkConfig.enablePrivateNodes", True),
    ("kubelet's read-only port", "nodeConfig.kubeletConfig.insecureKubeletReadonlyPortEnabled", "FALSE"),
    ("one leaking worker is one kill", "nodeConfig.kubeletConfig.singleProcessOomKill", True),
    ("room for processes", "nodeConfig.kubeletConfig.podPidsLimit", 4096),
    ("drains are given an hour", "nodeDrainConfigs.0.graceTerminationDuration", "3600s"),
    ("budgets hold when a pool goes", "nodeDrainConfigs.0.respectPdbDuringNodePoolDeletion", True),
    ("no capacity lost in upgrades", "upgradeSettings.maxUnavailable", 0),
    ("nodes over all zones", "autoscaling.totalMaxNodeCount", 6),
    ("the autoscaler's count is no drift", "ignoreNodeCountChanges", True),
]


@pytest.mark.parametrize("stack", ["standard", "standard, everything", "autopilot", "autopilot, everything"])
@pytest.mark.parametrize(("why", "path", "wanted"), ALWAYS, ids=[why for why, *_ in ALWAYS])
def test_every_cluster_is_hardened(stack, why, path, wanted):
    found = at(properties(stack, "cluster-gke"), path)
    assert found == wanted if wanted is not None else found is not MISSING, why


@pytest.mark.parametrize("stack", ["standard", "standard, everything"])
@pytest.mark.parametrize(("why", "path", "wanted"), STANDARD, ids=[why for why, *_ in STANDARD])
def test_a_standard_cluster_sets_what_autopilot_has_built_in(stack, why, path, wanted):
    assert at(properties(stack, "cluster-gke"), path) == wanted, why


@pytest.mark.parametrize(("why", "path", "wanted"), NODE, ids=[why for why, *_ in NODE])
def test_every_node_is_hardened(why, path, wanted):
    assert at(properties("standard", "cluster-consumers-node-pool"), path) == wanted, why


# Google's provider refuses these beside enableAutopilot, or Autopilot decides them.
@pytest.mark.parametrize(
    "path",
    [
        "enableShieldedNodes",
        "enableIntranodeVisibility",
        "removeDefaultNodePool",
        "initialNodeCount",
        "defaultMaxPodsPerNode",
        "networkPolicy",
        "workloadIdentityConfig",
        "datapathProvider",
        "nodePoolDefaults",
        "clusterAutoscaling.enabled",
    ],
)
@pytest.mark.parametrize("stack", ["autopilot", "autopilot, everything"])
def test_autopilot_is_not_given_what_it_refuses(stack, path):
    assert at(properties(stack, "cluster-gke"), path) is MISSING


def test_autopilots_nodes_have_their_own_identity_too():
    cluster = properties("autopilot", "cluster-gke")
    path = "clusterAutoscaling.autoProvisioningDefaults.serviceAccount"
    assert at(cluster, path) == "${cluster-node-service-account.email}", "nodes would be the default service account"
    assert at(cluster, "nodePoolAutoConfig.nodeKubeletConfig.insecureKubeletReadonlyPortEnabled") == "FALSE"


def test_autopilots_disks_are_encrypted_with_the_key_that_is_named():
    path = "clusterAutoscaling.autoProvisioningDefaults.bootDiskKmsKey"
    assert at(properties("autopilot", "cluster-gke"), path) is MISSING
    assert at(properties("autopilot, everything", "cluster-gke"), path) == KEY


# setting -> what it switches: by default, and in the stack where everything is switched.
SWITCHES = [
    ("5.3.1 secretEncryptionKey", "databaseEncryption.keyName", MISSING, KEY),
    ("5.8.3 groupsDomain", "authenticatorGroupsConfig.securityGroup", MISSING, "gke-security-groups@acme.example"),
    ("5.10 binaryAuthorization", "binaryAuthorization.evaluationMode", "DISABLED", "PROJECT_SINGLETON_POLICY_ENFORCE"),
    ("secretRotation", "secretManagerConfig.rotationConfig.rotationInterval", MISSING, "120s"),
    ("securityPosture", "securityPostureConfig.mode", "BASIC", "DISABLED"),
    ("costAllocation", "costManagementConfig.enabled", True, False),
    ("hpaProfile", "podAutoscaling.hpaProfile", "PERFORMANCE", "NONE"),
    ("upgradeTopic", "notificationConfig.pubsub.topic", MISSING, "projects/acme-shop/topics/upgrades"),
    ("workloadLogs", "loggingConfig.enableComponents", ["SYSTEM_COMPONENTS", "WORKLOADS"], ["SYSTEM_COMPONENTS"]),
    ("managedPrometheus", "monitoringConfig.managedPrometheus.enabled", True, False),
    ("datapathMetrics", "monitoringConfig.advancedDatapathObservabilityConfig.enableMetrics", False, True),
    ("protect", "deletionProtection", False, True),
    ("releaseChannel", "releaseChannel.channel", "STABLE", "REGULAR"),
    ("kubernetesVersion", "minMasterVersion", "1.34", "1.35"),
    ("dnsEndpoint", "controlPlaneEndpointsConfig.dnsEndpointConfig.allowExternalTraffic", True, False),
    ("authorizedNetworks", "controlPlaneEndpointsConfig.ipEndpointsConfig.enabled", False, True),
    ("authorizedNetworks", "masterAuthorizedNetworksConfig.cidrBlocks.0.cidrBlock", MISSING, "203.0.113.0/24"),
    ("authorizedNetworks", "masterAuthorizedNetworksConfig.gcpPublicCidrsAccessEnabled", MISSING, False),
    ("name", "name", "ebbtide-shop", "shop-7"),
    ("labels", "resourceLabels.team", MISSING, "shop"),
    ("maintenance", "maintenancePolicy.recurringWindow.startTime", "2026-01-05T02:00:00Z", "2026-01-05T22:30:00Z"),
    ("maintenance", "maintenancePolicy.recurringWindow.endTime", "2026-01-05T08:00:00Z", "2026-01-06T10:30:00Z"),
    (
        "maintenance",
        "maintenancePolicy.recurringWindow.recurrence",
        "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH",
        "FREQ=WEEKLY;BYDAY=SA,SU",
    ),
    ("exclusions", "maintenancePolicy.maintenanceExclusions.0.endTime", MISSING, "2026-12-01T23:00:00Z"),
]


@pytest.mark.parametrize("kind", ["standard", "autopilot"])
@pytest.mark.parametrize(("setting", "path", "default", "switched"), SWITCHES, ids=[f"{s[0]} {s[1]}" for s in SWITCHES])
def test_a_setting_switches_what_it_says(kind, setting, path, default, switched):
    assert at(properties(kind, "cluster-gke"), path) == default
    assert at(properties(f"{kind}, everything", "cluster-gke"), path) == switched


def test_only_spot_nodes_have_a_taint_and_a_longer_notice():
    spot = properties("standard, everything", "cluster-cheap-node-pool")["nodeConfig"]
    assert spot["taints"][0] == {"key": "cloud.google.com/gke-spot", "value": "true", "effect": "NO_SCHEDULE"}
    assert spot["taints"][1]["effect"] == "PREFER_NO_SCHEDULE"
    assert spot["kubeletConfig"]["shutdownGracePeriodSeconds"] == 120
    assert spot["kubeletConfig"]["shutdownGracePeriodCriticalPodsSeconds"] == 15
    other = properties("standard, everything", "cluster-consumers-node-pool")["nodeConfig"]
    assert other["taints"] == []
    assert "shutdownGracePeriodSeconds" not in other["kubeletConfig"], "GKE refuses it on pools that are not Spot"
    assert other["bootDiskKmsKey"] == KEY


def test_nodes_may_read_the_stacks_own_repository_and_no_other():
    reader = properties("standard", "cluster-image-reader")
    assert (reader["repository"], reader["role"]) == ("consumers", "roles/artifactregistry.reader")
    everywhere = properties("identities", "cluster-image-reader")
    assert "repository" not in everywhere


def test_nodes_have_no_other_role():
    members: list[Resource] = [r for r in stack_resources(STACKS["standard"]) if r.name.startswith("cluster-node-role")]
    assert [member.properties["role"] for member in members] == ["roles/container.defaultNodeServiceAccount"]


def test_nodes_come_when_they_can_reach_their_images():
    pool = next(r for r in stack_resources(STACKS["standard"]) if r.name == "cluster-consumers-node-pool")
    names = {key.rpartition("::")[2] for key in pool.depends_on}
    assert names == {"cluster-nat", "cluster-node-role", "cluster-image-reader"}
