"""KEDA's triggers and their parameters: KEDA's own list, of the newest version that ebbtide knows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import NamedTuple

from ebbtide.settings.models.demand import Trigger

_NUMBER = re.compile(r"-?\d+(\.\d+)?")
# strconv.ParseBool, by which KEDA reads them.
_BOOLEANS = {"1", "t", "T", "TRUE", "true", "True", "0", "f", "F", "FALSE", "false", "False"}
# `hostFromEnv` is read from the environment of the consumer's container.
_FROM_ENVIRONMENT = "FromEnv"


OF_PODS = frozenset({"cpu", "memory"})
"""Triggers that measure pods, which KEDA leaves to the HPA."""


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
        elif takes == "boolean" and value not in _BOOLEANS:
            yield Wrong(name, "true or false", '"true"')
        elif "|" in takes and not set(value.replace(" ", "").split(",")) <= set(takes.split("|")):
            yield Wrong(name, f"one of {takes.replace('|', ', ')}", takes.partition("|")[0])


def unknown_parameters(trigger: Trigger) -> Iterator[str]:
    """Those that KEDA would pass over without a word."""
    forms = scalers().get(trigger.type)
    for name in trigger.metadata if forms is not None else ():
        if name not in (forms or {}) and name.removesuffix(_FROM_ENVIRONMENT) not in (forms or {}):
            yield name


def missing_parameters(trigger: Trigger) -> Iterator[str]:
    """Those that KEDA asks for and nobody gives. What an authentication of somebody else's gives is not known."""
    if trigger.authentication is not None:
        return
    given = {name.removesuffix(_FROM_ENVIRONMENT) for name in trigger.metadata} | set(trigger.secrets)
    for name, takes in scalers().get(trigger.type, {}).items():
        if takes.startswith("!") and name not in given:
            yield name
