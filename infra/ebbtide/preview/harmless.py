"""What is known to do nothing to running consumers, whatever its value: one table a type, each entry with its reason.

The list is short on purpose. What is missing here, and named by no rule, is "not judged" (P-40): to add a line is to
know why, and a release that renders a new property is stopped by a test until somebody does.
"""

from __future__ import annotations

from collections.abc import Mapping

from ebbtide.preview.patterns import CREATED, DELETED, NO_PREFIX, REPLACED

_OWN_LABEL = "the API selects pods by their own labels, not by those of what makes them"
_NEW = "nothing that runs uses it yet"
_OF_PULUMI = "Pulumi's own note on how to treat the object"
_GROUPS = "a provider deploys nothing itself; what it does is in the steps of its resources"

COMMON_LABELS = (
    *(f"app.kubernetes.io/{name}" for name in ("name", "instance", "version", "component", "part-of", "managed-by")),
    "helm.sh/chart",
    "tags.datadoghq.com/version",
)
"""What is proposed to everybody to be written. Of any other prefix its owner may act on the object, as Kueue suspends
it and Keel updates it."""

_OBJECT = {
    "apiVersion": "another version of the API shows the same object; what it says is compared by itself",
    **{f"metadata.labels[{name}]": _OWN_LABEL for name in (NO_PREFIX, *COMMON_LABELS)},
    "metadata.annotations[pulumi.com/autonamed]": _OF_PULUMI,
    "metadata.annotations[pulumi.com/waitFor]": _OF_PULUMI,
    "metadata.annotations[pulumi.com/skipAwait]": _OF_PULUMI,
    "metadata.annotations[pulumi.com/timeoutSeconds]": _OF_PULUMI,
}
_LABELS_OF_GOOGLE = "labels of Google Cloud are for bills and searches"
_DESCRIPTION = "a text for people"
_READS = "who collects metrics only reads; no pod notices"
_ALERTS = "only when somebody is told, and what; nothing that runs changes"
_COUNTS = "only what is counted of the log; nothing that runs changes"
_RULES = {
    f"spec.groups.*.{name}": _ALERTS
    for name in (
        *("name", "interval"),
        *(f"rules.*.{part}" for part in ("alert", "expr", "for", "labels.*", "annotations.*")),
    )
}

_WHEN = "only when it is maintained; its connections are dropped whenever it is"
_ITS_SYNC = "it is read by the SecretSync of its name, of which P-62 speaks"

