"""What a pod has beside its workers: as the API server takes it, and so that the drain stays what it is."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tests.kubernetes_schema import NEWEST_VERSION, OLDEST_VERSION, check_schema
from tests.manifests.kubernetes.examples import make_object, make_pod, make_stack

from ebbtide.explain.envelope import build_envelope
from ebbtide.judgement.rule import rules_on, run_rules
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.rules.check import check_stack

PROXY = {
    "image": "registry.example/cloud-sql-proxy:2",
    "arguments": ["--unix-socket", "/sql", "acme:europe-west1:shop"],
    "environmentFrom": [{"configMap": "proxy-v1"}],
    "writableDirectories": ["/sql", "/home/proxy"],
    "resources": {"cpu": "100m", "memory": "128Mi"},
    "started": {"port": 9090, "path": "/startup"},
}
EVERYTHING: dict[str, Any] = {
    "imagePullSecrets": ["registry-v1"],
    "environmentFrom": [{"secret": "shop-v3", "prefix": "SHOP_"}, {"configMap": "shop-v9"}],
    "files": [
        {"path": "/etc/shop/tls", "secret": "tls-v1", "keys": ["tls.crt"]},
        {"path": "/etc/shop/config", "configMap": "shop-v9"},
    ],
    "volumes": [
        {"path": "/srv/data", "persistentVolumeClaim": "data", "readOnly": True},
        {"path": "/srv/bucket", "csi": {"driver": "gcsfuse.csi.storage.gke.io", "attributes": {"bucketName": "shop"}}},
    ],
    "sidecars": {"cloud-sql-proxy": PROXY},
    "initContainers": {
        "migrate": {
            "command": ["php", "bin/console", "doctrine:migrations:migrate"],
            "environment": {"APP_ENV": "prod"},
            "secretEnvironment": {"DATABASE_URL": {"secret": "database-v1", "key": "url"}},
            "files": [{"path": "/etc/shop/tls", "secret": "tls-v1"}],
        }
    },
    "priorityClass": "queue-consumers",
}
CONSUMER = {"pod": EVERYTHING, "writableDirectories": ["/sql"]}


@pytest.mark.parametrize("version", [OLDEST_VERSION, NEWEST_VERSION])
def test_everything_at_once_passes_the_api_servers_schema(version):
    check_schema(make_object("Deployment", CONSUMER), version)


def test_a_sidecar_is_ended_after_the_workers_and_waited_for_before_them():
    proxy, migrate = make_pod(CONSUMER)["initContainers"]
    assert proxy["restartPolicy"] == "Always", "an ordinary container would be ended while workers still finish"
    assert proxy["startupProbe"] == {
        "httpGet": {"port": 9090, "path": "/startup"},
        "periodSeconds": 2,
        "failureThreshold": 30,
    }
    assert "restartPolicy" not in migrate
    assert [container["name"] for container in make_pod(CONSUMER)["containers"]] == ["consumer"]


def test_a_directory_that_workers_and_sidecar_both_name_is_one_and_others_are_not():
    pod = make_pod(CONSUMER)
    proxy = pod["initContainers"][0]
    mounted = {mount["mountPath"]: mount["name"] for mount in proxy["volumeMounts"]}
    workers = {mount["mountPath"]: mount["name"] for mount in pod["containers"][0]["volumeMounts"]}
    assert mounted["/sql"] == workers["/sql"]
    assert mounted["/home/proxy"] not in workers.values()
    assert {volume["name"] for volume in pod["volumes"]} >= set(mounted.values())
    assert len({volume["name"] for volume in pod["volumes"]}) == len(pod["volumes"])


def test_every_mount_has_its_volume_and_every_volume_is_mounted():
    pod = make_pod(CONSUMER)
    containers = [*pod["initContainers"], *pod["containers"]]
    mounted = {mount["name"] for container in containers for mount in container.get("volumeMounts", ())}
    assert mounted == {volume["name"] for volume in pod["volumes"]}


def test_a_patch_may_mount_each_volume_of_the_pod_once_more():
    """The rule about patched mounts knows by their names which volumes there are."""
    consumer = {**CONSUMER, "shutdown": {"idleFirst": {"apiServer": "10.0.0.1/32"}}}
    names = [volume["name"] for volume in make_pod(consumer)["volumes"]]
    assert {"state", "tmp", "api-server"} < set(names)
    mounts = [{"name": name, "mountPath": f"/seen/{name}"} for name in names]
    patch = {"spec": {"template": {"spec": {"containers": [{"name": "consumer", "volumeMounts": mounts}]}}}}
    settings = make_stack({**consumer, "pod": {**EVERYTHING, "patch": patch}})
    assert [one for one in check_stack(settings) if one.rule == "M-04b"] == []


def test_what_stands_beside_the_workers_has_no_more_rights_than_they_have():
    pod = make_pod(CONSUMER)
    (workers,) = pod["containers"]
    for container in pod["initContainers"]:
        assert container["securityContext"] == workers["securityContext"]


def test_what_comes_from_elsewhere_is_named_and_nothing_of_it_is_the_images_own():
    pod = make_pod(CONSUMER)
    (workers,) = pod["containers"]
    assert workers["envFrom"] == [
        {"prefix": "SHOP_", "secretRef": {"name": "shop-v3"}},
        {"configMapRef": {"name": "shop-v9"}},
    ]
    # `env` stands over `envFrom` in Kubernetes: what the image reads cannot be replaced by a ConfigMap.
    assert {"EBBTIDE_GRACE_SECONDS", "EBBTIDE_PROCESSES"} <= {variable["name"] for variable in workers["env"]}
    assert pod["imagePullSecrets"] == [{"name": "registry-v1"}]
    assert pod["priorityClassName"] == "queue-consumers"


def test_sidecars_count_where_pods_are_counted():
    alone, beside = (make_stack({"pod": pod} if pod else {}) for pod in ({}, {"sidecars": {"proxy": PROXY}}))
    small, large = (build_envelope(stack.consumers["events"]) for stack in (alone, beside))
    assert large[-1].cpu_request_millicores - small[-1].cpu_request_millicores == 100 * large[-1].pods
    assert large[-1].memory_limit_bytes - small[-1].memory_limit_bytes == 128 * 2**20 * large[-1].pods


def refused(consumer: dict[str, Any], **stack: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        make_stack(consumer, **stack)
    return str(caught.value)


WRONG: dict[str, tuple[dict[str, Any], str]] = {
    "two sources": (
        {"files": [{"path": "/etc/a", "secret": "a", "configMap": "b"}]},
        "exactly one of secret, configMap",
    ),
    "no source": ({"environmentFrom": [{"prefix": "A_"}]}, "exactly one of secret, configMap"),
    "over the state": ({"files": [{"path": "/run", "secret": "a"}]}, "drain stands on"),
    "below the state": ({"volumes": [{"path": "/run/ebbtide/x", "persistentVolumeClaim": "a"}]}, "drain stands on"),
    "over the system": ({"files": [{"path": "/usr", "secret": "a"}]}, "hide programs of the system"),
    "no path": ({"files": [{"path": "etc/app", "secret": "a"}]}, "plain absolute paths"),
    "the image's own prefix": ({"environmentFrom": [{"secret": "a", "prefix": "EBBTIDE_"}]}, "the image's own"),
    "the workers' name": ({"sidecars": {"consumer": PROXY}}, "two containers alike"),
    "a name twice": ({"sidecars": {"a": PROXY}, "initContainers": {"a": {"command": ["x"]}}}, "two containers alike"),
    "one inside of another": (
        {"files": [{"path": "/etc/app", "secret": "a"}, {"path": "/etc/app/tls", "secret": "b"}]},
        "at or inside of another volume",
    ),
    "a sidecar's two in one place": (
        {"sidecars": {"a": {**PROXY, "files": [{"path": "/sql/tls", "secret": "b"}]}}},
        "at or inside of another volume",
    ),
    "the system's priority": ({"priorityClass": "system-node-critical"}, "the system's own"),
    "a password of a sidecar": (
        {"sidecars": {"a": {**PROXY, "environment": {"DB_PASSWORD": "hunter2hunter2"}}}},
        "looks like a secret",
    ),
    "a password in a patch": (
        {"patch": {"metadata": {"annotations": {"acme.example/token": "ghp_" + "a1B2" * 9}}}},
        "looks like a secret",
    ),
}


@pytest.mark.parametrize(("pod", "sentence"), WRONG.values(), ids=WRONG)
def test_what_cannot_work_is_refused(pod, sentence):
    said = refused({"pod": pod})
    assert sentence in said
    assert "hunter2" not in said


def test_sidecars_are_refused_where_kubernetes_does_not_end_them_last():
    cluster = {"kind": "existing", "kubernetesVersion": "1.28"}
    assert "need Kubernetes 1.29" in refused({"pod": {"sidecars": {"proxy": PROXY}}}, cluster=cluster)


CPU = {"kind": "hpa", "maxReplicas": 3, "metrics": [{"kind": "cpu", "targetAverageValue": "200m"}]}


@pytest.mark.parametrize(
    ("consumer", "rule"),
    [
        ({"pod": {"sidecars": {"a": {"image": "registry.example/a:1"}}}}, "M-03"),
        ({"pod": {"sidecars": {"a": PROXY}}, "autoscaling": CPU}, "M-06"),
    ],
)
def test_what_is_likely_not_meant_is_said(consumer, rule):
    found = run_rules(rules_on(ConsumerSettings), make_stack(consumer).consumers["events"])
    assert rule in {finding.rule for finding in found}
    without = run_rules(rules_on(ConsumerSettings), make_stack({"pod": {"sidecars": {"a": PROXY}}}).consumers["events"])
    assert rule not in {finding.rule for finding in without}
