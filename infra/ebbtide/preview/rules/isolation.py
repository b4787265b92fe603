"""What isolates a pod from its node and from other pods."""

from __future__ import annotations

from collections.abc import Iterator

from ebbtide.preview.change import MISSING, Operation, PropertyChange, mapping
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule

# Settings of a pod: the value that isolates it, and what Kubernetes takes where none is written.
_ISOLATION = {
    "runAsNonRoot": (True, False),
    "readOnlyRootFilesystem": (True, False),
    "allowPrivilegeEscalation": (False, True),
    "privileged": (False, False),
    "hostNetwork": (False, False),
    "hostPID": (False, False),
    "hostIPC": (False, False),
    "automountServiceAccountToken": (False, True),
}
_POD = "spec.template.spec"
_ISOLATED = (
    *(f"{_POD}.{name}" for name in ("hostNetwork", "hostPID", "hostIPC", "automountServiceAccountToken")),
    *(
        f"{place}.securityContext.{name}"
        for place in (_POD, f"{_POD}.containers.*", f"{_POD}.initContainers.*")
        for name in (
            *("runAsNonRoot", "readOnlyRootFilesystem", "allowPrivilegeEscalation", "privileged"),
            *("capabilities.drop.*", "capabilities.add.*", "seccompProfile.type"),
        )
    ),
)
_ENFORCE = "pod-security.kubernetes.io/enforce"


@change_rule(
    "P-32",
    RiskLevel.DANGER,
    remedy="Keep it as it was.",
    source="Kubernetes, Pod Security Standards: restricted.",
    reads={"Deployment": _ISOLATED},
)
def check_isolation(context: Context) -> Iterator[Risk]:
    """A pod may do what it might not before: run as root, write to its root, use the host's network,
    gain a capability."""
    for change in context.of("Deployment", Operation.UPDATE):
        for found in change.properties:
            if _weakens(found):
                words = f"{'.'.join(map(str, found.path[-2:]))} {_show(found.old)} → {_show(found.new)}"
                sentence = f"pods of {change.title} are isolated less: {words}"
                yield Risk(change.title, sentence, "keep it as it was", change.key)


def _weakens(change: PropertyChange) -> bool:
    name = change.path[-1]
    if name in _ISOLATION:
        isolated, default = _ISOLATION[str(name)]
        old, new = (default if value is MISSING else value for value in (change.old, change.new))
        return bool(old == isolated and new != isolated)
    if "capabilities" in change.path:
        return True
    return name in {"securityContext", "seccompProfile"} and change.new is MISSING


def _show(value: object) -> str:
    return "none" if value is MISSING else str(value).lower() if isinstance(value, bool) else str(value)


@change_rule(
    "P-33",
    RiskLevel.DANGER,
    RiskLevel.INFO,
    remedy="Keep the label.",
    source="Kubernetes, Pod Security admission.",
    tells={"Namespace": (f"metadata.labels[{_ENFORCE}]", f"metadata.labels[{_ENFORCE}-version]")},
)
def check_namespace_enforcement(context: Context) -> Iterator[Risk]:
    """The namespace enforces Pod Security "restricted", of the version that its pods were made for."""
    for change in context.of("Namespace", Operation.UPDATE):
        before, after = (mapping(mapping(side.get("metadata")).get("labels")) for side in (change.old, change.new))
        was, now = before.get(_ENFORCE), after.get(_ENFORCE)
        version, next_version = (labels.get(f"{_ENFORCE}-version", "latest") for labels in (before, after))
        if now not in (was, "restricted"):
            sentence = f"namespace {change.title} no longer enforces Pod Security restricted"
            yield Risk(change.title, sentence, "keep it", change.key, RiskLevel.DANGER)
        elif (was, version) != (now, next_version):
            sentence = (
                f"namespace {change.title} enforces Pod Security {now} of {next_version} instead of {was or 'none'} of "
                f"{version}: pods that start from now on are held against it"
            )
            yield Risk(change.title, sentence, resource=change.key, level=RiskLevel.INFO)
