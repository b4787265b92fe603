"""Where a cluster's files and addresses are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

BRIDGE = "ebbtide0"
NODE = "ebbtide"
NETWORK = "ebbtide"
"""The name of the pods' network, in the files that are kept for each pod of it."""
NODE_ADDRESS = "10.251.0.1"
"""On a bridge of our own: a kubelet refuses a loopback address, and nothing outside this machine is reached."""
BRIDGE_ADDRESS = "0a:58:0a:fb:00:01"
"""Locally administered. Without one of its own a bridge takes the lowest of its pods' addresses, another one as pods
come and go, and for up to 25 s pods send to the node's old one."""
POD_RANGE = "10.251.0.0/24"
SERVICE_RANGE = "10.252.0.0/24"
API_PORT = 6443
METRICS_PORT = 10260
KEDA_METRICS_PORT = 10261
KEDA_WEBHOOKS_PORT = 10262
CGROUP = "ebbtide-cluster"
CONTEXT = "ebbtide"


@dataclass(frozen=True, slots=True)
class Layout:
    """The directory of the cluster, and what is in it."""

    directory: Path

    @staticmethod
    def of_this_machine() -> Layout:
        """`EBBTIDE_CLUSTER_DIRECTORY`, or below the user's state directory. One cluster a machine: one bridge."""
        state = Path(os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state")
        return Layout(Path(os.environ.get("EBBTIDE_CLUSTER_DIRECTORY") or state / "ebbtide" / "cluster").resolve())

    @property
    def kubeconfig(self) -> Path:
        """For people and tests: may do everything."""
        return self.directory / "kubeconfig"

    @property
    def processes(self) -> Path:
        """Which processes belong to the cluster: JSON, written as each starts."""
        return self.directory / "processes.json"

    @property
    def socket(self) -> Path:
        """containerd's."""
        return self.directory / "containerd.sock"

    def log(self, name: str) -> Path:
        """What a process has written."""
        return self.directory / "logs" / f"{name}.log"

    def kubeconfig_of(self, user: str) -> Path:
        """A component's own."""
        return self.directory / f"{user}.kubeconfig"

    def certificate(self, name: str) -> Path:
        """A certificate; its key is beside it."""
        return self.directory / "certificates" / f"{name}.crt"

    def key(self, name: str) -> Path:
        """The key of a certificate."""
        return self.directory / "certificates" / f"{name}.key"
