"""The components that other languages add take plain data, and make what a stack file makes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pulumi
import pytest

from ebbtide.in_process import record, run_in_process
from ebbtide.judgement.findings import SettingsError
from ebbtide.package.components import ConsumerStack, GkeCluster, QueueConsumer
from ebbtide.package.host import Provider
from ebbtide.settings.loading.loader import load_stack, read_stack

ROOT = Path(__file__).parents[2]
WHOLE = ROOT / "examples" / "whole-system"
CLUSTER = {"kind": "existing", "platform": "gkeStandard", "kubernetesVersion": "1.34"}
# As they arrive from the engine: every number is a float.
CONSUMER = {
    "image": "registry.example/consumers/invoices:1",
    "worker": {"kind": "command", "command": ["./worker"], "processes": 4.0},
    "shutdown": {"longestMessage": "90s"},
    "autoscaling": {"kind": "fixed", "replicas": 2.0},
}
GOOGLE = {"project": "acme-production", "region": "europe-west1"}


def consumer(**changes):
    return lambda: QueueConsumer("invoices", {"settings": {**CONSUMER, **changes}, "cluster": CLUSTER}) and None


def findings(program) -> dict[str, str]:
    with pytest.raises(SettingsError) as caught:
        record(program)
    return dict(str(one).split(": ", 1) for one in caught.value.findings)


def test_a_whole_stack_is_what_its_stack_file_makes_below_one_component():
    loaded = read_stack("production", WHOLE)
    settings = {key: value for key, value in loaded.raw.items() if key not in {"name", "google"}}
    made = record(lambda: ConsumerStack("shop", {"settings": settings, "google": GOOGLE}) and None, "production")
    expected = run_in_process(load_stack("production", WHOLE))
    below = {resource.key: resource for resource in made.resources if resource.name != "shop"}
    assert below.keys() == {resource.key for resource in expected.resources}
    for resource in expected.resources:
        parent = resource.parent or "ebbtide:index:ConsumerStack::shop"
        assert below[resource.key] == replace(resource, parent=parent), resource.key


def test_a_consumer_keeps_its_whole_numbers():
    made = record(consumer())
    deployment = next(one for one in made.resources if one.token.endswith(":Deployment"))
    assert deployment.properties["spec"]["replicas"] == 2
    assert not [one for one in made.resources if one.token.endswith(":Namespace")], "the namespace is somebody else's"


def test_an_image_that_the_program_builds_takes_the_place_of_the_one_in_the_settings():
    built = "registry.example/consumers/invoices@sha256:" + "0" * 64

    def program():
        QueueConsumer("invoices", {"settings": CONSUMER, "cluster": CLUSTER, "image": pulumi.Output.from_input(built)})

    deployment = next(one for one in record(program).resources if one.token.endswith(":Deployment"))
    assert deployment.properties["spec"]["template"]["spec"]["containers"][0]["image"] == built


def test_a_cluster_gives_its_name_and_its_kubeconfig():
    settings = {"kind": "gkeAutopilot", "kubernetesVersion": "1.34"}
    made = record(
        lambda: {"name": GkeCluster("cluster", {"settings": settings, "google": GOOGLE}).cluster_name}, "production"
    )
    assert made.outputs == {"name": "${cluster-gke.name}"}


def test_every_mistake_is_told_at_once_under_the_name_of_its_argument():
    found = findings(consumer(worker={"kind": "command", "command": ["./worker"], "processes": "many"}, imgae="x"))
    assert found["settings.worker.processes"].startswith("must be a whole number (got 'many')")
    assert "did you mean image" in found["settings.imgae"]


def test_a_namespace_that_cannot_be_one_is_told_under_its_own_name():
    args = {"settings": CONSUMER, "cluster": CLUSTER, "namespace": "Queues_1"}
    assert list(findings(lambda: QueueConsumer("invoices", args) and None)) == ["namespace"]


def test_an_output_where_rules_need_a_value_is_refused_with_what_to_write():
    def program():
        consumer(shutdown={"longestMessage": pulumi.Output.from_input("90s")})()

    found = findings(program)
    assert "is known only while deploying" in found["settings.shutdown.longestMessage"]


@pytest.mark.parametrize(
    ("key", "remedy"), [("google", "pass `google` beside `settings`"), ("name", "name of the Pulumi stack")]
)
def test_what_is_no_setting_of_a_stack_file_is_refused(key, remedy):
    settings = {"cluster": CLUSTER, key: "x"}
    found = findings(lambda: ConsumerStack("shop", {"settings": settings}) and None)
    assert remedy in found[f"settings.{key}"]


def test_the_schema_has_what_the_components_take_and_give_and_nothing_of_their_insides():
    schema = json.loads(Provider().schema)["resources"]
    assert {
        name.rpartition(":")[2]: (sorted(one["inputProperties"]), sorted(one["properties"]))
        for name, one in schema.items()
    } == {
        "QueueConsumer": (["cluster", "google", "image", "namespace", "settings"], []),
        "GkeCluster": (["google", "settings"], ["clusterName", "kubeconfig"]),
        "ConsumerStack": (["google", "images", "settings"], ["clusterName", "imageRepository", "kubeconfig"]),
    }


def test_the_package_has_the_version_of_the_library():
    from ebbtide import __version__

    assert json.loads(Provider().schema)["version"] == __version__
