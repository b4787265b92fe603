"""Stacks that between them switch every setting of the cluster on."""

from __future__ import annotations

from typing import Any

from ebbtide.settings.models.stack import StackSettings

CONSUMER: dict[str, Any] = {
    "image": "europe-west1-docker.pkg.dev/acme-shop/consumers/githubevents:1.0.0",
    "worker": {"kind": "symfonyMessenger", "receivers": ["githubevents"], "processes": 8},
    "shutdown": {"longestMessage": "20s"},
    "autoscaling": {"kind": "fixed", "replicas": 2},
}
REDIS = {**CONSUMER, "transport": {"kind": "redis", "redeliverTimeout": "60s", "claimInterval": "15s"}}
TABLE = {**CONSUMER, "transport": {"kind": "doctrine", "redeliverTimeout": "60s"}}
GOOGLE = {"project": "acme-shop", "region": "europe-west1"}
KEY = "projects/acme-shop/locations/europe-west1/keyRings/gke/cryptoKeys/secrets"
EVERYTHING: dict[str, Any] = {
    "name": "shop-7",
    "releaseChannel": "REGULAR",
    "kubernetesVersion": "1.35",
    "network": {"addresses": "10.0.0.0/11", "maxNodes": 500, "maxPodsPerNode": 110, "natMinPorts": 1024},
    "controlPlane": {
        "dnsEndpoint": "insideGoogleCloud",
        "authorizedNetworks": [{"name": "office", "cidr": "203.0.113.0/24"}],
    },
    "maintenance": {
        "start": "22:30",
        "duration": "12h",
        "days": ["SA", "SU"],
        "exclusions": [{"name": "black-friday", "start": "2026-11-26T00:00:00Z", "end": "2026-12-02T00:00:00+01:00"}],
    },
    "observability": {"workloadLogs": False, "managedPrometheus": False, "datapathMetrics": True},
    "secretEncryptionKey": KEY,
    "secretRotation": "2m",
    "groupsDomain": "acme.example",
    "binaryAuthorization": True,
    "securityPosture": False,
    "costAllocation": False,
    "hpaProfile": "NONE",
    "upgradeTopic": "projects/acme-shop/topics/upgrades",
    "labels": {"team": "shop"},
}
STANDARD_ONLY: dict[str, Any] = {
    "zones": ["europe-west1-b", "europe-west1-c"],
    "nodeScaleDown": "OPTIMIZE_UTILIZATION",
    "nodePools": {
        "consumers": {"diskEncryptionKey": KEY, "labels": {"tier": "queue"}, "minNodes": 0},
        "cheap": {
            "spot": True,
            "spotNotice": "2m",
            "taints": [{"key": "acme.example/batch", "value": "yes", "effect": "PreferNoSchedule"}],
            "upgrade": {"maxSurge": 3, "podGrace": "30m"},
        },
    },
}


def stack(cluster: dict[str, Any], **more: Any) -> StackSettings:
    """A stack with this cluster and one consumer."""
    values = {
        "name": "shop",
        "google": GOOGLE,
        "cluster": cluster,
        "imageRepository": {"name": "consumers"},
        "consumers": {"githubevents": CONSUMER},
        **more,
    }
    return StackSettings.model_validate(values)


STACKS = {
    "standard": stack({"kind": "gkeStandard"}),
    "standard, everything": stack({"kind": "gkeStandard", **EVERYTHING, **STANDARD_ONLY}, protect=True),
    "autopilot": stack({"kind": "gkeAutopilot"}),
    "autopilot, everything": stack({"kind": "gkeAutopilot", **EVERYTHING, "diskEncryptionKey": KEY}, protect=True),
    "existing": stack({"kind": "existing", "platform": "gkeStandard", "dnsEndpoint": "gke-1.europe-west1.gke.goog"}),
    "watched by Google": stack(
        {"kind": "gkeStandard"},
        observability={
            "kind": "managedPrometheus",
            "rules": True,
            "notificationChannels": ["projects/acme-shop/notificationChannels/123"],
        },
    ),
    "watched by Prometheus": stack({"kind": "existing"}, observability={"kind": "prometheusOperator"}),
    "valkey": stack({"kind": "gkeStandard"}, broker={"kind": "memorystoreValkey"}, consumers={"githubevents": REDIS}),
    "valkey, everything": stack(
        {"kind": "gkeAutopilot"},
        broker={
            "kind": "memorystoreValkey",
            "name": "queues",
            "nodeType": "HIGHMEM_MEDIUM",
            "version": "VALKEY_9_0",
            "replicas": 2,
            "persistence": "RDB",
            "snapshotPeriod": "SIX_HOURS",
            "engineConfigs": {"maxclients": "20000"},
            "tls": True,
            "backupsKeptDays": 7,
            "encryptionKey": KEY,
            "maintenance": {"day": "SU", "hour": 4},
            "secret": {"name": "queues", "version": 3},
            "protect": False,
        },
        consumers={"githubevents": REDIS},
    ),
    "cloud sql": stack({"kind": "gkeStandard"}, broker={"kind": "cloudSqlPostgres"}, consumers={"githubevents": TABLE}),
    "cloud sql, everything": stack(
        {"kind": "existing", "platform": "gkeStandard"},
        broker={
            "kind": "cloudSqlPostgres",
            "network": {"network": "projects/acme-shop/global/networks/queues", "addresses": "10.9.0.0/28"},
            "version": "POSTGRES_16",
            "edition": "ENTERPRISE_PLUS",
            "tier": "db-perf-optimized-N-2",
            "availability": "ZONAL",
            "pointInTimeDays": 14,
            "maxConnections": 900,
            "flags": {"idle_in_transaction_session_timeout": "60000"},
            "encryptionKey": KEY,
            "protect": False,
        },
        consumers={"githubevents": TABLE},
    ),
    "scaled by KEDA": stack(
        {"kind": "gkeStandard", "keda": {"googleServiceAccount": "keda-operator@acme-shop.iam.gserviceaccount.com"}},
        consumers={
            "githubevents": {
                **CONSUMER,
                "autoscaling": {"kind": "keda", "maxReplicas": 5},
                "transport": {
                    "kind": "redis",
                    "redeliverTimeout": "60s",
                    "address": "10.20.0.7:6379",
                    "stream": "githubevents",
                    "password": {"secret": "broker-v1", "key": "password"},
                },
            }
        },
    ),
    "identities": stack(
        {"kind": "gkeStandard"},
        imageRepository=None,
        consumers={
            "githubevents": {
                **CONSUMER,
                "serviceAccount": {
                    "googleRoles": ["roles/pubsub.subscriber", "projects/acme-shop/roles/invoices"],
                    "googleServiceAccount": "events@acme-shop.iam.gserviceaccount.com",
                },
            }
        },
    ),
}