HARMLESS: Mapping[str, Mapping[str, str]] = {
    "kubernetes:apps/v1:Deployment": {
        **_OBJECT,
        "spec.progressDeadlineSeconds": "only when a roll-out that goes on is called failed",
        "spec.revisionHistoryLimit": "only how many old ReplicaSets, of no pods, are kept",
    },
    "kubernetes:autoscaling/v2:HorizontalPodAutoscaler": {**_OBJECT},
    "kubernetes:autoscaling/v1:HorizontalPodAutoscaler": {**_OBJECT},
    "kubernetes:keda.sh/v1alpha1:ScaledObject": {
        **_OBJECT,
        "metadata.labels.*": "KEDA hands them on to its HPA, and no controller selects HPAs by labels",
    },
    "kubernetes:keda.sh/v1alpha1:TriggerAuthentication": {**_OBJECT},
    "kubernetes:core/v1:Namespace": {
        "apiVersion": _OBJECT["apiVersion"],
        # No others: network policies and admission webhooks select namespaces by their labels.
        "metadata.labels[app.kubernetes.io/name]": "ebbtide's own; no policy of its own selects by it",
        "metadata.labels[app.kubernetes.io/instance]": "ebbtide's own; no policy of its own selects by it",
        "metadata.labels[app.kubernetes.io/component]": "ebbtide's own; no policy of its own selects by it",
        "metadata.labels[app.kubernetes.io/part-of]": "ebbtide's own; no policy of its own selects by it",
        "metadata.labels[app.kubernetes.io/managed-by]": "ebbtide's own; no policy of its own selects by it",
        "metadata.labels[pod-security.kubernetes.io/audit]": "audit refuses nothing",
        "metadata.labels[pod-security.kubernetes.io/audit-version]": "audit refuses nothing",
        "metadata.labels[pod-security.kubernetes.io/warn]": "a warning refuses nothing",
        "metadata.labels[pod-security.kubernetes.io/warn-version]": "a warning refuses nothing",
    },
    "kubernetes:core/v1:ServiceAccount": {**_OBJECT, CREATED: _NEW},
    "kubernetes:networking.k8s.io/v1:NetworkPolicy": {**_OBJECT},
    "kubernetes:policy/v1:PodDisruptionBudget": {
        **_OBJECT,
        CREATED: "a budget only limits evictions; one that lets no pod go is P-06",
    },
    "kubernetes:monitoring.googleapis.com/v1:PodMonitoring": {
        **_OBJECT,
        CREATED: _READS,
        "spec.selector.matchLabels.*": _READS,
        **{f"spec.endpoints.*.{name}": _READS for name in ("port", "interval")},
        "spec.targetLabels.metadata.*": _READS,
        **{f"spec.targetLabels.fromPod.*.{name}": _READS for name in ("from", "to")},
    },
    "kubernetes:monitoring.googleapis.com/v1:Rules": {**_OBJECT, CREATED: _ALERTS, **_RULES},
    "kubernetes:monitoring.coreos.com/v1:PodMonitor": {
        **_OBJECT,
        CREATED: _READS,
        "spec.selector.matchLabels.*": _READS,
        **{f"spec.podMetricsEndpoints.*.{name}": _READS for name in ("port", "interval")},
        **{f"spec.podMetricsEndpoints.*.relabelings.*.{name}": _READS for name in ("sourceLabels.*", "targetLabel")},
    },
    "kubernetes:monitoring.coreos.com/v1:PrometheusRule": {**_OBJECT, CREATED: _ALERTS, **_RULES},
    "gcp:logging/metric:Metric": {
        CREATED: _COUNTS,
        "description": _DESCRIPTION,
        "filter": _COUNTS,
        "valueExtractor": _COUNTS,
        "labelExtractors.*": _COUNTS,
        "bucketOptions.explicitBuckets.bounds.*": _COUNTS,
        "metricDescriptor.unit": _COUNTS,
    },
    "gcp:monitoring/alertPolicy:AlertPolicy": {
        CREATED: _ALERTS,
        "displayName": _DESCRIPTION,
        "severity": _ALERTS,
        "combiner": _ALERTS,
        "userLabels.*": _LABELS_OF_GOOGLE,
        **{f"documentation.{name}": _DESCRIPTION for name in ("content", "mimeType")},
        "alertStrategy.autoClose": _ALERTS,
        "conditions.*.displayName": _DESCRIPTION,
        **{
            f"conditions.*.conditionPrometheusQueryLanguage.{name}": _ALERTS
            for name in ("query", "duration", "evaluationInterval", "disableMetricValidation", "labels.*")
        },
    },
    "gcp:monitoring/dashboard:Dashboard": {
        CREATED: "a picture; nobody is told anything by it",
        DELETED: "a picture; nobody is told anything by it",
        "dashboardJson": "a picture; nobody is told anything by it",
    },
    "gcp:artifactregistry/repository:Repository": {
        CREATED: _NEW,
        "description": _DESCRIPTION,
        "labels.*": _LABELS_OF_GOOGLE,
    },
    "gcp:compute/network:Network": {CREATED: _NEW},
    "gcp:compute/router:Router": {CREATED: _NEW},
    "gcp:compute/routerNat:RouterNat": {
        CREATED: "it only adds a way out",
        "logConfig.enable": "only what is written to the log",
        "logConfig.filter": "only what is written to the log",
    },
    "gcp:compute/subnetwork:Subnetwork": {
        CREATED: _NEW,
        "ipCidrRange": "a range that grows does so in place; one that does not is a replacement (P-01)",
        "logConfig.aggregationInterval": "only what is written to the log",
        "logConfig.flowSampling": "only what is written to the log",
        "logConfig.metadata": "only what is written to the log",
    },
    "gcp:container/cluster:Cluster": {
        CREATED: _NEW,
        "resourceLabels.*": _LABELS_OF_GOOGLE,
        "costManagementConfig.enabled": "only the bill",
        "securityPostureConfig.mode": "it reports and refuses nothing",
        "securityPostureConfig.vulnerabilityMode": "it reports and refuses nothing",
        "notificationConfig.pubsub.enabled": "only who is told of upgrades",
        "notificationConfig.pubsub.topic": "only who is told of upgrades",
        "maintenancePolicy.recurringWindow.startTime": "only when upgrades happen; each drains pods whenever it does",
        "maintenancePolicy.recurringWindow.endTime": "only when upgrades happen; each drains pods whenever it does",
        "maintenancePolicy.recurringWindow.recurrence": "only when upgrades happen; each drains pods whenever it does",
    },
    "gcp:container/nodePool:NodePool": {CREATED: "it only adds nodes; of Spot ones P-16 speaks"},
    "gcp:compute/address:Address": {CREATED: _NEW},
    "gcp:compute/forwardingRule:ForwardingRule": {CREATED: _NEW},
    "gcp:networkconnectivity/serviceConnectionPolicy:ServiceConnectionPolicy": {CREATED: _NEW},
    "gcp:memorystore/instance:Instance": {
        CREATED: _NEW,
        "labels.*": _LABELS_OF_GOOGLE,
        "maintenancePolicy.weeklyMaintenanceWindows.*.day": _WHEN,
        "maintenancePolicy.weeklyMaintenanceWindows.*.startTime.hours": _WHEN,
        "automatedBackupConfig.fixedFrequencySchedule.startTime.hours": "only when it is copied",
    },
    "gcp:sql/databaseInstance:DatabaseInstance": {
        CREATED: _NEW,
        "settings.userLabels.*": _LABELS_OF_GOOGLE,
        "settings.maintenanceWindow.day": _WHEN,
        "settings.maintenanceWindow.hour": _WHEN,
        "settings.backupConfiguration.startTime": "only when it is copied",
    },
    "gcp:sql/database:Database": {CREATED: _NEW},
    "gcp:sql/user:User": {CREATED: _NEW},
    "gcp:secretmanager/secret:Secret": {
        CREATED: _NEW,
        "labels.*": _LABELS_OF_GOOGLE,
    },
    "gcp:secretmanager/secretVersion:SecretVersion": {CREATED: "of one of a secret that is there already P-62 speaks"},
    "gcp:secretmanager/secretIamMember:SecretIamMember": {CREATED: _NEW},
    "random:index/randomPassword:RandomPassword": {CREATED: _NEW},
    "kubernetes:secrets-store.csi.x-k8s.io/v1:SecretProviderClass": {
        **_OBJECT,
        CREATED: _NEW,
        DELETED: _ITS_SYNC,
        REPLACED: _ITS_SYNC,
        "spec.parameters.secrets": "only SecretSync reads it, of which P-62 speaks",
    },
    "kubernetes:secret-sync.gke.io/v1:SecretSync": {
        **_OBJECT,
        CREATED: _NEW,
        "spec.secretProviderClassName": _ITS_SYNC,
    },
    "gcp:serviceaccount/account:Account": {
        CREATED: _NEW,
        "displayName": _DESCRIPTION,
        "description": _DESCRIPTION,
    },
    # Of the deletion of a connection to a cluster P-01 speaks.
    "pulumi:providers:kubernetes": {CREATED: _GROUPS, "version": _GROUPS},
}
_PROVIDER = {CREATED: _GROUPS, DELETED: _GROUPS, "version": _GROUPS}


