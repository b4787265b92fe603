"""Scenarios: an HPA and what it sees, sync by sync, as plain data that both our controller and upstream's can run."""

from __future__ import annotations

import importlib
import random
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType

SECOND_US = 1_000_000
PROPER_POD = {"phase": "Running", "ready": "True", "transition_us": -9 * 60 * SECOND_US, "start_us": -600 * SECOND_US}


def _policies(rng: random.Random) -> list[dict[str, Any]]:
    return [
        {
            "type": rng.choice(["Pods", "Percent"]),
            "value": rng.choice([1, 2, 3, 4, 10, 33, 50, 100, 150, 2**31 - 1]),
            "periodSeconds": rng.choice([1, 15, 30, 45, 60, 120, 300, 1800]),
        }
        for _ in range(rng.choice([1, 1, 2, 3]))
    ]


def _rules(rng: random.Random) -> dict[str, Any]:
    rules: dict[str, Any] = {}
    if rng.random() < 0.7:
        rules["policies"] = _policies(rng)
    if rng.random() < 0.6:
        rules["selectPolicy"] = rng.choice(["Max", "Min", "Max", "Min", "Disabled"])
    if rng.random() < 0.6:
        rules["stabilizationWindowSeconds"] = rng.choice([0, 15, 30, 60, 300, 3600])
    if rng.random() < 0.3:
        rules["tolerance"] = rng.choice(["0", "0.05", "100m", "0.5", "0.333"])
    return rules


def _behavior(rng: random.Random) -> dict[str, Any] | None:
    kind = rng.random()
    if kind < 0.3:
        return None
    behavior: dict[str, Any] = {}
    if kind > 0.4:
        for direction in ("scaleUp", "scaleDown"):
            if rng.random() < 0.8:
                behavior[direction] = _rules(rng)
    return behavior


def _metric(rng: random.Random, kind: str) -> dict[str, Any]:
    milli = f"{rng.choice([1, 50, 100, 500, 999, 1000, 7000])}m"
    utilization = {"type": "Utilization", "averageUtilization": rng.choice([1, 30, 50, 60, 80, 100, 101, 200, 300])}
    average = {"type": "AverageValue", "averageValue": milli}
    value = {"type": "Value", "value": milli}
    described = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "broker"}
    return {
        "cpu": {"type": "Resource", "resource": {"name": "cpu", "target": rng.choice([utilization, average])}},
        "memory": {"type": "Resource", "resource": {"name": "memory", "target": rng.choice([utilization, average])}},
        "container": {
            "type": "ContainerResource",
            "containerResource": {
                "name": rng.choice(["cpu", "memory"]),
                "container": "container1",
                "target": rng.choice([utilization, average]),
            },
        },
        "pods": {"type": "Pods", "pods": {"metric": {"name": "busy"}, "target": average}},
        "object": {
            "type": "Object",
            "object": {
                "metric": {"name": "depth"},
                "describedObject": described,
                "target": rng.choice([value, average]),
            },
        },
        "external": {
            "type": "External",
            "external": {"metric": {"name": "backlog"}, "target": rng.choice([value, average])},
        },
    }[kind]


def _pod(rng: random.Random, now_us: int, *, odd: bool) -> dict[str, Any]:
    pod: dict[str, Any] = {**PROPER_POD, "request_milli": [700, 300]}
    if odd and rng.random() < 0.5:
        pod["phase"] = rng.choice(["Pending", "Running", "Running", "Running", "Failed", "Succeeded"])
        pod["ready"] = rng.choice(["True", "True", "False", "Unknown", ""])
        pod["start_us"] = rng.choice(
            [None, now_us, now_us - 299 * SECOND_US, now_us - 300 * SECOND_US, now_us - 400 * SECOND_US]
        )
        started = pod["start_us"] or 0
        pod["transition_us"] = started + rng.choice([0, 29, 30, 31, 240]) * SECOND_US
        pod["deleted"] = rng.random() < 0.15
        pod["request_milli"] = rng.choice([[700, 300], [100, 33], [1, 1], [700, 300]])
        if rng.random() < 0.02:
            pod["request_milli"] = [700, None]
    return pod


