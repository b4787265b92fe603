"""What opens a network, widens permissions or weakens a pod's isolation."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.preview.change import MISSING, Operation, PropertyChange, ResourceChange, entries, mapping
from ebbtide.preview.patterns import CREATED, DELETED, REPLACED
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.show import show_change, show_path

_EVERYWHERE = {"0.0.0.0/0", "::/0"}
_WIDE = _EVERYWHERE | {"everywhere", "ingress from everywhere"} | {f"ingress from {cidr}" for cidr in _EVERYWHERE}
_EVERY_PORT = "every port"
_METADATA_SERVERS = {"169.254.169.252/32", "169.254.169.254/32"}
_BROAD_ROLE = re.compile(r"roles/(owner|editor)$|[aA]dmin$|cluster-admin$")
_EVERYBODY = {"allUsers", "allAuthenticatedUsers"}
_ENFORCE = "pod-security.kubernetes.io/enforce"
# Verbs by which who has them can give themselves any other right.
_HANDS_ON = {"escalate", "bind", "impersonate"}
_WORKLOAD_IDENTITY = re.compile(r"/subject/ns/(?P<namespace>[^/]+)/sa/(?P<name>[^/]+)$")
# Settings of a pod: the value that isolates it, and what Kubernetes takes where none is written.
_ISOLATION = {
    "runAsNonRoot": (True, False),
    "readOnlyRootFilesystem": (True, False),
    "allowPrivilegeEscalation": (False, True),
    "privileged": (False, False),
    "hostNetwork": (False, False),
    "hostPID": (False, False),
    "hostIPC": (False, False),
    "automountServiceAccountToken": (False, True),
}
_POD = "spec.template.spec"
_ISOLATED = (
    *(f"{_POD}.{name}" for name in ("hostNetwork", "hostPID", "hostIPC", "automountServiceAccountToken")),
    *(
        f"{place}.securityContext.{name}"
        for place in (_POD, f"{_POD}.containers.*", f"{_POD}.initContainers.*")
        for name in (
            *("runAsNonRoot", "readOnlyRootFilesystem", "allowPrivilegeEscalation", "privileged"),
            *("capabilities.drop.*", "capabilities.add.*", "seccompProfile.type"),
        )
    ),
)
# What the rules read of a policy. Not spec.podSelector: it moves all of that to other pods.
_FLOWS = (
    "spec.policyTypes.*",
    *(
        f"spec.{direction}.*.{part}"
        for direction, peers in (("egress", "to"), ("ingress", "from"))
        for part in (
            *(f"{peers}.*.{name}" for name in ("ipBlock.cidr", "namespaceSelector.matchLabels.*")),
            f"{peers}.*.podSelector.matchLabels.*",
            *(f"ports.*.{name}" for name in ("protocol", "port", "endPort")),
        )
    ),
)
_MEMBERS = (
    "IAMMember",
    "IAMBinding",
    "IAMPolicy",
    "RepositoryIamMember",
    "RepositoryIamBinding",
    "RepositoryIamPolicy",
    "SecretIamMember",
)
_GRANT = ("role", "member", "members.*", "policyData")


@change_rule(
    "P-30",
    RiskLevel.DANGER,
    RiskLevel.INFO,
    remedy="Name the network and the port that are needed.",
    source="Kubernetes, network policies: what none allows is refused once one selects the pod.",
    tells={"NetworkPolicy": (DELETED,)},
    reads={"NetworkPolicy": _FLOWS},
)
def check_network(context: Context) -> Iterator[Risk]:
    """A network policy lets more through:
    another network, or another port of one."""
    # With what it guarded, or with its namespace, a policy goes without leaving anything open.
    gone = {change.title for kind in ("Deployment", "Namespace") for change in context.of(kind, Operation.DELETE)}
    for change in context.of("NetworkPolicy"):
        if change.operation is Operation.DELETE:
            if change.title in gone or _namespace(change.old) in gone:
                continue
            sentence = f"network policy {change.title} is deleted: what it kept out may come in"
            yield Risk(change.title, sentence, "keep it", change.key)
            continue
        if change.operation is Operation.CREATE:
            continue
        opened = _beyond(_flows(change.new), _flows(change.old))
        if not opened:
            continue
        wide = any(peer in _WIDE for peer, _ in opened)
        level = RiskLevel.DANGER if wide else RiskLevel.INFO
        sentence = f"{change.title} may reach more: {_in_words(opened)}"
        advice = "name the network it needs" if wide else ""
        yield Risk(change.title, sentence, advice, change.key, level)


def _namespace(policy: Mapping[str, Any]) -> str:
    return str(mapping(policy.get("metadata")).get("namespace", ""))


_Flow = tuple[str, str]
"""Who is at the other end, and which port: "10.0.0.0/8", "6379"."""


def _flows(policy: Mapping[str, Any]) -> set[_Flow]:
    """What a policy lets through, in words."""
    spec = mapping(policy.get("spec"))
    found: set[_Flow] = set()
    for direction, key in (("egress", "to"), ("ingress", "from")):
        prefix = "" if direction == "egress" else "ingress from "
        if not _restricts(spec, direction):
            found.add((f"{prefix}everywhere", _EVERY_PORT))
            continue
        for rule in entries(spec.get(direction)):
            peers = [_peer(peer) for peer in entries(rule.get(key))] or ["everywhere"]
            ports = [_port(port) for port in entries(rule.get("ports"))] or [_EVERY_PORT]
            found |= {(f"{prefix}{peer}", port) for peer in peers for port in ports}
    return found


def _restricts(spec: Mapping[str, Any], direction: str) -> bool:
    """Whether the policy says anything of a direction; where it names none, Kubernetes takes ingress, and egress if
    there are rules for it."""
    types = spec.get("policyTypes")
    if isinstance(types, list) and types:
        return direction.capitalize() in types
    return direction == "ingress" or bool(spec.get("egress"))


def _port(port: Mapping[str, Any]) -> str:
    number = str(port.get("port", _EVERY_PORT))
    if "endPort" in port:
        number += f"-{port['endPort']}"
    protocol = port.get("protocol", "TCP")
    return number if protocol == "TCP" else f"{number}/{protocol}"


def _beyond(flows: set[_Flow], others: set[_Flow]) -> set[_Flow]:
    """The flows that the others do not let through."""
    return {flow for flow in flows if not others & _covering(flow)}


def _covering(flow: _Flow) -> set[_Flow]:
    """What lets a flow through: itself, all ports of its end, or everything in its direction."""
    peer, port = flow
    prefix = "ingress from " if peer.startswith("ingress from ") else ""
    anywhere = {f"{prefix}{one}" for one in ("everywhere", "0.0.0.0/0")}
    return {flow, (peer, _EVERY_PORT)} | {(end, which) for end in anywhere for which in (port, _EVERY_PORT)}


def _in_words(flows: set[_Flow]) -> str:
    """`10.0.0.0/8 (443, 6379), the metadata server (every port)`."""
    ports: dict[str, list[str]] = {}
    for peer, port in sorted(flows):
        ports.setdefault(peer, []).append(port)
    return ", ".join(f"{peer} ({', '.join(listed)})" for peer, listed in ports.items())


def _peer(peer: Mapping[str, Any]) -> str:
    if isinstance(peer.get("ipBlock"), Mapping):
        cidr = str(peer["ipBlock"].get("cidr", "everywhere"))
        return "the metadata server" if cidr in _METADATA_SERVERS else cidr
    labels = [
        f"{name}={value}"
        for selector in ("namespaceSelector", "podSelector")
        for name, value in mapping(mapping(peer.get(selector)).get("matchLabels")).items()
    ]
    return "pods " + (", ".join(labels) or "everywhere")


@change_rule(
    "P-34",
    RiskLevel.DANGER,
    remedy="Make sure that nothing the consumer needs is there.",
    source="Kubernetes, network policies: what none allows is refused.",
    tells={"NetworkPolicy": (CREATED, REPLACED)},
    reads={"NetworkPolicy": _FLOWS},
)
def check_network_closed(context: Context) -> Iterator[Risk]:
    """A network policy no longer lets through what it did, or a new one is laid over pods that run: a consumer that
    needs it reaches neither its broker nor its database."""
    new_ones = {
        change.title
        for kind in ("Deployment", "Namespace")
        for change in context.of(kind, Operation.CREATE, Operation.REPLACE)
    }
    # The pods of a Helm release that makes its namespace come with it.
    new_ones |= {
        str(change.new.get("namespace"))
        for change in context.of("Release", Operation.CREATE)
        if change.new.get("createNamespace") is True
    }
    for change in context.of("NetworkPolicy", Operation.CREATE):
        if not {change.title, _namespace(change.new)} & new_ones:
            allowed = _in_words(_flows(change.new)) or "nothing"
            sentence = f"a new network policy {change.title}: what it selects may reach, and be reached by, {allowed}"
            yield Risk(change.title, sentence, "make sure that nothing a pod needs is missing", change.key)
    for change in context.of("NetworkPolicy", Operation.UPDATE, Operation.REPLACE):
        closed = _beyond(_flows(change.old), _flows(change.new))
        if closed:
            sentence = f"{change.title} may no longer reach {_in_words(closed)}"
        elif change.operation is Operation.REPLACE:
            sentence = f"network policy {change.title} is made anew: meanwhile only the other policies hold"
        else:
            continue
        yield Risk(change.title, sentence, "make sure that nothing it needs is there", change.key)


@change_rule(
    "P-31",
    RiskLevel.DANGER,
    RiskLevel.INFO,
    remedy="Grant the narrowest role that works.",
    source="Google Cloud, IAM roles.",
    tells=dict.fromkeys(_MEMBERS, (CREATED,)),
    reads=dict.fromkeys(_MEMBERS, _GRANT),
)
def check_roles(context: Context) -> Iterator[Risk]:
    """An identity is granted another role: by a
    member, a binding of several members, or a whole policy."""
    for change in context.change.changes:
        if change.package != "gcp" or change.operation is Operation.DELETE:
            continue
        for role, member in sorted(_grants(change.new, change.title) - _grants(change.old, change.title)):
            broad = bool(_BROAD_ROLE.search(role)) or member in _EVERYBODY
            sentence = f"{_who(member)} is granted {role}"
            advice = "grant the narrowest role that works" if broad else ""
            level = RiskLevel.DANGER if broad else RiskLevel.INFO
            yield Risk(change.title, sentence, advice, change.key, level)


@change_rule(
    "P-39",
    RiskLevel.DANGER,
    remedy="Make sure that nobody who runs needs it: images, queues, secrets.",
    source="Google Cloud, IAM: access ends within minutes.",
    tells=dict.fromkeys(_MEMBERS, (DELETED, REPLACED)),
    reads=dict.fromkeys(_MEMBERS, _GRANT),
)
def check_roles_lost(context: Context) -> Iterator[Risk]:
    """Whoever has a role keeps it: a consumer without its role reads no queue, a node without its own pulls no
    image."""
    # A rotation makes another secret, and whoever read the old one may read it.
    secrets = [change for change in context.change.changes if change.kind == "SecretIamMember"]
    successors = {grant for change in secrets for grant in _grants(change.new, change.title)}
    for change in context.change.changes:
        if change.package != "gcp" or change.operation is Operation.CREATE:
            continue
        kept = set() if _moves(change) else _grants(change.new, change.title)
        if change in secrets:
            kept |= successors
        for role, member in sorted(_grants(change.old, change.title) - kept):
            where = " in its old place" if _moves(change) else ""
            sentence = f"{_who(member)} loses {role}{where}"
            yield Risk(change.title, sentence, "make sure that nobody who runs needs it", change.key)


def _moves(change: ResourceChange) -> bool:
    """Whether the roles are those on another project, repository or account."""
    who = {"role", "member", "members", "policyData"}
    return any(found.replaces and found.path[0] not in who for found in change.properties)


def _grants(inputs: Mapping[str, Any], unnamed: str) -> set[tuple[str, str]]:
    """The roles that IAM resources give, each with who gets it; `unnamed` where the program computes that."""
    policy = inputs.get("policyData")
    if isinstance(policy, str):
        try:
            policy = json.loads(policy)
        except (ValueError, RecursionError):
            policy = None
    bindings = [inputs, *entries(mapping(policy).get("bindings"))]
    return {
        (binding["role"], member)
        for binding in bindings
        if isinstance(binding.get("role"), str)
        for member in _members(binding) or [unnamed]
    }


def _members(binding: Mapping[str, Any]) -> list[str]:
    several = binding.get("members")
    named = [binding.get("member"), *(several if isinstance(several, list) else [])]
    return [member for member in named if isinstance(member, str)]


def _who(member: str) -> str:
    """A Kubernetes service account by its own name; Workload Identity writes it into 150 characters."""
    found = _WORKLOAD_IDENTITY.search(member)
    return f"service account {found['name']} in namespace {found['namespace']}" if found else member


@change_rule(
    "P-35",
    RiskLevel.DANGER,
    RiskLevel.INFO,
    remedy="Grant the narrowest rule that works.",
    source="Kubernetes, RBAC good practices: wildcards, escalate, bind, impersonate, secrets.",
    tells=dict.fromkeys(("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"), (CREATED,)),
    reads={
        **dict.fromkeys(
            ("Role", "ClusterRole"),
            tuple(
                f"rules.*.{name}.*" for name in ("apiGroups", "resources", "verbs", "nonResourceURLs", "resourceNames")
            ),
        ),
        **dict.fromkeys(
            ("RoleBinding", "ClusterRoleBinding"),
            (
                *(f"roleRef.{name}" for name in ("apiGroup", "kind", "name")),
                *(f"subjects.*.{name}" for name in ("apiGroup", "kind", "name", "namespace")),
            ),
        ),
    },
)
def check_rbac(context: Context) -> Iterator[Risk]:
    """A Kubernetes role allows more, or is
    bound to somebody else. ebbtide makes none of these: they come from a program of one's own."""
    for kind in ("Role", "ClusterRole"):
        for change in context.of(kind, Operation.CREATE, Operation.UPDATE, Operation.REPLACE):
            known = entries(change.old.get("rules"))
            for rule in entries(change.new.get("rules")):
                if rule not in known:
                    yield _rbac_risk(change, f"{kind} {change.title} allows {_allowed(rule)}", broad=_is_broad(rule))
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        for change in context.of(kind, Operation.CREATE, Operation.UPDATE, Operation.REPLACE):
            role = str(mapping(change.new.get("roleRef")).get("name", "?"))
            same_role = mapping(change.old.get("roleRef")) == mapping(change.new.get("roleRef"))
            known = entries(change.old.get("subjects")) if same_role else []
            for subject in entries(change.new.get("subjects")):
                if subject not in known:
                    who = f"{subject.get('kind', 'subject')} {subject.get('name', '?')}"
                    broad = bool(_BROAD_ROLE.search(role)) or subject.get("kind") == "Group"
                    yield _rbac_risk(change, f"{who} is bound to {role} by {kind} {change.title}", broad=broad)


