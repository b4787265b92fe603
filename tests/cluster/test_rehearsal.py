"""`ebbtide rehearse` on the real node: it passes, it cleans up, and what is wrong is one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.conftest import ROOT, KubernetesApi, Manifest, NamespaceFactory

sys.path.append(str(ROOT / "tools" / "pulumi"))

from installation import install

pytestmark = pytest.mark.cluster

NAMESPACE = "rehearsal-test"
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

BY_KEDA = (
    "--set=autoscaling={kind: keda, maxReplicas: 2, pollingInterval: 3s, cooldown: 12s, "
    "behavior: {scaleDown: {stabilizationWindow: 15s}}}"
)

Start = Callable[..., "subprocess.Popen[str]"]


@pytest.fixture(scope="module")
def start(kubeconfig: Path, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts `ebbtide rehearse` on the node; ends what still runs."""
    pulumi = install(tmp_path_factory.mktemp("pulumi"))
    # One of them is killed, and can take nothing away.
    temporary = tmp_path_factory.mktemp("temporary")
    environment = {**os.environ, **pulumi, "KUBECONFIG": str(kubeconfig), "TMPDIR": str(temporary)}
    started: list[subprocess.Popen[str]] = []

    def begin(*options: str, image: str = images["githubevents"]) -> subprocess.Popen[str]:
        given = ["--namespace", NAMESPACE, "--image", image, "--broker-image", images["broker"], *SMALL, *options]
        command = [sys.executable, "-m", "ebbtide", "rehearse", *given]
        pipe = subprocess.PIPE
        process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True)
        started.append(process)
        return process

    yield begin
    for process in started:
        if process.poll() is None:
            process.kill()


def left_over(api: KubernetesApi) -> set[str]:
    """The namespaces of the tests that exist."""
    return {name for name in (NAMESPACE, f"{NAMESPACE}-broker") if api.get(namespace(name)) is not None}


def namespace(name: str) -> Manifest:
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}


def finish(process: subprocess.Popen[str], seconds: float) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=seconds)
    assert "Traceback" not in err, err
    return process.returncode, out, err


def wait_for_line(process: subprocess.Popen[str], words: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    pytest.fail(f"{words!r} was never said")


def test_a_stack_scales_and_loses_nothing_with_the_longest_messages(start: Start, api: KubernetesApi, tmp_path: Path):
    page = tmp_path / "page.html"
    status, out, err = finish(start("--scenario", "short", "--format", "json", "--report", str(page)), LIMIT_SECONDS)
    result: dict[str, Any] = json.loads(out or "{}")
    assert status == 0, err or result["problems"]
    assert result["lossless"], result["messages"]
    tried = {one["cause"] for one in result["drains"]}
    assert tried == {"scale-down", "rolling update", "eviction", "deletion"}, "not every way to end a pod was tried"
    assert any(one["inFlight"] for one in result["drains"]), "pods that have nothing to do lose nothing"
    assert page.stat().st_size > 10_000
    assert left_over(api) == set(), "a rehearsal leaves something in a team's cluster"


def rehearse_keda(start: Start, broker: str) -> dict[str, Any]:
    """From zero to the maximum and back, and a message that comes due while there is no pod."""
    options = ("--scenario", "short", "--broker", broker, "--format", "json", BY_KEDA)
    status, out, err = finish(start(*options), LIMIT_SECONDS)
    result: dict[str, Any] = json.loads(out or "{}")
    assert status == 0, err or result["problems"]
    assert result["lossless"], result["messages"]
    asked = [one["after"] for one in result["autoscaler"]["scalings"]]
    assert asked.count(0) >= 3, "there was no way down to zero after it was new, after the load, and after the delay"
    assert max(asked) == 2, "there was no way up"
    assert {"rolling update", "eviction"} <= {one["cause"] for one in result["drains"]}
    return result


def test_keda_takes_a_stack_from_zero_to_its_maximum_and_back_without_a_loss(
    start: Start, keda: None, api: KubernetesApi
):
    result = rehearse_keda(start, "redis")
    assert [one["what"] for one in result["autoscaler"]["backlog"]["wakes"]] == ["longest-busy", "delayed"]
    assert result["starts"], "nobody learns how long a pod needs that messages wait for"
    assert all(0 < one["containerSeconds"] < one["messageSeconds"] for one in result["starts"])
    assert left_over(api) == set()


@pytest.mark.long
def test_keda_does_so_on_the_other_brokers(start: Start, keda: None):
    # One after the other, and not as cases: there is one node.
    for broker in ("rabbitmq", "postgresql"):
        rehearse_keda(start, broker)


def test_an_image_that_cannot_be_pulled_is_one_line_and_leaves_nothing(start: Start, api: KubernetesApi):
    status, _, err = finish(start(image="localhost/ebbtide/nowhere:1"), LIMIT_SECONDS)
    assert (status, len(err.splitlines())) == (1, 1), err
    assert "--image: localhost/ebbtide/nowhere:1 cannot be pulled" in err
    assert "what was made is taken away again" in err
    assert left_over(api) == set()


def test_an_interrupted_rehearsal_takes_everything_away(start: Start, api: KubernetesApi):
    process = start("--verbose")
    wait_for_line(process, "pulumi up")
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    status, _, err = finish(process, LIMIT_SECONDS)
    assert status == 130
    assert "interrupted; what was made is taken away again" in err
    assert left_over(api) == set()


def test_what_a_killed_rehearsal_left_is_taken_over(start: Start, api: KubernetesApi):
    process = start("--verbose")
    wait_for_line(process, "Starting redis")
    process.kill()
    process.communicate()
    assert left_over(api), "nothing was left: the test shows nothing"
    process = start("--verbose")
    wait_for_line(process, "pulumi up")
    process.send_signal(signal.SIGINT)
    assert finish(process, LIMIT_SECONDS)[0] == 130
    assert left_over(api) == set()


def test_a_namespace_of_somebody_else_is_left_alone(start: Start, api: KubernetesApi, namespaces: NamespaceFactory):
    namespaces(namespace(NAMESPACE))
    status, _, err = finish(start(), LIMIT_SECONDS)
    assert status == 1
    assert f"--namespace: {NAMESPACE} exists and was not made by a rehearsal" in err
    assert left_over(api) == {NAMESPACE}
