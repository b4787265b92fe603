"""The GKE cluster, Standard or Autopilot, hardened after the CIS benchmark and Google's own advice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from ebbtide.manifests.google import names
from ebbtide.manifests.google.identity import build_node_identity, workload_pool
from ebbtide.manifests.google.network import PODS_RANGE, SERVICES_RANGE, Network, build_network
from ebbtide.manifests.google.node_pool import build_node_pools
from ebbtide.manifests.resource import Component, Ref, Resource
from ebbtide.settings.models.brokered import syncs_secrets
from ebbtide.settings.models.cluster import GkeAutopilot, GkeStandard, MaintenanceSettings
from ebbtide.settings.models.stack import StackSettings

# Any past day: the window recurs from then on. A Monday, so that weekly rules start with a full week.
MAINTENANCE_EPOCH = datetime(2026, 1, 5, tzinfo=UTC)
DNS_ENDPOINT = "controlPlaneEndpointsConfig.dnsEndpointConfig.endpoint"


def build_gke_cluster(stack: StackSettings, name: str = "cluster") -> Component:
    """The component with network, identity, cluster and node pools. Raises SettingsError for an existing cluster."""
    component = Resource(token=names.GKE_CLUSTER, name=name)
    network = build_network(stack, name, component.key)
    identity = build_node_identity(stack, name, component.key)
    # Nodes pull images through NAT with the account's roles: both must be there before the first node.
    ready = tuple(resource.key for resource in (network.nat, identity.node_role, identity.image_reader))
    cluster = _cluster(stack, name, component.key, network, identity.account).after(*ready)
    pools = build_node_pools(stack, name, cluster, identity.account)
    return Component(component, (*network, *identity, cluster, *(pool.after(*ready) for pool in pools)))


def gke_cluster_key(name: str = "cluster") -> str:
    """The key of the cluster itself, within the component of this name."""
    return f"{names.CLUSTER}::{name}-gke"


def _cluster(stack: StackSettings, name: str, parent: str, network: Network, account: Resource) -> Resource:
    settings = names.gke_cluster(stack)
    google = names.google(stack)
    properties = {
        "name": names.cluster_name(stack),
        "project": google.project,
        "location": google.region,
        "description": f"Queue consumers of ebbtide's stack {stack.name}",
        "deletionProtection": stack.protect,
        "minMasterVersion": settings.kubernetes_version,
        "releaseChannel": {"channel": settings.release_channel},
        "resourceLabels": {"managed-by": "ebbtide", "stack": stack.name, **settings.labels},
        **_networking(settings, network),
        **_access(settings),
        **_operations(settings),
    }
    if syncs_secrets(stack):
        # Its Secrets have a version in their names: none is written twice, so nothing needs to be looked for again.
        properties["secretSyncConfig"] = {"enabled": True, "rotationConfig": {"enabled": False}}
    if isinstance(settings, GkeStandard):
        properties |= _standard(settings, workload_pool(stack), account.ref("email"))
    else:
        properties |= _autopilot(settings, account.ref("email"))
    return Resource(
        token=names.CLUSTER,
        name=f"{name}-gke",
        parent=parent,
        protect=stack.protect,
        delete_before_replace=True,
        properties=properties,
        # The default pool only lives until the cluster is up; it must not come back into a diff.
        ignore_changes=("initialNodeCount", "nodeConfig") if isinstance(settings, GkeStandard) else (),
        secret_outputs=tuple(sorted(("masterAuth", *names.LABEL_OUTPUTS))),
    )


def _networking(settings: GkeStandard | GkeAutopilot, network: Network) -> dict[str, Any]:
    return {
        "network": network.network.ref("selfLink"),
        "subnetwork": network.subnetwork.ref("selfLink"),
        "networkingMode": "VPC_NATIVE",
        "ipAllocationPolicy": {
            "clusterSecondaryRangeName": PODS_RANGE,
            "servicesSecondaryRangeName": SERVICES_RANGE,
        },
        "privateClusterConfig": {
            "enablePrivateNodes": True,
            "enablePrivateEndpoint": not settings.control_plane.authorized_networks,
        },
    }


def _access(settings: GkeStandard | GkeAutopilot) -> dict[str, Any]:
    """Who may reach the control plane, and as whom."""
    control_plane = settings.control_plane
    access: dict[str, Any] = {
        "controlPlaneEndpointsConfig": {
            "dnsEndpointConfig": {"allowExternalTraffic": control_plane.dns_endpoint == "everywhere"},
            "ipEndpointsConfig": {"enabled": bool(control_plane.authorized_networks)},
        },
        "masterAuth": {"clientCertificateConfig": {"issueClientCertificate": False}},
        "enableLegacyAbac": False,
        "anonymousAuthenticationConfig": {"mode": "LIMITED"},
        "rbacBindingConfig": {
            "enableInsecureBindingSystemAuthenticated": False,
            "enableInsecureBindingSystemUnauthenticated": False,
        },
        "binaryAuthorization": {
            "evaluationMode": "PROJECT_SINGLETON_POLICY_ENFORCE" if settings.binary_authorization else "DISABLED"
        },
    }
    if control_plane.authorized_networks:
        access["masterAuthorizedNetworksConfig"] = {
            "cidrBlocks": [
                {"cidrBlock": network.cidr, "displayName": network.name}
                for network in control_plane.authorized_networks
            ],
            "gcpPublicCidrsAccessEnabled": False,
            "privateEndpointEnforcementEnabled": True,
        }
    if settings.groups_domain:
        access["authenticatorGroupsConfig"] = {"securityGroup": f"gke-security-groups@{settings.groups_domain}"}
    if settings.secret_encryption_key:
        access["databaseEncryption"] = {"state": "ENCRYPTED", "keyName": settings.secret_encryption_key}
    return access


def _operations(settings: GkeStandard | GkeAutopilot) -> dict[str, Any]:
    """Logs, metrics, cost, upgrades and autoscaling."""
    observability = settings.observability
    operations: dict[str, Any] = {
        "loggingConfig": {
            "enableComponents": ["SYSTEM_COMPONENTS", *(["WORKLOADS"] if observability.workload_logs else [])]
        },
        "monitoringConfig": {
            "enableComponents": ["SYSTEM_COMPONENTS", "HPA", "POD", "DEPLOYMENT", "CADVISOR", "KUBELET"],
            "managedPrometheus": {"enabled": observability.managed_prometheus},
            "advancedDatapathObservabilityConfig": {
                "enableMetrics": observability.datapath_metrics,
                "enableRelay": False,
            },
        },
        "costManagementConfig": {"enabled": settings.cost_allocation},
        "securityPostureConfig": {"mode": "BASIC" if settings.security_posture else "DISABLED"},
        "podAutoscaling": {"hpaProfile": settings.hpa_profile},
        "maintenancePolicy": _maintenance_policy(settings.maintenance),
        "secretManagerConfig": {"enabled": False},
    }
    if settings.secret_rotation is not None:
        operations["secretManagerConfig"] = {
            "enabled": True,
            "rotationConfig": {"enabled": True, "rotationInterval": f"{settings.secret_rotation}s"},
        }
    if settings.upgrade_topic:
        operations["notificationConfig"] = {"pubsub": {"enabled": True, "topic": settings.upgrade_topic}}
    return operations


def _maintenance_policy(settings: MaintenanceSettings) -> dict[str, Any]:
    hours, minutes = map(int, settings.start.split(":"))
    start = MAINTENANCE_EPOCH + timedelta(hours=hours, minutes=minutes)
    every_day = len(set(settings.days)) == 7
    policy: dict[str, Any] = {
        "recurringWindow": {
            "startTime": _utc(start),
            "endTime": _utc(start + timedelta(seconds=settings.duration)),
            "recurrence": "FREQ=DAILY" if every_day else f"FREQ=WEEKLY;BYDAY={','.join(dict.fromkeys(settings.days))}",
        }
    }
    if settings.exclusions:
        policy["maintenanceExclusions"] = [
            {
                "exclusionName": exclusion.name,
                "startTime": _utc(exclusion.start),
                "endTime": _utc(exclusion.end),
                "exclusionOptions": {"scope": exclusion.scope},
            }
            for exclusion in settings.exclusions
        ]
    return policy


def _utc(moment: datetime) -> str:
    """GKE answers in UTC whatever it was given, so anything else would differ in every preview."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _standard(settings: GkeStandard, pool: str, service_account: Ref) -> dict[str, Any]:
    properties: dict[str, Any] = {
        # The pools are resources of their own; GKE wants one to make a cluster, and it is deleted at once.
        "removeDefaultNodePool": True,
        "initialNodeCount": 1,
        "nodeConfig": {
            "serviceAccount": service_account,
            "shieldedInstanceConfig": {"enableSecureBoot": True, "enableIntegrityMonitoring": True},
        },
        "datapathProvider": "ADVANCED_DATAPATH",
        "defaultMaxPodsPerNode": settings.network.max_pods_per_node,
        "enableShieldedNodes": True,
        "enableIntranodeVisibility": True,
        "workloadIdentityConfig": {"workloadPool": pool},
        "nodePoolDefaults": {"nodeConfigDefaults": {"insecureKubeletReadonlyPortEnabled": "FALSE"}},
        "clusterAutoscaling": {"enabled": False, "autoscalingProfile": settings.node_scale_down},
        "addonsConfig": {
            "dnsCacheConfig": {"enabled": True},
            "horizontalPodAutoscaling": {"disabled": False},
            # Consumers serve nothing: no load balancer controller.
            "httpLoadBalancing": {"disabled": True},
        },
    }
    if settings.zones:
        properties["nodeLocations"] = list(settings.zones)
    return properties


def _autopilot(settings: GkeAutopilot, service_account: Ref) -> dict[str, Any]:
    """Autopilot sets Workload Identity, Dataplane V2, shielded nodes and intranode visibility itself, and the
    provider refuses them beside `enableAutopilot`."""
    nodes: dict[str, Any] = {
        "serviceAccount": service_account,
        "oauthScopes": ["https://www.googleapis.com/auth/cloud-platform"],
    }
    if settings.disk_encryption_key:
        nodes["bootDiskKmsKey"] = settings.disk_encryption_key
    return {
        "enableAutopilot": True,
        "clusterAutoscaling": {"autoProvisioningDefaults": nodes},
        "nodePoolAutoConfig": {"nodeKubeletConfig": {"insecureKubeletReadonlyPortEnabled": "FALSE"}},
    }
