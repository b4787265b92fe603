"""`ebbtide rehearse` on the real node: it passes, it cleans up, and what is wrong is one line."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.cluster.conftest import NamespaceFactory
from tests.cluster.rehearsals import Start, finish, left_over, namespace_of, starting
from tests.kubernetes_api import KubernetesApi

pytestmark = pytest.mark.cluster

NAMESPACE = "rehearsal-test"


@pytest.fixture(scope="module")
def start(kubeconfig: Path, images: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    with starting(kubeconfig, images, NAMESPACE, tmp_path_factory.mktemp("rehearsals")) as begin:
        yield begin


def wait_for_line(process: subprocess.Popen[str], words: str) -> None:
    assert process.stderr is not None
    for line in process.stderr:
        if words in line:
            return
    pytest.fail(f"{words!r} was never said")


def test_a_stack_scales_and_loses_nothing_with_the_longest_messages(start: Start, api: KubernetesApi, tmp_path: Path):
    page = tmp_path / "page.html"
    status, out, err = finish(start("--scenario", "short", "--format", "json", "--report", str(page)))
    result: dict[str, Any] = json.loads(out or "{}")
    assert status == 0, err or result["problems"]
    assert result["lossless"], result["messages"]
    tried = {one["cause"] for one in result["drains"]}
    assert tried == {"scale-down", "rolling update", "eviction", "deletion"}, "not every way to end a pod was tried"
    assert any(one["inFlight"] for one in result["drains"]), "pods that have nothing to do lose nothing"
    assert page.stat().st_size > 10_000
    assert left_over(api, NAMESPACE) == set(), "a rehearsal leaves something in a team's cluster"


def test_an_image_that_cannot_be_pulled_is_one_line_and_leaves_nothing(start: Start, api: KubernetesApi):
    status, _, err = finish(start(image="localhost/ebbtide/nowhere:1"))
    assert (status, len(err.splitlines())) == (1, 1), err
    assert "--image: localhost/ebbtide/nowhere:1 cannot be pulled" in err
    assert "what was made is taken away again" in err
    assert left_over(api, NAMESPACE) == set()


def test_an_interrupted_rehearsal_takes_everything_away(start: Start, api: KubernetesApi):
    process = start("--verbose")
    wait_for_line(process, "pulumi up")
    time.sleep(3)
    process.send_signal(signal.SIGINT)
    status, _, err = finish(process)
    assert status == 130
    assert "interrupted; what was made is taken away again" in err
    assert left_over(api, NAMESPACE) == set()


def test_what_a_killed_rehearsal_left_is_taken_over(start: Start, api: KubernetesApi):
    process = start("--verbose")
    wait_for_line(process, "Starting redis")
    process.kill()
    process.communicate()
    assert left_over(api, NAMESPACE), "nothing was left: the test shows nothing"
    process = start("--verbose")
    wait_for_line(process, "pulumi up")
    process.send_signal(signal.SIGINT)
    assert finish(process)[0] == 130
    assert left_over(api, NAMESPACE) == set()


def test_a_namespace_of_somebody_else_is_left_alone(start: Start, api: KubernetesApi, namespaces: NamespaceFactory):
    namespaces(namespace_of(NAMESPACE))
    status, _, err = finish(start())
    assert status == 1
    assert f"--namespace: {NAMESPACE} exists and was not made by a rehearsal" in err
    assert left_over(api, NAMESPACE) == {NAMESPACE}
