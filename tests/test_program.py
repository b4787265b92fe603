"""The same program, however it is run, registers the same resources with the same options."""

from __future__ import annotations

import asyncio
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pulumi
import pytest
from tests.manifests.google.cases import CONSUMER, STACKS, stack
from tests.readable import readable

from ebbtide.in_process import record, run_in_process
from ebbtide.judgement.findings import SettingsError
from ebbtide.manifests.resource import Resource, Secret, to_json
from ebbtide.manifests.stack import stack_resources
from ebbtide.program import deploy, run
from ebbtide.settings.loading.loader import load_stack
from ebbtide.settings.loading.project import stack_names
from ebbtide.settings.models.lookup import keys_of
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.rules.check import check_stack

ROOT = Path(__file__).parents[1]
CLUSTER_ONLY = STACKS["standard"].model_copy(update={"consumers": {}})
ALL_STACKS = {
    **{name: load_stack(name, ROOT) for name in stack_names(ROOT)},
    **STACKS,
    "a cluster for other stacks": CLUSTER_ONLY,
}
HPA = {
    "kind": "hpa",
    "maxReplicas": 5,
    "metrics": [{"kind": "external", "metric": "backlog", "targetAverageValue": "30"}],
}


def planned(settings: StackSettings) -> dict[str, Resource]:
    return {resource.key: readable(resource) for resource in stack_resources(settings)}


@pytest.fixture(scope="module", params=ALL_STACKS)
def settings(request: pytest.FixtureRequest) -> StackSettings:
    return ALL_STACKS[request.param]


def test_what_is_registered_is_what_the_data_says_inputs_and_options(settings):
    registered = {resource.key: resource for resource in run_in_process(settings).resources}
    expected = planned(settings)
    assert set(registered) == set(expected)
    for key, resource in expected.items():
        assert registered[key] == resource, f"a reviewer of {key} would be shown something else than is deployed"


def test_no_two_resources_of_a_stack_share_a_key(settings):
    keys = [resource.key for resource in stack_resources(settings)]
    assert len(keys) == len(set(keys))


def test_every_reference_is_to_a_resource_that_comes_earlier(settings):
    seen: set[str] = set()
    for resource in stack_resources(settings):
        named = {resource.parent, resource.provider, *resource.depends_on} - {None}
        assert named <= seen, f"{resource.key} needs what is not there yet"
        seen.add(resource.key)


def test_every_plugin_is_asked_for_in_the_version_of_the_installed_sdk(settings):
    versions = run_in_process(settings).plugin_versions
    assert versions == {package: {version(f"pulumi-{package}")} for package in versions}
    assert ("kubernetes" in versions) == bool(settings.consumers)


def test_a_kubeconfig_is_a_secret_everywhere():
    result = run_in_process(ALL_STACKS["production"])
    provider = next(resource for resource in result.resources if resource.is_provider)
    assert isinstance(provider.properties["kubeconfig"], Secret)
    assert isinstance(result.outputs["kubeconfig"], Secret), "`pulumi stack output` would print it"
    assert to_json(provider)["properties"]["kubeconfig"] == "[secret]"


def test_a_kubeconfig_logs_in_by_plugin_over_the_dns_name():
    provider = planned(ALL_STACKS["production"])["pulumi:providers:kubernetes::cluster-kubernetes"]
    kubeconfig = json.loads(provider.properties["kubeconfig"].value)
    assert kubeconfig["users"][0]["user"]["exec"]["command"] == "gke-gcloud-auth-plugin"
    server = kubeconfig["clusters"][0]["cluster"]["server"]
    assert server == "https://${cluster-gke.controlPlaneEndpointsConfig.dnsEndpointConfig.endpoint}"


