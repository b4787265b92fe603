"""Changes of which a verdict once said too little, or what is not true: each kind with what a reviewer must be told."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from ebbtide.preview.review import Review, review_change
from ebbtide.preview.sources.plan import read_plan

DEPLOYMENT, BUDGET = "kubernetes:apps/v1:Deployment", "kubernetes:policy/v1:PodDisruptionBudget"
HPA, KEDA = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler", "kubernetes:keda.sh/v1alpha1:ScaledObject"
POLICY, POOL = "kubernetes:networking.k8s.io/v1:NetworkPolicy", "gcp:container/nodePool:NodePool"
VALKEY = "gcp:memorystore/instance:Instance"


def merged(document: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """The document with a change laid over it; None removes a key."""
    result = copy.deepcopy(document)
    for key, value in change.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict) and isinstance(result.get(key), dict):
            result[key] = merged(result[key], value)
        else:
            result[key] = copy.deepcopy(value)
    return result


def named(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "mail", "namespace": "shop"}, "spec": spec}


WORKER: dict[str, Any] = {
    "name": "worker",
    "image": "acme.example/mail:1",
    "resources": {"requests": {"cpu": "500m", "memory": "512Mi"}, "limits": {"memory": "512Mi"}},
}


def deployment(
    worker: dict[str, Any] | None = None,
    pod: dict[str, Any] | None = None,
    labels: dict[str, Any] | None = None,
    **spec: Any,
) -> dict[str, Any]:
    """Of a team that has never heard of ebbtide."""
    containers = [merged(WORKER, worker or {})]
    template = {
        "metadata": {"labels": {"app": "mail", **(labels or {})}},
        "spec": merged({"terminationGracePeriodSeconds": 60, "containers": containers}, pod or {}),
    }
    return merged(named(replicas=3, selector={"matchLabels": {"app": "mail"}}, template=template), {"spec": spec})


def step(operation: str, token: str, old: Any, new: Any, **states: Any) -> dict[str, Any]:
    """One of the engine's steps; `old` and `new` add to its states."""
    urn = f"urn:pulumi:prod::shop::{token}::{states.get('name', 'mail')}"
    found: dict[str, Any] = {"op": operation, "urn": urn}
    for key, inputs, more in (("oldState", old, states.get("was", {})), ("newState", new, {})):
        if inputs is not None:
            found[key] = {"urn": urn, "custom": True, "type": token, "inputs": inputs, **more}
    return found


def update(old: Any, new: Any, token: str = DEPLOYMENT) -> dict[str, Any]:
    return step("update", token, old, new)


def create(token: str, new: Any, **states: Any) -> dict[str, Any]:
    return step("create", token, None, new, **states)


def same(token: str, inputs: Any, **states: Any) -> dict[str, Any]:
    return step("same", token, inputs, inputs, **states)


def review_of(*steps: dict[str, Any]) -> Review:
    return review_change(read_plan(json.dumps({"steps": list(steps), "diagnostics": []}), "prod"))


def said(*steps: dict[str, Any]) -> dict[str, str]:
    return {risk.rule: f"{risk.level.value}: {risk.sentence}" for risk in reversed(review_of(*steps).risks)}


def budget(name: str = "mail", **spec: Any) -> dict[str, Any]:
    return merged(named(selector={"matchLabels": {"app": "mail"}}, **spec), {"metadata": {"name": name}})


def hpa(**spec: Any) -> dict[str, Any]:
    cpu = {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "mail"}
    metrics = [{"type": "Resource", "resource": cpu}]
    return merged(named(minReplicas=2, maxReplicas=10, scaleTargetRef=target, metrics=metrics), {"spec": spec})


# Labels: who selects by them, and who acts on them.


def test_pods_that_lose_the_label_of_a_network_policy_are_in_danger():
    policy = merged(named(podSelector={"matchLabels": {"role": "consumer"}}), {"metadata": {"name": "to-broker"}})
    found = said(update(deployment(labels={"role": "consumer"}), deployment()), same(POLICY, policy))
    assert found["P-10a"] == (
        "danger: pods of mail no longer have the label role=consumer, by which NetworkPolicy to-broker found them"
    )


@pytest.mark.parametrize("after", [{}, {"db-client": "false"}])
def test_a_label_of_pods_that_goes_is_not_judged_where_nobody_here_selects_by_it(after):
    found = said(update(deployment(labels={"db-client": "true"}), deployment(labels=after)))
    assert found["P-10a"].startswith("notJudged: pods of mail no longer have the label db-client=true: ")


@pytest.mark.parametrize("name", ["version", "commit", "app.kubernetes.io/version", "tags.datadoghq.com/version"])
def test_a_label_that_says_the_version_is_an_ordinary_deploy(name):
    found = said(update(deployment(labels={name: "1"}), deployment(labels={name: "2"})))
    assert list(found) == ["P-10"]


@pytest.mark.parametrize("name", ["sidecar.istio.io/inject", "istio.io/rev", "azure.workload.identity/use"])
def test_a_label_of_pods_on_which_others_act_is_not_judged(name):
    assert f"labels[{name}]" in said(update(deployment(), deployment(labels={name: "true"})))["P-40"]


@pytest.mark.parametrize("name", ["kueue.x-k8s.io/queue-name", "keel.sh/policy", "argocd.argoproj.io/instance"])
def test_a_label_of_an_object_on_which_others_act_is_not_judged(name):
    labelled = merged(deployment(), {"metadata": {"labels": {name: "x"}}})
    assert f"metadata.labels[{name}]" in said(update(deployment(), labelled))["P-40"]


def test_a_label_without_a_prefix_is_nobodys():
    labelled = merged(deployment(), {"metadata": {"labels": {"team": "x"}}})
    assert list(said(update(deployment(), labelled))) == ["P-15"]


# Budgets: counted against the pods that there are.


@pytest.mark.parametrize(
    ("spec", "replicas"),
    [({"minAvailable": 3}, 3), ({"minAvailable": "99%"}, 3), ({"minAvailable": "50%"}, 1), ({"minAvailable": 1}, 0)],
)
def test_a_budget_that_keeps_as_many_pods_as_there_are_lets_none_go(spec, replicas):
    found = said(create(BUDGET, budget(**spec)), same(DEPLOYMENT, deployment(replicas=replicas)))
    number = max(replicas, 1)
    assert found["P-06"] == (
        f"danger: the disruption budget of mail lets no pod go while there are no more than {number}"
    )