def harmless_of(token: str) -> Mapping[str, str]:
    """What is known of a type, each with its reason."""
    return HARMLESS.get(token, _PROVIDER if token.startswith("pulumi:providers:") else {})


_NEW_POD = "spec.template.spec"
_NEW_CONTAINER = f"{_NEW_POD}.containers.*"
JUDGED_WHEN_NEW: Mapping[str, tuple[str, ...]] = {
    "kubernetes:apps/v1:Deployment": (
        *("kind", "metadata.name", "metadata.namespace", "spec.selector"),
        *(
            f"{_NEW_POD}.securityContext.{name}"
            for name in ("fsGroup", "fsGroupChangePolicy", "runAsGroup", "runAsUser")
        ),
        *(f"{_NEW_CONTAINER}.securityContext.{name}" for name in ("runAsGroup", "runAsUser")),
        *(f"{_NEW_CONTAINER}.{name}" for name in ("name", "ports")),
        *(f"{_NEW_CONTAINER}.{name}" for name in ("livenessProbe", "readinessProbe", "startupProbe")),
        # By labels of nodes it may ask for Spot ones.
        *(f"{_NEW_POD}.affinity.{name}" for name in ("podAffinity", "podAntiAffinity")),
        *(f"{_NEW_POD}.{name}" for name in ("restartPolicy", "hostAliases", "dnsConfig")),
    ),
    "kubernetes:core/v1:Namespace": ("kind", "metadata.name"),
    "gcp:container/nodePool:NodePool": (
        *("cluster", "location", "project", "name", "namePrefix", "initialNodeCount", "nodeCount"),
        *("ignoreNodeCountChanges", "maxPodsPerNode", "networkConfig", "management"),
        *("autoscaling.locationPolicy", "autoscaling.minNodeCount", "autoscaling.maxNodeCount"),
        *(f"upgradeSettings.{name}" for name in ("strategy", "maxSurge", "maxUnavailable")),
        *(f"nodeConfig.{name}" for name in ("labels", "resourceLabels", "tags", "metadata", "oauthScopes")),
        *(f"nodeConfig.{name}" for name in ("serviceAccount", "shieldedInstanceConfig", "bootDiskKmsKey")),
        # Of nodes that are taken back at any time P-16 speaks.
        *(f"nodeConfig.{name}" for name in ("spot", "preemptible", "guestAccelerators", "minCpuPlatform")),
    ),
}
"""Types of which a new one is judged property by property, since running pods may go there, or since it is a consumer
itself; each with what is known of a new one, at or below these places, beside what rules and HARMLESS know of any."""
