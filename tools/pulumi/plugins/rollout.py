"""Waiting until a Deployment has rolled out, and what to say if it does not."""

from __future__ import annotations

import time

from kubernetes_api import KubernetesApi, Manifest

POLL_SECONDS = 0.3


def wait_for_rollout(api: KubernetesApi, deployment: Manifest, deadline: float) -> tuple[Manifest, list[str]]:
    """Wait until every pod is of the new template and available, at the latest until `deadline` (monotonic seconds).

    Returns the live object, and what is wrong with it if it is not ready.
    """
    while True:
        live = api.get(deployment)
        if live is None:
            return deployment, ["it was deleted while it was rolling out"]
        missing = _missing(live)
        if missing is None:
            return live, []
        if time.monotonic() >= deadline:
            return live, [missing, *_pod_troubles(api, live)]
        time.sleep(POLL_SECONDS)


def wait_until_gone(api: KubernetesApi, manifest: Manifest, deadline: float) -> bool:
    """Whether the object went away before `deadline`."""
    while (live := api.get(manifest)) is not None:
        if manifest["metadata"].get("uid") not in {None, live["metadata"]["uid"]}:
            return True
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _missing(live: Manifest) -> str | None:
    status, wanted = live.get("status", {}), live["spec"]["replicas"]
    if status.get("observedGeneration", 0) < live["metadata"]["generation"]:
        return "the controller has not seen it yet"
    if (updated := status.get("updatedReplicas", 0)) < wanted:
        return f"{updated} of {wanted} pods are of the new template"
    if (available := status.get("availableReplicas", 0)) < wanted:
        return f"{available} of {wanted} pods are available"
    if (old := status.get("replicas", 0) - updated) > 0:
        return f"{old} old pods are still there"
    return None


def _pod_troubles(api: KubernetesApi, live: Manifest) -> list[str]:
    labels = live["spec"]["selector"]["matchLabels"]
    selector = ",".join(f"{name}={value}" for name, value in labels.items())
    pods = api.request("GET", f"/api/v1/namespaces/{live['metadata']['namespace']}/pods", {"labelSelector": selector})
    found = []
    for pod in pods["items"]:
        status = pod.get("status", {})
        for container in status.get("containerStatuses", []):
            waiting = container.get("state", {}).get("waiting")
            if waiting:
                found.append(f"pod {pod['metadata']['name']}: {waiting.get('reason')}: {waiting.get('message', '')}")
        found += [
            f"pod {pod['metadata']['name']}: not scheduled: {condition.get('message', '')}"
            for condition in status.get("conditions", [])
            if condition["type"] == "PodScheduled" and condition["status"] == "False"
        ]
    return found