def _sample(rng: random.Random, metric: dict[str, Any], pods: list[dict[str, Any]], now_us: int) -> dict[str, Any]:
    if rng.random() < 0.06:
        return {"failed": True}
    body = metric[metric["type"][0].lower() + metric["type"][1:]]
    target = body["target"]
    near = rng.choice([0.0, 0.3, 0.89, 0.9, 0.95, 1.0, 1.05, 1.1, 1.101, 1.3, 2.0, 5.0])
    if metric["type"] in {"Object", "External"}:
        goal = int((target.get("value") or target["averageValue"]).removesuffix("m"))
        size = len(pods) if "averageValue" in target else 1
        values = [int(goal * size * near)]
        if metric["type"] == "External" and rng.random() < 0.3:
            values += rng.choice([[1], [-1], [0, 5], [2**62, 2**62], [-(10**6)]])
        return {"values": values}
    missing = rng.choice([0.0, 0.0, 0.1, 0.5, 1.0 if rng.random() < 0.1 else 0.0])
    samples = {}
    for number, pod in enumerate(pods):
        if rng.random() < missing:
            continue
        request = sum(each or 0 for each in pod["request_milli"])
        if "averageUtilization" in target:
            usage = int(request * target["averageUtilization"] / 100 * near)
        else:
            usage = int(int(target["averageValue"].removesuffix("m")) * near)
        usage += rng.choice([0, 0, 0, 1, -1 if usage else 0])
        samples[number] = {
            "milli": usage,
            "at_us": now_us - rng.choice([0, 15, 30, 60]) * SECOND_US,
            "window_us": 30 * SECOND_US,
        }
    if rng.random() < 0.05:
        samples[len(pods) + 3] = {"milli": 5000, "at_us": now_us, "window_us": 30 * SECOND_US}
    return {"samples": samples}


def random_hpa(rng: random.Random) -> dict[str, Any]:
    """A manifest with one to three metrics of different kinds and any behavior."""
    kinds = rng.sample(["cpu", "memory", "container", "pods", "object", "external"], rng.choice([1, 1, 1, 2, 3]))
    metrics = [_metric(rng, kind) for kind in kinds]
    minimum = rng.choice([1, 1, 2, 5, 0 if {"object", "external"} & set(kinds) else 1])
    spec: dict[str, Any] = {
        "minReplicas": minimum,
        "maxReplicas": minimum + rng.choice([1, 5, 20, 100]),
        "metrics": metrics,
    }
    behavior = _behavior(rng)
    if behavior is not None:
        spec["behavior"] = behavior
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "spec": spec}


def _reader(api: ModuleType) -> Callable[..., Any]:
    """Of the package that is tested, changed or not; the package itself does not load it."""
    read: Callable[..., Any] = importlib.import_module(f"{api.__name__}.manifest").read_manifest
    return read


def random_scenario(api: ModuleType, seed: int, release: Any) -> dict[str, Any]:
    """A scenario whose count follows our controller's decisions, with interference from outside now and then."""
    rng = random.Random(seed)
    hpa = random_hpa(rng)
    spec = _reader(api)(hpa, release)
    controller, history = api.Controller(spec), api.History()
    count, now_us = rng.choice([0, 1, 2, 3, 7, spec.max_replicas, spec.max_replicas + 2]), 0
    odd = rng.random() < 0.5
    steps: list[dict[str, Any]] = []
    for _ in range(rng.choice([1, 3, 10, 40])):
        status = max(0, count + rng.choice([0, 0, 0, 0, 1, -1]))
        pods = [_pod(rng, now_us, odd=odd) for _ in range(max(0, status + rng.choice([0, 0, 0, 1])))]
        step = {
            "at_us": now_us,
            "spec": count,
            "status": status,
            "pods": pods,
            "metrics": [_sample(rng, metric, pods, now_us) for metric in hpa["spec"]["metrics"]],
            "unreadable": rng.random() < 0.01,
            "unwritable": rng.random() < 0.01,
        }
        steps.append(step)
        count = take(api, controller, history, hpa, step).desired if not step["unreadable"] else count
        if rng.random() < 0.03:
            count = max(0, count + rng.choice([-2, 3, -count]))
        now_us += rng.choice([15, 15, 15, 15, 15, 1, 30, 60, 300]) * SECOND_US + rng.choice([0, 0, 0, 1, -1, 3000])
    return {"hpa": hpa, "steps": steps}


