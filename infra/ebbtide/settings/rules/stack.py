"""Rules about the cluster and the consumers together."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ebbtide.settings.findings import Finding
from ebbtide.settings.rules.cluster import CLUSTER_RULES

if TYPE_CHECKING:
    from ebbtide.settings.stack import StackSettings

STACK_RULES: tuple[Callable[[StackSettings], Iterator[Finding]], ...] = (*CLUSTER_RULES,)
