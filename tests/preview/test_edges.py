"""A rule about a change says what it must of exactly what it is about, and nothing right beside it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.preview.plans import UNKNOWN_TEXT
from tests.preview.test_autoscalers import (
    DEPLOYMENT,
    HPA,
    SCALED_OBJECT,
    SETTINGS,
    VPA,
    Step,
    deployment,
    hpa,
    of_settings,
    review,
    scaled_object,
)
from tests.preview.test_not_judged import ALL_CLEAR, UNKNOWNS, review_of

from ebbtide.preview.change import StackChange
from ebbtide.preview.review import review_change

BUDGET = "kubernetes:policy/v1:PodDisruptionBudget"
FIREWALL = "gcp:compute/firewall:Firewall"
POLICY = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
NAMESPACE = "kubernetes:core/v1:Namespace"
ACCOUNT = "kubernetes:core/v1:ServiceAccount"
ROLE = "kubernetes:rbac.authorization.k8s.io/v1:Role"
RELEASE = "kubernetes:helm.sh/v3:Release"
SYNC = "kubernetes:secret-sync.gke.io/v1:SecretSync"
CLUSTER = "gcp:container/cluster:Cluster"
MEMBER = "gcp:projects/iAMMember:IAMMember"
ALERT = "gcp:monitoring/alertPolicy:AlertPolicy"
API_SERVICE = "kubernetes:apiregistration.k8s.io/v1:APIService"
GOOGLES = "iam.gke.io/gcp-service-account"
ENFORCE = "pod-security.kubernetes.io/enforce"


def said(rule: str, *steps: Step) -> list[tuple[str, str]]:
    """The level and the sentence of everything that a rule says of a plan."""
    return [(risk.level.value, risk.sentence) for risk in review(*steps).risks if risk.rule == rule]


def named(**more: Any) -> dict[str, Any]:
    return {"metadata": {"name": "w", "namespace": "platform", **more}}


def policy(**spec: Any) -> dict[str, Any]:
    return {**named(), "spec": {"podSelector": {}, **spec}}


def pods(**pod: Any) -> dict[str, Any]:
    return deployment(template={"spec": {"containers": [{"name": "w"}], **pod}})


def runs(processes: int, *arguments: str) -> dict[str, Any]:
    """A consumer of ebbtide's."""
    environment = [{"name": "EBBTIDE_PROCESSES", "value": str(processes)}]
    return deployment(template={"spec": {"containers": [{"name": "w", "env": environment, "args": [*arguments]}]}})


def blocks(number: int, first: int) -> dict[str, Any]:
    networks = [{"cidrBlock": f"10.{first}.{n}.0/24"} for n in range(number)]
    return {"name": "c", "masterAuthorizedNetworksConfig": {"cidrBlocks": networks}}


WITHOUT_TYPES = policy(egress=[{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}])
EVERY_PORT_OF = {"to": [{"podSelector": {"matchLabels": {"app": "broker"}}}]}
KEYS = {"data": [{"targetKey": key, "sourcePath": f"{key}.txt"} for key in ("dsn", "password")]}
COOLS = {"minReplicaCount": 0, "cooldownPeriod": 60, "initialCooldownPeriod": 60}
QUIET = "so ends every pod at its first quiet poll after it was made or scaled by hand"
ALONE, LAST = "so leaves a new one alone for", "so ends its last pods"
POLLS = "so looks for the first message every 5 s instead of 30"
DISK = "a pod that writes more is evicted and has no time to finish"
SLOWER = "its longest message takes longer, its time to finish not"
KILLED_FIRST = (
    "when its node runs short, a pod that uses more than it reserves is killed first, and has no time to finish"
)
OLD = deployment(template={"spec": {"containers": [{"name": "w"}]}})
AWAY = "is deleted and made anew, because a field cannot change in place: no pod runs meanwhile; its pods have 30s"


HELD = "pods that start from now on are held against it"


def able(capabilities: dict[str, Any]) -> dict[str, Any]:
    return {"name": "w", "securityContext": {"capabilities": capabilities}}


def labels(standard: str | None) -> dict[str, str]:
    return {ENFORCE: standard} if standard else {}


def sharing(processes: int, memory: str | None) -> dict[str, Any]:
    """A consumer whose processes share so much memory."""
    made = runs(processes)
    limits = {"limits": {"memory": memory}} if memory else {}
    made["spec"]["template"]["spec"]["containers"][0]["resources"] = limits
    return made


POOL = "gcp:container/nodePool:NodePool"
VALKEY = "gcp:memorystore/instance:Instance"
IDENTITIES = "principal://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/p.svc.id.goog"
OF_OTHERS = "whether a network policy or a service of others selects by it is not judged"
NO_LONGER_COLLECTED = (
    "what pods of cluster c log is no longer collected: what is counted of it, as the ends of drains, is counted no "
    "more, and alerts on that cannot fire"
)
BY_ITSELF = "each trigger by itself"
FIRST, SECOND = (f"@sha256:{begin}{'0' * 52}" for begin in ("0123456789ab", "ba9876543210"))
KEYS_KNOWN_LATER = [{"targetKey": key, "sourcePath": "a"} for key in ("dsn", UNKNOWN_TEXT)]


def labelled(given: dict[str, str]) -> dict[str, Any]:
    """A Deployment whose pods have these labels, or none at all."""
    return deployment(template={"spec": {"containers": []}, **({"metadata": {"labels": given}} if given else {})})


def counted_by(formula: str) -> dict[str, Any]:
    """What KEDA makes of several triggers."""
    return {"advanced": {"scalingModifiers": {"formula": formula}}} if formula else {}


NO_SECRETS = "writes no Secrets from Secret Manager any more"
SYNC_ENDS = f"cluster c {NO_SECRETS}: a pod that needs one that is not there yet does not start"


def synced(enabled: bool | None) -> dict[str, Any]:
    """A cluster with or without the sync of secrets."""
    return {"name": "c", **({} if enabled is None else {"secretSyncConfig": {"enabled": enabled}})}


def with_room(field: str, amount: str | None) -> dict[str, Any]:
    """A pod with so much of it, or nothing said."""
    if field == "volume":
        return pods(volumes=[{"name": "a", "emptyDir": {"sizeLimit": amount} if amount else {}}])
    part, _, resource = field.partition(".")
    return pods(containers=[{"name": "w", "resources": {part: {resource: amount}} if amount else {}}])


LOGIN = "kubernetes:keda.sh/v1alpha1:TriggerAuthentication"
OF_KEDA = "autoscaling.keda.sh"
TRANSFER = "scaledobject.keda.sh/transfer-hpa-ownership"
COMPARES = "compares what it counts with another number:"
LOGS_IN = "so counts otherwise, or logs in to its source otherwise"
IF_IT_FAILS = "if it fails, the number of pods stays"
OF_W_CHANGES = "how KEDA logs in to the broker of w changes"
BY_OWN = {"matchLabels": {"a": "b"}}
REPOSITORY = "gcp:artifactregistry/repository:Repository"
KINDS_GO = "KEDA's kinds go with its release, and with them every ScaledObject of the cluster"
KEDA_GOES = "KEDA goes: every number of pods stays where it is, and at zero nobody is woken"
WHILE_IT_STARTS = "while it starts, every number of pods stays, and at zero nobody is woken"
KEDA_COMES = "KEDA is installed, and owns the external metrics of the cluster from then on"
OTHER_CHART = "what Helm release r does with another version or other values is not judged"


def told(**annotations: str) -> dict[str, Any]:
    """A ScaledObject with these annotations of KEDA's."""
    return scaled_object(
        annotations={f"{OF_KEDA}/{name.replace('_', '-')}": text for name, text in annotations.items()}
    )


def formula(**modifiers: Any) -> dict[str, Any]:
    return scaled_object(advanced={"scalingModifiers": {"formula": "a", **modifiers}})


def trigger(**more: Any) -> dict[str, Any]:
    return scaled_object(triggers=[{"type": "redis", "metadata": {"listLength": "5"}, **more}])


