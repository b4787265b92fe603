"""A small client of the Kubernetes API, for the tests of the engine and the cluster; errors are the server's words."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import tempfile
import time
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import yaml

Manifest = dict[str, Any]
CONNECT_SECONDS = 90
POLL_SECONDS = 0.3


class ApiError(Exception):
    """The API server refused, or could not be reached (status 0)."""

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class KubernetesApi:
    """Connections to one cluster, as the user of the kubeconfig's current context."""

    def __init__(self, kubeconfig: Path) -> None:
        config = yaml.safe_load(kubeconfig.read_text())
        chosen = _named(config, "contexts", config["current-context"])["context"]
        cluster = _named(config, "clusters", chosen["cluster"])["cluster"]
        user = _named(config, "users", chosen["user"])["user"]
        self.server = urlsplit(cluster["server"])
        self._tls = _tls(cluster, user)
        self._authorization = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
        self._kinds: dict[str, dict[str, Manifest]] = {}
        self._kept: list[http.client.HTTPConnection] = []
        weakref.finalize(self, _close, self._kept)

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
        place = f"/namespaces/{metadata.get('namespace', 'default')}" if kind["namespaced"] else ""
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
        headers = {"Accept": "application/json", "Content-Type": content_type, **self._authorization}
        content = None if body is None else _as_go(body)
        try:
            status, text = self._answer(method, address, content, headers)
        except (OSError, http.client.HTTPException) as error:
            raise ApiError(0, "Unreachable", f"{self.server.geturl()} cannot be reached: {error}") from None
        if status >= http.client.BAD_REQUEST:
            raise _refusal(status, text)
        answer: Manifest = json.loads(text)
        return answer

    def _answer(self, *request: Any) -> tuple[int, bytes]:
        """Over a connection that is open already, if there is one: a handshake takes longer than most answers."""
        try:
            connection, is_kept = self._kept.pop(), True
        except IndexError:
            connection, is_kept = self._connection(), False
        try:
            connection.request(*request)
            response = connection.getresponse()
            text = response.read()
        except (OSError, http.client.HTTPException):
            connection.close()
            if is_kept:
                # The server may close what was idle; all that is kept is as old.
                return self._answer(*request)
            raise
        self._kept.append(connection)
        return response.status, text

    def _connection(self) -> http.client.HTTPConnection:
        host, port = self.server.hostname or "", self.server.port or 443
        return http.client.HTTPSConnection(host, port, timeout=CONNECT_SECONDS, context=self._tls)

    def _kind(self, api_version: str, kind: str) -> Manifest:
        known = self._kinds.get(api_version)
        if known is None:
            listed = self.request("GET", _root(api_version))["resources"]
            known = {entry["kind"]: entry for entry in listed if "/" not in entry["name"]}
            self._kinds[api_version] = known
        if kind not in known:
            raise ApiError(404, "NotFound", f"the cluster has no {kind} in {api_version}")
        return known[kind]


def wait_until_gone(api: KubernetesApi, manifest: Manifest, deadline: float) -> bool:
    """Whether the object went away before `deadline` (monotonic seconds)."""
    while api.get(manifest) is not None:
        if time.monotonic() >= deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _close(connections: list[http.client.HTTPConnection]) -> None:
    while connections:
        connections.pop().close()


def _as_go(body: Manifest) -> bytes:
    """JSON as kubectl and Pulumi's provider write it. An applied patch is read as YAML, which knows no surrogate pairs
    and breaks lines at U+2028: characters go as they are, but for those two."""
    text = json.dumps(body, ensure_ascii=False)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029").encode()


def _root(api_version: str) -> str:
    return f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"


def _named(config: Manifest, kind: str, name: str) -> Manifest:
    found: Manifest = next(entry for entry in config[kind] if entry["name"] == name)
    return found


def _tls(cluster: Manifest, user: Manifest) -> ssl.SSLContext:
    if "certificate-authority-data" in cluster:
        tls = ssl.create_default_context(cadata=base64.b64decode(cluster["certificate-authority-data"]).decode())
    else:
        # minikube's kubeconfig names files.
        tls = ssl.create_default_context(cafile=cluster["certificate-authority"])
    if "client-certificate-data" in user:
        with tempfile.TemporaryDirectory() as directory:
            certificate, key = Path(directory, "certificate"), Path(directory, "key")
            certificate.write_bytes(base64.b64decode(user["client-certificate-data"]))
            key.write_bytes(base64.b64decode(user["client-key-data"]))
            tls.load_cert_chain(certificate, key)
    elif "client-certificate" in user:
        tls.load_cert_chain(user["client-certificate"], user["client-key"])
    return tls


def _refusal(status: int, text: bytes) -> ApiError:
    try:
        answer = json.loads(text)
        return ApiError(status, answer.get("reason", ""), answer.get("message") or str(answer))
    except ValueError:
        return ApiError(status, "", text.decode(errors="replace") or http.client.responses.get(status, str(status)))
