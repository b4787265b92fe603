"""Plays the scheduler and the kubelet for a control plane without nodes: no container runs.

A pod is ready at once, gone at once when it is deleted, and waits forever for an image whose name contains
`cannot-be-pulled`. What real pods do is the cluster tier's and the rehearsal's business.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tests.kubernetes_api import ApiError, KubernetesApi

NODE = "hollow"
UNPULLABLE = "cannot-be-pulled"
POLL_SECONDS = 0.2


def serve(api: KubernetesApi) -> None:
    """Look after every pod, until this process is ended."""
    while True:
        with _telling_errors():
            for pod in api.request("GET", "/api/v1/pods")["items"]:
                # One pod that cannot be served just now keeps nobody else waiting.
                with _telling_errors():
                    attend(api, pod)
        time.sleep(POLL_SECONDS)


@contextmanager
def _telling_errors() -> Iterator[None]:
    """Somebody else was faster, or the server is going away: the next round will tell."""
    try:
        yield
    except ApiError as error:
        sys.stderr.write(f"{error}\n")


def attend(api: KubernetesApi, pod: dict[str, Any]) -> None:
    """Do for one pod what comes next."""
    metadata, status = pod["metadata"], pod.get("status", {})
    path = f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"
    if "deletionTimestamp" in metadata:
        api.request("DELETE", path, {"gracePeriodSeconds": "0"})
    elif "nodeName" not in pod["spec"]:
        target = {"apiVersion": "v1", "kind": "Node", "name": NODE}
        api.request("POST", f"{path}/binding", body={"target": target, "metadata": {"name": metadata["name"]}})
    elif "containerStatuses" not in status:
        new = _waiting(pod) if UNPULLABLE in pod["spec"]["containers"][0]["image"] else _running(pod)
        api.request("PATCH", f"{path}/status", None, {"status": new}, "application/merge-patch+json")


def _running(pod: dict[str, Any]) -> dict[str, Any]:
    # Ready for long enough to count as available, whatever minReadySeconds says: nobody here can be unready.
    since = (datetime.now(UTC) - timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M:%SZ")
    state = {"running": {"startedAt": since}}
    conditions = [
        {"type": name, "status": "True", "lastTransitionTime": since}
        for name in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    ]
    return {
        "phase": "Running",
        "conditions": conditions,
        "containerStatuses": [_container(pod, state, ready=True)],
    }


def _waiting(pod: dict[str, Any]) -> dict[str, Any]:
    image = pod["spec"]["containers"][0]["image"]
    state = {"waiting": {"reason": "ImagePullBackOff", "message": f'Back-off pulling image "{image}"'}}
    unready = f"containers with unready status: [{pod['spec']['containers'][0]['name']}]"
    conditions = [{"type": name, "status": "True"} for name in ("PodScheduled", "Initialized")] + [
        {"type": name, "status": "False", "reason": "ContainersNotReady", "message": unready}
        for name in ("ContainersReady", "Ready")
    ]
    statuses = [_container(pod, state, ready=False)]
    return {"phase": "Pending", "conditions": conditions, "containerStatuses": statuses}


def _container(pod: dict[str, Any], state: dict[str, Any], *, ready: bool) -> dict[str, Any]:
    container = pod["spec"]["containers"][0]
    return {
        "name": container["name"],
        "image": container["image"],
        "imageID": "",
        "ready": ready,
        "started": ready,
        "restartCount": 0,
        "state": state,
    }


if __name__ == "__main__":
    serve(KubernetesApi(Path(sys.argv[1])))