@pytest.mark.parametrize("spec", [{"minAvailable": 2}, {"minAvailable": "50%"}, {"maxUnavailable": "1%"}])
def test_a_budget_that_lets_one_of_three_go_is_none_that_blocks(spec):
    assert "P-06" not in said(create(BUDGET, budget(**spec)), same(DEPLOYMENT, deployment()))


def test_a_budget_that_stays_blocks_where_its_pods_become_fewer():
    held = same(BUDGET, budget(minAvailable=1))
    assert "P-06" in said(update(deployment(), deployment(replicas=1)), held)
    assert "P-06" not in said(update(deployment(), deployment(replicas=2)), held)
    assert "P-06" not in said(update(deployment(replicas=1), deployment(image="x", replicas=1)), held)


@pytest.mark.parametrize(("replicas", "is_said"), [(3, True), (4, False)])
def test_a_budget_that_stays_blocks_new_pods_too(replicas, is_said):
    found = said(create(DEPLOYMENT, deployment(replicas=replicas)), same(BUDGET, budget(minAvailable=3)))
    assert ("P-06" in found) is is_said


@pytest.mark.parametrize("keeps", ["1.5%", "%", "x%"])
def test_a_share_that_is_no_number_is_passed_over(keeps):
    assert "P-06" not in said(create(BUDGET, budget(minAvailable=keeps)), same(DEPLOYMENT, deployment()))


def test_a_budget_is_counted_against_the_minimum_of_the_autoscaler():
    steps = [same(BUDGET, budget(minAvailable=2)), same(DEPLOYMENT, deployment(replicas=None))]
    assert "P-06" in said(update(hpa(minReplicas=5), hpa(), HPA), *steps)
    assert "P-06" not in said(update(hpa(minReplicas=5), hpa(minReplicas=3), HPA), *steps)


def test_pods_with_two_budgets_cannot_be_evicted():
    steps = [same(BUDGET, budget(maxUnavailable=1)), same(DEPLOYMENT, deployment())]
    second = budget("second", maxUnavailable=1)
    assert said(create(BUDGET, second, name="second"), *steps)["P-06"] == (
        "danger: pods of mail have 2 disruption budgets, second and mail: nobody can evict them"
    )
    other = merged(second, {"spec": {"selector": {"matchLabels": {"app": "sms"}}}})
    assert "P-06" not in said(create(BUDGET, other, name="second"), *steps)


# What the engine only forgets.

GOES = {
    DEPLOYMENT: deployment(),
    HPA: hpa(),
    KEDA: named(scaleTargetRef={"name": "mail"}, triggers=[]),
    BUDGET: budget(maxUnavailable=1),
    POLICY: named(podSelector={"matchLabels": {"app": "mail"}}),
    VALKEY: {"instanceId": "mail"},
    "gcp:sql/user:User": {"name": "mail"},
    "gcp:projects/iAMMember:IAMMember": {"role": "roles/viewer", "member": "user:a@b.example", "project": "p"},
    "gcp:compute/address:Address": {"name": "mail"},
    "kubernetes:helm.sh/v3:Release": {"name": "keda", "chart": "keda"},
    "kubernetes:core/v1:Service": named(),
}


@pytest.mark.parametrize("token", GOES)
def test_what_stays_when_the_program_lets_go_of_it_is_not_said_to_go(token):
    (risk,) = review_of(step("delete", token, GOES[token], None, was={"retainOnDelete": True})).risks
    assert (risk.level.value, risk.rule) == ("info", "P-01a")
    assert risk.sentence.endswith(" stays as it is and is left to others (retainOnDelete)")


@pytest.mark.parametrize("token", GOES)
def test_what_goes_without_that_option_is_still_said(token):
    assert review_of(step("delete", token, GOES[token], None)).risks[0].level.value in {"danger", "notJudged"}


def test_messages_in_a_broker_that_is_made_anew_and_kept_are_left_behind_and_not_lost():
    new = {"instanceId": "other"}
    found = said(step("replace", VALKEY, {"instanceId": "mail"}, new, was={"retainOnDelete": True}))
    assert found["P-01a"].startswith("danger: Instance ")
    assert "the old one stays (retainOnDelete)" in found["P-01a"]
    assert "P-60" not in found


# In which order the engine replaces.

REPLACED = ("create-replacement", "replace", "delete-replaced")


def replacement(*operations: str) -> list[dict[str, Any]]:
    return [step(one, DEPLOYMENT, deployment(), deployment()) for one in operations]


def test_a_deployment_that_is_made_in_another_cluster_first_leaves_no_gap():
    assert said(*replacement(*REPLACED))["P-02"].startswith("disruptive: mail is replaced by mail, which is made first")
    assert said(*replacement("delete-replaced", "replace", "create-replacement"))["P-02"].startswith("danger: mail is ")


