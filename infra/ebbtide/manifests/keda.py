"""KEDA as this stack installs it: its Helm release, what fences it in, and what GKE needs for it.

Values are those of the chart 2.20.2 (kedacore/charts).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import singledispatch
from ipaddress import ip_address
from typing import Any

from ebbtide.manifests.google import names
from ebbtide.manifests.google.identity import WORKLOAD_IDENTITY_ROLE, workload_pool
from ebbtide.manifests.kubernetes.labels import Manifest
from ebbtide.manifests.kubernetes.network_policy import (
    allow_dns,
    allow_metadata_server,
    destination,
    scraped_from,
    tcp,
)
from ebbtide.manifests.kubernetes_resource import kubernetes_resource
from ebbtide.manifests.provider import provider_key
from ebbtide.manifests.resource import Component, Join, Resource, Timeouts
from ebbtide.settings.models.brokered import broker_egress
from ebbtide.settings.models.keda_operator import KedaOperator
from ebbtide.settings.models.managed_prometheus import ManagedPrometheus
from ebbtide.settings.models.observability import CollectorSettings
from ebbtide.settings.models.pod import EgressRule
from ebbtide.settings.models.prometheus_operator import PrometheusOperator
from ebbtide.settings.models.stack import StackSettings, is_gke
from ebbtide.settings.values.addresses import service_of

KEDA = "ebbtide:index:Keda"
RELEASE = "kubernetes:helm.sh/v3:Release"
NETWORK_POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
CHARTS = "https://kedacore.github.io/charts"
OPERATOR, ADAPTER, WEBHOOKS = "keda-operator", "keda-operator-metrics-apiserver", "keda-admission-webhooks"
METRICS_PORT, WEBHOOK_PORT, GRPC_PORT = 6443, 9443, 9666
# Of the operator's own metrics, as the chart has it since 2.13; METRICS_PORT serves those that HPAs ask for.
OWN_METRICS_PORT, OWN_METRICS_PORT_NAME = 8080, "metrics"
MONITORING_ROLE = "roles/monitoring.viewer"
_INSTALL_SECONDS = 600
_ANYWHERE = "0.0.0.0/0"


@singledispatch
def scrape_keda(collector: CollectorSettings, keda: KedaOperator) -> Manifest:
    """The object by which a kind of collector reads the operator's own metrics, which alerts ask.

    Raises NotImplementedError for a kind that has not registered its own: those alerts would never fire.
    """
    raise NotImplementedError(f"a collector of kind {collector.kind} does not scrape KEDA")


@scrape_keda.register
def _by_google(collector: ManagedPrometheus, keda: KedaOperator) -> Manifest:
    return {
        "apiVersion": "monitoring.googleapis.com/v1",
        "kind": "PodMonitoring",
        "metadata": _metadata(keda, OPERATOR),
        "spec": {"selector": _pods(OPERATOR), "endpoints": [_endpoint(collector)]},
    }


@scrape_keda.register
def _by_operator(collector: PrometheusOperator, keda: KedaOperator) -> Manifest:
    """Not the chart's own: where its kind is missing, KEDA itself would not be installed."""
    return {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PodMonitor",
        "metadata": _metadata(keda, OPERATOR, collector.labels),
        "spec": {"selector": _pods(OPERATOR), "podMetricsEndpoints": [_endpoint(collector)]},
    }


def _endpoint(collector: CollectorSettings) -> Manifest:
    return {"port": OWN_METRICS_PORT_NAME, "interval": f"{collector.scrape_interval}s"}


def release_key(name: str = "keda") -> str:
    """The key of the release, within the component of this name."""
    return f"{RELEASE}::{name}-release"


