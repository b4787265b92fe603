"""What a consumer's pod needs around its worker: resources, environment, placement, network, identity."""

import re
from ipaddress import ip_network
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from ebbtide.settings.models.base import SettingsModel
from ebbtide.settings.values.names import DnsLabel, EnvironmentName, LabelValue, QualifiedName, SecretKey, SecretName
from ebbtide.settings.values.units import MemoryBytes, Millicores


class CpuResources(SettingsModel):
    """CPU of one pod."""

    request: Millicores | None = None
    """What the scheduler sets aside, and what a CPU target is a percentage of. Default: 7m a process, at least 100m."""
    limit: Millicores | None = None
    """No limit by default: throttling slows a drain down and distorts the CPU an HPA sees."""


class MeasuredMemory(SettingsModel):
    """What a busy pod was seen to use: the image's event `memoryMeasured` says both."""

    shared: MemoryBytes
    """What the pod's processes have in common: code, libraries, and where they are forked all that the boot made."""
    process: MemoryBytes
    """What the largest of its processes had for itself."""


class MemoryResources(SettingsModel):
    """Memory of one pod."""

    measured: MeasuredMemory | None = None
    """What a busy pod was seen to use. The request follows from it; the limit does not, because the kernel kills the
    whole container above it, and a process may grow up to its own limit."""
    request: MemoryBytes | None = None
    """What the scheduler sets aside. Default: what was measured, and without that the limit, so that a node never
    runs out."""
    limit: MemoryBytes | None = None
    """Where the kernel kills. Default: every process at its own limit, and the supervisor."""


class ResourcesSettings(SettingsModel):
    """Resources of one pod; what is not given is derived from the worker."""

    cpu: CpuResources = CpuResources.model_construct()
    """CPU."""
    memory: MemoryResources = MemoryResources.model_construct()
    """Memory."""


class SecretReference(SettingsModel):
    """A key of a Secret that exists in the namespace. Its value is never seen by ebbtide."""

    secret: SecretName
    """The Secret's name. Put a version into it (`broker-v2`): a new name is what rolls the pods."""
    key: SecretKey
    """The key in the Secret."""


class SpreadSettings(SettingsModel):
    """How pods are spread, so that one zone or node takes few of them away."""

    zones: Literal["prefer", "require", "off"] = "prefer"
    """Over zones."""
    nodes: Literal["prefer", "require", "off"] = "prefer"
    """Over nodes."""


class Toleration(SettingsModel):
    """A taint that the pods tolerate."""

    key: QualifiedName
    """The taint's key."""
    operator: Literal["Exists", "Equal"] = "Equal"
    """How the value is compared."""
    value: LabelValue = ""
    """The taint's value."""
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    """The taint's effect; none means every effect."""

    @model_validator(mode="after")
    def _value_is_used(self) -> Self:
        if self.operator == "Exists" and self.value:
            context = {"got": repr(self.value), "remedy": "remove value, or write operator: Equal"}
            raise PydanticCustomError(
                "toleration", "compares no value when its operator is Exists (got {got})", context
            )
        return self


class PlacementSettings(SettingsModel):
    """Where pods run."""

    node_selector: dict[QualifiedName, LabelValue] = {}
    """Labels a node must have."""
    tolerations: tuple[Toleration, ...] = ()
    """Taints the pods tolerate."""
    spot: bool = False
    """Run on Spot capacity, which gives user pods 15 s to finish (V-08). Taint and toleration come with it."""
    spread: SpreadSettings = SpreadSettings.model_construct()
    """Spread over zones and nodes."""


def _check_cidr(value: str) -> str:
    try:
        # Only the form that the API server takes: no bare address, no netmask, no bits set in the host part.
        well_formed = str(ip_network(value)) == value
    except ValueError:
        well_formed = False
    if not well_formed:
        context = {
            "got": repr(value),
            "remedy": "write the network's address, for example 10.20.0.0/24 or 10.20.0.7/32",
        }
        raise PydanticCustomError("cidr", "is not a network in CIDR notation (got {got})", context)
    return value


Cidr = Annotated[str, AfterValidator(_check_cidr)]
Port = Annotated[int, Field(ge=1, le=65535)]


class EgressRule(SettingsModel):
    """One destination that the workers may reach: a network, or pods by label."""

    cidr: Cidr | None = None
    """A network, for example `10.20.0.7/32` for a managed broker."""
    namespace: DnsLabel | None = None
    """A namespace of this cluster, for example that of the broker."""
    pods: dict[QualifiedName, LabelValue] = {}
    """Labels of pods, in `namespace` or in the consumers' own."""
    ports: Annotated[tuple[Port, ...], Field(min_length=1)]
    """TCP ports."""

    @model_validator(mode="after")
    def _one_destination(self) -> Self:
        if (self.cidr is None) == (self.namespace is None and not self.pods):
            raise PydanticCustomError(
                "egress",
                "names {what} destination",
                {
                    "what": "no" if self.cidr is None else "more than one",
                    "remedy": "write either cidr, or namespace and pods",
                },
            )
        return self


class NetworkSettings(SettingsModel):
    """What the workers may reach. Nothing may reach them, and DNS is always allowed."""

    egress: tuple[EgressRule, ...] = ()
    """Destinations besides DNS and, with Workload Identity, the metadata server."""


_GOOGLE_SERVICE_ACCOUNT = re.compile(r"[a-z][-a-z0-9]{4,28}[a-z0-9]@[a-z][-a-z0-9.:]*\.iam\.gserviceaccount\.com")


def _check_email(value: str) -> str:
    if not _GOOGLE_SERVICE_ACCOUNT.fullmatch(value):
        context = {"got": repr(value), "remedy": "write for example events@acme.iam.gserviceaccount.com"}
        raise PydanticCustomError("email", "is not a Google service account (got {got})", context)
    return value


GoogleServiceAccount = Annotated[str, AfterValidator(_check_email)]


class ServiceAccountSettings(SettingsModel):
    """The identity of the pods. Each consumer has its own, without a mounted token."""

    google_service_account: GoogleServiceAccount | None = None
    """Email of a Google service account that the pods act as (Workload Identity)."""
    google_roles: tuple[str, ...] = ()
    """Roles in the project granted to the Kubernetes service account itself, for example `roles/pubsub.subscriber`."""


Environment = dict[EnvironmentName, Annotated[str, Field(pattern=r"^[^\x00]*$")]]
SecretEnvironment = dict[EnvironmentName, SecretReference]
