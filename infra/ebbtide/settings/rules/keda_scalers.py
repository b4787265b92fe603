"""KEDA's triggers and their parameters: KEDA's own list, of the newest version that ebbtide knows."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import NamedTuple

from ebbtide.kubernetes.booleans import GO_BOOLEANS
from ebbtide.kubernetes.quantity import parse_quantity
from ebbtide.settings.models.demand import Trigger
from ebbtide.settings.models.keda import OF_PODS
from ebbtide.settings.values.cron import is_cron, zone_of
from ebbtide.settings.values.zones import is_zone, likely_zone

# As Go's encoding/json reads them.
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(rf"{_WHOLE.pattern}(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_MAX_INT64 = 2**63 - 1
_PERCENTAGE = re.compile(r"\+?[0-9]{1,9}")
# The zone of the operator's own container, to Go.
_LOCAL = "Local"
# `hostFromEnv` is read from the environment of the consumer's container.
_FROM_ENVIRONMENT = "FromEnv"
METADATA, ENVIRONMENT, SECRETS = "mes"

# Those whose ignoreNullValues is true by default; of the others that have it, it is false.
_TAKE_NOTHING_FOR_ZERO = frozenset({"prometheus", "loki", "aws-cloudwatch"})
# Their own code reads more than their list has, from other places too.
_READ_BY_HAND = (
    *("aws-", "azure-", "gcp-", "openstack-"),
    *("apache-kafka", "datadog", "external", "github-runner", "kafka", "prometheus", "pulsar", "sumologic"),
)
# What their own code asks for: ways to say it, of which one is enough, and each way's parameters.
_ASKED_BY_HAND: Mapping[str, tuple[tuple[str, ...], ...]] = {
    "redis": (("address",), ("addresses",), *product(("host", "hosts"), ("port", "ports"))),
    "postgresql": (("host", "port", "userName", "dbName", "sslmode"), ("connection",)),
    "mysql": (("host", "port"), ("connectionString",)),
    "mssql": (("host",), ("connectionString",)),
}
# What their own code asks for unless a formula has the target.
_TARGETS_BY_HAND = {
    "couchdb": "queryValue",
    "influxdb": "thresholdValue",
    "metrics-api": "targetValue",
    "postgresql": "targetQueryValue",
    "predictkube": "threshold",
}


class Parameter(NamedTuple):
    """What KEDA's list says of one."""

    read_from: str
    """Some of METADATA, ENVIRONMENT and SECRETS."""
    is_required: bool
    takes: str
    """`whole`, `number`, `boolean`, `a|b`, nothing for any text."""


class Wrong(NamedTuple):
    """A value that KEDA cannot read."""

    parameter: str
    takes: str
    """What it takes, in words."""
    example: str


@cache
def scalers() -> Mapping[str, Mapping[str, Parameter]]:
    """The parameters of each trigger."""
    text = Path(__file__).with_name("keda_scalers.json").read_text(encoding="utf-8")
    return {
        type_: {name: _parameter(written) for name, written in found.items()}
        for type_, found in json.loads(text)["scalers"].items()
    }


def _parameter(written: str) -> Parameter:
    head, _, takes = written.partition(" ")
    return Parameter(head.rstrip("!"), head.endswith("!"), takes)


def names_under(place: str, type_: str) -> list[str]:
    """What a trigger reads from its `metadata`, or from its `secrets`."""
    read_from = {"metadata": METADATA, "secrets": SECRETS}[place]
    return [name for name, form in scalers()[type_].items() if read_from in form.read_from]


def reads_only_its_list(type_: str) -> bool:
    """Whether nothing but what its list says is read, from where the list says."""
    return type_ in scalers() and not type_.startswith(_READ_BY_HAND)


def is_number(value: str) -> bool:
    """As KEDA reads it, with what is around it cut off."""
    return _NUMBER.fullmatch(value.strip()) is not None


def wrong_values(trigger: Trigger) -> Iterator[Wrong]:
    """The parameters whose values KEDA cannot read. One that is empty is none to it."""
    forms = scalers().get(trigger.type, {})
    given = {name: value.strip() for name, value in trigger.metadata.items() if value.strip()}
    for name, value in given.items():
        form = forms.get(name)
        if form is None or METADATA not in form.read_from:
            continue
        if form.takes == "whole" and not (_WHOLE.fullmatch(value) and abs(int(value)) <= _MAX_INT64):
            yield Wrong(name, "a whole number", '"5"')
        elif form.takes == "number" and not is_number(value):
            yield Wrong(name, "a number", '"5"')
        elif form.takes == "boolean" and value not in GO_BOOLEANS:
            yield Wrong(name, "true or false", '"true"')
        elif "|" in form.takes and not {one.strip() for one in value.split(",")} <= set(form.takes.split("|")):
            yield Wrong(name, f"one of {form.takes.replace('|', ', ')}", form.takes.partition("|")[0])
    if trigger.type == "cron":
        yield from _wrong_times(given)
    if trigger.type in OF_PODS and "value" in given:
        yield from _wrong_load(trigger, given["value"])


