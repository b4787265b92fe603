"""A `kubernetes` provider where Pulumi's own is not installed and cannot be built.

Objects go to a real API server by server-side apply. It does what the program relies on: field ownership, waiting for
roll-outs within the stated timeouts, refresh, and detailed diffs. Unlike Pulumi's own it insists on strict field
validation. Where Pulumi's provider has ways of its own (ignored fields that another manager owns, for example), this
one follows its source; tests of those ways prove nothing about it.
"""

from __future__ import annotations

import copy
import functools
import re
import time
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from kubernetes_api import ApiError, KubernetesApi, Manifest
from rollout import wait_for_rollout, wait_until_gone
from serving import NotReadyError, Provider, RefusedError, Subject, serve

from properties import Properties

FIELD_MANAGER = "pulumi-kubernetes"
FORCE_ANNOTATION = "pulumi.com/patchForce"
DEFAULT_TIMEOUT_SECONDS = 600.0
"""What Pulumi's provider waits when no timeout is stated (measured)."""

_REPLACING = ("apiVersion", "kind", "metadata.name", "metadata.namespace")
_REPLACING_BY_KIND = {
    "Deployment": ("spec.selector",),
    "ConfigMap": ("data", "binaryData", "immutable"),
    "Secret": ("data", "stringData", "type", "immutable"),
    "Job": ("spec.selector", "spec.template", "spec.completions", "spec.completionMode"),
}


class Kubernetes(Provider):
    """One cluster."""

    def __init__(self, version: str) -> None:
        super().__init__(version)
        self._settings: Properties = {}

    def replacing_configuration(self) -> tuple[str, ...]:
        """Another cluster replaces everything; another way to reach the same one does not."""
        return ("clusterIdentifier",)

    def configure(self, settings: Properties) -> None:
        """Take the settings; nothing is asked of the cluster before the first object."""
        self._settings = settings

    @functools.cached_property
    def _api(self) -> KubernetesApi:
        return KubernetesApi(self._settings.get("kubeconfig"), self._settings.get("context"))

    def check(self, subject: Subject, old: Properties, new: Properties, seed: bytes) -> Properties:
        """Give an object without a name one that stays."""
        metadata = new.setdefault("metadata", {})
        if "name" not in metadata:
            metadata["name"] = old.get("metadata", {}).get("name") or f"{subject.name}-{seed[:4].hex()}"
        return new

    def replacing(self, subject: Subject) -> tuple[str, ...]:
        return (*_REPLACING, *_REPLACING_BY_KIND.get(subject.token.rpartition(":")[2], ()))

    def same_object(self, old: Properties, new: Properties) -> bool:
        return _identity(old) == _identity(new)

    def create(self, subject: Subject, inputs: Properties, timeout_seconds: float) -> tuple[str, Properties]:  # noqa: ARG002
        live = self._apply(inputs, timeout_seconds, [])
        return _identifier(live), live

    def update(self, subject: Subject, inputs: Properties, timeout_seconds: float, ignored: list[str]) -> Properties:  # noqa: ARG002
        return self._apply(inputs, timeout_seconds, ignored)

    def read(self, subject: Subject, inputs: Properties, outputs: Properties) -> tuple[Properties, Properties] | None:  # noqa: ARG002
        live = _asked(lambda: self._api.get(inputs or outputs))
        return live and (_as_asked(inputs, live), _presented(live))

    def delete(self, subject: Subject, outputs: Properties, timeout_seconds: float) -> None:  # noqa: ARG002
        deadline = time.monotonic() + (timeout_seconds or DEFAULT_TIMEOUT_SECONDS)
        _asked(lambda: self._api.delete(outputs))
        if not _asked(lambda: wait_until_gone(self._api, outputs, deadline)):
            raise RefusedError(f"{_identifier(outputs)} is still there after {timeout_seconds:.0f} s")

    def _apply(self, manifest: Manifest, timeout_seconds: float, ignored: list[str]) -> Manifest:
        deadline = time.monotonic() + (timeout_seconds or DEFAULT_TIMEOUT_SECONDS)
        forced = manifest["metadata"].get("annotations", {}).get(FORCE_ANNOTATION) == "true"
        before = _asked(lambda: self._api.get(manifest)) if ignored else None
        sent = _without_others_fields(manifest, before, ignored)
        live = _asked(lambda: self._api.apply(sent, FIELD_MANAGER, force=forced))
        if live["kind"] == "Deployment":
            live, reasons = _asked(lambda: wait_for_rollout(self._api, live, deadline))
            if reasons:
                raise NotReadyError(_identifier(live), _presented(live), manifest, reasons)
        return _presented(live)


def _asked(request: Callable[[], Any]) -> Any:
    try:
        return request()
    except ApiError as error:
        raise RefusedError(str(error)) from None


def _identity(manifest: Manifest) -> tuple[Any, ...]:
    metadata = manifest.get("metadata", {})
    return manifest.get("kind"), metadata.get("namespace"), metadata.get("name")


def _identifier(manifest: Manifest) -> str:
    metadata = manifest["metadata"]
    return f"{metadata['namespace']}/{metadata['name']}" if metadata.get("namespace") else str(metadata["name"])


def _presented(live: Manifest) -> Manifest:
    """Without the bookkeeping of field ownership, which is as long as the object."""
    metadata = {name: value for name, value in live["metadata"].items() if name != "managedFields"}
    return {**live, "metadata": metadata}


def _as_asked(asked: Any, live: Any) -> Any:
    """The live values of exactly those fields that were asked for: what drifted shows, what was defaulted does not."""
    if isinstance(asked, dict) and isinstance(live, dict):
        # The API server leaves out what is empty.
        present = {name: value for name, value in asked.items() if name in live or not value}
        return {name: _as_asked(value, live.get(name, value)) for name, value in present.items()}
    if isinstance(asked, list) and isinstance(live, list) and len(asked) == len(live):
        return [_as_asked(one, other) for one, other in zip(asked, live, strict=True)]
    return live


def _without_others_fields(manifest: Manifest, live: Manifest | None, ignored: list[str]) -> Manifest:
    """Leave ignored fields to whoever owns them; those that are ours keep their live value.

    Leaving out a field that is ours would give it up, and the API server would set it to its default: one replica.
    """
    manifest = copy.deepcopy(manifest)
    for path in ignored:
        *above, field = re.findall(r"[^.\[\]\"]+", path)
        here, there = _at(manifest, above), _at(live or {}, above)
        if here is None:
            continue
        if there is None or field not in there or _owned_by_another(live or {}, [*above, field]):
            here.pop(field, None)
        else:
            here[field] = there[field]
    return manifest


def _at(value: Any, path: list[str]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _owned_by_another(live: Manifest, path: list[str]) -> bool:
    keys = [f"f:{name}" for name in path]
    owners = {
        entry["manager"]
        for entry in live["metadata"].get("managedFields", [])
        if _at(entry.get("fieldsV1", {}), keys) is not None
    }
    return bool(owners) and FIELD_MANAGER not in owners


if __name__ == "__main__":
    serve(Kubernetes(version("pulumi-kubernetes")))
