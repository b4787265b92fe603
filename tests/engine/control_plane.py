"""A Kubernetes control plane for the tests: etcd, the API server and the controllers, in a directory of their own."""

from __future__ import annotations

import base64
import http.client
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import yaml
from tests.kubernetes_api import ApiError, KubernetesApi, Manifest, wait_until_gone
from tests.ports import free_port

# Three of them start at once, on two processors. Whatever is waited for comes within seconds there; what never comes is
# given up after so many.
PATIENCE_SECONDS = 300
TOKEN = "engine-tests"
SYSTEM_NAMESPACES = {"default", "kube-node-lease", "kube-public", "kube-system"}
# What a Deployment's pods need to come and go; the HPA's own controller would only find that there are no metrics.
CONTROLLERS = "deployment-controller,replicaset-controller,namespace-controller,garbage-collector-controller"


class ControlPlane:
    """A running control plane; its one user may do everything."""

    def __init__(self, directory: Path, port: int) -> None:
        self.directory = directory
        self.token = TOKEN
        self.authority = directory / "certificates" / "apiserver.crt"
        """The API server's own certificate, with the authority that signed it."""
        self.address = f"127.0.0.1:{port}"
        self.kubeconfig = directory / "kubeconfig"
        self.kubeconfig_text = self._write_kubeconfig()
        self.api = KubernetesApi(self.kubeconfig)

    def remove_namespace(self, name: str) -> None:
        """Delete a namespace with everything in it, and wait until it is gone."""
        manifest = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        # The namespace's controller would wait for a part of the pods' grace before it looks again.
        _until(lambda: self._is_empty(name), f"namespace {name} does not become empty")
        self.api.delete(manifest)
        if not wait_until_gone(self.api, manifest, time.monotonic() + PATIENCE_SECONDS):
            raise RuntimeError(f"namespace {name} does not go away")

    def _is_empty(self, namespace: str) -> bool:
        """Whether nothing was left that has pods, and no pod. A controller that has not heard of it yet may make one
        more."""
        kinds = ("apis/apps/v1", "deployments"), ("apis/apps/v1", "replicasets"), ("api/v1", "pods")
        at_once = {"propagationPolicy": "Background", "gracePeriodSeconds": 0}
        found = 0
        for group, kind in kinds:
            path = f"/{group}/namespaces/{namespace}/{kind}"
            found += len(self.api.request("GET", path)["items"])
            self.api.request("DELETE", path, body=at_once)
        return not found

    def scale_as_the_hpa_does(self, deployment: Manifest, replicas: int) -> None:
        """Write the scale, as the HPA's controller would: through the subresource, under the controllers' name."""
        path = f"{self.api.path(deployment)}/scale"
        scale = self.api.request("GET", path)
        scale["spec"]["replicas"] = replicas
        self.api.request("PUT", path, {"fieldManager": "kube-controller-manager"}, scale)
        # A refresh that comes upon pods which are not there yet takes the Deployment for one that was never finished.
        _until(lambda: self._has_pods(deployment, replicas), f"the Deployment does not come to {replicas} pods")

    def _has_pods(self, deployment: Manifest, replicas: int) -> bool:
        """Whether the controllers have brought it there."""
        live = self.api.get(deployment)
        if live is None:
            raise LookupError(f"there is no {deployment['metadata']['name']}")
        status = live["status"]
        counts = {status.get(name, 0) for name in ("replicas", "readyReplicas", "availableReplicas")}
        return counts == {replicas} and status.get("observedGeneration") == live["metadata"]["generation"]

    def until_served(self, version: str, kinds: set[str]) -> None:
        """Wait until the API server serves these of a group's version, by their plurals; none: until it serves none."""
        _until(lambda: self._serves(version, kinds), f"of {version} not {kinds or 'nothing'} is served")

    def _serves(self, version: str, kinds: set[str]) -> bool:
        try:
            served = {one["name"] for one in self.api.request("GET", f"/apis/{version}")["resources"]}
        except ApiError as error:
            if error.status not in {http.client.NOT_FOUND, http.client.SERVICE_UNAVAILABLE}:
                raise
            served = set()
        return kinds <= served if kinds else not served

    def replicas(self, deployment: Manifest) -> int:
        """How many pods a Deployment asks for."""
        live = self.api.get(deployment)
        if live is None:
            raise LookupError(f"there is no {deployment['metadata']['name']}")
        count: int = live["spec"]["replicas"]
        return count

    def pod_names(self, namespace: str) -> set[str]:
        """The pods that are not being deleted."""
        pods = self.api.request("GET", f"/api/v1/namespaces/{namespace}/pods")["items"]
        return {pod["metadata"]["name"] for pod in pods if "deletionTimestamp" not in pod["metadata"]}

    def _write_kubeconfig(self) -> str:
        authority = base64.b64encode(self.authority.read_bytes()).decode()
        cluster = {"server": f"https://{self.address}", "certificate-authority-data": authority}
        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "tests", "cluster": cluster}],
            "users": [{"name": "tests", "user": {"token": TOKEN}}],
            "contexts": [{"name": "tests", "context": {"cluster": "tests", "user": "tests"}}],
            "current-context": "tests",
        }
        text = yaml.safe_dump(document)
        self.kubeconfig.write_text(text)
        return text


