"""What the API server or Google would refuse, or silently change, is refused before anything is deployed."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tests.settings.conftest import CONSUMER

from ebbtide.settings.models.stack import StackSettings

GOOGLE = {"project": "acme-dev", "region": "europe-west1"}


def stack(consumer: dict[str, Any] | None = None, cluster: dict[str, Any] | None = None) -> StackSettings:
    return StackSettings.model_validate(
        {
            "name": "dev",
            "google": GOOGLE,
            "cluster": cluster or {"kind": "existing"},
            "consumers": {"githubevents": {**CONSUMER, **(consumer or {})}},
        }
    )


def scaled(metric: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"autoscaling": {"kind": "hpa", "maxReplicas": 5, "metrics": [metric], **more}}


EXTERNAL = {"kind": "external", "metric": "backlog", "targetAverageValue": 30}
OBJECT = {"kind": "object", "metric": "backlog", "targetValue": 30}
QUEUE = {"apiVersion": "v1", "kind": "Queue", "name": "mail"}
STANDARD = {"kind": "gkeStandard"}
KEY = "projects/acme/locations/europe-west1/keyRings/gke/cryptoKeys/disks"
OTHER_KEY = KEY.replace("europe-west1", "us-east4")

REFUSED_CONSUMERS = {
    "a metric with a slash": scaled({**EXTERNAL, "metric": "queue/backlog"}),
    "a metric with a per cent sign": scaled({**EXTERNAL, "metric": "queue%2Fbacklog"}),
    "an object with a slash": scaled({**OBJECT, "describedObject": {**QUEUE, "name": "a/b"}}),
    "an object of an API version with two slashes": scaled(
        {**OBJECT, "describedObject": {**QUEUE, "apiVersion": "networking.k8s.io/v1/beta"}}
    ),
    "an object of an API version that ends in a slash": scaled(
        {**OBJECT, "describedObject": {**QUEUE, "apiVersion": "networking.k8s.io/"}}
    ),
    "a CSI driver's name of 64 letters": {"pod": {"volumes": [{"path": "/data", "csi": {"driver": "a" * 64}}]}},
    "a CSI driver's name with an underscore": {"pod": {"volumes": [{"path": "/data", "csi": {"driver": "gcs_fuse"}}]}},
    "a policy of 2^31 pods": scaled(
        EXTERNAL, behavior={"scaleUp": {"policies": [{"kind": "pods", "value": 2**31, "period": "15s"}]}}
    ),
    "a key of a Secret that is a dot": {"secretEnvironment": {"DSN": {"secret": "broker", "key": "."}}},
    "a key of a Secret that begins with two": {"secretEnvironment": {"DSN": {"secret": "broker", "key": "..dsn"}}},
    "annotations over 256 KiB": {"annotations": {"acme.com/notes": "x" * 262_145}},
    "an image with capitals in its path": {"image": "registry.example/Acme/mail:1"},
    "an image with two slashes": {"image": "registry.example/a//b:1"},
    "one host name for all pods": {"environment": {"HOSTNAME": "mail"}},
    "one host name for all pods from a Secret": {"secretEnvironment": {"HOSTNAME": {"secret": "a", "key": "b"}}},
    "a volume over the system": {"writableDirectories": ["/usr"]},
    "a volume over its libraries": {"writableDirectories": ["/usr/lib/php"]},
    "a volume over the application": {"writableDirectories": ["/app"]},
    "a volume over what the application is in": {
        "writableDirectories": ["/srv"],
        "worker": {"kind": "command", "command": ["a"], "workingDirectory": "/srv/app"},
    },
    "a character that YAML cannot hold": {"environment": {"GREETING": "a\x7fb"}},
    "one in an annotation": {"annotations": {"acme.com/notes": "\ufeffsale"}},
    "one Secret for images twice": {"pod": {"imagePullSecrets": ["registry", "registry"]}},
    "a budget of 2^31 pods": {"disruptionBudget": {"maxUnavailable": 2**31}},
    "a cooldown of 2^31 seconds": {"autoscaling": {"kind": "keda", "maxReplicas": 2, "cooldown": "35791395m"}},
    "a NUL in a command": {"worker": {"kind": "command", "command": ["celery", "a\x00b"]}},
}
REFUSED_CLUSTERS = {
    "a Spot notice that GKE does not give": {
        **STANDARD,
        "nodePools": {"a": {}, "b": {"spot": True, "spotNotice": "60s"}},
    },
    "a boot disk too small for the image": {**STANDARD, "nodePools": {"a": {"diskSizeGigabytes": 10}}},
    "a persistent disk for a machine of the fourth generation": {
        **STANDARD,
        "nodePools": {"a": {"machineType": "n4-standard-4", "diskType": "pd-balanced"}},
    },
    "a Hyperdisk for a machine of the second": {
        **STANDARD,
        "nodePools": {"a": {"machineType": "n2-standard-4", "diskType": "hyperdisk-balanced"}},
    },
    "all ports of NAT for one node": {**STANDARD, "network": {"natMinPorts": 65536}},
    "51 networks that may reach the control plane": {
        **STANDARD,
        "controlPlane": {"authorizedNetworks": [{"name": f"n{i}", "cidr": f"198.51.{i}.0/24"} for i in range(51)]},
    },
    "loopback addresses for nodes": {**STANDARD, "network": {"addresses": "127.0.0.0/8"}},
    "multicast addresses for nodes": {**STANDARD, "network": {"addresses": "224.0.0.0/4"}},
    "every address for nodes": {**STANDARD, "network": {"addresses": "0.0.0.0/0"}},
    "half a name of a key": {**STANDARD, "secretEncryptionKey": KEY.partition("/cryptoKeys")[0]},
    "a key of another region": {**STANDARD, "secretEncryptionKey": OTHER_KEY},
    "a key of another region for a pool": {**STANDARD, "nodePools": {"a": {"diskEncryptionKey": OTHER_KEY}}},
    "a key of another region on Autopilot": {"kind": "gkeAutopilot", "diskEncryptionKey": OTHER_KEY},
    "one zone three times": {**STANDARD, "zones": ["europe-west1-b"] * 3},
    "two exclusions of one name": {
        **STANDARD,
        "maintenance": {
            "exclusions": [
                {"name": "sale", "start": "2026-11-26T00:00:00Z", "end": "2026-11-28T00:00:00Z"},
                {"name": "sale", "start": "2026-12-20T00:00:00Z", "end": "2026-12-28T00:00:00Z"},
            ]
        },
    },
    "a version in other digits": {"kind": "existing", "kubernetesVersion": "1.34५"},
}


@pytest.mark.parametrize("consumer", REFUSED_CONSUMERS.values(), ids=REFUSED_CONSUMERS)
def test_what_the_api_server_or_a_container_cannot_take_is_refused(consumer):
    with pytest.raises(ValidationError):
        stack(consumer)


@pytest.mark.parametrize("cluster", REFUSED_CLUSTERS.values(), ids=REFUSED_CLUSTERS)
def test_what_google_would_refuse_or_drop_is_refused(cluster):
    with pytest.raises(ValidationError):
        stack(cluster=cluster)


ACCEPTED = {
    "a Secret with dots in its name": {"secretEnvironment": {"DSN": {"secret": "broker.v2", "key": "dsn"}}},
    "a registry with capitals and a port": {"image": "Registry.Example:5000/acme/mail:1"},
    "an image with all separators": {"image": "ghcr.io/acme/a.b_c__d---e:1"},
    "a volume below an application in /usr/src": {
        "writableDirectories": ["/usr/src/app/var"],
        "worker": {"kind": "command", "command": ["a"], "workingDirectory": "/usr/src/app"},
    },
    "a volume beside an application whose name begins alike": {"writableDirectories": ["/ap", "/app-cache"]},
    "a variable that only contains the name": {"environment": {"SMTP_HOSTNAME": "mail"}},
    "a line break, a tab and what JSON escapes": {"environment": {"GREETING": "a\n\t\x1f\u2028\xa0b"}},
    "an object of the core API": scaled({**OBJECT, "describedObject": QUEUE}),
    "an object of a group": scaled({**OBJECT, "describedObject": {**QUEUE, "apiVersion": "networking.k8s.io/v1"}}),
    "the longest CSI driver's name, with a capital": {
        "pod": {"volumes": [{"path": "/data", "csi": {"driver": "A" + "a" * 62}}]}
    },
    "the largest budget": {"disruptionBudget": {"maxUnavailable": 2**31 - 1}},
    "the largest policy": scaled(
        EXTERNAL, behavior={"scaleUp": {"policies": [{"kind": "pods", "value": 2**31 - 1, "period": "15s"}]}}
    ),
}


@pytest.mark.parametrize("consumer", ACCEPTED.values(), ids=ACCEPTED)
def test_what_they_take_is_not(consumer):
    assert stack(consumer)


def test_a_key_of_the_region_or_of_several_is_not():
    """Google takes some of several regions, by product: they are left to it."""
    for key in (KEY, KEY.replace("europe-west1", "europe"), KEY.replace("europe-west1", "global")):
        assert stack(cluster={**STANDARD, "secretEncryptionKey": key})


def test_a_key_of_another_region_for_the_broker_is_refused():
    broker = {"kind": "cloudSqlPostgres", "tier": "db-custom-4-15360"}
    written = {"name": "dev", "google": GOOGLE, "cluster": STANDARD, "broker": {**broker, "encryptionKey": KEY}}
    assert StackSettings.model_validate(written)
    written["broker"]["encryptionKey"] = OTHER_KEY
    with pytest.raises(ValidationError, match="is a key of another region"):
        StackSettings.model_validate(written)
