"""Which fields Kubernetes knows, of the levels at which a misplaced one costs messages. tests/doctor holds them against
the schemas of every version that kubernetes-validate ships, those of removed fields too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_WORDS: Final[Mapping[str, str]] = {
    "WorkloadSpec": """
minReadySeconds ordinals paused persistentVolumeClaimRetentionPolicy podManagementPolicy
progressDeadlineSeconds replicas revisionHistoryLimit selector serviceName strategy template updateStrategy
volumeClaimTemplates
""",
    "PodSpec": """
activeDeadlineSeconds affinity automountServiceAccountToken containers dnsConfig dnsPolicy enableServiceLinks
ephemeralContainers evictionResponders hostAliases hostIPC hostNetwork hostPID hostUsers hostname
hostnameOverride imagePullSecrets initContainers nodeName nodeSelector os overhead preemptionPolicy priority
priorityClassName readinessGates resourceClaims resources restartPolicy runtimeClassName schedulerName
schedulingGates schedulingGroup securityContext serviceAccount serviceAccountName setHostnameAsFQDN
shareProcessNamespace subdomain terminationGracePeriodSeconds tolerations topologySpreadConstraints volumes
workloadRef
""",
    "Container": """
args command env envFrom image imagePullPolicy lifecycle livenessProbe name ports readinessProbe resizePolicy
resources restartPolicy restartPolicyRules securityContext startupProbe stdin stdinOnce terminationMessagePath
terminationMessagePolicy tty volumeDevices volumeMounts workingDir
""",
    "Lifecycle": """
postStart preStop stopSignal
""",
    "Handler": """
exec httpGet sleep tcpSocket
""",
    "Resources": """
claims limits requests
""",
    "HPASpec": """
behavior maxReplicas metrics minReplicas scaleTargetRef
""",
    "HPAMetric": """
containerResource external object pods resource type
""",
    "HPAResource": """
name target
""",
}
# Of KEDA's own objects; tests/doctor holds them against its CustomResourceDefinitions.
_KEDA_WORDS: Final[Mapping[str, str]] = {
    "ScaledObjectSpec": """
advanced cooldownPeriod fallback idleReplicaCount initialCooldownPeriod maxReplicaCount minReplicaCount
pollingInterval scaleTargetRef triggers
""",
}
KEDA_FIELDS: Final = {level: frozenset(words.split()) for level, words in _KEDA_WORDS.items()}
FIELDS: Final = {level: frozenset(words.split()) for level, words in _WORDS.items()}
