"""`ebbtide doctor --cluster`. kubectl is a stand-in here, which prints what the real one prints and records how it was
called: there is no cluster in these tests."""

from __future__ import annotations

import json
import os

import pytest

WORKER = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "mail-consumer", "namespace": "shop", "uid": "1", "resourceVersion": "5"},
    "spec": {
        "replicas": 3,
        "template": {
            "spec": {
                "terminationGracePeriodSeconds": 30,
                "containers": [
                    {"name": "mail", "image": "a:1", "command": ["php", "artisan", "queue:work", "--timeout=120"]}
                ],
            }
        },
    },
}
SCRIPT = """\
#!/bin/sh
echo "$@" >> {log}
case "$2" in
  deployments.apps) cat {deployments} ;;
  scaledobjects.keda.sh|scaledjobs.keda.sh) echo 'error: the server doesn'"'"'t have a resource type "x"' >&2; exit 1 ;;
  cronjobs.batch) echo 'Error from server (Forbidden): cronjobs.batch is forbidden' >&2; exit 1 ;;
  *) {otherwise} ;;
esac
"""


@pytest.fixture
def kubectl(tmp_path):
    """`kubectl(otherwise)`: a PATH with a kubectl on it, and the file with its calls."""

    def make(otherwise: str = "echo '{\"items\": []}'") -> tuple[str, object]:
        (tmp_path / "deployments").write_text(json.dumps({"kind": "List", "items": [WORKER, system()]}))
        program, log = tmp_path / "kubectl", tmp_path / "log"
        program.write_text(SCRIPT.format(log=log, deployments=tmp_path / "deployments", otherwise=otherwise))
        program.chmod(0o755)
        return f"{tmp_path}{os.pathsep}{os.environ['PATH']}", log

    return make


def system() -> dict:
    return {**WORKER, "metadata": {"name": "dns-worker", "namespace": "kube-system", "uid": "2"}}


def test_what_a_cluster_runs_is_judged_and_nothing_is_changed(ebbtide, kubectl):
    path, log = kubectl()
    done = ebbtide("doctor", "--cluster", "--context", "gke_shop", "--format", "json", PATH=path)
    document = json.loads(done.stdout)
    assert [(one["rule"], one["file"]) for one in document["findings"]] == [
        ("D-21", "cluster/deployments/shop/mail-consumer.json")
    ]
    assert any("may not be read" in note["text"] for note in document["notJudged"])
    calls = log.read_text().splitlines()
    assert {line.split()[0] for line in calls} == {"get"}, "only reads"
    assert all("--context=gke_shop" in line and "--all-namespaces" in line for line in calls)


def test_a_number_of_replicas_that_the_cluster_holds_is_nobody_s_manifest(ebbtide, kubectl):
    path, _ = kubectl()
    done = ebbtide("doctor", "--cluster", "--namespace", "shop", PATH=path)
    assert "D-55" not in done.stdout


def test_a_cluster_that_does_not_answer_is_one_line(ebbtide, kubectl):
    path, _ = kubectl("echo 'Unable to connect to the server' >&2; exit 1")
    done = ebbtide("doctor", "--cluster", PATH=path)
    assert done.returncode == 1
    assert "Unable to connect" in done.stderr
    assert "Traceback" not in done.stderr


def test_nothing_to_read_is_wrong_usage(ebbtide):
    assert ebbtide("doctor").returncode == 2
