"""Rules about memory: whether a worker ends by itself before the kernel or the kubelet ends it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ebbtide.doctor.data import Map, Place, Said
from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.rules.declare import unit_rule
from ebbtide.doctor.unit import Unit
from ebbtide.kubernetes.quantity import parse_quantity


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


def _use(unit: Unit) -> _Use | None:
    php = _php_bytes(unit)
    if php is not None and isinstance(unit.processes, int):
        return _Use(php.value, unit.processes, php.place, "--memory-limit")
    workers = list(unit.named("celery worker"))
    if len(workers) != 1 or len(unit.workers) != 1 or not isinstance(workers[0].copies, int):
        return None
    each, count = workers[0].seconds("--max-memory-per-child"), workers[0].seconds("-c", "--concurrency")
    if each is None or count is None or not {"prefork"} >= set(workers[0].values("-P", "--pool")):
        return None
    processes = count * workers[0].copies
    return _Use(each * 1024.0 * processes, processes, workers[0].words_place, "--max-memory-per-child")


def _php_bytes(unit: Unit) -> Said[float] | None:
    total, place = 0.0, None
    for worker in unit.named("messenger:consume"):
        values = worker.values("-m", "--memory-limit")
        if not values or not isinstance(worker.copies, int) or values[-1][:-1].isdecimal() is False:
            return None
        size = {"K": 2**10, "M": 2**20, "G": 2**30}.get(values[-1][-1:].upper())
        if size is None:
            return None
        total, place = total + int(values[-1][:-1]) * size * worker.copies, worker.words_place
    return Said(total, place) if place is not None and total else None


def _workers(processes: int) -> str:
    return "its worker" if processes == 1 else f"its {processes} workers"


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
            f"has a memory limit of {limits.text('memory')}, and {_workers(used.processes)} may use "
            f"{used.bytes / 2**20:.0f}Mi before {end} ({used.place})",
            f"write {used.bytes * 1.1 / 2**20:.0f}Mi, or lower {used.option}",
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
        f"requests {requests.text('memory')} without a limit, and {_workers(used.processes)} may use "
        f"{used.bytes / 2**20:.0f}Mi ({used.place})",
        "request what a busy pod uses, and set a limit above what its workers may use",
    )
