"""What changes about scaling by KEDA: what it counts and waits for, moving to it and away from it, and KEDA itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.kubernetes.keda import (
    DEFAULT_COOLDOWN_SECONDS,
    DEFAULT_INITIAL_COOLDOWN_SECONDS,
    DEFAULT_POLLING_SECONDS,
    TAKES_OVER_HPA,
)
from ebbtide.preview.autoscalers import HPA, SCALED_OBJECT, bounds, hpa_name_of, identity_of, target_of
from ebbtide.preview.change import Operation, ResourceChange, entries, mapping
from ebbtide.preview.patterns import CREATED, DELETED, REPLACED
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule

TRIGGER_AUTHENTICATION = "TriggerAuthentication"
_PAUSES = ("paused", "paused-replicas", "paused-scale-in", "paused-scale-out", "force-activation")
_PREFIX = "autoscaling.keda.sh/"
_MODIFIERS = "spec.advanced.scalingModifiers"
_NUMBERS = ("target", "activationTarget")
_DEFAULTS = {
    "pollingInterval": DEFAULT_POLLING_SECONDS,
    "cooldownPeriod": DEFAULT_COOLDOWN_SECONDS,
    "initialCooldownPeriod": DEFAULT_INITIAL_COOLDOWN_SECONDS,
}
_EXTERNAL_METRICS = "v1beta1.external.metrics.k8s.io"
_WHOLE_RELEASE = {Operation.CREATE: "brings", Operation.DELETE: "takes along", Operation.REPLACE: "makes anew"}
_OTHER_OWNERS = {"prometheus-adapter", "custom-metrics-stackdriver-adapter"}


@change_rule(
    "P-70",
    RiskLevel.DANGER,
    RiskLevel.DISRUPTIVE,
    RiskLevel.SCALING,
    remedy="Compare with docs/scaling.md; leave initialCooldownPeriod at least as long as cooldownPeriod.",
    source="KEDA 2.21, pkg/scaling/executor/scale_scaledobjects.go.",
    reads={
        SCALED_OBJECT: (
            *(f"spec.{name}" for name in ("pollingInterval", "cooldownPeriod", "initialCooldownPeriod")),
            *(f"spec.fallback.{name}" for name in ("failureThreshold", "replicas", "behavior")),
            "spec.advanced.restoreToOriginalReplicaCount",
            "spec.advanced.horizontalPodAutoscalerConfig.name",
            *(f"metadata.annotations[{_PREFIX}{name}]" for name in _PAUSES),
            f"metadata.annotations[{TAKES_OVER_HPA}]",
        )
    },
)
def check_scaled_object(context: Context) -> Iterator[Risk]:
    """What KEDA waits for, does in an outage and leaves alone changes."""
    for change in context.of(SCALED_OBJECT, Operation.UPDATE):
        title = change.title
        for level, sentence, advice in (*_times(change), *_outage(change), *_pauses(change), *_advanced(change)):
            yield Risk(title, f"{title} {sentence}", advice, change.key, level)


Said = Iterator[tuple[RiskLevel, str, str]]


def _spec(found: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(found.get("spec"))


def _times(change: ResourceChange) -> Said:
    old, new = (_waits(side) for side in (change.old, change.new))
    words = {
        "pollingInterval": "looks for the first message every {new} s instead of {old}",
        "cooldownPeriod": "ends its last pods {new} s after the last message instead of {old}",
        "initialCooldownPeriod": "leaves a new one alone for {new} s instead of {old}",
    }
    for name, sentence in words.items():
        if old[name] != new[name]:
            yield RiskLevel.SCALING, sentence.format(old=old[name], new=new[name]), ""
    is_worse = not _ends_at_first_poll(change.old) or old["initialCooldownPeriod"] != new["initialCooldownPeriod"]
    if _ends_at_first_poll(change.new) and is_worse:
        sentence = "ends every pod at its first quiet poll after it was made or scaled by hand"
        advice = f"write at least {new['cooldownPeriod']} for initialCooldownPeriod"
        yield RiskLevel.DISRUPTIVE, sentence, advice


def _waits(found: Mapping[str, Any]) -> dict[str, Any]:
    """What it waits for, as KEDA reads it: nothing is its default."""
    spec = _spec(found)
    return {name: default if spec.get(name) is None else spec[name] for name, default in _DEFAULTS.items()}


def _ends_at_first_poll(found: Mapping[str, Any]) -> bool:
    _, cooldown, first = _waits(found).values()
    is_shorter = isinstance(first, int) and isinstance(cooldown, int) and first < cooldown
    return is_shorter and bounds(SCALED_OBJECT, found)[0] == 0


def _outage(change: ResourceChange) -> Said:
    old, new = mapping(_spec(change.old).get("fallback")), mapping(_spec(change.new).get("fallback"))
    if old == new:
        return
    if new.get("replicas") == 0:
        yield RiskLevel.DANGER, "ends every pod in an outage of its broker", "write at least 1, or no fallback"
    elif not new:
        yield RiskLevel.SCALING, "keeps its pods in an outage of its broker, instead of a fallback", ""
    else:
        how = new.get("behavior", "static")
        level = RiskLevel.DISRUPTIVE if how in ("static", "currentReplicasIfLower") else RiskLevel.SCALING
        yield level, f"has {new.get('replicas')} pods in an outage of its broker ({how})", ""


def _pauses(change: ResourceChange) -> Said:
    old, new = (mapping(mapping(side.get("metadata")).get("annotations")) for side in (change.old, change.new))
    if old.get(TAKES_OVER_HPA) != new.get(TAKES_OVER_HPA):
        may = "may take" if new.get(TAKES_OVER_HPA) == "true" else "no longer may take"
        yield RiskLevel.SCALING, f"{may} an HPA over that somebody else has made", ""
    for name in _PAUSES:
        was, now = old.get(_PREFIX + name), new.get(_PREFIX + name)
        if was == now:
            continue
        if now is None:
            yield RiskLevel.SCALING, f"is no longer told {name} ({was})", ""
        elif name == "paused-replicas":
            sentence = f"is brought to {now} pods and stays there: those above it drain at once"
            yield RiskLevel.DISRUPTIVE, sentence, "compare with `kubectl get deployment`"
        else:
            yield RiskLevel.SCALING, f"is told {name}: {now}", "take it out again when the reason is over"


def _advanced(change: ResourceChange) -> Said:
    old, new = (mapping(_spec(side).get("advanced")) for side in (change.old, change.new))
    if old.get("restoreToOriginalReplicaCount") != new.get("restoreToOriginalReplicaCount"):
        back = new.get("restoreToOriginalReplicaCount")
        yield (
            RiskLevel.DISRUPTIVE if back else RiskLevel.SCALING,
            "goes back to the number from before KEDA when it is deleted" if back else "keeps its number when deleted",
            "",
        )
    names = [mapping(side.get("horizontalPodAutoscalerConfig")).get("name") for side in (old, new)]
    if names[0] != names[1]:
        sentence = f"has its HPA made anew as {hpa_name_of(change)}: for a moment nothing scales"
        yield RiskLevel.SCALING, sentence, ""


@change_rule(
    "P-71",
    RiskLevel.SCALING,
    remedy="Make sure that it is Ready: `kubectl get scaledobject`.",
    source="KEDA 2.21: a trigger that fails leaves the number of pods where it is.",
    tells={
        SCALED_OBJECT: (
            *(f"{_MODIFIERS}.{name}" for name in ("formula", *_NUMBERS, "metricType")),
            *(f"spec.triggers.*.{name}" for name in ("name", "metricType", "useCachedMetrics")),
            *(f"spec.triggers.*.authenticationRef.{name}" for name in ("name", "kind")),
        ),
        TRIGGER_AUTHENTICATION: (
            *(CREATED, DELETED, REPLACED),
            *(f"spec.secretTargetRef.*.{name}" for name in ("parameter", "name", "key")),
            "spec.podIdentity.provider",
        ),
    },
)
def check_counting(context: Context) -> Iterator[Risk]:
    """What KEDA counts, or how it logs in, changes. If it fails, the number of pods stays as it is, and at zero nobody
    is woken."""
    for change in context.of(SCALED_OBJECT, Operation.UPDATE):
        old, new = (_counted(side) for side in (change.old, change.new))
        if old != new:
            was, now = (side[0] or "each trigger by itself" for side in (old, new))
            sentence = f"{change.title} counts otherwise: {now} instead of {was}"
            if was == now:
                changed = [name for name in old[1].keys() | new[1].keys() if old[1].get(name) != new[1].get(name)]
                sentence = f"{change.title} counts otherwise, or logs in to its source otherwise"
                if set(changed) <= set(_NUMBERS) and old[2] == new[2]:
                    words = ", ".join(
                        f"{one} {new[1].get(one, 'none')} instead of {old[1].get(one, 'none')}"
                        for one in sorted(changed)
                    )
                    sentence = f"{change.title} compares what it counts with another number: {words}"
            yield Risk(change.title, sentence, "make sure that it is Ready: `kubectl get scaledobject`", change.key)
    for change in context.of(TRIGGER_AUTHENTICATION, Operation.UPDATE, Operation.REPLACE, Operation.DELETE):
        if change.operation is Operation.UPDATE and _spec(change.old) == _spec(change.new):
            continue
        what = "is gone" if change.operation is Operation.DELETE else "changes"
        sentence = f"how KEDA logs in to the broker of {change.title} {what}: if it fails, the number of pods stays"
        yield Risk(change.title, sentence, "make sure that the Secret has the key", change.key)
    for change in context.of(TRIGGER_AUTHENTICATION, Operation.CREATE):
        sentence = f"KEDA reads the Secrets of {change.title} to log in to its broker"
        yield Risk(change.title, sentence, "make sure that the Secret has the key", change.key)


def _counted(scaled_object: Mapping[str, Any]) -> tuple[Any, ...]:
    spec = _spec(scaled_object)
    kept = ("name", "metricType", "useCachedMetrics", "authenticationRef")
    modifiers = mapping(mapping(spec.get("advanced")).get("scalingModifiers"))
    details = [{name: one.get(name) for name in kept} for one in entries(spec.get("triggers"))]
    return (modifiers.get("formula"), modifiers, details)


@change_rule(
    "P-72",
    RiskLevel.DANGER,
    RiskLevel.SCALING,
    remedy="Go by pausedReplicas to a fixed number, by minReplicas: 1 to an HPA, by takesOver from an HPA.",
    source="The engine makes what is new first and deletes last; KEDA keeps the number when a ScaledObject goes; an "
    "HPA does nothing at zero; KEDA's webhook, verifyHpas.",
    reads={"Deployment": ("spec.replicas",)},
)
def check_moving(context: Context) -> Iterator[Risk]:
    """Moving to KEDA and away from it ends no pod and leaves none behind. The engine deletes last, so both owners are
    there for a moment: what KEDA sets meanwhile stays."""
    stated = {
        identity_of(change): mapping(change.new.get("spec")).get("replicas")
        for change in context.of("Deployment", Operation.UPDATE, Operation.REPLACE)
    }
    hpas = {target_of(change.new): change for change in context.of(HPA, Operation.CREATE)}
    for change in context.of(SCALED_OBJECT, Operation.DELETE):
        target = target_of(change.old)
        least = bounds(SCALED_OBJECT, change.old)[0]
        number = stated.get(target)
        if isinstance(number, int) and not _is_paused(change.old):
            worst = "and at zero nobody comes back" if least == 0 else "and then nothing corrects it"
            sentence = (
                f"KEDA still decides while {target.name} becomes a fixed {number}, until it is deleted last: what it "
                f"sets meanwhile stays, {worst}"
            )
            advice = f"first an update with pausedReplicas: {number}, then this one"
            yield Risk(target.name, sentence, advice, change.key, RiskLevel.DANGER)
        if target in hpas and least == 0:
            sentence = (
                f"an HPA takes {target.name} over from KEDA, and at zero pods an HPA does nothing: it stays at zero"
            )
            yield Risk(
                target.name,
                sentence,
                "first an update with minReplicas: 1, then this one",
                change.key,
                RiskLevel.DANGER,
            )
    gone = {target_of(change.old): change for change in context.of(HPA, Operation.DELETE)}
    for change in context.of(SCALED_OBJECT, Operation.CREATE):
        target = target_of(change.new)
        if target not in gone:
            continue
        name = gone[target].title
        config = mapping(mapping(_spec(change.new).get("advanced")).get("horizontalPodAutoscalerConfig"))
        if config.get("name") == name:
            sentence = f"KEDA takes over HPA {name}, which the engine then deletes: KEDA makes it again, no pod goes"
            yield Risk(target.name, sentence, "", change.key, RiskLevel.SCALING)
        else:
            sentence = (
                f"KEDA's webhook refuses {change.title} while HPA {name} is there, and the engine deletes it last"
            )
            advice = f"write takesOver: {name}, or `kubectl delete hpa {name}` first; the number stays as it is"
            yield Risk(target.name, sentence, advice, change.key, RiskLevel.DANGER)


def _is_paused(scaled_object: Mapping[str, Any]) -> bool:
    annotations = mapping(mapping(scaled_object.get("metadata")).get("annotations"))
    return any(annotations.get(_PREFIX + name) not in (None, "false") for name in ("paused", "paused-replicas"))


@change_rule(
    "KE-18",
    RiskLevel.DANGER,
    RiskLevel.INFO,
    remedy='Set crds.additionalAnnotations: {"helm.sh/resource-policy": keep} before the release is removed.',
    source="The chart 2.20.2: the definitions are among its templates.",
    tells={"Release": (DELETED, REPLACED, CREATED)},
)
def check_kinds_outlive_the_release(context: Context) -> Iterator[Risk]:
    """KEDA's kinds outlive its Helm release. They are part of it: without `keep` its removal deletes every ScaledObject
    of the cluster, whoever made it."""
    for change in context.of("Release"):
        found = change.new or change.old
        if not _is_keda(found):
            continue
        kept, was = (_policy(side) for side in (found, change.old))
        if change.operation is Operation.UPDATE and kept == was:
            continue  # As it was: whoever removes it is told.
        goes = change.operation in {Operation.DELETE, Operation.REPLACE}
        if kept != "keep":
            sentence = "KEDA's kinds go with its release, and with them every ScaledObject of the cluster"
            yield Risk("keda", sentence, "keep them by helm.sh/resource-policy", change.key, RiskLevel.DANGER)
        elif goes:
            sentence = "KEDA goes: every number of pods stays where it is, and at zero nobody is woken"
            yield Risk("keda", sentence, "move its consumers to another autoscaler first", change.key, RiskLevel.DANGER)
        elif change.operation is Operation.CREATE:
            sentence = "KEDA is installed, and owns the external metrics of the cluster from then on"
            yield Risk("keda", sentence, "", change.key, RiskLevel.INFO)


def _policy(release: Mapping[str, Any]) -> object:
    annotations = mapping(mapping(mapping(release.get("values")).get("crds")).get("additionalAnnotations"))
    return annotations.get("helm.sh/resource-policy")


def _chart(release: Mapping[str, Any]) -> str:
    """Of `oci://ghcr.io/kedacore/charts/keda` and `kedacore/keda` as well: keda."""
    return str(release.get("chart")).rpartition("/")[2]


def _is_keda(release: Mapping[str, Any]) -> bool:
    return _chart(release) == "keda"


@change_rule(
    "P-73",
    RiskLevel.DANGER,
    RiskLevel.NOT_JUDGED,
    RiskLevel.SCALING,
    remedy="Read KEDA's own list of changes, and leave every namespace in which it scales.",
    source="KEDA 2.21: with its operator away the numbers stay, and nobody is woken; WATCH_NAMESPACE.",
    tells={"Release": (CREATED, DELETED, REPLACED)},
    reads={"Release": ("version", "values.watchNamespace")},
)
def check_keda_itself(context: Context) -> Iterator[Risk]:
    """KEDA becomes another version, or scales in other namespaces. Of any other Helm release nothing is known."""
    for change in context.of("Release"):
        if not _is_keda(change.new or change.old) and change.operation in _WHOLE_RELEASE:
            chart = (change.new or change.old).get("chart")
            does = _WHOLE_RELEASE[change.operation]
            sentence = f"what Helm release {change.title} of chart {chart} {does} is not judged"
            yield Risk(change.title, sentence, "read it yourself", change.key, RiskLevel.NOT_JUDGED)
    for change in context.of("Release", Operation.UPDATE):
        seen = [str(mapping(side.get("values")).get("watchNamespace") or "") for side in (change.old, change.new)]
        versions = [side.get("version") for side in (change.old, change.new)]
        if not _is_keda(change.new):
            if seen[0] != seen[1] or versions[0] != versions[1]:
                sentence = f"what Helm release {change.title} does with another version or other values is not judged"
                yield Risk(change.title, sentence, "read it yourself", change.key, RiskLevel.NOT_JUDGED)
            continue
        if versions[0] != versions[1]:
            sentence = (
                f"KEDA becomes {versions[1]} instead of {versions[0]}: while it starts, every number of pods stays, "
                "and at zero nobody is woken"
            )
            yield Risk("keda", sentence, "read its list of changes", change.key, RiskLevel.SCALING)
        left = sorted(set(seen[0].split(",")) - set(seen[1].split(","))) if seen[1] else []
        if left and seen[0]:
            sentence = f"KEDA no longer scales in {', '.join(left)}: numbers of pods stay there, and nobody is woken"
            yield Risk("keda", sentence, "move what it scales there first", change.key, RiskLevel.DANGER)
        elif seen[0] != seen[1]:
            sentence = f"KEDA scales in {seen[1] or 'every namespace'} instead of {seen[0] or 'every namespace'}"
            yield Risk("keda", sentence, "it may read the Secrets there", change.key, RiskLevel.SCALING)


@change_rule(
    "KE-28",
    RiskLevel.DANGER,
    remedy="Keep one owner of external metrics in a cluster.",
    source=f"APIService {_EXTERNAL_METRICS}: one for the whole cluster; the last one that registers has it.",
)
def check_one_owner_of_external_metrics(context: Context) -> Iterator[Risk]:
    """A cluster has one source of external metrics. A second one takes the registration away, and every autoscaler of
    the other stands still."""
    owners = {found.title for found in context.after("APIService") if found.title == _EXTERNAL_METRICS}
    charts = {_chart(found.new): found for found in context.after("Release")}
    others = sorted(owners | (set(charts) & _OTHER_OWNERS))
    if "keda" in charts and others:
        sentence = f"KEDA and {' and '.join(others)} both answer for external metrics: one of them is not asked"
        yield Risk("keda", sentence, "keep one", charts["keda"].key)
