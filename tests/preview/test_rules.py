"""Rules that no setting of a stack file leads to: they guard hand-written programs and older versions of this one."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.preview.changes import CHANGES
from tests.preview.test_autoscalers import CASES as AUTOSCALERS

from ebbtide.manifests.resource import to_json
from ebbtide.manifests.stack import stack_resources
from ebbtide.preview.change import StackChange
from ebbtide.preview.review import Review, review_change
from ebbtide.preview.sources.compare import compare
from ebbtide.settings.loading.loader import load_stack
from ebbtide.settings.rules.check import acceptances

ROOT = Path(__file__).parents[2]
HEAD = load_stack("production", ROOT)
BASE = [to_json(resource) for resource in stack_resources(HEAD)]
DEV = [to_json(resource) for resource in stack_resources(load_stack("dev", ROOT))]
Edit = Callable[[dict[str, Any]], None]


def review_of(kind: str, edit: Edit | None) -> Review:
    """The review of an edit of every resource of a kind; of their deletion where there is none (HPAs are dev's)."""
    base = next(found for found in (BASE, DEV) if any(one["type"].endswith(f":{kind}") for one in found))
    after = [copy.deepcopy(one) for one in base if edit is not None or not one["type"].endswith(f":{kind}")]
    for one in after:
        if edit is not None and one["type"].endswith(f":{kind}"):
            edit(one["properties"])
    changes, standing = compare(base, after)
    assert changes, "nothing was edited"
    return review_change(StackChange("production", "ebbtide", changes, len(standing), "test", standing=standing), HEAD)


def pod(properties: dict[str, Any]) -> dict[str, Any]:
    spec: dict[str, Any] = properties["spec"]["template"]["spec"]
    return spec


def worker(properties: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = pod(properties)["containers"][0]
    return found


def lifecycle(properties: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = worker(properties)["lifecycle"]["preStop"]
    return found


def variable(properties: dict[str, Any], name: str) -> dict[str, Any]:
    found: dict[str, Any] = next(one for one in worker(properties)["env"] if one["name"] == name)
    return found


def container(properties: dict[str, Any]) -> dict[str, Any]:
    context: dict[str, Any] = pod(properties)["containers"][0]["securityContext"]
    return context


FEWEST_PODS = HEAD.consumers["githubevents"].autoscaling.min_replicas
ENFORCE = "pod-security.kubernetes.io/enforce"
RULES: list[tuple[str, str, str, Edit | None]] = [
    ("P-06", "danger", "PodDisruptionBudget", lambda one: one["spec"].update(maxUnavailable=0)),
    ("P-06", "danger", "PodDisruptionBudget", lambda one: one.update(spec={**one["spec"], "minAvailable": "100%"})),
    ("P-06", "danger", "PodDisruptionBudget", lambda one: one.update(spec={"minAvailable": FEWEST_PODS})),
    ("P-03", "danger", "Deployment", lambda one: lifecycle(one).update(exec={"command": ["/bin/true"]})),
    ("P-03", "danger", "Deployment", lambda one: variable(one, "EBBTIDE_STOP_WAIT_SECONDS").update(value="20")),
    ("P-17", "disruptive", "Deployment", lambda one: one["spec"].update(strategy={"type": "Recreate"})),
    ("P-17", "info", "Deployment", lambda one: one["spec"].update(minReadySeconds=30)),
    ("P-18", "info", "PodDisruptionBudget", lambda one: one["spec"].update(maxUnavailable=2)),
    ("P-18", "danger", "PodDisruptionBudget", None),
    ("P-36", "danger", "Deployment", lambda one: pod(one).update(serviceAccountName="other")),
    (
        "P-36",
        "danger",
        "ServiceAccount",
        lambda one: one["metadata"].update(annotations={"iam.gke.io/gcp-service-account": "a@b.example"}),
    ),
    (
        "P-37",
        "danger",
        "Cluster",
        lambda one: one["controlPlaneEndpointsConfig"]["dnsEndpointConfig"].update(allowExternalTraffic=False),
    ),
    ("P-39", "danger", "RepositoryIamMember", None),
    ("P-40", "notJudged", "Deployment", lambda one: worker(one)["livenessProbe"].update(periodSeconds=1)),
    ("P-08c", "notJudged", "Deployment", lambda one: worker(one).update(command=["/bin/sh"])),
    ("P-40", "notJudged", "Deployment", lambda one: worker(one).update(stdin=True)),
    ("P-12", "disruptive", "NodePool", lambda one: one["nodeConfig"].update(imageType="UBUNTU_CONTAINERD")),
    ("P-25", "danger", "HorizontalPodAutoscaler", None),
    ("P-25", "danger", "ScaledObject", None),
    ("P-30", "danger", "NetworkPolicy", lambda one: one["spec"].update(policyTypes=["Ingress"], egress=[])),
    ("P-32", "danger", "Deployment", lambda one: pod(one).update(hostNetwork=True)),
    ("P-32", "danger", "Deployment", lambda one: container(one).update(readOnlyRootFilesystem=False)),
    ("P-32", "danger", "Deployment", lambda one: container(one).update(allowPrivilegeEscalation=True)),
    ("P-32", "danger", "Deployment", lambda one: container(one)["capabilities"].update(add=["NET_ADMIN"])),
    ("P-33", "danger", "Namespace", lambda one: one["metadata"]["labels"].update({ENFORCE: "baseline"})),
    ("P-33", "danger", "Namespace", lambda one: one["metadata"]["labels"].pop(ENFORCE)),
]


@pytest.mark.parametrize(("rule", "level", "kind", "edit"), RULES, ids=[f"{rule} {kind}" for rule, _, kind, _ in RULES])
def test_a_change_that_no_setting_makes_is_judged_all_the_same(
    rule: str, level: str, kind: str, edit: Edit | None
) -> None:
    found = [risk.level.value for risk in review_of(kind, edit).risks if risk.rule == rule]
    assert found
    assert set(found) == {level}


ROOT_USER = [{"name": "consumer", "securityContext": {"runAsUser": 0}}]


def test_a_container_that_runs_as_root_from_now_on_is_danger() -> None:
    ((level, sentence),) = beside(
        "kubernetes:apps/v1:Deployment",
        "P-32",
        {"spec": {"template": {"spec": {"containers": [{"name": "consumer"}]}}}},
        {"spec": {"template": {"spec": {"containers": ROOT_USER}}}},
    )
    assert level == "danger"
    assert "runAsUser none → 0, which is root" in sentence


@pytest.mark.parametrize(
    ("spec", "stops"),
    [({"minAvailable": 1}, False), ({"minAvailable": "100%"}, True), ({"maxUnavailable": "0%"}, True), ({}, True)],
)
def test_a_budget_stops_every_drain_only_where_it_lets_no_pod_go(spec: dict[str, Any], stops: bool) -> None:
    before = {"spec": {"maxUnavailable": 1}}
    found = beside("kubernetes:policy/v1:PodDisruptionBudget", "P-06", before, {"spec": spec})
    assert found == ([("danger", "the disruption budget of mail lets no pod go")] if stops else [])


def test_of_many_reasons_for_a_restart_the_first_four_are_named_and_the_others_counted() -> None:
    def edit(one: dict[str, Any]) -> None:
        worker(one)["env"] += [{"name": f"ANEW_{number}", "value": "1"} for number in range(3)]
        pod(one).update(priorityClassName="low", dnsPolicy="Default", nodeName="one", runtimeClassName="gvisor")

    sentences = [risk.sentence for risk in review_of("Deployment", edit).risks if risk.rule == "P-10"]
    assert sentences
    assert all(re.search(r"(, [^,]+){3} and [1-9] more", sentence) for sentence in sentences), sentences


def profile(name: str) -> dict[str, Any]:
    return {"seccompProfile": {"type": name}} if name else {}


DROPS_ALL = {"capabilities": {"drop": ["ALL"]}}
ISOLATION: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any], str]] = [
    ({}, {"hostNetwork": True}, {}, {}, "hostNetwork none → true"),
    ({}, {"hostPID": True}, {}, {}, "hostPID none → true"),
    ({"hostIPC": False}, {"hostIPC": True}, {}, {}, "hostIPC false → true"),
    ({"automountServiceAccountToken": False}, {}, {}, {}, "automountServiceAccountToken false → none"),
    ({}, {}, {}, {"privileged": True}, "privileged none → true"),
    ({}, {}, {"runAsNonRoot": True}, {}, "runAsNonRoot true → none"),
    ({}, {}, DROPS_ALL, {}, "capabilities.drop ALL → none"),
    ({}, {}, DROPS_ALL, {"capabilities": {"drop": ["NET_RAW"]}}, "capabilities.drop ALL → NET_RAW"),
    ({}, {}, {"capabilities": {"drop": ["NET_RAW"]}}, DROPS_ALL, ""),
    ({"hostIPC": True}, {}, {"privileged": True}, {}, ""),
    *(
        ({}, {}, profile(before), profile(after), words)
        for before, after, words in (
            ("RuntimeDefault", "", "seccompProfile RuntimeDefault → none"),
            ("RuntimeDefault", "Unconfined", "seccompProfile RuntimeDefault → Unconfined"),
            ("Localhost", "Unconfined", "seccompProfile Localhost → Unconfined"),
            ("RuntimeDefault", "Localhost", ""),
            ("Unconfined", "", ""),
        )
    ),
    # What a container has from its pod, and what no pod has.
    ({"securityContext": {"readOnlyRootFilesystem": True}}, {}, {}, {}, ""),
    ({"securityContext": {"runAsNonRoot": True}}, {}, {}, {}, "runAsNonRoot true → none"),
    ({"securityContext": {"runAsNonRoot": True}}, {}, {}, {"runAsNonRoot": True}, ""),
]


