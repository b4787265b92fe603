"""What docs/runbook.md tells people to type with kubectl, typed: no move ends a pod, and what is applied is what runs.

Each move is the runbook's own block of commands, run by a shell in a project. `ebbtide` is there a script that runs
`ebbtide render` and puts a process that only waits in the consumer's place, so that pods need no broker.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cluster.conftest import GONE_SECONDS
from tests.cluster.shared_node import ROOT
from tests.kubernetes_api import POLL_SECONDS, KubernetesApi

sys.path.append(str(ROOT / "tools" / "cluster"))

from images import PAUSE
from programs import KUBERNETES

from ebbtide.settings.loading.project import stack_names

pytestmark = pytest.mark.cluster

NAMESPACE = "consumers"
"""Where the runbook's consumers are."""
RUNBOOK = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
REACH_SECONDS = 300
STAYS_SECONDS = 20
"""An HPA's sync and a poll of KEDA's, in which whoever wants another number would have said so."""
RENDER = """\
import subprocess, sys, pathlib, yaml
given = sys.argv[1:]
done = subprocess.run([sys.executable, "-m", "ebbtide", *given], capture_output=True, text=True)
if done.returncode:
    sys.exit(done.stdout + done.stderr)

def waiting(text):
    objects = list(yaml.safe_load_all(text))
    for one in objects:
        if one["kind"] == "Deployment":
            pod = one["spec"]["template"]["spec"]
            resources = {"requests": {"cpu": "10m", "memory": "8Mi"}}
            pod["containers"] = [{"name": "consumer", "image": "IMAGE", "resources": resources}]
            pod["containers"][0]["securityContext"] = {
                "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}
            }
            pod["terminationGracePeriodSeconds"] = 1
    return yaml.safe_dump_all(objects)

if "--out" in given:
    for file in pathlib.Path(given[given.index("--out") + 1]).glob("deployment-*.yaml"):
        file.write_text(waiting(file.read_text()))
else:
    print(waiting(done.stdout))
"""

CONSUMER: dict[str, Any] = {
    "image": "registry.example/mail:1",
    "worker": {"kind": "symfonyMessenger", "receivers": ["mail"], "processes": 2},
    "shutdown": {"longestMessage": "20s"},
    "transport": {"kind": "redis", "redeliverTimeout": "5m", "address": "192.0.2.1:6379", "stream": "mail"},
}
FIXED = {"kind": "fixed", "replicas": 3}
HPA = {"kind": "hpa", "minReplicas": 2, "maxReplicas": 5, "metrics": [{"kind": "cpu", "targetAverageValue": "500m"}]}
# The broker cannot be reached: what stays, stays by what KEDA does then, and not because somebody asks for it.
KEDA = {"kind": "keda", "minReplicas": 0, "maxReplicas": 5, "pollingInterval": "5s", "cooldown": "10s"}


def blocks(words: str) -> list[str]:
    """The runbook's blocks of commands after the paragraph that begins so, up to the next such paragraph."""
    (section,) = re.findall(rf"^{re.escape(words)}(.*?)(?=^\*|^## )", RUNBOOK, re.MULTILINE | re.DOTALL)
    return re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)


TO_AN_AUTOSCALER = blocks("*A fixed number to an autoscaler.*")
FROM_AN_HPA = blocks("*An HPA to a fixed number.*")
FROM_KEDA = blocks("*KEDA to a fixed number.*")
REMOVAL = blocks("## GitOps, and what is no longer rendered")


