"""The program: one stack, from its settings to components. Nothing here knows which engine runs it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import pulumi
from pulumi.runtime.config import CONFIG

from ebbtide.components import (
    Broker,
    BrokerArgs,
    ConsumerNamespace,
    ExistingCluster,
    GkeCluster,
    GkeClusterArgs,
    ImageRepository,
    Keda,
    KedaArgs,
    Observability,
    QueueConsumer,
    QueueConsumerArgs,
    connect,
)
from ebbtide.components.reachability import check_reachable
from ebbtide.judgement.findings import Finding, SettingsError
from ebbtide.manifests.stack import StackPlan, compose
from ebbtide.settings.loading.loader import load_from_engine
from ebbtide.settings.models.cluster import ExistingCluster as ExistingClusterSettings
from ebbtide.settings.models.stack import StackSettings, is_gke


class Wiring(TypedDict):
    """What exists only while deploying, beside the settings."""

    images: NotRequired[Mapping[str, pulumi.Input[str]]]
    """Images by consumer, where the same program builds them."""


@dataclass(frozen=True, slots=True)
class Deployed:
    """What a stack consists of."""

    cluster: GkeCluster | ExistingCluster
    image_repository: ImageRepository | None
    namespace: ConsumerNamespace | None
    """The stack's own. None in a stack that makes only a cluster, or whose namespace somebody else makes."""
    broker: Broker | None
    """None where it exists, or each consumer brings its own."""
    consumers: Mapping[str, QueueConsumer]
    namespaces: Mapping[str, ConsumerNamespace] = field(default_factory=dict)
    """All that this stack makes, by their names: consumers may have one of their own."""
    observability: Observability | None = None
    """None where the stack names no collector."""
    keda: Keda | None = None
    """None where the stack does not install it."""

    @property
    def outputs(self) -> dict[str, Any]:
        """The stack's outputs: only what nobody can put together from the settings."""
        outputs: dict[str, Any] = {}
        if isinstance(self.cluster, GkeCluster):
            outputs |= {"clusterName": self.cluster.cluster_name, "kubeconfig": self.cluster.kubeconfig}
        if self.image_repository is not None:
            outputs["imageRepository"] = self.image_repository.address
        return outputs


def deploy(settings: StackSettings, wiring: Wiring | None = None, parent: pulumi.Resource | None = None) -> Deployed:
    """Register everything the stack consists of: what `compose` lists, in its order; below `parent`, where one is
    given."""
    plan = compose(settings)
    below = pulumi.ResourceOptions(parent=parent)
    repository = None
    if plan.image_repository is not None:
        own = plan.image_repository
        repository = ImageRepository(own.name, {"settings": settings, "plan": own}, below)
    cluster = _cluster(settings, plan, repository, below)
    if plan.provider is None:
        return Deployed(cluster, repository, None, _broker(settings, plan, cluster, below), {})
    in_cluster = pulumi.ResourceOptions(parent=parent, provider=connect(cluster, parent))
    namespaces = {
        name: ConsumerNamespace(own.name, {"settings": settings, "plan": own}, in_cluster)
        for name, own in plan.namespaces.items()
    }
    namespace = namespaces.get(settings.namespace.name)
    broker = _broker(settings, plan, cluster, in_cluster, namespace)
    keda = _keda(settings, plan, cluster, tuple(namespaces.values()), in_cluster)
    images = (wiring or {}).get("images", {})
    consumers = {}
    for name, consumer in plan.consumers.items():
        args: QueueConsumerArgs = {"settings": settings, "plan": consumer}
        within = settings.seen_by(settings.consumers[name]).namespace.name
        if within in namespaces:
            args["namespace"] = namespaces[within]
        if broker is not None:
            args["broker"] = broker
        if keda is not None:
            args["keda"] = keda
        if name in images:
            args["image"] = images[name]
        consumers[name] = QueueConsumer(name, args, in_cluster)
    observability = None
    if plan.observability is not None:
        own = plan.observability
        observability = Observability(own.name, {"settings": settings, "plan": own}, below)
    return Deployed(cluster, repository, namespace, broker, consumers, namespaces, observability, keda)


def _broker(
    settings: StackSettings,
    plan: StackPlan,
    cluster: GkeCluster | ExistingCluster,
    options: pulumi.ResourceOptions,
    namespace: ConsumerNamespace | None = None,
) -> Broker | None:
    if plan.broker is None:
        return None
    args: BrokerArgs = {"settings": settings, "plan": plan.broker, "cluster": cluster}
    if namespace is not None:
        args["namespace"] = namespace
    return Broker(plan.broker.name, args, options)


def _cluster(
    settings: StackSettings, plan: StackPlan, repository: ImageRepository | None, options: pulumi.ResourceOptions
) -> GkeCluster | ExistingCluster:
    if not is_gke(settings.cluster):
        return ExistingCluster(plan.cluster.name, {"settings": settings, "plan": plan.cluster}, options)
    args: GkeClusterArgs = {"settings": settings, "plan": plan.cluster}
    if repository is not None:
        args["image_repository"] = repository
    return GkeCluster(plan.cluster.name, args, options)


def _keda(
    settings: StackSettings,
    plan: StackPlan,
    cluster: GkeCluster | ExistingCluster,
    namespaces: tuple[ConsumerNamespace, ...],
    in_cluster: pulumi.ResourceOptions,
) -> Keda | None:
    if plan.keda is None:
        return None
    args: KedaArgs = {"settings": settings, "plan": plan.keda, "cluster": cluster, "namespaces": namespaces}
    return Keda(plan.keda.name, args, in_cluster)


def run(root: Path) -> None:
    """The Pulumi program of the project in `root`: what `pulumi preview` and `pulumi up` run.

    Raises pulumi.RunError, which the engine prints without a traceback, for settings that cannot be deployed.
    """
    try:
        settings = load_from_engine(pulumi.get_stack(), _engine_config(), root)
        check_cluster(settings)
        outputs = deploy(settings).outputs
    except SettingsError as error:
        raise pulumi.RunError(str(error)) from None
    for name, value in outputs.items():
        pulumi.export(name, value)


def check_cluster(settings: StackSettings) -> None:
    """Refuse to change what cannot be reached. A preview needs no cluster, and says that it has asked none."""
    if not isinstance(settings.cluster, ExistingClusterSettings):
        return
    try:
        check_reachable(settings.cluster)
    except SettingsError as error:
        if not pulumi.runtime.is_dry_run():
            raise
        pulumi.log.warn(f"{error}. This preview compares with the state of the last update only.")


def _engine_config() -> dict[str, Any]:
    """What the engine has read, by qualified key. It hands every value over as text, objects as JSON; what other
    programs' keys hold stays text."""
    texts: dict[str, str] = {**pulumi.runtime.get_config_env(), **CONFIG.get()}
    secrets = [
        Finding((key,), "is encrypted, and settings hold no secrets", "name a key of a Secret under secretEnvironment")
        for key in texts
        if key.startswith("ebbtide:") and pulumi.runtime.is_config_secret(key)
    ]
    if secrets:
        raise SettingsError(secrets, f"stack {pulumi.get_stack()}")
    return {key: _parsed(text) if key.startswith("ebbtide:") else text for key, text in texts.items()}


def _parsed(text: str) -> Any:
    """A text that only begins as an object does stays one, which its setting refuses by name."""
    if not text.startswith(("{", "[")) and text not in {"true", "false"}:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
