"""Two lists of resources are compared as the engine would plan the step between them."""

from __future__ import annotations

from typing import Any

import pytest

from ebbtide.preview.change import Operation
from ebbtide.preview.sources.compare import compare

DEPLOYMENT = "kubernetes:apps/v1:Deployment"


def deployment(namespace: str, replicas: int | None, *ignored: str) -> dict[str, Any]:
    spec: dict[str, Any] = {"template": {}} if replicas is None else {"template": {}, "replicas": replicas}
    properties = {"metadata": {"name": "orders", "namespace": namespace}, "spec": spec}
    return {"type": DEPLOYMENT, "name": "orders", "properties": properties, "options": {"ignoreChanges": [*ignored]}}


@pytest.mark.parametrize(
    ("namespace", "operation", "paths"),
    [
        # Updated in place, the number stays what it was.
        ("shop", Operation.UPDATE, []),
        # Made anew, it is made of what the program says, and begins with one pod.
        ("other", Operation.REPLACE, ["metadata.namespace", "spec.replicas"]),
    ],
)
def test_a_number_that_is_left_alone_is_kept_by_an_update_and_not_by_a_replacement(
    namespace: str, operation: Operation, paths: list[str]
) -> None:
    before, after = deployment("shop", 3), deployment(namespace, None, "spec.replicas")
    ((change,), _) = compare([before], [after])
    assert change.operation is operation
    assert [".".join(map(str, found.path)) for found in change.properties] == paths
