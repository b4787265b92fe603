"""What is needed to understand a test that failed once and will not fail again: the CLI's own words with their times,
the pods, and the last lines of the control plane's logs."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.kubernetes_api import ApiError, KubernetesApi

KEPT_COMMANDS, KEPT_CHARACTERS, KEPT_LINES = 4, 4000, 8
LOGS = ("hollow-node.log", "kube-controller-manager.log", "kube-apiserver.log", "etcd.log")


@dataclass(frozen=True, slots=True)
class Command:
    """One command of the CLI, as it was."""

    began: datetime
    seconds: float
    words: str
    status: int | None
    """None where it was ended because it took too long."""
    output: str


COMMANDS: deque[Command] = deque(maxlen=KEPT_COMMANDS)
"""The last ones of this process."""


def report(api: KubernetesApi | None, logs: Path | None) -> str:
    """What the last commands said, and what is in the cluster, if there is one."""
    lines = [line for command in COMMANDS for line in _of_command(command)]
    if api is not None:
        lines += _pods(api)
    if logs is not None:
        lines += [line for name in LOGS for line in _of_log(logs / name)]
    return "\n".join(lines)


def _of_command(command: Command) -> Iterator[str]:
    yield f"-- {command.began:%H:%M:%S}, {command.seconds:.1f} s, status {command.status}: pulumi {command.words}"
    yield command.output[-KEPT_CHARACTERS:]


def _pods(api: KubernetesApi) -> list[str]:
    try:
        pods = api.request("GET", "/api/v1/pods")["items"]
        deployments = api.request("GET", "/apis/apps/v1/deployments")["items"]
    except ApiError as error:
        return [f"-- the cluster: {error}"]
    told = [f"-- {len(pods)} pods, {len(deployments)} Deployments"]
    return told + [f"{_name(one)}: {json.dumps(_state(one))}" for one in (*pods, *deployments)]


def _name(thing: dict[str, Any]) -> str:
    metadata = thing["metadata"]
    ends = " (being deleted)" if "deletionTimestamp" in metadata else ""
    return f"{metadata['namespace']}/{metadata['name']}, made {metadata['creationTimestamp']}{ends}"


def _state(thing: dict[str, Any]) -> dict[str, Any]:
    """Its status without what says nothing of it."""
    status = thing.get("status", {})
    containers = [one.get("state") for one in status.get("containerStatuses", ())]
    kept = {key: value for key, value in status.items() if isinstance(value, int | str)}
    conditions = {one["type"]: one.get("reason") or one["status"] for one in status.get("conditions", ())}
    return {**kept, "conditions": conditions, **({"containers": containers} if containers else {})}


def _of_log(log: Path) -> Iterator[str]:
    if log.is_file():
        yield f"-- the end of {log.name}"
        yield from log.read_text(errors="replace").splitlines()[-KEPT_LINES:]
