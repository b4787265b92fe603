"""Address ranges are large enough, do not overlap, and stay where they are."""

from __future__ import annotations

from ipaddress import IPv4Network

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from tests.manifests.google.cases import STACKS, stack

from ebbtide.manifests.stack import stack_resources
from ebbtide.settings.models.network_ranges import ClusterNetworkSettings, pod_prefix_length


@pytest.mark.parametrize(("pods", "prefix"), [(8, 28), (9, 27), (16, 27), (32, 26), (64, 25), (110, 24), (256, 23)])
def test_a_node_has_twice_as_many_addresses_as_pods(pods, prefix):
    assert pod_prefix_length(pods) == prefix


@given(nodes=st.integers(1, 15_000), pods=st.integers(8, 256), block=st.sampled_from(["10.0.0.0/8", "10.64.0.0/10"]))
def test_ranges_hold_every_node_and_pod_within_the_block_and_do_not_overlap(nodes, pods, block):
    try:
        ranges = ClusterNetworkSettings(addresses=block, max_nodes=nodes, max_pods_per_node=pods).ranges
    except ValidationError:
        # Refused only where it is really too much: pods alone take their power of two.
        needed = (
            2 ** (nodes - 1).bit_length() * 2 ** (32 - pod_prefix_length(pods)) + 4096 + 2 ** (nodes + 11).bit_length()
        )
        assert needed > IPv4Network(block).num_addresses
        return
    assert ranges.pods.num_addresses >= nodes * 2 * pods
    assert ranges.nodes.num_addresses >= nodes + 12
    assert ranges.services.num_addresses == 4096
    every = [ranges.nodes, ranges.pods, ranges.services]
    assert all(one.subnet_of(IPv4Network(block)) for one in every)
    assert not any(a.overlaps(b) for a in every for b in every if a is not b)


@pytest.mark.parametrize(
    ("network", "parts"),
    [
        ({"addresses": "10.0.0.0/20"}, ["no room for 256 nodes", "at least /17"]),
        ({"addresses": "fd00::/48"}, ["not an IPv4 block", "10.64.0.0/12"]),
    ],
)
def test_a_block_that_is_too_small_is_refused_with_the_size_it_needs(network, parts):
    with pytest.raises(ValidationError) as caught:
        stack({"kind": "gkeStandard", "network": network})
    (error,) = caught.value.errors()
    text = f"{error['msg']} {error['ctx']['remedy']}"
    assert all(part in text for part in parts), text


def test_more_nodes_than_the_network_has_room_for_are_refused():
    pools = {"a": {"maxNodes": 200}, "b": {"maxNodes": 60}}
    with pytest.raises(ValidationError, match="262 with surge"):
        stack({"kind": "gkeStandard", "nodePools": pools})


def test_a_larger_pool_does_not_move_the_ranges():
    def subnetwork(**cluster):
        resources = stack_resources(stack({"kind": "gkeStandard", **cluster}))
        return next(resource for resource in resources if resource.name == "cluster-subnetwork")

    assert subnetwork() == subnetwork(nodePools={"consumers": {"maxNodes": 50}}), "the cluster would be replaced"


def test_nodes_reach_brokers_outside_by_enough_ports():
    nat = next(
        resource for resource in stack_resources(STACKS["standard, everything"]) if resource.name == "cluster-nat"
    )
    assert nat.properties["minPortsPerVm"] == 1024
    assert nat.properties["enableDynamicPortAllocation"] is True