@pytest.mark.parametrize(
    ("cluster", "identifier"),
    [
        ({"kind": "gkeStandard"}, "${cluster-gke.id}"),
        ({"kind": "existing"}, "ebbtide-shop"),
        ({"kind": "existing", "context": "kind-lab"}, "ebbtide-shop"),
        ({"kind": "existing", "dnsEndpoint": "gke-1.europe-west1.gke.goog"}, "gke-1.europe-west1.gke.goog"),
        ({"kind": "existing", "context": "kind-lab", "identifier": "lab"}, "lab"),
    ],
)
def test_a_changed_kubeconfig_does_not_make_it_another_cluster(cluster, identifier):
    provider = planned(stack(cluster))["pulumi:providers:kubernetes::cluster-kubernetes"]
    assert provider.properties["clusterIdentifier"] == identifier, "every object would be replaced"


def test_consumers_leave_before_the_nodes_they_run_on():
    resources = planned(ALL_STACKS["production"])
    provider = resources["pulumi:providers:kubernetes::cluster-kubernetes"]
    assert provider.depends_on == ("gcp:container/nodePool:NodePool::cluster-consumers-node-pool",)
    objects = [resource for resource in resources.values() if resource.token.startswith("kubernetes:")]
    assert {resource.provider for resource in objects} == {provider.key}


def test_protect_covers_what_holds_data_or_capacity():
    protected = {resource.name for resource in planned(ALL_STACKS["production"]).values() if resource.protect}
    assert protected == {
        "cluster-gke",
        "cluster-network",
        "cluster-subnetwork",
        "cluster-consumers-node-pool",
        "consumers-repository",
    }
    assert not any(resource.protect for resource in stack_resources(ALL_STACKS["dev"]))


def test_an_autoscaler_owns_the_number_of_pods_and_the_engine_never_touches_it():
    scaled = stack({"kind": "gkeStandard"}, consumers={"githubevents": {**CONSUMER, "autoscaling": HPA}})
    deployment = planned(scaled)["kubernetes:apps/v1:Deployment::githubevents-deployment"]
    assert "replicas" not in deployment.properties["spec"]
    assert deployment.ignore_changes == ("spec.replicas",), "going from fixed 5 to an HPA would drain four pods"


def test_a_fixed_number_of_pods_is_the_settings_business():
    fixed = planned(STACKS["standard"])["kubernetes:apps/v1:Deployment::githubevents-deployment"]
    assert fixed.properties["spec"]["replicas"] == 2
    assert fixed.ignore_changes == ()
    assert fixed.properties["metadata"]["annotations"]["pulumi.com/patchForce"] == "true"


@pytest.mark.parametrize(("longest", "grace"), [("20s", 50), ("200s", 230)])
def test_a_deletion_is_waited_for_as_long_as_the_grace_and_a_roll_out_is_not(longest, grace):
    settings = stack({"kind": "gkeStandard"}, consumers={"a": {**CONSUMER, "shutdown": {"longestMessage": longest}}})
    timeouts = planned(settings)["kubernetes:apps/v1:Deployment::a-deployment"].timeouts
    assert timeouts.delete_seconds == grace + 120
    assert timeouts.create_seconds == 240 + 240 + 120
    assert timeouts.update_seconds == 240 + 2 * (240 + 120)


def test_a_roll_out_of_many_pods_is_given_time_for_every_batch():
    many = {**CONSUMER, "autoscaling": {"kind": "fixed", "replicas": 40}}
    deployment = planned(stack({"kind": "existing"}, consumers={"a": many}))[
        "kubernetes:apps/v1:Deployment::a-deployment"
    ]
    assert deployment.timeouts.update_seconds == 240 + 10 * (240 + 120)


def test_an_image_that_is_only_known_while_deploying_replaces_that_of_the_settings():
    settings = STACKS["existing"]
    image = "registry.example/built@sha256:" + "0" * 64

    def program() -> dict[str, Any]:
        return deploy(settings, {"images": {"githubevents": pulumi.Output.from_input(image)}}).outputs

    deployment = next(r for r in record(program).resources if r.token == "kubernetes:apps/v1:Deployment")
    assert deployment.properties["spec"]["template"]["spec"]["containers"][0]["image"] == image
    assert settings.consumers["githubevents"].image != image


