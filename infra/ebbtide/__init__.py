"""Autoscaled queue consumers on GKE that never lose a message when they scale down.

Everything that a program of yours needs is here; each name is imported when it is first used. What else is public,
as a new kind's base class, CONTRIBUTING.md says; all other modules are internal and may change without notice.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from ebbtide.version import __version__

if TYPE_CHECKING:
    from ebbtide.capacity.runs import simulate_consumer as simulate
    from ebbtide.capacity.summary import Summary
    from ebbtide.components import (
        Broker,
        BrokerArgs,
        ConsumerNamespace,
        ConsumerNamespaceArgs,
        ExistingCluster,
        ExistingClusterArgs,
        GkeCluster,
        GkeClusterArgs,
        ImageRepository,
        ImageRepositoryArgs,
        Keda,
        KedaArgs,
        Observability,
        ObservabilityArgs,
        QueueConsumer,
        QueueConsumerArgs,
        connect,
    )
    from ebbtide.in_process import InProcessRun, record
    from ebbtide.judgement.findings import Finding, Level, SettingsError
    from ebbtide.manifests.kubernetes import stack_manifests
    from ebbtide.manifests.stack import stack_resources
    from ebbtide.program import Deployed, Wiring, deploy, run
    from ebbtide.settings.loading.loader import load_stack
    from ebbtide.settings.models.consumer import ConsumerSettings
    from ebbtide.settings.models.stack import StackSettings
    from ebbtide.settings.rules.check import check_stack as check

# Pulumi is imported by the components and the program only: `load_stack`, `check` and the rest do not wait for it.
_ROOMS = {
    "ebbtide.capacity.runs": ("simulate",),
    "ebbtide.capacity.summary": ("Summary",),
    "ebbtide.components": (
        "Broker",
        "BrokerArgs",
        "ConsumerNamespace",
        "ConsumerNamespaceArgs",
        "ExistingCluster",
        "ExistingClusterArgs",
        "GkeCluster",
        "GkeClusterArgs",
        "ImageRepository",
        "ImageRepositoryArgs",
        "Keda",
        "KedaArgs",
        "Observability",
        "ObservabilityArgs",
        "QueueConsumer",
        "QueueConsumerArgs",
        "connect",
    ),
    "ebbtide.in_process": ("InProcessRun", "record"),
    "ebbtide.judgement.findings": ("Finding", "Level", "SettingsError"),
    "ebbtide.manifests.kubernetes": ("stack_manifests",),
    "ebbtide.manifests.stack": ("stack_resources",),
    "ebbtide.program": ("Deployed", "Wiring", "deploy", "run"),
    "ebbtide.settings.loading.loader": ("load_stack",),
    "ebbtide.settings.models.consumer": ("ConsumerSettings",),
    "ebbtide.settings.models.stack": ("StackSettings",),
    "ebbtide.settings.rules.check": ("check",),
}
_ROOM_OF = {name: room for room, names in _ROOMS.items() for name in names}
_CALLED_THERE = {"check": "check_stack", "simulate": "simulate_consumer"}

__all__ = [
    "Broker",
    "BrokerArgs",
    "ConsumerNamespace",
    "ConsumerNamespaceArgs",
    "ConsumerSettings",
    "Deployed",
    "ExistingCluster",
    "ExistingClusterArgs",
    "Finding",
    "GkeCluster",
    "GkeClusterArgs",
    "ImageRepository",
    "ImageRepositoryArgs",
    "InProcessRun",
    "Keda",
    "KedaArgs",
    "Level",
    "Observability",
    "ObservabilityArgs",
    "QueueConsumer",
    "QueueConsumerArgs",
    "SettingsError",
    "StackSettings",
    "Summary",
    "Wiring",
    "__version__",
    "check",
    "connect",
    "deploy",
    "load_stack",
    "record",
    "run",
    "simulate",
    "stack_manifests",
    "stack_resources",
]


def __getattr__(name: str) -> Any:
    if name not in _ROOM_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(import_module(_ROOM_OF[name]), _CALLED_THERE.get(name, name))
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