def build_keda(stack: StackSettings, keda: KedaOperator, after: tuple[str, ...], name: str = "keda") -> Component:
    """The component. `after` are keys of what must be there before: the namespaces that it watches."""
    component = Resource(token=KEDA, name=name)
    google = tuple(_google(stack, keda, component))
    token, _, logical = release_key(name).rpartition("::")
    release = Resource(
        token=token,
        name=logical,
        parent=component.key,
        provider=provider_key(),
        properties={
            "name": "keda",
            "chart": "keda",
            "version": keda.installed_version,
            "namespace": keda.namespace,
            "createNamespace": True,
            "repositoryOpts": {"repo": CHARTS},
            # What the SDK's class adds by itself.
            "compat": "true",
            # A half installed KEDA owns the metrics of the whole cluster, and answers none.
            "atomic": True,
            "timeout": _INSTALL_SECONDS,
            "values": _values(stack, keda),
        },
        timeouts=Timeouts(create_seconds=2 * _INSTALL_SECONDS, update_seconds=2 * _INSTALL_SECONDS),
    ).after(*after, *(resource.key for resource in google))
    policies = (
        Resource(
            token=NETWORK_POLICY,
            name=f"{name}-{policy['metadata']['name']}",
            parent=component.key,
            provider=provider_key(),
            properties=policy,
        ).after(release.key)
        for policy in _policies(stack, keda)
    )
    scrapes = () if stack.observability is None else (scrape_keda(stack.observability, keda),)
    monitors = (kubernetes_resource(one, component, OPERATOR).after(release.key) for one in scrapes)
    return Component(component, (*google, release, *policies, *monitors))


def _values(stack: StackSettings, keda: KedaOperator) -> dict[str, Any]:
    watched = dict.fromkeys([*(stack.seen_by_namespace if stack.consumers else ()), *keda.watches])
    account = keda.google_service_account
    values: dict[str, Any] = {
        # Removing the release would take the kinds with it, and with them every ScaledObject of the cluster.
        "crds": {"additionalAnnotations": {"helm.sh/resource-policy": "keep"}},
        # Roles in these namespaces instead of the whole cluster: elsewhere it reads no Secret. The chart's own
        # permissions.operator.restrict.secret is no way: Secrets would then be read from KEDA's namespace only.
        "watchNamespace": ",".join(watched),
        # A Deployment needs no right to scale anything that has the subresource.
        "rbac": {"enabledCustomScaledRefKinds": False},
        "permissions": {"metricServer": {"restrict": {"secret": True}}},
    }
    if account is not None:
        values["podIdentity"] = {"gcp": {"enabled": True, "gcpIAMServiceAccount": account}}
    if stack.observability is not None:
        values["prometheus"] = {"operator": {"enabled": True, "port": OWN_METRICS_PORT}}
    return values


def _policies(stack: StackSettings, keda: KedaOperator) -> Iterator[Manifest]:
    """Not the chart's own: its rule for the API server selects pods, and a managed control plane is none."""
    api = {"to": [{"ipBlock": {"cidr": _ANYWHERE}}], "ports": tcp(443, 6443)}
    within = {"podSelector": _pods(OPERATOR)}
    brokers = [*_brokers(stack), *(destination(rule) for rule in keda.egress)]
    identity = allow_metadata_server() if keda.google_service_account else ()
    adapters = {"podSelector": _pods(ADAPTER)}
    grpc_in = {"from": [adapters], "ports": tcp(GRPC_PORT)}
    grpc_out = {"to": [within], "ports": tcp(GRPC_PORT)}
    scraped = () if stack.observability is None else (scraped_from(stack.observability.scrapers, OWN_METRICS_PORT),)
    yield _policy(keda, OPERATOR, [grpc_in, *scraped], [allow_dns(), api, *identity, *brokers])
    # Whoever calls them is the API server, which is no pod; both ask for its certificate.
    yield _policy(keda, ADAPTER, [{"ports": tcp(METRICS_PORT)}], [allow_dns(), api, grpc_out])
    yield _policy(keda, WEBHOOKS, [{"ports": tcp(WEBHOOK_PORT)}], [allow_dns(), api])


