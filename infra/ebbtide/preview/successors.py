"""Pods that follow others: after an update or a replacement of their Deployment, or under another name."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ebbtide.preview.change import Operation, PropertyChange, ResourceChange, diff, mapping
from ebbtide.preview.fleet import Pods
from ebbtide.preview.risk import Context
from ebbtide.settings.values.names import CONTAINER_NAME


@dataclass(frozen=True, slots=True)
class Successor:
    """What runs after a change in place of what ran before."""

    change: ResourceChange
    """Whose change it is: of the Deployment, or of the new one where one follows another."""
    old: Mapping[str, Any]
    new: Mapping[str, Any]
    properties: tuple[PropertyChange, ...]

    @property
    def title(self) -> str:
        """What it is called where it is deployed."""
        return self.change.title

    def containers(self) -> Iterator[tuple[str, Pods, Pods]]:
        """Every container that was there before, also under another name, in words, before and after."""
        before, after = Pods.by_container(self.old), Pods.by_container(self.new)
        for name, was in renamed(before, after).items():
            before[name] = before[was]
        for name, pods in after.items():
            if name in before:
                is_all = name == CONTAINER_NAME or len(after) == 1
                yield self.title if is_all else f"container {name} of {self.title}", before[name], pods


def renamed(before: Collection[str], after: Collection[str]) -> dict[str, str]:
    """The container that comes while a single other one goes, with that one's name: it is the same."""
    gone = [name for name in before if name not in after]
    new_ones = [name for name in after if name not in before]
    return {new_ones[0]: gone[0]} if len(gone) == len(new_ones) == 1 else {}


def successors(context: Context) -> Iterator[Successor]:
    """Everything that goes on running otherwise, or elsewhere."""
    for change in context.of("Deployment", Operation.UPDATE, Operation.REPLACE):
        yield Successor(change, change.old, change.new, change.properties)
    heirs = Heirs(context)
    for change in context.of("Deployment", Operation.DELETE):
        heir = heirs.of(change)
        if heir is not None:
            yield Successor(heir, change.old, heir.new, tuple(diff(change.old, heir.new)))


class Heirs:
    """The new Deployments, by what their pods do. Each with each, 200 that are renamed read 288,200 pods."""

    def __init__(self, context: Context) -> None:
        """Reads every new Deployment once."""
        self._new: dict[str, ResourceChange] = {}
        for change in context.of("Deployment", Operation.CREATE):
            self._new.setdefault(_work_of(Pods.of(change.new)), change)

    def of(self, change: ResourceChange) -> ResourceChange | None:
        """The new one that does the same as one that goes, under another name or in another namespace."""
        if change.operation is not Operation.DELETE or not self._new:
            return None
        work = _work_of(Pods.of(change.old))
        return self._new.get(work) if work else None


def _work_of(pods: Pods) -> str:
    """What its pods run, and with which variables of the application; empty where they are no consumer's."""
    if not pods.is_consumer or not pods.command:
        return ""
    return json.dumps([pods.command, pods.own_environment], sort_keys=True, default=repr)


def object_of(change: ResourceChange) -> tuple[str, str, str] | None:
    """Which object of a cluster it is: type, namespace and name; None where that is not known, or elsewhere."""
    return _object(change, change.new or change.old)


def _object(change: ResourceChange, inputs: Mapping[str, Any]) -> tuple[str, str, str] | None:
    metadata = mapping(inputs.get("metadata"))
    name = metadata.get("name")
    if change.package != "kubernetes" or not isinstance(name, str):
        return None
    return change.token, str(metadata.get("namespace", "")), name


def is_made_over_itself(change: ResourceChange) -> bool:
    """Whether the engine replaces it without asking its provider, so that nobody has the old one deleted first
    (step_generator.go): what is made is the object that is there, which is deleted afterwards."""
    is_own = (change.moves or change.is_forced) and change.operation is Operation.REPLACE
    if not is_own or change.deletes_before is True or change.is_retained:
        return False
    there = _object(change, change.old)
    return there is not None and there == object_of(change)


def is_nothing_but_made_over_itself(change: ResourceChange) -> bool:
    """Whether P-42 says all that there is to say."""
    return is_made_over_itself(change) and all(found.path == ("provider",) for found in change.properties)
