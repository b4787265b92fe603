"""Each type of the provider: what it is in Google's API. A type that is not here is refused.

From the provider's documentation of each resource ("Import", "Output properties") and the API's own description.
"""

from __future__ import annotations

from collections.abc import Mapping

from tools.google.kinds import (
    Account,
    Cluster,
    Dashboard,
    Kind,
    Member,
    NodePool,
    RouterNat,
    SecretVersion,
    User,
    Valkey,
)

PROJECT_NUMBER = "123456789012"
_GLOBAL, _REGIONAL = "projects/{project}/global", "projects/{project}/regions/{region}"
_LOCAL, _SQL = "projects/{project}/locations/{location}", "projects/{project}/instances"
_CLUSTERS, _SECRETS = "container.projects.locations.clusters", "secretmanager.projects.secrets"
_REPOSITORIES, _ACCOUNTS = "artifactregistry.projects.locations.repositories", "iam.projects.serviceAccounts"
_LINK, _NAME = {"selfLink": "selfLink"}, {"name": "name"}
_DNS_NAME = "controlPlaneEndpointsConfig.dnsEndpointConfig.endpoint"


def _compute(collection: str, schema: str, place: str) -> Kind:
    return Kind(
        document="compute.beta",
        collection=f"compute.{collection}",
        schema=schema,
        name=f"{place}/{collection}/{{name}}",
        outputs=_LINK,
    )


TYPES: Mapping[str, Kind] = {
    "gcp:artifactregistry/repository:Repository": Kind(
        document="artifactregistry.v1",
        collection=_REPOSITORIES,
        schema="Repository",
        name=f"{_LOCAL}/repositories/{{repositoryId}}",
        id_parameter="repositoryId",
        outputs={"registryUri": "registryUri"},
    ),
    "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": Member(
        document="artifactregistry.v1", collection=_REPOSITORIES, name=f"{_LOCAL}/repositories/{{repository}}"
    ),
    "gcp:compute/address:Address": _compute("addresses", "Address", _REGIONAL),
    "gcp:compute/firewall:Firewall": _compute("firewalls", "Firewall", _GLOBAL),
    "gcp:compute/forwardingRule:ForwardingRule": _compute("forwardingRules", "ForwardingRule", _REGIONAL),
    "gcp:compute/network:Network": _compute("networks", "Network", _GLOBAL),
    "gcp:compute/router:Router": _compute("routers", "Router", _REGIONAL),
    "gcp:compute/routerNat:RouterNat": RouterNat(
        document="compute.beta",
        collection="compute.routers",
        schema="RouterNat",
        name=f"{_REGIONAL}/routers/{{router}}",
        identifier="{project}/{region}/{router}/{name}",
    ),
    "gcp:compute/subnetwork:Subnetwork": _compute("subnetworks", "Subnetwork", _REGIONAL),
    "gcp:container/cluster:Cluster": Cluster(
        document="container.v1beta1",
        collection=_CLUSTERS,
        schema="Cluster",
        name=f"{_LOCAL}/clusters/{{name}}",
        outputs={_DNS_NAME: _DNS_NAME},
        guards=("deletionProtection",),
    ),
    "gcp:container/nodePool:NodePool": NodePool(
        document="container.v1beta1",
        collection=f"{_CLUSTERS}.nodePools",
        schema="NodePool",
        name=f"{_LOCAL}/clusters/{{cluster}}/nodePools/{{name}}",
        outputs=_NAME,
    ),
    "gcp:logging/metric:Metric": Kind(
        document="logging.v2",
        collection="logging.projects.metrics",
        schema="LogMetric",
        name="projects/{project}/metrics/{name}",
        identifier="{project}/{name}",
    ),
    "gcp:memorystore/instance:Instance": Valkey(
        document="memorystore.v1beta",
        collection="memorystore.projects.locations.instances",
        schema="Instance",
        name=f"{_LOCAL}/instances/{{instanceId}}",
        id_parameter="instanceId",
        outputs={name: name for name in ("name", "state", "endpoints", "managedServerCas")},
        guards=("deletionProtectionEnabled",),
    ),
    "gcp:monitoring/alertPolicy:AlertPolicy": Kind(
        document="monitoring.v3",
        collection="monitoring.projects.alertPolicies",
        schema="AlertPolicy",
        name="projects/{project}",
        outputs=_NAME,
        chooses_name=True,
    ),
    "gcp:monitoring/dashboard:Dashboard": Dashboard(
        document="monitoring.v1",
        collection="monitoring.projects.dashboards",
        schema="Dashboard",
        name="projects/{project}",
        chooses_name=True,
    ),
    "gcp:networkconnectivity/serviceConnectionPolicy:ServiceConnectionPolicy": Kind(
        document="networkconnectivity.v1",
        collection="networkconnectivity.projects.locations.serviceConnectionPolicies",
        schema="ServiceConnectionPolicy",
        name=f"{_LOCAL}/serviceConnectionPolicies/{{name}}",
        id_parameter="serviceConnectionPolicyId",
    ),
    "gcp:projects/iAMMember:IAMMember": Member(
        document="cloudresourcemanager.v1", collection="cloudresourcemanager.projects", name="projects/{project}"
    ),
    "gcp:secretmanager/secret:Secret": Kind(
        document="secretmanager.v1",
        collection=_SECRETS,
        schema="Secret",
        name="projects/{project}/secrets/{secretId}",
        id_parameter="secretId",
        outputs=_NAME,
    ),
    "gcp:secretmanager/secretIamMember:SecretIamMember": Member(
        document="secretmanager.v1", collection=_SECRETS, name="projects/{project}/secrets/{secretId}"
    ),
    "gcp:secretmanager/secretVersion:SecretVersion": SecretVersion(
        document="secretmanager.v1",
        collection=_SECRETS,
        schema="SecretPayload",
        name="{secret}",
        outputs={name: name for name in ("name", "version", "enabled")},
    ),
    "gcp:serviceaccount/account:Account": Account(
        document="iam.v1",
        collection=_ACCOUNTS,
        schema="ServiceAccount",
        name="projects/{project}/serviceAccounts/{accountId}@{project}.iam.gserviceaccount.com",
        outputs={"email": "email"},
    ),
    "gcp:serviceaccount/iAMMember:IAMMember": Member(
        document="iam.v1", collection=_ACCOUNTS, name="{serviceAccountId}"
    ),
    "gcp:sql/database:Database": Kind(
        document="sqladmin.v1",
        collection="sql.databases",
        schema="Database",
        name=f"{_SQL}/{{instance}}/databases/{{name}}",
    ),
    "gcp:sql/databaseInstance:DatabaseInstance": Kind(
        document="sqladmin.v1",
        collection="sql.instances",
        schema="DatabaseInstance",
        name=f"{_SQL}/{{name}}",
        identifier="{name}",
        outputs={"connectionName": "connectionName", "pscServiceAttachmentLink": "pscServiceAttachmentLink"},
        guards=("deletionProtection",),
    ),
    "gcp:sql/user:User": User(
        document="sqladmin.v1",
        collection="sql.users",
        schema="User",
        name=f"{_SQL}/{{instance}}/users/{{name}}",
        identifier="{name}//{instance}",
    ),
}
