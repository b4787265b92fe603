"""`ebbtide rehearse` as a test starts it on the real node, with a consumer that is small enough for it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.cluster.shared_node import ROOT
from tests.kubernetes_api import KubernetesApi, Manifest

# Last on the path: its modules have short names.
sys.path.append(str(ROOT / "tools" / "pulumi"))

from installation import install

# A rehearsal has deadlines of its own, and says which one has passed; this ends what hangs.
LIMIT_SECONDS = 1200
SMALL = [
    f"--set={value}"
    for value in (
        "worker.processes=4",
        "worker.workingDirectory=/srv/app",
        "resources.cpu.request=60m",
        "resources.memory.request=128Mi",
        "autoscaling.maxReplicas=2",
        "autoscaling.behavior.scaleDown.stabilizationWindow=45s",
        "shutdown.longestMessage=8s",
    )
]

Start = Callable[..., "subprocess.Popen[str]"]


@contextmanager
def starting(kubeconfig: Path, images: Mapping[str, str], namespace: str, directory: Path) -> Iterator[Start]:
    """What starts `ebbtide rehearse` on the node; ends what still runs."""
    temporary = directory / "temporary"
    temporary.mkdir()
    (directory / "pulumi").mkdir()
    # One of them is killed, and can take nothing away.
    own = {"KUBECONFIG": str(kubeconfig), "TMPDIR": str(temporary)}
    environment = {**os.environ, **install(directory / "pulumi"), **own}
    started: list[subprocess.Popen[str]] = []

    def begin(*options: str, image: str = images["githubevents"]) -> subprocess.Popen[str]:
        given = ["--namespace", namespace, "--image", image, "--broker-image", images["broker"], *SMALL, *options]
        command = [sys.executable, "-m", "ebbtide", "rehearse", *given]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()


def left_over(api: KubernetesApi, namespace: str) -> set[str]:
    """Which of a rehearsal's namespaces exist."""
    return {name for name in (namespace, f"{namespace}-broker") if api.get(namespace_of(name)) is not None}


def namespace_of(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    """Its exit status and what it has said, when it has ended."""
    out, err = process.communicate(timeout=LIMIT_SECONDS)
    assert "Traceback" not in err, err
    return process.returncode, out, err
