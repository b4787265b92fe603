"""Tokens and physical names of what a stack makes in Google Cloud."""

from __future__ import annotations

from ebbtide.judgement.findings import refused
from ebbtide.settings.models import brokered
from ebbtide.settings.models.cluster import GkeAutopilot, GkeStandard
from ebbtide.settings.models.stack import GoogleSettings, StackSettings, is_gke
from ebbtide.settings.values.names import SERVICE_ACCOUNT_ID_MAX_LENGTH, shorten

NETWORK = "gcp:compute/network:Network"
SUBNETWORK = "gcp:compute/subnetwork:Subnetwork"
FIREWALL = "gcp:compute/firewall:Firewall"
ROUTER = "gcp:compute/router:Router"
ROUTER_NAT = "gcp:compute/routerNat:RouterNat"
CLUSTER = "gcp:container/cluster:Cluster"
NODE_POOL = "gcp:container/nodePool:NodePool"
SERVICE_ACCOUNT = "gcp:serviceaccount/account:Account"
SERVICE_ACCOUNT_MEMBER = "gcp:serviceaccount/iAMMember:IAMMember"
PROJECT_MEMBER = "gcp:projects/iAMMember:IAMMember"
REPOSITORY = "gcp:artifactregistry/repository:Repository"
REPOSITORY_MEMBER = "gcp:artifactregistry/repositoryIamMember:RepositoryIamMember"
LOG_METRIC = "gcp:logging/metric:Metric"
ALERT_POLICY = "gcp:monitoring/alertPolicy:AlertPolicy"
DASHBOARD = "gcp:monitoring/dashboard:Dashboard"
ADDRESS = "gcp:compute/address:Address"
FORWARDING_RULE = "gcp:compute/forwardingRule:ForwardingRule"
SERVICE_CONNECTION_POLICY = "gcp:networkconnectivity/serviceConnectionPolicy:ServiceConnectionPolicy"
VALKEY_INSTANCE = "gcp:memorystore/instance:Instance"
DATABASE_INSTANCE = "gcp:sql/databaseInstance:DatabaseInstance"
DATABASE = "gcp:sql/database:Database"
DATABASE_USER = "gcp:sql/user:User"
SECRET = "gcp:secretmanager/secret:Secret"  # noqa: S105 - a type
SECRET_VERSION = "gcp:secretmanager/secretVersion:SecretVersion"  # noqa: S105
SECRET_MEMBER = "gcp:secretmanager/secretIamMember:SecretIamMember"  # noqa: S105
RANDOM_PASSWORD = "random:index/randomPassword:RandomPassword"  # noqa: S105
GET_PROJECT = "gcp:organizations/getProject:getProject"
GET_SECRETS = "gcp:secretmanager/getSecrets:getSecrets"

# The Kubernetes service account that may read the broker's secrets, and nothing else.
SECRET_READER = "broker-secret"  # noqa: S105 - a name
# What the SDK's classes encrypt wherever there are labels.
LABEL_OUTPUTS = ("effectiveLabels", "pulumiLabels")

GKE_CLUSTER = "ebbtide:index:GkeCluster"
BROKER = "ebbtide:index:Broker"
IMAGE_REPOSITORY = "ebbtide:index:ImageRepository"


def gke_cluster(stack: StackSettings) -> GkeStandard | GkeAutopilot:
    """The cluster that the stack makes. Raises SettingsError for a stack that uses an existing one."""
    if not is_gke(stack.cluster):
        message = f"names an existing cluster in stack {stack.name}"
        raise refused("wiring", message, "use ExistingCluster, or kind: gkeStandard", ("cluster", "kind"))
    return stack.cluster


def google(stack: StackSettings) -> GoogleSettings:
    """Project and region. Raises SettingsError where they are missing, which a rule refuses earlier for GKE."""
    if stack.google is None:
        message = f"is not given for stack {stack.name}"
        raise refused("wiring", message, "write gcp:project and gcp:region", ("google",))
    return stack.google


def cluster_name(stack: StackSettings) -> str:
    """The cluster's physical name; network, subnet and router have it too."""
    return brokered.cluster_name(stack, gke_cluster(stack))


def node_account_id(stack: StackSettings) -> str:
    """The id of the nodes' service account."""
    return shorten(f"{cluster_name(stack)}-nodes", SERVICE_ACCOUNT_ID_MAX_LENGTH)
