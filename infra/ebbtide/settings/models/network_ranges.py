"""The addresses of a cluster's own network, sized once for the nodes it may grow to."""

from dataclasses import dataclass
from functools import cached_property
from ipaddress import AddressValueError, IPv4Network
from typing import Self

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from ebbtide.settings.models.base import SettingsModel
from ebbtide.settings.models.pod import Cidr
from ebbtide.settings.values.units import Count

# Google Cloud keeps four addresses of a subnet's primary range; GKE's control plane takes a few more.
RESERVED_NODE_ADDRESSES = 12
# What a node may have at once of one address of Cloud NAT.
MAX_NAT_PORTS = 65536
# VPC subnets, prohibited ranges: this host, loopback, link-local, Google's own, multicast, reserved, broadcast.
_UNUSABLE = ("0.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "199.36.153.4/30", "224.0.0.0/4")
# GKE's own default for the Services of a cluster: 4,096 of them.
SERVICES_PREFIX_LENGTH = 20


@dataclass(frozen=True, slots=True)
class NetworkRanges:
    """Three ranges that do not overlap."""

    nodes: IPv4Network
    pods: IPv4Network
    services: IPv4Network


def pod_prefix_length(max_pods_per_node: int) -> int:
    """The range that GKE gives every node: twice its pods, so that an address is not used again at once.

    110 pods -> /24, 32 pods -> /26, 8 pods -> /28 (GKE, "flexible pod CIDR").
    """
    return 32 - (2 * max_pods_per_node - 1).bit_length()


class ClusterNetworkSettings(SettingsModel):
    """The cluster's own network. Ranges cannot be changed later without a new cluster, so they are planned here."""

    addresses: Cidr = "10.64.0.0/12"
    """The block that nodes, pods and Services are carved from. It must not overlap with networks that are peered."""
    max_nodes: Count = Field(default=256, ge=1, le=15_000)
    """How many nodes the ranges have room for, over all node pools and with those of a surge upgrade."""
    max_pods_per_node: Count = Field(default=32, ge=8, le=256)
    """Pods on one node, GKE's own included (12 to 18). Fewer pods need fewer addresses."""
    flow_logs: bool = True
    """Log a tenth of the network's flows, every 10 minutes (CIS 5.6.1)."""
    nat_min_ports: Count = Field(default=256, ge=32, le=MAX_NAT_PORTS // 2)
    """Source ports that Cloud NAT sets aside for each node at first, a power of two: connections to one destination at
    the same time. It gives more when they are used up."""

    @cached_property
    def ranges(self) -> NetworkRanges:
        """Pods first, then nodes and Services. Raises ValueError if the block is too small."""
        block = IPv4Network(self.addresses)
        per_node = 32 - pod_prefix_length(self.max_pods_per_node)
        sizes = {
            "pods": per_node + (self.max_nodes - 1).bit_length(),
            "nodes": (self.max_nodes + RESERVED_NODE_ADDRESSES - 1).bit_length(),
            "services": 32 - SERVICES_PREFIX_LENGTH,
        }
        start, carved = int(block.network_address), {}
        # Largest first, so that each range starts on a multiple of its own size.
        for name, bits in sorted(sizes.items(), key=lambda entry: -entry[1]):
            carved[name] = IPv4Network((start, 32 - bits))
            start += 2**bits
        if start > int(block.broadcast_address) + 1:
            needed = 32 - (start - int(block.network_address) - 1).bit_length()
            raise ValueError(f"/{needed}")
        return NetworkRanges(**carved)

    @field_validator("addresses")
    @classmethod
    def _usable(cls, value: str) -> str:
        try:
            block = IPv4Network(value)
        except AddressValueError:
            return value  # said by `_room_enough`
        useless = next((one for one in _UNUSABLE if block.overlaps(IPv4Network(one))), None)
        if useless is not None:
            context = {"got": value, "useless": useless, "remedy": "write a private block, for example 10.64.0.0/12"}
            raise PydanticCustomError(
                "addresses", "overlaps with {useless}, which no subnet of Google Cloud may have (got {got})", context
            )
        return value

    @field_validator("nat_min_ports")
    @classmethod
    def _power_of_two(cls, value: int) -> int:
        if value & (value - 1):
            context = {"got": value, "remedy": f"write {2 ** value.bit_length()}"}
            raise PydanticCustomError("ports", "is not a power of two, which Cloud NAT asks for (got {got})", context)
        return value

    @model_validator(mode="after")
    def _room_enough(self) -> Self:
        try:
            _ = self.ranges
        except AddressValueError:
            wrong = {"got": repr(self.addresses), "remedy": "write for example 10.64.0.0/12"}
            raise PydanticCustomError("addresses", "addresses is not an IPv4 block (got {got})", wrong) from None
        except ValueError as error:
            context: dict[str, str | int] = {
                "got": repr(self.addresses),
                "nodes": self.max_nodes,
                "remedy": f"write an IPv4 block of at least {error}, or lower maxNodes or maxPodsPerNode",
            }
            raise PydanticCustomError(
                "addresses", "addresses has no room for {nodes} nodes with their pods (got {got})", context
            ) from None
        return self
