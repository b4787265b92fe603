"""Whatever validates renders objects that an API server takes and that keep every promise of the shutdown."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

from tests.kubernetes_schema import NEWEST_VERSION, OLDEST_VERSION, check_schema
from tests.properties.profiles import each_profile, hold
from tests.strategies import valid_stacks

from ebbtide.manifests.kubernetes import Manifest, stack_manifests
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.values.units import parse_cpu, parse_memory

DNS_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
OWNERS = ("HorizontalPodAutoscaler", "ScaledObject")
# A subdomain: what no other object is called after.
WITH_DOTS = {"TriggerAuthentication"}
LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")


@each_profile
def test_whatever_validates_passes_the_api_servers_schema(examples: int) -> None:
    def check(stack: StackSettings) -> None:
        for manifest in stack_manifests(stack):
            for version in (OLDEST_VERSION, NEWEST_VERSION):
                check_schema(manifest, version)

    hold(check, valid_stacks(), examples)


@each_profile
def test_whatever_validates_keeps_the_promises_of_a_consumer(examples: int) -> None:
    hold(_keeps_its_promises, valid_stacks(), examples)


def _keeps_its_promises(stack: StackSettings) -> None:
    manifests = stack_manifests(stack)
    _names_are_legal(manifests)
    assert json.loads(json.dumps(manifests)) == list(manifests), "what is sent is not what was built"
    for name, consumer in stack.consumers.items():
        own = {each["kind"]: each for each in manifests if each["metadata"]["name"] == name}
        deployment = own["Deployment"]
        template = deployment["spec"]["template"]
        pod = template["spec"]
        (container,) = pod["containers"]
        _time_is_enough(pod, container)
        _requests_are_within_limits(container["resources"])
        _volumes_are_mounted(pod, container)
        _variables_are_unique(container)
        _selectors_match(own, template["metadata"]["labels"])
        owner = {"hpa": "HorizontalPodAutoscaler", "keda": "ScaledObject"}.get(consumer.autoscaling.kind)
        assert {kind for kind in OWNERS if kind in own} == ({owner} if owner else set())
        assert ("replicas" in deployment["spec"]) is (owner is None), "two owners of the number of pods, or none"
        if consumer.autoscaling.kind == "singleton":
            assert deployment["spec"]["strategy"] == {"type": "Recreate"}, "two of them at once"
        else:
            assert deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] == 0


def _names_are_legal(manifests: tuple[Manifest, ...]) -> None:
    names = Counter((each["kind"], each["metadata"]["name"]) for each in manifests)
    assert names.most_common(1)[0][1] == 1, "two objects of one kind and name: the second would replace the first"
    for each in manifests:
        labels = each["metadata"]["name"].split(".") if each["kind"] in WITH_DOTS else [each["metadata"]["name"]]
        assert all(DNS_LABEL.fullmatch(label) for label in labels)
        for key, value in each["metadata"]["labels"].items():
            assert LABEL_KEY.fullmatch(key)
            assert LABEL_VALUE.fullmatch(value)


def _time_is_enough(pod: Manifest, container: Manifest) -> None:
    variables = {entry["name"]: entry.get("value") for entry in container["env"]}
    steps = ("LONGEST_MESSAGE", "STOP_WAIT", "DRAIN_DEADLINE", "GRACE")
    longest, stop_wait, deadline, grace = (int(variables[f"EBBTIDE_{step}_SECONDS"]) for step in steps)
    assert longest < stop_wait < deadline < grace, "some message would be killed before its time is up"
    assert pod["terminationGracePeriodSeconds"] == grace, "the kubelet and the image count to different numbers"
    if variables["EBBTIDE_DRAIN"] == "stopFile":
        limit = int(variables["EBBTIDE_TIME_LIMIT_SECONDS"])
        assert 0 < limit < stop_wait - longest + 1, "a worker nobody signals takes messages until its limit"


def _requests_are_within_limits(resources: dict[str, dict[str, str]]) -> None:
    parse = {"cpu": parse_cpu, "memory": parse_memory}
    for name, limit in resources["limits"].items():
        assert parse[name](resources["requests"][name]) <= parse[name](limit), "the API server refuses the pod"


def _volumes_are_mounted(pod: Manifest, container: Manifest) -> None:
    volumes = [volume["name"] for volume in pod["volumes"]]
    assert volumes == [mount["name"] for mount in container["volumeMounts"]]
    assert all(DNS_LABEL.fullmatch(name) for name in volumes)
    assert len(set(volumes)) == len(volumes), "two volumes of one name: the API server refuses the pod"
    paths = [mount["mountPath"] for mount in container["volumeMounts"]]
    assert len(set(paths)) == len(paths), "one directory, two volumes: the API server refuses the pod"
    assert {"/run/ebbtide", "/tmp"} <= set(paths), "the drain has nowhere to write its stop file"


def _variables_are_unique(container: Manifest) -> None:
    names = [entry["name"] for entry in container["env"]]
    assert len(set(names)) == len(names), "the later one of two would win without a word"


def _selectors_match(own: dict[str, Manifest], labels: dict[str, str]) -> None:
    selectors = [
        own["Deployment"]["spec"]["selector"]["matchLabels"],
        own["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"],
        own["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"],
        *(
            constraint["labelSelector"]["matchLabels"]
            for constraint in own["Deployment"]["spec"]["template"]["spec"].get("topologySpreadConstraints", [])
        ),
    ]
    for selector in selectors:
        assert selector
        assert selector.items() <= labels.items(), "an object that is meant for these pods does not find them"


@each_profile
def test_the_order_in_which_the_engine_hands_settings_over_changes_nothing(examples: int) -> None:
    def check(stack: StackSettings) -> None:
        dumped = stack.model_dump(mode="json", by_alias=True)
        sorted_keys = json.loads(json.dumps(dumped, sort_keys=True))
        again = {each["metadata"]["name"] + each["kind"]: each for each in stack_manifests(_read(sorted_keys))}
        for manifest in stack_manifests(stack):
            twin = again[manifest["metadata"]["name"] + manifest["kind"]]
            # As text: the order of the variables is part of what is deployed.
            assert json.dumps(manifest, sort_keys=True) == json.dumps(twin, sort_keys=True), (
                "a preview would show noise"
            )

    hold(check, valid_stacks(), examples)


def _read(written: Any) -> StackSettings:
    return StackSettings.model_validate(written)
