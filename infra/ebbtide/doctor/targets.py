"""Autoscalers whose workload is not among the files: was another name meant, or was it not handed over?"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Final

from ebbtide.doctor.setup import SetUp
from ebbtide.doctor.workload import ManifestObject, Workload, autoscalers_of

_ALIKE: Final = 0.85


@dataclass(frozen=True)
class Stray:
    """An autoscaler of something that is not there."""

    autoscaler: ManifestObject
    kind: str
    name: str
    meant: Workload | None
    """The only workload that no autoscaler names, if there is one."""

    @property
    def is_misnamed(self) -> bool:
        """Whether that is plainly meant: of the same kind, in one file and one namespace, and the names resemble."""
        meant, own = self.meant, self.autoscaler
        return (
            meant is not None
            and meant.kind == self.kind
            and meant.place.file == own.file
            and not (own.namespace and meant.namespace and own.namespace != meant.namespace)
            and _resemble(self.name, meant.name)
        )


def strays(setup: SetUp) -> Iterator[Stray]:
    """Autoscalers whose workload was not handed over, beside others that were: a name that has changed, for one."""
    there = {(one.kind, one.name): one for one in setup.workloads}
    scaling = autoscalers_of(setup.objects)
    # Of another kind it is D-5g.
    known = there.keys() | {(kind, name) for kind, _ in scaling for _, name in there}
    alone = [one for key, one in there.items() if key not in scaling and one.kind not in ("CronJob", "Job")]
    for (kind, name), scalers in scaling.items():
        if there and name and (kind, name) not in known:
            for one in scalers:
                yield Stray(one, kind, name, alone[0] if len(alone) == 1 else None)


def _resemble(name: str, other: str) -> bool:
    """Whether one name has all parts of the other, or differs in a letter or two."""
    parts, others = set(re.split(r"[-.]", name)), set(re.split(r"[-.]", other))
    return parts <= others or others <= parts or SequenceMatcher(None, name, other).ratio() >= _ALIKE
