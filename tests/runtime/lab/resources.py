"""What a pod uses: CPU from its cgroup, memory from its processes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.runtime.lab.container import Pod

CGROUPS = Path("/sys/fs/cgroup")


def cpu_seconds(pod: Pod) -> float:
    """CPU time of everything in the pod since it started, ended processes included."""
    for controller in ("cpuacct", "cpu,cpuacct"):  # version 1
        usage = CGROUPS / controller / pod.identity / "cpuacct.usage"
        if usage.exists():
            return int(usage.read_text()) / 1e9
    for line in (CGROUPS / pod.identity / "cpu.stat").read_text().splitlines():  # version 2
        if line.startswith("usage_usec "):
            return int(line.split()[1]) / 1e6
    raise RuntimeError(f"no CPU accounting for {pod.identity} under {CGROUPS}")


def process_ids(pod: Pod) -> set[int]:
    """The PIDs on this machine of everything in the pod; cheap enough to ask many times a second."""
    for controller in ("cpuacct", "cpu,cpuacct", "."):
        listed = CGROUPS / controller / pod.identity / "cgroup.procs"
        if listed.exists():
            return {int(line) for line in listed.read_text().split()}
    return set()


def pss_mebibytes(pod: Pod) -> float:
    """Proportional set size of all processes, MiB: memory that several of them share is counted once."""
    kibibytes = 0
    for pid in process_ids(pod):
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
        except OSError:
            continue  # it ended in the meantime
        kibibytes += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return kibibytes / 1024
