"""From paths to what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import ebbtide.doctor.rules  # noqa: F401 - declares them
from ebbtide.doctor.connect import connect
from ebbtide.doctor.diagnosis import HARMS, Diagnosis, Note
from ebbtide.doctor.files import File, collect
from ebbtide.doctor.read import read_all
from ebbtide.doctor.setup import SetUp
from ebbtide.doctor.unit import Unit
from ebbtide.doctor.unjudged import describe, unjudged, unread_queues
from ebbtide.doctor.workload import ManifestObject
from ebbtide.judgement.rule import rules_on, run_rules


@dataclass(frozen=True)
class Report:
    """What was read, what is wrong, worst first, and what is not judged."""

    files: tuple[str, ...]
    seen: tuple[str, ...]
    diagnoses: tuple[Diagnosis, ...]
    notes: tuple[Note, ...]


def diagnose(paths: Sequence[str]) -> Report:
    """Read the paths and judge what they hold. Raises SettingsError for a path that is not there."""
    files, notes = collect(paths)
    return diagnose_files(files, notes)


def diagnose_files(files: Iterable[File], notes: Iterable[Note] = ()) -> Report:
    """Judge files that were read already."""
    setup = read_all(files, notes)
    units = connect(setup)
    found: list[Diagnosis] = run_rules(rules_on(SetUp), setup)
    for one in setup.objects:
        found += run_rules(rules_on(ManifestObject), one)
    for unit in units:
        found += run_rules(rules_on(Unit), unit)
    left = [*setup.notes, *(note for unit in units for note in unjudged(unit)), *unread_queues(setup, units)]
    return Report(
        tuple(setup.read),
        tuple(describe(unit) for unit in units),
        tuple(dict.fromkeys(sorted(found, key=_order))),
        tuple(dict.fromkeys(left)),
    )


def _order(one: Diagnosis) -> tuple[int, str, str, int]:
    return HARMS.index(one.level), one.rule, one.place.file, one.place.line
