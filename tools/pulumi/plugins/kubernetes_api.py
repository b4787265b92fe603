"""A small client of the Kubernetes API: what a kubeconfig says, and requests with the server's own words on errors."""

from __future__ import annotations

import base64
import http.client
import json
import os
import ssl
import subprocess
import tempfile
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import yaml

Manifest = dict[str, Any]
CONNECT_SECONDS = 30


class ApiError(Exception):
    """The API server refused, or could not be reached (status 0)."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class KubernetesApi:
    """Connections to one cluster as one user; may be used from several threads."""

    def __init__(self, kubeconfig: str | None = None, context: str | None = None) -> None:
        """`kubeconfig` is a path or the text itself; without it, the machine's own. Raises ApiError."""
        config = _load(kubeconfig)
        chosen = _named(config, "contexts", context or config.get("current-context"))["context"]
        cluster = _named(config, "clusters", chosen.get("cluster"))["cluster"]
        user = _named(config, "users", chosen.get("user")).get("user") or {}
        self.server = urlsplit(cluster["server"])
        self.namespace: str = chosen.get("namespace", "default")
        self._tls = _tls(cluster, user) if self.server.scheme == "https" else None
        self._user = user
        self._headers: dict[str, str] | None = None
        self._kinds: dict[str, dict[str, Manifest]] = {}
        self._lock = threading.Lock()

    def get(self, manifest: Manifest) -> Manifest | None:
        """The live object, or None."""
        try:
            return self.request("GET", self.path(manifest))
        except ApiError as error:
            if error.status == http.client.NOT_FOUND:
                return None
            raise

    def apply(self, manifest: Manifest, manager: str, *, force: bool = False, dry_run: bool = False) -> Manifest:
        """Server-side apply; unknown and duplicate fields are errors."""
        query = {"fieldManager": manager, "fieldValidation": "Strict", "force": str(force).lower()}
        if dry_run:
            query["dryRun"] = "All"
        return self.request("PATCH", self.path(manifest), query, manifest, "application/apply-patch+yaml")

    def delete(self, manifest: Manifest) -> None:
        """Ask for the deletion, dependants first. An object that is gone already is fine."""
        try:
            self.request("DELETE", self.path(manifest), body={"propagationPolicy": "Foreground"})
        except ApiError as error:
            if error.status != http.client.NOT_FOUND:
                raise

    def path(self, manifest: Manifest) -> str:
        """Where the object lives."""
        kind = self._kind(manifest["apiVersion"], manifest["kind"])
        metadata = manifest["metadata"]
        place = f"/namespaces/{metadata.get('namespace', self.namespace)}" if kind["namespaced"] else ""
        return f"{_root(manifest['apiVersion'])}{place}/{kind['name']}/{metadata['name']}"

    def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Manifest | None = None,
        content_type: str = "application/json",
    ) -> Manifest:
        """One request. Raises ApiError with the server's message."""
        address = f"{path}?{urlencode(query)}" if query else path
        headers = {"Accept": "application/json", "Content-Type": content_type, **self._authorization()}
        connection = self._connection()
        try:
            # An applied patch is read as YAML, which knows no surrogate pairs: characters go as they are.
            content = None if body is None else json.dumps(body, ensure_ascii=False).encode()
            connection.request(method, address, content, headers)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException) as error:
            raise ApiError(0, "Unreachable", f"{self.server.geturl()} cannot be reached: {error}") from None
        finally:
            connection.close()
        if response.status >= http.client.BAD_REQUEST:
            raise _refusal(response.status, text)
        answer: Manifest = json.loads(text)
        return answer

    def _connection(self) -> http.client.HTTPConnection:
        host = self.server.hostname or ""
        if self._tls is None:
            return http.client.HTTPConnection(host, self.server.port or 80, timeout=CONNECT_SECONDS)
        return http.client.HTTPSConnection(host, self.server.port or 443, timeout=CONNECT_SECONDS, context=self._tls)

    def _authorization(self) -> dict[str, str]:
        with self._lock:
            if self._headers is None:
                token = _token(self._user)
                self._headers = {"Authorization": f"Bearer {token}"} if token else {}
            return self._headers

    def _kind(self, api_version: str, kind: str) -> Manifest:
        with self._lock:
            known = self._kinds.get(api_version)
        if known is None:
            listed = self.request("GET", _root(api_version))["resources"]
            known = {entry["kind"]: entry for entry in listed if "/" not in entry["name"]}
            with self._lock:
                self._kinds[api_version] = known
        if kind not in known:
            raise ApiError(404, "NotFound", f"the cluster has no {kind} in {api_version}")
        return known[kind]


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _load(kubeconfig: str | None) -> Manifest:
    if kubeconfig and ("\n" in kubeconfig or kubeconfig.lstrip().startswith("{")):
        return _mapping(kubeconfig)
    path = Path(kubeconfig or os.environ.get("KUBECONFIG") or Path.home() / ".kube" / "config")
    if not path.is_file():
        raise ApiError(0, "NoKubeconfig", f"there is no kubeconfig at {path}; name one with KUBECONFIG")
    return _mapping(path.read_text())