@pytest.mark.parametrize(("pod_before", "pod_after", "before", "after", "words"), ISOLATION)
def test_a_pod_that_is_isolated_less_is_danger_and_one_that_is_isolated_more_is_not(
    pod_before, pod_after, before, after, words
) -> None:
    old, new = (
        {
            "spec": {
                "template": {"spec": {**of_pod, "containers": [{"name": "consumer", "securityContext": of_container}]}}
            }
        }
        for of_pod, of_container in ((pod_before, before), (pod_after, after))
    )
    found = beside("kubernetes:apps/v1:Deployment", "P-32", old, new)
    assert found == ([("danger", f"pods of mail are isolated less: {words}")] if words else [])


NETWORKS = {"cidrBlocks": [{"cidrBlock": "10.0.0.0/8", "displayName": "office"}]}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ({"masterAuthorizedNetworksConfig": NETWORKS}, {"cidrBlock": "0.0.0.0/0", "displayName": "office"}),
        ({"masterAuthorizedNetworksConfig": NETWORKS}, {"cidrBlock": "10.0.0.0/8", "displayName": "home"}),
    ],
)
def test_who_reaches_the_control_plane_is_judged_and_not_left_to_the_reader(before: Any, after: Any) -> None:
    token = "gcp:container/cluster:Cluster"
    other = {"masterAuthorizedNetworksConfig": {"cidrBlocks": [after]}}
    ((level, sentence),) = beside(token, "P-37", before, other)
    assert level == "danger"
    assert "is reached otherwise" in sentence
    assert beside(token, "P-40", before, other) == []


