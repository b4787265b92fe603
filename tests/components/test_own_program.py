"""The example in examples/own-program works: ebbtide's components in a program that is not ebbtide's."""

from __future__ import annotations

import json
import runpy
import warnings
from pathlib import Path

import pulumi
import pytest

from ebbtide.in_process import InProcessRun, record
from ebbtide.manifests.resource import Secret
from ebbtide.settings.loading.yaml import read_yaml

EXAMPLE = Path(__file__).parents[2] / "examples" / "own-program"


@pytest.fixture(scope="module")
def result() -> InProcessRun:
    file = EXAMPLE / "Pulumi.dev.yaml"
    config = {key: json.dumps(value) for key, value in read_yaml(file, file)["config"].items()}

    def program() -> None:
        pulumi.runtime.set_all_config({**config, "shop:kubeconfig": "token: hunter2"}, ["shop:kubeconfig"])
        with warnings.catch_warnings():
            # The SDK warns about its own deprecated classes when they are imported.
            warnings.simplefilter("ignore", DeprecationWarning)
            runpy.run_path(str(EXAMPLE / "__main__.py"), run_name="__main__")

    return record(program, project="shop")


def test_the_consumer_and_its_namespace_are_made(result):
    assert [resource.name for resource in result.resources if resource.package == "ebbtide"] == ["queues", "invoices"]
    assert {resource.token.rpartition(":")[2] for resource in result.resources if resource.package == "kubernetes"} >= {
        "Namespace",
        "Deployment",
        "PodDisruptionBudget",
        "NetworkPolicy",
        "ServiceAccount",
    }


def test_every_object_uses_the_provider_of_the_program(result):
    objects = [resource for resource in result.resources if resource.token.startswith("kubernetes:")]
    assert {resource.provider for resource in objects} == {"pulumi:providers:kubernetes::cluster"}


def test_the_consumer_waits_for_its_namespace(result):
    deployment = next(resource for resource in result.resources if resource.name == "invoices-deployment")
    assert deployment.depends_on == ("kubernetes:core/v1:Namespace::queues-namespace",)


def test_the_programs_secret_stays_one(result):
    provider = next(resource for resource in result.resources if resource.is_provider)
    assert isinstance(provider.properties["kubeconfig"], Secret)
    others = str([resource for resource in result.resources if not resource.is_provider])
    assert "hunter2" not in others
