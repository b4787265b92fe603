"""The Deployment: who owns the replicas, how pods are replaced, and where they run."""

from __future__ import annotations

from typing import Any

import pytest
from tests.manifests.kubernetes.examples import DIGEST, all_objects, make_container, make_object, make_pod

HPA = {"kind": "hpa", "maxReplicas": 5, "metrics": [{"kind": "external", "metric": "backlog", "targetValue": 30}]}


def test_under_an_autoscaler_the_deployment_states_no_replicas() -> None:
    deployment = make_object("Deployment", {"autoscaling": HPA})
    assert "replicas" not in deployment["spec"], "two owners: the next update would fail or undo a scale-up"
    assert "annotations" not in deployment["metadata"], "force would take back what the autoscaler has set"


def test_a_fixed_number_of_pods_is_stated_and_taken_back_from_an_autoscaler_that_was_there_before() -> None:
    deployment = make_object("Deployment", {"autoscaling": {"kind": "fixed", "replicas": 4}})
    assert deployment["spec"]["replicas"] == 4
    assert deployment["metadata"]["annotations"] == {"pulumi.com/patchForce": "true"}


def test_a_roll_out_never_takes_a_pod_before_its_successor_is_ready() -> None:
    spec = make_object("Deployment")["spec"]
    rolling = spec["strategy"]["rollingUpdate"]
    assert rolling["maxUnavailable"] == 0
    assert rolling["maxSurge"] == "10%", "a percentage rounds up, so at least one pod more is always allowed"
    assert spec["minReadySeconds"] > 0, "a worker that dies of its first message would count as a successor"
    assert spec["progressDeadlineSeconds"] > spec["minReadySeconds"]


def _template(change: dict[str, Any]) -> Any:
    return make_object("Deployment", change)["spec"]["template"]


@pytest.mark.parametrize(
    "change",
    [
        {"image": "registry.example/events:2"},
        {"environment": {"APP_ENV": "staging"}},
        {"secretEnvironment": {"DSN": {"secret": "broker-v2", "key": "dsn"}}},
        {"shutdown": {"longestMessage": "300s"}},
        {"worker": {"kind": "symfonyMessenger", "receivers": ["events"], "processes": 4}},
        {"writableDirectories": ["/app/var"]},
    ],
    ids=lambda change: next(iter(change)),
)
def test_whatever_a_worker_would_see_of_a_change_replaces_the_pods(change: dict[str, Any]) -> None:
    before = _template({"secretEnvironment": {"DSN": {"secret": "broker-v1", "key": "dsn"}}})
    assert _template(change) != before, "old workers would go on with the old settings, and nobody would notice"


def test_whatever_only_the_autoscaler_sees_leaves_the_pods_alone() -> None:
    assert _template({"autoscaling": HPA}) == _template({}), "70 messages in flight would be drained for nothing"


def test_the_kubelet_waits_as_long_as_the_shutdown_budget_says() -> None:
    pod = make_pod({"shutdown": {"longestMessage": "200s"}})
    assert pod["terminationGracePeriodSeconds"] == 230, "200 s, and 10 + 5 + 15 s to acknowledge, report and exit"
    assert pod["containers"][0]["lifecycle"]["preStop"] == {"exec": {"command": ["/opt/ebbtide/drain"]}}


def test_a_taint_without_a_value_is_tolerated_as_the_api_server_writes_it() -> None:
    """It drops an empty value; a diff that shows one shows a change that is none."""
    pod = make_pod({"placement": {"tolerations": [{"key": "batch"}, {"key": "team", "value": "mail"}]}})
    assert pod["tolerations"] == [
        {"key": "batch", "operator": "Equal"},
        {"key": "team", "operator": "Equal", "value": "mail"},
    ]


def test_spot_gets_its_node_selector_and_its_toleration_together() -> None:
    selected = {"nodeSelector": {"disk": "ssd"}, "tolerations": [{"key": "team", "operator": "Exists"}]}
    pod = make_pod({"placement": {**selected, "spot": True}, "shutdown": {"longestMessage": "1s"}})
    assert pod["nodeSelector"] == {"disk": "ssd", "cloud.google.com/gke-spot": "true"}
    assert pod["tolerations"] == [
        {"key": "team", "operator": "Exists"},
        {"key": "cloud.google.com/gke-spot", "operator": "Equal", "value": "true", "effect": "NoSchedule"},
    ]


def test_without_spot_nothing_leads_to_spot_nodes() -> None:
    pod = make_pod()
    assert "nodeSelector" not in pod
    assert "tolerations" not in pod


@pytest.mark.parametrize(
    ("spread", "expected"),
    [
        ({}, {"topology.kubernetes.io/zone": "ScheduleAnyway", "kubernetes.io/hostname": "ScheduleAnyway"}),
        ({"zones": "require", "nodes": "off"}, {"topology.kubernetes.io/zone": "DoNotSchedule"}),
        ({"zones": "off", "nodes": "require"}, {"kubernetes.io/hostname": "DoNotSchedule"}),
        ({"zones": "off", "nodes": "off"}, {}),
    ],
)
def test_pods_are_spread_as_the_settings_say(spread: dict[str, str], expected: dict[str, str]) -> None:
    constraints = make_pod({"placement": {"spread": spread}}).get("topologySpreadConstraints", [])
    assert {each["topologyKey"]: each["whenUnsatisfiable"] for each in constraints} == expected
    for each in constraints:
        assert each["matchLabelKeys"] == ["pod-template-hash"], "a roll-out would be spread around the old pods"