def moved(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Made anew in another namespace, where the new one comes first."""
    return step("replace", DEPLOYMENT, old, merged(new, {"metadata": {"namespace": "queues"}}))


def test_what_changes_in_a_deployment_whose_new_one_comes_first_is_judged_as_in_an_update():
    spot = {"cloud.google.com/gke-spot": "true"}
    pod = {"schedulerName": "volcano", "shareProcessNamespace": True, "nodeSelector": spot}
    found = said(moved(deployment(), deployment(pod=pod)))
    assert found["P-02"].startswith("disruptive: ")
    assert found["P-16"].startswith("notJudged: mail runs on Spot capacity")
    template = "spec.template.spec"
    assert found["P-40"] == (
        f"notJudged: not judged, Deployment mail: {template}.schedulerName, {template}.shareProcessNamespace"
    )


def test_of_a_deployment_that_is_gone_meanwhile_no_part_is_named_beside_it():
    found = said(step("replace", DEPLOYMENT, deployment(), deployment(pod={"schedulerName": "volcano"})))
    assert found["P-02"].startswith("danger: ")
    assert "P-40" not in found


def test_a_new_version_in_another_namespace_drains_and_nothing_of_it_is_not_judged():
    found = said(moved(deployment(), deployment({"image": "acme.example/mail:2"})))
    assert {rule: text.partition(":")[0] for rule, text in found.items()} == {"P-02": "disruptive", "P-11": "info"}


def test_an_account_that_is_made_first_for_its_consumer_is_read_part_by_part():
    """P-01 could say danger of it, and says nothing where the consumer's own replacement does."""
    account = {"metadata": {"name": "mail", "namespace": "shop"}}
    new = {"metadata": {"name": "mail", "namespace": "queues", "annotations": {"acme.example/role": "admin"}}}
    found = said(moved(deployment(), deployment()), step("replace", "kubernetes:core/v1:ServiceAccount", account, new))
    assert "P-01" not in found
    assert "metadata.annotations" in found["P-40"]


ANEW = {
    "P-10a": (
        deployment(labels={"role": "consumer"}),
        deployment(),
        "notJudged: pods of mail no longer have the label",
    ),
    "P-13": (deployment(), deployment(pod={"terminationGracePeriodSeconds": 90}), "info: pods of mail may take 90s to"),
    "P-17": (deployment(), deployment(strategy={"type": "Recreate"}), "disruptive: updates of mail go otherwise"),
    "P-20": (deployment(), deployment(replicas=None), "danger: mail is made anew without a number of pods, and had 3"),
    "P-21": (deployment(), deployment(replicas=0), "danger: mail runs 0 pods instead of 3, and nobody consumes"),
}


@pytest.mark.parametrize("rule", ANEW)
def test_a_rule_about_an_update_speaks_of_one_that_is_made_anew(rule):
    old, new, text = ANEW[rule]
    assert said(moved(old, new))[rule].startswith(text)


def test_a_percentage_is_of_another_request_also_where_the_pods_move():
    there = merged(hpa(), {"metadata": {"namespace": "queues"}})
    more = {"resources": {"requests": {"cpu": "1"}}}
    found = said(moved(deployment(), deployment(more)), same(HPA, there))
    assert "is of 1000m instead of 500m" in found["P-23a"]


def test_a_consumer_that_was_on_spot_nodes_is_not_said_to_come_there_under_another_name():
    spot = {"nodeSelector": {"cloud.google.com/gke-spot": "true"}}
    worker = {"env": [{"name": "EBBTIDE_PROCESSES", "value": "2"}], "args": ["celery", "worker"]}
    old, new = deployment(worker, spot), merged(deployment(worker, spot), {"metadata": {"name": "post"}})
    found = said(step("delete", DEPLOYMENT, old, None), create(DEPLOYMENT, new, name="post"))
    assert found["P-02"].startswith("disruptive: mail is renamed to post")
    assert "P-16" not in found


def test_what_a_broken_update_has_left_is_deleted_and_replaced_by_nothing():
    assert said(*replacement("delete-replaced"))["P-02"].startswith("danger: mail is deleted: all its pods end")


# Spot.


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("cloud.google.com/gke-spot", "true"),
        ("cloud.google.com/gke-preemptible", "true"),
        ("cloud.google.com/gke-provisioning", "spot"),
        ("eks.amazonaws.com/capacityType", "SPOT"),
        ("karpenter.sh/capacity-type", "spot"),
        ("kubernetes.azure.com/scalesetpriority", "spot"),
    ],
)
def test_nodes_that_are_taken_back_are_known_by_every_clouds_label(key, value):
    assert "runs on Spot" in said(update(deployment(), deployment(pod={"nodeSelector": {key: value}})))["P-16"]
    assert "P-16" not in said(update(deployment(), deployment(pod={"nodeSelector": {key: "no"}})))


def test_what_machines_a_compute_class_of_ones_own_has_is_not_judged():
    key = "cloud.google.com/compute-class"
    found = said(update(deployment(), deployment(pod={"nodeSelector": {key: "cheap"}})))
    assert found["P-16"].startswith("notJudged: mail asks for compute class cheap")
    assert "P-16" not in said(update(deployment(), deployment(pod={"nodeSelector": {key: "Scale-Out"}})))


@pytest.mark.parametrize("kind", ["spot", "preemptible"])
def test_new_nodes_that_may_go_at_any_time_and_keep_nobody_off_are_no_mere_addition(kind):
    taint = {"key": "cloud.google.com/gke-spot", "value": "true", "effect": "NO_SCHEDULE"}
    for taints, speaks in (([], True), ([taint], False)):
        found = said(create(POOL, {"name": "cheap", "nodeConfig": {kind: True, "taints": taints}}))
        assert ("P-16" in found) == speaks


def test_of_spot_nodes_that_keep_nobody_off_is_spoken_once():
    old, new = ({"name": "cheap", "nodeConfig": {"spot": True}, "autoscaling": {"maxNodeCount": n}} for n in (1, 2))
    assert "P-16" not in said(update(old, new, POOL))


NAMED = {"env": [{"name": "HOSTNAME", "value": "mail"}]}


@pytest.mark.parametrize(("before", "is_said"), [({}, True), (NAMED, False)])
def test_pods_that_had_one_name_already_are_not_said_to_get_it(before, is_said):
    found = said(update(deployment(before), deployment({**NAMED, "image": "acme.example/mail:2"})))
    assert ("P-08b" in found) is is_said


# Who decides the number of pods.


def test_a_number_that_is_given_up_falls_to_one():
    found = said(update(deployment(), deployment(replicas=None)))
    assert found["P-20"] == (
        "danger: mail gives up its number of pods, 3: unless an autoscaler has set it already, Kubernetes makes it 1, "
        "so that 2 pods drain at once"
    )


def test_an_update_by_force_takes_the_number_of_pods_from_whoever_sets_it():
    forced = merged(deployment(), {"metadata": {"annotations": {"pulumi.com/patchForce": "true"}}})
    assert said(update(deployment(), forced))["P-20"].startswith("danger: an update of mail takes every field by force")
    assert said(update(forced, deployment())) == {}


def test_a_consumer_without_pods_is_one_that_nobody_runs():
    found = said(update(deployment(), deployment(replicas=0)))
    assert found["P-21"].startswith("danger: mail runs 0 pods instead of 3")
    assert found["P-21"].endswith("and nobody consumes its queue")