def _rbac_risk(change: ResourceChange, sentence: str, *, broad: bool) -> Risk:
    advice = "grant the narrowest rule that works" if broad else ""
    return Risk(change.title, sentence, advice, change.key, RiskLevel.DANGER if broad else RiskLevel.INFO)


def _is_broad(rule: Mapping[str, Any]) -> bool:
    verbs, resources = _words(rule, "verbs"), _words(rule, "resources")
    return "*" in verbs + resources or bool(_HANDS_ON & set(verbs)) or "secrets" in resources


def _allowed(rule: Mapping[str, Any]) -> str:
    what = _words(rule, "resources") or _words(rule, "nonResourceURLs")
    return f"{', '.join(_words(rule, 'verbs')) or 'nothing'} on {', '.join(what) or 'nothing'}"


def _words(rule: Mapping[str, Any], key: str) -> list[str]:
    value = rule.get(key)
    return [str(word) for word in value] if isinstance(value, list) else []


@change_rule(
    "P-32",
    RiskLevel.DANGER,
    remedy="Keep it as it was.",
    source="Kubernetes, Pod Security Standards: restricted.",
    reads={"Deployment": _ISOLATED},
)
def check_isolation(context: Context) -> Iterator[Risk]:
    """A pod may do what it might not before: run as root, write to its root, use the host's network,
    gain a capability."""
    for change in context.of("Deployment", Operation.UPDATE):
        for found in change.properties:
            if _weakens(found):
                words = f"{'.'.join(map(str, found.path[-2:]))} {_show(found.old)} → {_show(found.new)}"
                sentence = f"pods of {change.title} are isolated less: {words}"
                yield Risk(change.title, sentence, "keep it as it was", change.key)


