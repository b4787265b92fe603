"""What 200 pods with `shutdown.idleFirst` ask of an API server: writes a second, and its CPU and etcd's.

    PYTHONPATH=infra:consumer:. .venv/bin/python benchmarks/idle-first/load.py [SECONDS]

Real: the API server, etcd and the ReplicaSet controller (their own, started here), the role and the admission policy,
a token bound to each pod, and the image's own rule, writer and requests. Stand-ins: nobody runs the pods, each is a
thread of this process that looks as often as the helper does; how busy its workers are is drawn. No kubelets watch, as
those of a cluster would.
"""

from __future__ import annotations

import os
import random
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ebbtide_supervisor.idle_first import LOOK_SECONDS, ApiServer, Writer, deletion_cost
from tests.engine.control_plane import ControlPlane, running_control_plane
from tests.engine.kubernetes_build import kubernetes_binaries
from tests.manifests.kubernetes.examples import make_stack

from ebbtide.manifests.kubernetes import build_namespace, build_workload

PODS, WORKERS, LONGEST_SECONDS = 200, 4, 300
NAMESPACE = "idle-first"
POLICY_SECONDS = 5
TICKS = os.sysconf("SC_CLK_TCK")

Ages = Callable[[float], list[float | None]]


class Workers:
    """A pod's workers by the clock: each has a message for so long, then none, half of the time."""

    def __init__(self, seed: int, message_seconds: float) -> None:
        self._random, self._mean = random.Random(seed), message_seconds
        self._phases = [(0.0, 0.0, self._random.random() < 0.5) for _ in range(WORKERS)]

    def __call__(self, now: float) -> list[float | None]:
        for at, (_, ends, is_busy) in enumerate(self._phases):
            if now >= ends:
                self._phases[at] = (now, now + self._random.expovariate(1 / self._mean), not is_busy)
        return [now - began if is_busy else None for began, _, is_busy in self._phases]


def always_another(seed: int) -> Ages:
    """Another band at each look: more than this no pods can ask for."""
    state = random.Random(seed)
    return lambda _now: [1.0 if at < state.randrange(WORKERS + 1) else None for at in range(WORKERS)]


@dataclass
class Asked:
    """What one phase has asked."""

    seconds: list[float]
    refused: int = 0


class CountedServer(ApiServer):
    """The image's own requests, counted."""

    def set_cost(self, cost: int) -> None:
        began = time.monotonic()
        try:
            super().set_cost(cost)
        except Exception:
            ASKED.refused += 1
            raise
        ASKED.seconds.append(time.monotonic() - began)


ASKED = Asked([])


def replica_set() -> dict[str, Any]:
    labels = {"app": "events"}
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {"name": "consumer", "image": "registry.example/events:1", "securityContext": security}
    pod = {"runAsNonRoot": True, "runAsUser": 10001, "seccompProfile": {"type": "RuntimeDefault"}}
    template = {
        "metadata": {"labels": labels},
        "spec": {
            "serviceAccountName": "events",
            "automountServiceAccountToken": False,
            "schedulerName": "nobody",
            "securityContext": pod,
            "containers": [container],
        },
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "events", "namespace": NAMESPACE},
        "spec": {"replicas": PODS, "selector": {"matchLabels": labels}, "template": template},
    }


def servers(plane: ControlPlane, directory: Path) -> Iterator[CountedServer]:
    """One for each pod, with what the kubelet would project into it."""
    host, port = plane.address.split(":")
    api = plane.api
    while len(pods := api.request("GET", f"/api/v1/namespaces/{NAMESPACE}/pods")["items"]) < PODS:
        time.sleep(0.2)
    for pod in pods:
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        bound = {"kind": "Pod", "apiVersion": "v1", "name": name, "uid": uid}
        spec = {"expirationSeconds": 3600, "audiences": [], "boundObjectRef": bound}
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        path = f"/api/v1/namespaces/{NAMESPACE}/serviceaccounts/events/token"
        own = directory / name
        own.mkdir()
        (own / "token").write_text(api.request("POST", path, None, body)["status"]["token"])
        (own / "namespace").write_text(NAMESPACE)
        (own / "name").write_text(name)
        (own / "ca.crt").symlink_to(plane.authority)
        yield CountedServer(host, int(port), own)


def cpu_seconds(directory: Path) -> dict[str, float]:
    """Of the programs that have this directory among their arguments."""
    used = {}
    for process in Path("/proc").iterdir():
        try:
            words = (process / "cmdline").read_bytes().decode().split("\0") if process.name.isdigit() else [""]
            if any(str(directory) in word for word in words[1:]) and Path(words[0]).name.startswith(("kube", "etcd")):
                fields = (process / "stat").read_text().rpartition(")")[2].split()
                used[Path(words[0]).name] = (int(fields[11]) + int(fields[12])) / TICKS
        except OSError:
            continue  # it has ended
    return used


@contextmanager
def pods_that_look(writers: list[tuple[Writer, Ages]]) -> Iterator[None]:
    end = threading.Event()

    def look(writer: Writer, ages: Ages) -> None:
        while not end.wait(LOOK_SECONDS):
            now = time.monotonic()
            writer.write(deletion_cost(ages(now), LONGEST_SECONDS), now)

    threads = [threading.Thread(target=look, args=one) for one in writers]
    for thread in threads:
        thread.start()
    yield
    end.set()
    for thread in threads:
        thread.join()


def main(seconds: float) -> None:
    phases: dict[str, Callable[[int], Ages] | None] = {
        "nobody writes": None,
        "messages of a minute": lambda seed: Workers(seed, 60),
        "messages of 5 s": lambda seed: Workers(seed, 5),
        "another band at each look": always_another,
    }
    stack = make_stack({"shutdown": {"idleFirst": {"apiServer": "10.0.0.2/32"}}}, namespace=NAMESPACE)
    objects = build_workload(stack, stack.consumers["events"])
    with tempfile.TemporaryDirectory(prefix="ebbtide-load-") as name:
        directory = Path(name)
        with running_control_plane(directory / "plane", kubernetes_binaries()) as plane:
            for manifest in (build_namespace(stack).namespace, objects.service_account, *objects.own_cost):
                plane.api.apply(manifest, "benchmark", force=True)
            plane.api.apply(replica_set(), "benchmark", force=True)
            time.sleep(POLICY_SECONDS)
            (directory / "pods").mkdir()
            known = list(servers(plane, directory / "pods"))
            for phase, ages in phases.items():
                writers = [(Writer(server), ages(seed)) for seed, server in enumerate(known)] if ages else []
                with pods_that_look(writers):
                    time.sleep(LOOK_SECONDS * 5)  # everybody's first write is over
                    ASKED.seconds, ASKED.refused = [], 0
                    before, began = cpu_seconds(directory), time.monotonic()
                    time.sleep(seconds)
                    elapsed, after = time.monotonic() - began, cpu_seconds(directory)
                    wrote = list(ASKED.seconds)
                used = {name: f"{1000 * (after[name] - before[name]) / elapsed:.0f}" for name in sorted(before)}
                took = f", {1000 * statistics.median(wrote):.0f} ms each" if wrote else ""
                print(
                    f"{phase}: {len(wrote) / elapsed:.1f} writes a second{took}, {ASKED.refused} refused; millicores "
                    f"{used}; load {os.getloadavg()[0]:.1f}",
                    flush=True,
                )


if __name__ == "__main__":
    main(float(sys.argv[1]) if sys.argv[1:] else 120)