def test_an_autoscaler_that_looks_for_its_target_elsewhere_is_said():
    found = said(update(hpa(), hpa(scaleTargetRef={"apiVersion": "extensions/v1beta1"}), HPA))
    assert found["P-26"].startswith("scaling: HorizontalPodAutoscaler mail looks for mail in extensions/v1beta1")


def test_an_hpa_without_metrics_scales_on_cpu():
    assert said(update(hpa(), hpa(metrics=None), HPA))["P-23"] == (
        "scaling: mail changes its target: cpu from 50 % to 80 %"
    )


def test_a_minimum_above_the_maximum_is_refused_and_scales_nothing():
    found = said(update(hpa(), hpa(minReplicas=20), HPA))
    assert found["P-22"] == "disruptive: mail has a minimum of 20 above its maximum of 10, which is refused"


def test_a_behavior_that_comes_is_shown():
    found = said(update(hpa(), hpa(behavior={"scaleDown": {"stabilizationWindowSeconds": 0}}), HPA))
    assert found["P-24"].startswith("scaling: mail gets a behavior (scaleDown stabilizationWindowSeconds 0), ")


# Who may be reached.


def egress(**peer: Any) -> dict[str, Any]:
    return named(podSelector={"matchLabels": {"app": "mail"}}, policyTypes=["Egress"], egress=[{"to": [peer]}])


@pytest.mark.parametrize("selector", [{"matchLabels": {"app": "redis"}}, {}])
def test_pods_of_a_namespace_are_no_pods_of_every_namespace(selector):
    pods, namespaces = egress(podSelector=selector), egress(namespaceSelector=selector)
    assert {"P-30", "P-34"} <= said(update(pods, namespaces, POLICY)).keys()


def test_a_policy_that_comes_with_a_consumer_of_its_name_and_selects_every_pod_is_no_mere_part_of_it():
    alone = create(POLICY, egress(podSelector={"matchLabels": {"app": "redis"}}))
    of_all = create(POLICY, merged(alone["newState"]["inputs"], {"spec": {"podSelector": {"matchLabels": None}}}))
    assert "P-34" not in said(create(DEPLOYMENT, deployment()), alone)
    assert "P-34" in said(create(DEPLOYMENT, deployment()), of_all)


REDIS = {"podSelector": {"matchLabels": {"app": "redis"}}}
ALL_ADDRESSES = {"ipBlock": {"cidr": "0.0.0.0/0"}}
CLUSTER = "gcp:container/cluster:Cluster"


def to(*peers: dict[str, Any], **spec: Any) -> dict[str, Any]:
    ports = [{"port": 6379, "protocol": "TCP"}]
    return named(podSelector={}, policyTypes=["Egress"], egress=[{"to": list(peers), "ports": ports}], **spec)


def test_whether_all_addresses_take_the_place_of_pods_is_the_network_plugins_own():
    found = said(update(to(REDIS, ALL_ADDRESSES), to(ALL_ADDRESSES), POLICY))
    assert found["P-34"].startswith("notJudged: mail names every address instead of pods app=redis (6379): ")


@pytest.mark.parametrize("cluster", [{"datapathProvider": "ADVANCED_DATAPATH"}, {"enableAutopilot": True}])
def test_on_dataplane_v2_a_broker_in_the_cluster_is_cut_off_by_a_network_of_all_addresses(cluster):
    found = said(update(to(REDIS, ALL_ADDRESSES), to(ALL_ADDRESSES), POLICY), same(CLUSTER, {"name": "c", **cluster}))
    assert found["P-34"] == "danger: mail may no longer reach pods app=redis (6379)"


def test_what_else_is_closed_beside_pods_is_still_danger():
    other = {"ipBlock": {"cidr": "fd00::/8"}}
    found = review_of(update(to(REDIS, ALL_ADDRESSES, other), to(ALL_ADDRESSES), POLICY)).risks
    assert [(risk.rule, risk.level.value) for risk in found] == [("P-34", "danger"), ("P-34", "notJudged")]


def test_googles_metadata_server_is_an_address_and_no_pod():
    server = {"ipBlock": {"cidr": "169.254.169.252/32"}}
    assert "P-34" not in said(update(to(server, ALL_ADDRESSES), to(ALL_ADDRESSES), POLICY))


DENY = merged(named(podSelector={}, policyTypes=["Ingress", "Egress"]), {"metadata": {"name": "default-deny"}})
FOR_MAIL = merged(to(REDIS), {"spec": {"podSelector": {"matchLabels": {"app": "mail"}}}})


@pytest.mark.parametrize(
    ("goes", "stays", "what"),
    [
        (FOR_MAIL, [], "what it kept out may come in"),
        (FOR_MAIL, [DENY], "what it alone allows is refused to the pods that default-deny still selects"),
        (DENY, [FOR_MAIL], "what it kept out may come in"),
        (
            to(REDIS),
            [merged(FOR_MAIL, {"metadata": {"name": "of-mail"}})],
            "what it kept out may come in, and what it alone allows is refused to the pods that of-mail still selects",
        ),
        (
            FOR_MAIL,
            [merged(DENY, {"spec": {"podSelector": {"matchLabels": {"app": "x"}}}})],
            "what it kept out may come in",
        ),
        (FOR_MAIL, [merged(DENY, {"spec": {"policyTypes": ["Ingress"]}})], "what it kept out may come in"),
    ],
)
def test_a_policy_that_goes_opens_what_no_other_isolates_and_closes_what_it_alone_allowed(goes, stays, what):
    found = said(step("delete", POLICY, goes, None), *(same(POLICY, one, name="other") for one in stays))
    assert found["P-30"] == f"danger: network policy {goes['metadata']['name']} is deleted: {what}"