def _mapping(text: str) -> Manifest:
    loaded = yaml.safe_load(text)
    return loaded if isinstance(loaded, dict) else {}


def _named(config: Manifest, kind: str, name: str | None) -> Manifest:
    for entry in config.get(kind) or []:
        if entry["name"] == name:
            found: Manifest = entry
            return found
    raise ApiError(0, "NoKubeconfig", f"the kubeconfig has no entry {name!r} under {kind}")


def _tls(cluster: Manifest, user: Manifest) -> ssl.SSLContext:
    if "certificate-authority-data" in cluster:
        tls = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    else:
        # Without one, the authorities that the machine trusts.
        tls = ssl.create_default_context(cafile=cluster.get("certificate-authority"))
    if cluster.get("insecure-skip-tls-verify"):
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
    if "client-certificate-data" in user:
        with tempfile.TemporaryDirectory() as directory:
            certificate, key = Path(directory, "certificate"), Path(directory, "key")
            certificate.write_bytes(base64.b64decode(user["client-certificate-data"]))
            key.write_bytes(base64.b64decode(user["client-key-data"]))
            tls.load_cert_chain(certificate, key)
    elif "client-certificate" in user:
        tls.load_cert_chain(user["client-certificate"], user["client-key"])
    return tls


def _token(user: Manifest) -> str | None:
    if "token" in user:
        return str(user["token"])
    if "tokenFile" in user:
        return Path(user["tokenFile"]).read_text().strip()
    if "exec" not in user:
        return None
    plugin = user["exec"]
    environment = {entry["name"]: entry["value"] for entry in plugin.get("env") or []}
    asked = {"apiVersion": plugin["apiVersion"], "kind": "ExecCredential", "spec": {"interactive": False}}
    command = [plugin["command"], *(plugin.get("args") or [])]
    try:
        done = subprocess.run(
            command,
            env={**os.environ, **environment, "KUBERNETES_EXEC_INFO": json.dumps(asked)},
            capture_output=True,
            text=True,
            check=True,
        )
    except FileNotFoundError:
        raise ApiError(0, "NoLogin", f"{plugin['command']} is not installed; {plugin.get('installHint', '')}") from None
    except subprocess.CalledProcessError as error:
        raise ApiError(0, "NoLogin", f"{plugin['command']} failed: {error.stderr.strip()}") from None
    return str(json.loads(done.stdout)["status"]["token"])


def _refusal(status: int, text: bytes) -> ApiError:
    try:
        answer = json.loads(text)
        return ApiError(status, answer.get("reason", ""), answer.get("message") or str(answer))
    except ValueError:
        return ApiError(status, "", text.decode(errors="replace") or http.client.responses.get(status, str(status)))