def _weakens(change: PropertyChange) -> bool:
    name = change.path[-1]
    if name in _ISOLATION:
        isolated, default = _ISOLATION[str(name)]
        old, new = (default if value is MISSING else value for value in (change.old, change.new))
        return bool(old == isolated and new != isolated)
    if "capabilities" in change.path:
        return True
    return name in {"securityContext", "seccompProfile"} and change.new is MISSING


def _show(value: object) -> str:
    return "none" if value is MISSING else str(value).lower() if isinstance(value, bool) else str(value)


@change_rule(
    "P-33",
    RiskLevel.DANGER,
    RiskLevel.INFO,
    remedy="Keep the label.",
    source="Kubernetes, Pod Security admission.",
    tells={"Namespace": (f"metadata.labels[{_ENFORCE}]", f"metadata.labels[{_ENFORCE}-version]")},
)
def check_namespace_enforcement(context: Context) -> Iterator[Risk]:
    """The namespace enforces Pod Security "restricted", of the version that its pods were made for."""
    for change in context.of("Namespace", Operation.UPDATE):
        before, after = (mapping(mapping(side.get("metadata")).get("labels")) for side in (change.old, change.new))
        was, now = before.get(_ENFORCE), after.get(_ENFORCE)
        version, next_version = (labels.get(f"{_ENFORCE}-version", "latest") for labels in (before, after))
        if now not in (was, "restricted"):
            sentence = f"namespace {change.title} no longer enforces Pod Security restricted"
            yield Risk(change.title, sentence, "keep it", change.key, RiskLevel.DANGER)
        elif (was, version) != (now, next_version):
            sentence = (
                f"namespace {change.title} enforces Pod Security {now} of {next_version} instead of {was or 'none'} of "
                f"{version}: pods that start from now on are held against it"
            )
            yield Risk(change.title, sentence, resource=change.key, level=RiskLevel.INFO)


