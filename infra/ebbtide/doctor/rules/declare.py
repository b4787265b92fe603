"""How doctor's rules are declared: `@unit_rule("D-10", Harm.LOSES, remedy=..., source=...)`.

A rule speaks only of what is written, or of a default whose value is known; what may stand in a file that was not
handed over is no ground for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.setup import SetUp
from ebbtide.doctor.unit import Unit
from ebbtide.doctor.workload import ManifestObject
from ebbtide.judgement.rule import Rule, rule

UnitRule = Rule[Unit, Diagnosis]
ObjectRule = Rule[ManifestObject, Diagnosis]
SetUpRule = Rule[SetUp, Diagnosis]


def unit_rule(
    id: str,  # noqa: A002
    *harms: Harm,
    remedy: str,
    source: str,
) -> Callable[[Callable[[Unit], Iterator[Diagnosis]]], UnitRule]:
    """A rule about a container that runs workers."""
    return rule(id, *harms, subject=Unit, judges="set-up", remedy=remedy, source=source)


def object_rule(
    id: str,  # noqa: A002
    *harms: Harm,
    remedy: str,
    source: str,
) -> Callable[[Callable[[ManifestObject], Iterator[Diagnosis]]], ObjectRule]:
    """A rule about one object of Kubernetes."""
    return rule(id, *harms, subject=ManifestObject, judges="set-up", remedy=remedy, source=source)


def setup_rule(
    id: str,  # noqa: A002
    *harms: Harm,
    remedy: str,
    source: str,
) -> Callable[[Callable[[SetUp], Iterator[Diagnosis]]], SetUpRule]:
    """A rule about all files together."""
    return rule(id, *harms, subject=SetUp, judges="set-up", remedy=remedy, source=source)
