"""A patch is applied as the API server would, and refused where it would touch what the drain stands on."""

from __future__ import annotations

import json
from importlib.resources import files
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kubernetes_validate.utils import all_versions
from pydantic import ValidationError
from tests.kubernetes_schema import NEWEST_VERSION, check_schema
from tests.manifests.kubernetes.examples import make_object, make_stack
from tests.settings.conftest import CONSUMER

from ebbtide.manifests.kubernetes.patch import patched
from ebbtide.settings.rules.pod_parts import MERGE_KEYS, PROTECTED


def deployment(patch: dict[str, Any]) -> Any:
    return make_object("Deployment", {"pod": {"patch": patch}})


def of_pod(patch: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"template": {"spec": patch}}}


def of_workers(patch: dict[str, Any]) -> dict[str, Any]:
    return of_pod({"containers": [{"name": "consumer", **patch}]})


def test_no_patch_changes_nothing():
    assert deployment({}) == make_object("Deployment")


def test_what_no_setting_says_is_laid_over_the_rest():
    found = deployment(
        {
            "spec": {
                "template": {
                    "metadata": {"annotations": {"acme.example/team": "shop"}},
                    "spec": {
                        "runtimeClassName": "gvisor",
                        "hostAliases": [{"ip": "10.0.0.7", "hostnames": ["broker"]}],
                        "containers": [{"name": "consumer", "env": [{"name": "TZ", "value": "Europe/Berlin"}]}],
                    },
                }
            }
        }
    )
    check_schema(found, NEWEST_VERSION)
    plain = make_object("Deployment")
    pod = found["spec"]["template"]["spec"]
    assert pod["runtimeClassName"] == "gvisor"
    assert found["spec"]["template"]["metadata"]["annotations"]["acme.example/team"] == "shop"
    (workers,), (before,) = pod["containers"], plain["spec"]["template"]["spec"]["containers"]
    assert workers["env"] == [*before["env"], {"name": "TZ", "value": "Europe/Berlin"}]
    assert {**workers, "env": before["env"]} == before


def test_a_gpu_is_asked_for_beside_what_the_workers_need():
    (plain,) = make_object("Deployment")["spec"]["template"]["spec"]["containers"]
    found = deployment(of_workers({"resources": {"limits": {"nvidia.com/gpu": 1}}}))
    check_schema(found, NEWEST_VERSION)
    (workers,) = found["spec"]["template"]["spec"]["containers"]
    assert workers["resources"]["requests"] == plain["resources"]["requests"]
    assert workers["resources"]["limits"] == {**plain["resources"]["limits"], "nvidia.com/gpu": 1}


@pytest.mark.parametrize(
    ("before", "patch", "after"),
    [
        ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
        ({"tolerations": [1, 2]}, {"tolerations": [3]}, {"tolerations": [3]}),
        (
            {"env": [{"name": "A", "value": "1"}]},
            {"env": [{"name": "A", "value": "2"}]},
            {"env": [{"name": "A", "value": "2"}]},
        ),
        (
            {"env": [{"name": "A"}, {"name": "B"}]},
            {"env": [{"name": "A", "$patch": "delete"}]},
            {"env": [{"name": "B"}]},
        ),
        ({"a": {"b": 1}}, {"a": {"$patch": "replace", "c": 2}}, {"a": {"c": 2}}),
        ({"a": {"b": 1}, "d": 1}, {"a": {"$patch": "delete"}}, {"d": 1}),
        ({}, {"ports": [{"containerPort": 9}]}, {"ports": [{"containerPort": 9}]}),
        (
            {"ports": [{"containerPort": 9, "name": "a"}]},
            {"ports": [{"containerPort": 9, "protocol": "UDP"}]},
            {"ports": [{"containerPort": 9, "name": "a", "protocol": "UDP"}]},
        ),
    ],
)
def test_a_patch_is_merged_as_kubernetes_does(before, patch, after):
    kept = json.dumps(before)
    assert patched(before, patch) == after
    assert json.dumps(before) == kept, "it must not change what it was given"


