"""Who is granted what, by roles of Google Cloud and of Kubernetes."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.preview.change import Operation, ResourceChange, entries, mapping
from ebbtide.preview.patterns import CREATED, DELETED, REPLACED
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule

_BROAD_ROLE = re.compile(r"roles/(owner|editor)$|[aA]dmin$|cluster-admin$")
_EVERYBODY = {"allUsers", "allAuthenticatedUsers"}
# Verbs by which who has them can give themselves any other right.
_HANDS_ON = {"escalate", "bind", "impersonate"}
_WORKLOAD_IDENTITY = re.compile(r"/subject/ns/(?P<namespace>[^/]+)/sa/(?P<name>[^/]+)$")
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


_RBAC = {
    **dict.fromkeys(
        ("Role", "ClusterRole"),
        tuple(f"rules.*.{name}.*" for name in ("apiGroups", "resources", "verbs", "nonResourceURLs", "resourceNames")),
    ),
    **dict.fromkeys(
        ("RoleBinding", "ClusterRoleBinding"),
        (
            *(f"roleRef.{name}" for name in ("apiGroup", "kind", "name")),
            *(f"subjects.*.{name}" for name in ("apiGroup", "kind", "name", "namespace")),
        ),
    ),
}


@change_rule(
    "P-35",
    RiskLevel.DANGER,
    RiskLevel.INFO,
    remedy="Grant the narrowest rule that works.",
    source="Kubernetes, RBAC good practices: wildcards, escalate, bind, impersonate, secrets.",
    tells=dict.fromkeys(("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"), (CREATED,)),
    reads=_RBAC,
)
def check_rbac(context: Context) -> Iterator[Risk]:
    """A Kubernetes role allows more, or is bound to somebody else. What it allows no more is P-35a's."""
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


@change_rule(
    "P-35a",
    RiskLevel.DANGER,
    remedy="Make sure that nobody who runs needs it: whoever scales, elects a leader or reads a Secret.",
    source="Kubernetes, RBAC: a request is allowed only by a rule that is there; the next one is refused.",
    reads=_RBAC,
)
def check_rbac_lost(context: Context) -> Iterator[Risk]:
    """A Kubernetes role allows what it did, to whom it did: an operator without its right to scale leaves every number
    of pods where it is."""
    advice = "make sure that nobody who runs needs it"
    for kind in ("Role", "ClusterRole"):
        for change in context.of(kind, Operation.UPDATE, Operation.REPLACE):
            kept = [right for rule in entries(change.new.get("rules")) for right in _rights(rule)]
            for rule in entries(change.old.get("rules")):
                if not all(any(_covers(one, right) for one in kept) for right in _rights(rule)):
                    sentence = f"{kind} {change.title} no longer allows all of {_allowed(rule)}"
                    yield Risk(change.title, sentence, advice, change.key)
    for kind in ("RoleBinding", "ClusterRoleBinding"):
        for change in context.of(kind, Operation.UPDATE, Operation.REPLACE):
            role = str(mapping(change.old.get("roleRef")).get("name", "?"))
            same_role = mapping(change.old.get("roleRef")) == mapping(change.new.get("roleRef"))
            kept_subjects = entries(change.new.get("subjects")) if same_role else []
            for subject in entries(change.old.get("subjects")):
                if subject not in kept_subjects:
                    who = f"{subject.get('kind', 'subject')} {subject.get('name', '?')}"
                    sentence = f"{who} is no longer bound to {role} by {kind} {change.title}"
                    yield Risk(change.title, sentence, advice, change.key)


_Right = tuple[str, str, str, str]


def _rights(rule: Mapping[str, Any]) -> list[_Right]:
    """One by one: group, resource or path, verb, and the name of the one object; empty for all of them."""
    where = [(group, one) for group in _words(rule, "apiGroups") for one in _words(rule, "resources")]
    where += [("/", path) for path in _words(rule, "nonResourceURLs")]
    names = _words(rule, "resourceNames") or [""]
    return [(*place, verb, name) for place in where for verb in _words(rule, "verbs") for name in names]


def _covers(one: _Right, other: _Right) -> bool:
    groups, whats, verbs, names = zip(one, other, strict=True)
    return all(have in {"*", need} for have, need in (groups, whats, verbs)) and names[0] in {"", names[1]}


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
