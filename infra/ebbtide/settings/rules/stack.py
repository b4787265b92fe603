"""Rules about the cluster and the consumers together."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.judgement.findings import Finding, Level
from ebbtide.settings.models.cluster import ExistingCluster
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.rules.declare import stack_rule


@stack_rule(
    "K-01",
    Level.ERROR,
    remedy="Name at least one consumer.",
    source="A stack without resources does nothing.",
)
def check_something_to_deploy(stack: StackSettings) -> Iterator[Finding]:
    """A stack makes a cluster or has a consumer."""
    if isinstance(stack.cluster, ExistingCluster) and not stack.consumers and stack.image_repository is None:
        yield Finding(
            ("consumers",),
            "is empty, and the cluster exists already: there is nothing to deploy",
            "name at least one consumer",
        )