def login(parameter: str = "password", name: str = "broker-v1", key: str = "dsn", by: str = "gcp") -> dict[str, Any]:
    reads = [{"parameter": parameter, "name": name, "key": key}]
    return {**named(), "spec": {"secretTargetRef": reads, "podIdentity": {"provider": by}}}


def release(policy: str = "", chart: str = "keda", version: str = "1", **values: Any) -> dict[str, Any]:
    notes = {"crds": {"additionalAnnotations": {"helm.sh/resource-policy": policy}}} if policy else {}
    return {"name": "r", "chart": chart, "version": version, "values": {**notes, **values}}


def labelled_itself(token: str, given: dict[str, str]) -> dict[str, Any]:
    """An object with these labels, as its API has them."""
    if token.startswith("kubernetes:"):
        return {"metadata": {"name": "w", "namespace": "platform", "labels": given}}
    return {"name": "w", "resourceLabels" if token == CLUSTER else "labels": given}


Edge = tuple[str, tuple[str, str, dict[str, Any] | None, dict[str, Any] | None], list[tuple[str, str]]]
EDGES: dict[str, Edge] = {
    # What KEDA is told in annotations, and from when on it is no longer.
    **{
        f"{name} is {'told' if comes else 'no longer told'}": (
            "P-70",
            ("update", SCALED_OBJECT, *((told(), told(**{name: "2"})) if comes else (told(**{name: "2"}), told()))),
            [
                ("scaling", f"so is no longer told {name.replace('_', '-')} (2)")
                if not comes
                else ("disruptive", "so is brought to 2 pods and stays there: those above it drain at once")
                if name == "paused_replicas"
                else ("scaling", f"so is told {name.replace('_', '-')}: 2")
            ],
        )
        for name in ("paused", "paused_replicas", "paused_scale_in", "paused_scale_out", "force_activation")
        for comes in (True, False)
    },
    **{
        f"a transfer that is {new!r} after {old!r}": (
            "P-70",
            ("update", SCALED_OBJECT, *(scaled_object(annotations={TRANSFER: given}) for given in (old, new))),
            [("scaling", f"so {may} take an HPA over that somebody else has made")],
        )
        for old, new, may in (("true", "false", "no longer may"), ("false", "true", "may"))
    },
    # What KEDA does when it goes, and how its HPA is called.
    **{
        f"what is left when KEDA goes, {new!r} after {old!r}": (
            "P-70",
            ("update", SCALED_OBJECT, *(scaled_object(advanced=given) for given in (old, new))),
            said_of_it,
        )
        for old, new, said_of_it in (
            (
                {},
                {"restoreToOriginalReplicaCount": True},
                [("disruptive", "so goes back to the number from before KEDA when it is deleted")],
            ),
            (
                {"restoreToOriginalReplicaCount": True},
                {"restoreToOriginalReplicaCount": False},
                [("scaling", "so keeps its number when deleted")],
            ),
            (
                {},
                {"horizontalPodAutoscalerConfig": {"name": "x"}},
                [("scaling", "so has its HPA made anew as x: for a moment nothing scales")],
            ),
            (
                {"horizontalPodAutoscalerConfig": {"name": "x"}},
                {},
                [("scaling", "so has its HPA made anew as keda-hpa-so: for a moment nothing scales")],
            ),
        )
    },
    # What KEDA would do anyway is no change of it.
    **{
        f"{name} of KEDA's own {default}, {verb}": (
            "P-70",
            ("update", SCALED_OBJECT, *reversed(sides)) if verb == "no more" else ("update", SCALED_OBJECT, *sides),
            [],
        )
        for name, default in (("pollingInterval", 30), ("cooldownPeriod", 300), ("initialCooldownPeriod", 0))
        for sides in ((scaled_object(), scaled_object(**{name: default})),)
        for verb in ("written", "no more")
    },
    **{
        f"a fallback of {new} after one of {old}": (
            "P-70",
            ("update", SCALED_OBJECT, *(scaled_object(fallback={"failureThreshold": 3, **one}) for one in (old, new))),
            [(level, sentence)],
        )
        for old, new, level, sentence in (
            (
                {"replicas": 3},
                {"replicas": 4},
                "disruptive",
                "so has 4 pods in an outage of its broker (static)",
            ),
            ({"replicas": 3}, {"replicas": 0}, "danger", "so ends every pod in an outage of its broker"),
            (
                {"replicas": 3},
                {"replicas": 3, "failureThreshold": 5},
                "disruptive",
                "so has 3 pods in an outage of its broker (static)",
            ),
        )
    },
    "a fallback that is taken away": (
        "P-70",
        ("update", SCALED_OBJECT, scaled_object(fallback={"replicas": 3}), scaled_object()),
        [("scaling", "so keeps its pods in an outage of its broker, instead of a fallback")],
    ),
    # What is counted, held against another number, and asked otherwise.
    **{
        f"{words}: {new!r} after {old!r}": (
            "P-71",
            ("update", SCALED_OBJECT, formula(**old), formula(**new)),
            [("scaling", f"so {words}")],
        )
        for old, new, words in (
            ({"target": 3}, {"target": 5}, f"{COMPARES} target 5 instead of 3"),
            (
                {"target": 3, "activationTarget": 1},
                {"target": 5},
                f"{COMPARES} activationTarget none instead of 1, target 5 instead of 3",
            ),
            ({"metricType": "Value"}, {}, LOGS_IN.removeprefix("so ")),
            ({"metricType": "Value", "target": 3}, {"target": 5}, LOGS_IN.removeprefix("so ")),
        )
    },
    "another number, and another name of a trigger": (
        "P-71",
        (
            "update",
            SCALED_OBJECT,
            {**formula(target=3), "spec": {**formula(target=3)["spec"], "triggers": [{"type": "redis", "name": "a"}]}},
            {**formula(target=5), "spec": {**formula(target=5)["spec"], "triggers": [{"type": "redis", "name": "b"}]}},
        ),
        [("scaling", LOGS_IN)],
    ),
    **{
        f"another {name} of a trigger": (
            "P-71",
            ("update", SCALED_OBJECT, trigger(**{name: old}), trigger(**{name: new})),
            [("scaling", LOGS_IN)],
        )
        for name, old, new in (
            ("name", "a", "b"),
            ("metricType", "AverageValue", "Value"),
            ("useCachedMetrics", False, True),
            ("authenticationRef", {"name": "a"}, {"name": "b"}),
            ("authenticationRef", {"name": "a", "kind": "TriggerAuthentication"}, {"name": "a", "kind": "Other"}),
        )
    },
    # How KEDA logs in.
    **{
        f"a login that {does}": ("P-71", step, sentences)
        for does, step, sentences in (
            (
                "comes",
                ("create", LOGIN, None, login()),
                [("scaling", "KEDA reads the Secrets of w to log in to its broker")],
            ),
            (
                "goes",
                ("delete", LOGIN, login(), None),
                [("scaling", f"how KEDA logs in to the broker of w is gone: {IF_IT_FAILS}")],
            ),
            *(
                (does, (operation, LOGIN, login(), new), [("scaling", f"{OF_W_CHANGES}: {IF_IT_FAILS}")])
                for does, operation, new in (
                    ("is made anew", "replace", login()),
                    ("takes another parameter", "update", login(parameter="username")),
                    ("takes another Secret", "update", login(name="broker-v2")),
                    ("takes another key", "update", login(key="password")),
                    ("is somebody else", "update", login(by="aws")),
                )
            ),
            (
                "is only called otherwise",
                ("update", LOGIN, login(), {**login(), **named(labels={"team": "shop"})}),
                [],
            ),
        )
    },
    # KEDA's release, by whether its kinds outlive it.
    **{
        f"a release of {chart} with {old!r}, and then {new!r}: {operation}": (
            "KE-18",
            (
                operation,
                RELEASE,
                None if operation == "create" else release(old, chart),
                None if operation == "delete" else release(new, chart, version="2"),
            ),
            sentences,
        )
        for operation, old, new, chart, sentences in (
            ("create", "", "keep", "keda", [("info", KEDA_COMES)]),
            ("create", "", "keep", "oci://ghcr.io/kedacore/charts/keda", [("info", KEDA_COMES)]),
            ("create", "", "", "kedacore/keda", [("danger", KINDS_GO)]),
            ("create", "", "", "redis", []),
            ("delete", "keep", "", "keda", [("danger", KEDA_GOES)]),
            ("delete", "", "", "keda", [("danger", KINDS_GO)]),
            ("replace", "keep", "keep", "keda", [("danger", KEDA_GOES)]),
            ("replace", "keep", "", "keda", [("danger", KINDS_GO)]),
            ("update", "keep", "keep", "keda", []),
            ("update", "", "", "keda", []),
            ("update", "keep", "", "keda", [("danger", KINDS_GO)]),
            ("update", "", "keep", "keda", []),
        )
    },
    # Another version of KEDA, and of what nobody here knows.
    **{
        f"{chart} with {old} and then {new}": (
            "P-73",
            ("update", RELEASE, release(chart=chart, **old), release(chart=chart, **new)),
            sentences,
        )
        for chart, old, new, sentences in (
            (
                "keda",
                {"version": "1"},
                {"version": "2"},
                [
                    (
                        "scaling",
                        f"KEDA becomes 2 instead of 1: {WHILE_IT_STARTS}",
                    )
                ],
            ),
            ("keda", {"a": 1}, {"a": 2}, []),
            ("redis", {"version": "1"}, {"version": "2"}, [("notJudged", OTHER_CHART)]),
            ("redis", {"watchNamespace": "a"}, {"watchNamespace": "b"}, [("notJudged", OTHER_CHART)]),
            ("redis", {"a": 1}, {"a": 2}, []),
        )
    },
    "KEDA that comes": ("P-73", ("create", RELEASE, None, release("keep")), []),
    # By which labels nobody selects pods: what an ordinary deploy writes anew each time.
    **{
        f"the label {name} of pods": (
            "P-10a",
            ("update", DEPLOYMENT, labelled({name: "mail", "tier": "back"}), labelled({"tier": "back"})),
            [("notJudged", f"pods of w no longer have the label {name}=mail: {OF_OTHERS}")] if is_said else [],
        )
        for names, is_said in (
            (
                (
                    *("version", "release", "revision", "commit", "sha", "build", "tag", "chart", "deployed"),
                    *("timestamp", "app-version", "git-sha", "image-tag", "docker-tag", "build-id", "build-number"),
                    *("commit-hash", "short-sha", "deployed-at", "release-date", "deployed-time", "buildId", "gitSHA"),
                    # Whose owner acts on it, of which P-40 speaks.
                    "acme.com/queue",
                ),
                False,
            ),
            (("app", "git", "image", "id", "date", "queue-version", "versions"), True),
        )
        for name in names
    },
    **{
        f"labels of pods {new} after {old}": (
            "P-10a",
            ("update", DEPLOYMENT, labelled(old), labelled(new)),
            [("notJudged", f"pods of w no longer have the label queue=mail: {OF_OTHERS}")] if is_said else [],
        )
        for old, new, is_said in (
            ({"queue": "mail"}, {"queue": "post"}, True),
            ({"tier": "back"}, {"tier": "back", "queue": "mail"}, False),
        )
    },
    "a label by which a Deployment selects its own pods": (
        "P-10a",
        (
            "update",
            DEPLOYMENT,
            *(
                {**labelled(given), "spec": {**labelled(given)["spec"], "selector": BY_OWN}}
                for given in ({"a": "b"}, {})
            ),
        ),
        [],
    ),
    # Labels of objects alone.
    **{
        f"{what} of a {token.rpartition(':')[2]}": (
            "P-15",
            (operation, token, old, new),
            [("info", f"only labels of {token.rpartition(':')[2]} w change")] if is_said else [],
        )
        for what, operation, token, old, new, is_said in (
            *(
                (
                    "a label",
                    "update",
                    token,
                    labelled_itself(token, {key: "a"}),
                    labelled_itself(token, {key: "b"}),
                    True,
                )
                for token, key in (
                    (DEPLOYMENT, "team"),
                    (CLUSTER, "team"),
                    (REPOSITORY, "team"),
                    (NAMESPACE, "pod-security.kubernetes.io/warn"),
                )
            ),
            # Others select namespaces by theirs.
            (
                "any label",
                "update",
                NAMESPACE,
                labelled_itself(NAMESPACE, {"team": "a"}),
                labelled_itself(NAMESPACE, {"team": "b"}),
                False,
            ),
            ("a new label", "create", ACCOUNT, None, labelled_itself(ACCOUNT, {"team": "a"}), False),
            (
                "a label and a number",
                "update",
                DEPLOYMENT,
                labelled_itself(DEPLOYMENT, {"team": "a"}),
                {**labelled_itself(DEPLOYMENT, {"team": "b"}), "spec": {"replicas": 2}},
                False,
            ),
        )
    },
    # How much room a pod has: less of it is said in both amounts, and as much or more is not.
    **{
        f"{field} of {new} instead of {old}": (
            "P-07a",
            ("update", DEPLOYMENT, with_room(field, old), with_room(field, new)),
            [(level, words)] if words else [],
        )
        for field, old, new, level, words in (
            ("volume", "10Gi", "1Mi", "danger", f"w has 1Mi in volume a instead of 10Gi: {DISK}"),
            ("volume", None, "1Mi", "danger", f"w has 1Mi in volume a instead of as much as there is: {DISK}"),
            ("volume", "1Mi", "1024Ki", "", ""),
            ("volume", "1Mi", "2Mi", "", ""),
            ("volume", "1Mi", None, "", ""),
            (
                "limits.ephemeral-storage",
                "2Gi",
                "1Gi",
                "danger",
                f"w may write 1Gi to local disk instead of 2Gi: {DISK}",
            ),
            (
                "limits.ephemeral-storage",
                None,
                "1Gi",
                "danger",
                f"w may write 1Gi to local disk instead of as much as there is: {DISK}",
            ),
            ("limits.ephemeral-storage", "1Gi", "1024Mi", "", ""),
            ("limits.ephemeral-storage", "1Gi", None, "", ""),
            ("limits.cpu", "2", "1", "disruptive", f"w may use 1000m of CPU at most instead of 2000m: {SLOWER}"),
            (
                "limits.cpu",
                None,
                "1",
                "disruptive",
                f"w may use 1000m of CPU at most instead of as much as there is: {SLOWER}",
            ),
            ("limits.cpu", "1", "1000m", "", ""),
            ("limits.cpu", "1", None, "", ""),
            ("requests.memory", "2Gi", "1Gi", "disruptive", f"w reserves 1Gi of memory instead of 2Gi: {KILLED_FIRST}"),
            (
                "requests.memory",
                "2Gi",
                None,
                "disruptive",
                f"w reserves nothing of memory instead of 2Gi: {KILLED_FIRST}",
            ),
            ("requests.memory", "1Gi", "1024Mi", "", ""),
            ("requests.memory", None, "1Gi", "", ""),
        )
    },
    # How much memory each process has, of one and of several.
    **{
        f"{old} of memory for {before} become {new} for {after}": (
            "P-07",
            ("update", DEPLOYMENT, sharing(before, old), sharing(after, new)),
            [("danger", f"{words}: what needs more is killed with its message")] if words else [],
        )
        for before, old, after, new, words in (
            (1, None, 1, "1Gi", "the only process of w has 1Gi of memory instead of no limit"),
            (2, None, 2, "1Gi", "2 processes of w share 1Gi of memory, 512Mi each instead of no limit"),
            (2, "2Gi", 4, "2Gi", "4 processes of w share 2Gi of memory, 512Mi each instead of 1Gi each"),
            (2, "2Gi", 2, "1Gi", "2 processes of w share 1Gi of memory, 512Mi each instead of 1Gi each"),
            (1, "2Gi", 1, "1Gi", "the only process of w has 1Gi of memory instead of 2Gi"),
            (2, "2Gi", 1, "512Mi", "the only process of w has 512Mi of memory instead of 1Gi each"),
            (2, "2000Mi", 2, "1980Mi", ""),
            (2, "2000Mi", 2, "1979Mi", "2 processes of w share 1979Mi of memory, 989Mi each instead of 1000Mi each"),
            (2, "1Gi", 2, None, ""),
            (4, "1Gi", 2, "1Gi", ""),
        )
    },
    # Who a container is, and what of the namespace's standard holds.
    **{
        f"user {old} becomes {new}": (
            "P-32",
            ("update", DEPLOYMENT, *(pods(securityContext=found) for found in (old, new))),
            [("danger", f"pods of w are isolated less: runAsUser {words} → 0, which is root")] if words else [],
        )
        for old, new, words in (
            ({"runAsUser": 1000}, {"runAsUser": 0}, "1000"),
            ({}, {"runAsUser": 0}, "none"),
            ({"runAsUser": 0}, {"runAsUser": 0, "fsGroup": 1}, ""),
            ({"runAsUser": 0}, {"runAsUser": 1000}, ""),
        )
    },
    **{
        f"capabilities {old} become {new}": (
            "P-32",
            ("update", DEPLOYMENT, *(pods(containers=[able(found)]) for found in (old, new))),
            [("danger", f"pods of w are isolated less: capabilities.{words}")] if words else [],
        )
        for old, new, words in (
            ({}, {"add": ["NET_ADMIN"]}, "add none → NET_ADMIN"),
            ({"add": ["KILL"]}, {"add": ["NET_ADMIN", "KILL"]}, "add KILL → KILL, NET_ADMIN"),
            ({"add": ["ALL"]}, {"add": ["NET_ADMIN"]}, ""),
            ({"add": ["KILL"]}, {}, ""),
            ({"drop": ["ALL"]}, {}, "drop ALL → none"),
            ({"drop": ["KILL", "CHOWN"]}, {"drop": ["KILL"]}, "drop CHOWN, KILL → KILL"),
            ({"drop": ["KILL"]}, {"drop": ["ALL"]}, ""),
        )
    },
    **{
        f"Pod Security {was} becomes {now}": (
            "P-33",
            ("update", NAMESPACE, *({"metadata": {"name": "w", "labels": labels(found)}} for found in (was, now))),
            [("danger", f"namespace w no longer enforces Pod Security {was}")]
            if falls
            else [
                (
                    "info",
                    f"namespace w enforces Pod Security {now} of latest instead of {was or 'none'} of latest: {HELD}",
                )
            ],
        )
        for was, now, falls in (
            ("restricted", "baseline", True),
            ("restricted", None, True),
            ("baseline", "privileged", True),
            ("baseline", None, True),
            ("baseline", "restricted", False),
            (None, "baseline", False),
            (None, "privileged", False),
        )
    },
    # What is replaced goes first, unless the new one has another name or place by now.
    **{
        f"a Deployment that is replaced by {new}": (
            "P-02",
            ("replace", DEPLOYMENT, OLD, {**OLD, "metadata": {**OLD["metadata"], **new}}),
            [(level, sentence)],
        )
        for new, level, sentence in (
            ({}, "danger", f"w {AWAY}"),
            ({"name": UNKNOWNS["text"]}, "danger", f"w {AWAY}"),
            ({"name": "v", "namespace": UNKNOWNS["text"]}, "danger", f"w {AWAY}"),
            (
                {"name": "v"},
                "disruptive",
                "w is replaced by v, which is made first: then its pods drain; its pods have 30s",
            ),
        )
    },
    # As whom pods act, where nothing is written as well.
    "no account of their own any more": (
        "P-36",
        ("update", DEPLOYMENT, pods(serviceAccountName="mail"), pods()),
        [("danger", "pods of w act as service account default instead of mail")],
    ),
    "the default account by its name": (
        "P-36",
        ("update", DEPLOYMENT, pods(), pods(serviceAccountName="default", hostNetwork=True)),
        [],
    ),
    "nobody in Google Cloud any more": (
        "P-36",
        ("update", ACCOUNT, named(annotations={GOOGLES: "mail@acme"}), named(annotations={})),
        [("danger", "pods of service account w act as nobody in Google Cloud instead of mail@acme")],
    ),
    # What a policy opens and closes, by what Kubernetes takes where it names nothing.
    "a rule without peers is for all of them": (
        "P-30",
        ("update", POLICY, policy(policyTypes=["Egress"], egress=[]), policy(policyTypes=["Egress"], egress=[{}])),
        [("danger", "w may reach more: everywhere (every port)")],
    ),
    **{
        f"an empty list of types says no more than none: {rule}": (
            rule,
            ("update", POLICY, WITHOUT_TYPES, {**WITHOUT_TYPES, "spec": {**WITHOUT_TYPES["spec"], "policyTypes": []}}),
            [],
        )
        for rule in ("P-30", "P-34")
    },
    "rules for egress restrict it, also where no type is named": (
        "P-34",
        ("update", POLICY, policy(), WITHOUT_TYPES),
        [("danger", "w may no longer reach everywhere (every port)")],
    ),
    "peers are told apart by their labels": (
        "P-30",
        (
            "update",
            POLICY,
            policy(policyTypes=["Egress"], egress=[]),
            policy(policyTypes=["Egress"], egress=[EVERY_PORT_OF]),
        ),
        [("info", "w may reach more: pods app=broker (every port)")],
    ),
    # Of volumes only Secrets are secret.
    "a volume of another kind goes": (
        "P-05",
        ("update", DEPLOYMENT, pods(volumes=[{"name": "a", "emptyDir": {}}]), pods(volumes=[])),
        [],
    ),
    "the files of a Secret go": (
        "P-05",
        ("update", DEPLOYMENT, pods(volumes=[{"name": "a", "secret": {"secretName": "s"}}]), pods(volumes=[])),
        [("danger", "w no longer gets the files of Secret s")],
    ),
    # Who may read Secrets can become anybody.
    **{
        f"a role about {resource}": (
            "P-35",
            ("create", ROLE, None, {**named(), "rules": [{"resources": [resource], "verbs": ["get"]}]}),
            [(level, f"Role w allows get on {resource}")],
        )
        for resource, level in (("secrets", "danger"), ("configmaps", "info"), ("*", "danger"))
    },
    # Only Google's are roles of Google's.
    "a member of another cloud goes": (
        "P-39",
        ("delete", "postgresql:index/grantRole:GrantRole", {"role": "app", "member": "mail"}, None),
        [],
    ),
    # The version of Pod Security: what is not written is the latest.
    "the latest version by its name": (
        "P-33",
        (
            "update",
            NAMESPACE,
            {"metadata": {"name": "w", "labels": {ENFORCE: "restricted"}}},
            {"metadata": {"name": "w", "labels": {ENFORCE: "restricted", f"{ENFORCE}-version": "latest"}}},
        ),
        [],
    ),
    # Labels that go all at once.
    "all labels of pods": (
        "P-10a",
        ("update", DEPLOYMENT, labelled({"queue": "mail", "tier": "back"}), labelled({})),
        [
            ("notJudged", f"pods of w no longer have the label {label}: {OF_OTHERS}")
            for label in ("queue=mail", "tier=back")
        ],
    ),
    # How long nodes wait, by each of what says so, alone.
    **{
        f"{name} of {old} and then {new}": (
            "P-09",
            ("update", POOL, *({"name": "p", "nodeDrainConfigs": [{name: f"{given}s"}]} for given in (old, new))),
            [("danger", f"nodes of p wait less for their pods: nodeDrainConfigs[0].{name} {old}s → {new}s")]
            if new < old
            else [],
        )
        for name in ("graceTerminationDuration", "pdbTimeoutDuration")
        for old, new in ((7200, 600), (600, 7200))
    },
    **{
        f"{name} of {old} and then {new}": (
            "P-09",
            ("update", POOL, *({"name": "p", "nodeConfig": {"kubeletConfig": given}} for given in (old, new))),
            [("danger", f"nodes of p wait less for their pods: nodeConfig.kubeletConfig.{name} {words}")]
            if words
            else [],
        )
        for name, old, new, words in (
            ("shutdownGracePeriodSeconds", {}, {"shutdownGracePeriodSeconds": 30}, ""),
            (
                "shutdownGracePeriodSeconds",
                {"shutdownGracePeriodSeconds": 120},
                {"shutdownGracePeriodSeconds": 60},
                "120 → 60",
            ),
        )
    },
    # What a cluster collects of its pods.
    **{
        f"components that log: {old} and then {new}": (
            "P-50",
            ("update", CLUSTER, *({"name": "c", "loggingConfig": {"enableComponents": given}} for given in (old, new))),
            [("info", NO_LONGER_COLLECTED)] if falls else [],
        )
        for old, new, falls in (
            (["WORKLOADS"], ["WORKLOADS", "APISERVER"], False),
            (["APISERVER"], ["APISERVER", "SCHEDULER"], False),
            (["WORKLOADS", "APISERVER"], ["APISERVER"], True),
        )
    },
    # What holds others.
    **{
        f"a namespace that is {verb}": (
            "P-01",
            (operation, NAMESPACE, {"metadata": {"name": "a"}}, new),
            [("danger", f"Namespace {name} is {verb}: everything in it is deleted, also what others put there")],
        )
        for operation, verb, new, name in (
            ("delete", "deleted", None, "a"),
            ("replace", "replaced", {"metadata": {"name": "b"}}, "b"),
        )
    },
    # By which formula KEDA counts.
    **{
        f"a formula {new!r} after {old!r}": (
            "P-71",
            ("update", SCALED_OBJECT, *(scaled_object(**counted_by(given)) for given in (old, new))),
            [
                (
                    "scaling",
                    f"so counts otherwise: {new or BY_ITSELF} instead of {old or BY_ITSELF}",
                )
            ],
        )
        for old, new in (("a + b", "a"), ("", "a"), ("a", ""))
    },
    # What an image is called: tag, digest, both or neither.
    **{
        f"an image {old!r} and then {new!r}": (
            "P-11",
            ("update", DEPLOYMENT, *(pods(containers=[{"name": "w", "image": f"a/b{given}"}]) for given in (old, new))),
            [("info", f"w changes its image from {words}")],
        )
        for old, new, words in (
            (f":v1{FIRST}", f":v2{SECOND}", "v1 (sha256:0123456789ab) to v2 (sha256:ba9876543210)"),
            (FIRST, "", "sha256:0123456789ab to latest"),
            (":v1", SECOND, "v1 to sha256:ba9876543210"),
        )
    },
    # How many pods there may be.
    **{
        f"{new} instead of {old} pods": (
            "P-22",
            ("update", HPA, *(hpa(minReplicas=least, maxReplicas=most) for least, most in (old, new))),
            [(level, f"w scales between {new[0]} and {new[1]} pods instead of {old[0]} and {old[1]}{more}")],
        )
        for old, new, level, more in (
            ((1, 5), (1, 7), "scaling", ""),
            ((1, 5), (2, 5), "scaling", ": pods below the new minimum start at once"),
            ((1, 5), (1, 4), "disruptive", ": at its maximum, 1 pods drain at once, whatever its behavior says"),
        )
    },
    # Who loses a role, by its own name.
    "a role of a Kubernetes service account": (
        "P-39",
        ("delete", MEMBER, {"role": "roles/x", "member": f"{IDENTITIES}/subject/ns/shop/sa/mail"}, None),
        [("danger", "service account mail in namespace shop loses roles/x")],
    ),
    # A switch of a broker's.
    "a broker that may be deleted": (
        "P-61",
        ("update", VALKEY, *({"instanceId": "b", "deletionProtectionEnabled": on} for on in (True, False))),
        [("danger", "Instance b, deletionProtectionEnabled true → false: one wrong change can delete it")],
    ),
    # A type that nobody knows.
    **{
        f"a thing that {verb}": ("P-40", step, [("notJudged", f"not judged, Thing thing-0: {step[1]} {verb}")])
        for verb, step in (
            ("comes", ("create", "acme:index:Thing", None, {"size": 1})),
            ("goes", ("delete", "acme:index:Thing", {"size": 1}, None)),
            ("is made anew", ("replace", "acme:index:Thing", {"size": 1}, {"size": 2})),
        )
    },
    **{
        f"{number} fields that nobody knows": (
            "P-40",
            ("update", ACCOUNT, named(), {**named(), **{f"new{at}": at for at in range(number)}}),
            [("notJudged", f"not judged, ServiceAccount w: {', '.join(f'new{at}' for at in range(6))}{more}")],
        )
        for number, more in ((6, ""), (7, " and 1 more"))
    },
    "a key of a Secret that nobody knows yet": (
        "P-40",
        ("update", SYNC, *(named() | {"spec": {"secretObject": {"data": [key]}}} for key in KEYS_KNOWN_LATER)),
        [
            (
                "notJudged",
                "not judged, SecretSync w: spec.secretObject.data[0].targetKey (known after the update)",
            )
        ],
    ),
    # What KEDA does in an outage.
    **{
        f"a fallback that is {behavior}": (
            "P-70",
            ("update", SCALED_OBJECT, scaled_object(), scaled_object(fallback={"replicas": 3, "behavior": behavior})),
            [(level, f"so has 3 pods in an outage of its broker ({behavior})")],
        )
        for behavior, level in (
            ("static", "disruptive"),
            ("currentReplicasIfLower", "disruptive"),
            ("currentReplicasIfHigher", "scaling"),
            ("currentReplicas", "scaling"),
        )
    },
    # How long a new one is left alone, against its cooldown, where there may be no pod.
    **{
        f"{before} becomes {after}": (
            "P-70",
            ("update", SCALED_OBJECT, scaled_object(**COOLS | before), scaled_object(**COOLS | after)),
            [*[("disruptive", QUIET)] * ends, *words],
        )
        for before, after, words, ends in (
            ({}, {"initialCooldownPeriod": 59}, [("scaling", f"{ALONE} 59 s instead of 60")], True),
            ({}, {"initialCooldownPeriod": 61}, [("scaling", f"{ALONE} 61 s instead of 60")], False),
            ({}, {"cooldownPeriod": 61}, [("scaling", f"{LAST} 61 s after the last message instead of 60")], True),
            ({}, {"cooldownPeriod": 60, "pollingInterval": 5}, [("scaling", POLLS)], False),
            ({"minReplicaCount": 1, "cooldownPeriod": 61}, {"cooldownPeriod": 61}, [], True),
            (
                {"cooldownPeriod": 61},
                {"cooldownPeriod": 62},
                [("scaling", f"{LAST} 62 s after the last message instead of 61")],
                False,
            ),
            (
                {},
                {"minReplicaCount": 1, "initialCooldownPeriod": 5},
                [("scaling", f"{ALONE} 5 s instead of 60")],
                False,
            ),
        )
    },
    "a fallback of which nothing is said is static": (
        "P-70",
        ("update", SCALED_OBJECT, scaled_object(), scaled_object(fallback={"replicas": 3})),
        [("disruptive", "so has 3 pods in an outage of its broker (static)")],
    ),
    # A release of somebody else's, by what becomes of it.
    **{
        f"a chart that {does}": (
            "P-73",
            (operation, RELEASE, None if operation == "create" else chart, None if operation == "delete" else chart),
            [("notJudged", f"what Helm release r of chart redis {does} is not judged")],
        )
        for chart in ({"name": "r", "chart": "redis"},)
        for operation, does in (("create", "brings"), ("delete", "takes along"), ("replace", "makes anew"))
    },
    # Where KEDA scales.
    **{
        f"KEDA watches {new or 'all'} instead of {old or 'all'}": (
            "P-73",
            ("update", RELEASE, *({"name": "k", "chart": "keda", "values": {"watchNamespace": w}} for w in (old, new))),
            [(level, sentence)],
        )
        for old, new, level, sentence in (
            ("a", "a,b", "scaling", "KEDA scales in a,b instead of a"),
            ("a", "", "scaling", "KEDA scales in every namespace instead of a"),
            ("", "a", "scaling", "KEDA scales in a instead of every namespace"),
            ("a,b", "a", "danger", "KEDA no longer scales in b: numbers of pods stay there, and nobody is woken"),
        )
    },
    # How many messages a pod has at once is processes times what each takes.
    "as many at once in other numbers": (
        "P-21a",
        (
            "update",
            DEPLOYMENT,
            runs(6, "celery", "worker", "--concurrency=2"),
            runs(4, "celery", "worker", "--concurrency=3"),
        ),
        [],
    ),
    "another number at once by what each process takes": (
        "P-21a",
        (
            "update",
            DEPLOYMENT,
            runs(6, "celery", "worker", "--concurrency=2"),
            runs(6, "celery", "worker", "--concurrency=3"),
        ),
        [("scaling", "a pod of w handles 18 messages at once instead of 12")],
    ),
    # A cluster whose sync of secrets ends, and one whose goes on or begins.
    **{
        f"secret sync {was} becomes {now}": (
            "P-62",
            ("update", CLUSTER, synced(was), {**synced(now), "resourceLabels": {"team": "shop"}}),
            [("danger", SYNC_ENDS)] if ends else [],
        )
        for was, now, ends in ((True, True, False), (True, False, True), (True, None, True), (False, True, False))
    },
    # From none to how many, with the first message.
    "more pods with the first message": (
        "P-22",
        (
            "update",
            SCALED_OBJECT,
            *(scaled_object(idleReplicaCount=0, minReplicaCount=least) for least in (2, 3)),
        ),
        [("scaling", "so goes from 0 to 3 pods at once with the first message, instead of 2")],
    ),
    # What a name of the control plane's networks leaves out is counted.
    **{
        f"{number} networks of the control plane": (
            "P-37",
            ("update", CLUSTER, blocks(number, 0), blocks(number, 1)),
            [
                (
                    "danger",
                    "the control plane of c is reached otherwise: "
                    + "; ".join(
                        f"masterAuthorizedNetworksConfig.cidrBlocks[{n}].cidrBlock 10.0.{n}.0/24 → 10.1.{n}.0/24"
                        for n in range(min(number, 3))
                    )
                    + more,
                )
            ],
        )
        for number, more in ((2, ""), (3, ""), (4, " and 1 more"))
    },
    # Who consumes, and who only runs.
    **{
        f"what goes {words}": (
            "P-02",
            ("delete", DEPLOYMENT, before, None),
            [("danger", f"w is deleted: {words}; its pods have 30s")],
        )
        for before, words in (
            (runs(2), "its pods drain and nobody consumes its queue"),
            (pods(), "all its pods end"),
        )
    },
    "who tells others is named as it is called from now on": (
        "P-50",
        ("update", ALERT, {"displayName": "old", "enabled": True}, {"displayName": "new", "enabled": False}),
        [("info", "AlertPolicy new tells others than before")],
    ),
    # A key of a synced Secret.
    "a key of the broker's Secret goes": (
        "P-62",
        (
            "update",
            SYNC,
            {**named(), "spec": {"secretObject": KEYS}},
            {**named(), "spec": {"secretObject": {"data": KEYS["data"][:1]}}},
        ),
        [("danger", "Secret w loses password: pods that read it do not start")],
    ),
}


