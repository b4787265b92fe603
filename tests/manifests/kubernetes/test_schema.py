"""What the API server's own schema refuses never leaves this project."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest
from tests.kubernetes_schema import NEWEST_VERSION, check_schema

from ebbtide.manifests.kubernetes import Manifest, stack_manifests
from ebbtide.settings.loading.loader import load_stack
from ebbtide.settings.loading.project import stack_names

ROOT = Path(__file__).parents[3]
KEDA = "keda.sh/"
# The oldest version we support, and the newest the validator knows.
VERSIONS = ("1.34", kubernetes_validate.latest_version())


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("stack", stack_names(ROOT))
def test_every_manifest_of_every_stack_passes_the_schema(stack: str, version: str) -> None:
    manifests = stack_manifests(load_stack(stack, ROOT))
    kinds = {manifest["kind"] for manifest in manifests}
    assert kinds >= {"Namespace", "Deployment"}
    assert kinds & {"HorizontalPodAutoscaler", "ScaledObject"}, "nothing that scales was looked at"
    for manifest in manifests:
        if manifest["apiVersion"].startswith(KEDA):
            # KEDA's definitions are one for all versions of Kubernetes.
            check_schema(manifest, NEWEST_VERSION)
            continue
        used = kubernetes_validate.validate(manifest, version, strict=True)
        assert used == ".".join(version.split(".")[:2]), "an older schema was used than the one asked for"


def _object(kind: str) -> Manifest:
    manifests = stack_manifests(load_stack("dev", ROOT))
    return copy.deepcopy(next(manifest for manifest in manifests if manifest["kind"] == kind))


def _capital_lifecycle(deployment: Any) -> None:
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container["Lifecycle"] = container.pop("lifecycle")


def _old_utilization(hpa: Any) -> None:
    hpa["spec"]["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "targetAverageUtilization": 60}}]


@pytest.mark.parametrize(
    ("kind", "spoil"),
    [
        ("Deployment", _capital_lifecycle),  # kubectl drops it silently: no hook at all (measured)
        ("HorizontalPodAutoscaler", _old_utilization),  # autoscaling/v1's word
    ],
)
def test_the_schema_check_notices_the_mistakes_of_the_published_recipe(kind: str, spoil: Any) -> None:
    manifest = _object(kind)
    spoil(manifest)
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(manifest, "1.34", strict=True)