def _wrong_times(given: Mapping[str, str]) -> Iterator[Wrong]:
    """That KEDA's image has a zone too is not judged, only that there is one of this name."""
    if _is_no_zone(given.get("timezone")):
        yield Wrong("timezone", "the name of a time zone", f'"{likely_zone(given["timezone"])}"')
    for name, example in (("start", "0 8 * * *"), ("end", "0 20 * * *")):
        if name not in given:
            continue
        zone = zone_of(given[name])
        if not is_cron(given[name]):
            yield Wrong(name, "five fields of cron: minute, hour, day, month, weekday", f'"{example}"')
        elif zone is not None and _is_no_zone(zone):
            meant = given[name].replace(zone, likely_zone(zone), 1)
            yield Wrong(name, "the name of a time zone behind TZ=", f'"{meant}"')
    if "start" in given and given["start"] == given.get("end"):
        yield Wrong("end", "another time than start", '"0 20 * * *"')


def _is_no_zone(name: str | None) -> bool:
    return name not in {None, _LOCAL} and not is_zone(name)


def _wrong_load(trigger: Trigger, value: str) -> Iterator[Wrong]:
    """Its form depends on metricType; without one nothing is said here."""
    if trigger.metric_type == "Utilization" and not _PERCENTAGE.fullmatch(value):
        yield Wrong("value", "a percentage of the request, without its sign", '"60"')
    elif trigger.metric_type == "AverageValue":
        try:
            parse_quantity(value)
        except ValueError:
            yield Wrong("value", "a quantity of Kubernetes", '"500m"' if trigger.type == "cpu" else '"500Mi"')


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


def unknown_parameters(trigger: Trigger) -> Iterator[tuple[str, str]]:
    """Those that KEDA would pass over without a word, each behind where it stands. An external scaler gets all."""
    forms = scalers().get(trigger.type)
    if forms is None or trigger.type.startswith("external"):
        return
    for name in trigger.metadata:
        if not {name, name.removesuffix(_FROM_ENVIRONMENT)} & forms.keys() and not _is_one_of_many(name, forms):
            yield "metadata", name
    if reads_only_its_list(trigger.type):
        yield from (("secrets", name) for name in trigger.secrets if name not in forms)


def _is_one_of_many(name: str, forms: Mapping[str, Parameter]) -> bool:
    """`query.a`, where the list has `query.*`."""
    return f"{name.partition('.')[0]}.*" in forms and "." in name


def misplaced_parameters(trigger: Trigger) -> Iterator[tuple[str, str, str]]:
    """Where a parameter stands that KEDA reads elsewhere, its name, and where it is to stand, in words."""
    if not reads_only_its_list(trigger.type):
        return
    forms = scalers()[trigger.type]
    for name in trigger.metadata:
        plain = name.removesuffix(_FROM_ENVIRONMENT)
        place = METADATA if name in forms else ENVIRONMENT
        if plain in forms and place not in forms[name if name in forms else plain].read_from:
            yield "metadata", name, _where(plain, forms[plain].read_from)
    for name in trigger.secrets:
        if name in forms and SECRETS not in forms[name].read_from:
            yield "secrets", name, _where(name, forms[name].read_from)


def _where(name: str, read_from: str) -> str:
    if METADATA in read_from:
        return f"{name} under metadata"
    return f"{name} under secrets" if SECRETS in read_from else f"{name}{_FROM_ENVIRONMENT} under metadata"


def missing_parameters(trigger: Trigger, *, in_formula: bool) -> Iterator[tuple[str, str]]:
    """Where those are to stand that KEDA asks for and nobody gives, and their names. What an authentication of somebody
    else's gives is not known."""
    forms = scalers().get(trigger.type)
    if forms is None:
        return
    asked = [name for name, form in forms.items() if form.is_required]
    ways = _ASKED_BY_HAND.get("redis" if trigger.type.startswith("redis") else trigger.type, ())
    if not any(all(_is_given(trigger, name) for name in way) for way in ways):
        asked += ways[0] if ways else ()
    if not in_formula and trigger.type in _TARGETS_BY_HAND:
        asked.append(_TARGETS_BY_HAND[trigger.type])
    for name in asked:
        if not _is_given(trigger, name):
            yield "metadata" if METADATA in forms[name].read_from else "secrets", name


def _is_given(trigger: Trigger, name: str) -> bool:
    """Where KEDA reads it from; where its list is not all of it, anywhere."""
    read_from = scalers()[trigger.type][name].read_from
    if not reads_only_its_list(trigger.type):
        read_from = METADATA + ENVIRONMENT + SECRETS
    given = {
        METADATA: trigger.metadata.get(name, "").strip(),
        ENVIRONMENT: trigger.metadata.get(f"{name}{_FROM_ENVIRONMENT}", "").strip(),
        SECRETS: name in trigger.secrets or trigger.authentication is not None,
    }
    return any(given[place] for place in read_from)
