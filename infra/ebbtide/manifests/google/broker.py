"""What every broker that a stack makes in Google Cloud needs around it: a place in the network, and its secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import singledispatch

from ebbtide.judgement.findings import refused
from ebbtide.manifests.google import names
from ebbtide.manifests.google.identity import SECRET_READER_ROLE, principal
from ebbtide.manifests.resource import Join, Ref, Resource, Secret
from ebbtide.settings.models.broker import MadeBroker
from ebbtide.settings.models.brokered import broker_name, endpoint_range, is_protected
from ebbtide.settings.models.stack import StackSettings


@dataclass(frozen=True, slots=True)
class Place:
    """Where the broker is reached from the cluster, and by nobody else."""

    network: str | Ref
    """`projects/<project>/global/networks/<network>`."""
    subnetwork: Resource | None
    """A small range of its own, so that a network policy can open it and no node. None where it is there already."""


@dataclass(frozen=True, slots=True)
class MadeResources:
    """A broker in Google Cloud."""

    parts: tuple[Resource, ...]
    """What it consists of, in the order of making."""
    holder: Resource
    """What holds the messages."""
    values: Mapping[str, Ref | Join]
    """What its Secret says, by key."""


@singledispatch
def build_broker_resources(
    broker: MadeBroker, stack: StackSettings, name: str, parent: str, place: Place
) -> MadeResources:
    """What this kind of broker consists of. Raises NotImplementedError for a kind that has not registered its own."""
    raise NotImplementedError(f"a broker of kind {broker!r} cannot be made")


def build_place(stack: StackSettings, broker: MadeBroker, name: str, parent: str, cluster: str = "cluster") -> Place:
    """The range in which the broker gets its address, in the network of the cluster component of this name."""
    addresses = endpoint_range(stack, broker)
    if addresses is None:  # BR-45 refuses it earlier
        message = f"has no address range in stack {stack.name}"
        raise refused("wiring", message, "write network: {network: ..., addresses: ...}", ("broker", "network"))
    network = Ref(f"{names.NETWORK}::{cluster}-network", "id") if broker.network is None else broker.network.network
    google = names.google(stack)
    if not broker.makes_place:
        return Place(network, None)
    subnetwork = Resource(
        token=names.SUBNETWORK,
        name=f"{name}-subnetwork",
        parent=parent,
        protect=is_protected(stack, broker),
        delete_before_replace=True,
        properties={
            "name": f"{broker_name(stack, broker)}-broker",
            # Of a Shared VPC it is made where the network is.
            "project": google.project if broker.network is None else broker.network.project,
            "region": google.region,
            "network": network,
            "ipCidrRange": addresses,
            "privateIpGoogleAccess": True,
        },
    )
    return Place(network, subnetwork)


def build_secrets(
    stack: StackSettings, broker: MadeBroker, name: str, parent: str, values: Mapping[str, Ref | Join]
) -> tuple[Resource, ...]:
    """The broker's values in Secret Manager, each a secret of its own: GKE's sync takes one for each key. The version
    stands in the name, so that a rotation makes new ones while pods still read the old."""
    google, found = names.google(stack), []
    for key, value in values.items():
        identifier = f"{broker_name(stack, broker)}-v{broker.secret.version}-{key}"
        secret = Resource(
            token=names.SECRET,
            name=f"{name}-secret-{key}",
            parent=parent,
            secret_outputs=names.LABEL_OUTPUTS,
            properties={
                "secretId": identifier,
                "project": google.project,
                "replication": {"auto": {}},
                "labels": {"managed-by": "ebbtide", "stack": stack.name},
            },
        )
        version = Resource(
            token=names.SECRET_VERSION,
            name=f"{name}-secret-{key}-version",
            parent=parent,
            secret_outputs=("secretData", "secretDataWo"),
            properties={"secret": secret.ref("id"), "secretData": Secret(value)},
        )
        reader = Resource(
            token=names.SECRET_MEMBER,
            name=f"{name}-secret-{key}-reader",
            parent=parent,
            properties={
                "secretId": secret.ref("secretId"),
                "project": google.project,
                "role": SECRET_READER_ROLE,
                "member": principal(stack, stack.namespace.name, names.SECRET_READER),
            },
        )
        found += [secret, version, reader]
    return tuple(found)
