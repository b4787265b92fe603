"""A pod's request. Source: kubernetes replica_calculator_test.go TestCalculateRequests (case names) and
TestCalculatePodRequestsFromContainers_NonExistentContainer; rows of `PodRequests` are the rules of component-helpers.

Columns: source, minor, container, pod spec, resource, expected milli-units or the words of the error.
"""

# ruff: noqa: E501  one case a line reads as a table
# fmt: off
from __future__ import annotations

from typing import Any

T = "TestCalculateRequests: "
P = "PodRequests: "


def _c(name: str, cpu: str | None, *, sidecar: bool = False) -> dict[str, Any]:
    container: dict[str, Any] = {"name": name}
    if cpu is not None:
        container["resources"] = {"requests": {"cpu": cpu}}
    if sidecar:
        container["restartPolicy"] = "Always"
    return container


_TWO = [_c("container1", "100m"), _c("container2", "50m")]
_GAP = [_c("container1", None), _c("container2", "50m")]
_POD = {"requests": {"cpu": "800m"}}
_OTHER = {"requests": {"memory": "1Gi"}}

REQUESTS = [
    (T + "void", 34, None, {}, "cpu", 0),
    (T + "Sum container requests if pod-level feature is disabled", 33, None, {"containers": _TWO, "resources": _POD}, "cpu", 150),
    (T + "Pod-level resources are enabled, but not set: fallback to sum container requests", 34, None, {"containers": _TWO}, "cpu", 150),
    (T + "Pod-level resources override container requests when feature enabled and pod resources specified", 34, None, {"containers": _TWO, "resources": _POD}, "cpu", 800),
    (T + "Fail if at least one of the containers is missing requests and pod-level feature/requests are not set", 34, None, {"containers": _GAP}, "cpu", "missing request for cpu in container container1"),
    (T + "Pod-level resources override missing container requests when feature enabled and pod resources specified", 34, None, {"containers": _GAP, "resources": _POD}, "cpu", 800),
    (T + "Container: if a container name is specified, calculate requests only for that container", 34, "container1", {"containers": _TWO}, "cpu", 100),
    (T + "Container: if a container name is specified, calculate requests only for that container and ignore pod-level requests", 34, "container1", {"containers": _TWO, "resources": _POD}, "cpu", 100),
    (T + "pod with restartable init containers", 34, None, {"containers": _TWO[:1], "initContainers": [_c("init", "20m"), _c("sidecar", "50m", sidecar=True)]}, "cpu", 150),
    ("TestCalculatePodRequestsFromContainers_NonExistentContainer", 34, "absent", {"containers": _TWO}, "cpu", "container absent not found"),
    ("calculatePodRequestsFromContainers: the second container by name", 34, "container2", {"containers": _TWO}, "cpu", 50),
    ("calculatePodRequestsFromContainers: a sidecar by name", 34, "sidecar", {"containers": _TWO, "initContainers": [_c("sidecar", "7m", sidecar=True)]}, "cpu", 7),
    ("calculatePodRequestsFromContainers: an ordinary init container is not found", 34, "init", {"containers": _TWO, "initContainers": [_c("init", "7m")]}, "cpu", "container init not found"),
    ("calculatePodRequestsFromContainers: the named container lacks it", 34, "container1", {"containers": _GAP}, "cpu", "missing request for cpu in container container1"),
    ("calculatePodRequestsFromContainers: another container may lack it", 34, "container2", {"containers": _GAP}, "cpu", 50),
    ("calculatePodRequestsFromContainers: a sidecar without a request", 34, None, {"containers": _TWO, "initContainers": [_c("sidecar", None, sidecar=True)]}, "cpu", "missing request for cpu in container sidecar"),
    ("facts A.6: 0.490m counts as 1 millicore", 34, None, {"containers": [_c("consumer", "0.490m")]}, "cpu", 1),
    (P + "another resource at pod level: the containers' sum", 34, None, {"containers": _TWO, "resources": _OTHER}, "cpu", 150),
    (P + "another resource at pod level: gaps count 0", 34, None, {"containers": _GAP, "resources": _OTHER}, "cpu", 50),
    (P + "another resource at pod level and none in containers", 34, None, {"containers": [_c("container1", None)], "resources": _OTHER}, "cpu", "missing pod-level request for cpu"),
    (P + "another resource at pod level: a large init container", 34, None, {"containers": _TWO, "resources": _OTHER, "initContainers": [_c("init", "900m")]}, "cpu", 900),
    (P + "another resource at pod level: init beside an earlier sidecar", 34, None, {"containers": _TWO, "resources": _OTHER, "initContainers": [_c("s", "30m", sidecar=True), _c("init", "900m")]}, "cpu", 930),
    (P + "another resource at pod level: init before a later sidecar", 34, None, {"containers": _TWO, "resources": _OTHER, "initContainers": [_c("init", "170m"), _c("s", "30m", sidecar=True)]}, "cpu", 180),
    (P + "another resource at pod level: only sidecars", 34, None, {"containers": [], "resources": _OTHER, "initContainers": [_c("s", "30m", sidecar=True), _c("t", "5m", sidecar=True)]}, "cpu", 35),
    (P + "another resource at pod level: nothing asked is nothing", 34, None, {"containers": [_c("a", "0")], "resources": _OTHER, "initContainers": [_c("i", None)]}, "cpu", 0),
    (P + "another resource at pod level: init and sidecar without a request", 34, None, {"containers": _TWO[1:], "resources": _OTHER, "initContainers": [_c("s", None, sidecar=True), _c("init", None), _c("later", "51m")]}, "cpu", 51),
    (P + "another resource at pod level: nothing but gaps around 1m", 34, None, {"containers": [_c("a", None)], "resources": _OTHER, "initContainers": [_c("s", None, sidecar=True), _c("i", None), _c("t", "1m", sidecar=True)]}, "cpu", 1),
    (P + "overhead is added", 34, None, {"containers": _TWO, "resources": _POD, "overhead": {"cpu": "10m"}}, "cpu", 810),
    (P + "no overhead without pod-level requests", 34, None, {"containers": _TWO, "overhead": {"cpu": "10m"}}, "cpu", 150),
]
