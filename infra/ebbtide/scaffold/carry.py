"""From a set-up that was read to consumers: what can be carried over, and by name what cannot."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Final

from ebbtide.doctor.data import Map
from ebbtide.doctor.of_image import CONSUME, consumed_receivers
from ebbtide.doctor.times import longest_of
from ebbtide.doctor.unit import Unit, Worker
from ebbtide.judgement.secrets import holds_secret
from ebbtide.scaffold.answers import Consumer

_ALLOWANCE_SECONDS: Final = 30
_DEFAULT_LONGEST_SECONDS: Final = 60
_NODE_SCALE_DOWN_SECONDS: Final = 570
_NODE_UPGRADE_SECONDS: Final = 3570
_PER_PROCESS: Final = "128M"
# Of the workload, its pod and its container: what becomes of it in ebbtide is said, or that nothing does.
_CARRIED_POD: Final = frozenset(
    {"containers", "terminationGracePeriodSeconds", "restartPolicy", "dnsPolicy", "schedulerName"}
)
_CARRIED_CONTAINER: Final = frozenset(
    {"name", "image", "command", "args", "env", "resources", "lifecycle", "imagePullPolicy", "livenessProbe"}
)
# ebbtide's own stand in their place.
_DERIVED: Final = frozenset(
    {"securityContext", "readinessProbe", "startupProbe", "terminationMessagePath", "terminationMessagePolicy"}
)
_NAMESPACE: Final = "consumers"
"""Where a stack's consumers are, unless it says otherwise."""


@dataclass
class Carried:
    """One consumer, and what became of what."""

    name: str
    unit: Unit
    settings: Consumer
    left: list[str] = field(default_factory=list)
    """What could not be carried, by name, and what to do about it."""


def carry(units: list[Unit]) -> list[Carried]:
    """A consumer for each kind of worker of each unit. A unit without a worker that is known gives none."""
    found: list[Carried] = []
    # In one namespace a second Deployment of the old one's name would be the old one.
    there = {unit.workload.name for unit in units if unit.workload and unit.workload.namespace == _NAMESPACE}
    for unit in units:
        workers = [worker for worker in unit.workers if worker.program is not None]
        for worker in workers:
            found.append(_consumer(unit, worker, alone=len(workers) == 1, taken={one.name for one in found} | there))
    return found


def _consumer(unit: Unit, worker: Worker, *, alone: bool, taken: set[str]) -> Carried:
    base = unit.workload.name if unit.workload else (worker.supervised.name if worker.supervised else "worker")
    name = _name(base if alone or worker.supervised is None else f"{base}-{worker.supervised.name}", taken)
    carried = Carried(name, unit, {})
    settings = carried.settings
    settings["image"] = f"registry.example/consumers/{name}:1"
    settings["worker"] = _worker(worker, carried)
    settings["shutdown"] = _shutdown(unit, worker, carried)
    settings["autoscaling"] = _autoscaling(unit, carried)
    _environment(unit, carried)
    _rest(unit, carried)
    return carried


def _name(text: str, taken: set[str]) -> str:
    name = re.sub(r"[^a-z0-9-]+", "-", text.lower()).strip("-")[:40] or "worker"
    return next(one for one in (name, *(f"{name}-{n}" for n in range(2, 1000))) if one not in taken)


def _worker(worker: Worker, carried: Carried) -> dict[str, Any]:
    words = [word if word is not None else "" for word in worker.words]
    processes = worker.copies if isinstance(worker.copies, int) else 1
    if not isinstance(worker.copies, int):
        carried.left.append("the number of processes, which only the container knows: `worker.processes` is 1")
    if worker.program is not None and worker.program.name == CONSUME:
        receivers = consumed_receivers(words)
        limits = worker.values("-m", "--memory-limit")
        found: dict[str, Any] = {
            "kind": "symfonyMessenger",
            "receivers": receivers or ["async"],
            "processes": processes,
        }
        found["memoryLimit"] = limits[-1] if limits and re.fullmatch(r"[0-9]+[KMG]", limits[-1]) else _PER_PROCESS
        seconds = worker.seconds("--time-limit", "-t")
        if seconds:
            found["timeLimit"] = f"{seconds}s"
        return found
    if "" in words:
        carried.left.append(
            "words of the worker's command that only its script knows: they are missing in `worker.command`"
        )
    command = [word for word in words if word]
    found = {"kind": "command", "command": command, "processes": processes, "memoryLimit": "256M"}
    carried.left.append("how much memory a process needs: `worker.memoryLimit` is 256M; measure it")
    if worker.program is not None and worker.program.finishes_on and "TERM" not in worker.program.finishes_on:
        found["stopSignal"] = worker.program.finishes_on[0]
    return found


