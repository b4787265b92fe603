"""Rules about the cluster and the consumers together."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ebbtide.judgement.findings import Finding, Level
from ebbtide.settings.models.stack import StackSettings, is_gke
from ebbtide.settings.rules.declare import stack_rule


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


_SYSTEM_NAMESPACE = re.compile(r"kube-.*|gke-.*|gmp-.*")


@stack_rule(
    "N-03",
    Level.ERROR,
    remedy="Name a namespace of the consumers' own, or one of the application's with create: false.",
    source="Kubernetes, namespaces: kube- is reserved, default belongs to nobody in particular.",
)
def check_namespace(stack: StackSettings) -> Iterator[Finding]:
    """Consumers live in no namespace of the system, and make none that exists in every cluster. Making one labels it
    with Pod Security `restricted`, and whatever else runs there would be refused from then on."""
    name = stack.namespace.name
    if _SYSTEM_NAMESPACE.fullmatch(name):
        yield Finding(("namespace",), f"belongs to the system (got {name!r})", "write for example consumers")
    elif name == "default" and stack.namespace.create:
        yield Finding(
            ("namespace",),
            "exists in every cluster, and making it would put its other pods under Pod Security restricted",
            "write for example consumers, or {name: default, create: false}",
        )