@pytest.mark.parametrize(("node_scale_down", "evictable"), [("evict", "true"), ("protect", "false")])
def test_the_node_autoscaler_is_told_whether_it_may_move_a_pod(node_scale_down: str, evictable: str) -> None:
    change = {"shutdown": {"nodeScaleDown": node_scale_down}, "annotations": {"acme.com/note": "kept"}}
    annotations = make_object("Deployment", change)["spec"]["template"]["metadata"]["annotations"]
    assert annotations == {
        "acme.com/note": "kept",
        "cluster-autoscaler.kubernetes.io/safe-to-evict": evictable,
    }


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        (f"registry.example/events@{DIGEST}", "IfNotPresent"),  # cannot move
        (f"registry.example/events:1@{DIGEST}", "IfNotPresent"),
        ("registry.example/events:1", "Always"),  # may have moved
        ("localhost/events:local", "IfNotPresent"),  # the node's own: there is no registry to ask
        ("localhost:5000/events:1", "Always"),  # a registry on the developer's machine
    ],
)
def test_an_image_is_asked_for_again_only_where_it_may_have_changed(image: str, policy: str) -> None:
    assert make_container({"image": image})["imagePullPolicy"] == policy


def test_secrets_stand_before_the_values_that_may_refer_to_them() -> None:
    change = {
        "environment": {"B": "$(Z_SECRET)", "A": "1"},
        "secretEnvironment": {"Z_SECRET": {"secret": "s-v1", "key": "k"}},
    }
    own = [entry["name"] for entry in make_container(change)["env"] if not entry["name"].startswith("EBBTIDE_")]
    assert own == ["Z_SECRET", "A", "B"], "Kubernetes replaces $(NAME) only by a variable that stands before it"


def test_the_pods_have_no_way_to_more_rights() -> None:
    pod = make_pod({"userId": 20001})
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["securityContext"] == {
        "runAsNonRoot": True,
        "runAsUser": 20001,
        "runAsGroup": 20001,
        "fsGroup": 20001,
        "fsGroupChangePolicy": "OnRootMismatch",
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    security = pod["containers"][0]["securityContext"]
    assert security["readOnlyRootFilesystem"] is True
    assert security["allowPrivilegeEscalation"] is False
    assert security["capabilities"] == {"drop": ["ALL"]}


def test_only_the_memory_volume_has_a_limit_because_the_others_would_evict_the_pod_at_once() -> None:
    pod = make_pod({"writableDirectories": ["/app/var", "/app/storage"]})
    assert pod["volumes"] == [
        {"name": "state", "emptyDir": {"medium": "Memory", "sizeLimit": "64Mi"}},
        {"name": "tmp", "emptyDir": {}},
        {"name": "writable-0", "emptyDir": {}},
        {"name": "writable-1", "emptyDir": {}},
    ]
    assert [mount["mountPath"] for mount in pod["containers"][0]["volumeMounts"]] == [
        "/run/ebbtide",
        "/tmp",
        "/app/var",
        "/app/storage",
    ]
    assert "ephemeral-storage" not in pod["containers"][0]["resources"]["limits"]


def test_a_cpu_limit_is_set_only_where_somebody_asked_for_one() -> None:
    assert make_container()["resources"]["limits"].keys() == {"memory"}
    limited = make_container({"resources": {"cpu": {"request": "100m", "limit": "500m"}}})["resources"]
    assert (limited["requests"]["cpu"], limited["limits"]["cpu"]) == ("100m", "500m")


def test_the_kubelet_gives_up_on_a_start_after_the_container_itself() -> None:
    container = make_container()
    startup = container["startupProbe"]
    deadline = int(next(e["value"] for e in container["env"] if e["name"] == "EBBTIDE_START_DEADLINE_SECONDS"))
    assert startup["periodSeconds"] * startup["failureThreshold"] > deadline, "a kill says nothing about the reason"


def test_a_restart_for_liveness_needs_minutes_of_silence() -> None:
    container = make_container()
    for kind in ("startup", "readiness", "liveness"):
        probe = container[f"{kind}Probe"]
        assert probe["exec"]["command"] == ["/opt/ebbtide/healthcheck", kind]
        assert probe["timeoutSeconds"] >= 10, "on a node under pressure the runtime alone needs seconds"
    liveness = container["livenessProbe"]
    assert liveness["periodSeconds"] * liveness["failureThreshold"] >= 180, (
        "a restart interrupts every message in flight"
    )


def test_no_object_shares_a_part_with_another() -> None:
    ids: set[int] = set()

    def walk(value: Any) -> None:
        if isinstance(value, dict | list) and value:
            assert id(value) not in ids, "a change to one object would change another, and YAML would show an anchor"
            ids.add(id(value))
            for entry in value.values() if isinstance(value, dict) else value:
                walk(entry)

    objects = all_objects({"autoscaling": HPA, "labels": {"team": "events"}})
    walk(list(objects))