@pytest.mark.parametrize("case", EDGES)
def test_a_rule_says_it_of_exactly_what_it_is_about(case: str) -> None:
    rule, step, expected = EDGES[case]
    assert said(rule, step) == expected


SPREAD = {
    "maxSkew": 1,
    "topologyKey": "zone",
    "whenUnsatisfiable": "DoNotSchedule",
    "nodeTaintsPolicy": "Honor",
    "matchLabelKeys": ["pod-template-hash"],
    "labelSelector": {"matchLabels": {"app": "w"}},
}
REQUESTS = {"cpu": "100m", "memory": "1Gi", "ephemeral-storage": "10Mi"}
# Where pods run, and what they ask for: each field of a pod's template alone, before and after.
ROLLS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    **{
        f"spread by another {name}": (
            pods(topologySpreadConstraints=[SPREAD]),
            pods(topologySpreadConstraints=[{**SPREAD, name: other}]),
        )
        for name, other in {
            "maxSkew": 2,
            "topologyKey": "node",
            "whenUnsatisfiable": "ScheduleAnyway",
            "nodeTaintsPolicy": "Ignore",
            "matchLabelKeys": ["other"],
            "labelSelector": {"matchLabels": {"app": "x"}},
        }.items()
    },
    **{
        f"another request of {name}": (
            pods(containers=[{"name": "w", "resources": {"requests": REQUESTS}}]),
            pods(containers=[{"name": "w", "resources": {"requests": {**REQUESTS, name: "2Gi"}}}]),
        )
        for name in REQUESTS
    },
    **{
        f"another {name}": (
            pods(containers=[{"name": "w", name: "a"}]),
            pods(containers=[{"name": "w", name: "b"}]),
        )
        for name in ("image", "imagePullPolicy", "workingDir", "terminationMessagePolicy")
    },
    **{
        f"another {name} of the pod": (pods(**{name: old}), pods(**{name: new}))
        for name, old, new in (
            ("priorityClassName", "a", "b"),
            ("enableServiceLinks", True, False),
            ("nodeSelector", {"a": "b"}, {"a": "c"}),
        )
    },
}


