"""What every component keeps: a user of one knows all of them."""

from __future__ import annotations

import inspect
import re
import typing
from collections.abc import Callable
from typing import Any

import pulumi
import pytest
from tests.manifests.google.cases import CONSUMER, STACKS, stack

from ebbtide import components
from ebbtide.in_process import InProcessRun, record
from ebbtide.judgement.findings import SettingsError

COMPONENTS = {
    name: value
    for name, value in vars(components).items()
    if inspect.isclass(value) and issubclass(value, pulumi.ComponentResource)
}
STANDARD, EXISTING = STACKS["standard, everything"], STACKS["existing"]
HPA = {"kind": "hpa", "maxReplicas": 5, "metrics": [{"kind": "cpu", "targetAverageValue": "200m"}]}
SCALED = stack({"kind": "existing"}, consumers={"githubevents": {**CONSUMER, "autoscaling": HPA}})
WITH_KEDA = stack({"kind": "existing", "keda": {}})

# How each is made under a name of the caller's. One that is missing here fails the tests below.
MAKE: dict[str, Callable[[str, pulumi.ResourceOptions], Any]] = {
    "GkeCluster": lambda name, opts: components.GkeCluster(name, {"settings": STANDARD}, opts),
    "ExistingCluster": lambda name, opts: components.ExistingCluster(name, {"settings": EXISTING}, opts),
    "ImageRepository": lambda name, opts: components.ImageRepository(name, {"settings": STANDARD}, opts),
    "Broker": lambda name, opts: components.Broker(name, {"settings": STACKS["cloud sql, everything"]}, opts),
    "ConsumerNamespace": lambda name, opts: components.ConsumerNamespace(name, {"settings": EXISTING}, opts),
    "Keda": lambda name, opts: components.Keda(name, {"settings": WITH_KEDA}, opts),
    "Observability": lambda name, opts: components.Observability(name, {"settings": STACKS["watched by Google"]}, opts),
    "QueueConsumer": lambda name, opts: components.QueueConsumer(
        name, {"settings": EXISTING, "consumer": "githubevents"}, opts
    ),
}


def made(name: str, logical: str = "mine", **options: Any) -> tuple[InProcessRun, Any]:
    built = []

    def program() -> None:
        built.append(MAKE[name](logical, pulumi.ResourceOptions(**options)))

    return record(program), built[0]


@pytest.fixture(params=COMPONENTS)
def component(request: pytest.FixtureRequest) -> str:
    return request.param


def test_all_components_are_known():
    assert set(COMPONENTS) == set(MAKE)


def test_the_token_is_the_package_and_the_name_of_the_class(component):
    result, _ = made(component)
    assert f"ebbtide:index:{component}::mine" in {resource.key for resource in result.resources}
    assert re.fullmatch(r"[A-Z][A-Za-z]+", component)
    assert not component.endswith("Component")


def test_arguments_are_a_typed_dict_named_after_the_component(component):
    parameters = list(inspect.signature(COMPONENTS[component].__init__).parameters)
    assert parameters == ["self", "name", "args", "opts"]
    arguments = typing.get_type_hints(COMPONENTS[component].__init__)["args"]
    assert typing.is_typeddict(arguments)
    assert arguments.__name__ == f"{component}Args"
    assert arguments is getattr(components, f"{component}Args"), "a user could not name the type of her arguments"


def test_every_input_is_described(component):
    source = inspect.getsource(getattr(components, f"{component}Args"))
    fields = re.findall(r"^    (\w+): .*\n    \"\"\"", source, re.MULTILINE)
    assert set(fields) == set(getattr(components, f"{component}Args").__annotations__)


def test_what_it_makes_is_named_after_it_and_is_its_child(component):
    result, _ = made(component)
    parts = [resource for resource in result.resources if resource.package != "ebbtide"]
    assert parts or component == "ExistingCluster"
    for resource in parts:
        assert resource.name.startswith("mine-"), "two of them in one program would collide"
        assert resource.parent is not None, "it would stand beside its component in every tree"
        assert resource.parent.startswith("ebbtide:index:")
        assert resource.parent.endswith("::mine")


def test_two_in_one_program_do_not_collide(component):
    def program() -> None:
        for name in ("one", "two"):
            MAKE[component](name, pulumi.ResourceOptions())

    keys = [resource.key for resource in record(program).resources]
    assert len(keys) == len(set(keys))


def test_whoever_protects_a_component_protects_what_is_in_it(component):
    result, _ = made(component, protect=True)
    assert all(resource.protect for resource in result.resources)


def test_outputs_are_registered_once_and_last(component, monkeypatch):
    registered: list[str] = []
    original = pulumi.ComponentResource.register_outputs

    def count(self: pulumi.ComponentResource, outputs: Any) -> None:
        if self.pulumi_resource_type.startswith("ebbtide:"):
            registered.append(self.pulumi_resource_type)
        original(self, outputs)

    monkeypatch.setattr(pulumi.ComponentResource, "register_outputs", count)
    made(component)
    assert registered.count(f"ebbtide:index:{component}") == 1, "it would stay `creating` in every display"


REFUSED = {
    "GkeCluster of an existing one": (
        lambda: components.GkeCluster("c", {"settings": EXISTING}),
        ["cluster.kind", "ExistingCluster"],
    ),
    "ExistingCluster that is made": (
        lambda: components.ExistingCluster("c", {"settings": STANDARD}),
        ["cluster.kind", "GkeCluster"],
    ),
    "ImageRepository without one": (
        lambda: components.ImageRepository("r", {"settings": STACKS["identities"]}),
        ["imageRepository", "imageRepository: {}"],
    ),
    "Keda that nobody asked for": (
        lambda: components.Keda("k", {"settings": EXISTING}),
        ["cluster.keda", "version"],
    ),
    "Keda without the cluster whose network it opens": (
        lambda: components.Keda("k", {"settings": STACKS["scaled by KEDA"]}),
        ["cluster", "pass the GkeCluster"],
    ),
    "Observability that nobody asked for": (
        lambda: components.Observability("o", {"settings": EXISTING}),
        ["observability", "kind: managedPrometheus"],
    ),
    "QueueConsumer that is none": (
        lambda: components.QueueConsumer("mails", {"settings": EXISTING}),
        ["consumers.mails", "githubevents"],
    ),
}


@pytest.mark.parametrize(("make", "parts"), REFUSED.values(), ids=REFUSED)
def test_a_wrong_use_is_refused_with_what_to_do(make, parts):
    with pytest.raises(SettingsError) as caught:
        record(lambda: {"made": make().urn})
    assert all(part in str(caught.value) for part in parts), str(caught.value)


def test_a_consumer_brings_what_owns_the_number_of_its_pods():
    made_from = {"settings": SCALED, "consumer": "githubevents"}
    scaled = record(lambda: {"made": components.QueueConsumer("mine", made_from).urn})
    (hpa,) = [one for one in scaled.resources if one.token.endswith(":HorizontalPodAutoscaler")]
    assert hpa.parent == "ebbtide:index:ConsumerAutoscaler::mine"
    assert any(one.key == "ebbtide:index:ConsumerAutoscaler::mine" for one in scaled.resources)
