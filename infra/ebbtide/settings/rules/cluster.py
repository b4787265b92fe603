"""Rules that need to know the cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from ebbtide.settings.findings import Finding

if TYPE_CHECKING:
    from ebbtide.settings.stack import StackSettings

CLUSTER_RULES: tuple[Callable[[StackSettings], Iterator[Finding]], ...] = ()