@pytest.mark.parametrize("case", ROLLS)
def test_what_only_moves_pods_restarts_them_and_is_judged(case: str) -> None:
    before, after = ROLLS[case]
    found = review(("update", DEPLOYMENT, before, after))
    assert "P-10" in {risk.rule for risk in found.risks}
    assert found.not_judged == ()


@pytest.mark.parametrize(
    ("replicas", "falls"), [(30, ", so that 29 pods drain at once"), (2, ", so that 1 pod "), (1, "")]
)
def test_a_number_that_nobody_states_any_more_is_one(replicas: int, falls: str) -> None:
    ((_, sentence),) = said("P-20", ("update", DEPLOYMENT, deployment(replicas=replicas), deployment()))
    head, _, tail = sentence.partition("Kubernetes makes it 1")
    assert head.startswith(f"w gives up its number of pods, {replicas}: ")
    assert tail.startswith(falls)
    assert bool(tail) == bool(falls)


@pytest.mark.parametrize("value", ["text", "output"])
@pytest.mark.parametrize(
    ("token", "old", "unknown"),
    [
        (MEMBER, {"role": "roles/viewer", "member": "user:a@acme.example", "project": "acme"}, "role"),
        (MEMBER, {"role": "roles/viewer", "member": "user:a@acme.example", "project": "acme"}, "member"),
        ("gcp:secretmanager/secretIamMember:SecretIamMember", {"role": "r", "member": "m", "secretId": "s"}, "member"),
    ],
)
def test_what_is_made_anew_by_what_nobody_knows_yet_is_not_judged(token, old, unknown, value) -> None:
    """A rule is kept from what it cannot read; what it would have said of the replacement is not said then."""
    found = review(("replace", token, old, {**old, unknown: UNKNOWNS[value]}))
    assert ALL_CLEAR not in found.verdict
    assert f"{unknown} (known after the update)" in [str(one) for one in found.not_judged]


