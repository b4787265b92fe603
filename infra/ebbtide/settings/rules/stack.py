"""Rules about the cluster and the consumers together."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.settings.models.brokered import made_broker
from ebbtide.settings.models.namespace import NamespaceSettings
from ebbtide.settings.models.stack import StackSettings, is_gke
from ebbtide.settings.rules.declare import consumers_of, stack_rule


@stack_rule(
    "K-01",
    Level.ERROR,
    remedy="Name at least one consumer.",
    source="A stack without resources does nothing.",
)
def check_something_to_deploy(stack: StackSettings) -> Iterator[Finding]:
    """A stack makes a cluster or has a consumer."""
    if not is_gke(stack.cluster) and not stack.consumers and stack.image_repository is None:
        yield Finding(
            ("consumers",),
            "is empty, and the cluster exists already: there is nothing to deploy",
            "name at least one consumer",
        )


# Google's own begin with gke-managed-, but for these. A team's may begin with gke- as well.
_OF_OPERATORS = frozenset(
    [
        *("argocd", "asm-system", "cert-manager", "cnrm-system", "config-management-system", "external-secrets"),
        *("flux-system", "gatekeeper-system", "ingress-nginx", "istio-system", "keda", "knative-serving", "kyverno"),
        *("linkerd", "linkerd-viz", "monitoring", "velero"),
    ]
)
_SYSTEM_NAMESPACE = re.compile(r"kube-.*|gke-managed-.*|gke-(connect|gmp-system|mcs|system)|gmp-(public|system)")


@stack_rule(
    "N-03",
    Level.ERROR,
    remedy="Name a namespace of the consumers' own, or one of the application's with create: false.",
    source="Kubernetes, namespaces: kube- is reserved, default belongs to nobody in particular.",
)
def check_namespace(stack: StackSettings) -> Iterator[Finding]:
    """Consumers live in no namespace of the system, and make none that exists in every cluster, or that an operator is
    usually in. Making one labels it with Pod Security `restricted`, and whatever else runs there would be refused from
    then on."""
    for path, namespace in _namespaces(stack):
        if _SYSTEM_NAMESPACE.fullmatch(namespace.name):
            yield Finding(path, f"belongs to the system (got {namespace.name!r})", "write for example consumers")
        elif namespace.name == "default" and namespace.create:
            yield Finding(
                path,
                "exists in every cluster, and making it would put its other pods under Pod Security restricted",
                "write for example consumers, or {name: default, create: false}",
            )
        elif namespace.name in _OF_OPERATORS and namespace.create:
            yield Finding(
                path,
                f"is where an operator usually lives (got {namespace.name!r}), and making it would put that one's pods "
                "under Pod Security restricted",
                f"write for example consumers, or {{name: {namespace.name}, create: false}}",
            )


@stack_rule(
    "N-05",
    Level.ERROR,
    remedy="Write the same create wherever the namespace is named.",
    source="A namespace is made once, or by somebody else.",
)
def check_namespaces_agree(stack: StackSettings) -> Iterator[Finding]:
    """Whoever names a namespace twice says the same of it."""
    said: dict[str, bool] = {}
    for path, namespace in _namespaces(stack):
        if said.setdefault(namespace.name, namespace.create) != namespace.create:
            yield Finding(
                path, "is made here and not elsewhere, or the other way round", "write the same create in both"
            )


@stack_rule(
    "N-06",
    Level.ERROR,
    remedy="Leave the consumer in the stack's namespace, or give its transport an address and a Secret of its own.",
    source="Kubernetes: a pod reads Secrets of its own namespace only, and the broker's lies in the stack's.",
)
def check_namespace_has_the_brokers_secret(stack: StackSettings) -> Iterator[Finding]:
    """A consumer that reads from the broker that the stack makes lives where that one's Secret is."""
    if made_broker(stack) is None:
        return
    for path, consumer in consumers_of(stack):
        is_elsewhere = stack.seen_by(consumer).namespace.name != stack.namespace.name
        if is_elsewhere and stack.broker_of(consumer) is not None:
            yield Finding(
                (*path, "namespace"),
                f"has no Secret of the stack's broker, which is in {stack.namespace.name}",
                "leave it out, or write the transport's own address and a Secret of this namespace",
            )


@stack_rule(
    "N-07",
    Level.INFO,
    remedy="Ask who owns it what a pod, and both fleets of a rolling update, may have; accept this with the answer.",
    source="Kubernetes, ResourceQuota and LimitRange: a pod above them is not made, and an update stands still.",
)
def check_limits_of_others(stack: StackSettings) -> Iterator[Finding]:
    """A namespace has room for what its consumers grow to. In one that others own they limit that, and it is not
    judged."""
    for path, namespace in _namespaces(stack):
        if not namespace.create:
            text = "is somebody else's: whether its quotas and limits leave room for every pod is not judged"
            yield Finding(path, text, "ask who owns it")


def _namespaces(stack: StackSettings) -> Iterator[tuple[Path, NamespaceSettings]]:
    """Every namespace that is named, with its place; the stack's own where anything is in it."""
    if stack.uses_own_namespace:
        yield ("namespace",), stack.namespace
    for path, consumer in consumers_of(stack):
        if consumer.namespace is not None:
            yield (*path, "namespace"), consumer.namespace
