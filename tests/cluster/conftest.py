"""The node of `scripts/cluster`: the one that runs, or one that is started for these tests and taken away again.

In CI three modules of tests use it at a time, each in namespaces of its own: most of the time they wait.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.cluster.shared_node import node_in_use, run_cluster_script, shared_node
from tests.kubernetes_api import KubernetesApi, Manifest, wait_until_gone

# KEDA takes its finalizer away when it can: over a minute, where the namespace takes nothing new already (seen).
GONE_SECONDS = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A machine has one node, and in the tier `long`, where others run side by side, its tests take turns."""
    for item in items:
        if item.get_closest_marker("cluster") is not None:
            item.add_marker(pytest.mark.xdist_group("node"))


@pytest.fixture(scope="session")
def node() -> Iterator[Path]:
    """The administrator's kubeconfig of a node that is up."""
    with shared_node() as kubeconfig:
        yield kubeconfig


@pytest.fixture(scope="session")
def last_in() -> None:
    """Whoever takes the node down comes first, where all begin together: later it would wait for all others."""
    time.sleep(2)


@pytest.fixture(scope="module")
def kubeconfig(request: pytest.FixtureRequest) -> Iterator[Path]:
    """The same, for a module of tests: some take the node down, and no other module runs beside them."""
    alone = getattr(request.module, "TAKES_THE_NODE_DOWN", False)
    if not alone:
        request.getfixturevalue("last_in")
    with node_in_use(alone=alone):
        yield request.getfixturevalue("node")


@pytest.fixture(scope="module")
def api(kubeconfig: Path) -> KubernetesApi:
    """The API server, as its administrator. For a module: a node that was made again has other certificates."""
    return KubernetesApi(kubeconfig)


@pytest.fixture(scope="module")
def images(kubeconfig: Path) -> dict[str, str]:
    """The images of this project by name, as the node knows them; builds and loads what is missing.

    For a module: a node that was made again has none.
    """
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
