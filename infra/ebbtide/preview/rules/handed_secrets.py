"""What pods get from Secrets: as a variable, as all variables, or as files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.preview.change import entries, mapping
from ebbtide.preview.fleet import Pods, pod_of
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.successors import successors

_VARIABLE = re.compile(r"\$\(([^)]+)\)")
_CONTAINER = "spec.template.spec.containers.*"


@change_rule(
    "P-05",
    RiskLevel.DANGER,
    remedy="Make sure that no handler reads it, and keep secrets in a Secret.",
    source="A worker that lacks a variable ends at its start.",
    reads={
        "Deployment": (
            f"{_CONTAINER}.env.*.valueFrom.secretKeyRef.name",
            f"{_CONTAINER}.env.*.valueFrom.secretKeyRef.key",
            f"{_CONTAINER}.envFrom.*.secretRef.name",
            "spec.template.spec.volumes.*.secret.secretName",
        )
    },
)
def check_secret_removed(context: Context) -> Iterator[Risk]:
    """A variable or a file that came from a Secret is gone: workers that need it do not start."""
    for successor in successors(context):
        title, key = successor.title, successor.change.key
        for whose, before, after in successor.containers():
            for name, was in before.environment.items():
                secret, now = _secret_of(was), after.environment.get(name)
                if secret and not now and secret not in after.env_from:
                    sentence = f"{whose} no longer gets {name} from Secret {secret}"
                    yield Risk(title, sentence, "make sure that no handler reads it", key)
                elif secret and isinstance(now, str) and not _composed(now, after):
                    sentence = f"{whose} gets {name} as plain text instead of from Secret {secret}"
                    yield Risk(title, sentence, "keep it in a Secret", key)
            named = {_secret_of(value) for value in after.environment.values()}
            for secret in _lost(before.env_from, after.env_from, named):
                sentence = f"{whose} no longer gets its variables from Secret {secret}"
                yield Risk(title, sentence, "make sure that no handler reads them", key)
        for secret in _lost(_mounted(successor.old), _mounted(successor.new), set()):
            sentence = f"{title} no longer gets the files of Secret {secret}"
            yield Risk(title, sentence, "make sure that nobody reads them", key)


def _composed(value: str, pods: Pods) -> bool:
    """Whether Kubernetes puts the value of a Secret into it: `$(BROKER_DSN)/mail`."""
    return any(_secret_of(pods.environment.get(name)) for name in _VARIABLE.findall(value))


def _lost(before: frozenset[str], after: frozenset[str], elsewhere: set[str]) -> list[str]:
    """The Secrets that nothing has come for: one of another name is a new version of it."""
    return sorted(before - after - elsewhere) if len(after) < len(before) else []


def _mounted(deployment: Mapping[str, Any]) -> frozenset[str]:
    volumes = [mapping(volume.get("secret")) for volume in entries(pod_of(deployment).get("volumes"))]
    return frozenset(str(secret.get("secretName")) for secret in volumes if secret)


def _secret_of(variable: object) -> str:
    """The Secret behind a variable's `valueFrom`."""
    return str(mapping(mapping(variable).get("secretKeyRef")).get("name", ""))
