"""`scripts/cluster` starts once, repairs what is broken, keeps off other clusters, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tests.cluster.archive_files import contents, docker_archive, oci_archive
from tests.cluster.conftest import NamespaceFactory
from tests.cluster.shared_node import ROOT
from tests.kubernetes_api import KubernetesApi, Manifest

# Last on the path: its modules have short names.
sys.path.append(str(ROOT / "tools" / "cluster"))

from images import PAUSE, build_image

pytestmark = pytest.mark.cluster

TAKES_THE_NODE_DOWN = True

# Where programs of a node write whatever they are told.
PLACES = ("/run/containerd", "/run/netns", "/var/log/containers", "/var/log/pods", "/var/lib/kubelet", "/var/lib/cni")
START_SECONDS = 240


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the script as a user would."""
    surroundings = {name: value for name, value in os.environ.items() if name != "KUBECONFIG"}
    return subprocess.run(
        [ROOT / "scripts" / "cluster", *arguments],
        env={**surroundings, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def kubeconfig_of(tmp_path: Path, context: str) -> str:
    path = tmp_path / "kubeconfig"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "Config", "current-context": context}))
    return str(path)


def started_pod(api: KubernetesApi, namespace: str, name: str, image: str) -> Manifest:
    """A pod that runs, with nothing in it but a process that waits."""
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}}
    container = {"name": "waits", "image": image, "imagePullPolicy": "IfNotPresent"}
    pod: Manifest = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [container], "terminationGracePeriodSeconds": 0},
    }
    deadline = time.monotonic() + START_SECONDS
    while api.get(account) is None:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    api.apply(pod, "tests")
    while ((live := api.get(pod)) or {}).get("status", {}).get("phase") != "Running":
        assert time.monotonic() < deadline, (live or {}).get("status")
        time.sleep(0.1)
    return pod


def test_down_leaves_nothing_of_the_node_and_the_same_shell_brings_it_up_again(kubeconfig: Path) -> None:
    """Runs first: what was loaded into the node is gone afterwards."""
    started_pod(KubernetesApi(kubeconfig), "default", "left-behind", PAUSE.reference)
    tasks = list(kubeconfig.parent.glob("run/io.containerd.runtime.v2.task/k8s.io/*"))
    sockets = {(task / "address").read_text().removeprefix("unix://") for task in tasks}
    assert tasks, "no container ran, so that none could leave anything behind"
    assert ours(kubeconfig.parent, {task.name for task in tasks}, sockets), "looked for in the wrong places"
    down = run("down", KUBECONFIG=str(kubeconfig))
    assert (down.returncode, down.stderr) == (0, "")
    assert not ours(kubeconfig.parent, {task.name for task in tasks}, sockets)
    up = run("up", KUBECONFIG=str(kubeconfig))
    assert (up.returncode, up.stdout) == (0, f"export KUBECONFIG={kubeconfig}\n"), up.stderr


def ours(cluster: Path, containers: set[str], sockets: set[str]) -> list[str]:
    """What is there of the cluster in this directory, in it and outside."""
    found = [str(cluster)] if cluster.exists() else []
    for directory, names, files in (entry for place in PLACES for entry in os.walk(place)):
        for path in (Path(directory, name) for name in (*names, *files)):
            named = any(identifier in path.name for identifier in containers)
            leads_here = path.is_symlink() and path.readlink().is_relative_to(cluster)
            if named or leads_here or str(path) in sockets or path.name == "kubelet.sock":
                found.append(str(path))
    return found


def test_a_node_that_lost_a_process_is_made_again(kubeconfig: Path) -> None:
    """Runs first: what was loaded into the node is gone afterwards."""
    entries = json.loads((kubeconfig.parent / "processes.json").read_text())
    os.kill(entries["etcd"]["pid"], signal.SIGKILL)
    status = run("status")
    assert (status.returncode, "half there; `scripts/cluster up` repairs it" in status.stdout) == (1, True)
    up = run("up")
    assert up.returncode == 0, up.stderr
    assert "taking it away first" in up.stderr
    again = json.loads((kubeconfig.parent / "processes.json").read_text())
    assert all(again[name]["pid"] != entries[name]["pid"] for name in entries), "an old process serves a new node"


def test_up_of_a_running_node_starts_nothing(kubeconfig: Path) -> None:
    before = (kubeconfig.parent / "processes.json").read_text()
    up = run("up")
    assert (up.returncode, up.stdout, up.stderr) == (0, f"export KUBECONFIG={kubeconfig}\n", "")
    assert (kubeconfig.parent / "processes.json").read_text() == before


