"""What a node offers to pods: the machine less what GKE keeps."""

from __future__ import annotations

import re

_MACHINE = re.compile(r"(?P<family>[a-z]\d[a-z]?d?|t2[ad])-(?P<shape>standard|highmem|highcpu)-(?P<cpus>\d+)")
_GIBIBYTE = 1024**3
# GB of memory for each vCPU, by Google's table of machine families.
_MEMORY_PER_CPU = {"standard": 4, "highmem": 8, "highcpu": 1}
_HIGHCPU_TWO_GIB = {"n4", "c3", "c4", "c4a", "c3d", "c4d", "n4d"}
# GKE keeps these shares of each slice of a node's memory, and 100 MiB for eviction (GKE, "node sizes").
_RESERVED_MEMORY_SLICES = ((4, 25), (4, 20), (8, 10), (112, 6))
_RESERVED_MEMORY_BEYOND_PERCENT = 2
_EVICTION_BYTES = 100 * 1024**2
# And of each core, in thousandths: the first, the second, the next two, all others. Shared-core machines keep 1060.
_RESERVED_CPU = ((1, 60), (1, 10), (2, 5))
_RESERVED_CPU_BEYOND_PER_2 = 5


def allocatable(machine_type: str) -> tuple[int, int] | None:
    """CPU in millicores and memory in bytes that a node of this type offers, its own pods included.

    None for machines whose name does not say their size (custom and accelerator types).
    """
    match = _MACHINE.fullmatch(machine_type)
    if match is None:
        return None
    cpus, shape = int(match["cpus"]), match["shape"]
    per_cpu = 2 if shape == "highcpu" and match["family"] in _HIGHCPU_TWO_GIB else _MEMORY_PER_CPU[shape]
    return _cpu(cpus), _memory(cpus * per_cpu)


def _cpu(cpus: int) -> int:
    reserved, left = 0, cpus
    for cores, millicores in _RESERVED_CPU:
        taken = min(cores, left)
        reserved, left = reserved + taken * millicores, left - taken
    return cpus * 1000 - reserved - left * _RESERVED_CPU_BEYOND_PER_2 // 2


def _memory(gibibytes: int) -> int:
    reserved, left = 0.0, gibibytes
    for size, percent in _RESERVED_MEMORY_SLICES:
        taken = min(size, left)
        reserved, left = reserved + taken * percent / 100, left - taken
    reserved += left * _RESERVED_MEMORY_BEYOND_PERCENT / 100
    return int((gibibytes - reserved) * _GIBIBYTE) - _EVICTION_BYTES
