"""The engine's state after an `up`, made of the plan of a new stack: what a preview compares with, without a cluster.

Every object is as its provider has checked it. What an API server adds is not in it, and the Kubernetes provider
compares only what the program has set.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# What the plan has for the id of a provider that is not made yet.
_UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
_PROVIDER = "0f0e0d0c-0b0a-4908-8706-050403020100"


def state_of(plan: Mapping[str, Any]) -> dict[str, Any]:
    """What `pulumi stack import` takes, from `pulumi preview --json` of a stack that nobody has deployed. Only for
    stacks of a cluster that exists: no output is made up here that a provider would make up."""
    resources = [_deployed(step["newState"]) for step in plan["steps"]]
    manifest = {"time": "2026-01-01T00:00:00Z", "magic": "", "version": ""}
    return {"version": 3, "deployment": {"manifest": manifest, "resources": resources}}


def _deployed(planned: Mapping[str, Any]) -> dict[str, Any]:
    kept = ("urn", "type", "custom", "parent", "protect", "retainOnDelete", "dependencies", "propertyDependencies")
    state = {name: planned[name] for name in kept if name in planned}
    inputs = planned.get("inputs", {})
    state |= {"inputs": inputs, "outputs": inputs}
    if planned["type"].startswith("pulumi:providers:"):
        state["id"] = _PROVIDER
        state["outputs"] = {name: value for name, value in inputs.items() if not name.startswith("__")}
    elif planned["custom"]:
        metadata = inputs["metadata"]
        state["id"] = "/".join(metadata[part] for part in ("namespace", "name") if part in metadata)
        state["provider"] = planned["provider"].replace(_UNKNOWN, _PROVIDER)
        state["outputs"] = {**inputs, "__inputs": inputs, "__initialApiVersion": inputs["apiVersion"]}
    return state
