"""Resources are registered by token, so no class of the SDK checks their names. This does, for every nested one.

A typo would otherwise be found by Google's API on the day of the deployment, or never: an unknown option of a cluster
that is silently ignored leaves it open.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import typing
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import pulumi
import pytest
from pulumi import _types
from pulumi_kubernetes.apiextensions import CustomResource
from tests.contracts.sdk import arguments_class, inputs_of, members, sdk_class
from tests.manifests.google.cases import STACKS
from tests.readable import readable

from ebbtide.components.register import EXPORTED_OUTPUTS, register
from ebbtide.in_process import InProcessRun, record
from ebbtide.manifests.google.names import GET_PROJECT, GET_SECRETS
from ebbtide.manifests.resource import Join, Lookup, Ref, Resource, Secret, references
from ebbtide.manifests.stack import stack_resources

RESOURCES = {
    f"{name}: {resource.key}": resource
    for name, stack in STACKS.items()
    for resource in stack_resources(stack)
    if resource.package != "ebbtide" and not resource.is_provider
}
GOOGLE = {name: resource for name, resource in RESOURCES.items() if resource.package == "gcp"}
# Kinds that a cluster has by a CustomResourceDefinition: the SDK has one class for all of them.
CUSTOM = (
    *("kubernetes:monitoring.googleapis.com/", "kubernetes:monitoring.coreos.com/"),
    *("kubernetes:secret-sync.gke.io/", "kubernetes:secrets-store.csi.x-k8s.io/", "kubernetes:keda.sh/"),
)


@functools.cache
def required_of(arguments: type) -> set[str]:
    """The inputs without which the SDK's class would refuse to be made."""
    names = _types.input_type_py_to_pulumi_names(arguments)
    parameters = inspect.signature(arguments.__init__).parameters.values()
    return {names[p.name] for p in parameters if p.default is inspect.Parameter.empty and p.name in names}


def problems(value: Any, hint: Any, path: str) -> Iterator[str]:
    """What the SDK's class would not accept about a value."""
    if isinstance(value, Secret):
        value = value.value
    if isinstance(value, (Ref, Join, Lookup)):
        value = "text"
    kinds = list(members(hint))
    nested = [kind for kind in kinds if isinstance(kind, type) and _types.is_input_type(kind)]
    sequences = [kind for kind in kinds if typing.get_origin(kind) in {list, Sequence}]
    mappings = [kind for kind in kinds if typing.get_origin(kind) in {dict, Mapping}]
    if isinstance(value, dict) and nested:
        yield from object_problems(value, nested[0], path)
    elif isinstance(value, dict) and mappings:
        for name, entry in value.items():
            yield from problems(entry, typing.get_args(mappings[0])[1], f"{path}[{name}]")
    elif isinstance(value, list) and sequences:
        for index, entry in enumerate(value):
            yield from problems(entry, typing.get_args(sequences[0])[0], f"{path}[{index}]")
    elif isinstance(value, (dict, list)) or type(value) not in kinds:
        yield f"{path}: {type(value).__name__} where the SDK has {kinds}"


def object_problems(value: Mapping[str, Any], arguments: type, path: str) -> Iterator[str]:
    hints = inputs_of(arguments)
    for name in sorted(required_of(arguments) - set(value)):
        yield f"{path}.{name}: is required"
    for name, entry in value.items():
        if name in hints:
            yield from problems(entry, hints[name], f"{path}.{name}")
        else:
            yield f"{path}.{name}: {arguments.__name__} has no such input"


def found_in(resource: Resource) -> list[str]:
    return list(object_problems(resource.properties, arguments_class(sdk_class(resource.token)), resource.name))


@pytest.mark.parametrize("resource", GOOGLE.values(), ids=GOOGLE)
def test_every_property_is_one_that_the_sdk_has(resource):
    assert found_in(resource) == []


