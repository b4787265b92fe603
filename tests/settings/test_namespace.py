"""A namespace that others use stays theirs."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tests.settings.conftest import CONSUMER

from ebbtide.in_process import record
from ebbtide.manifests.kubernetes import stack_manifests
from ebbtide.manifests.stack import compose
from ebbtide.program import deploy
from ebbtide.settings.models.stack import StackSettings


def stack(namespace: Any) -> StackSettings:
    return StackSettings.model_validate(
        {
            "name": "dev",
            "cluster": {"kind": "existing"},
            "namespace": namespace,
            "consumers": {"githubevents": CONSUMER},
        }
    )


@pytest.mark.parametrize("name", ["default", "kube-system", "kube-public", "gke-managed-cim", "gmp-system"])
def test_a_namespace_of_the_system_is_refused(name):
    with pytest.raises(ValidationError, match="namespace"):
        stack(name)


# As each operator's own page of installation calls it.
OPERATORS = (
    *("argocd", "asm-system", "cert-manager", "cnrm-system", "config-management-system", "external-secrets"),
    *("flux-system", "gatekeeper-system", "ingress-nginx", "istio-system", "keda", "knative-serving", "kyverno"),
    *("linkerd", "linkerd-viz", "monitoring", "velero"),
)


@pytest.mark.parametrize("name", OPERATORS)
def test_a_namespace_in_which_an_operator_lives_is_used_but_not_made(name):
    with pytest.raises(ValidationError, match="is where an operator usually lives"):
        stack(name)
    assert not stack({"name": name, "create": False}).namespace.create


@pytest.mark.parametrize("name", ["gke-tools", "gmp-team", "gkeish"])
def test_a_team_s_namespace_may_begin_as_google_s_do(name):
    assert stack(name).namespace.name == name


def test_a_system_namespace_is_refused_also_where_somebody_else_made_it():
    with pytest.raises(ValidationError, match="belongs to the system"):
        stack({"name": "kube-system", "create": False})


def test_default_may_be_used_where_it_is_left_alone():
    assert stack({"name": "default", "create": False}).namespace.name == "default"


def test_a_name_alone_is_a_namespace_that_the_stack_makes():
    assert stack("shop").namespace == stack({"name": "shop"}).namespace
    assert stack("shop").namespace.create


def test_of_somebody_elses_namespace_nothing_is_made_or_changed():
    left = stack({"name": "shop", "create": False})
    assert {manifest["kind"] for manifest in stack_manifests(left)} == {
        "ServiceAccount", "NetworkPolicy", "Deployment", "PodDisruptionBudget",
    }  # fmt: skip
    assert all(manifest["metadata"]["namespace"] == "shop" for manifest in stack_manifests(left))
    plan = compose(left)
    assert plan.namespaces == {}
    known = {resource.key for resource in plan}
    assert [key for resource in plan for key in resource.depends_on if key not in known] == []


def test_a_namespace_of_ours_is_left_behind_because_others_may_have_put_something_there():
    plan = compose(stack("shop"))
    (namespace,) = [part for part in plan.namespaces["shop"].parts if part.token.endswith(":Namespace")]
    assert namespace.retain_on_delete


def teams(**more: Any) -> StackSettings:
    """Three teams: one in the stack's namespace, one in its own, one in one that somebody else made."""
    consumers = {
        "mail": CONSUMER,
        "reports": {**CONSUMER, "namespace": "reporting"},
        "billing": {**CONSUMER, "namespace": {"name": "finance", "create": False}},
    }
    values = {"name": "dev", "cluster": {"kind": "existing"}, "namespace": "shop", "consumers": consumers, **more}
    return StackSettings.model_validate(values)


def test_a_consumer_may_have_a_namespace_of_its_own():
    places: dict[str, set[str]] = {}
    made = set()
    for manifest in stack_manifests(teams()):
        metadata = manifest["metadata"]
        if manifest["kind"] == "Namespace":
            made.add(metadata["name"])
        else:
            places.setdefault(metadata["name"], set()).add(metadata["namespace"])
    assert made == {"shop", "reporting"}
    assert places == {
        "mail": {"shop"},
        "reports": {"reporting"},
        "billing": {"finance"},
        "default-deny": {"shop", "reporting"},
    }


def test_each_consumer_waits_for_its_own_namespace_and_for_no_other():
    plan = compose(teams())
    assert list(plan.namespaces) == ["shop", "reporting"]
    keys = {
        name: next(one.key for one in namespace if one.token.endswith(":Namespace"))
        for name, namespace in plan.namespaces.items()
    }
    for consumer, namespace in (("mail", "shop"), ("reports", "reporting"), ("billing", None)):
        for part in plan.consumers[consumer].parts:
            assert set(part.depends_on) & set(keys.values()) <= {keys.get(namespace)}
            assert namespace is None or keys[namespace] in part.depends_on
    everything = [resource.key for resource in plan]
    assert len(everything) == len(set(everything)), "two of a name would collide"


def test_a_namespace_in_which_nothing_is_is_not_made():
    alone = teams(consumers={"reports": {**CONSUMER, "namespace": "reporting"}})
    assert list(compose(alone).namespaces) == ["reporting"]
    assert {manifest["metadata"]["name"] for manifest in stack_manifests(alone) if manifest["kind"] == "Namespace"} == {
        "reporting"
    }


def test_the_program_registers_what_was_composed():
    stack = teams()
    run = record(lambda: {"made": str(len(deploy(stack).consumers))})
    composed = [resource.key for resource in compose(stack)]
    assert sorted(resource.key for resource in run.resources if resource.key in composed) == sorted(composed)


def test_one_namespace_that_is_named_twice_is_made_once():
    consumers = {name: {**CONSUMER, "namespace": "reporting"} for name in ("reports", "exports")}
    assert list(compose(teams(consumers=consumers)).namespaces) == ["reporting"]


@pytest.mark.parametrize(
    ("namespace", "sentence"),
    [
        ("kube-system", "consumers.reports.namespace: belongs to the system"),
        ("default", "consumers.reports.namespace: exists in every cluster"),
        ({"name": "shop", "create": False}, "consumers.reports.namespace: is made here and not elsewhere"),
    ],
)
def test_a_wrong_namespace_of_one_consumer_is_refused_where_it_is_written(namespace, sentence):
    with pytest.raises(ValidationError) as caught:
        teams(consumers={"mail": CONSUMER, "reports": {**CONSUMER, "namespace": namespace}})
    assert sentence in str(caught.value)


def test_a_consumer_elsewhere_cannot_read_the_secret_of_the_broker_that_the_stack_makes():
    made = {
        "google": {"project": "acme-shop", "region": "europe-west1"},
        "cluster": {"kind": "gkeStandard"},
        "broker": {"kind": "memorystoreValkey"},
    }
    reading = {**CONSUMER, "transport": {"kind": "redis", "stream": "mail", "redeliverTimeout": "1h"}}
    assert teams(**made, consumers={"mail": reading}).broker is not None
    with pytest.raises(ValidationError, match="has no Secret of the stack's broker, which is in shop"):
        teams(**made, consumers={"mail": {**reading, "namespace": "elsewhere"}})