@change_rule(
    "P-36",
    RiskLevel.DANGER,
    remedy="Grant the new identity what the old one has first.",
    source="Kubernetes and GKE, Workload Identity: who a pod is decides what it may read.",
    tells={
        "Deployment": (f"{_POD}.serviceAccountName",),
        "ServiceAccount": ("metadata.annotations[iam.gke.io/gcp-service-account]",),
    },
)
def check_identity(context: Context) -> Iterator[Risk]:
    """Pods act as whom they did: another identity may read neither the queue nor the secrets."""
    for change in context.of("Deployment", Operation.UPDATE):
        old, new = (_account(side) for side in (change.old, change.new))
        if old != new:
            sentence = f"pods of {change.title} act as service account {new} instead of {old}"
            yield Risk(change.title, sentence, "grant it what the old one has first", change.key)
    for change in context.of("ServiceAccount", Operation.UPDATE):
        old, new = (_google_account(side) for side in (change.old, change.new))
        if old != new:
            sentence = f"pods of service account {change.title} act as {new} in Google Cloud instead of {old}"
            yield Risk(change.title, sentence, "grant it what the old one has first", change.key)


def _account(deployment: Mapping[str, Any]) -> Any:
    template = mapping(mapping(deployment.get("spec")).get("template"))
    return mapping(template.get("spec")).get("serviceAccountName", "default")


