"""Rules about memory: whether a worker ends by itself before the kernel or the kubelet ends it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from ebbtide.doctor.data import Map, Place
from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.rules.declare import unit_rule
from ebbtide.doctor.unit import Unit, Worker
from ebbtide.kubernetes.quantity import parse_quantity

# Messenger's convertToBytes: a unit of either case, or bytes.
_PHP_BYTES: Final = re.compile(r"(?P<number>[0-9]{1,15})(?P<unit>[kKmMgGtT]?)")
_SIZES: Final = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}


def _bytes(value: Any) -> float | None:
    try:
        return float(parse_quantity(str(value))) if value not in (None, "") else None
    except (ValueError, ArithmeticError):
        return None


@dataclass(frozen=True, slots=True)
class _Use:
    """What all workers may use before they end by themselves."""

    bytes: float
    processes: int
    place: Place
    option: str
    is_all: bool = True
    """Whether nothing beside them is known to be left out: otherwise they use at least this."""


def _use(unit: Unit) -> _Use | None:
    """Of the workers that say how much they may use: what the others do comes on top."""
    known = [one for worker in unit.workers if (one := _use_of(worker)) is not None]
    if not known:
        return None
    options = {one.option for one in known}
    return _Use(
        sum(one.bytes for one in known),
        sum(one.processes for one in known),
        known[-1].place,
        options.pop() if len(options) == 1 else "the limits of the workers",
        is_all=len(known) == len(unit.workers),
    )


def _use_of(worker: Worker) -> _Use | None:
    """None where a worker says no limit, or nobody knows how many of it run."""
    name, copies = worker.program.name if worker.program else "", worker.copies
    if not isinstance(copies, int) or copies < 1:
        return None
    if name == "messenger:consume":
        found = _PHP_BYTES.fullmatch((worker.values("-m", "--memory-limit") or [""])[-1])
        if found is None or not int(found["number"]):
            return None
        each = int(found["number"]) * _SIZES[found["unit"].upper()]
        return _Use(float(each * copies), copies, worker.words_place, "--memory-limit")
    if name != "celery worker" or not {"prefork"} >= set(worker.values("-P", "--pool")):
        return None
    kilobytes, count = worker.seconds("--max-memory-per-child"), worker.seconds("-c", "--concurrency")
    if not kilobytes or not count:
        return None
    processes = count * copies
    return _Use(kilobytes * 1024.0 * processes, processes, worker.words_place, "--max-memory-per-child")


def _workers(used: _Use) -> str:
    if used.is_all:
        return "its worker" if used.processes == 1 else f"its {used.processes} workers"
    return "one of its workers alone" if used.processes == 1 else f"{used.processes} of its workers alone"


def _enough(used: _Use) -> str:
    return f"{'' if used.is_all else 'more than '}{used.bytes * 1.1 / 2**20:.0f}Mi"


def is_open_use(unit: Unit) -> bool:
    """Whether some workers say how much memory they may use, and that the limit holds these says nothing of all."""
    used = _use(unit)
    has_limit = unit.container is not None and "memory" in unit.container.resources.map("limits")
    return used is not None and not used.is_all and has_limit and not any(check_memory_limit(unit))


@unit_rule(
    "D-66",
    Harm.LOSES,
    remedy="Raise the memory limit above what all workers may use, or lower their own.",
    source="The kernel kills by the container's limit, before a worker ends by itself between two messages.",
)
def check_memory_limit(unit: Unit) -> Iterator[Diagnosis]:
    """The memory limit holds every worker at its own limit. Below it the kernel kills, with the message in flight."""
    used = _use(unit)
    limits = unit.container.resources.map("limits") if unit.container else Map()
    limit = _bytes(limits.get("memory"))
    if used is not None and limit is not None and unit.workload is not None and limit < used.bytes:
        end = "it ends by itself" if used.processes == 1 else "they end by themselves"
        yield Diagnosis(
            unit.workload.at(limits, "memory"),
            unit.title,
            f"has a memory limit of {limits.text('memory')}, and {_workers(used)} may use "
            f"{used.bytes / 2**20:.0f}Mi before {end} ({used.place})",
            f"write {_enough(used)}, or lower {used.option}",
        )


@unit_rule(
    "D-67",
    Harm.DELAYS,
    remedy="Request what a busy pod was measured to use, or what its workers may use.",
    source="A node can run out of memory although the scheduler thought it had room, and the kubelet evicts then.",
)
def check_memory_request(unit: Unit) -> Iterator[Diagnosis]:
    """The memory request covers what the workers may use."""
    used = _use(unit)
    requests = unit.container.resources.map("requests") if unit.container else Map()
    request = _bytes(requests.get("memory"))
    has_limit = unit.container is not None and "memory" in unit.container.resources.map("limits")
    if used is None or request is None or unit.workload is None or has_limit or request >= used.bytes:
        return
    yield Diagnosis(
        unit.workload.at(requests, "memory"),
        unit.title,
        f"requests {requests.text('memory')} without a limit, and {_workers(used)} may use "
        f"{used.bytes / 2**20:.0f}Mi ({used.place})",
        "request what a busy pod uses, and set a limit above what its workers may use",
    )
