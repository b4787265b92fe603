"""What stands beside the workers restarts pods when it changes, and is named where nobody has judged it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.manifests.kubernetes.examples import make_stack
from tests.manifests.kubernetes.test_pod_parts import CONSUMER, EVERYTHING, PROXY

from ebbtide.manifests.resource import to_json
from ebbtide.manifests.stack import stack_resources
from ebbtide.preview.change import StackChange
from ebbtide.preview.review import review_change
from ebbtide.preview.risk import Risk, RiskLevel
from ebbtide.preview.sources.compare import compare


def risks(before: dict[str, Any], after: dict[str, Any]) -> tuple[Risk, ...]:
    stacks = [make_stack(consumer) for consumer in (before, after)]
    old, new = ([to_json(resource) for resource in stack_resources(stack)] for stack in stacks)
    changes, standing = compare(old, new)
    change = StackChange("test", "shop", changes, len(standing), "test", standing=standing)
    return review_change(change, stacks[1]).risks


def changed(**pod: Any) -> dict[str, Any]:
    return {**CONSUMER, "pod": {**EVERYTHING, **pod}}


CHANGES: dict[str, dict[str, Any]] = {
    "all of it goes": {"pod": {}},
    "another image of the sidecar": changed(sidecars={"cloud-sql-proxy": {**PROXY, "image": "registry.example/p:3"}}),
    "another start of the sidecar": changed(sidecars={"cloud-sql-proxy": {**PROXY, "started": {"port": 5432}}}),
    "no sidecar any more": changed(sidecars={}),
    "another Secret as files": changed(files=[{"path": "/etc/shop/tls", "secret": "tls-v2"}]),
    "other variables": changed(environmentFrom=[{"secret": "shop-v4"}]),
    "no volumes": changed(volumes=[]),
    "another priority": changed(priorityClass="batch"),
    "another registry's Secret": changed(imagePullSecrets=["registry-v2"]),
    "another migration": changed(initContainers={"migrate": {"command": ["true"]}}),
}


@pytest.mark.parametrize("after", CHANGES.values(), ids=CHANGES)
@pytest.mark.parametrize("back", [False, True], ids=["there", "and back"])
def test_it_restarts_the_consumer_and_nothing_of_it_is_unjudged(after, back):
    before, after = (after, CONSUMER) if back else (CONSUMER, after)
    found = risks(before, after)
    assert "P-10" in {risk.rule for risk in found}
    assert [risk.sentence for risk in found if risk.level is RiskLevel.NOT_JUDGED] == []


def test_what_a_patch_brings_is_not_judged_and_named():
    patch = {"spec": {"template": {"spec": {"runtimeClassName": "gvisor"}}}}
    found = risks({}, {"pod": {"patch": patch}})
    assert any(risk.level is RiskLevel.NOT_JUDGED and "runtimeClassName" in risk.sentence for risk in found)


def test_a_sidecar_that_gains_a_right_is_danger():
    before, after = ([to_json(resource) for resource in stack_resources(make_stack(CONSUMER))] for _ in range(2))
    for resource in after:
        if resource["type"].endswith(":Deployment"):
            proxy = resource["properties"]["spec"]["template"]["spec"]["initContainers"][0]
            proxy["securityContext"] = {**proxy["securityContext"], "privileged": True}
    changes, standing = compare(before, after)
    change = StackChange("test", "shop", changes, len(standing), "test", standing=standing)
    found = review_change(change, make_stack(CONSUMER)).risks
    assert ("P-32", RiskLevel.DANGER) in {(risk.rule, risk.level) for risk in found}