SAFE = {"securityContext": {"runAsNonRoot": True, "allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}


def test_a_container_that_is_renamed_loses_its_isolation_like_one_that_is_not():
    lost = said(update(deployment(SAFE), deployment()))
    renamed = said(update(deployment(SAFE), deployment({"name": "consumer"})))
    assert lost["P-32"].startswith("danger: ")
    assert renamed["P-32"] == lost["P-32"]
    assert "P-32" not in said(update(deployment(SAFE), deployment({**SAFE, "name": "consumer"})))


# What a worker reads, and under which name.


def args(*words: str) -> dict[str, Any]:
    return deployment({"args": list(words)})


CELERY, SIDEKIQ, LARAVEL = ("celery", "-A", "shop", "worker"), ("sidekiq",), ("php", "artisan", "queue:work")


@pytest.mark.parametrize(("command", "option"), [(CELERY, "-Q"), (SIDEKIQ, "-q"), (LARAVEL, "--queue")])
def test_a_worker_that_is_told_its_queues_leaves_those_of_its_configuration(command, option):
    found = said(update(args(*command), args(*command, option, "mail")))
    assert found["P-08"].startswith("danger: mail no longer reads the queues of its own configuration")
    usual = "celery" if option == "-Q" else "default"
    assert "P-08" not in said(update(args(*command), args(*command, option, usual)))


DSN = "MESSENGER_TRANSPORT_DSN"


def reading(name: str, *queues: str, image: str = "acme.example/mail:1", **env: Any) -> dict[str, Any]:
    """A Deployment that reads these, with variables as they are written in a manifest."""
    variables = [{"name": one, **({"value": text} if isinstance(text, str) else text)} for one, text in env.items()]
    worker = {"args": ["bin/console", "messenger:consume", *queues], "env": variables, "image": image}
    return merged(deployment(worker), {"metadata": {"name": name}})


def handed_over(mine: dict[str, Any], theirs: dict[str, Any], image: str = "acme.example/mail:2") -> str:
    """What P-08 says when one consumer no longer reads a queue of which another one reads one of that name."""
    old, new = (reading("mail", *queues, **mine) for queues in (("a", "async"), ("a",)))
    other = reading("twin", "async", image=image, **theirs)
    return said(update(old, new), same(DEPLOYMENT, other, name="twin")).get("P-08", "")


def secret(name: str) -> dict[str, Any]:
    return {"valueFrom": {"secretKeyRef": {"name": name, "key": "dsn"}}}


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ({DSN: "redis://mine/events"}, {DSN: "redis://mine:6379/events/"}),
        ({DSN: "redis://mine"}, {"BROKER_URL": "redis://mine"}),
        ({DSN: secret("broker")}, {DSN: secret("broker")}),
        ({"RABBITMQ_HOST": "mine", "RABBITMQ_PORT": "5672"}, {"RABBITMQ_HOST": "mine", "RABBITMQ_PORT": "5672"}),
        ({}, {}),
    ],
)
def test_a_queue_is_read_by_whoever_reads_it_from_the_same_broker(mine, theirs):
    assert handed_over(mine, theirs) == ""


@pytest.mark.parametrize(
    ("mine", "theirs"),
    [
        ({DSN: "redis://mine"}, {DSN: "redis://other"}),
        ({DSN: "redis://mine"}, {"BROKER_URL": "redis://other"}),
        ({"RABBITMQ_HOST": "mine", "RABBITMQ_PORT": "5672"}, {"RABBITMQ_HOST": "other", "RABBITMQ_PORT": "5672"}),
    ],
)
def test_nobody_reads_a_queue_of_which_only_another_broker_has_one_of_that_name(mine, theirs):
    assert handed_over(mine, theirs) == (
        "danger: mail no longer reads async, and nobody else in this stack does from its broker"
    )


@pytest.mark.parametrize(
    ("mine", "theirs", "image"),
    [
        ({DSN: secret("broker")}, {DSN: secret("other")}, "acme.example/mail:2"),
        ({DSN: "redis://mine"}, {DSN: secret("broker")}, "acme.example/mail:2"),
        ({DSN: "redis://mine"}, {}, "acme.example/mail:2"),
        ({DSN: "[secret]"}, {DSN: "[secret]"}, "acme.example/mail:2"),
        (
            {DSN: "redis://a", "MAIL_QUEUE_DSN": "redis://b"},
            {DSN: "redis://a", "MAIL_QUEUE_DSN": "redis://c"},
            "twin:1",
        ),
        ({}, {}, "acme.example/twin:1"),
    ],
)
def test_whether_a_queue_is_read_is_not_judged_where_nobody_says_from_which_broker(mine, theirs, image):
    assert handed_over(mine, theirs, image) == (
        "notJudged: mail no longer reads async, and twin reads of that name: whether from the same broker is not judged"
    )


def test_a_worker_of_laravel_leaves_the_connection_that_it_read():
    found = said(update(args(*LARAVEL, "redis"), args(*LARAVEL, "sqs")))
    assert found["P-08"].startswith("danger: mail no longer reads connection redis")


@pytest.mark.parametrize("after", [("rq", "worker", "high"), ("sleep", "infinity"), ("node", "worker.js")])
def test_what_an_unknown_program_does_with_another_command_line_is_not_judged(after):
    found = said(update(args("rq", "worker", "high", "low"), args(*after)))
    assert found["P-08c"] == "notJudged: what mail does with another command line is not judged"
    assert "P-08c" not in said(update(args(*CELERY), args(*CELERY, "-O", "fair")))


@pytest.mark.parametrize(
    ("command", "before", "after"),
    [
        (SIDEKIQ, ["-t", "55"], ["-t", "5"]),
        (SIDEKIQ, [], ["--timeout=5"]),
        (SIDEKIQ, [], ["-t", "0"]),
        (LARAVEL, ["--timeout=300"], ["--timeout=30"]),
        (LARAVEL, ["--timeout=0"], []),
        (CELERY, [], ["--time-limit=30"]),
    ],
)
def test_a_worker_that_gives_a_message_less_time_by_its_own_option_cuts_it_off(command, before, after):
    less, more = (
        said(update(args(*command, *one), args(*command, *two))) for one, two in ((before, after), (after, before))
    )
    assert less["P-03"].startswith("danger: mail gives a message ")
    assert "P-03" not in more


def variables(**environment: str) -> dict[str, Any]:
    return deployment({"env": [{"name": name, "value": value} for name, value in environment.items()]})


@pytest.mark.parametrize(
    "name",
    [
        *(
            "REDIS_HOST",
            "REDIS_DB",
            "REDIS_PREFIX",
            "RABBITMQ_HOST",
            "RABBITMQ_VHOST",
            "QUEUE_CONNECTION",
            "QUEUE_NAME",
        ),
        *("SQS_QUEUE", "PUBSUB_SUBSCRIPTION", "KAFKA_GROUP_ID", "KAFKA_BOOTSTRAP_SERVERS", "BULL_QUEUE_NAME"),
    ],
)
def test_a_consumer_that_is_sent_elsewhere_by_a_part_of_an_address_leaves_messages_behind(name):
    found = said(update(variables(**{name: "one"}), variables(**{name: "two"})))
    assert found["P-08a"].startswith(f"danger: mail reads its messages from two instead of one ({name})")