def test_two_owners_of_external_metrics_are_a_danger() -> None:
    """Whether a chart brings the other one or an object does."""
    keda = ("create", RELEASE, None, {"name": "keda", "chart": "keda"})
    charts = [
        ("create", RELEASE, None, {"name": "adapter", "chart": chart})
        for chart in ("prometheus-adapter", "custom-metrics-stackdriver-adapter", "redis")
    ]
    registered, another = (
        ("create", API_SERVICE, None, {"metadata": {"name": f"v1beta1.{name}.metrics.k8s.io"}})
        for name in ("external", "custom")
    )
    for steps in ((keda,), (keda, charts[2]), (keda, another), (charts[0],), (registered,)):
        assert said("KE-28", *steps) == []
    for other, name in (
        (charts[0], "prometheus-adapter"),
        (charts[1], "custom-metrics-stackdriver-adapter"),
        (registered, "v1beta1.external.metrics.k8s.io"),
    ):
        sentence = f"KEDA and {name} both answer for external metrics: one of them is not asked"
        assert said("KE-28", keda, other) == [("danger", sentence)]


@pytest.mark.parametrize(
    ("before", "after", "is_said"),
    [
        ([], ["spec.replicas"], False),
        ([], ["spec.replicas", "metadata.labels"], True),
        (["metadata.labels"], ["metadata.labels"], False),
        (["metadata.labels"], ["spec.template"], True),
    ],
)
def test_what_a_program_leaves_alone_from_now_on_is_not_judged(before, after, is_said) -> None:
    one = {"type": ACCOUNT, "name": "w", "properties": named()}
    old, new = ({**one, "options": {"ignoreChanges": names} if names else {}} for names in (before, after))
    found = review_of([old], [{**new, "properties": {**named(), "automountServiceAccountToken": False}}])
    assert ("option ignoreChanges" in " ".join(map(str, found.not_judged))) == is_said


