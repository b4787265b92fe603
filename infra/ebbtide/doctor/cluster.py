"""What a cluster runs, asked by `kubectl get`: read, and nothing else. The kubeconfig and its logins are kubectl's."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any, Final

from ebbtide.doctor.data import Place
from ebbtide.doctor.diagnosis import Note
from ebbtide.doctor.files import File
from ebbtide.judgement.findings import refused

_KINDS: Final = (
    "deployments.apps",
    "statefulsets.apps",
    "daemonsets.apps",
    "cronjobs.batch",
    "horizontalpodautoscalers.autoscaling",
    "poddisruptionbudgets.policy",
    "scaledobjects.keda.sh",
    "scaledjobs.keda.sh",
)
_ASK_SECONDS: Final = 60
_SYSTEM_NAMESPACES: Final = frozenset({"kube-system", "kube-public", "gke-managed-system", "gmp-system", "keda"})


def collect_cluster(context: str | None, namespace: str | None) -> tuple[list[File], list[Note]]:
    """The objects of a cluster, one file for each kind; system namespaces are left out.

    Raises SettingsError where there is no kubectl, or the cluster does not answer.
    """
    kubectl = shutil.which("kubectl")
    if kubectl is None:
        raise refused("doctor", "--cluster needs kubectl, which is not on PATH", "install it, or hand over files")
    files: list[File] = []
    notes: list[Note] = []
    for kind in _KINDS:
        place = f"cluster/{kind.partition('.')[0]}"
        argv = [kubectl, "get", kind, "--output=json", f"--request-timeout={_ASK_SECONDS}s"]
        argv += [f"--context={context}"] if context else []
        argv += [f"--namespace={namespace}"] if namespace else ["--all-namespaces"]
        done = _run(argv)
        words = " ".join(done.stderr.split())
        if done.returncode == 0:
            files += _files(done.stdout, place)
        elif "the server doesn't have a resource type" in words:
            continue  # no KEDA there
        elif "orbidden" in words:
            notes.append(Note(Place(place), f"may not be read with this login, and is not judged: {words[:200]}"))
        else:
            raise refused("doctor", f"kubectl get {kind} failed: {words[:300]}", "name another --context, or log in")
    return files, notes


def _run(argv: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(argv, capture_output=True, text=True, check=False, timeout=2 * _ASK_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise refused("doctor", f"kubectl did not answer: {type(error).__name__}", "name another --context") from None


def _files(text: str, place: str) -> list[File]:
    """Each object as a file of its own, so that a finding's line is one of that object, as `kubectl get` prints it."""
    items: list[dict[str, Any]] = json.loads(text).get("items", [])
    files = []
    for item in items:
        metadata = item.get("metadata", {})
        space = metadata.get("namespace", "")
        if space in _SYSTEM_NAMESPACES:
            continue
        item.pop("status", None)
        files.append(File(f"{place}/{space}/{metadata.get('name', '')}.json", json.dumps(item, indent=2)))
    return files