@pytest.mark.parametrize(
    "name",
    [
        "LOG_LEVEL",
        "QUEUE_LOG_LEVEL",
        "CACHE_REDIS_HOST",
        "REDIS_CACHE_HOST",
        "DB_HOST",
        "FAILED_QUEUE",
        "QUEUE_RETRY_PORT",
    ],
)
def test_a_variable_that_says_nothing_of_the_broker_is_an_ordinary_deploy(name):
    assert list(said(update(variables(**{name: "one"}), variables(**{name: "two"})))) == ["P-10"]


def test_the_host_of_redis_counts_where_the_queue_is_said_to_be_redis():
    before, after = (variables(QUEUE_CONNECTION="redis", REDIS_HOST=host) for host in ("one", "two"))
    assert "REDIS_HOST" in said(update(before, after))["P-08a"]
    before, after = (variables(QUEUE_CONNECTION="sqs", REDIS_HOST=host) for host in ("one", "two"))
    assert "P-08a" not in said(update(before, after))


def test_an_address_that_only_one_side_states_is_not_judged():
    stated, silent = variables(BROKER_URL="redis://one:6379"), deployment({"env": []})
    assert said(update(stated, silent))["P-08a"].startswith("notJudged: mail is no longer told by BROKER_URL")
    assert said(update(silent, stated))["P-08a"].startswith("notJudged: mail is told now by BROKER_URL")


@pytest.mark.parametrize("name", ["HOSTNAME", "MESSENGER_CONSUMER_NAME"])
def test_pods_of_one_name_get_one_message_twice(name):
    found = said(update(deployment(), variables(**{name: "worker"})))
    assert found["P-08b"].startswith(f"danger: every pod of mail is called worker ({name})")
    assert "P-08b" not in said(update(deployment(), variables(**{name: "$(POD_NAME)"})))


# How much room there is.


def amounts(part: str, **values: Any) -> dict[str, Any]:
    return deployment({"resources": {part: values}})


def test_a_pod_that_reserves_less_memory_is_killed_sooner():
    found = said(update(deployment(), amounts("requests", memory="64Mi")))
    assert found["P-07a"].startswith("disruptive: mail reserves 64Mi of memory instead of 512Mi: ")
    assert "P-07a" not in said(update(deployment(), amounts("requests", memory="1Gi")))


def test_a_pod_that_gets_less_cpu_takes_longer_for_a_message():
    found = said(update(deployment(), amounts("limits", cpu="50m")))
    assert found["P-07a"].startswith("disruptive: mail may use 50m of CPU at most instead of as much as there is: ")
    assert "P-07a" not in said(update(amounts("limits", cpu="50m"), deployment()))


def volume(**source: Any) -> dict[str, Any]:
    return deployment(pod={"volumes": [{"name": "files", **source}]})


def test_a_pod_that_may_write_less_is_evicted_without_time_to_finish():
    smaller = update(volume(emptyDir={"sizeLimit": "10Gi"}), volume(emptyDir={"sizeLimit": "1Mi"}))
    limited = update(deployment(), deployment({"resources": {"limits": {"ephemeral-storage": "100Mi"}}}))
    for change in (smaller, limited):
        assert said(change)["P-07a"].endswith("a pod that writes more is evicted and has no time to finish")
        assert said(change)["P-07a"].startswith("danger: mail ")


def test_a_volume_that_moves_into_memory_counts_against_the_limit():
    assert "P-07a" in said(update(volume(emptyDir={}), volume(emptyDir={"medium": "Memory"})))


@pytest.mark.parametrize("after", [{"persistentVolumeClaim": {"claimName": "other"}}, {"emptyDir": {}}])
def test_whether_a_worker_needs_the_files_of_a_claim_that_goes_is_not_judged(after):
    found = said(update(volume(persistentVolumeClaim={"claimName": "files"}), volume(**after)))
    assert found["P-07a"].startswith("notJudged: mail no longer has volume files from claim files")


@pytest.mark.parametrize(("amount", "level"), [("512m", "danger"), ("1e8", "danger"), ("1e9", None), ("0.5Gi", None)])
def test_a_memory_limit_is_read_as_the_api_server_reads_it(amount, level):
    found = said(update(deployment(), amounts("limits", memory=amount)))
    assert found.get("P-07", "").partition(":")[0] == (level or "")


@pytest.mark.parametrize("part", ["requests", "limits"])
def test_what_is_no_quantity_is_said_to_be_refused(part):
    found = said(update(deployment(), amounts(part, memory="lots")))
    assert found["P-07b"] == f"disruptive: mail states {part}.memory lots, which is no quantity and refused"


def test_a_percentage_of_an_amount_that_cannot_be_read_is_not_said_to_be_of_nothing():
    held = same(HPA, hpa())
    found = said(
        update(deployment(replicas=None), merged(amounts("requests", cpu="half"), {"spec": {"replicas": None}})), held
    )
    assert "P-07b" in found
    assert "P-23a" not in found
    found = said(
        update(deployment(replicas=None), merged(amounts("requests", cpu="1e-1"), {"spec": {"replicas": None}})), held
    )
    assert found["P-23a"].startswith("scaling: the CPU target of mail, 50 %, is of 100m instead of 500m")


# The time before and beside.


@pytest.mark.parametrize(
    ("command", "grace", "level"),
    [(["sleep", "60"], 60, "danger"), (["/bin/sleep", "60"], 120, "notJudged"), (["/drain"], 60, "notJudged")],
)
def test_a_hook_that_comes_takes_from_the_time_to_finish(command, grace, level):
    hook = {"lifecycle": {"preStop": {"exec": {"command": command}}}}
    found = said(update(deployment(), deployment(hook, {"terminationGracePeriodSeconds": grace})))
    assert found["P-03"].startswith(f"{level}: mail runs {command[0]} before it is asked to stop")


PROXY = {"name": "proxy", "image": "acme.example/proxy:1"}


