"""Cloud SQL for PostgreSQL, reached by an address of the cluster's own network (Private Service Connect)."""

from __future__ import annotations

from ipaddress import IPv4Network
from typing import Any

from ebbtide.judgement.findings import refused
from ebbtide.manifests.google import names
from ebbtide.manifests.google.broker import MadeResources, Place, build_broker_resources
from ebbtide.manifests.resource import Join, Ref, Resource, Secret
from ebbtide.settings.models.broker import ADDRESS, DSN, MAX_CONNECTIONS, PASSWORD
from ebbtide.settings.models.brokered import broker_name, is_protected, maintenance_of
from ebbtide.settings.models.cloud_sql import POSTGRESQL_PORT, CloudSqlPostgres
from ebbtide.settings.models.stack import StackSettings

PASSWORD_LENGTH = 32
FINAL_BACKUP_DAYS = 30
_DAYS = {"MO": 1, "TU": 2, "WE": 3, "TH": 4, "FR": 5, "SA": 6, "SU": 7}


def endpoint_address(addresses: str) -> str:
    """The fifth address of the range; Google keeps the first two and the last two."""
    return str(IPv4Network(addresses)[4])


@build_broker_resources.register
def _cloud_sql(broker: CloudSqlPostgres, stack: StackSettings, name: str, parent: str, place: Place) -> MadeResources:
    password = Resource(
        token=names.RANDOM_PASSWORD,
        name=f"{name}-password",
        parent=parent,
        secret_outputs=("bcryptHash", "result"),
        # Letters and digits only: it is written into an address.
        properties={
            "length": PASSWORD_LENGTH,
            "special": False,
            "keepers": {"version": str(broker.secret.version)},
        },
    )
    instance = _instance(broker, stack, name, parent)
    if place.subnetwork is None:  # BR-45 refuses it earlier
        raise refused("wiring", "names no subnet of its own", "leave connectionPolicy out", ("broker", "network"))
    host = _host(place.subnetwork)
    login = (f"postgresql://{broker.user}:", password.ref("result"))
    values: dict[str, Ref | Join] = {
        DSN: Join((*login, f"@{host}:{POSTGRESQL_PORT}/{broker.database}?sslmode=require")),
        ADDRESS: Join((f"{host}:{POSTGRESQL_PORT}",)),
        PASSWORD: password.ref("result"),
    }
    database = _database(broker, name, instance, password)
    endpoint = _endpoint(name, instance, place.network, place.subnetwork)
    return MadeResources((password, instance, *database, *endpoint), instance, values)


def _host(subnetwork: Resource) -> str:
    return endpoint_address(subnetwork.properties["ipCidrRange"])


def _instance(broker: CloudSqlPostgres, stack: StackSettings, name: str, parent: str) -> Resource:
    google = names.google(stack)
    return Resource(
        token=names.DATABASE_INSTANCE,
        name=f"{name}-instance",
        parent=parent,
        protect=is_protected(stack, broker),
        # Two of one name cannot be. A deleted one's name is free at once (Cloud SQL, "Delete instances", 2025; until
        # then it took a week, as the provider's documents still say).
        delete_before_replace=True,
        properties={
            "name": broker_name(stack, broker),
            "project": google.project,
            "region": google.region,
            "databaseVersion": broker.version,
            "deletionProtection": is_protected(stack, broker),
            "settings": _settings(broker, stack),
            **({"encryptionKeyName": broker.encryption_key} if broker.encryption_key else {}),
        },
        # It grows by itself; to want the number it began with would be to shrink it, which replaces it.
        ignore_changes=("settings.diskSize",),
        secret_outputs=("replicaConfiguration", "rootPassword", "rootPasswordWo", "serverCaCerts"),
    )


def _database(broker: CloudSqlPostgres, name: str, instance: Resource, password: Resource) -> tuple[Resource, Resource]:
    """The database and who owns it."""
    where = {"project": instance.properties["project"], "instance": instance.ref("name")}
    database = Resource(
        token=names.DATABASE,
        name=f"{name}-database",
        parent=instance.parent,
        protect=instance.protect,
        delete_before_replace=True,
        properties={"name": broker.database, **where},
    )
    user = Resource(
        token=names.DATABASE_USER,
        name=f"{name}-user",
        parent=instance.parent,
        delete_before_replace=True,
        secret_outputs=("password", "passwordWo"),
        properties={
            "name": broker.user,
            **where,
            "password": Secret(password.ref("result")),
            # It owns the tables, so PostgreSQL would not drop it; it goes with the instance.
            "deletionPolicy": "ABANDON",
        },
    )
    return database, user


def _endpoint(name: str, instance: Resource, network: str | Ref, subnetwork: Resource) -> tuple[Resource, Resource]:
    """An address of the cluster's own network, and what leads from it to the instance."""
    called = {key: instance.properties[key] for key in ("name", "project", "region")}
    address = Resource(
        token=names.ADDRESS,
        name=f"{name}-address",
        parent=instance.parent,
        delete_before_replace=True,
        secret_outputs=names.LABEL_OUTPUTS,
        properties={
            **called,
            "addressType": "INTERNAL",
            "subnetwork": subnetwork.ref("id"),
            "address": _host(subnetwork),
        },
    )
    endpoint = Resource(
        token=names.FORWARDING_RULE,
        name=f"{name}-endpoint",
        parent=instance.parent,
        delete_before_replace=True,
        secret_outputs=names.LABEL_OUTPUTS,
        properties={
            **called,
            "network": network,
            "ipAddress": address.ref("id"),
            "target": instance.ref("pscServiceAttachmentLink"),
            # What an endpoint of Private Service Connect has, and no load balancer.
            "loadBalancingScheme": "",
        },
    )
    return address, endpoint


def availability(broker: CloudSqlPostgres, stack: StackSettings) -> str:
    """As it is written, or with a copy in another zone where it is protected."""
    return broker.availability or ("REGIONAL" if is_protected(stack, broker) else "ZONAL")


def _settings(broker: CloudSqlPostgres, stack: StackSettings) -> dict[str, Any]:
    window, protected = maintenance_of(stack, broker), is_protected(stack, broker)
    flags = {MAX_CONNECTIONS: str(broker.stated_connections), **broker.flags}
    return {
        "tier": broker.tier,
        "edition": broker.edition,
        "availabilityType": availability(broker, stack),
        "diskType": "PD_SSD",
        "diskSize": broker.disk_size_gigabytes,
        "diskAutoresize": True,
        # The provider's own protection is `deletionProtection`; this one is Google's.
        "deletionProtectionEnabled": protected,
        "databaseFlags": [{"name": key, "value": value} for key, value in sorted(flags.items())],
        "ipConfiguration": {
            "ipv4Enabled": False,
            "sslMode": "ENCRYPTED_ONLY",
            "pscConfigs": [{"pscEnabled": True, "allowedConsumerProjects": [names.google(stack).project]}],
        },
        "backupConfiguration": {
            "enabled": True,
            "startTime": f"{(window.hour - 2) % 24:02}:00",
            "pointInTimeRecoveryEnabled": True,
            "transactionLogRetentionDays": broker.point_in_time_days,
            "backupRetentionSettings": {"retainedBackups": broker.backups_kept},
        },
        "finalBackupConfig": {"enabled": protected, **({"retentionDays": FINAL_BACKUP_DAYS} if protected else {})},
        "maintenanceWindow": {"day": _DAYS[window.day], "hour": window.hour, "updateTrack": "stable"},
        "userLabels": {"managed-by": "ebbtide", "stack": stack.name},
    }
