"""The measurements: one function each, from a scene with an empty queue to a plain dict."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from benchmarks.draining import everything
from tests.runtime.lab import subjects
from tests.runtime.lab.application import messages
from tests.runtime.lab.redelivery import REDELIVER_TIMEOUT, kill_and_watch
from tests.runtime.lab.resources import cpu_seconds, process_ids, pss_mebibytes

if TYPE_CHECKING:
    from tests.runtime.lab.container import Pod
    from tests.runtime.lab.scene import Scene

BUDGET = subjects.Budget(longest_message=35)
# How long the subjects consume before they are deleted, and how long an idle pod is watched.
BUSY_SECONDS = 6
IDLE_SECONDS = 30
# 1,400 with 70 workers.
MESSAGES_PER_WORKER = 20


@dataclass(frozen=True)
class Load:
    """How many workers, and how long their messages take, in seconds."""

    workers: int = 70
    least: float = 0.5
    most: float = 10
    cpus: float | None = None
    """A limit on the pod's CPU."""


def pod_of(scene: Scene, subject: str, workers: int, cpus: float | None = None) -> Pod:
    """A pod of ours, with workers that boot, that are forked, or that are forked where it is proved that they may be
    (`auto`), or that boot beside a helper that does all it can do;
    or of the simplest correct set-up. Not started."""
    if subject == "simplest":
        image = subjects.simplest(scene.application, scene.directory / "set-up", workers, BUDGET.grace - 3)
        return scene.pod(image, cpus=cpus)
    if subject == "everything":
        return everything.switch_on(scene.ours(workers, BUDGET, {"EBBTIDE_WORKER_START": "exec"}, cpus=cpus))
    start = {"ebbtide": "exec", "forked": "fork", "auto": "auto"}[subject]
    return scene.ours(workers, BUDGET, {"EBBTIDE_WORKER_START": start}, cpus=cpus)


def drain(scene: Scene, subject: str, load: Load, seed: int) -> dict[str, float | None]:
    """Deletes a busy pod."""
    scene.send(messages(seed, load.workers * 6, load.least, load.most))
    pod = pod_of(scene, subject, load.workers).start()
    scene.wait_for_messages_in_flight(load.workers - 5)
    time.sleep(BUSY_SECONDS)

    deletion = pod.delete(BUDGET.grace)

    if subject == "everything":
        everything.check(pod)
    account = scene.account()
    scene.settle()
    depth = scene.broker.depth()
    in_flight = account.in_flight_at(deletion.deleted_at)
    last = max(account.last_end, deletion.deleted_at)
    told = [float(event["read_at"]) for event in pod.events("drainStarted")] or [deletion.deleted_at]
    return {
        "seed": seed,
        "in_flight_at_delete": len(in_flight),
        "lost": len(account.killed),
        "handled_twice": len(account.handled_twice),
        "unaccounted": len(scene.sent) - len(account.finished) - depth.ready - depth.taken,
        "started_after_delete": account.started_after(deletion.deleted_at),
        "started_after_order": account.started_after(told[0]),
        "delete_to_gone_seconds": round(deletion.seconds, 3),
        "longest_in_flight_seconds": round(
            max((one.ended_at or 0) - deletion.deleted_at for one in in_flight) if in_flight else 0, 3
        ),
        "gone_after_last_message_seconds": round(deletion.gone_at - last, 3),
        "exit_status": deletion.exit_status,
    }


def boot_and_idle(scene: Scene, subject: str, load: Load) -> dict[str, float | None]:
    """CPU from the start to the last worker consuming; CPU and memory of the idle pod; memory after messages."""
    pod = pod_of(scene, subject, load.workers, load.cpus).start()
    scene.wait_for_consumers(load.workers, 300)
    boot_cpu = cpu_seconds(pod)
    wall = max(moment for _, moment in scene.account().consuming) - pod.started_at
    time.sleep(10)
    before = cpu_seconds(pod)
    began = time.monotonic()
    time.sleep(IDLE_SECONDS)
    idle = (cpu_seconds(pod) - before) / (time.monotonic() - began)
    memory = pss_mebibytes(pod)
    scene.send(messages(1, MESSAGES_PER_WORKER * load.workers, 0.01, 0.05))
    scene.wait_until(lambda: len(scene.account().finished) == len(scene.sent), 180, "all messages are handled")
    busy_memory = pss_mebibytes(pod)
    if subject in {"forked", "auto"} and (pod.events("forkOff") or not pod.events("parentReady")):
        raise RuntimeError(f"its workers were not forked: {pod.output()}")
    deletion = pod.delete(BUDGET.grace)
    return {
        "idle_deletion_seconds": round(deletion.seconds, 2),
        "boot_cpu_seconds": round(boot_cpu, 2),
        "boot_wall_seconds": round(wall, 2),
        "idle_millicores": round(idle * 1000, 1),
        "idle_pss_mebibytes": round(memory, 1),
        "pss_after_messages_mebibytes": round(busy_memory, 1),
    }


