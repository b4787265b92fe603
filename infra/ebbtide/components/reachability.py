"""Whether an existing cluster can be reached from here, asked before anything is registered.

Pulumi's Kubernetes provider does not say so: with an API server that is away, preview and up "succeed", every object
is "same", and the connection that does not work is kept in the state, so that the next destroy fails (measured with
provider 4.34 and API server 1.34).
"""

from __future__ import annotations

import os
import socket
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ebbtide.judgement.findings import SettingsError, refused
from ebbtide.settings.loading.yaml import parse_yaml
from ebbtide.settings.models.cluster import ExistingCluster

CONNECT_SECONDS = 5.0
_PROXIES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy")


def check_reachable(cluster: ExistingCluster) -> None:
    """Raise SettingsError if the API server takes no connection, or nothing says where it is.

    It asks for a connection and not for a login. Behind a proxy it asks for nothing.
    """
    server = f"https://{cluster.dns_endpoint}" if cluster.dns_endpoint else _server(cluster.context)
    if server is None or any(os.environ.get(name) for name in _PROXIES):
        return
    address = urlsplit(server)
    port = address.port or (443 if address.scheme == "https" else 80)
    try:
        socket.create_connection((str(address.hostname), port), CONNECT_SECONDS).close()
    except OSError as error:
        remedy = "start the cluster or the VPN, or choose another kubeconfig with KUBECONFIG or cluster.context"
        raise _refusal(f"cannot be reached at {server} ({error.strerror or error})", remedy) from None


def _server(context: str | None) -> str | None:
    """The address that the kubeconfig gives for a context; None if a proxy stands in between."""
    config = _kubeconfig()
    name = context or config.get("current-context")
    if not name:
        raise _refusal("is the current context of the kubeconfig, which names none", "write cluster.context")
    chosen = _entry(config, "contexts", name, "context")
    cluster = _entry(config, "clusters", chosen.get("cluster"), "cluster")
    return None if cluster.get("proxy-url") else str(cluster.get("server"))


def _kubeconfig() -> dict[str, Any]:
    """The machine's kubeconfig; of several files, the first that says something about a name wins."""
    given = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    files = [Path(part) for part in given.split(os.pathsep) if part]
    merged: dict[str, Any] = {}
    found = [file for file in files if file.is_file()]
    if not found:
        remedy = "name one with KUBECONFIG, or write cluster.dnsEndpoint for a cluster of GKE"
        raise _refusal(f"needs a kubeconfig, and there is none at {given}", remedy)
    for file in found:
        for key, value in _document(file).items():
            # kubectl itself writes `clusters: null` into an empty one.
            merged[key] = [*(merged.get(key) or []), *value] if isinstance(value, list) else merged.get(key) or value
    return merged


def _document(file: Path) -> dict[str, Any]:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise _refusal(f"needs the kubeconfig {file}, which cannot be read ({error})", "correct KUBECONFIG") from None
    document = parse_yaml(text, file) or {}
    lists = [document.get(kind) or [] for kind in ("clusters", "contexts")] if isinstance(document, dict) else [None]
    if not all(isinstance(one, list) and all(isinstance(entry, dict) for entry in one) for one in lists):
        raise _refusal(f"needs a kubeconfig, and {file} is none", "correct KUBECONFIG, or the file")
    found: dict[str, Any] = document
    return found


def _entry(config: dict[str, Any], kind: str, name: object, inside: str) -> dict[str, Any]:
    for entry in config.get(kind) or []:
        if entry.get("name") == name:
            found = entry.get(inside)
            return found if isinstance(found, dict) else {}
    known = ", ".join(str(entry.get("name")) for entry in config.get(kind) or []) or "none"
    raise _refusal(f"is {name!r}, which the kubeconfig does not hold under {kind}", f"use one of: {known}")


def _refusal(message: str, remedy: str) -> SettingsError:
    return refused("reachability", message, remedy, ("cluster",))
