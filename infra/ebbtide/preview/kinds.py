"""Which resource a rule means by the name of a kind: modules, packages and operators call other things the same.

Memorystore for Redis, AlloyDB and CloudNativePG have a Cluster as well, and Firestore a Database. A rule on GKE's would
say what is not true of these, or worse: its scope would take their properties for judged while the rule says nothing.
"""

from __future__ import annotations

from collections.abc import Mapping

from ebbtide.preview.change import ResourceChange

_CORE, _APPS, _RBAC = "kubernetes:core/", "kubernetes:apps/", "kubernetes:rbac.authorization.k8s.io/"
_COMPUTE, _GKE, _SQL, _SECRETS = "gcp:compute/", "gcp:container/", "gcp:sql/", "gcp:secretmanager/"
_KEDA, _GOOGLE_MONITORING = "kubernetes:keda.sh/", "kubernetes:monitoring.googleapis.com/"
_PROMETHEUS, _OLD = "kubernetes:monitoring.coreos.com/", "kubernetes:extensions/"

HOMES: Mapping[str, tuple[str, ...]] = {
    **dict.fromkeys(("Namespace", "PersistentVolumeClaim", "ServiceAccount"), (_CORE,)),
    **dict.fromkeys(("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"), (_RBAC,)),
    **dict.fromkeys(("ScaledObject", "TriggerAuthentication"), (_KEDA,)),
    **dict.fromkeys(("PodMonitoring", "Rules"), (_GOOGLE_MONITORING,)),
    **dict.fromkeys(("PodMonitor", "PrometheusRule"), (_PROMETHEUS,)),
    **dict.fromkeys(("Cluster", "NodePool"), (_GKE,)),
    **dict.fromkeys(("Database", "DatabaseInstance", "User"), (_SQL,)),
    **dict.fromkeys(("Secret", "SecretVersion", "SecretIamMember"), (_SECRETS,)),
    **dict.fromkeys(
        ("Address", "Firewall", "ForwardingRule", "Network", "Router", "RouterNat", "Subnetwork"), (_COMPUTE,)
    ),
    # Every service of Google's has members of its own.
    **dict.fromkeys(("IAMMember", "IAMBinding", "IAMPolicy"), ("gcp:",)),
    **dict.fromkeys(("RepositoryIamMember", "RepositoryIamBinding", "RepositoryIamPolicy"), ("gcp:artifactregistry/",)),
    "APIService": ("kubernetes:apiregistration.k8s.io/",),
    "Account": ("gcp:serviceaccount/",),
    "AlertPolicy": ("gcp:monitoring/",),
    "Deployment": (_APPS, _OLD),
    "HorizontalPodAutoscaler": ("kubernetes:autoscaling/",),
    "Instance": ("gcp:memorystore/",),
    "Metric": ("gcp:logging/",),
    "NetworkPolicy": ("kubernetes:networking.k8s.io/", _OLD),
    "PodDisruptionBudget": ("kubernetes:policy/",),
    "RandomPassword": ("random:",),
    "Release": ("kubernetes:helm.sh/",),
    "Repository": ("gcp:artifactregistry/",),
    "SecretSync": ("kubernetes:secret-sync.gke.io/",),
    "ServiceConnectionPolicy": ("gcp:networkconnectivity/",),
    "StatefulSet": (_APPS,),
    "VerticalPodAutoscaler": ("kubernetes:autoscaling.k8s.io/",),
    "kubernetes": ("pulumi:providers:",),
}
"""Where each kind that a rule names is from, as its token begins."""
# A kind of autoscaling that was added from outside says its name only.
_ANYWHERE = ("gcp:", "kubernetes:", "pulumi:")


def is_of(change: ResourceChange, kind: str) -> bool:
    """Whether it is what the rules mean by this kind."""
    return change.kind == kind and change.token.startswith(HOMES.get(kind, _ANYWHERE))