def test_the_bridge_keeps_its_address_while_pods_come_and_go(api: KubernetesApi, namespaces: NamespaceFactory) -> None:
    """Another one would be looked up by every pod first, which took up to 25 s."""
    bridge = Path("/sys/class/net/ebbtide0/address")
    addresses = [bridge.read_text()]
    namespace = namespaces({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "comes-and-goes"}})
    for name in ("one", "two", "three"):
        pod = started_pod(api, namespace, name, PAUSE.reference)
        addresses.append(bridge.read_text())
    for name in ("one", "two", "three"):
        pod["metadata"]["name"] = name
        api.delete(pod)
        deadline = time.monotonic() + START_SECONDS
        while api.get(pod) is not None:
            assert time.monotonic() < deadline
            time.sleep(0.1)
        addresses.append(bridge.read_text())
    assert len(set(addresses)) == 1, addresses


@pytest.fixture(scope="module")
def waiting_image() -> tuple[list[bytes], Manifest]:
    """Layers and configuration of an image that only waits."""
    return contents(build_image(PAUSE))


@pytest.mark.parametrize("form", ["docker", "oci"])
def test_a_teams_own_image_runs_and_no_registry_is_asked_for_it(
    form: str,
    api: KubernetesApi,
    namespaces: NamespaceFactory,
    waiting_image: tuple[list[bytes], Manifest],
    tmp_path: Path,
) -> None:
    name, archive = f"registry.example/team/{form}:1", tmp_path / "team.tar"
    if form == "docker":
        docker_archive(archive, [name], *waiting_image)
    else:
        oci_archive(archive, {"org.opencontainers.image.ref.name": name}, *waiting_image)
    loaded = run("load-image", str(archive))
    assert (loaded.returncode, loaded.stdout) == (0, f"localhost/team/{form}:1\n"), loaded.stderr
    namespace = namespaces({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": f"team-{form}"}})
    started_pod(api, namespace, "app", loaded.stdout.strip())


def test_an_archive_that_containerd_does_not_take_is_one_line(
    kubeconfig: Path, waiting_image: tuple[list[bytes], Manifest], tmp_path: Path
) -> None:
    layers, configuration = waiting_image
    archive = docker_archive(tmp_path / "a.tar", ["app:1"], layers, {**configuration, "rootfs": {"type": "layers"}})
    refused = run("load-image", str(archive))
    assert refused.returncode == 1
    assert refused.stderr.startswith(f"scripts/cluster: {archive}: containerd does not take it: ")
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("tool", ["kind", "minikube", "k3d"])
def test_a_cluster_of_another_tool_is_used_and_not_touched(tool: str, kubeconfig: Path, tmp_path: Path) -> None:
    theirs = kubeconfig_of(tmp_path, tool if tool == "minikube" else f"{tool}-dev")
    up, down = run("up", KUBECONFIG=theirs), run("down", KUBECONFIG=theirs)
    assert (up.returncode, up.stdout) == (0, ""), "a shell that evaluates this would leave the user's own cluster"
    assert f"Using the {tool} cluster" in up.stderr
    assert (down.returncode, "left alone" in down.stderr) == (0, True)
    assert run("status").returncode == 0, "our own node was taken away in its place"


@pytest.mark.parametrize(
    ("arguments", "status", "words"),
    [
        (["--context", "gke_acme_production", "up"], 1, "--context gke_acme_production: is neither our own cluster"),
        (["start"], 2, "invalid choice: 'start'"),
        ([], 2, "arguments are required: COMMAND"),
    ],
)
def test_a_mistake_is_a_line_and_not_a_traceback(arguments: list[str], status: int, words: str) -> None:
    done = run(*arguments)
    assert done.returncode == status
    assert words in done.stderr
    assert "Traceback" not in done.stderr


def test_a_broken_kubeconfig_is_named(tmp_path: Path) -> None:
    done = run("up", KUBECONFIG=str(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert "KUBECONFIG" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_image_that_is_nowhere_is_one_line(kubeconfig: Path) -> None:
    done = run("load-image", "nowhere")
    assert (done.returncode, done.stdout) == (1, "")
    assert "nowhere: is neither one of this project's images, nor a file, nor an image of docker" in done.stderr
    assert "Traceback" not in done.stderr


def test_images_cannot_be_loaded_without_a_node(tmp_path: Path) -> None:
    done = run("load-image", "broker", EBBTIDE_CLUSTER_DIRECTORY=str(tmp_path / "cluster"))
    assert done.returncode == 1
    assert "`scripts/cluster up` starts one" in done.stderr
