"""A patch is held against the fields that a Deployment has, by Kubernetes' own schema."""

from __future__ import annotations

import importlib.util
from importlib.machinery import SourceFileLoader
from pathlib import Path

import pytest
from pydantic import ValidationError
from tests.settings.conftest import CONSUMER

from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.rules.patch_fields import deployment_types

ROOT = Path(__file__).parents[2]


def consumer(**patch):
    return ConsumerSettings.model_validate({**CONSUMER, "name": "mail", "pod": {"patch": patch}})


def of_pod(**spec):
    return {"spec": {"template": {"spec": spec}}}


REFUSED = {
    "metadata.lables: is no field of ObjectMeta (got 'lables'); write labels": {"metadata": {"lables": {"a": "b"}}},
    "metadata.uid: is no field of ObjectMeta": {"metadata": {"uid": "1"}},
    "status: is no field of Deployment (got 'status'); remove it": {"status": {"replicas": 1}},
    "spec.dnsPolicy: is no field of DeploymentSpec (got 'dnsPolicy'); remove it": {"spec": {"dnsPolicy": "None"}},
    'annotations.a: takes a text (got 64); write it in quotes: "64"': {"metadata": {"annotations": {"a": 64}}},
    'annotations.a: takes a text (got True); write it in quotes: "true"': {"metadata": {"annotations": {"a": True}}},
    "annotations.é: is not a label or annotation key": {"metadata": {"annotations": {"é": "a"}}},
    "labels.acme.com/team: is not a label value (got 'a b')": {"metadata": {"labels": {"acme.com/team": "a b"}}},
    "nodeSelector.disk: is not a label value": of_pod(nodeSelector={"disk": "-"}),
    "spec.hostAliases: is a list (got a mapping)": of_pod(hostAliases={"ip": "10.0.0.1"}),
    "dnsConfig.nameservers: is a list (got '10.0.0.1')": of_pod(dnsConfig={"nameservers": "10.0.0.1"}),
    "dnsConfig: is a mapping (got a list)": of_pod(dnsConfig=["10.0.0.1"]),
    'options[0].value: takes a text (got 2); write it in quotes: "2"': of_pod(
        dnsConfig={"options": [{"name": "ndots", "value": 2}]}
    ),
    "spec.enableServiceLinks: takes true or false (got 'no')": of_pod(enableServiceLinks="no"),
    "spec.revisionHistoryLimit: takes a whole number of 32 bits (got 2147483648)": {
        "spec": {"revisionHistoryLimit": 2**31}
    },
    "tolerations[0].tolerationSeconds: takes a whole number of 64 bits (got 0.5)": of_pod(
        tolerations=[{"key": "a", "tolerationSeconds": 0.5}]
    ),
}


@pytest.mark.parametrize(("words", "patch"), REFUSED.items(), ids=REFUSED)
def test_what_a_deployment_does_not_have_is_refused_with_its_place(words, patch):
    with pytest.raises(ValidationError) as caught:
        consumer(**patch)
    assert words in str(caught.value)


ACCEPTED = {
    "annotations": {"metadata": {"annotations": {"acme.com/owner": "the team of mail"}}},
    "a pod's fields": of_pod(
        runtimeClassName="gvisor",
        dnsConfig={"nameservers": ["10.0.0.1"], "options": [{"name": "ndots", "value": "2"}]},
        hostAliases=[{"ip": "10.0.0.1", "hostnames": ["broker"]}],
        overhead={"cpu": 0.5, "memory": "64Mi"},
    ),
    "one entry gone": of_pod(topologySpreadConstraints=[{"topologyKey": "a", "$patch": "delete"}]),
    "a mapping replaced": of_pod(nodeSelector={"$patch": "replace", "disk": "ssd"}),
}


@pytest.mark.parametrize("patch", ACCEPTED.values(), ids=ACCEPTED)
def test_what_it_has_is_not(patch):
    assert consumer(**patch)