VPA_OF_W = {**named(), "spec": {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "w"}}}
ON_MESSAGES = [{"type": "External", "external": {"metric": {"name": "backlog"}, "target": {"type": "AverageValue"}}}]
ON_MEMORY = [{"type": "Resource", "resource": {"name": "memory", "target": {"type": "Utilization"}}}]
WITH_APP = deployment(template={"metadata": {"labels": {"app": "w", "queue": "mail"}}, "spec": {"containers": []}})
WITHOUT = deployment(template={"metadata": {"labels": {"app": "w"}}, "spec": {"containers": []}})
BY_QUEUE = {**named(), "spec": {"selector": {"matchLabels": {"queue": "mail"}}}}


@pytest.mark.parametrize("field", ["apiVersion", "kind", "name"])
def test_what_a_vpa_resizes_from_now_on_is_judged(field: str) -> None:
    after = {**VPA_OF_W, "spec": {"targetRef": {**VPA_OF_W["spec"]["targetRef"], field: "other"}}}
    found = review(("update", VPA, VPA_OF_W, after))
    assert [risk.rule for risk in found.risks] == ["P-29"]
    assert found.not_judged == ()


def surging(by: str) -> dict[str, Any]:
    rolls = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": by, "maxUnavailable": 0}}
    return deployment(strategy=rolls, template={"spec": {"containers": []}})


