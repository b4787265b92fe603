"""What the helper costs beside 70 idle workers, by what it is there for: memory, idle CPU, CPU of a scrape.

    PYTHONPATH=infra:consumer:. .venv/bin/python benchmarks/idle-first/helper.py [SECONDS]

All pods stand at the same time on the same Redis: what else the machine does meets all of them. CPU is what the kernel
has accounted to the helper's threads (/proc/PID/task/*/schedstat, nanoseconds) within SECONDS (120). Needs what
tests/runtime needs. The API server is a stand-in that answers 200.
"""

from __future__ import annotations

import http.client
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.api_stand_in import ApiStandIn, make_directory
from tests.ports import free_port
from tests.runtime.lab import machine
from tests.runtime.lab.application import Application
from tests.runtime.lab.brokers import BROKERS
from tests.runtime.lab.scene import Scene
from tests.runtime.lab.subjects import Budget

if TYPE_CHECKING:
    from tests.runtime.lab.container import Pod

WORKERS = 70
BUDGET = Budget(longest_message=35)
# A collector has come, and every cost was written.
SETTLE_SECONDS = 45
SCRAPES = 50
RECOVER = {"EBBTIDE_RECOVER_AFTER_SECONDS": "60"}


def helper_of(pod: Pod) -> int:
    (pid,) = [pid for pid, line in pod.processes().items() if line.endswith("/helper")]
    return pid


def cpu_seconds(pid: int) -> float:
    told = [task.read_text().split()[0] for task in Path(f"/proc/{pid}/task").glob("*/schedstat")]
    return sum(map(int, told)) / 1e9


def pss_mebibytes(pid: int) -> float:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def scrape(port: int) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request("GET", "/metrics")
    assert connection.getresponse().read()
    connection.close()


def main(seconds: float) -> None:
    machine.prepare((*machine.application_packages(), *machine.FAST))
    with tempfile.TemporaryDirectory(prefix="ebbtide-helper-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        application = Application(machine.EXAMPLE, directory).build()
        (directory / "api").mkdir()
        api = ApiStandIn(make_directory(directory / "api"))
        broker = BROKERS["redis"]()
        try:
            broker.start()
            with Scene(application, broker) as scene:
                measure(scene, api, directory / "api", seconds)
        finally:
            broker.destroy()
            api.stop()


def measure(scene: Scene, api: ApiStandIn, projected: Path, seconds: float) -> None:
    ports = {"metrics": free_port(), "recover, metrics, idleFirst": free_port()}
    metrics = {name: {"EBBTIDE_METRICS_PORT": str(port)} for name, port in ports.items()}
    told = {"KUBERNETES_SERVICE_HOST": "127.0.0.1", "KUBERNETES_SERVICE_PORT": str(api.port)}
    idle_first = {"EBBTIDE_IDLE_FIRST": "on", **told}
    pods = {
        "recover": scene.ours(WORKERS, BUDGET, RECOVER),
        "metrics": scene.ours(WORKERS, BUDGET, metrics["metrics"]),
        "idleFirst": scene.ours(WORKERS, BUDGET, idle_first),
        "recover, metrics, idleFirst": scene.ours(
            WORKERS, BUDGET, RECOVER | metrics["recover, metrics, idleFirst"] | idle_first
        ),
    }
    for pod in pods.values():
        pod.volumes["/run/ebbtide-api"] = projected
        pod.start()
    scene.wait_for_consumers(len(pods) * WORKERS, 300)
    for port in ports.values():
        scrape(port)
    time.sleep(SETTLE_SECONDS)
    helpers = {name: helper_of(pod) for name, pod in pods.items()}
    before, began = {name: cpu_seconds(pid) for name, pid in helpers.items()}, time.monotonic()
    time.sleep(seconds)
    elapsed = time.monotonic() - began
    idle = {name: 1000 * (cpu_seconds(pid) - before[name]) / elapsed for name, pid in helpers.items()}
    print(f"load {os.getloadavg()[0]:.1f}, {elapsed:.0f} s, costs written {len(api.asked)}")
    for name, pid in helpers.items():
        told_of = f"{name}: {pss_mebibytes(pid):.1f} MiB, idle {idle[name]:.2f} millicores"
        if name in ports:
            at = cpu_seconds(pid)
            for _ in range(SCRAPES):
                scrape(ports[name])
            told_of += f", {1000 * (cpu_seconds(pid) - at) / SCRAPES:.1f} ms a scrape"
        print(told_of)
    for pod in pods.values():
        pod.delete(BUDGET.grace)


if __name__ == "__main__":
    main(float(sys.argv[1]) if sys.argv[1:] else 120)
