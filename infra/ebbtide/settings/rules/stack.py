"""Rules about the cluster and the consumers together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ebbtide.settings.cluster import ExistingCluster
from ebbtide.settings.findings import Finding
from ebbtide.settings.rules.cluster import CLUSTER_RULES

if TYPE_CHECKING:
    from ebbtide.settings.stack import StackSettings


def check_something_to_deploy(stack: StackSettings) -> Iterator[Finding]:
    """K-01 (error). A stack makes a cluster or has a consumer."""
    if isinstance(stack.cluster, ExistingCluster) and not stack.consumers and stack.image_repository is None:
        yield Finding(
            ("consumers",),
            "is empty, and the cluster exists already: there is nothing to deploy",
            "name at least one consumer",
            rule="K-01",
        )


STACK_RULES: tuple[Callable[[StackSettings], Iterator[Finding]], ...] = (check_something_to_deploy, *CLUSTER_RULES)
