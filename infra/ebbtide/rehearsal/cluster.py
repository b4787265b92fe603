"""The calls a rehearsal makes to the API server. Nothing here knows what a rehearsal is for."""

from __future__ import annotations

import contextlib
import importlib
import json
import time
from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.rehearsal.access import Access
from ebbtide.rehearsal.problem import refusal

OWNER_LABEL = "app.kubernetes.io/created-by"
OWNER = "ebbtide-rehearse"
_CALL_SECONDS = 20
_GONE_SECONDS = 180
_READY_SECONDS = 180
_PULL_FAILURES = {"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName", "RegistryUnavailable"}

Manifest = dict[str, Any]


class Cluster:
    """One cluster, as the rehearsal uses it. Safe for threads, except that each `execute` opens its own connection."""

    def __init__(self, access: Access) -> None:
        self.access = access
        client = access.connect()
        self._client = client
        self._core = access.client.CoreV1Api(client)
        self._apps = access.client.AppsV1Api(client)
        self._custom = access.client.CustomObjectsApi(client)
        self._failure = access.client.ApiException

    def close(self) -> None:
        """Close the connections that nobody uses at the moment."""
        self._client.rest_client.pool_manager.clear()

    def make_namespace(self, name: str) -> None:
        """Make a namespace of our own; one that an earlier rehearsal left is taken away first.

        Raises SettingsError for one that somebody else made.
        """
        self.remove_namespace(name, only_ours=True)
        labels = {OWNER_LABEL: OWNER, "pod-security.kubernetes.io/enforce": "restricted"}
        self._core.create_namespace({"metadata": {"name": name, "labels": labels}}, _request_timeout=_CALL_SECONDS)

    def remove_namespace(self, name: str, *, only_ours: bool = False) -> None:
        """Delete a namespace and wait until it is gone."""
        deadline = time.monotonic() + _GONE_SECONDS
        while (found := self._namespace(name)) is not None:
            if (found.metadata.labels or {}).get(OWNER_LABEL) != OWNER:
                if not only_ours:
                    return
                message = f"{name} exists and was not made by a rehearsal; it was left alone"
                raise refusal("--namespace", message, "name another one")
            if found.metadata.deletion_timestamp is None:
                try:
                    self._core.delete_namespace(name, _request_timeout=_CALL_SECONDS)
                except self._failure as error:
                    # Gone, or going, in this very moment.
                    if error.status not in {404, 409}:
                        raise
            if time.monotonic() > deadline:
                message = f"{name} is still being deleted after {_GONE_SECONDS} s"
                raise refusal("--namespace", message, f"see `kubectl get namespace {name} -o yaml`")
            time.sleep(0.5)

    def has_namespace(self, name: str) -> bool:
        """Whether there is one of this name that a rehearsal made."""
        found = self._namespace(name)
        return found is not None and (found.metadata.labels or {}).get(OWNER_LABEL) == OWNER

    def _namespace(self, name: str) -> Any:
        try:
            return self._core.read_namespace(name, _request_timeout=_CALL_SECONDS)
        except self._failure as error:
            if error.status == 404:
                return None
            raise

    def create(self, manifest: Manifest, namespace: str) -> None:
        """Create an object from its manifest. Raises ApiException if a quota, a webhook or RBAC forbids it."""
        utils = importlib.import_module("kubernetes.utils")
        try:
            utils.create_from_dict(self._client, manifest, namespace=namespace)
        except utils.FailToCreateError as error:
            raise error.api_exceptions[0] from None

    def remove(self, manifest: Manifest) -> None:
        """Delete an object that is in no namespace. One that is not there is fine."""
        group, _, version = manifest["apiVersion"].partition("/")
        kind = manifest["kind"].lower()
        plural = f"{kind[:-1]}ies" if kind.endswith("y") else f"{kind}s"
        try:
            self._custom.delete_cluster_custom_object(
                group, version, plural, manifest["metadata"]["name"], _request_timeout=_CALL_SECONDS
            )
        except self._failure as error:
            if error.status != 404:
                raise

    def deployments(self, selector: str) -> list[Manifest]:
        """The Deployments of all namespaces, as far as we may see them."""
        try:
            answer = self._apps.list_deployment_for_all_namespaces(
                label_selector=selector, _preload_content=False, _request_timeout=_CALL_SECONDS
            )
        except self._failure as error:
            if error.status == 403:
                return []
            raise
        found: list[Manifest] = json.loads(answer.data)["items"]
        return found

    def patch_deployment(self, namespace: str, name: str, body: Manifest) -> None:
        """Change a Deployment by a strategic merge."""
        self._apps.patch_namespaced_deployment(name, namespace, body, _request_timeout=_CALL_SECONDS)

    def pods(self, namespace: str, selector: str = "") -> list[Manifest]:
        """The pods as the API server sends them: turning them into the client's classes costs more than asking."""
        answer = self._core.list_namespaced_pod(
            namespace, label_selector=selector, _preload_content=False, _request_timeout=_CALL_SECONDS
        )
        if answer.status != 200:
            raise self._failure(status=answer.status, reason=answer.reason)
        pods: list[Manifest] = json.loads(answer.data)["items"]
        return pods

    def objects(self, group_version: str, namespace: str, plural: str) -> list[Manifest]:
        """The objects of one kind in an API group."""
        group, _, version = group_version.partition("/")
        listed = self._custom.list_namespaced_custom_object(
            group, version, namespace, plural, _request_timeout=_CALL_SECONDS
        )
        items: list[Manifest] = listed["items"]
        return items

    def wait_until_ready(self, namespace: str, pod: str, option: str) -> Manifest:
        """The pod once it is ready. Raises SettingsError if its image cannot be pulled; `option` names it."""
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            found = next(one for one in self.pods(namespace) if one["metadata"]["name"] == pod)
            refuse_image(found, option)
            if is_ready(found):
                return found
            if time.monotonic() > deadline:
                state = json.dumps(found["status"].get("containerStatuses") or found["status"].get("conditions"))
                raise refusal(option, f"pod {pod} is not ready after {_READY_SECONDS} s: {state}", "see its events")
            time.sleep(0.3)

    def execute(self, namespace: str, pod: str, command: str, seconds: float = 60) -> str:
        """What a shell command in the pod writes. Raises RuntimeError if it fails or takes longer."""
        with self.access.connect() as client:
            channel = self.access.stream(
                self.access.client.CoreV1Api(client).connect_get_namespaced_pod_exec,
                pod,
                namespace,
                command=["sh", "-c", command],
                stdout=True,
                stderr=True,
                stdin=False,
                tty=False,
                _preload_content=False,
            )
            channel.run_forever(timeout=seconds)
            # Before `read_all`, which throws every channel away, the one with the status too.
            status = f"running after {seconds:.0f} s" if channel.is_open() else channel.returncode
            output = str(channel.read_all())
            channel.close()
        if status != 0:
            raise RuntimeError(f"{pod}: `{command[:80]}`: {status}: {output[-1000:]}")
        return output

    def evict(self, namespace: str, pod: str) -> bool:
        """Ask the Eviction API, as `kubectl drain` does. False while a disruption budget forbids it."""
        body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": pod, "namespace": namespace}}
        try:
            self._core.create_namespaced_pod_eviction(pod, namespace, body, _request_timeout=_CALL_SECONDS)
        except self._failure as error:
            if error.status == 429:
                return False
            if error.status != 404:
                raise
        return True

    def delete_pod(self, namespace: str, pod: str) -> None:
        """Delete one pod, with its own grace period."""
        with contextlib.suppress(self._failure):
            self._core.delete_namespaced_pod(pod, namespace, _request_timeout=_CALL_SECONDS)

    def follow_log(self, namespace: str, pod: str, container: str) -> Iterator[str]:
        """The lines of a container's log as they come, each with the kubelet's time before it, until it has ended."""
        answer = self._core.read_namespaced_pod_log(
            pod, namespace, container=container, follow=True, timestamps=True, _preload_content=False
        )
        if answer.status != 200:
            raise self._failure(status=answer.status, reason=answer.reason)
        rest = b""
        for chunk in answer.stream(65536):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line.decode(errors="replace")
        if rest:
            yield rest.decode(errors="replace")

    def is_gone(self, error: Exception) -> bool:
        """Whether a call failed because the object does not exist any more."""
        return isinstance(error, self._failure) and getattr(error, "status", 0) in {404, 400}


def is_ready(pod: Mapping[str, Any]) -> bool:
    """Whether the pod's condition Ready is True."""
    conditions = pod["status"].get("conditions") or []
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def refuse_image(pod: Mapping[str, Any], option: str) -> None:
    """Raise SettingsError if the pod waits for an image that cannot be had."""
    for container in pod["status"].get("containerStatuses") or []:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") in _PULL_FAILURES:
            message = f"{container['image']} cannot be pulled by the cluster ({waiting['reason']})"
            raise refusal(option, message, "push it, or load it into the cluster's node")
