"""What a key that is no setting is meant to be: a slip of the pen, a setting of another place, a word of Kubernetes."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from pydantic import BaseModel

from ebbtide.judgement.findings import Path
from ebbtide.settings.models.lookup import keys_of, model_at

_AUTOSCALING = "write autoscaling: {kind: keda, minReplicas: 0, maxReplicas: 10}, or {kind: hpa, ...}"
_GRACE = "write shutdown: {longestMessage: 200s}, the longest that one message takes: it is derived from that"
_OWN = "leave it out: the image has its own, which the drain stands on"
_KUBERNETES = {
    "terminationGracePeriodSeconds": _GRACE,
    "gracePeriod": _GRACE,
    "stopwaitsecs": _GRACE,
    "lifecycle": _OWN,
    "preStop": _OWN,
    "livenessProbe": _OWN,
    "readinessProbe": _OWN,
    "startupProbe": _OWN,
    "replicas": "write autoscaling: {kind: fixed, replicas: 3}",
    "minReplicas": _AUTOSCALING,
    "maxReplicas": _AUTOSCALING,
    "minReplicaCount": _AUTOSCALING,
    "maxReplicaCount": _AUTOSCALING,
    "hpa": _AUTOSCALING,
    "keda": _AUTOSCALING,
    "env": "write environment: {NAME: text}, and secretEnvironment: {NAME: {secret: mail-v1, key: name}}",
    "envFrom": "write pod: {environmentFrom: [{secret: ...}]}",
    "requests": "write resources: {cpu: {request: 500m}, memory: {request: 1Gi}}",
    "limits": "write resources: {memory: {limit: 1Gi}}, and a limit of cpu if it must be",
    "command": "write worker: {kind: command, command: [...]}, or a kind that knows the framework",
    "args": "write worker: {kind: command, command: [...]}, or a kind that knows the framework",
    "affinity": "write placement: {spread: {zones: require}}, or pod: {patch: ...} for the rest",
    "topologySpreadConstraints": "write placement: {spread: {zones: require}}, or pod: {patch: ...} for the rest",
    "volumeMounts": "write pod: {volumes: [{path: ..., ...}]}",
    "securityContext": "leave it out, or write pod: {patch: ...}; userId is whom it runs as",
    "dsn": "write secretEnvironment: {NAME: {secret: mail-v1, key: dsn}}, and where the broker is under transport",
}
"""What a team's manifests call it, and what to write in a consumer, wherever the word stands."""


def meant_by(path: Path, model: type[BaseModel], raw: object) -> str:
    """What to write instead of the key at the end of `path`."""
    key = str(path[-1])
    owner = model_at(path[:-1], model, raw)
    names = keys_of(owner) if owner else []
    close = difflib.get_close_matches(key, names, n=1)
    if close:
        return f"did you mean {close[0]}?"
    places = list(_elsewhere(key, path, model, raw))
    if len(places) == 1:
        return f"write it as {places[0]}"
    if key in _KUBERNETES and "consumers" in path:
        return _KUBERNETES[key]
    near = list(_near(key, path, model, raw))
    if len(near) == 1:
        return f"did you mean {near[0]}?"
    return f"use one of {', '.join(names)}" if names else "remove it"


def _near(key: str, path: Path, model: type[BaseModel], raw: object) -> Iterator[str]:
    """Settings one level below the consumer of almost this name: `maxReplica`."""
    root = path[:2] if path[0] == "consumers" and len(path) > 2 else ()
    top = model_at(root, model, raw)
    for name in keys_of(top) if top and root else ():
        below = model_at((*root, name), model, raw)
        yield from (
            f"{name}.{one}" for one in difflib.get_close_matches(key, keys_of(below) if below else (), n=1, cutoff=0.85)
        )


def _elsewhere(key: str, path: Path, model: type[BaseModel], raw: object) -> Iterator[str]:
    """Where it is a setting, from the consumer or the stack down to one level below."""
    root = path[:2] if path[0] == "consumers" and len(path) > 2 else ()
    top = model_at(root, model, raw)
    for name in keys_of(top) if top else ():
        if name == key and path != (*root, key):
            yield name
        below = model_at((*root, name), model, raw)
        if below is not None and key in keys_of(below):
            yield f"{name}.{key}"