FIELDS = {
    "a text": lambda value: {"metadata": {"annotations": {"a": value}}},
    "true or false": lambda value: of_pod(enableServiceLinks=value),
    "a text or a whole number": lambda value: of_pod(overhead={"cpu": value}),
    "a whole number of 32 bits": lambda value: {"spec": {"revisionHistoryLimit": value}},
    "a whole number of 64 bits": lambda value: of_pod(tolerations=[{"key": "a", "tolerationSeconds": value}]),
}
VALUES: list[tuple[str, object, str | None]] = [
    ("a text", "x", None),
    ("a text", 1.5, 'write it in quotes: "1.5"'),
    ("a text", False, 'write it in quotes: "false"'),
    ("a text", {"a": "b"}, "correct it"),
    ("a text", ["a"], "correct it"),
    ("true or false", False, None),
    ("true or false", 1, "correct it"),
    ("a text or a whole number", "1", None),
    ("a text or a whole number", 1, None),
    ("a text or a whole number", True, "correct it"),
    ("a text or a whole number", ["1"], "correct it"),
    *(
        (f"a whole number of {bits} bits", value, None if is_one else "correct it")
        for bits in (32, 64)
        for value, is_one in (
            (2 ** (bits - 1) - 1, True),
            (2 ** (bits - 1), False),
            (-(2 ** (bits - 1)), True),
            (-(2 ** (bits - 1)) - 1, False),
            (True, False),
            ("1", False),
        )
    ),
]


@pytest.mark.parametrize(("takes", "value", "remedy"), VALUES)
def test_a_value_is_of_the_type_of_its_field(takes, value, remedy):
    if remedy is None:
        consumer(**FIELDS[takes](value))
        return
    with pytest.raises(ValidationError) as caught:
        consumer(**FIELDS[takes](value))
    assert f"takes {takes} (got " in str(caught.value)
    assert f"; {remedy}" in str(caught.value)


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (
            {"progressDeadlineSeconds": 10},
            "progressDeadlineSeconds: gives an update 10 s to go on, and a pod counts as",
        ),
        ({"progressDeadlineSeconds": 11}, ""),
        ({"minReadySeconds": 600}, "minReadySeconds: gives an update 600 s to go on"),
        ({"minReadySeconds": 599}, ""),
        ({"minReadySeconds": 900, "progressDeadlineSeconds": 901}, ""),
        ({"minReadySeconds": 900, "progressDeadlineSeconds": None}, "progressDeadlineSeconds: gives an update 600 s"),
        ({"minReadySeconds": None, "progressDeadlineSeconds": 1}, ""),
        ({"minReadySeconds": None, "progressDeadlineSeconds": 0}, "progressDeadlineSeconds: gives an update 0 s"),
        ({"minReadySeconds": -1}, "minReadySeconds: is below 0 (got -1)"),
        # Zero would be refused as well.
        ({"progressDeadlineSeconds": -1}, "progressDeadlineSeconds: gives an update -1 s to go on"),
    ],
)
def test_an_update_has_more_time_than_a_pod_needs_to_count_as_ready(spec, problem):
    if not problem:
        consumer(spec=spec)
        return
    with pytest.raises(ValidationError) as caught:
        consumer(spec=spec)
    assert f"patch.spec.{problem}" in str(caught.value)


def test_what_is_no_number_is_refused_once():
    with pytest.raises(ValidationError) as caught:
        consumer(spec={"progressDeadlineSeconds": True})
    assert "gives an update" not in str(caught.value)


def test_the_fields_are_those_of_the_newest_schema():
    loader = SourceFileLoader("deployment_fields", str(ROOT / "scripts" / "deployment-fields"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    assert module.table()["types"] == deployment_types(), "run scripts/deployment-fields"
    assert "Kubernetes " + module.NEWEST_VERSION == "Kubernetes 1.37", "M-07's source names the version"
