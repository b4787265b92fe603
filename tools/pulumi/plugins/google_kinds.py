"""What Google makes of each type: how it calls the object, what it adds to it, and what keeps it from being deleted.

From the provider's documentation of each resource ("Import", "Output properties"). A type that is not here is refused.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from serving import Subject

from properties import Properties

PROJECT_NUMBER = "123456789012"
# Where a broker of these recordings is; nothing listens there.
BROKER_ADDRESS, REPLICAS_ADDRESS = "10.128.240.5", "10.128.240.6"
AUTHORITY = "-----BEGIN CERTIFICATE-----\nrecorded\n-----END CERTIFICATE-----"

Outputs: TypeAlias = Callable[[str, Properties, str | None], Properties]
"""Identifier, inputs and the address that plays the cluster, to what Google adds."""


def _nothing(identifier: str, inputs: Properties, endpoint: str | None) -> Properties:  # noqa: ARG001
    return {}


@dataclass(frozen=True, slots=True)
class Kind:
    """One type."""

    identifier: str
    """With its inputs by name; `logical` is the resource's name in the program."""
    outputs: Outputs = _nothing
    guards: tuple[str, ...] = ()
    """Properties that, while they are true, refuse its deletion."""
    is_shared: bool = False
    """Whether to make it a second time changes nothing: a grant is there or not."""
    holds: bool = False
    """Whether it cannot go while something else names it."""


def identifier_of(subject: Subject, inputs: Properties) -> str:
    """What Google calls it."""
    kind = KINDS.get(subject.token)
    written = kind.identifier if kind else "{logical}"
    return written.format_map(_Known({"logical": subject.name, **inputs}))


class _Known(dict[str, object]):
    """An input that is not given is an empty part of a name."""

    def __missing__(self, key: str) -> str:
        return ""


def _self_link(identifier: str, inputs: Properties, endpoint: str | None) -> Properties:  # noqa: ARG001
    return {"selfLink": f"https://www.googleapis.com/compute/v1/{identifier}"}


def _account(identifier: str, inputs: Properties, endpoint: str | None) -> Properties:  # noqa: ARG001
    return {"email": f"{inputs['accountId']}@{inputs['project']}.iam.gserviceaccount.com"}


def _repository(identifier: str, inputs: Properties, endpoint: str | None) -> Properties:  # noqa: ARG001
    return {"registryUri": f"{inputs['location']}-docker.pkg.dev/{inputs['project']}/{inputs['repositoryId']}"}


def _cluster(identifier: str, inputs: Properties, endpoint: str | None) -> Properties:  # noqa: ARG001
    recorded = f"gke-{inputs['name']}-{PROJECT_NUMBER}.{inputs['location']}.gke.goog"
    asked = inputs.get("controlPlaneEndpointsConfig", {})
    by_name = {**asked.get("dnsEndpointConfig", {}), "endpoint": endpoint or recorded}
    return {"controlPlaneEndpointsConfig": {**asked, "dnsEndpointConfig": by_name}}


def _valkey(identifier: str, inputs: Properties, endpoint: str | None) -> Properties:  # noqa: ARG001
    """Two connections, the one for reading first: whoever takes the first one would not find the primary."""
    network = inputs["desiredAutoCreatedEndpoints"][0]["network"]
    ends = (("READER", REPLICAS_ADDRESS), ("PRIMARY", BROKER_ADDRESS))
    connections = [
        {"pscAutoConnection": {"connectionType": f"CONNECTION_TYPE_{name}", "ipAddress": address, "network": network}}
        for name, address in ends
    ]
    with_tls = inputs.get("transitEncryptionMode") == "SERVER_AUTHENTICATION"
    authorities = [{"caCerts": [{"certificates": [AUTHORITY]}]}] if with_tls else []
    return {
        "name": identifier,
        "state": "ACTIVE",
        "endpoints": [{"connections": connections}],
        "managedServerCas": authorities,
    }


def _database_instance(identifier: str, inputs: Properties, endpoint: str | None) -> Properties:  # noqa: ARG001
    region, tenant = inputs.get("region"), "u1a2b3c4d5e6f7-tp"
    attachment = f"projects/{tenant}/regions/{region}/serviceAttachments/a-123456789012-psc-service-attachment"
    name = f"{inputs.get('project')}:{region}:{inputs.get('name')}"
    return {"connectionName": name, "pscServiceAttachmentLink": attachment}


