"""What Google makes of what it is asked for: addresses, names and states, which nobody can send.

From the APIs' references. Nothing listens on the addresses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

from tools.google.types import PROJECT_NUMBER

BROKER_ADDRESS, REPLICAS_ADDRESS = "10.128.240.5", "10.128.240.6"
AUTHORITY = "-----BEGIN CERTIFICATE-----\nrecorded\n-----END CERTIFICATE-----"

Object: TypeAlias = dict[str, Any]
Maker: TypeAlias = Callable[[str, Object, str], Object]
"""The object's name, what was sent, and the address that plays the control planes of clusters, to what is added."""


def _compute(name: str, sent: Object, endpoint: str) -> Object:
    return {"selfLink": f"https://www.googleapis.com/compute/beta/{name}"}


def _named(name: str, sent: Object, endpoint: str) -> Object:
    return {"name": name}


def _repository(name: str, sent: Object, endpoint: str) -> Object:
    _, project, _, location, _, identifier = name.split("/")
    return {"name": name, "registryUri": f"{location}-docker.pkg.dev/{project}/{identifier}"}


def _account(name: str, sent: Object, endpoint: str) -> Object:
    return {"name": name, "email": name.rpartition("/")[2], "projectId": name.split("/")[1]}


def _cluster(name: str, sent: Object, endpoint: str) -> Object:
    recorded = f"gke-{sent['name']}-{PROJECT_NUMBER}.{name.split('/')[3]}.gke.goog"
    asked = sent.get("controlPlaneEndpointsConfig", {})
    by_name = {**asked.get("dnsEndpointConfig", {}), "endpoint": endpoint or recorded}
    return {"status": "RUNNING", "controlPlaneEndpointsConfig": {**asked, "dnsEndpointConfig": by_name}}


def _valkey(name: str, sent: Object, endpoint: str) -> Object:
    """Two connections for each that was asked for, the one for reading first: whoever takes the first one would not
    find the primary."""
    asked = sent["endpoints"][0]["connections"]
    ends = (("READER", REPLICAS_ADDRESS), ("PRIMARY", BROKER_ADDRESS))
    connections = [
        {"pscAutoConnection": {**one["pscAutoConnection"], "connectionType": f"CONNECTION_TYPE_{end}", "ipAddress": ip}}
        for one in asked
        for end, ip in ends
    ]
    return {"name": name, "state": "ACTIVE", "endpoints": [{"connections": connections}]}


def _database_instance(name: str, sent: Object, endpoint: str) -> Object:
    _, project, _, instance = name.split("/")
    region = sent["region"]
    attachment = f"projects/u1a2b3c4d5e6f7-tp/regions/{region}/serviceAttachments/a-{PROJECT_NUMBER}-psc"
    return {
        "state": "RUNNABLE",
        "connectionName": f"{project}:{region}:{instance}",
        "pscServiceAttachmentLink": attachment,
    }


def _of_number(name: str, sent: Object, endpoint: str) -> Object:
    """Secret Manager calls a project by its number."""
    parts = name.split("/")
    return {"name": "/".join(["projects", PROJECT_NUMBER, *parts[2:]])}


def _version(name: str, sent: Object, endpoint: str) -> Object:
    return {**_of_number(name, sent, endpoint), "state": "ENABLED"}


MADE: Mapping[str, Maker] = {
    "artifactregistry.projects.locations.repositories": _repository,
    "compute.addresses": _compute,
    "compute.firewalls": _compute,
    "compute.forwardingRules": _compute,
    "compute.networks": _compute,
    "compute.routers": _compute,
    "compute.subnetworks": _compute,
    "container.projects.locations.clusters": _cluster,
    "iam.projects.serviceAccounts": _account,
    "memorystore.projects.locations.instances": _valkey,
    "monitoring.projects.alertPolicies": _named,
    "monitoring.projects.dashboards": _named,
    "networkconnectivity.projects.locations.serviceConnectionPolicies": _named,
    "secretmanager.projects.secrets": _of_number,
    "secretmanager.projects.secrets.versions": _version,
    "sql.instances": _database_instance,
}
