"""KEDA's triggers and their parameters: KEDA's own list, of the newest version that ebbtide knows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ebbtide.kubernetes.booleans import GO_BOOLEANS
from ebbtide.settings.models.demand import Trigger

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
# `hostFromEnv` is read from the environment of the consumer's container.
_FROM_ENVIRONMENT = "FromEnv"


OF_PODS = frozenset({"cpu", "memory"})
"""Triggers that measure pods, which KEDA leaves to the HPA."""
# Those whose ignoreNullValues is true by default; of the others that have it, it is false.
_TAKE_NOTHING_FOR_ZERO = frozenset({"prometheus", "loki", "aws-cloudwatch"})


class Wrong(NamedTuple):
    """A value that KEDA cannot read."""

    parameter: str
    takes: str
    """What it takes, in words."""
    example: str


@cache
def scalers() -> Mapping[str, Mapping[str, str]]:
    """What each parameter of each trigger takes: `number`, `boolean`, `a|b`, nothing for text; `!` where required."""
    text = Path(__file__).with_name("keda_scalers.json").read_text(encoding="utf-8")
    found: Mapping[str, Mapping[str, str]] = json.loads(text)["scalers"]
    return found


def wrong_values(trigger: Trigger) -> Iterator[Wrong]:
    """The parameters whose values KEDA cannot read."""
    forms = scalers().get(trigger.type, {})
    for name, value in trigger.metadata.items():
        takes = forms.get(name, "").removeprefix("!")
        if takes == "number" and not _NUMBER.fullmatch(value):
            yield Wrong(name, "a number", '"5"')
        elif takes == "boolean" and value not in GO_BOOLEANS:
            yield Wrong(name, "true or false", '"true"')
        elif "|" in takes and not set(value.replace(" ", "").split(",")) <= set(takes.split("|")):
            yield Wrong(name, f"one of {takes.replace('|', ', ')}", takes.partition("|")[0])


def says(metadata: Mapping[str, str], name: str, *, default: bool) -> bool:
    """What a parameter says as KEDA reads it, which takes `True` and `1` as well; what it cannot read is KE-02's."""
    return GO_BOOLEANS.get(metadata.get(name, ""), default)


def takes_nothing_for_zero(type_: str, metadata: Mapping[str, str]) -> bool:
    """Whether a trigger takes an answer without any value for an empty queue."""
    has_it = "ignoreNullValues" in scalers().get(type_, {})
    return has_it and says(metadata, "ignoreNullValues", default=type_ in _TAKE_NOTHING_FOR_ZERO)


def is_redis_stream(type_: str) -> bool:
    """Of one server, of a cluster or behind Sentinel."""
    return type_.startswith("redis") and type_.endswith("-streams")


def unknown_parameters(trigger: Trigger) -> Iterator[str]:
    """Those that KEDA would pass over without a word."""
    forms = scalers().get(trigger.type)
    if forms is None:
        return
    for name in trigger.metadata:
        if not {name, name.removesuffix(_FROM_ENVIRONMENT)} & forms.keys():
            yield name


def missing_parameters(trigger: Trigger) -> Iterator[str]:
    """Those that KEDA asks for and nobody gives. What an authentication of somebody else's gives is not known."""
    if trigger.authentication is not None:
        return
    given = {name.removesuffix(_FROM_ENVIRONMENT) for name in trigger.metadata} | set(trigger.secrets)
    for name, takes in scalers().get(trigger.type, {}).items():
        if takes.startswith("!") and name not in given:
            yield name
