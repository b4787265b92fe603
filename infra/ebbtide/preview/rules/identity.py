"""As whom a pod acts: its service account, and what that one is in Google Cloud."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.preview.change import Operation, mapping
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule


@change_rule(
    "P-36",
    RiskLevel.DANGER,
    remedy="Grant the new identity what the old one has first.",
    source="Kubernetes and GKE, Workload Identity: who a pod is decides what it may read.",
    tells={
        "Deployment": ("spec.template.spec.serviceAccountName",),
        "ServiceAccount": ("metadata.annotations[iam.gke.io/gcp-service-account]",),
    },
)
def check_identity(context: Context) -> Iterator[Risk]:
    """Pods act as whom they did: another identity may read neither the queue nor the secrets."""
    for change in context.of("Deployment", Operation.UPDATE, Operation.REPLACE):
        old, new = (_account(side) for side in (change.old, change.new))
        if old != new:
            sentence = f"pods of {change.title} act as service account {new} instead of {old}"
            yield Risk(change.title, sentence, "grant it what the old one has first", change.key)
    for change in context.of("ServiceAccount", Operation.UPDATE):
        old, new = (_google_account(side) for side in (change.old, change.new))
        if old != new:
            sentence = f"pods of service account {change.title} act as {new} in Google Cloud instead of {old}"
            yield Risk(change.title, sentence, "grant it what the old one has first", change.key)


def _account(deployment: Mapping[str, Any]) -> Any:
    template = mapping(mapping(deployment.get("spec")).get("template"))
    return mapping(template.get("spec")).get("serviceAccountName", "default")


def _google_account(account: Mapping[str, Any]) -> Any:
    annotations = mapping(mapping(account.get("metadata")).get("annotations"))
    return annotations.get("iam.gke.io/gcp-service-account", "nobody")