def wake(scene: Scene, subject: str, load: Load) -> dict[str, float | None]:
    """What waits for a new pod: from the image's first word to the first message, and until all consume."""
    scene.send(messages(1, 3 * load.workers, 0.5, 1))
    pod = pod_of(scene, subject, load.workers, load.cpus).start()
    scene.wait_for_consumers(load.workers, 300)
    boot_cpu = cpu_seconds(pod)
    account = scene.account()
    (first_word,) = (float(event["read_at"]) for event in pod.events("containerStarted"))
    pod.delete(BUDGET.grace)
    return {
        "first_word_to_first_message_seconds": round(min(one.started_at for one in account.handlings) - first_word, 3),
        "first_word_to_all_consuming_seconds": round(max(at for _, at in account.consuming) - first_word, 3),
        "boot_cpu_seconds": round(boot_cpu, 2),
    }


def idle_together(scene: Scene, load: Load) -> list[dict[str, object]]:
    """CPU of two idle pods in the same seconds on the same broker: what else the machine does meets both."""
    pods = {subject: pod_of(scene, subject, load.workers).start() for subject in ("ebbtide", "forked", "simplest")}
    scene.wait_for_consumers(len(pods) * load.workers, 180)
    time.sleep(10)
    before = {subject: cpu_seconds(pod) for subject, pod in pods.items()}
    began = time.monotonic()
    time.sleep(IDLE_SECONDS)
    used = {subject: cpu_seconds(pod) - before[subject] for subject, pod in pods.items()}
    elapsed = time.monotonic() - began
    for pod in pods.values():
        pod.delete(BUDGET.grace)
    return [{"subject": subject, "idle_millicores": round(1000 * used[subject] / elapsed, 1)} for subject in pods]


def outage(scene: Scene, subject: str, load: Load, seconds: int) -> dict[str, float | None]:
    """Takes the broker away and brings it back; None where no worker came back within a minute."""
    pod = pod_of(scene, subject, load.workers).start()
    scene.wait_for_consumers(load.workers, 120)
    time.sleep(2)
    starts = _StartCounter(pod)
    cpu = cpu_seconds(pod)
    scene.broker.stop()
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        starts.look()
        time.sleep(0.02)
    elapsed = time.monotonic() - began
    cores = (cpu_seconds(pod) - cpu) / elapsed
    already = len(scene.account().consuming)
    scene.broker.start()
    back = time.monotonic()
    while len(scene.account().consuming) < already + load.workers and time.monotonic() - back < 60:
        time.sleep(0.1)
    consuming = [moment for _, moment in scene.account().consuming[already:]]
    result = {
        "outage_seconds": round(elapsed, 1),
        "starts_per_second": round(starts.seen / elapsed, 2),
        "cores": round(cores, 3),
        "workers_back": len(consuming),
        "all_back_after_seconds": round(max(consuming) - back, 1) if len(consuming) >= load.workers else None,
    }
    pod.delete(BUDGET.grace)
    return result


def redelivery(scene: Scene, load: Load, *, recover: bool) -> dict[str, object]:
    """Kills a pod and says when each of its messages was begun again by the other."""
    environment = {"EBBTIDE_RECOVER_AFTER_SECONDS": str(REDELIVER_TIMEOUT)} if recover else {}
    seen = kill_and_watch(scene, load.workers, patience_seconds=300, environment=environment)
    return {
        "killed": seen.killed,
        "last_back_after_seconds": max(seen.back_after_seconds),
        "back_after_seconds": seen.back_after_seconds,
    }


class _StartCounter:
    """Counts the workers that are started in a pod, whoever starts them; sees those that live 20 ms or more.

    Not every process: Symfony's console starts an `stty` for each error it prints.
    """

    def __init__(self, pod: Pod) -> None:
        self.pod = pod
        self.workers = {pid for pid in process_ids(pod) if _consumes(pid)}
        self.seen = 0

    def look(self) -> None:
        # One that was just forked still looks like its supervisor: it is asked again next time.
        new = {pid for pid in process_ids(self.pod) - self.workers if _consumes(pid)}
        self.seen += len(new)
        self.workers |= new


def _consumes(pid: int) -> bool:
    try:
        return b"messenger:consume" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False
