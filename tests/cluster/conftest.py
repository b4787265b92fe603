"""The node of `scripts/cluster`: the one that runs, or one that is started for these tests and taken away again."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.kubernetes_api import KubernetesApi, Manifest, wait_until_gone

ROOT = Path(__file__).parents[2]
# KEDA takes its finalizer away when it can: over a minute, where the namespace takes nothing new already (seen).
GONE_SECONDS = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A machine has one node, and its tests take turns: in the tier `long` too, where others run side by side."""
    for item in items:
        if item.get_closest_marker("cluster") is not None:
            item.add_marker(pytest.mark.xdist_group("node"))


def run_cluster_script(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run `scripts/cluster`; its progress goes to this test's captured stderr."""
    return subprocess.run([ROOT / "scripts" / "cluster", *arguments], stdout=subprocess.PIPE, text=True, check=False)


@pytest.fixture(scope="session")
def kubeconfig() -> Iterator[Path]:
    """The administrator's kubeconfig of a node that is up."""
    was_up = run_cluster_script("status").returncode == 0
    up = run_cluster_script("up")
    assert up.returncode == 0, "the node does not come up; its own words are above"
    # A cluster of the user's own has a kubeconfig already, and nothing is printed.
    yield Path(up.stdout.strip().removeprefix("export KUBECONFIG=") or os.environ["KUBECONFIG"])
    if not was_up:
        assert run_cluster_script("down").returncode == 0, "something of the node stays behind on this machine"


@pytest.fixture(scope="module")
def api(kubeconfig: Path) -> KubernetesApi:
    """The API server, as its administrator. For a module: a node that was made again has other certificates."""
    return KubernetesApi(kubeconfig)


@pytest.fixture(scope="session")
def images(kubeconfig: Path) -> dict[str, str]:
    """The images of this project by name, as the node knows them; builds and loads what is missing."""
    loaded = run_cluster_script("load-image")
    assert loaded.returncode == 0
    return {line.rpartition("/")[2].partition(":")[0]: line for line in loaded.stdout.split()}


NamespaceFactory = Callable[[Manifest], str]


@pytest.fixture
def namespaces(api: KubernetesApi) -> Iterator[NamespaceFactory]:
    """Makes namespaces from their manifests; they are gone when the test has ended."""
    made: list[Manifest] = []

    def make(manifest: Manifest) -> str:
        made.append(manifest)
        api.apply(manifest, "tests", force=True)
        name: str = manifest["metadata"]["name"]
        return name

    yield make
    for manifest in made:
        api.delete(manifest)
    for manifest in made:
        assert wait_until_gone(api, manifest, time.monotonic() + GONE_SECONDS), "a namespace of the tests stays behind"


@pytest.fixture(scope="module")
def keda(kubeconfig: Path) -> None:
    """KEDA on the node. For a module: a node that was made again has none."""
    assert run_cluster_script("up", "--keda").returncode == 0, "KEDA does not start; its own words are above"
