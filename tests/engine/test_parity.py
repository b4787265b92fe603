"""The in-process engine registers what the real one is asked to register: resources, inputs and options."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from pulumi.runtime.rpc import UNKNOWN
from tests.engine.conftest import STACKS, ProjectFactory
from tests.engine.project import Project
from tests.engine.requests import LOG_VARIABLE, Registration, registrations

from ebbtide.in_process import _resource_of, run_in_process
from ebbtide.manifests.resource import Resource, Secret
from ebbtide.settings.loading.loader import load_stack

pytestmark = pytest.mark.engine

URNS = Path(__file__).parent / "urns"
# What `_resource_of` reads, and what the SDK says of itself in every request.
_COMPARED = {
    *("type", "name", "object", "parent", "provider", "dependencies", "propertyDependencies", "protect"),
    *("deleteBeforeReplace", "retainOnDelete", "ignoreChanges", "customTimeouts", "aliases", "additionalSecretOutputs"),
}
_OF_THE_SDK = {
    *("custom", "version", "acceptSecrets", "acceptResources", "supportsPartialValues", "supportsResultReporting"),
    *("aliasSpecs", "deleteBeforeReplaceDefined", "sourcePosition", "stackTrace", "packageRef"),
    # A component's; compared is the one that each of its resources takes of them.
    "providers",
}
_REFERENCE = re.compile(r"\$\{([^}]*)\}")


@pytest.fixture(scope="module")
def registered(
    tmp_path_factory: pytest.TempPathFactory, installation: dict[str, str]
) -> Mapping[str, list[Registration]]:
    """What the program registers under the engine, by stack."""
    return {stack: _registered(tmp_path_factory.mktemp(stack) / stack, installation, stack) for stack in STACKS}


def _registered(directory: Path, installation: dict[str, str], stack: str) -> list[Registration]:
    project = Project(directory, installation, stack)
    log = directory / "requests.jsonl"
    project.environment[LOG_VARIABLE] = str(log)
    project.preview()
    return registrations(log)


@pytest.mark.parametrize("stack", STACKS)
def test_both_ways_of_running_register_the_same_inputs_and_options(
    registered: Mapping[str, list[Registration]], stack: str
) -> None:
    engine = {
        resource.key: resource
        for resource in (_resource_of(registration.request) for registration in registered[stack])
        if resource.token != "pulumi:pulumi:Stack"
    }
    recorded = {resource.key: resource for resource in run_in_process(load_stack(stack, _root())).resources}
    in_process = {key: _as_in_a_preview(resource, recorded) for key, resource in recorded.items()}
    assert engine.keys() == in_process.keys(), "`ebbtide preview` shows other resources than `pulumi up` makes"
    different = {key: (engine[key], in_process[key]) for key in engine if engine[key] != in_process[key]}
    assert not different, "`ebbtide preview` shows other inputs or options than `pulumi up` uses"


@pytest.mark.parametrize("stack", STACKS)
def test_no_option_is_used_that_the_comparison_would_not_see(
    registered: Mapping[str, list[Registration]], stack: str
) -> None:
    """`deletedWith`, `retainOnDelete` and the like: whoever begins to use one lets `_resource_of` read it."""
    fields = [entry for found in registered[stack] for entry in found.request.ListFields()]
    used = {field.name for field, value in fields if not isinstance(value, Message) or value.ListFields()}
    assert used <= _COMPARED | _OF_THE_SDK


@pytest.mark.parametrize("stack", STACKS)
def test_the_options_that_protect_consumers_reach_the_engine(
    registered: Mapping[str, list[Registration]], stack: str
) -> None:
    """Parity alone would hold if both ways lost them."""
    by_type = {registration.request.type: registration.request for registration in registered[stack]}
    deployment = by_type["kubernetes:apps/v1:Deployment"]
    assert list(deployment.ignoreChanges) == ["spec.replicas"], "the autoscaler and the engine fight for the replicas"
    assert deployment.customTimeouts.create, "an image that cannot be pulled is waited for as long as a default says"
    for kind, request in by_type.items():
        if kind.startswith(("kubernetes:", "gcp:", "pulumi:providers:")):
            assert request.version, f"{kind} takes whatever plugin is newest on the machine"
    if stack == "production":
        assert by_type["gcp:container/cluster:Cluster"].protect, "one `pulumi destroy` deletes production's cluster"


@pytest.mark.parametrize("stack", STACKS)
def test_no_released_resource_is_replaced_because_its_name_has_changed(
    registered: Mapping[str, list[Registration]], stack: str, request: pytest.FixtureRequest
) -> None:
    """A resource with another URN is another resource: the old one is deleted, its consumers with it."""
    present = {registration.urn for registration in registered[stack]}
    earlier = {urn for registration in registered[stack] for urn in registration.earlier_urns}
    file = URNS / f"{stack}.txt"
    if request.config.getoption("--release-urns"):
        URNS.mkdir(exist_ok=True)
        file.write_text("".join(f"{urn}\n" for urn in sorted(present)))
    released = set(file.read_text().split())
    assert not released - present - earlier, (
        "a release would delete these of everybody who has deployed: give their successors an alias, "
        "or refresh the list with --release-urns if the deletion is meant"
    )
    assert not present - released - earlier, "new resources: add them to the released list with --release-urns"


def test_an_alias_covers_a_renamed_resource(offline_project: ProjectFactory, tmp_path: Path) -> None:
    project = offline_project("local")
    project.replace_in(
        "infra/ebbtide/manifests/kubernetes_resource.py",
        'name=f"{component.name}-{of_kind if name == physical else name}",',
        'name=f"{component.name}-{of_kind if name == physical else name}-renamed",\n'
        '        aliases=(f"{component.name}-{of_kind if name == physical else name}",),',
    )
    project.environment[LOG_VARIABLE] = str(tmp_path / "requests.jsonl")
    project.preview()
    found = registrations(tmp_path / "requests.jsonl")
    released = set((URNS / "local.txt").read_text().split())
    renamed = released - {registration.urn for registration in found}
    assert len(renamed) == 7, "the objects in the cluster were renamed"
    assert renamed <= {urn for registration in found for urn in registration.earlier_urns}


def _root() -> Path:
    return Path(__file__).parents[2]


def _as_in_a_preview(resource: Resource, all_of_them: Mapping[str, Resource]) -> Resource:
    """References as the engine sends them in a preview: an output that repeats an input is known, others are not."""
    by_name = {other.name: other.properties for other in all_of_them.values() if other.package != "ebbtide"}
    return replace(resource, properties=_resolved(resource.properties, by_name))


def _resolved(value: Any, known: Mapping[str, Mapping[str, Any]]) -> Any:
    if isinstance(value, Secret):
        return Secret(_resolved(value.value, known))
    if isinstance(value, Mapping):
        return {key: _resolved(entry, known) for key, entry in value.items()}
    if isinstance(value, list):
        return [_resolved(entry, known) for entry in value]
    if not isinstance(value, str) or not _REFERENCE.search(value):
        return value
    found = _REFERENCE.sub(lambda match: _known(match[1], known) or UNKNOWN, value)
    return UNKNOWN if UNKNOWN in found else found


def _known(reference: str, known: Mapping[str, Mapping[str, Any]]) -> str | None:
    name, _, output = reference.partition(".")
    value = known.get(name, {}).get(output)
    return value if isinstance(value, str) and not _REFERENCE.search(value) else None
