"""Labels: by which of them something selects, and that the others do nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.preview.change import MISSING, Leaf, Operation, Path, PropertyChange, ResourceChange, mapping_at
from ebbtide.preview.harmless import harmless_of
from ebbtide.preview.patterns import NO_PREFIX, matches, parse_pattern
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.successors import successors

# What an ordinary deploy writes anew each time, so that nobody selects pods by it: `git-sha`, `buildId`, `deployed-at`.
_VERSION = {"version", "release", "revision", "commit", "sha", "build", "tag", "chart", "deployed", "timestamp"}
_BESIDE_IT = {"app", "git", "image", "docker", "id", "number", "hash", "short", "at", "date", "time"}
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|[0-9]+")
_TEMPLATE: tuple[str, ...] = ("spec", "template", "metadata", "labels")
# Where the kinds that these rules know say which pods they mean.
_SELECTORS: Mapping[str, tuple[str, ...]] = {
    "NetworkPolicy": ("spec", "podSelector", "matchLabels"),
    "PodDisruptionBudget": ("spec", "selector", "matchLabels"),
    "PodMonitoring": ("spec", "selector", "matchLabels"),
    "PodMonitor": ("spec", "selector", "matchLabels"),
}


@change_rule(
    "P-10a",
    RiskLevel.DANGER,
    RiskLevel.NOT_JUDGED,
    remedy="Keep the label, or change who selects by it first.",
    source="Kubernetes, labels and selectors: network policies, budgets, services and webhooks find pods by them.",
    reads={"Deployment": (f"spec.template.metadata.labels[{NO_PREFIX}]",)},
)
def check_pods_are_found(context: Context) -> Iterator[Risk]:
    """Pods keep the labels by which others find them: a network policy that let them reach the broker lets go of them,
    and so does a budget. Of a label that only says the version nobody selects pods."""
    for successor in successors(context):
        change = successor.change
        own = mapping_at(successor.old, "spec", "selector", "matchLabels")
        for found in successor.properties:
            for name, old in _lost(found).items():
                if name in own or _is_version(name) or "/" in name:
                    continue  # One that it selects by itself cannot change in place.
                who = [f"{kind} {one.title}" for kind in _SELECTORS for one in _selecting(context, kind, name, old)]
                words = f"pods of {change.title} no longer have the label {name}={old}"
                if who:
                    sentence = f"{words}, by which {' and '.join(who)} found them"
                    yield Risk(change.title, sentence, "keep it, or change the selector first", change.key)
                else:
                    sentence = f"{words}: whether a network policy or a service of others selects by it is not judged"
                    yield Risk(change.title, sentence, "look for it", change.key, RiskLevel.NOT_JUDGED)


def _is_version(name: str) -> bool:
    words = {word.lower() for word in _WORD.findall(name)}
    return bool(words & _VERSION) and words <= _VERSION | _BESIDE_IT


def _lost(found: PropertyChange) -> dict[str, Any]:
    """The labels of pods that are not there any more, or have another value."""
    if found.path[:4] == _TEMPLATE and len(found.path) == 5 and found.old is not MISSING:
        return {str(found.path[4]): found.old}
    if found.path == _TEMPLATE[: len(found.path)] and isinstance(found.old, Mapping):
        rest = _TEMPLATE[len(found.path) :]
        old, new = (mapping_at(side, *rest) for side in (found.old, found.new))
        return {name: value for name, value in old.items() if new.get(name) != value}
    return {}


def _selecting(context: Context, kind: str, name: str, value: object) -> Iterator[ResourceChange]:
    for one in context.after(kind):
        if mapping_at(one.new, *_SELECTORS[kind]).get(name) == value:
            yield one


@change_rule(
    "P-15",
    RiskLevel.INFO,
    remedy="Nothing.",
    source="metadata of an object is not in its pod template.",
)
def check_labels_only(context: Context) -> Iterator[Risk]:
    """Only labels of objects change; no pod restarts."""
    relabelled: dict[str, list[ResourceChange]] = {}
    for change in context.change.changes:
        only = change.operation is Operation.UPDATE and change.properties and not change.options
        if only and all(_is_label(change, leaf.path) for found in change.properties for leaf in found.leaves()):
            relabelled.setdefault(change.title, []).append(change)
    for title, changes in relabelled.items():
        sentence = f"only labels of {', '.join(change.kind for change in changes)} {title} change"
        yield Risk(title, sentence, resource=changes[0].key)


def _is_label(change: ResourceChange, path: Path) -> bool:
    """A label that is known to be harmless: those of a Namespace are selected by others."""
    at_labels = path[:2] == ("metadata", "labels") or path[:1] in {("labels",), ("resourceLabels",)}
    known = harmless_of(change.token)
    return at_labels and any(matches(Leaf(path, ""), parse_pattern(pattern)) for pattern in known)