@dataclass
class Team:
    """Somebody with a project, a shell and kubectl."""

    directory: Path
    environment: dict[str, str]
    consumers: dict[str, Any] = field(default_factory=dict)

    def settle(self, **consumers: Any) -> None:
        """Have these consumers in the stack's file."""
        cluster = {"kind": "existing", "kubernetesVersion": "1.34", "keda": "existing"}
        config = {"ebbtide:cluster": cluster, "ebbtide:consumers": consumers}
        (self.directory / "Pulumi.production.yaml").write_text(yaml.safe_dump({"config": config}))

    def types(self, commands: str, status: int = 0) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", commands],
            cwd=self.directory,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == status, done.stdout + done.stderr
        return done.stdout

    def pods(self) -> set[str]:
        """Those that nobody has asked to end, by their uid."""
        found = json.loads(self.types(f"kubectl -n {NAMESPACE} get pods -o json"))["items"]
        return {one["metadata"]["uid"] for one in found if "deletionTimestamp" not in one["metadata"]}

    def reach(self, number: int) -> set[str]:
        deadline = time.monotonic() + REACH_SECONDS
        while len(found := self.pods()) != number:
            assert time.monotonic() < deadline, f"{len(found)} pods instead of {number}"
            time.sleep(0.5)
        return found

    @contextmanager
    def losing_no_pod(self) -> Iterator[None]:
        """What is done inside ends none of the pods, and the Deployment never asks for fewer."""
        before = self.reach(3)
        watched = ["kubectl", "-n", NAMESPACE, "get", "deployment", "mail", "--watch"]
        watched += ["-o", 'jsonpath={.spec.replicas}{"\\n"}']
        with subprocess.Popen(watched, env=self.environment, stdout=subprocess.PIPE, text=True) as watch:
            assert watch.stdout is not None
            try:
                # What is done before it watches, nobody would see.
                seen = [int(watch.stdout.readline())]
                yield
                time.sleep(STAYS_SECONDS)
            finally:
                watch.terminate()
            seen += [int(line) for line in watch.stdout if line.strip()]
        assert set(seen) == {3}, f"the number of pods moved: {seen}"
        assert self.pods() == before, "pods were ended, and others started"


@pytest.fixture
def team(kubeconfig: Path, keda: None, api: KubernetesApi, tmp_path: Path) -> Iterator[Team]:
    programs = tmp_path / "programs"
    programs.mkdir()
    (programs / "kubectl").symlink_to(KUBERNETES.directory() / "kubectl")
    (programs / "render.py").write_text(RENDER.replace("IMAGE", PAUSE.reference))
    ebbtide = programs / "ebbtide"
    ebbtide.write_text(f'#!/bin/sh\nexec {sys.executable} {programs / "render.py"} "$@"\n')
    ebbtide.chmod(0o755)
    directory = tmp_path / "project"
    directory.mkdir()
    (directory / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    path = f"{programs}:{os.environ['PATH']}"
    yield Team(directory, {**os.environ, "PATH": path, "KUBECONFIG": str(kubeconfig)})
    empty_namespace(api)


def empty_namespace(api: KubernetesApi) -> None:
    """KEDA lets go of its objects at once as long as their namespace stays; of a namespace that ends, after 83 s."""
    scaled = f"/apis/keda.sh/v1alpha1/namespaces/{NAMESPACE}/scaledobjects"
    api.request("DELETE", scaled)
    deadline = time.monotonic() + GONE_SECONDS
    while api.request("GET", scaled)["items"]:
        assert time.monotonic() < deadline, "a ScaledObject of the tests stays behind"
        time.sleep(POLL_SECONDS)
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}}
    api.delete(namespace)
    while api.get(namespace) is not None:
        assert time.monotonic() < deadline, "the namespace of the tests stays behind"
        time.sleep(POLL_SECONDS)


def mail(scaling: dict[str, Any]) -> dict[str, Any]:
    return {"mail": {**CONSUMER, "autoscaling": scaling}}


# The others repeat the proof.
@pytest.mark.parametrize(
    ("how", "autoscaler", "back"),
    [
        pytest.param("client-side", KEDA, FROM_KEDA, id="KEDA, client-side", marks=pytest.mark.long),
        pytest.param("server-side", HPA, FROM_AN_HPA, id="an HPA, server-side"),
        pytest.param("client-side", HPA, FROM_AN_HPA, id="an HPA, client-side", marks=pytest.mark.long),
        pytest.param("server-side", KEDA, FROM_KEDA, id="KEDA, server-side", marks=pytest.mark.long),
    ],
)
def test_from_a_fixed_number_to_an_autoscaler_and_back_as_the_runbook_says(
    how: str, autoscaler: dict[str, Any], back: list[str], team: Team
) -> None:
    is_server_side = how == "server-side"
    apply = "kubectl apply --server-side" if is_server_side else "kubectl apply"
    team.settle(**mail(FIXED))
    team.types(f"ebbtide render --stack production | {apply} -f -")
    with team.losing_no_pod():
        team.settle(**mail(autoscaler))
        team.types(TO_AN_AUTOSCALER[is_server_side])
    with team.losing_no_pod():
        team.settle(**mail(FIXED))
        team.types(back[0].replace("kubectl apply", apply))