def _policy(keda: KedaOperator, app: str, ingress: list[Manifest], egress: list[Manifest]) -> Manifest:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": _metadata(keda, app) | {"name": f"{app}-only"},
        "spec": {
            "podSelector": _pods(app),
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            "egress": egress,
        },
    }


def _metadata(keda: KedaOperator, app: str, labels: Mapping[str, str] | None = None) -> Manifest:
    own = {"app.kubernetes.io/name": app, "app.kubernetes.io/managed-by": "ebbtide"}
    return {"name": app, "namespace": keda.namespace, "labels": {**own, **(labels or {})}}


def _pods(app: str) -> Manifest:
    return {"matchLabels": {"app": app}}


def _brokers(stack: StackSettings) -> Iterator[Manifest]:
    """The operator, not the consumer, asks the broker."""
    asked = [one for one in stack.consumers.values() if one.autoscaling.asks_transport and one.transport is not None]
    own = broker_egress(stack) if any(stack.broker_of(one) is not None for one in asked) else None
    if own is not None:
        yield destination(own)
    for address in dict.fromkeys(one.transport.asked_at for one in asked if one.transport is not None):
        host, _, port = address.rpartition(":")
        if host:
            yield from map(destination, _reached(host.strip("[]"), int(port)))


def _reached(host: str, port: int) -> Iterator[EgressRule]:
    """An address is known; a Service's name says its namespace; of any other name only the port is. One of two labels
    may be either, `redis.brokers` as `example.com`, and is opened as both: an ipBlock finds no pods on Dataplane V2."""
    try:
        address = ip_address(host)
    except ValueError:
        service = service_of(host)
        if service is not None:
            yield EgressRule(namespace=service.namespace, ports=(port,))
        if service is None or not service.is_certain:
            yield EgressRule(cidr=_ANYWHERE, ports=(port,))
    else:
        yield EgressRule(cidr=f"{address}/{address.max_prefixlen}", ports=(port,))


def _google(stack: StackSettings, keda: KedaOperator, component: Resource) -> Iterator[Resource]:
    account = keda.google_service_account
    if account is not None:
        project = account.partition("@")[2].removesuffix(".iam.gserviceaccount.com")
        pool = f"serviceAccount:{workload_pool(stack)}[{keda.namespace}/{OPERATOR}]"
        yield Resource(
            token=names.SERVICE_ACCOUNT_MEMBER,
            name=f"{component.name}-workload-identity",
            parent=component.key,
            properties={
                "serviceAccountId": f"projects/{project}/serviceAccounts/{account}",
                "role": WORKLOAD_IDENTITY_ROLE,
                "member": pool,
            },
        )
        yield Resource(
            token=names.PROJECT_MEMBER,
            name=f"{component.name}-monitoring-viewer",
            parent=component.key,
            properties={
                "project": names.google(stack).project,
                "role": MONITORING_ROLE,
                "member": f"serviceAccount:{account}",
            },
        )
    if is_gke(stack.cluster):
        yield _firewall(stack, component)


def _firewall(stack: StackSettings, component: Resource) -> Resource:
    """The control plane of a private cluster reaches its nodes on 443 and 10250 only; metrics and webhook listen
    elsewhere. Its endpoint lies in the nodes' own range, where these clusters have it by Private Service Connect."""
    cluster = "cluster"
    account = Resource(token=names.SERVICE_ACCOUNT, name=f"{cluster}-node-service-account").ref("email")
    network = Resource(token=names.NETWORK, name=f"{cluster}-network").ref("selfLink")
    return Resource(
        token=names.FIREWALL,
        name=f"{component.name}-control-plane",
        parent=component.key,
        properties={
            "name": f"{names.cluster_name(stack)}-keda",
            "project": names.google(stack).project,
            "network": network,
            "direction": "INGRESS",
            "sourceRanges": [str(names.gke_cluster(stack).network.ranges.nodes)],
            "targetServiceAccounts": [Join((account,))],
            "allows": [{"protocol": "tcp", "ports": [str(METRICS_PORT), str(WEBHOOK_PORT)]}],
        },
    )