def _secret(identifier: str, inputs: Properties, endpoint: str | None) -> Properties:  # noqa: ARG001
    return {"name": f"projects/{PROJECT_NUMBER}/secrets/{inputs['secretId']}"}


def _version(identifier: str, inputs: Properties, endpoint: str | None) -> Properties:  # noqa: ARG001
    return {"name": identifier, "version": "1", "enabled": True}


def _policy(identifier: str, inputs: Properties, endpoint: str | None) -> Properties:  # noqa: ARG001
    return {"name": identifier}


_REGIONAL = "projects/{project}/regions/{region}"
KINDS: dict[str, Kind] = {
    "gcp:artifactregistry/repository:Repository": Kind(
        "projects/{project}/locations/{location}/repositories/{repositoryId}", _repository
    ),
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": Kind(
        "projects/{project}/locations/{location}/repositories/{repository}/{role}/{member}", is_shared=True
    ),
    "gcp:compute/address:Address": Kind(f"{_REGIONAL}/addresses/{{name}}", _self_link, holds=True),
    "gcp:compute/firewall:Firewall": Kind("projects/{project}/global/firewalls/{name}", _self_link),
    "gcp:compute/forwardingRule:ForwardingRule": Kind(f"{_REGIONAL}/forwardingRules/{{name}}", _self_link),
    "gcp:compute/network:Network": Kind("projects/{project}/global/networks/{name}", _self_link, holds=True),
    "gcp:compute/router:Router": Kind(f"{_REGIONAL}/routers/{{name}}", _self_link),
    "gcp:compute/routerNat:RouterNat": Kind("{project}/{region}/{router}/{name}"),
    "gcp:compute/subnetwork:Subnetwork": Kind(f"{_REGIONAL}/subnetworks/{{name}}", _self_link, holds=True),
    "gcp:container/cluster:Cluster": Kind(
        "projects/{project}/locations/{location}/clusters/{name}", _cluster, ("deletionProtection",)
    ),
    "gcp:container/nodePool:NodePool": Kind("{cluster}/nodePools/{name}"),
    "gcp:logging/metric:Metric": Kind("{project}/{name}"),
    "gcp:memorystore/instance:Instance": Kind(
        "projects/{project}/locations/{location}/instances/{instanceId}", _valkey, ("deletionProtectionEnabled",)
    ),
    "gcp:monitoring/alertPolicy:AlertPolicy": Kind("projects/{project}/alertPolicies/{logical}", _policy),
    "gcp:monitoring/dashboard:Dashboard": Kind("projects/{project}/dashboards/{logical}"),
    "gcp:networkconnectivity/serviceConnectionPolicy:ServiceConnectionPolicy": Kind(
        "projects/{project}/locations/{location}/serviceConnectionPolicies/{name}"
    ),
    "gcp:projects/iAMMember:IAMMember": Kind("{project}/{role}/{member}", is_shared=True),
    "gcp:secretmanager/secret:Secret": Kind("projects/{project}/secrets/{secretId}", _secret),
    "gcp:secretmanager/secretIamMember:SecretIamMember": Kind(
        "projects/{project}/secrets/{secretId}/{role}/{member}", is_shared=True
    ),
    "gcp:secretmanager/secretVersion:SecretVersion": Kind("{secret}/versions/1", _version),
    "gcp:serviceaccount/account:Account": Kind(
        "projects/{project}/serviceAccounts/{accountId}@{project}.iam.gserviceaccount.com", _account
    ),
    "gcp:serviceaccount/iAMMember:IAMMember": Kind("{serviceAccountId}/{role}/{member}", is_shared=True),
    "gcp:sql/database:Database": Kind("projects/{project}/instances/{instance}/databases/{name}"),
    # The provider's own protection, and the one of Google's API.
    "gcp:sql/databaseInstance:DatabaseInstance": Kind(
        "{name}", _database_instance, ("deletionProtection", "settings.deletionProtectionEnabled")
    ),
    "gcp:sql/user:User": Kind("{name}//{instance}"),
}