def _google_account(account: Mapping[str, Any]) -> Any:
    annotations = mapping(mapping(account.get("metadata")).get("annotations"))
    return annotations.get("iam.gke.io/gcp-service-account", "nobody")


@change_rule(
    "P-37",
    RiskLevel.DANGER,
    remedy="Name the networks that need it; keep a way in for whoever deploys.",
    source="GKE, access to the control plane: DNS and IP endpoints, authorized networks.",
    tells={
        "Cluster": (
            "privateClusterConfig.enablePrivateEndpoint",
            "controlPlaneEndpointsConfig.dnsEndpointConfig.allowExternalTraffic",
            "controlPlaneEndpointsConfig.ipEndpointsConfig.enabled",
            "masterAuthorizedNetworksConfig.cidrBlocks.*.cidrBlock",
            "masterAuthorizedNetworksConfig.cidrBlocks.*.displayName",
            "masterAuthorizedNetworksConfig.gcpPublicCidrsAccessEnabled",
            "masterAuthorizedNetworksConfig.privateEndpointEnforcementEnabled",
        )
    },
)
def check_control_plane(context: Context) -> Iterator[Risk]:
    """Who reaches the control plane stays the same: nobody more, and whoever deploys still does."""
    places = ("privateClusterConfig", "controlPlaneEndpointsConfig", "masterAuthorizedNetworksConfig")
    for change in context.of("Cluster", Operation.UPDATE):
        touched = [found for found in change.properties if found.path[0] in places]
        if touched:
            words = "; ".join(f"{show_path(found.path)} {show_change(found)}" for found in touched[:3])
            sentence = f"the control plane of {change.title} is reached otherwise: {words}"
            yield Risk(change.title, sentence, "make sure that nobody more gets in, and that you still do", change.key)
