"""Everything that the data of a resource says reaches the engine."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from tests.readable import readable

from ebbtide.components.register import register
from ebbtide.in_process import record
from ebbtide.manifests.document import OptionsDocument
from ebbtide.manifests.resource import Join, Ref, Resource, Secret, Timeouts, to_json

ROUTER = Resource(token="gcp:compute/router:Router", name="router", properties={"network": "default"})
EVERYTHING = Resource(
    token="gcp:compute/routerNat:RouterNat",
    name="nat",
    properties={
        "router": ROUTER.ref("name"),
        "name": Join(("nat-of-", ROUTER.ref("name"), "!")),
        "natIps": [{"inside": ROUTER.ref("id")}, "plain"],
        "region": Secret(Join(("hidden-", ROUTER.ref("name")))),
        "minPortsPerVm": 64,
        "logConfig": {"enable": True},
    },
    depends_on=("gcp:compute/network:Network::network",),
    protect=True,
    delete_before_replace=True,
    retain_on_delete=True,
    ignore_changes=("natIps", "region"),
    timeouts=Timeouts(create_seconds=1, update_seconds=2, delete_seconds=3),
    aliases=("old", "older"),
    secret_outputs=("a", "b"),
)
NETWORK = Resource(token="gcp:compute/network:Network", name="network", properties={"name": "n"})


def test_every_option_and_every_kind_of_value_arrives():
    result = record(lambda: {} if register([ROUTER, NETWORK, EVERYTHING]) else None)
    nat = next(resource for resource in result.resources if resource.name == "nat")
    assert nat == readable(EVERYTHING)


def test_the_test_above_sets_every_option_there_is():
    default = Resource(token="a:b:C", name="c")
    unset = {
        field.name for field in fields(Resource) if getattr(EVERYTHING, field.name) == getattr(default, field.name)
    }
    assert unset == {"parent", "provider"}, "a new option would not be tested"


def test_a_reference_to_what_nobody_registers_is_an_error_and_not_an_empty_value():
    lost = Resource(
        token=ROUTER.token, name="lost", properties={"network": Ref("gcp:compute/network:Network::x", "id")}
    )
    with pytest.raises(KeyError, match="Network::x"):
        record(lambda: {} if register([lost]) else None)


def test_the_document_of_a_resource_names_every_option_there_is():
    printed = to_json(replace(EVERYTHING, parent="a:b:C::c", provider="pulumi:providers:gcp::p"))["options"]
    assert set(printed) == set(OptionsDocument.__annotations__), (
        "an option that is not there is dropped when it is printed"
    )