def test_a_run_leaves_nothing_behind_and_sees_nothing_of_another():
    before = (pulumi.get_project(), pulumi.get_stack())
    first, again = run_in_process(STACKS["existing"]), run_in_process(STACKS["existing"])
    assert first == again
    assert pulumi.runtime.get_root_resource() is None
    assert (pulumi.get_project(), pulumi.get_stack()) == before, "the next program would think that it is in this stack"
    with pytest.raises(RuntimeError):
        asyncio.get_event_loop()


def test_a_program_that_fails_says_so():
    def program() -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        record(program)


def engine_config(monkeypatch: pytest.MonkeyPatch, config: dict[str, str], secrets: tuple[str, ...] = ()) -> None:
    """What the engine hands over: every value as text."""
    monkeypatch.setattr(pulumi.runtime, "get_config_env", lambda: config)
    monkeypatch.setattr(pulumi.runtime, "is_config_secret", lambda key: key in secrets)


CONFIG = {
    "ebbtide:cluster": json.dumps({"kind": "existing"}),
    "ebbtide:consumers": json.dumps({"githubevents": CONSUMER}),
    "ebbtide:namespace": "queues",
    "ebbtide:protect": "true",
    "gcp:project": "acme-shop",
    "gcp:region": "europe-west1",
    # Of other programs: what begins as JSON, and is none.
    "myapp:banner": "[hello] world",
    "myapp:greeting": "{name}, welcome",
}


def test_the_engine_hands_over_texts_and_the_program_reads_them(monkeypatch, tmp_path):
    engine_config(monkeypatch, CONFIG)
    (tmp_path / "Pulumi.yaml").write_text("name: shop\n")
    result = record(lambda: run(tmp_path), "shop")
    expected = stack({"kind": "existing"}, imageRepository=None, namespace="queues", protect=True)
    assert {resource.key: resource for resource in result.resources} == planned(expected)


@pytest.mark.parametrize(
    ("config", "secrets", "parts"),
    [
        ({**CONFIG, "ebbtide:consumers": '{"a": {"imag": 1}}'}, (), ["consumers.a.imag", "did you mean image?"]),
        ({**CONFIG, "ebbtide:cluster": "{}"}, (), ["cluster.kind"]),
        ({**CONFIG, "ebbtide:namespace": "[hello] world"}, (), ["namespace", "[hello] world"]),
        ({**CONFIG, "ebbtide:consumers": "{githubevents"}, (), ["consumers"]),
        (CONFIG, ("ebbtide:consumers",), ["ebbtide:consumers", "encrypted"]),
    ],
)
def test_wrong_settings_are_one_diagnostic_of_the_engine(monkeypatch, tmp_path, config, secrets, parts):
    engine_config(monkeypatch, config, secrets)
    (tmp_path / "Pulumi.yaml").write_text("name: shop\n")
    with pytest.raises(pulumi.RunError) as caught:
        record(lambda: run(tmp_path), "shop")
    assert all(part in str(caught.value) for part in parts)
    assert caught.value.__cause__ is None, "the engine would print a traceback"


def test_one_short_stack_file_is_the_whole_system_and_passes_every_check() -> None:
    root = ROOT / "examples" / "whole-system"
    assert len((root / "stacks" / "Pulumi.production.yaml").read_text().splitlines()) <= 30
    settings = load_stack("production", root)
    assert [finding for finding in check_stack(settings) if not finding.accepted] == []
    made = {resource.token.rpartition(":")[2] for resource in run_in_process(settings).resources}
    assert made >= {"Cluster", "Instance", "SecretSync", "ScaledObject", "Deployment", "AlertPolicy", "Dashboard"}


@pytest.mark.parametrize("key", sorted(set(keys_of(StackSettings))))
def test_every_setting_of_a_stack_can_be_written_in_its_file(key: str, tmp_path: Path) -> None:
    """A setting that only Python can reach is none: `observability` was one."""
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text(f"config:\n  ebbtide:{key}: 17\n")
    with pytest.raises(SettingsError) as refused:
        load_stack("dev", tmp_path)
    assert not [str(one) for one in refused.value.findings if f"ebbtide:{key}: is not a setting" in str(one)]