def test_a_wrong_name_type_or_a_missing_input_is_seen_at_any_depth():
    cluster = next(resource for resource in GOOGLE.values() if resource.name == "cluster-gke")
    broken = {
        **cluster.properties,
        "controlPlaneEndpointsConfig": {"dnsEndpointConfig": {"allowExternalTrafic": True}},
        "costManagementConfig": {"enabled": "yes"},
        "secretManagerConfig": {},
        "nodeLocations": "europe-west1-b",
    }
    arguments = arguments_class(sdk_class(cluster.token))
    assert [text.partition(": ")[0] for text in object_problems(broken, arguments, "cluster")] == [
        "cluster.controlPlaneEndpointsConfig.dnsEndpointConfig.allowExternalTrafic",
        "cluster.costManagementConfig.enabled",
        "cluster.secretManagerConfig.enabled",
        "cluster.nodeLocations",
    ]


@pytest.mark.parametrize("resource", RESOURCES.values(), ids=RESOURCES)
def test_every_output_that_is_referred_to_is_one_that_the_sdk_has(resource):
    for ref in references(resource.properties):
        token, _, _ = ref.resource.rpartition("::")
        outputs = set(_types.resource_pulumi_to_py_names(sdk_class(token)))
        assert ref.output.partition(".")[0] in outputs | {"id"}


@pytest.mark.parametrize("token", EXPORTED_OUTPUTS)
def test_what_components_hand_on_is_an_output_of_the_resource(token):
    assert set(EXPORTED_OUTPUTS[token]) <= set(_types.resource_pulumi_to_py_names(sdk_class(token)))


def test_the_function_that_gives_the_project_number_is_that_of_the_sdk():
    module = importlib.import_module("pulumi_gcp.organizations.get_project")
    assert GET_PROJECT in inspect.getsource(module)
    assert {"number"} <= set(_types.output_type_types(module.GetProjectResult))


def test_the_function_that_lists_secrets_is_that_of_the_sdk():
    module = importlib.import_module("pulumi_gcp.secretmanager.get_secrets")
    assert GET_SECRETS in inspect.getsource(module)
    assert {"filter", "project"} <= set(inspect.signature(module.get_secrets).parameters)
    assert "secrets" in _types.output_type_types(module.GetSecretsResult)
    told = importlib.import_module("pulumi_gcp.secretmanager.outputs").GetSecretsSecretResult
    assert {"secretId", "effectiveLabels"} <= set(_types.output_type_types(told))


@pytest.mark.parametrize(
    "token",
    sorted({r.token for r in RESOURCES.values() if r.package == "kubernetes" and not r.token.startswith(CUSTOM)}),
)
def test_every_kubernetes_token_is_that_of_the_sdks_class(token):
    assert sdk_class(token).__name__ == token.rpartition(":")[2]


def registered_by_class(resource: Resource) -> InProcessRun:
    """The same inputs, given to the SDK's class as somebody without ebbtide would."""
    if resource.token.startswith(CUSTOM):
        inputs = dict(readable(resource).properties)
        version, kind = inputs.pop("apiVersion"), inputs.pop("kind")
        return record(lambda: {"made": CustomResource(resource.name, version, kind, **inputs).urn})
    of_sdk = sdk_class(resource.token)
    names = _types.resource_pulumi_to_py_names(of_sdk)
    values = readable(resource).properties
    # `compat` of a Release is no argument: the class sends it by itself.
    inputs = {names[name]: value for name, value in values.items() if name != "compat"}

    def given(value: Any) -> Any:
        return pulumi.Output.secret(value.value) if isinstance(value, Secret) else value

    def program() -> None:
        of_sdk(resource.name, **{n: given(v) for n, v in inputs.items() if n not in {"api_version", "kind"}})

    return record(program)


def registered_by_token(resource: Resource) -> InProcessRun:
    def program() -> None:
        register([replace(readable(resource), parent=None, provider=None, depends_on=())])

    return record(program)


ONE_OF_EACH = {r.token: r for r in RESOURCES.values() if not r.token.startswith(CUSTOM)}


@pytest.mark.parametrize("resource", ONE_OF_EACH.values(), ids=ONE_OF_EACH)
def test_a_registration_by_token_is_on_the_wire_what_the_sdks_class_makes_of_it(resource):
    by_class, by_token = registered_by_class(resource), registered_by_token(resource)
    (theirs,), (ours,) = by_class.resources, by_token.resources
    assert ours.properties == theirs.properties
    assert ours.token == theirs.token
    assert set(ours.secret_outputs) >= set(theirs.secret_outputs), "what the class encrypts would lie open in the state"
    assert by_token.plugin_versions == by_class.plugin_versions, "another plugin would manage it"
