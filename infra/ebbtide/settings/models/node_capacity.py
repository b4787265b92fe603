"""What a node offers to pods: the machine less what GKE keeps."""

from __future__ import annotations

import re
from collections.abc import Mapping

_MACHINE = re.compile(r"(?P<family>[a-z]\d[a-z]?)-(?P<shape>standard|highmem|highcpu)-(?P<cpus>\d+)")
_GIBIBYTE = 1024**3
# GB of memory for each vCPU, by Google's table of each machine series.
_USUAL: Mapping[str, float] = {"standard": 4, "highmem": 8, "highcpu": 1}
_MEMORY_PER_CPU: Mapping[str, Mapping[str, float]] = {
    **dict.fromkeys(("e2", "n2", "n2d", "c2", "t2a", "t2d", "h3", "g2"), _USUAL),
    **{series: {**_USUAL, "highcpu": 2} for series in ("n4", "n4d", "c2d", "c3", "c3d", "c4a")},
    "n1": {"standard": 3.75, "highmem": 6.5, "highcpu": 0.9},
    "c4": {"standard": 3.75, "highmem": 7.75, "highcpu": 2},
}
_UNUSUAL_GIGABYTES = {"n2-highmem-128": 864, "c4-standard-2": 7, "c4-highmem-2": 15}
# GKE keeps these shares of each slice of a node's memory, and 100 MiB for eviction (GKE, "node sizes").
_RESERVED_MEMORY_SLICES = ((4, 25), (4, 20), (8, 10), (112, 6))
_RESERVED_MEMORY_BEYOND_PERCENT = 2
_EVICTION_BYTES = 100 * 1024**2
# And of each core, in thousandths: the first, the second, the next two, all others. Shared-core machines keep 1060.
_RESERVED_CPU = ((1, 60), (1, 10), (2, 5))
_RESERVED_CPU_BEYOND_PER_2 = 5


def allocatable(machine_type: str) -> tuple[int, int] | None:
    """CPU in millicores and memory in bytes that a node of this type offers, its own pods included.

    None for machines whose name does not say their size (custom and accelerator types), and of a series that is not
    known.
    """
    match = _MACHINE.fullmatch(machine_type)
    if match is None or match["family"] not in _MEMORY_PER_CPU:
        return None
    cpus = int(match["cpus"])
    gigabytes = cpus * _MEMORY_PER_CPU[match["family"]][match["shape"]]
    return _cpu(cpus), _memory(_UNUSUAL_GIGABYTES.get(machine_type, gigabytes))


def _cpu(cpus: int) -> int:
    reserved, left = 0, cpus
    for cores, millicores in _RESERVED_CPU:
        taken = min(cores, left)
        reserved, left = reserved + taken * millicores, left - taken
    return cpus * 1000 - reserved - left * _RESERVED_CPU_BEYOND_PER_2 // 2


def _memory(gibibytes: float) -> int:
    reserved, left = 0.0, gibibytes
    for size, percent in _RESERVED_MEMORY_SLICES:
        taken = min(size, left)
        reserved, left = reserved + taken * percent / 100, left - taken
    reserved += left * _RESERVED_MEMORY_BEYOND_PERCENT / 100
    return int((gibibytes - reserved) * _GIBIBYTE) - _EVICTION_BYTES