def test_lists_are_told_apart_by_the_fields_that_kubernetes_says():
    """Of every list in a Deployment, from the API's own description."""
    newest = max(all_versions(), key=lambda version: [int(part) for part in version.split(".")])
    text = (
        files("kubernetes_validate") / "kubernetes-json-schema" / f"v{newest}-local-strict" / "_definitions.json"
    ).read_text()
    definitions = json.loads(text)["$defs"]
    keys: dict[str, set[str]] = {}
    for name in ("PodSpec", "Container", "DeploymentSpec", "ObjectMeta", "PodSecurityContext"):
        found = next(value for key, value in definitions.items() if key.endswith(f".{name}"))
        for field, described in found["properties"].items():
            if "x-kubernetes-patch-merge-key" in described and "merge" in described["x-kubernetes-patch-strategy"]:
                keys.setdefault(field, set()).add(described["x-kubernetes-patch-merge-key"])
    assert {"containers", "env", "volumeMounts"} <= set(keys)
    keys.pop("ownerReferences")
    assert {field: {MERGE_KEYS.get(field)} for field in keys} == keys
    assert set(MERGE_KEYS) <= set(keys)


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "the grace period": (of_pod({"terminationGracePeriodSeconds": 5}), "shutdown.longestMessage"),
    "the hook": (of_workers({"lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}}}), "is the drain"),
    "what is within the hook": (of_workers({"lifecycle": {"postStart": {"sleep": {"seconds": 1}}}}), "is the drain"),
    "the command": (of_workers({"command": ["sh", "-c"]}), "PID 1"),
    "PID 1 among others": (of_pod({"shareProcessNamespace": True}), "PID 1"),
    "the node's host name": (of_pod({"hostNetwork": True}), "host name"),
    "a number of the shutdown": (
        of_workers({"env": [{"name": "EBBTIDE_GRACE_SECONDS", "value": "1"}]}),
        "longestMessage",
    ),
    "the name towards the broker": (of_workers({"env": [{"name": "HOSTNAME", "value": "a"}]}), "host name"),
    "liveness": (of_workers({"livenessProbe": {"tcpSocket": {"port": 1}}}), "pod that drains"),
    "the state directory": (of_pod({"volumes": [{"name": "state", "$patch": "delete"}]}), "while it drains"),
    "its mount": (of_workers({"volumeMounts": [{"mountPath": "/run/ebbtide", "name": "other"}]}), "while it drains"),
    "what lies over its mount": (
        of_workers({"volumeMounts": [{"mountPath": "/run", "name": "other"}]}),
        "while it drains",
    ),
    "a plain sidecar": (of_pod({"containers": [{"name": "proxy", "image": "a"}]}), "pod.sidecars"),
    "the workers as a whole": (of_pod({"containers": [{"name": "consumer", "$patch": "delete"}]}), "settings"),
    "the pod as a whole": ({"spec": {"template": {"$patch": "replace"}}}, "pods are selected"),
    "all of it": ({"$patch": "replace"}, "other objects find it"),
    "replicas": ({"spec": {"replicas": 3}}, "autoscaling"),
    "the strategy": ({"spec": {"strategy": {"type": "Recreate"}}}, "before another one is ready"),
    "the selector": ({"spec": {"selector": {"matchLabels": {"a": "b"}}}}, "never change"),
    "the user": (of_pod({"securityContext": {"runAsUser": 0}}), "userId"),
    "the disk": (of_workers({"resources": {"requests": {"ephemeral-storage": "1Gi"}}}), "what the workers need"),
    "all resources": (of_workers({"resources": {"$patch": "replace"}}), "write resources"),
    "memory": (of_workers({"resources": {"limits": {"memory": "1Gi"}}}), "write resources"),
    "the image": (of_workers({"image": "other:1"}), "write image"),
    "a sidecar that stays no longer": (
        of_pod({"initContainers": [{"name": "proxy", "restartPolicy": "OnFailure"}]}),
        "after the workers",
    ),
    "an entry without a name": (of_pod({"containers": [{"image": "a"}]}), "needs its name"),
    "a directive that is not known": (of_pod({"$setElementOrder/containers": []}), "directives"),
    "a directive's value that is not known": (of_pod({"affinity": {"$patch": "merge"}}), "directives"),
    **{
        f"a label by which pods are selected: {name}": (
            {"spec": {"template": {"metadata": {"labels": {f"app.kubernetes.io/{name}": "other"}}}}},
            "selected by it",
        )
        for name in ("name", "instance", "component", "managed-by")
    },
    "a scalar over a mapping": ({"spec": "none"}, "never change"),
    **{f"its own {name}": ({name: "other"}, "find it by this") for name in ("apiVersion", "kind")},
    **{f"its own {name}": ({"metadata": {name: "other"}}, "find it by this") for name in ("name", "namespace")},
    **{f"PID 1 by {name}": (of_pod({name: "Never"}), "PID 1") for name in ("hostPID", "restartPolicy")},
    **{
        f"the host name by {name}": (of_pod({name: "other"}), "host name")
        for name in ("hostname", "subdomain", "setHostnameAsFQDN")
    },
    **{f"the pod's {name}": (of_pod({"securityContext": {name: 0}}), "userId") for name in ("runAsGroup", "fsGroup")},
    **{
        f"the workers' {name}": (of_workers({"securityContext": {name: 0}}), "userId")
        for name in ("runAsUser", "runAsGroup")
    },
    "the arguments": (of_workers({"args": ["worker"]}), "write worker"),
    **{
        f"the workers' {name}": (of_workers({name: {"tcpSocket": {"port": 1}}}), "pod that drains")
        for name in ("startupProbe", "readinessProbe")
    },
    "the place of temporary files": (of_pod({"volumes": [{"name": "tmp", "$patch": "delete"}]}), "while it drains"),
    "the consumer's name": (
        of_workers({"env": [{"name": "MESSENGER_CONSUMER_NAME", "value": "a"}]}),
        "host name",
    ),
    "a list of lists": (of_pod({"volumes": [["tmp"]]}), "needs its name"),
}


@pytest.mark.parametrize(("patch", "reason"), REFUSED.values(), ids=REFUSED)
def test_what_the_drain_stands_on_is_not_patched_and_the_reason_is_said(patch, reason):
    with pytest.raises(ValidationError) as caught:
        make_stack({"pod": {"patch": patch}})
    (finding, *_) = [one for error in caught.value.errors() for one in error["ctx"]["findings"]]
    assert finding.rule == "M-04"
    assert reason in str(finding)
    assert finding.path[:2] == ("pod", "patch")


SPREAD = {"preferredDuringSchedulingIgnoredDuringExecution": []}


@pytest.mark.parametrize(
    "affinity", [{"podAntiAffinity": SPREAD}, {"podAntiAffinity": None}, {"$patch": "delete"}, None]
)
def test_what_keeps_a_singleton_from_being_there_twice_is_not_patched(affinity):
    patch = {"pod": {"patch": of_pod({"affinity": affinity})}}
    one = {"worker": {**CONSUMER["worker"], "processes": 1}, "autoscaling": {"kind": "singleton"}}
    with pytest.raises(ValidationError, match="before this one has ended"):
        make_stack({**patch, **one})
    assert make_stack(patch)
    assert make_stack({**one, "pod": {"patch": of_pod({"affinity": {"nodeAffinity": {}}})}})


LEAVES = st.one_of(
    st.integers(), st.booleans(), st.sampled_from(["a", "delete", "replace"]), st.just({"$patch": "replace"})
)


@st.composite
def patches(draw: st.DrawFn) -> dict[str, Any]:
    """A patch along the path to something protected, or near it."""
    path, _ = draw(st.sampled_from(PROTECTED))
    cut = path[: draw(st.integers(1, len(path)))]
    value: Any = draw(LEAVES)
    for at in range(len(cut) - 1, -1, -1):
        above = cut[at - 1] if at else ""
        key = MERGE_KEYS.get(str(above))
        if key is not None:
            entry = value if isinstance(value, dict) else {"value": value}
            value = [{key: cut[at], **entry}]
        else:
            value = {cut[at]: value}
    return value if isinstance(value, dict) else {"spec": value}


def at_path(document: Any, path: tuple[Any, ...]) -> Any:
    for part in path:
        if isinstance(document, list):
            document = next((one for one in document if part in (one.get("name"), one.get("mountPath"))), None)
        elif isinstance(document, dict):
            document = document.get(part)
        else:
            return None
    return document


@settings(max_examples=300, deadline=None)
@given(patches())
def test_whatever_patch_is_taken_leaves_everything_protected_as_it_was(patch: dict[str, Any]) -> None:
    try:
        found = deployment(patch)
    except ValidationError:
        return
    plain = make_object("Deployment")
    for path, _ in PROTECTED:
        assert at_path(found, path) == at_path(plain, path), (path, patch)
