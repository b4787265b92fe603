"""A namespace that others use stays theirs."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError
from tests.settings.conftest import CONSUMER

from ebbtide.manifests.kubernetes import stack_manifests
from ebbtide.manifests.stack import compose
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
    assert plan.namespace is None
    known = {resource.key for resource in plan}
    assert [key for resource in plan for key in resource.depends_on if key not in known] == []


def test_a_namespace_of_ours_is_left_behind_because_others_may_have_put_something_there():
    plan = compose(stack("shop"))
    assert plan.namespace is not None
    (namespace,) = [part for part in plan.namespace.parts if part.token.endswith(":Namespace")]
    assert namespace.retain_on_delete