def test_of_many_changes_at_the_control_plane_three_are_named_and_the_others_counted() -> None:
    before, after = ({"cidrBlocks": [{"cidrBlock": f"10.{side}.{n}.0/24"} for n in range(5)]} for side in (0, 1))
    token = "gcp:container/cluster:Cluster"
    config = "masterAuthorizedNetworksConfig"
    ((_, sentence),) = beside(token, "P-37", {config: before}, {config: after})
    assert [f"10.1.{n}.0/24" in sentence for n in range(5)] == [True, True, True, False, False]
    assert sentence.endswith(" and 2 more")


def test_an_edit_of_the_same_objects_that_opens_nothing_is_no_danger() -> None:
    """The counterpart: the rules above look at what is written and not at which object it is."""
    edits: list[tuple[str, Edit]] = [
        ("PodDisruptionBudget", lambda one: one["metadata"]["labels"].update(team="mail")),
        ("NodePool", lambda one: one["autoscaling"].update(maxNodeCount=9)),
        ("Deployment", lambda one: pod(one).update(priorityClassName="low")),
        ("Namespace", lambda one: one["metadata"]["labels"].update(team="mail")),
    ]
    for kind, edit in edits:
        spoken = {risk.rule for risk in review_of(kind, edit).risks}
        assert not (spoken - {"P-40"}) & {rule for rule, *_ in RULES}, kind


def beside(token: str, rule: str, before: dict[str, Any] | None, after: dict[str, Any]) -> list[tuple[str, str]]:
    """The level and sentence of each risk of a rule when a resource changes beside the stack's own."""
    one = {**BASE[-1], "type": token, "name": "mail"}
    old, new = ([*BASE, {**one, "properties": found}] if found is not None else BASE for found in (before, after))
    changes, standing = compare(old, new)
    review = review_change(
        StackChange("production", "ebbtide", changes, len(standing), "test", standing=standing), HEAD
    )
    assert all(risk.advice for risk in review.risks if risk.level.value == "danger"), "a danger says what to do"
    return [(risk.level.value, risk.sentence) for risk in review.risks if risk.rule == rule]


