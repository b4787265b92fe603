"""What a consumer's pods may reach, and who may reach them: collectors of metrics. Probes run inside the container."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ebbtide.manifests.kubernetes.labels import Manifest, consumer_metadata, namespace_labels, own_pods, selector_labels
from ebbtide.settings.models.brokered import broker_egress
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.metrics import GOOGLE_SCRAPERS, Scraper
from ebbtide.settings.models.pod import EgressRule
from ebbtide.settings.models.stack import StackSettings

NAMESPACE_NAME = "kubernetes.io/metadata.name"
# NodeLocal DNSCache answers on this link-local address on the node itself, so no pod selector matches it.
NODE_LOCAL_DNS = "169.254.20.10/32"
# Cloud DNS for GKE (Autopilot's default) answers on the metadata server's address.
METADATA_SERVER = "169.254.169.254/32"
# Without Dataplane V2 the node redirects 169.254.169.254 to this address before policies are applied.
METADATA_SERVER_REDIRECTED = "169.254.169.252/32"


def build_default_deny(stack: StackSettings) -> Manifest:
    """The NetworkPolicy for every consumer: what no other policy allows is refused, both ways. It selects ebbtide's
    own pods: what others run in the namespace is theirs."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "default-deny", "namespace": stack.namespace.name, "labels": namespace_labels(stack)},
        "spec": {"podSelector": {"matchLabels": own_pods()}, "policyTypes": ["Ingress", "Egress"]},
    }


def build_network_policy(stack: StackSettings, consumer: ConsumerSettings) -> Manifest:
    """The NetworkPolicy of one consumer: DNS, the metadata server if it has a Google identity, and its settings."""
    identity = consumer.service_account
    uses_workload_identity = identity.google_service_account is not None or bool(identity.google_roles)
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": consumer_metadata(stack, consumer),
        "spec": {
            "podSelector": {"matchLabels": selector_labels(stack, consumer)},
            "policyTypes": ["Ingress", "Egress"],
            **_ingress(stack, consumer),
            "egress": [
                allow_dns(),
                *(allow_metadata_server() if uses_workload_identity else ()),
                *(destination(rule) for rule in _destinations(stack, consumer)),
                *_api_server(consumer),
            ],
        },
    }


def _destinations(stack: StackSettings, consumer: ConsumerSettings) -> Iterator[EgressRule]:
    broker = broker_egress(stack) if stack.broker_of(consumer) is not None else None
    if broker is not None:
        yield broker
    yield from consumer.network.egress


def _ingress(stack: StackSettings, consumer: ConsumerSettings) -> Manifest:
    metrics = consumer.metrics
    if metrics is None:
        return {}
    scrapers = metrics.scrapers or (GOOGLE_SCRAPERS if stack.observability is None else stack.observability.scrapers)
    return {"ingress": [scraped_from(scrapers, metrics.port)]}


def scraped_from(scrapers: Iterable[Scraper], port: int) -> Manifest:
    """Ingress for those who read metrics."""
    return {"from": [_pods(one.namespace, one.pods) for one in scrapers], "ports": tcp(port)}


def _api_server(consumer: ConsumerSettings) -> Iterator[Manifest]:
    idle_first = consumer.shutdown.idle_first
    if idle_first is not None:
        yield {"to": [{"ipBlock": {"cidr": idle_first.api_server}}], "ports": tcp(idle_first.port)}


def allow_dns() -> Manifest:
    """Egress to whatever answers names on GKE."""
    in_cluster = [
        {
            "namespaceSelector": {"matchLabels": {NAMESPACE_NAME: "kube-system"}},
            "podSelector": {"matchLabels": {"k8s-app": name}},
        }
        # The second are NodeLocal DNSCache's pods: Dataplane V2 redirects kube-dns to them instead of the address.
        for name in ("kube-dns", "node-local-dns")
    ]
    addresses = [{"ipBlock": {"cidr": cidr}} for cidr in (NODE_LOCAL_DNS, METADATA_SERVER)]
    ports = [{"protocol": protocol, "port": 53} for protocol in ("UDP", "TCP")]
    return {"to": [*in_cluster, *addresses], "ports": ports}


def allow_metadata_server() -> tuple[Manifest, Manifest]:
    """Egress to what gives out tokens of Workload Identity."""
    return (
        {"to": [{"ipBlock": {"cidr": METADATA_SERVER}}], "ports": tcp(80, 8080)},
        {"to": [{"ipBlock": {"cidr": METADATA_SERVER_REDIRECTED}}], "ports": tcp(987, 988)},
    )


def destination(rule: EgressRule) -> Manifest:
    """Egress as the settings say it."""
    peer = {"ipBlock": {"cidr": rule.cidr}} if rule.cidr is not None else _pods(rule.namespace, rule.pods)
    return {"to": [peer], "ports": tcp(*rule.ports)}


def _pods(namespace: str | None, labels: Mapping[str, str]) -> Manifest:
    peer: Manifest = {}
    if namespace is not None:
        peer["namespaceSelector"] = {"matchLabels": {NAMESPACE_NAME: namespace}}
    if labels:
        peer["podSelector"] = {"matchLabels": dict(labels)}
    return peer


def tcp(*ports: int) -> list[Manifest]:
    """TCP ports of a rule."""
    return [{"protocol": "TCP", "port": port} for port in ports]
