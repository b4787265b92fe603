"""Memorystore for Valkey."""

from __future__ import annotations

from typing import Any

from ebbtide.manifests.google import names
from ebbtide.manifests.google.broker import MadeResources, Place, build_broker_resources
from ebbtide.manifests.resource import Join, Ref, Resource
from ebbtide.settings.models.broker import ADDRESS, CA, DSN, BrokerMaintenance
from ebbtide.settings.models.brokered import broker_name, is_protected, maintenance_of
from ebbtide.settings.models.memorystore import VALKEY_PORT, MemorystoreValkey
from ebbtide.settings.models.stack import StackSettings

# The class of services that may put endpoints into the network (Google's name).
SERVICE_CLASS = "gcp-memorystore"
# Without it Memorystore makes two connections, to the primary and to its copies; consumers need the one that writes.
PRIMARY_ADDRESS = (
    "endpoints.0.connections[pscAutoConnection/connectionType=CONNECTION_TYPE_PRIMARY].pscAutoConnection.ipAddress"
)
AUTHORITY = "managedServerCas.0.caCerts.0.certificates.-1"
_DAYS = {
    "MO": "MONDAY", "TU": "TUESDAY", "WE": "WEDNESDAY", "TH": "THURSDAY", "FR": "FRIDAY", "SA": "SATURDAY",
    "SU": "SUNDAY",
}  # fmt: skip


@build_broker_resources.register
def _valkey(broker: MemorystoreValkey, stack: StackSettings, name: str, parent: str, place: Place) -> MadeResources:
    policies = () if place.subnetwork is None else (_policy(name, place, place.subnetwork),)
    instance = Resource(
        token=names.VALKEY_INSTANCE,
        name=f"{name}-instance",
        parent=parent,
        protect=is_protected(stack, broker),
        # Two of one name cannot be: whoever replaces it loses what is in it, which P-60 says.
        delete_before_replace=True,
        secret_outputs=names.LABEL_OUTPUTS,
        properties=_properties(broker, stack, place),
    ).after(*(policy.key for policy in policies))  # without the policy the creation fails
    scheme = "rediss" if broker.tls else "redis"
    host = instance.ref(PRIMARY_ADDRESS)
    values: dict[str, Ref | Join] = {
        DSN: Join((f"{scheme}://", host, f":{VALKEY_PORT}")),
        ADDRESS: Join((host, f":{VALKEY_PORT}")),
    }
    if broker.tls:
        values[CA] = instance.ref(AUTHORITY)
    return MadeResources((*policies, instance), instance, values)


def _policy(name: str, place: Place, subnetwork: Resource) -> Resource:
    """What lets Memorystore put endpoints into the subnet. A network has one in a region, whoever makes it."""
    within = subnetwork.properties
    return Resource(
        token=names.SERVICE_CONNECTION_POLICY,
        name=f"{name}-connection-policy",
        parent=subnetwork.parent,
        delete_before_replace=True,
        secret_outputs=names.LABEL_OUTPUTS,
        properties={
            "name": within["name"],
            "project": within["project"],
            "location": within["region"],
            "network": place.network,
            "serviceClass": SERVICE_CLASS,
            "pscConfig": {"subnetworks": [subnetwork.ref("id")]},
        },
    )


def replicas(broker: MemorystoreValkey, stack: StackSettings) -> int:
    """How many copies it has: as it is written, or one where it is protected."""
    return int(is_protected(stack, broker)) if broker.replicas is None else broker.replicas


def _properties(broker: MemorystoreValkey, stack: StackSettings, place: Place) -> dict[str, Any]:
    google = names.google(stack)
    properties: dict[str, Any] = {
        "instanceId": broker_name(stack, broker),
        "project": google.project,
        "location": google.region,
        # What Symfony and KEDA's plain triggers speak to: one node that writes, no redirections.
        "mode": "CLUSTER_DISABLED",
        "shardCount": 1,
        "nodeType": broker.node_type,
        "replicaCount": replicas(broker, stack),
        "engineVersion": broker.version,
        "engineConfigs": broker.configs,
        # Tokens of IAM live for an hour: neither a DSN nor KEDA can refresh them.
        "authorizationMode": "AUTH_DISABLED",
        "transitEncryptionMode": "SERVER_AUTHENTICATION" if broker.tls else "TRANSIT_ENCRYPTION_DISABLED",
        "persistenceConfig": _persistence(broker),
        "desiredAutoCreatedEndpoints": [{"network": place.network, "projectId": google.project}],
        "deletionProtectionEnabled": is_protected(stack, broker),
        "maintenancePolicy": _maintenance(maintenance_of(stack, broker)),
        "labels": {"managed-by": "ebbtide", "stack": stack.name},
    }
    if broker.encryption_key:
        properties["kmsKey"] = broker.encryption_key
    if broker.backups_kept_days is not None:
        properties["automatedBackupConfig"] = {
            "retention": f"{broker.backups_kept_days * 24 * 3600}s",
            "fixedFrequencySchedule": {"startTime": {"hours": maintenance_of(stack, broker).hour}},
        }
    return properties


def _persistence(broker: MemorystoreValkey) -> dict[str, Any]:
    further: dict[str, dict[str, Any]] = {
        "AOF": {"aofConfig": {"appendFsync": broker.append_fsync or "ALWAYS"}},
        "RDB": {"rdbConfig": {"rdbSnapshotPeriod": broker.snapshot_period or "ONE_HOUR"}},
        "DISABLED": {},
    }
    return {"mode": broker.persistence, **further[broker.persistence]}


def _maintenance(window: BrokerMaintenance) -> dict[str, Any]:
    start = {"hours": window.hour, "minutes": 0, "seconds": 0, "nanos": 0}
    return {"weeklyMaintenanceWindows": [{"day": _DAYS[window.day], "startTime": start}]}