def test_a_sidecar_that_becomes_an_init_container_is_not_beside_the_workers():
    before, after = (
        deployment(pod={"initContainers": [{**PROXY, **more}]}) for more in ({"restartPolicy": "Always"}, {})
    )
    assert said(update(before, after))["P-10b"].startswith("danger: sidecar proxy of mail must end now before")
    assert said(update(before, deployment()))["P-10b"].startswith(
        "disruptive: nothing runs as proxy beside the workers"
    )
    assert "P-10b" not in said(update(after, before))


# Beside the pods.
CLUSTER, VERSION = "gcp:container/cluster:Cluster", "gcp:secretmanager/secretVersion:SecretVersion"
SECRET = "gcp:secretmanager/secret:Secret"


def test_logs_of_pods_that_are_no_longer_collected_are_missed_by_what_counts_them():
    before, after = (
        {"name": "c", "loggingConfig": {"enableComponents": ["SYSTEM_COMPONENTS", *more]}}
        for more in (["WORKLOADS"], [])
    )
    assert said(update(before, after, CLUSTER))["P-50"].startswith(
        "info: what pods of cluster c log is no longer collected"
    )
    assert said(update(after, before, CLUSTER)) == {}


def test_a_new_version_of_a_secret_that_is_there_gives_pods_another_value():
    version = create(VERSION, {"secret": "projects/p/secrets/dsn", "secretData": "x"})
    assert said(version)["P-62"].startswith("info: secret dsn gets another value")
    assert "P-62" not in said(version, create(SECRET, {"secretId": "dsn"}))
    unknown = create(VERSION, {"secret": "04da6b54-80e4-46f7-96ec-b56ff0331ba9", "secretData": "x"})
    assert "P-62" not in said(unknown)


def test_a_database_whose_protection_is_left_to_the_provider_is_protected():
    database, token = {"name": "db", "deletionProtection": True}, "gcp:sql/databaseInstance:DatabaseInstance"
    assert said(update(database, {"name": "db"}, token)).get("P-61", "info").startswith("info")
    assert said(update(database, {**database, "deletionProtection": False}, token))["P-61"].startswith("danger")


DATABASE = "gcp:sql/databaseInstance:DatabaseInstance"
UNKNOWN_TEXT = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"


@pytest.mark.parametrize(
    ("token", "path"),
    [
        *((VALKEY, path) for path in ("nodeType", "persistenceConfig", "persistenceConfig.mode", "engineConfigs")),
        *((DATABASE, path) for path in ("settings", "settings.tier", "settings.ipConfiguration.sslMode")),
    ],
)
def test_what_a_broker_states_for_the_first_time_and_nobody_knows_yet_is_not_judged(token, path):
    value: Any = UNKNOWN_TEXT
    for part in reversed(path.split(".")):
        value = {part: value}
    assert (
        f"{path} (known after the update)" in said(update({"name": "mail"}, {"name": "mail", **value}, token))["P-40"]
    )


def test_an_import_that_will_fail_is_no_resource_that_is_taken_over_as_it_is():
    warning = {"severity": "warning", "message": "inputs to import do not match; importing this resource will fail"}
    plan = {"steps": [step("import", DEPLOYMENT, None, deployment())], "diagnostics": [warning]}
    review = review_change(read_plan(json.dumps(plan), "prod"))
    assert review.verdict.startswith("prod: the preview failed (inputs to import do not match; importing")


# What comes anew: that it comes says nothing of how it ends.

NAMESPACE, RELEASE = "kubernetes:core/v1:Namespace", "kubernetes:helm.sh/v3:Release"
SPOT_TAINT = [{"key": "cloud.google.com/gke-spot", "value": "true", "effect": "NO_SCHEDULE"}]


def pool(**properties: Any) -> dict[str, Any]:
    return {"name": "workers", "cluster": "shop", **properties}


def drains(seconds: int) -> dict[str, Any]:
    return pool(nodeDrainConfigs=[{"graceTerminationDuration": f"{seconds}s"}])


@pytest.mark.parametrize(
    ("seconds", "grace", "said_of_it"),
    [
        (
            30,
            60,
            "danger: nodes of workers wait at most 30s for a pod when they are drained, and pods here may need 1m",
        ),
        (60, 60, ""),
        (3600, None, ""),
        (
            30,
            None,
            "notJudged: nodes of workers wait at most 30s for a pod when they are drained: whether the pods that",
        ),
    ],
)
def test_a_new_pool_waits_for_the_pods_that_may_start_there(seconds, grace, said_of_it):
    pods = [] if grace is None else [same(DEPLOYMENT, deployment(pod={"terminationGracePeriodSeconds": grace}))]
    found = said(create(POOL, drains(seconds)), *pods)
    assert found.get("P-09", "").startswith(said_of_it)
    assert ("P-09" in found) == bool(said_of_it)


@pytest.mark.parametrize(
    ("before", "after", "is_less"),
    [
        (pool(), drains(30), True),
        (drains(30), pool(), False),
        (drains(7200), pool(), True),
        (pool(nodeDrainConfigs=[{}]), drains(7200), False),
        (pool(nodeDrainConfigs=[{"respectPdbDuringNodePoolDeletion": True}]), pool(), True),
    ],
)
def test_drain_settings_that_come_or_go_are_held_against_what_gke_does_without(before, after, is_less):
    assert ("P-09" in said(update(before, after, POOL))) is is_less


@pytest.mark.parametrize("seconds", [0, 30, 120])
def test_a_spot_pool_that_takes_the_notice_away_from_its_pods_is_a_danger(seconds):
    kubelet = {"shutdownGracePeriodSeconds": seconds}
    found = said(create(POOL, pool(nodeConfig={"spot": True, "taints": SPOT_TAINT, "kubeletConfig": kubelet})))
    assert ("P-09" in found) is (seconds == 0)


