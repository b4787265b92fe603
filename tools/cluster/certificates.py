"""Certificates and tokens of a cluster that lives as long as a test run."""

from __future__ import annotations

import base64
import json
import secrets
import subprocess

from layout import API_PORT, CONTEXT, NODE, NODE_ADDRESS, Layout

_DAYS = "30"
USERS = {
    "admin": ("ebbtide-admin", "system:masters"),
    "controller-manager": ("system:kube-controller-manager", "system:masters"),
    "scheduler": ("system:kube-scheduler", ""),
    "kubelet": (f"system:node:{NODE}", "system:nodes"),
    # Reads nodes and pods and answers for the API server; a cluster for tests has no use for finer rights.
    "metrics-server": ("system:metrics-server", "system:masters"),
}


def make_certificates(layout: Layout) -> None:
    """Two authorities, what they sign, the service accounts' key, a token and a kubeconfig for every user."""
    (layout.directory / "certificates").mkdir(parents=True)
    _authority(layout, "ca")
    _authority(layout, "front-proxy-ca")
    names = f"IP:{NODE_ADDRESS},IP:127.0.0.1,DNS:kubernetes.default.svc,DNS:kubernetes"
    sign(layout, "apiserver", "/CN=kube-apiserver", "serverAuth", names)
    sign(layout, "apiserver-kubelet", "/O=system:masters/CN=apiserver-kubelet", "clientAuth")
    sign(layout, "front-proxy", "/CN=front-proxy", "clientAuth")
    _openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", str(layout.key("service-accounts")))
    tokens = {user: secrets.token_hex(16) for user in USERS}
    lines = [f'{tokens[user]},{name},{name},"{groups}"' for user, (name, groups) in USERS.items()]
    _write_secret(layout, "tokens.csv", "\n".join(lines) + "\n")
    for user, token in tokens.items():
        write_kubeconfig(layout, user, token)


def write_kubeconfig(layout: Layout, user: str, token: str) -> None:
    """A way into the cluster for one of its users."""
    path = layout.kubeconfig if user == "admin" else layout.kubeconfig_of(user)
    authority = base64.b64encode(layout.certificate("ca").read_bytes()).decode()
    cluster = {"server": f"https://{NODE_ADDRESS}:{API_PORT}", "certificate-authority-data": authority}
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": CONTEXT, "cluster": cluster}],
        "users": [{"name": user, "user": {"token": token}}],
        "contexts": [{"name": CONTEXT, "context": {"cluster": CONTEXT, "user": user}}],
        "current-context": CONTEXT,
    }
    _write_secret(layout, path.name, json.dumps(document, indent=1))


def _write_secret(layout: Layout, name: str, text: str) -> None:
    path = layout.directory / name
    path.touch(mode=0o600)
    path.write_text(text)


def _authority(layout: Layout, name: str) -> None:
    paths = ("-keyout", str(layout.key(name)), "-out", str(layout.certificate(name)))
    _openssl("req", "-x509", *_NEW_KEY, "-days", _DAYS, "-subj", f"/CN=ebbtide {name}", *paths)


def sign(layout: Layout, name: str, subject: str, usage: str, names: str = "") -> None:
    """A certificate and its key, of the authority of the cluster, or of that for its front proxy."""
    authority = "front-proxy-ca" if name == "front-proxy" else "ca"
    signer = ("-CA", str(layout.certificate(authority)), "-CAkey", str(layout.key(authority)))
    paths = ("-keyout", str(layout.key(name)), "-out", str(layout.certificate(name)))
    extensions = ["-addext", f"extendedKeyUsage={usage}", "-addext", "basicConstraints=critical,CA:FALSE"]
    if names:
        extensions += ["-addext", f"subjectAltName={names}"]
    _openssl("req", "-x509", *signer, *_NEW_KEY, "-days", _DAYS, "-subj", subject, *extensions, *paths)


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _openssl(*arguments: str) -> None:
    subprocess.run(["openssl", *arguments], check=True, capture_output=True)