READ = {"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}
ALL = {"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}
WORKER, EVERYBODY = {"kind": "ServiceAccount", "name": "mail"}, {"kind": "Group", "name": "system:authenticated"}
ADMIN = {"kind": "ClusterRole", "name": "cluster-admin"}


ACCESS: list[tuple[str, dict[str, Any] | None, dict[str, Any], list[tuple[str, str]]]] = [
    ("Role", None, {"rules": [READ]}, [("info", "Role mail allows get on pods")]),
    ("Role", {"rules": [READ]}, {"rules": [READ, ALL]}, [("danger", "Role mail allows * on *")]),
    ("Role", {"rules": [READ, ALL]}, {"rules": [READ]}, []),
    (
        "ClusterRole",
        None,
        {"rules": [{"resources": ["roles"], "verbs": ["bind"]}]},
        [("danger", "ClusterRole mail allows bind on roles")],
    ),
    (
        "RoleBinding",
        {"roleRef": {"name": "reader"}, "subjects": [WORKER]},
        {"roleRef": ADMIN, "subjects": [WORKER]},
        [("danger", "ServiceAccount mail is bound to cluster-admin by RoleBinding mail")],
    ),
    (
        "RoleBinding",
        {"roleRef": {"name": "reader"}, "subjects": [WORKER]},
        {"roleRef": {"name": "reader"}, "subjects": [WORKER, EVERYBODY]},
        [("danger", "Group system:authenticated is bound to reader by RoleBinding mail")],
    ),
]


@pytest.mark.parametrize(("kind", "before", "after", "expected"), ACCESS)
def test_who_is_allowed_more_in_the_cluster_is_said(kind, before, after, expected):
    assert beside(f"kubernetes:rbac.authorization.k8s.io/v1:{kind}", "P-35", before, after) == expected


CLOSED = {
    "metadata": {"name": "closed", "namespace": "consumers"},
    "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": []},
}


def test_a_new_policy_over_pods_that_run_may_cut_them_off() -> None:
    ((level, sentence),) = beside("kubernetes:networking.k8s.io/v1:NetworkPolicy", "P-34", None, CLOSED)
    assert level == "danger"
    assert sentence.startswith("a new network policy closed")


@pytest.mark.parametrize(("makes_its_namespace", "is_new"), [(True, True), (False, False)])
def test_a_policy_over_what_a_release_brings_along_cuts_off_nobody_who_runs(makes_its_namespace, is_new) -> None:
    release = {"name": "keda", "namespace": "consumers", "createNamespace": makes_its_namespace}
    made = [("kubernetes:helm.sh/v3:Release", "keda", release)]
    made.append(("kubernetes:networking.k8s.io/v1:NetworkPolicy", "closed", CLOSED))
    new = [{**BASE[-1], "type": token, "name": name, "properties": properties} for token, name, properties in made]
    changes, standing = compare(BASE, [*BASE, *new])
    change = StackChange("production", "ebbtide", changes, len(standing), "test", standing=standing)
    assert [risk.rule for risk in review_change(change, HEAD).risks].count("P-34") == (0 if is_new else 1)


MAIL, SHOP = "serviceAccount:mail@acme.example", "serviceAccount:shop@acme.example"
VIEWER, OWNER = "roles/viewer", "roles/owner"
GRANTS: list[tuple[str, dict[str, Any] | None, dict[str, Any], list[tuple[str, str]]]] = [
    ("IAMMember", None, {"role": VIEWER, "member": MAIL}, [("info", f"{MAIL} is granted {VIEWER}")]),
    (
        "IAMMember",
        {"role": VIEWER, "member": MAIL},
        {"role": VIEWER, "member": SHOP},
        [("info", f"{SHOP} is granted {VIEWER}")],
    ),
    (
        "IAMBinding",
        {"role": OWNER, "members": [MAIL]},
        {"role": OWNER, "members": [MAIL, SHOP]},
        [("danger", f"{SHOP} is granted {OWNER}")],
    ),
    (
        "IAMBinding",
        {"role": VIEWER, "members": [MAIL]},
        {"role": VIEWER, "members": [MAIL, "allUsers"]},
        [("danger", f"allUsers is granted {VIEWER}")],
    ),
    (
        "IAMMember",
        None,
        {"role": VIEWER, "member": "allAuthenticatedUsers"},
        [("danger", f"allAuthenticatedUsers is granted {VIEWER}")],
    ),
    ("IAMBinding", {"role": OWNER, "members": [MAIL, SHOP]}, {"role": OWNER, "members": [MAIL]}, []),
    (
        "IAMPolicy",
        {"policyData": json.dumps({"bindings": [{"role": VIEWER, "members": [MAIL]}]})},
        {"policyData": json.dumps({"bindings": [{"role": OWNER, "members": [MAIL]}]})},
        [("danger", f"{MAIL} is granted {OWNER}")],
    ),
    ("IAMPolicy", None, {"policyData": "[secret]"}, []),
]


@pytest.mark.parametrize(("kind", "before", "after", "expected"), GRANTS)
def test_who_is_granted_a_role_of_google_cloud_is_said(
    kind: str, before: dict[str, Any] | None, after: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert beside(f"gcp:projects/i{kind[1:]}:{kind}", "P-31", before, after) == expected


LOSSES: list[tuple[str, dict[str, Any], dict[str, Any], list[str]]] = [
    ("IAMMember", {"role": OWNER, "member": MAIL}, {"role": VIEWER, "member": MAIL}, [f"{MAIL} loses {OWNER}"]),
    (
        "IAMMember",
        {"role": VIEWER, "member": MAIL, "project": "acme"},
        {"role": VIEWER, "member": MAIL, "project": "other"},
        [f"{MAIL} loses {VIEWER} in its old place"],
    ),
    ("IAMMember", {"role": VIEWER, "member": MAIL}, {"role": VIEWER, "member": SHOP}, [f"{MAIL} loses {VIEWER}"]),
    ("IAMBinding", {"role": VIEWER, "members": [MAIL]}, {"role": VIEWER, "members": [MAIL], "note": "ours"}, []),
]


@pytest.mark.parametrize(("kind", "before", "after", "expected"), LOSSES)
def test_who_loses_a_role_is_said_and_whether_it_is_that_of_another_place(
    kind: str, before: dict[str, Any], after: dict[str, Any], expected: list[str]
) -> None:
    found = beside(f"gcp:projects/i{kind[1:]}:{kind}", "P-39", before, after)
    assert found == [("danger", sentence) for sentence in expected]


def test_a_role_of_another_cloud_is_not_taken_for_a_grant() -> None:
    assert beside("aws:iam/rolePolicyAttachment:RolePolicyAttachment", "P-31", None, {"role": "mailadmin"}) == []


def accepted(before: dict[tuple[str, str], str] | None) -> list[str]:
    change = StackChange("production", "ebbtide", (), 1, "test", accepted=before)
    return [risk.subject for risk in review_change(change, HEAD).risks if risk.rule == "P-41"]


def test_what_a_change_accepts_is_news_only_where_the_source_knows_what_was_accepted_before() -> None:
    now = acceptances(HEAD)
    assert now, "production accepts nothing"
    assert accepted(now) == []
    assert accepted({}) == [consumer for consumer, _ in now]
    assert accepted(None) == []


def test_what_is_accepted_for_all_consumers_is_said_of_the_stack_and_alarms_nobody() -> None:
    head = HEAD.model_copy(update={"accept": {"N-02": "no brokers yet"}})
    change = StackChange("production", "ebbtide", (), 1, "test", accepted=acceptances(HEAD))
    (risk,) = [risk for risk in review_change(change, head).risks if risk.rule == "P-41"]
    assert (risk.level.value, risk.sentence) == ("info", "stack production accepts N-02: no brokers yet")


def test_every_rule_of_the_documentation_is_tested() -> None:
    known = set(re.findall(r"P-[0-9]{2}", (ROOT / "docs" / "preview.md").read_text()))
    tested = {rule for rule, *_ in RULES} | {rule for change in CHANGES for rule in change.rules}
    tested |= {"P-35" for *_, expected in ACCESS if expected}
    tested |= {rule for _, expected in AUTOSCALERS.values() for rule, _ in expected}
    tested |= {"P-41"}
    # Of test_what_teams_do.py, test_environment.py, test_keda.py and tests/observability/test_review.py.
    tested |= {"P-42", "P-43", "P-44", "P-50", "P-70", "P-71", "P-72"}
    assert known - tested == set(), "a rule that no test has seen speak"