@pytest.mark.parametrize(
    ("token", "inputs", "named_so"),
    [
        (POOL, pool(nodeConfig={"maxRunDuration": "3600s"}), "nodeConfig.maxRunDuration"),
        (POOL, pool(nodeConfig={"flexStart": True}), "nodeConfig.flexStart"),
        (DEPLOYMENT, deployment(labels={"sidecar.istio.io/inject": "true"}), "labels[sidecar.istio.io/inject]"),
        (DEPLOYMENT, deployment(pod={"schedulerName": "mine"}), "schedulerName"),
        (DEPLOYMENT, deployment(pod={"affinity": {"nodeAffinity": {"required": 1}}}), "affinity.nodeAffinity"),
        (NAMESPACE, {"metadata": {"name": "shop", "labels": {"istio-injection": "enabled"}}}, "labels.istio-injection"),
    ],
)
def test_what_a_new_one_asks_for_that_no_rule_knows_is_named(token, inputs, named_so):
    assert named_so in said(create(token, inputs))["P-40"]


@pytest.mark.parametrize(
    ("token", "inputs"),
    [
        (POOL, pool(nodeConfig={"machineType": "e2-standard-4", "labels": {"a": "b"}}, initialNodeCount=1)),
        (
            DEPLOYMENT,
            deployment(worker={"livenessProbe": {"exec": {"command": ["/alive"]}}, "ports": [{"containerPort": 1}]}),
        ),
        (NAMESPACE, {"metadata": {"name": "shop"}}),
    ],
)
def test_an_ordinary_new_one_is_judged(token, inputs):
    assert "P-40" not in said(create(token, inputs))


# Rights of Kubernetes: what somebody who runs may do no more.

ROLE, BINDING = (f"kubernetes:rbac.authorization.k8s.io/v1:{kind}" for kind in ("Role", "RoleBinding"))


def role(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"metadata": {"name": "scaler"}, "rules": list(rules)}


def rule(verbs: list[str], names: list[str] | None = None, resources: str = "pods") -> dict[str, Any]:
    return {"apiGroups": [""], "resources": [resources], "verbs": verbs, **({"resourceNames": names} if names else {})}


@pytest.mark.parametrize(
    ("before", "after", "is_lost"),
    [
        ([rule(["get", "patch"])], [rule(["get"])], True),
        ([rule(["get"])], [rule(["get"], ["one"])], True),
        ([rule(["get"], ["one"])], [rule(["get"])], False),
        ([rule(["get", "patch"])], [rule(["patch"]), rule(["get"])], False),
        ([rule(["get"])], [rule(["*"])], False),
        ([rule(["*"])], [rule(["get"])], True),
        ([rule(["get"])], [rule(["get"], resources="jobs")], True),
    ],
)
def test_a_role_that_no_longer_allows_what_it_did_is_a_danger(before, after, is_lost):
    assert ("P-35a" in said(update(role(*before), role(*after), ROLE))) is is_lost


def test_whoever_is_no_longer_bound_to_a_role_is_named():
    subjects = [{"kind": "ServiceAccount", "name": name} for name in ("mail", "push")]
    bound = {"metadata": {"name": "scaler"}, "roleRef": {"kind": "Role", "name": "scaler"}, "subjects": subjects}
    found = said(update(bound, {**bound, "subjects": subjects[:1]}, BINDING))
    assert found["P-35a"] == "danger: ServiceAccount push is no longer bound to scaler by RoleBinding scaler"


# A budget finds its pods by expressions too.


@pytest.mark.parametrize(
    ("expression", "blocks"),
    [
        ({"key": "app", "operator": "In", "values": ["mail", "push"]}, True),
        ({"key": "app", "operator": "NotIn", "values": ["mail"]}, False),
        ({"key": "app", "operator": "Exists"}, True),
        ({"key": "tier", "operator": "DoesNotExist"}, True),
        ({"key": "tier", "operator": "Exists"}, False),
    ],
)
def test_a_budget_that_selects_by_expressions_is_held_against_its_pods(expression, blocks):
    kept = named(selector={"matchExpressions": [expression]}, minAvailable=3)
    found = said(create(BUDGET, kept), same(DEPLOYMENT, deployment()))
    assert ("P-06" in found) is blocks


# Command lines: the program is known, and so is who starts it.

CONSUME_MAIL = ["php", "bin/console", "messenger:consume", "mail"]


def started(*words: str) -> dict[str, Any]:
    return deployment(worker={"command": list(words)})


@pytest.mark.parametrize(
    ("after", "said_of_it"),
    [
        ((*CONSUME_MAIL, "-vv"), ""),
        ((*CONSUME_MAIL, "--limit=20"), ""),
        (("sh", "-c", " ".join(CONSUME_MAIL)), "notJudged: mail is started in another way"),
        (("nohup", *CONSUME_MAIL), "notJudged: mail is started in another way"),
        (("/worker",), "notJudged: what mail does with another command line is not judged"),
    ],
)
def test_what_starts_a_worker_is_judged_with_its_options(after, said_of_it):
    found = said(update(started(*CONSUME_MAIL), started(*after)))
    assert found.get("P-08c", "").startswith(said_of_it)
    assert "P-40" not in found
    assert ("P-08c" in found) == bool(said_of_it)


def test_what_a_shell_does_after_its_worker_is_no_option_of_it():
    before, after = (["sh", "-c", f"exec {' '.join(CONSUME_MAIL)}{rest}"] for rest in ("", " || true"))
    assert "started in another way" in said(update(started(*before), started(*after)))["P-08c"]


@pytest.mark.parametrize("name", ["git-sha", "app-version", "buildId", "deployed-at", "imageTag", "release"])
def test_a_label_made_of_words_for_a_version_is_an_ordinary_deploy(name):
    assert "P-10a" not in said(update(deployment(labels={name: "1"}), deployment(labels={name: "2"})))


@pytest.mark.parametrize("name", ["conversion", "build-pool", "db-client", "date", "role"])
def test_a_label_that_only_sounds_like_one_is_not(name):
    assert "P-10a" in said(update(deployment(labels={name: "1"}), deployment(labels={name: "2"})))


# A refresh: it changes nothing, and says what others have changed.


@pytest.mark.parametrize(
    ("now", "words"),
    [(None, "Deployment mail gone"), (deployment(replicas=1), "Deployment mail changed by others"), (deployment(), "")],
)
def test_what_a_refresh_has_found_is_said(now, words):
    notes = review_of(step("refresh", DEPLOYMENT, deployment(), now)).change.notes
    assert [note for note in notes if "refresh" in note] == (
        [f"a refresh found {words}; the plan only takes note of it"] if words else []
    )
