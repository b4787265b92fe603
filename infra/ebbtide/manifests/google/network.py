"""The cluster's own network: one subnet, and a way out for nodes that have no public address."""

from __future__ import annotations

from typing import NamedTuple

from ebbtide.manifests.google import names
from ebbtide.manifests.resource import Resource
from ebbtide.settings.models.network_ranges import MAX_NAT_PORTS
from ebbtide.settings.models.stack import StackSettings

PODS_RANGE = "pods"
SERVICES_RANGE = "services"


class Network(NamedTuple):
    """What a cluster's network consists of, in the order of making."""

    network: Resource
    subnetwork: Resource
    """With ranges for pods and Services."""
    router: Resource
    nat: Resource


def build_network(stack: StackSettings, name: str, parent: str) -> Network:
    """The cluster's own network."""
    physical = names.cluster_name(stack)
    project, region = names.google(stack).project, names.google(stack).region
    network = Resource(
        token=names.NETWORK,
        name=f"{name}-network",
        parent=parent,
        protect=stack.protect,
        delete_before_replace=True,
        properties={
            "name": physical,
            "project": project,
            "autoCreateSubnetworks": False,
            "routingMode": "REGIONAL",
        },
    )
    router = Resource(
        token=names.ROUTER,
        name=f"{name}-router",
        parent=parent,
        delete_before_replace=True,
        properties={"name": physical, "project": project, "region": region, "network": network.ref("selfLink")},
    )
    return Network(network, _subnetwork(stack, name, parent, network), router, _nat(stack, name, parent, router))


def _subnetwork(stack: StackSettings, name: str, parent: str, network: Resource) -> Resource:
    settings = names.gke_cluster(stack).network
    ranges = settings.ranges
    flow_logs = {
        "aggregationInterval": "INTERVAL_10_MIN",
        "flowSampling": 0.1,
        "metadata": "INCLUDE_ALL_METADATA",
    }
    return Resource(
        token=names.SUBNETWORK,
        name=f"{name}-subnetwork",
        parent=parent,
        protect=stack.protect,
        delete_before_replace=True,
        properties={
            "name": names.cluster_name(stack),
            "project": names.google(stack).project,
            "region": names.google(stack).region,
            "network": network.ref("selfLink"),
            "ipCidrRange": str(ranges.nodes),
            # Nodes without a public address still reach Google's APIs: images, logs, the metadata server.
            "privateIpGoogleAccess": True,
            "secondaryIpRanges": [
                {"rangeName": PODS_RANGE, "ipCidrRange": str(ranges.pods)},
                {"rangeName": SERVICES_RANGE, "ipCidrRange": str(ranges.services)},
            ],
            **({"logConfig": flow_logs} if settings.flow_logs else {}),
        },
    )


def _nat(stack: StackSettings, name: str, parent: str, router: Resource) -> Resource:
    return Resource(
        token=names.ROUTER_NAT,
        name=f"{name}-nat",
        parent=parent,
        delete_before_replace=True,
        properties={
            "name": names.cluster_name(stack),
            "project": names.google(stack).project,
            "region": names.google(stack).region,
            "router": router.ref("name"),
            "natIpAllocateOption": "AUTO_ONLY",
            "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES",
            # 70 workers that share one broker outside of the network need 70 ports and more while they reconnect;
            # a pod whose ports are used up sees its connections time out.
            "enableDynamicPortAllocation": True,
            "enableEndpointIndependentMapping": False,
            "minPortsPerVm": names.gke_cluster(stack).network.nat_min_ports,
            "maxPortsPerVm": MAX_NAT_PORTS,
            "logConfig": {"enable": True, "filter": "ERRORS_ONLY"},
        },
    )
