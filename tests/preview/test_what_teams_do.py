"""What teams do to programs of their own, and what a reviewer must be told: the worst level, and by which rule.

Nothing that ends a pod too soon, loses a message or a safeguard may be called an ordinary deploy, and nothing that
does none of it a danger.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ebbtide.manifests.resource import to_json
from ebbtide.manifests.stack import stack_resources
from ebbtide.preview.change import Operation, PropertyChange, ResourceChange, StackChange, diff
from ebbtide.preview.fleet import Pods
from ebbtide.preview.kinds import HOMES
from ebbtide.preview.patterns import CREATED, DELETED, REPLACED
from ebbtide.preview.review import Review, review_change
from ebbtide.preview.risk import RiskLevel
from ebbtide.preview.rules.declare import _scopes
from ebbtide.preview.sources.compare import compare
from ebbtide.preview.sources.immutable import _GOOGLE as TOKENS
from ebbtide.settings.loading.loader import load_stack

ROOT = Path(__file__).parents[2]
HEAD = load_stack("production", ROOT)
OURS = [to_json(resource) for resource in stack_resources(HEAD)]
(CONSUMER,) = (one for one in OURS if one["type"].endswith(":Deployment"))

DEPLOYMENT, POLICY = "kubernetes:apps/v1:Deployment", "kubernetes:networking.k8s.io/v1:NetworkPolicy"
CONSUME = ["php", "bin/console", "messenger:consume"]
WORKER: dict[str, Any] = {
    "name": "worker",
    "image": "acme.example/orders:1",
    "args": [*CONSUME, "orders", "mail"],
    "env": [{"name": "DSN", "valueFrom": {"secretKeyRef": {"name": "orders", "key": "dsn"}}}],
    "envFrom": [{"secretRef": {"name": "orders-variables"}}],
    "lifecycle": {"preStop": {"exec": {"command": ["/drain"]}}},
    "resources": {"limits": {"memory": "512Mi"}},
    "volumeMounts": [{"name": "tls", "mountPath": "/tls"}],
}
PROXY = {"name": "proxy", "image": "acme.example/proxy:1"}


def deployment(*edits: Callable[[dict[str, Any], dict[str, Any]], Any], **worker: Any) -> dict[str, Any]:
    """The Deployment of a team that has never heard of ebbtide, with two containers; edits get the pod and worker."""
    pod: dict[str, Any] = {
        "terminationGracePeriodSeconds": 120,
        "volumes": [{"name": "tls", "secret": {"secretName": "orders-tls"}}],
        "containers": [copy.deepcopy(PROXY), copy.deepcopy({**WORKER, **worker})],
    }
    for edit in edits:
        edit(pod, pod["containers"][1])
    template = {"metadata": {"labels": {"app": "orders"}}, "spec": pod}
    spec = {"replicas": 3, "selector": {"matchLabels": {"app": "orders"}}, "template": template}
    return {"metadata": {"name": "orders", "namespace": "shop"}, "spec": spec}


def resource(token: str, properties: dict[str, Any], name: str = "x", **options: Any) -> dict[str, Any]:
    return {"type": token, "name": name, "properties": properties, "options": options}


def review_of(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> Review:
    changes, standing = compare(before, after)
    change = StackChange("production", "shop", changes, len(standing), "test", standing=standing)
    review = review_change(change, HEAD if CONSUMER in before else None)
    assert all(risk.advice for risk in review.risks if risk.level is RiskLevel.DANGER), "a danger says what to do"
    return review


def said(review: Review) -> dict[str, str]:
    return {risk.rule: f"{risk.level.value}: {risk.sentence}" for risk in reversed(review.risks)}


PRIVILEGED = {**PROXY, "name": "agent", "securityContext": {"privileged": True}}
PODS: list[tuple[str, dict[str, Any], dict[str, Any], str, str]] = [
    ("another container than the first loses its hook", {}, {"lifecycle": {}}, "danger", "P-03"),
    ("another container gets less memory", {}, {"resources": {"limits": {"memory": "64Mi"}}}, "danger", "P-07"),
    (
        "asks for more memory than it may use",
        {},
        {"resources": {"limits": {"memory": "512Mi"}, "requests": {"memory": "1Gi"}}},
        "danger",
        "P-07",
    ),
    # Whether a program that nobody knows reads the same is not known, and no queue is said to be left.
    ("a program that nobody knows", {}, {"args": ["supervisord", "-c", "/etc/w.conf"]}, "notJudged", "P-08c"),
    ("another container reads one queue less", {}, {"args": [*CONSUME, "orders"]}, "danger", "P-08"),
    (
        "one queue less behind an option",
        {"args": [*CONSUME, "--limit=5", "-t", "60", "orders", "mail"]},
        {"args": [*CONSUME, "--limit=5", "-t", "60", "orders"]},
        "danger",
        "P-08",
    ),
    (
        "one queue less in a shell's script",
        {"args": ["sh", "-c", "cd /app && exec php bin/console messenger:consume orders mail -vv"]},
        {"args": ["sh", "-c", "cd /app && exec php bin/console messenger:consume orders -vv"]},
        "danger",
        "P-08",
    ),
    ("the limit of a worker behind an option", {"args": [*CONSUME, "-t", "60", "orders"]}, {}, "disruptive", "P-10"),
    ("a secret becomes plain text", {}, {"env": [{"name": "DSN", "value": "redis://h"}]}, "danger", "P-05"),
    ("all variables of a Secret go", {}, {"envFrom": []}, "danger", "P-05"),
    ("a Secret's new version", {}, {"envFrom": [{"secretRef": {"name": "orders-2"}}]}, "disruptive", "P-10"),
    (
        "a variable is in the Secret of all of them",
        {},
        {"env": [], "envFrom": [{"secretRef": {"name": "orders"}}, {"secretRef": {"name": "orders-variables"}}]},
        "disruptive",
        "P-10",
    ),
    ("privileged, where nothing was said", {}, {"securityContext": {"privileged": True}}, "danger", "P-32"),
    ("a capability", {}, {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}}, "danger", "P-32"),
    (
        "a capability less",
        {"securityContext": {"capabilities": {"add": ["SYS_ADMIN"]}}},
        {"securityContext": {"capabilities": {"add": []}}},
        "disruptive",
        "P-10",
    ),
    (
        "no filter of system calls",
        {"securityContext": {"seccompProfile": {"type": "RuntimeDefault"}}},
        {"securityContext": {"seccompProfile": {"type": "Unconfined"}}},
        "danger",
        "P-32",
    ),
    ("an image", {}, {"image": "acme.example/orders:2"}, "disruptive", "P-11"),
]


@pytest.mark.parametrize(("what", "before", "after", "level", "rule"), PODS, ids=[what for what, *_ in PODS])
def test_what_happens_to_any_container_of_a_pod_is_judged(what, before, after, level, rule):
    old, new = (resource(DEPLOYMENT, deployment(**side)) for side in (before, after))
    review = review_of([old], [new])
    assert (review.worst and review.worst.value) == level, said(review)
    assert rule in said(review)


SPOT = {"cloud.google.com/gke-spot": "true"}
SAFE = {"metadata": {"annotations": {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}}}


@pytest.mark.parametrize(
    ("before", "after", "rule", "words"),
    [
        # What the notice of a Spot machine leaves: 15 s, and 105 by the kubelet's configuration.
        ({}, {"nodeSelector": SPOT}, "P-16", "danger: orders runs on Spot capacity"),
        ({}, {"nodeSelector": SPOT, "terminationGracePeriodSeconds": 105}, "P-16", "notJudged: orders runs on Spot"),
        ({}, {"nodeSelector": SPOT, "terminationGracePeriodSeconds": 15}, "P-16", "disruptive: orders runs on Spot"),
        ({}, {"nodeSelector": SPOT, "terminationGracePeriodSeconds": None}, "P-16", "disruptive: orders runs on Spot"),
        # One that runs there already, and newly needs longer than the notice leaves.
        (
            {"nodeSelector": SPOT, "terminationGracePeriodSeconds": 10},
            {"nodeSelector": SPOT},
            "P-16",
            "danger: orders ",
        ),
        ({"nodeSelector": SPOT}, {"nodeSelector": SPOT, "terminationGracePeriodSeconds": 10}, "P-16", ""),
        ({"nodeSelector": SPOT}, {"nodeSelector": SPOT, "priority": 5}, "P-16", ""),
        # What a node's scale-down waits: ten minutes.
        (
            {},
            {"terminationGracePeriodSeconds": 601},
            "P-44",
            "danger: pods of orders may take 10m1s to finish and are not",
        ),
        ({}, {"terminationGracePeriodSeconds": 600}, "P-44", ""),
        ({"terminationGracePeriodSeconds": 700}, {"terminationGracePeriodSeconds": 800}, "P-44", ""),
    ],
)
def test_a_grace_that_is_longer_than_its_node_waits_is_a_danger(before, after, rule, words):
    def edit(side):
        return lambda pod, worker: pod.update(side)

    old, new = (resource(DEPLOYMENT, deployment(edit(side))) for side in (before, after))
    for one in (old, new):
        pod = one["properties"]["spec"]["template"]["spec"]
        if pod["terminationGracePeriodSeconds"] is None:
            del pod["terminationGracePeriodSeconds"]
    assert said(review_of([old], [new])).get(rule, "").startswith(words)
    assert (rule in said(review_of([old], [new]))) == bool(words)


def test_a_pod_that_newly_needs_long_and_is_protected_is_no_danger():
    old, new = (deployment(lambda pod, worker, s=s: pod.update(terminationGracePeriodSeconds=s)) for s in (120, 3600))
    new["spec"]["template"]["metadata"].update(SAFE["metadata"])
    assert "P-44" not in said(review_of([resource(DEPLOYMENT, old)], [resource(DEPLOYMENT, new)]))


def test_the_way_to_recreate_says_that_nothing_consumes_meanwhile():
    old, new = deployment(), deployment()
    new["spec"]["strategy"] = {"type": "Recreate"}
    review = review_of([resource(DEPLOYMENT, old)], [resource(DEPLOYMENT, new)])
    (risk,) = (one for one in review.risks if one.rule == "P-17")
    assert risk.sentence.endswith("nothing consumes meanwhile, up to 2m and a start")
    assert risk.advice.startswith("write type: RollingUpdate")


def counted(address: str) -> dict[str, Any]:
    metadata = {"address": address, "listName": "orders"}
    spec = {"scaleTargetRef": {"name": "orders"}, "triggers": [{"type": "redis", "metadata": metadata}]}
    return {"metadata": {"name": "orders", "namespace": "shop"}, "spec": spec}


def test_no_queue_is_said_to_be_left_by_a_container_that_gets_another_name_and_a_program_that_nobody_knows():
    def renamed(pod, worker):
        worker.update(name="other", args=["supervisord", "-c", "/etc/w.conf"])

    found = said(review_of([resource(DEPLOYMENT, deployment())], [resource(DEPLOYMENT, deployment(renamed))]))
    assert "P-08" not in found
    assert found["P-08c"].startswith("notJudged: ")


@pytest.mark.parametrize("moves", [False, True])
def test_keda_that_asks_another_broker_than_the_workers_read_is_said(moves):
    def there(host, *, is_moved):
        value = f"redis://{host}:6379" if is_moved else "redis://a:6379"
        own = deployment(env=[{"name": "BROKER_URL", "value": value}])
        return [
            resource(DEPLOYMENT, own),
            resource("kubernetes:keda.sh/v1alpha1:ScaledObject", counted(f"{host}:6379")),
        ]

    found = said(review_of(there("a", is_moved=True), there("b", is_moved=moves)))
    if moves:
        assert "P-08a" in found
        assert "P-08d" not in found
    else:
        assert found["P-08d"].startswith(
            "notJudged: KEDA counts for orders at b:6379 instead of a:6379, and its workers"
        )


@pytest.mark.parametrize(
    ("edit", "level", "rule"),
    [
        (lambda pod, worker: pod.update(volumes=[], containers=[{**worker, "volumeMounts": []}]), "danger", "P-05"),
        (lambda pod, worker: pod["containers"].append(PRIVILEGED), "danger", "P-32"),
        (lambda pod, worker: pod.update(initContainers=[PRIVILEGED]), "danger", "P-32"),
        (lambda pod, worker: pod["containers"].reverse(), "notJudged", "P-10"),
    ],
)
def test_what_comes_and_goes_in_a_pod_is_judged(edit, level, rule):
    review = review_of([resource(DEPLOYMENT, deployment())], [resource(DEPLOYMENT, deployment(edit))])
    assert (review.worst and review.worst.value) == level, said(review)
    assert rule in said(review)


def consumer(name: str = "githubevents", **changed: str | None) -> dict[str, Any]:
    """Our own consumer with other variables, or another of its name in the program."""
    properties = copy.deepcopy(CONSUMER["properties"])
    env = properties["spec"]["template"]["spec"]["containers"][0]["env"]
    env[:] = [
        {**one, "value": changed[one["name"]]} if one["name"] in changed else one
        for one in env
        if changed.get(one["name"], "") is not None
    ]
    return {**CONSUMER, "name": name, "properties": properties}


@pytest.mark.parametrize(
    "changed",
    [
        {"EBBTIDE_LONGEST_MESSAGE_SECONDS": "2000"},
        {"EBBTIDE_LONGEST_MESSAGE_SECONDS": None},
        {"EBBTIDE_STOP_WAIT_SECONDS": "90000"},
        {"EBBTIDE_DRAIN_DEADLINE_SECONDS": None},
    ],
)
def test_a_budget_that_no_longer_fits_the_longest_message_is_a_danger(changed):
    assert said(review_of([CONSUMER], [consumer(**changed)]))["P-03"].startswith(
        "danger: the shutdown budget of githubevents no longer fits its longest message: the longest message "
    )


def test_twice_as_many_consumers_that_are_renamed_take_twice_the_reading(monkeypatch: pytest.MonkeyPatch):
    read, of = [], Pods.of.__func__  # type: ignore[attr-defined]
    monkeypatch.setattr(Pods, "of", classmethod(lambda cls, found: read.append(found) or of(cls, found)))

    def reads_of(consumers: int) -> int:
        read.clear()
        sides: list[list[dict[str, Any]]] = [[], []]
        for place in range(consumers):
            for side, name in zip(sides, (f"old-{place}", f"new-{place}"), strict=True):
                own = copy.deepcopy(CONSUMER["properties"])
                own["metadata"]["name"] = name
                own["spec"]["template"]["spec"]["containers"][0]["args"] = [*SYMFONY.split(), f"queue-{place}"]
                side.append(resource(DEPLOYMENT, own, name))
        assert said(review_of(*sides))["P-02"].startswith("disruptive: old-"), "each is followed by its own"
        return len(read)

    assert reads_of(12) == 2 * reads_of(6)


def test_a_consumer_under_another_name_of_the_program_is_deleted_after_it_is_made():
    found = said(review_of([CONSUMER], [consumer("events")]))
    assert found["P-42"].startswith("danger: Deployment githubevents is made as events and then deleted as ")
    assert "P-02" not in found
    aliased = {**consumer("events"), "options": {"aliases": [CONSUMER["name"]]}}
    assert review_of([CONSUMER], [aliased]).worst is None


@pytest.mark.parametrize("weaker", [False, True])
def test_pods_that_move_are_compared_with_those_that_they_follow(weaker):
    moved = consumer("events", **({"EBBTIDE_STOP_WAIT_SECONDS": "20"} if weaker else {}))
    moved["properties"]["metadata"]["namespace"] = "other"
    for after in (moved, {**moved, "name": CONSUMER["name"]}):
        found = said(review_of([CONSUMER], [after]))
        assert found["P-02"].startswith("disruptive: githubevents ")
        assert ("P-03" in found) == weaker
    assert found["P-02"].startswith(
        "disruptive: githubevents is replaced because of metadata.namespace by githubevents"
    )
    assert "githubevents moves to namespace other" in said(review_of([CONSUMER], [moved]))["P-02"]


def policy(*peers: str, port: int = 6379, last: int | None = None, direction: str = "egress") -> dict[str, Any]:
    ports = {"port": port, "protocol": "TCP", **({"endPort": last} if last else {})}
    to = {"egress": "to", "ingress": "from"}[direction]
    rules = [{to: [{"ipBlock": {"cidr": peer}}], "ports": [ports]} for peer in peers]
    spec = {"podSelector": {}, "policyTypes": [direction.capitalize()], direction: rules}
    return {"metadata": {"name": "n", "namespace": "shop"}, "spec": spec}


ANYWHERE = policy("0.0.0.0/0")
NETWORKS = [
    ("a wider network", policy("10.1.0.0/16"), policy("10.0.0.0/8"), {"P-30"}),
    ("a narrower network", policy("10.0.0.0/8"), policy("10.1.0.0/16"), {"P-34"}),
    ("two halves and the whole", policy("10.0.0.0/9", "10.128.0.0/9"), policy("10.0.0.0/8"), set()),
    ("more ports", policy("10.0.0.0/8"), policy("10.0.0.0/8", last=6380), {"P-30"}),
    ("fewer ports", policy("10.0.0.0/8", port=6000, last=7000), policy("10.0.0.0/8"), {"P-34"}),
    ("everybody of version 6", policy("fd00::/8"), policy("::/0"), {"P-30"}),
    ("another network", policy("10.0.0.0/8"), policy("11.0.0.0/8"), {"P-30", "P-34"}),
    ("the other way", policy("10.0.0.0/8"), policy("10.0.0.0/8", direction="ingress"), {"P-30", "P-34"}),
    (
        "a wider network that may come in",
        policy("10.1.0.0/16", direction="ingress"),
        policy("10.0.0.0/8", direction="ingress"),
        {"P-30"},
    ),
]


@pytest.mark.parametrize(("what", "before", "after", "rules"), NETWORKS, ids=[what for what, *_ in NETWORKS])
def test_a_network_is_opened_or_closed_by_what_is_in_it_and_not_by_how_it_is_written(what, before, after, rules):
    assert set(said(review_of([resource(POLICY, before)], [resource(POLICY, after)]))) - {"P-15"} == rules


def budget(**spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": "orders"}, "spec": spec}


def by_zone(most: int) -> dict[str, Any]:
    return {"name": "p", "autoscaling": {"minNodeCount": 1, "maxNodeCount": most}}


def nodes(least: int | None, most: int) -> dict[str, Any]:
    scaling = {"totalMaxNodeCount": most, **({} if least is None else {"totalMinNodeCount": least})}
    return {"name": "p", "autoscaling": scaling}


OBJECTS: list[tuple[str, dict[str, Any] | None, dict[str, Any] | None, str, str]] = [
    # The same word elsewhere is another thing.
    ("gcp:redis/instance:Instance", {"replicaCount": 2}, {"replicaCount": 1}, "notJudged", "P-40"),
    ("gcp:spanner/instance:Instance", {"nodeType": "A"}, {"nodeType": "B"}, "notJudged", "P-40"),
    ("gcp:alloydb/user:User", {"userId": "u"}, None, "notJudged", "P-40"),
    ("gcp:firestore/database:Database", {"name": "d"}, None, "notJudged", "P-40"),
    ("kubernetes:postgresql.cnpg.io/v1:Cluster", {"spec": {"instances": 1}}, None, "notJudged", "P-40"),
    # Credentials.
    ("gcp:sql/user:User", {"name": "u", "password": "a"}, {"name": "u", "password": "b"}, "disruptive", "P-62"),
    (
        "gcp:secretmanager/secretVersion:SecretVersion",
        {"secret": "projects/p/secrets/dsn", "secretData": "a"},
        {"secret": "projects/p/secrets/dsn", "secretData": "b"},
        "info",
        "P-62",
    ),
    ("gcp:secretmanager/secret:Secret", {"secretId": "dsn"}, None, "danger", "P-62"),
    # Releases of Helm.
    ("kubernetes:helm.sh/v3:Release", {"chart": "rabbitmq", "name": "mq"}, None, "notJudged", "P-73"),
    ("kubernetes:helm.sh/v3:Release", None, {"chart": "our-workers", "name": "w"}, "notJudged", "P-73"),
    (
        "kubernetes:helm.sh/v3:Release",
        {"chart": "oci://ghcr.io/kedacore/charts/keda", "version": "2.19.0"},
        {"chart": "oci://ghcr.io/kedacore/charts/keda", "version": "2.20.2"},
        "scaling",
        "P-73",
    ),
    # Firewalls.
    ("gcp:compute/firewall:Firewall", None, {"name": "f", "denies": [{"protocol": "all"}]}, "danger", "P-34"),
    ("gcp:compute/firewall:Firewall", None, {"name": "f", "allows": [{"protocol": "tcp"}]}, "danger", "P-30"),
    (
        "gcp:compute/firewall:Firewall",
        None,
        {"name": "f", "allows": [{"protocol": "tcp", "ports": ["22"]}], "sourceRanges": ["10.0.0.0/8"]},
        "info",
        "P-30",
    ),
    # Budgets of disruptions.
    (
        "kubernetes:policy/v1:PodDisruptionBudget",
        budget(maxUnavailable=1),
        budget(maxUnavailable="100%"),
        "danger",
        "P-18",
    ),
    ("kubernetes:policy/v1:PodDisruptionBudget", budget(maxUnavailable=1), budget(minAvailable=0), "danger", "P-18"),
    (
        "kubernetes:policy/v1:PodDisruptionBudget",
        budget(maxUnavailable=1),
        budget(maxUnavailable="50%"),
        "info",
        "P-18",
    ),
    ("kubernetes:policy/v1:PodDisruptionBudget", budget(maxUnavailable=1), budget(), "danger", "P-06"),
    # Scaling.
    *(
        ("gcp:container/nodePool:NodePool", nodes(*before), nodes(*after), level, "P-27")
        for before, after, level in (
            ((1, 5), (1, 3), "disruptive"),
            ((None, 5), (None, 3), "disruptive"),
            ((3, 5), (1, 5), "scaling"),
            ((1, 5), (2, 9), "scaling"),
        )
    ),
    ("gcp:container/nodePool:NodePool", by_zone(4), by_zone(1), "disruptive", "P-27"),
    ("gcp:container/nodePool:NodePool", by_zone(1), by_zone(4), "scaling", "P-27"),
    ("gcp:container/nodePool:NodePool", nodes(1, 9), by_zone(3), "disruptive", "P-27"),
    (
        "kubernetes:keda.sh/v1alpha1:ScaledObject",
        {"metadata": {"name": "o"}, "spec": {"minReplicaCount": 0, "scaleTargetRef": {"name": "o"}}},
        {
            "metadata": {"name": "o"},
            "spec": {"minReplicaCount": 3, "idleReplicaCount": 0, "scaleTargetRef": {"name": "o"}},
        },
        "scaling",
        "P-22",
    ),
    (
        "gcp:container/nodePool:NodePool",
        {"name": "p", "autoscaling": {"totalMinNodeCount": 1, "totalMaxNodeCount": 5}},
        {"name": "p"},
        "disruptive",
        "P-27",
    ),
    (
        "gcp:container/cluster:Cluster",
        {"name": "c", "secretSyncConfig": {"enabled": True}},
        {"name": "c", "secretSyncConfig": {"enabled": False}},
        "danger",
        "P-62",
    ),
]


@pytest.mark.parametrize(("token", "before", "after", "level", "rule"), OBJECTS)
def test_what_is_beside_the_pods_is_judged_or_named(token, before, after, level, rule):
    review = review_of(*([resource(token, side)] if side is not None else [] for side in (before, after)))
    assert (review.worst and review.worst.value) == level, said(review)
    assert rule in said(review)


# Whoever read the old secret may read its successor; and of a broker P-60 speaks.
LEFT_TO_OTHERS = {("P-39", "SecretIamMember"), ("P-01", "Instance")}


def told() -> dict[tuple[str, str], tuple[tuple[str, ...], ...]]:
    """Every property of which a rule says that it speaks of any change, by rule and kind."""
    found = {}
    for scope in _scopes:
        declared = scope.declared() if callable(scope.declared) else scope.declared
        kinds = [kind for kind in declared if not kind.startswith("*:") and (scope.rule, kind) not in LEFT_TO_OTHERS]
        if scope.how == "tells":
            found |= {(scope.rule, kind): tuple(scope.paths(kind)) for kind in kinds}
    return found


def nested(path: tuple[str, ...], value: str) -> Any:
    """A document with a value in one place; an entry of a list where any will do."""
    if not path:
        return value
    return [nested(path[1:], value)] if path[0] == "*" else {path[0]: nested(path[1:], value)}


# What a resource of a kind holds at least, where the rule looks at it.
HOLDS: list[tuple[str, dict[str, Any]]] = [
    ("KE-18", {"name": "x", "chart": "keda"}),
    ("Firewall", {"name": "x", "allows": [{"protocol": "tcp"}]}),
    ("Iam|IAM", {"role": "roles/viewer", "member": "user:a@b.example", "project": "p"}),
    ("Role", {"metadata": {"name": "x"}, "rules": [{"verbs": ["get"]}], "subjects": [{"name": "a"}]}),
    ("", {"metadata": {"name": "x"}, "name": "x"}),
]
WHOLE = {(CREATED,): Operation.CREATE, (DELETED,): Operation.DELETE, (REPLACED,): Operation.REPLACE}
RANDOM = "random:index/randomPassword:RandomPassword"
MOVED = PropertyChange(("project",), "p", "q", replaces=True)


def token_of(kind: str) -> str:
    """A type of this kind: as the provider or this program calls it."""
    home = HOMES[kind][0]
    known = [token for token in (*TOKENS, RANDOM, *(one["type"] for one in OURS)) if token.endswith(f":{kind}")]
    return next((token for token in known if token.startswith(home)), f"{home}v1:{kind}").replace(":v1:k", ":k")


@pytest.mark.parametrize(("rule", "kind"), told())
def test_a_rule_that_says_that_it_tells_of_something_tells(rule, kind):
    """What only claims to would be taken for judged, and a change of it for harmless."""
    silent = [path for path in told()[rule, kind] if rule not in rules_that_speak(rule, kind, path)]
    assert silent == []


def rules_that_speak(rule: str, kind: str, path: tuple[str, ...]) -> set[str]:
    """When this property of a resource changes, or the resource comes, goes or is made anew."""
    one = next(holds for pattern, holds in HOLDS if re.search(pattern, f"{rule} {kind}"))
    operation = WHOLE.get(path, Operation.UPDATE)
    old, new = (nested(path, value) for value in "12") if operation is Operation.UPDATE else (one, one)
    changed = {Operation.UPDATE: tuple(diff(old, new)), Operation.REPLACE: (MOVED,)}.get(operation, ())
    change = ResourceChange(
        token_of(kind),
        "x",
        operation,
        {} if operation is Operation.CREATE else old,
        {} if operation is Operation.DELETE else new,
        changed,
    )
    risks = review_change(StackChange("production", "shop", (change,), 0, "test")).risks
    return {risk.rule for risk in risks if risk.resource == change.key}


def test_every_kind_that_a_rule_names_has_its_home():
    kinds = {kind for scope in _scopes for kind in (scope.declared() if callable(scope.declared) else scope.declared)}
    assert {kind for kind in kinds if not kind.startswith("*:")} <= HOMES.keys()


NAMESPACE = "kubernetes:core/v1:Namespace"
ENFORCED = {"metadata": {"name": "shop", "labels": {"pod-security.kubernetes.io/enforce": "restricted"}}}


def test_what_making_a_namespace_does_to_one_that_is_there_is_said():
    found = said(review_of([], [resource(NAMESPACE, ENFORCED)]))["P-33"]
    assert found.startswith("info: namespace shop is made; one that is there already enforces Pod Security restricted")
    assert said(review_of([], [resource(NAMESPACE, {"metadata": {"name": "shop"}})]))["P-33"] == (
        "info: namespace shop is made"
    )


def test_who_makes_a_namespace_that_enforces_nothing_need_not_ask_whose_it_is():
    for namespace, advised in ((ENFORCED, True), ({"metadata": {"name": "shop"}}, False)):
        (risk,) = [one for one in review_of([], [resource(NAMESPACE, namespace)]).risks if one.rule == "P-33"]
        assert bool(risk.advice) == advised


def test_what_is_left_over_of_an_older_plugin_holds_nothing():
    assert review_of([resource("pulumi:providers:kubernetes", {}, "default_4_23_0")], []).worst is None


def test_of_a_broker_that_goes_one_rule_speaks():
    found = said(review_of([resource("gcp:memorystore/instance:Instance", {"instanceId": "mq"})], []))
    assert found["P-60"].startswith("danger")
    assert "P-01" not in found


ACCOUNT = "kubernetes:core/v1:ServiceAccount"


@pytest.mark.parametrize("metadata", [{"name": "orders"}, {}], ids=["named", "named by the provider"])
def test_an_account_that_goes_with_its_pods_is_missed_by_nobody(metadata):
    old = {**deployment(), "metadata": metadata}
    gone = [resource(DEPLOYMENT, old, "orders"), resource(ACCOUNT, {"metadata": metadata}, "orders")]
    found = said(review_of(gone, []))
    assert found["P-02"].startswith("danger")
    assert "P-01" not in found


def test_a_cluster_that_loses_two_protections_is_said_to_lose_both():
    cluster, held = "gcp:container/cluster:Cluster", {"name": "c", "deletionProtection": True}
    before = resource(cluster, held, retainOnDelete=True)
    after = resource(cluster, {**held, "deletionProtection": False})
    sentences = [risk.sentence for risk in review_of([before], [after]).risks if risk.rule == "P-04"]
    assert sentences == [
        "Cluster c no longer stays when the program lets go of it",
        "Cluster c is no longer protected against deletion",
    ]


def test_one_protection_that_is_said_in_two_places_is_said_once():
    cluster, held = "gcp:container/cluster:Cluster", {"name": "c", "deletionProtection": True}
    after = resource(cluster, {**held, "deletionProtection": False}, protect=False)
    stays = "Cluster c no longer stays when the program lets go of it"
    for options, others in (({}, []), ({"retainOnDelete": True}, [stays])):
        before = resource(cluster, held, protect=True, **options)
        sentences = [risk.sentence for risk in review_of([before], [after]).risks if risk.rule == "P-04"]
        assert sorted(sentences) == sorted(["Cluster c is no longer protected against deletion", *others])


SECRET, VERSION = "gcp:secretmanager/secret:Secret", "gcp:secretmanager/secretVersion:SecretVersion"


@pytest.mark.parametrize("of", ["projects/p/secrets/dsn", "${secret-dsn.id}"])
def test_a_secret_that_goes_with_its_only_version_is_said_once(of):
    secret, version = resource(SECRET, {"secretId": "dsn"}, "secret-dsn"), resource(VERSION, {"secret": of}, "v1")
    (risk,) = [risk for risk in review_of([secret, version], []).risks if risk.rule == "P-62"]
    assert (risk.level.value, risk.resource) == ("danger", f"{VERSION}::v1")


def test_a_secret_that_goes_while_a_version_of_another_one_does_is_said():
    secret, version = resource(SECRET, {"secretId": "dsn"}), resource(VERSION, {"secret": "projects/p/secrets/other"})
    assert len([risk for risk in review_of([secret, version], []).risks if risk.rule == "P-62"]) == 2


def test_a_version_of_a_secret_that_the_program_makes_is_called_by_its_own_name():
    before, after = (resource(VERSION, {"secret": "${secret-dsn.id}", "secretData": data}, "v1") for data in "ab")
    assert said(review_of([before], [after]))["P-62"].startswith("info: secret v1 gets another value")


def test_whose_files_are_gone_is_said_by_the_name_of_the_secret():
    bare = deployment(lambda pod, worker: pod.update(volumes=[]))
    found = said(review_of([resource(DEPLOYMENT, deployment())], [resource(DEPLOYMENT, bare)]))
    assert found["P-05"] == "danger: orders no longer gets the files of Secret orders-tls"


def test_an_image_that_nobody_can_read_is_named_as_it_is_written():
    before, after = (resource(DEPLOYMENT, deployment(image=image)) for image in ("Not An Image", "acme.example/orders"))
    assert "changes its image from Not An Image to latest" in said(review_of([before], [after]))["P-11"]


MONITORING = "kubernetes:monitoring.googleapis.com/v1:PodMonitoring"


@pytest.mark.parametrize("pods_go", [False, True])
def test_nobody_misses_what_watched_pods_that_go_as_well(pods_go):
    pods, watcher = resource(DEPLOYMENT, deployment(), "orders"), resource(MONITORING, {"metadata": {"name": "orders"}})
    assert ("P-50" in said(review_of([pods, watcher], [] if pods_go else [pods]))) != pods_go


def test_an_alert_is_named_as_those_who_get_it_read_it():
    policy = resource("gcp:monitoring/alertPolicy:AlertPolicy", {"displayName": "Orders stand still"}, "alert-1")
    assert said(review_of([policy], []))["P-50"].startswith("info: AlertPolicy Orders stand still: ")


def test_labels_at_google_alone_are_said_to_be_labels_alone():
    before, after = (resource(SECRET, {"secretId": "dsn", "labels": {"team": team}}) for team in ("mail", "shop"))
    assert said(review_of([before], [after])) == {"P-15": "info: only labels of Secret dsn change"}


def test_in_a_cluster_that_is_made_with_it_no_namespace_is_there_already():
    cluster = resource("gcp:container/cluster:Cluster", {"name": "c"}, "c")
    assert "P-33" not in said(review_of([], [cluster, resource(NAMESPACE, ENFORCED)]))


SYNC = "kubernetes:secret-sync.gke.io/v1:SecretSync"
IN_SECRET, IN_THE_OPEN = {"valueFrom": {"secretKeyRef": {"name": "mq-1", "key": "dsn"}}}, {"value": "redis://old:6379"}
MOVES: dict[str, tuple[dict[str, Any], dict[str, Any], str]] = {
    "to another address": (
        IN_THE_OPEN,
        {"value": "redis://new:6379"},
        "danger: container worker of orders reads its messages from new:6379 instead of old:6379",
    ),
    "to what a Secret says": (
        IN_THE_OPEN,
        IN_SECRET,
        "info: container worker of orders reads CELERY_BROKER_URL from Secret mq-1",
    ),
    "from what a Secret says": (
        IN_SECRET,
        IN_THE_OPEN,
        "info: container worker of orders reads CELERY_BROKER_URL from old:6379",
    ),
}


@pytest.mark.parametrize("move", MOVES)
def test_that_a_broker_is_left_is_a_danger_only_where_both_are_known(move):
    before, after, words = MOVES[move]
    old, new = (deployment(env=[{"name": "CELERY_BROKER_URL", **one}]) for one in (before, after))
    assert said(review_of([resource(DEPLOYMENT, old)], [resource(DEPLOYMENT, new)]))["P-08a"].startswith(words)


def test_a_secret_that_is_rotated_is_no_other_broker():
    def side(name: str) -> list[dict[str, Any]]:
        env = [{"name": "CELERY_BROKER_URL", "valueFrom": {"secretKeyRef": {"name": name, "key": "dsn"}}}]
        return [resource(DEPLOYMENT, deployment(env=env)), resource(SYNC, {"metadata": {"name": name}}, "sync")]

    found = said(review_of(side("mq-1"), side("mq-2")))
    assert found["P-62"].startswith("info: the broker's Secret gets a new name, mq-2")
    assert "P-08a" not in found


def test_what_else_changes_of_something_that_is_made_anew_is_not_judged_by_why_it_is():
    before, after = ({"metadata": {"name": name}, "spec": {"unheard": name}} for name in ("orders", "orders-2"))
    found = said(review_of([resource(MONITORING, before)], [resource(MONITORING, after)]))
    assert "made anew" in found["P-50"]
    assert "spec.unheard" in found["P-40"]


SYMFONY = "php bin/console messenger:consume"


@pytest.mark.parametrize(
    ("before", "after", "option"),
    [
        (f"{SYMFONY} mail", f"{SYMFONY} mail --queues=high", "--queues"),
        (f"{SYMFONY} mail", f"{SYMFONY} mail --bus=orders", "--bus"),
        (f"{SYMFONY} mail", f"{SYMFONY} mail --env dev", "--env"),
        (f"{SYMFONY} mail", f"{SYMFONY} --all", "--all"),
        ("celery -A shop worker", "celery -A other worker", "-A"),
        ("celery -A shop worker -P prefork", "celery -A shop worker -P gevent", "-P"),
        ("celery -A shop worker", "celery -A shop worker --purge", "--purge"),
        ("php artisan queue:work --tries=3", "php artisan queue:work --tries=1", "--tries"),
        ("bundle exec sidekiq", "bundle exec sidekiq -C other.yml", "-C"),
        (f"{SYMFONY} mail -l5", f"{SYMFONY} mail -l10 -vv --memory-limit=64M", ""),
        ("celery -A shop worker -linfo", "celery -A shop worker -ldebug -E", ""),
        ("php artisan queue:work --sleep=3", "php artisan queue:work --sleep=1 --backoff=5", ""),
    ],
)
def test_an_option_of_a_known_program_that_no_rule_knows_is_not_judged(before, after, option):
    old, new = (deployment(args=line.split()) for line in (before, after))
    found = said(review_of([resource(DEPLOYMENT, old)], [resource(DEPLOYMENT, new)]))
    words = f"notJudged: what {option} of container worker of orders does to its messages is not judged"
    assert found.get("P-08c", "") == (words if option else ""), found


def test_what_all_leaves_out_from_now_on_nobody_reads():
    old, new = f"{SYMFONY} --all --exclude-receivers=failed", f"{SYMFONY} --all --exclude-receivers failed"
    less = f"{new} --exclude-receivers=mail"
    assert "P-08" not in reviewed(old, new)
    assert reviewed(old, less)["P-08"].startswith("danger: orders no longer reads mail, and nobody else")


LESS = "--all --exclude-receivers=mail"


@pytest.mark.parametrize(("other", "is_read"), [("", True), ("--exclude-receivers=mail", False)])
def test_what_one_consumer_leaves_out_another_one_of_all_reads(other, is_read):
    beside = resource(DEPLOYMENT, deployment(args=f"{SYMFONY} --all {other}".split()), "beside")
    sides = [[resource(DEPLOYMENT, deployment(args=f"{SYMFONY} {args}".split())), beside] for args in ("mail", LESS)]
    assert ("P-08" not in said(review_of(*sides))) is is_read


def reviewed(before: str, after: str) -> dict[str, str]:
    sides = [[resource(DEPLOYMENT, deployment(args=line.split()))] for line in (before, after)]
    return said(review_of(*sides))