def test_without_that_step_a_server_side_apply_ends_all_pods_but_one(team: Team) -> None:
    """The counterpart, and the reason for the step."""
    team.settle(**mail(FIXED))
    team.types("ebbtide render --stack production | kubectl apply --server-side -f -")
    team.reach(3)
    team.settle(**mail({**HPA, "minReplicas": 1}))
    team.types("ebbtide render --stack production | kubectl apply --server-side -f -")
    team.reach(1)


DIFF = "kubectl diff -k manifests"
RENDER_AND_APPLY = "ebbtide render --stack production --out manifests && kubectl apply -k manifests"


@pytest.mark.parametrize(
    "scaling",
    [
        pytest.param({**KEDA, "minReplicas": 1, "triggers": "cron"}, id="KEDA"),
        pytest.param(HPA, id="an HPA", marks=pytest.mark.long),
    ],
)
def test_what_was_applied_shows_no_difference_also_after_it_was_scaled(scaling: dict[str, Any], team: Team) -> None:
    if "triggers" in scaling:
        day = {"timezone": "UTC", "start": "0 0 * * *", "end": "59 23 * * *", "desiredReplicas": "3"}
        scaling = {**scaling, "triggers": [{"type": "cron", "metadata": day}]}
    team.settle(**mail(scaling))
    # As of a namespace that a GitOps tool has made before: kubectl's dry run asks about objects inside of it.
    team.types(RENDER_AND_APPLY)
    team.types(DIFF)
    # Nobody but the autoscaler has brought it there.
    team.reach(3 if "triggers" in scaling else 2)
    team.types(DIFF)
    team.types(RENDER_AND_APPLY)
    assert len(team.pods()) == (3 if "triggers" in scaling else 2), "applying again scales"


def test_a_difference_is_seen(team: Team) -> None:
    """The counterpart: this test's own instrument."""
    team.settle(**mail(HPA))
    team.types(RENDER_AND_APPLY)
    team.settle(**mail({**HPA, "maxReplicas": 6}))
    team.types("ebbtide render --stack production --out manifests")
    assert "maxReplicas: 6" in team.types(DIFF, status=1)


def test_a_consumer_that_is_removed_goes_and_the_others_stay(team: Team) -> None:
    others = {"scans": {**CONSUMER, "autoscaling": {**FIXED, "replicas": 1}}}
    team.settle(**mail(FIXED), **others)
    team.types(RENDER_AND_APPLY)
    team.reach(4)
    team.settle(**mail({"kind": "fixed", "replicas": 0}), **others)
    team.types(RENDER_AND_APPLY)
    (stays,) = team.reach(1)
    # "Until its last pod has drained": of these nobody is asked for, and each takes as long as its preStop hook does.
    team.types(f"kubectl -n {NAMESPACE} wait pods --selector app.kubernetes.io/name=mail --for=delete --timeout=300s")
    team.settle(**others)
    (removal,) = REMOVAL
    team.types(removal)
    left = team.types(f"kubectl -n {NAMESPACE} get deployment,pdb,networkpolicy,serviceaccount,pods -o name")
    assert "mail" not in left
    assert team.pods() == {stays}
    assert {"deployment.apps/scans", "networkpolicy.networking.k8s.io/scans"} <= set(left.split())
    assert not list((team.directory / "manifests").glob("*mail*"))


@pytest.mark.parametrize(
    "name",
    ["production", *(pytest.param(name, marks=pytest.mark.long) for name in stack_names(ROOT) if name != "production")],
)
def test_a_committed_stack_shows_no_difference_after_it_was_applied(name: str, team: Team) -> None:
    # As it is: its pods need an image of the example's registry, and stay where they are.
    render = f"{sys.executable} -m ebbtide render --project {ROOT} --stack {name} --out manifests"
    team.types(f"{render} && kubectl apply -k manifests")
    team.types(DIFF)
