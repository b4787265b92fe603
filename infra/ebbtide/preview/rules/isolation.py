"""What isolates a pod from its node and from other pods."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.preview.change import MISSING, Operation, entries, mapping, text_of
from ebbtide.preview.fleet import pod_of
from ebbtide.preview.patterns import CREATED
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.successors import renamed, successors

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
# What a container has from its pod where it says nothing itself.
_OF_THE_POD = frozenset({"runAsNonRoot", "runAsUser", "seccompProfile"})
_CONFINED = frozenset({"RuntimeDefault", "Localhost"})
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
_STRICT = {"restricted": 2, "baseline": 1}


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
    for successor in successors(context):
        old, new = (_isolation(side) for side in (successor.old, successor.new))
        names: dict[str, str] = {}
        for kind in ("containers ", "initContainers "):
            names |= renamed(*([name for name in side if name.startswith(kind)] for side in (old, new)))
        # What a new container may do is compared with what any other may that says nothing.
        pairs = [(old.get(names.get(name, name), {}), found) for name, found in new.items()]
        for words in dict.fromkeys(words for before, after in pairs for words in _weaker(before, after)):
            sentence = f"pods of {successor.title} are isolated less: {words}"
            yield Risk(successor.title, sentence, "keep it as it was", successor.change.key)


def _isolation(deployment: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """The settings of the pod itself under no name, and those of each container, with what it has from the pod."""
    pod = pod_of(deployment)
    shared = {name: value for name, value in mapping(pod.get("securityContext")).items() if name in _OF_THE_POD}
    return {
        "": pod,
        **{
            f"{kind} {found.get('name')}": {**shared, **mapping(found.get("securityContext"))}
            for kind in ("containers", "initContainers")
            for found in entries(pod.get(kind))
        },
    }


def _weaker(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[str]:
    for name, (isolated, default) in _ISOLATION.items():
        if old.get(name, default) == isolated and new.get(name, default) != isolated:
            yield f"{name} {_show(old.get(name, MISSING))} → {_show(new.get(name, MISSING))}"
    profiles = [text_of(mapping(side.get("seccompProfile")).get("type")) for side in (old, new)]
    if profiles[0] in _CONFINED and profiles[1] not in _CONFINED:
        yield f"seccompProfile {profiles[0]} → {profiles[1] or 'none'}"
    if new.get("runAsUser") == 0 != old.get("runAsUser"):
        yield f"runAsUser {_show(old.get('runAsUser', MISSING))} → 0, which is root"
    (dropped, kept), (had, gains) = (
        [set(_words(mapping(side.get("capabilities")), key)) for side in (old, new)] for key in ("drop", "add")
    )
    if "ALL" not in kept and dropped - kept:
        yield f"capabilities.drop {', '.join(sorted(dropped))} → {', '.join(sorted(kept)) or 'none'}"
    if gains - had and "ALL" not in had:
        yield f"capabilities.add {', '.join(sorted(had)) or 'none'} → {', '.join(sorted(gains))}"


def _show(value: object) -> str:
    return "none" if value is MISSING else str(value).lower() if isinstance(value, bool) else str(value)


@change_rule(
    "P-33",
    RiskLevel.DANGER,
    RiskLevel.INFO,
    remedy="Keep the label.",
    source="Kubernetes, Pod Security admission.",
    tells={"Namespace": (CREATED, f"metadata.labels[{_ENFORCE}]", f"metadata.labels[{_ENFORCE}-version]")},
)
def check_namespace_enforcement(context: Context) -> Iterator[Risk]:
    """The namespace enforces Pod Security "restricted", of the version that its pods were made for. One that is made is
    said: if it is there already, it is not refused but gets these labels too."""
    for change in context.of("Namespace", Operation.CREATE):
        enforced = mapping(mapping(change.new.get("metadata")).get("labels")).get(_ENFORCE)
        sentence = f"namespace {change.title} is made"
        if enforced:
            sentence += f"; one that is there already enforces Pod Security {enforced} on everybody's new pods then"
        advice = "if somebody else has made it, write {name: ..., create: false}" if enforced else ""
        # Where its cluster is made with it, there is none.
        if not any(context.of("Cluster", Operation.CREATE)):
            yield Risk(change.title, sentence, advice, change.key, RiskLevel.INFO)
    for change in context.of("Namespace", Operation.UPDATE):
        before, after = (mapping(mapping(side.get("metadata")).get("labels")) for side in (change.old, change.new))
        was, now = before.get(_ENFORCE), after.get(_ENFORCE)
        version, next_version = (labels.get(f"{_ENFORCE}-version", "latest") for labels in (before, after))
        if _STRICT.get(text_of(now), 0) < _STRICT.get(text_of(was), 0):
            sentence = f"namespace {change.title} no longer enforces Pod Security {was}"
            yield Risk(change.title, sentence, "keep it", change.key, RiskLevel.DANGER)
        elif (was, version) != (now, next_version):
            sentence = (
                f"namespace {change.title} enforces Pod Security {now} of {next_version} instead of {was or 'none'} of "
                f"{version}: pods that start from now on are held against it"
            )
            yield Risk(change.title, sentence, resource=change.key, level=RiskLevel.INFO)


def _words(rule: Mapping[str, Any], key: str) -> list[str]:
    value = rule.get(key)
    return [str(word) for word in value] if isinstance(value, list) else []
