"""Node pools of a GKE Standard cluster."""

from __future__ import annotations

from typing import Any

from ebbtide.kubernetes.spot import SPOT_CRITICAL_PODS_SECONDS, SPOT_DEFAULT_NOTICE_SECONDS, SPOT_KEY
from ebbtide.manifests.google import names
from ebbtide.manifests.resource import Ref, Resource, Timeouts
from ebbtide.settings.models.cluster import GkeStandard
from ebbtide.settings.models.node_choice import NODE_POOL_LABEL
from ebbtide.settings.models.node_pool import NodePoolSettings
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.values.names import shorten

# Pulumi adds a hyphen and seven characters to a name of its own; GKE allows 40.
NAME_MAX_LENGTH = 32
# The provider's own default for making, changing or deleting a pool, which counts no drain.
WITHOUT_DRAIN_SECONDS = 1800


def build_node_pools(stack: StackSettings, name: str, cluster: Resource, account: Resource) -> tuple[Resource, ...]:
    """A pool for each of the settings; none for a cluster whose nodes Google runs."""
    settings = names.gke_cluster(stack)
    if not isinstance(settings, GkeStandard):
        return ()
    return tuple(
        _node_pool(stack, settings, shorten(f"{name}-{pool}-node-pool", NAME_MAX_LENGTH), pool, cluster, account)
        for pool in settings.node_pools
    )


def _node_pool(  # noqa: PLR0913, PLR0917 - each names another resource
    stack: StackSettings, settings: GkeStandard, name: str, pool_name: str, cluster: Resource, account: Resource
) -> Resource:
    pool = settings.node_pools[pool_name]
    longest = WITHOUT_DRAIN_SECONDS + pool.upgrade.pod_grace + pool.upgrade.disruption_budget_timeout
    properties = {
        "cluster": cluster.ref("name"),
        "project": names.google(stack).project,
        "location": names.google(stack).region,
        # Where a pool starts; the autoscaler goes on from there. Counted for each zone.
        "initialNodeCount": 1 if pool.min_nodes else 0,
        "ignoreNodeCountChanges": True,
        "maxPodsPerNode": settings.network.max_pods_per_node,
        "autoscaling": {
            "totalMinNodeCount": pool.min_nodes,
            "totalMaxNodeCount": pool.max_nodes,
            "locationPolicy": "ANY" if pool.spot else "BALANCED",
        },
        "management": {"autoRepair": True, "autoUpgrade": True},
        "upgradeSettings": {
            "strategy": "SURGE",
            "maxSurge": pool.upgrade.max_surge,
            "maxUnavailable": pool.upgrade.max_unavailable,
        },
        "nodeDrainConfigs": [
            {
                "graceTerminationDuration": f"{pool.upgrade.pod_grace}s",
                "pdbTimeoutDuration": f"{pool.upgrade.disruption_budget_timeout}s",
                "respectPdbDuringNodePoolDeletion": True,
            }
        ],
        "networkConfig": {"enablePrivateNodes": True},
        "nodeConfig": _node_config(pool, pool_name, account.ref("email")),
    }
    if settings.zones:
        properties["nodeLocations"] = list(settings.zones)
    return Resource(
        token=names.NODE_POOL,
        name=name,
        parent=cluster.parent,
        protect=stack.protect,
        # No physical name: a pool that must be replaced is made beside the old one, which then drains.
        properties=properties,
        ignore_changes=("initialNodeCount",),
        timeouts=Timeouts(update_seconds=longest, delete_seconds=longest),
    )


def _node_config(pool: NodePoolSettings, pool_name: str, service_account: Ref) -> dict[str, Any]:
    config: dict[str, Any] = {
        "machineType": pool.machine_type,
        "imageType": "COS_CONTAINERD",
        "diskSizeGb": pool.disk_size_gigabytes,
        "diskType": pool.disk_type,
        "serviceAccount": service_account,
        # Access is decided by the roles of the service account; scopes only hide that.
        "oauthScopes": ["https://www.googleapis.com/auth/cloud-platform"],
        "metadata": {"disable-legacy-endpoints": "true"},
        "shieldedInstanceConfig": {"enableSecureBoot": True, "enableIntegrityMonitoring": True},
        "workloadMetadataConfig": {"mode": "GKE_METADATA"},
        "gvnic": {"enabled": True},
        "kubeletConfig": _kubelet_config(pool),
        "linuxNodeConfig": {"cgroupMode": "CGROUP_MODE_V2"},
        "labels": {NODE_POOL_LABEL: pool_name, **pool.labels},
        "taints": [
            {"key": taint.key, "value": taint.value, "effect": _TAINT_EFFECTS[taint.effect]} for taint in pool.taints
        ],
        "spot": pool.spot,
    }
    if pool.spot:
        # GKE labels Spot nodes itself, but taints them only where it makes the pool.
        config["taints"].insert(0, {"key": SPOT_KEY, "value": "true", "effect": "NO_SCHEDULE"})
    if pool.disk_encryption_key:
        config["bootDiskKmsKey"] = pool.disk_encryption_key
    return config


_TAINT_EFFECTS = {
    "NoSchedule": "NO_SCHEDULE",
    "PreferNoSchedule": "PREFER_NO_SCHEDULE",
    "NoExecute": "NO_EXECUTE",
}


def _kubelet_config(pool: NodePoolSettings) -> dict[str, Any]:
    config: dict[str, Any] = {
        "insecureKubeletReadonlyPortEnabled": "FALSE",
        "podPidsLimit": pool.pod_process_limit,
        "singleProcessOomKill": pool.kill_single_process,
    }
    if pool.spot_notice > SPOT_DEFAULT_NOTICE_SECONDS:
        # Only Spot pools may set these (V-08), and the settings give no other pool a notice.
        config["shutdownGracePeriodSeconds"] = pool.spot_notice
        config["shutdownGracePeriodCriticalPodsSeconds"] = SPOT_CRITICAL_PODS_SECONDS
    return config
