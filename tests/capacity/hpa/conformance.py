"""All cases of all tables: (name, check); a check raises AssertionError.

The package's modules come from `load`, so that the mutation test can hand in changed ones.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from tests.capacity.hpa import checks_limits, checks_manifests, checks_metrics, checks_syncs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import ModuleType


def installed(name: str) -> ModuleType:
    """A module of the package as it is; "" is the package."""
    room = "ebbtide.kubernetes" if name == "quantity" else "ebbtide.capacity.hpa"
    return importlib.import_module(room + (f".{name}" if name else ""))


def cases(load: Callable[[str], ModuleType] = installed) -> Iterator[tuple[str, Callable[[], None]]]:
    """Every case of every table."""
    for module in (checks_metrics, checks_limits, checks_syncs, checks_manifests):
        for table in module.TABLES:
            yield from table(load)