@pytest.mark.parametrize(
    ("surge", "scaling", "is_advised"),
    [("50%", None, False), (0, None, True), (0, {"kind": "singleton"}, False)],
    ids=["takes none away", "takes pods away", "must take it away"],
)
def test_what_takes_pods_away_in_an_update_is_advised_against_where_it_is_not_meant(
    surge: Any, scaling: dict[str, Any] | None, is_advised: bool
) -> None:
    settings = of_settings(scaling) if scaling else SETTINGS
    old, new = ({**surging(by), "metadata": {"name": "jobs", "namespace": "platform"}} for by in ("25%", surge))
    if not surge:
        new["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"] = 1
    (risk,) = [one for one in review(("update", DEPLOYMENT, old, new), settings=settings).risks if one.rule == "P-17"]
    assert (risk.level.value, bool(risk.advice)) == ("info" if surge else "disruptive", is_advised)


def limited(stop: str, seconds: int, *, together: bool) -> dict[str, Any]:
    """A worker with its variable, and one that limits a message by itself: the same one, or beside it."""
    variable = [{"name": "EBBTIDE_STOP_WAIT_SECONDS", "value": stop}]
    argv = ["celery", "worker", f"--time-limit={seconds}"]
    if together:
        return pods(containers=[{"name": "w", "env": variable, "command": argv}])
    return pods(containers=[{"name": "w", "env": variable}, {"name": "x", "command": argv}])


@pytest.mark.parametrize("together", [True, False])
def test_less_time_of_one_container_hides_none_of_another(together: bool) -> None:
    steps = ("update", DEPLOYMENT, limited("90", 60, together=together), limited("80", 30, together=together))
    sentences = [sentence for _, sentence in said("P-03", steps)]
    by_option = [one for one in sentences if "gives a message 30s instead of 1m" in one]
    assert len(by_option) == (not together)
    assert [one for one in sentences if one.startswith("pods of w get 80s instead of 90s until a worker is killed")]


FINDERS = ("NetworkPolicy w", "PodDisruptionBudget w")
PROXY = {"name": "proxy", "restartPolicy": "Always"}
TOGETHER: dict[str, tuple[str, tuple[Step, ...], list[str]]] = {
    "a VerticalPodAutoscaler that goes": (
        "P-29",
        (("delete", VPA, VPA_OF_W, None),),
        ["the pods of w keep the requests of their template"],
    ),
    "a VerticalPodAutoscaler beside an HPA on memory": (
        "P-29",
        (("create", VPA, None, VPA_OF_W), ("same", HPA, hpa(metrics=ON_MEMORY), hpa(metrics=ON_MEMORY))),
        ["VPA w changes the requests of w (Auto), against which HPA w measures: each follows the other"],
    ),
    **{
        f"an HPA beside a {kind} of its target's name that stays": (
            "P-26",
            (
                ("create", HPA, None, hpa(minReplicas=1, maxReplicas=3)),
                ("same", f"kubernetes:apps/v1:{kind}", deployment(replicas=9), deployment(replicas=9)),
            ),
            [f"HorizontalPodAutoscaler w takes over the number of pods of w: between 1 and 3, {begins}"],
        )
        for kind, begins in (
            ("Deployment", "and 6 pods above that drain at once"),
            ("StatefulSet", "and at once where there are fewer or more"),
        )
    },
    # What they measure is none of what it changes.
    "a VerticalPodAutoscaler beside an HPA on messages": (
        "P-29",
        (
            ("create", VPA, None, VPA_OF_W),
            ("same", HPA, hpa(metrics=ON_MESSAGES), hpa(metrics=ON_MESSAGES)),
        ),
        ["VPA w gives pods of w other requests (Auto): it evicts, and they drain"],
    ),
    "a VerticalPodAutoscaler beside two HPAs": (
        "P-29",
        (
            ("create", VPA, None, VPA_OF_W),
            *(("same", HPA, hpa(name, metrics=ON_MEMORY), hpa(name, metrics=ON_MEMORY)) for name in ("first", "last")),
        ),
        ["VPA w changes the requests of w (Auto), against which HPA first measures: each follows the other"],
    ),
    **{
        f"a label by which a {kind} finds pods": (
            "P-10a",
            (("update", DEPLOYMENT, WITH_APP, WITHOUT), ("same", token, BY_QUEUE, BY_QUEUE)),
            [f"pods of w no longer have the label queue=mail, by which {kind} w found them"],
        )
        for kind, token in {
            "PodMonitoring": "kubernetes:monitoring.googleapis.com/v1:PodMonitoring",
            "PodMonitor": "kubernetes:monitoring.coreos.com/v1:PodMonitor",
            "PodDisruptionBudget": BUDGET,
        }.items()
    },
    "a label by which a policy and a budget find pods, and another one does not": (
        "P-10a",
        (
            ("update", DEPLOYMENT, WITH_APP, WITHOUT),
            *(("same", POLICY, one, one) for one in (policy(podSelector={"matchLabels": {"queue": "mail"}}),)),
            ("same", BUDGET, BY_QUEUE, BY_QUEUE),
            *(("same", POLICY, one, one) for one in (policy(podSelector={"matchLabels": {"queue": "post"}}),)),
        ),
        [
            f"pods of w no longer have the label queue=mail, by which {' and '.join(FINDERS)} found them",
        ],
    ),
    "labels of two objects of one name": (
        "P-15",
        tuple(
            ("update", token, labelled_itself(token, {"team": "a"}), labelled_itself(token, {"team": "b"}))
            for token in (DEPLOYMENT, ACCOUNT)
        ),
        ["only labels of Deployment, ServiceAccount w change"],
    ),
    "a sidecar of another name": (
        "P-10b",
        (("update", DEPLOYMENT, pods(initContainers=[PROXY]), pods(initContainers=[{**PROXY, "name": "mesh"}])),),
        [],
    ),
    "a budget that states neither": (
        "P-18",
        (("update", BUDGET, {**named(), "spec": {"minAvailable": 2}}, {**named(), "spec": {}}),),
        ["drains of nodes leave w every pod instead of at least 2 pods"],
    ),
    "a firewall that denies": (
        "P-34",
        (("create", FIREWALL, None, {"name": "f", "denies": [{"protocol": "all"}]}),),
        ["a new firewall f denies what was allowed"],
    ),
    "an update that takes no pod away": (
        "P-17",
        (("update", DEPLOYMENT, surging("25%"), surging("50%")),),
        ["updates of w go otherwise: strategy.rollingUpdate.maxSurge 25% → 50%"],
    ),
}