def take(api: ModuleType, controller: Any, history: Any, hpa: dict[str, Any], step: dict[str, Any]) -> Any:
    """One step through our controller."""
    seen = []
    pods: list[Any] = []
    for metric, given, body in zip(controller.spec.metrics, step["metrics"], hpa["spec"]["metrics"], strict=True):
        if given.get("failed"):
            seen.append(api.MetricFailure("not available"))
        elif "values" in given:
            seen.append(tuple(given["values"]) if body["type"] == "External" else given["values"][0])
        else:
            pods = [_our_pod(api, metric, pod, given["samples"].get(n)) for n, pod in enumerate(step["pods"])]
            strays = [_our_sample(api, each) for n, each in given["samples"].items() if n >= len(pods)]
            seen.append(api.group_pods(pods, metric, step["at_us"], controller.flags, strays))
    counted = api.count_ready(_our_pod(api, controller.spec.metrics[0], pod, None) for pod in step["pods"])
    scale = None if step.get("unreadable") else api.Scale(step["spec"], step["status"])
    return controller.sync(
        history, step["at_us"], scale, counted, seen, scale_writable=not step.get("unwritable", False)
    )


def _our_sample(api: ModuleType, sample: dict[str, int]) -> Any:
    return api.Sample(sample["milli"], sample["at_us"], sample["window_us"])


def _our_pod(api: ModuleType, metric: Any, pod: dict[str, Any], sample: dict[str, int] | None) -> Any:
    requests = pod["request_milli"] if metric.container is None else [pod["request_milli"][1]]
    return api.Pod(
        phase=pod["phase"],
        ready_status=pod["ready"] or None,
        ready_transition_us=pod["transition_us"],
        start_us=pod["start_us"],
        deleted=pod.get("deleted", False),
        request_milli=None if None in requests else sum(requests),
        sample=None if sample is None else _our_sample(api, sample),
    )


def decide(api: ModuleType, scenario: dict[str, Any], release: Any) -> list[dict[str, Any]]:
    """What our controller decides, in the form in which upstream's outcomes are written down."""
    controller = api.Controller(_reader(api)(scenario["hpa"], release))
    history = api.History()
    outcomes = []
    for step in scenario["steps"]:
        decision = take(api, controller, history, scenario["hpa"], step)
        outcomes.append(
            {
                "desired": decision.desired if decision.rescale else None,
                "conditions": sorted(list(condition) for condition in decision.conditions),
                "recommendations": [each.replicas for each in history.recommendations or []],
                "scale_ups": [each.replica_change for each in history.scale_ups],
                "scale_downs": [each.replica_change for each in history.scale_downs],
                "failed": bool(decision.error),
            }
        )
    return outcomes


def upstream_form(outcome: dict[str, Any]) -> dict[str, Any]:
    """An outcome of the Go program, comparable with `decide`."""
    return {
        "desired": outcome["desired"],
        "conditions": sorted(outcome["conditions"]),
        "recommendations": outcome["recommendations"],
        "scale_ups": outcome["scale_ups"],
        "scale_downs": outcome["scale_downs"],
        "failed": bool(outcome["error"]),
    }