@contextmanager
def running_control_plane(directory: Path, binaries: Path) -> Iterator[ControlPlane]:
    """Start one with the programs in `binaries`, and end it afterwards."""
    directory.mkdir(parents=True, exist_ok=True)
    key = directory / "service-accounts.key"
    subprocess.run(["openssl", "genrsa", "-out", key, "2048"], capture_output=True, check=True)
    (directory / "tokens.csv").write_text(f"{TOKEN},tests,tests,system:masters\n")
    port, client, peer = free_port(), free_port(), free_port()
    etcd = [
        *(shutil.which("etcd", path=f"{binaries}{os.pathsep}{os.environ['PATH']}") or "etcd",),
        f"--data-dir={directory / 'etcd'}",
        f"--listen-client-urls=http://127.0.0.1:{client}",
        f"--advertise-client-urls=http://127.0.0.1:{client}",
        f"--listen-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-advertise-peer-urls=http://127.0.0.1:{peer}",
        f"--initial-cluster=default=http://127.0.0.1:{peer}",
        "--unsafe-no-fsync",
    ]
    server = [
        binaries / "kube-apiserver",
        f"--etcd-servers=http://127.0.0.1:{client}",
        f"--cert-dir={directory / 'certificates'}",
        "--bind-address=127.0.0.1",
        "--advertise-address=127.0.0.1",
        f"--secure-port={port}",
        f"--token-auth-file={directory / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={key}",
        f"--service-account-signing-key-file={key}",
        "--service-cluster-ip-range=10.96.0.0/16",
    ]
    with ExitStack() as running:
        running.enter_context(_process(etcd, directory / "etcd.log"))
        process = running.enter_context(_process(server, directory / "kube-apiserver.log"))
        _wait_until_written(directory / "certificates" / "apiserver.crt", process)
        plane = ControlPlane(directory, port)
        _wait_until_ready(plane.api, process, directory / "kube-apiserver.log")
        controllers = [
            binaries / "kube-controller-manager",
            f"--kubeconfig={plane.kubeconfig}",
            f"--controllers={CONTROLLERS}",
            f"--service-account-private-key-file={key}",
            "--leader-elect=false",
            "--secure-port=0",
        ]
        running.enter_context(_process(controllers, directory / "kube-controller-manager.log"))
        node = [sys.executable, Path(__file__).with_name("hollow_node.py"), plane.kubeconfig]
        running.enter_context(_process(node, directory / "hollow-node.log"))
        yield plane


@contextmanager
def _process(command: list[object], log: Path) -> Iterator[subprocess.Popen[bytes]]:
    with log.open("wb") as output:
        process = subprocess.Popen(
            list(map(str, command)),
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
    try:
        yield process
    finally:
        # State of a test run is of no use afterwards: no need to wait for an orderly end.
        process.kill()
        process.wait()


def _until(is_so: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{otherwise} within {PATIENCE_SECONDS} s")
        time.sleep(0.2)


def _wait_until_written(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not path.is_file() or not path.read_bytes():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError(f"the API server did not start; see {path.parent.parent}/kube-apiserver.log")
        time.sleep(0.1)


def _wait_until_ready(api: KubernetesApi, process: subprocess.Popen[bytes], log: Path) -> None:
    """The built-in roles and the system namespaces come last, and not all at once."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            found = {one["metadata"]["name"] for one in api.request("GET", "/api/v1/namespaces")["items"]}
            missing = ", ".join(sorted(SYSTEM_NAMESPACES - found))
        except ApiError as error:
            missing = str(error)
        if not missing:
            return
        if process.poll() is not None or time.monotonic() > deadline:
            tail = log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"the API server is not ready ({missing}):\n{tail}")
        time.sleep(0.2)