@pytest.mark.parametrize("case", TOGETHER)
def test_a_rule_sees_what_else_is_there(case: str) -> None:
    rule, steps, sentences = TOGETHER[case]
    assert [sentence for _, sentence in said(rule, *steps)] == sentences


QUIET_ONE = {"initialCooldownPeriod": 900}
FIXED = "KEDA still decides while w becomes a fixed 3, until it is deleted last: what it sets meanwhile stays, and"
STAYS = "an HPA takes w over from KEDA, and at zero pods an HPA does nothing: it stays at zero"
TAKEN = "KEDA takes over HPA w, which the engine then deletes: KEDA makes it again, no pod goes"
REFUSED = "KEDA's webhook refuses so while HPA w is there, and the engine deletes it last"
GETS_FIXED = ("update", DEPLOYMENT, deployment(), deployment(replicas=3))


def leaves(annotations: dict[str, str] | None = None, **spec: Any) -> Step:
    return ("delete", SCALED_OBJECT, scaled_object(annotations=annotations, **spec), None)


def takes_over(name: str, target: str = "w") -> Step:
    config = {"horizontalPodAutoscalerConfig": {"name": name}} if name else {}
    return ("create", SCALED_OBJECT, None, scaled_object(target, advanced=config))


MOVES: dict[str, tuple[tuple[Step, ...], list[tuple[str, str]]]] = {
    "to a fixed number, from what may be at zero": (
        (leaves(), GETS_FIXED),
        [("danger", f"{FIXED} at zero nobody comes back")],
    ),
    "to a fixed number, from what idles at zero": (
        (leaves(minReplicaCount=2, idleReplicaCount=0), GETS_FIXED),
        [("danger", f"{FIXED} at zero nobody comes back")],
    ),
    "to a fixed number, from what never is at zero": (
        (leaves(minReplicaCount=1), GETS_FIXED),
        [("danger", f"{FIXED} then nothing corrects it")],
    ),
    "to a fixed number, where nothing is stated": ((leaves(), ("update", DEPLOYMENT, deployment(), deployment())), []),
    "to a fixed number of somebody else": (
        (leaves(), ("update", DEPLOYMENT, deployment("v"), deployment("v", replicas=3))),
        [],
    ),
    **{
        f"to a fixed number, where {name} is {value}": (
            (leaves({f"{OF_KEDA}/{name}": value}), GETS_FIXED),
            [("danger", f"{FIXED} at zero nobody comes back")] if is_said else [],
        )
        for name, value, is_said in (
            ("paused", "true", False),
            ("paused", "false", True),
            ("paused-replicas", "3", False),
            ("paused-scale-in", "true", True),
        )
    },
    "to an HPA, from zero": ((leaves(), ("create", HPA, None, hpa())), [("danger", STAYS)]),
    "to an HPA, from one": ((leaves(minReplicaCount=1), ("create", HPA, None, hpa())), []),
    "to an HPA of somebody else": ((leaves(), ("create", HPA, None, hpa("v", "v"))), []),
    "from an HPA that KEDA takes over": (
        (takes_over("w"), ("delete", HPA, hpa(), None)),
        [("scaling", TAKEN)],
    ),
    **{
        f"from an HPA, where KEDA's own is called {name!r}": (
            (takes_over(name), ("delete", HPA, hpa(), None)),
            [("danger", REFUSED)],
        )
        for name in ("", "other")
    },
    "from an HPA of somebody else": ((takes_over("", "v"), ("delete", HPA, hpa(), None)), []),
}


@pytest.mark.parametrize("case", MOVES)
def test_who_moves_to_keda_and_away_from_it_is_told_what_would_stay(case: str) -> None:
    steps, expected = MOVES[case]
    assert said("P-72", *steps) == expected


def test_how_long_to_leave_a_new_one_alone_is_its_own_cooldown() -> None:
    for cooldown, advised in ((120, 120), (None, 300)):
        sides = [scaled_object(**({"cooldownPeriod": cooldown} if cooldown else {}), **one) for one in (QUIET_ONE, {})]
        found = [one.advice for one in review(("update", SCALED_OBJECT, *sides)).risks if "quiet poll" in one.sentence]
        assert found == [f"write at least {advised} for initialCooldownPeriod"]


# Fields that nobody else names: whoever changes one alone is told by this rule, and by no other.
ALONE_JUDGED: dict[str, tuple[str, str, dict[str, Any], dict[str, Any]]] = {
    case: (rule, step[1], step[2], step[3])
    for case, (rule, step, _) in EDGES.items()
    if rule in {"P-70", "P-71"} and step[0] == "update" and step[2] is not None and step[3] is not None
}


@pytest.mark.parametrize("case", ALONE_JUDGED)
def test_what_keda_is_told_is_judged_whatever_it_is(case: str) -> None:
    _, token, before, after = ALONE_JUDGED[case]
    assert review(("update", token, before, after)).not_judged == ()


@pytest.mark.parametrize(
    "step",
    [("create", LOGIN, None, login()), ("delete", LOGIN, login(), None), ("replace", LOGIN, login(), login())],
)
def test_a_login_that_comes_or_goes_is_judged(step: Step) -> None:
    assert review(step).not_judged == ()


ASKED_AT = (
    *("address", "addresses", "host", "hosts", "bootstrapServers", "brokerAddress", "brokerList"),
    *("connection", "queueURL", "serverURL"),
)


@pytest.mark.parametrize("name", [*ASKED_AT, *(f"{name}FromEnv" for name in ASKED_AT), "listName"])
def test_whom_keda_asks_from_now_on_is_named(name: str) -> None:
    sides = [scaled_object(triggers=[{"type": "redis", "metadata": {name: f"{at}:1"}}]) for at in "ab"]
    begins = "KEDA counts for w at b:1 instead of a:1, and its workers keep"
    found = said("P-08d", ("update", SCALED_OBJECT, *sides))
    assert [(level, sentence.startswith(begins)) for level, sentence in found] == [("notJudged", True)] * (
        name != "listName"
    )


UNKNOWN_BASE = "what runs now is not known, and all is shown as new: it has no stack"
HOLDERS = {
    "gcp:container/cluster:Cluster": True,
    "gcp:container/nodePool:NodePool": True,
    "gcp:compute/network:Network": True,
    "gcp:compute/subnetwork:Subnetwork": True,
    "gcp:compute/router:Router": True,
    "gcp:compute/routerNat:RouterNat": True,
    "gcp:serviceaccount/account:Account": True,
    "gcp:artifactregistry/repository:Repository": True,
    NAMESPACE: True,
    ACCOUNT: True,
    "kubernetes:core/v1:PersistentVolumeClaim": True,
    "kubernetes:apps/v1:StatefulSet": True,
    "pulumi:providers:kubernetes": True,
    # The data of an instance is lost, whoever runs it; other names are used for other things.
    "gcp:spanner/instance:Instance": True,
    "aws:rds/instance:Instance": True,
    "aws:ecs/cluster:Cluster": False,
    "kubernetes:postgresql.cnpg.io/v1:Cluster": False,
    # Of a broker P-60 speaks.
    VALKEY: False,
}


@pytest.mark.parametrize("token", HOLDERS)
@pytest.mark.parametrize("operation", ["delete", "replace"])
def test_what_holds_others_is_missed_by_its_own_kind(token: str, operation: str) -> None:
    old = {"metadata": {"name": "a"}} if token.startswith("kubernetes:") else {"name": "a"}
    found = said("P-01", (operation, token, old, None if operation == "delete" else old))
    assert [level for level, _ in found] == ["danger"] * HOLDERS[token]
    assert all(f"is {operation}d" in sentence for _, sentence in found)
    assert HOLDERS[token] or review((operation, token, old, None if operation == "delete" else old)).risks


def test_a_base_that_nobody_could_read_is_said() -> None:
    for why, expected in (("it has no stack", [("notJudged", UNKNOWN_BASE)]), ("", [])):
        found = review_change(StackChange("prod", "shop", (), 0, "test", unknown_base=why), None).risks
        assert [(one.level.value, one.sentence) for one in found] == expected
