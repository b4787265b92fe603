"""KEDA on the node: its operator, metrics adapter and admission webhooks, run as the node's other programs are.

What it is made of is KEDA's own release: custom resources, roles, registrations, and a service account that may do what
these roles say and no more. Only where a release names a Service, this names the process. The certificates that its
operator would make for itself (`--enable-cert-rotation`, off by default) are ours.
"""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from certificates import sign, write_kubeconfig
from layout import KEDA_METRICS_PORT, KEDA_WEBHOOKS_PORT, NODE_ADDRESS, Layout
from node import kubectl
from processes import free_port, start, wait_for

PROCESSES = frozenset({"keda-operator", "keda-adapter", "keda-webhooks"})
_NAMESPACE = "keda"
_ACCOUNT = "keda-operator"
_ADAPTER = "keda-metrics-apiserver"
_RELEASE = (
    "crd/bases",
    "service_account/service_account.yaml",
    *("rbac/role.yaml", "rbac/role_binding.yaml", "rbac/aggregate_cluster_roles.yaml"),
    *("metrics-server/role.yaml", "metrics-server/role_binding.yaml"),
)
_TOKEN = "720h"  # noqa: S105 - how long it is good for

Manifest = dict[str, Any]


def start_keda(layout: Layout, kubernetes: Path, keda: Path) -> None:
    """Start it on a node that runs, and wait until it answers for external metrics and for admission."""
    release = keda / "config"
    _kubectl(layout, kubernetes, "apply", "--server-side", "-f", str(release / "general/namespace.yaml"))
    for part in _RELEASE:
        _kubectl(layout, kubernetes, "apply", "--server-side", "-f", str(release / part))
    token = _kubectl(
        layout, kubernetes, "create", "token", _ACCOUNT, f"--namespace={_NAMESPACE}", f"--duration={_TOKEN}"
    )
    write_kubeconfig(layout, "keda", token.strip())
    certificates = _make_certificates(layout)
    _start_programs(layout, keda, certificates)
    for part, changed in (
        ("metrics-server/service.yaml", _as_external_name),
        ("metrics-server/api_service.yaml", lambda one: _with_port(one, certificates)),
        ("webhooks/validation_webhooks.yaml", lambda one: _with_addresses(one, certificates)),
    ):
        _apply_changed(layout, kubernetes, release / part, changed)
    query = ["get", "--raw", "/apis/external.metrics.k8s.io/v1beta1"]
    wait_for("KEDA's metrics", layout, "keda-adapter", lambda: not kubectl(layout, kubernetes, *query).returncode)


def _make_certificates(layout: Layout) -> Path:
    """One pair for all three, in the directory that each expects: operator and adapter show it to each other."""
    names = f"DNS:localhost,IP:127.0.0.1,IP:{NODE_ADDRESS},DNS:{_ADAPTER}.{_NAMESPACE}.svc"
    sign(layout, "keda", "/CN=keda", "serverAuth,clientAuth", names)
    directory = layout.directory / "certificates" / "keda"
    directory.mkdir()
    for name, path in (
        ("ca.crt", layout.certificate("ca")),
        ("tls.crt", layout.certificate("keda")),
        ("tls.key", layout.key("keda")),
    ):
        shutil.copy2(path, directory / name)
    return directory


def _start_programs(layout: Layout, keda: Path, certificates: Path) -> None:
    kubeconfig = layout.kubeconfig_of("keda")
    environment = {
        "KUBECONFIG": str(kubeconfig),
        "POD_NAMESPACE": _NAMESPACE,
        "KEDA_CLUSTER_OBJECT_NAMESPACE": _NAMESPACE,
        "WATCH_NAMESPACE": "",
    }
    operator, ready = free_port(), free_port()
    commands: dict[str, list[str | Path]] = {
        "keda-operator": [
            keda / "operator",
            f"--metrics-service-bind-address=127.0.0.1:{operator}",
            f"--metrics-bind-address=127.0.0.1:{free_port()}",
            f"--health-probe-bind-address=127.0.0.1:{ready}",
            f"--cert-dir={certificates}",
        ],
        "keda-adapter": [
            keda / "adapter",
            f"--bind-address={NODE_ADDRESS}",
            f"--secure-port={KEDA_METRICS_PORT}",
            f"--metrics-service-address=localhost:{operator}",
            f"--cert-dir={certificates}",
            f"--tls-cert-file={certificates / 'tls.crt'}",
            f"--tls-private-key-file={certificates / 'tls.key'}",
            f"--client-ca-file={certificates / 'ca.crt'}",
            *(f"--{purpose}-kubeconfig={kubeconfig}" for purpose in ("lister", "authentication", "authorization")),
            f"--port={free_port()}",
        ],
        "keda-webhooks": [
            keda / "webhooks",
            f"--port={KEDA_WEBHOOKS_PORT}",
            f"--metrics-bind-address=127.0.0.1:{free_port()}",
            f"--health-probe-bind-address=127.0.0.1:{free_port()}",
            f"--cert-dir={certificates}",
        ],
    }
    for name, command in commands.items():
        start(layout, name, command, environment)
    # Asked once they answer: an admission webhook of KEDA's that is away is passed over without a word.
    for name, address in (
        ("keda-operator", ("127.0.0.1", ready)),
        ("keda-webhooks", ("127.0.0.1", KEDA_WEBHOOKS_PORT)),
    ):
        wait_for(name, layout, name, partial(_listens, address))


def _listens(address: tuple[str, int]) -> bool:
    with socket.socket() as client:
        return client.connect_ex(address) == 0


def _apply_changed(layout: Layout, kubernetes: Path, file: Path, changed: Callable[[Manifest], Manifest]) -> None:
    """Apply an object of the release in another form. kubectl reads the YAML: Python's own library cannot."""
    manifest = json.loads(_kubectl(layout, kubernetes, "create", "--dry-run=client", "-o", "json", "-f", str(file)))
    text = json.dumps(changed(manifest))
    _kubectl(layout, kubernetes, "apply", "--server-side", "-f", "-", text=text)


def _as_external_name(service: Manifest) -> Manifest:
    port = {"port": KEDA_METRICS_PORT, "protocol": "TCP"}
    return {**service, "spec": {"type": "ExternalName", "externalName": NODE_ADDRESS, "ports": [port]}}


def _with_port(registration: Manifest, certificates: Path) -> Manifest:
    spec = registration["spec"]
    service = {**spec["service"], "port": KEDA_METRICS_PORT}
    return {**registration, "spec": {**spec, "service": service, "caBundle": _bundle(certificates)}}


def _with_addresses(configuration: Manifest, certificates: Path) -> Manifest:
    for webhook in configuration["webhooks"]:
        path = webhook["clientConfig"]["service"]["path"]
        address = f"https://{NODE_ADDRESS}:{KEDA_WEBHOOKS_PORT}{path}"
        webhook["clientConfig"] = {"url": address, "caBundle": _bundle(certificates)}
    return configuration


def _bundle(certificates: Path) -> str:
    return base64.b64encode((certificates / "ca.crt").read_bytes()).decode()


def _kubectl(layout: Layout, kubernetes: Path, *arguments: str, text: str | None = None) -> str:
    done: subprocess.CompletedProcess[str] = kubectl(layout, kubernetes, *arguments, text=text)
    if done.returncode:
        raise RuntimeError(f"kubectl {' '.join(arguments)}: {done.stderr}")
    return done.stdout
