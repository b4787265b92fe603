"""A pod's request for a resource, as the HPA sums it: what 100 % utilization means.

Source: calculateRequests in replica_calculator.go, and PodRequests in component-helpers/resource for pods with
requests of their own. Takes a pod's spec as a manifest has it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ebbtide.kubernetes.quantity import milli_value

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ebbtide.capacity.hpa.release import Release


class MissingRequestError(ValueError):
    """A container without a request: the metric fails for all pods, and the HPA with it."""


def pod_request_milli(
    pod_spec: Mapping[str, Any], resource: str, release: Release, container: str | None = None
) -> int:
    """The request in milli-units, of the whole pod or of one container.

    Raises MissingRequestError when a container that counts states none, or the named one does not exist.
    """
    if container is None and release.pod_level_requests and (pod_spec.get("resources") or {}).get("requests"):
        return _pod_level(pod_spec, resource)
    total = 0
    for each in [*pod_spec.get("containers", ()), *filter(_restarts, pod_spec.get("initContainers", ()))]:
        if container not in {None, each["name"]}:
            continue
        request = _request(each, resource)
        if request is None:
            raise MissingRequestError(f"missing request for {resource} in container {each['name']}")
        total += request
        if container is not None:
            return total
    if container is not None:
        raise MissingRequestError(f"container {container} not found")
    return total


def _restarts(init_container: Mapping[str, Any]) -> bool:
    return init_container.get("restartPolicy") == "Always"


def _request(holder: Mapping[str, Any], resource: str) -> int | None:
    stated = ((holder.get("resources") or {}).get("requests") or {}).get(resource)
    return None if stated is None else milli_value(stated)


def _pod_level(pod_spec: Mapping[str, Any], resource: str) -> int:
    """The pod's own request where it states this resource, else what the scheduler would reserve; with overhead."""
    request = _request(pod_spec, resource)
    if request is None:
        request = _scheduled(pod_spec, resource)
    if request is None:
        raise MissingRequestError(f"missing pod-level request for {resource}")
    overhead = (pod_spec.get("overhead") or {}).get(resource)
    return request + (0 if overhead is None else milli_value(overhead))


def _scheduled(pod_spec: Mapping[str, Any], resource: str) -> int | None:
    """The containers' sum with sidecars, or the largest step of the init sequence; None when nothing states it."""
    running = [_request(each, resource) for each in pod_spec.get("containers", ())]
    sidecars, peak, stated = 0, 0, [*running]
    for each in pod_spec.get("initContainers", ()):
        request = _request(each, resource)
        stated.append(request)
        if _restarts(each):
            sidecars += request or 0
        else:
            peak = max(peak, sidecars + (request or 0))
    if all(request is None for request in stated):
        return None
    return max(sidecars + sum(request or 0 for request in running), peak)
