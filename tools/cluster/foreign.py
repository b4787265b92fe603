"""Clusters that other tools made on this machine: kind, minikube and k3d, known by their contexts' names."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from layout import CONTEXT
from problem import Problem


@dataclass(frozen=True, slots=True)
class ForeignCluster:
    """A context of the user's own kubeconfig."""

    context: str
    tool: str

    def load(self, archive: Path, reference: str) -> None:
        """Give an image archive to the cluster's nodes, with the tool that made the cluster."""
        name = self.context.removeprefix(f"{self.tool}-")
        commands = {
            "kind": ["kind", "load", "image-archive", str(archive), "--name", name],
            "minikube": ["minikube", "image", "load", str(archive), "--profile", self.context],
            "k3d": ["k3d", "image", "import", str(archive), "--cluster", name],
        }
        done = subprocess.run(commands[self.tool], check=False)
        if done.returncode:
            raise Problem(f"{reference} could not be given to {self.context}; the message of {self.tool} is above")


def foreign_cluster(context: str | None, own_kubeconfig: Path) -> ForeignCluster | None:
    """The cluster that `--context` or KUBECONFIG's current context names, if kind, minikube or k3d made it."""
    named = os.environ.get("KUBECONFIG")
    # A shell that has exported ours keeps it after `down`, when there is nothing to read any more.
    if context is None and (not named or Path(named) == own_kubeconfig):
        return None
    name = context or _current_context()
    for tool in ("kind", "minikube", "k3d"):
        if name == tool or name.startswith(f"{tool}-"):
            return ForeignCluster(name, tool)
    if context is not None and name != CONTEXT:
        raise Problem(
            f"--context {context}: is neither our own cluster ({CONTEXT}) nor one of kind, minikube or k3d, "
            "and images and node drains of another cluster are not for a test to touch"
        )
    return None


def _current_context() -> str:
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        # Ours is JSON; another kubeconfig needs a reader of YAML, which kubectl is.
        try:
            document = json.loads(Path(os.environ["KUBECONFIG"]).read_text())
        except (OSError, ValueError):
            raise Problem("KUBECONFIG is set, and there is no `kubectl` to read it with: install kubectl") from None
        return str(document.get("current-context", ""))
    done = subprocess.run([kubectl, "config", "current-context"], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(f"KUBECONFIG={os.environ['KUBECONFIG']}: {done.stderr.strip()}")
    return done.stdout.strip()