def _shutdown(unit: Unit, worker: Worker, carried: Carried) -> dict[str, Any]:
    longest = longest_of(unit, worker)
    if longest is not None and longest.value > 0:
        seconds = longest.value
    elif unit.workload and unit.workload.grace and unit.workload.grace.value > _ALLOWANCE_SECONDS:
        seconds = unit.workload.grace.value - _ALLOWANCE_SECONDS
        carried.left.append(
            f"how long a message takes: `longestMessage` is {seconds}s because the grace period was "
            f"{unit.workload.grace.value} s; measure it"
        )
    else:
        seconds = _DEFAULT_LONGEST_SECONDS
        carried.left.append(f"how long a message takes, which nothing says: `longestMessage` is {seconds}s; measure it")
    if seconds > _NODE_UPGRADE_SECONDS:
        carried.left.append(
            f"messages of {seconds} s: a node upgrade waits an hour and kills; `longestMessage` is "
            f"{_NODE_UPGRADE_SECONDS}s, and longer ones have to be split"
        )
        seconds = _NODE_UPGRADE_SECONDS
    found: dict[str, Any] = {"longestMessage": f"{seconds}s"}
    if seconds > _NODE_SCALE_DOWN_SECONDS:
        found["nodeScaleDown"] = "protect"
    return found


def _autoscaling(unit: Unit, carried: Carried) -> dict[str, Any]:
    replicas = unit.workload.replicas.value if unit.workload and unit.workload.replicas else 1
    if not unit.autoscalers:
        return {"kind": "fixed", "replicas": max(replicas, 1)}
    one = unit.autoscalers[0]
    spec = one.data.map("spec")
    least = spec.get("minReplicas", spec.get("minReplicaCount"))
    most = spec.get("maxReplicas", spec.get("maxReplicaCount"))
    carried.left.append(
        f"{one.title} ({one.at()}): its metric is not taken over; `fixed` at {_at_least(most, replicas)} pods, its "
        "maximum, until you write `autoscaling` (docs/scaling.md) - then "
        f"minReplicas {_at_least(least, 1)}, maxReplicas {_at_least(most, replicas)}"
    )
    return {"kind": "fixed", "replicas": _at_least(most, replicas)}


def _at_least(value: Any, other: int) -> int:
    return value if isinstance(value, int) and value > 0 else max(other, 1)


def _environment(unit: Unit, carried: Carried) -> None:
    plain: dict[str, str] = {}
    secret: dict[str, dict[str, str]] = {}
    data = unit.container.data if unit.container and unit.is_kubernetes else Map()
    for entry in data.items_of("env"):
        name, reference = entry.text("name"), entry.map("valueFrom", "secretKeyRef")
        if reference.text("name") and reference.text("key"):
            secret[name] = {"secret": reference.text("name"), "key": reference.text("key")}
        elif "value" not in entry:
            carried.left.append(f"variable {name}, which comes from elsewhere than a Secret or a text")
        elif holds_secret(entry.text("value"), name):
            carried.left.append(f"variable {name}: its value looks like a secret; put it into a Secret, and name that")
        else:
            plain[name] = entry.text("value")
    if not unit.is_kubernetes and unit.container is not None:
        for name in unit.container.environment:
            carried.left.append(f"variable {name} of {unit.title}")
    if plain:
        carried.settings["environment"] = plain
    if secret:
        carried.settings["secretEnvironment"] = secret
        _name_secrets(unit, sorted({one["secret"] for one in secret.values()}), carried)


def _name_secrets(unit: Unit, names: list[str], carried: Carried) -> None:
    """A pod finds a Secret in its own namespace only, and the new one is in another unless it is said."""
    within = unit.workload.namespace if unit.workload else ""
    if within != _NAMESPACE:
        there = f"namespace: {{name: {within or '<where it is>'}, create: false}}"
        carried.left.append(
            f"Secret {', '.join(names)}: the new pods look for it in namespace {_NAMESPACE}; make it there as well, "
            f"or write `{there}` and give the consumer another name"
        )


def _rest(unit: Unit, carried: Carried) -> None:
    carried.left.append("where the broker is: write `network.egress`, or workers reach nothing but DNS")
    carried.left.append("what the broker does with a killed worker's message: write `transport`")
    if unit.container is None or unit.workload is None or not unit.is_kubernetes:
        return
    for level, data, known in (
        ("pod", unit.workload.pod, _CARRIED_POD),
        ("container", unit.container.data, _CARRIED_CONTAINER),
    ):
        carried.left += [f"`{key}` of the {level}" for key in sorted(data) if key not in known | _DERIVED]
    others = [one.name for one in unit.workload.containers if one is not unit.container]
    carried.left += [f"container {name}, which runs beside the workers (docs/pods.md)" for name in others]
