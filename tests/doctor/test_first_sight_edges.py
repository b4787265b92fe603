"""What thirty set-ups of an eighth hand had that no rule told, and what stands right beside each."""

from __future__ import annotations

from typing import Any

import pytest
from tests import quick_yaml
from tests.doctor.test_edges import CONSUME, Edge, keda, said_of, workload
from tests.doctor.test_scaling_edges import scaled_job

FREE = "SELECT COUNT(*) FROM messenger_messages WHERE queue_name = 'mail' AND delivered_at IS NULL"


def rows(query: str, kind: str = "postgresql") -> dict[str, str]:
    """A worker that KEDA scales by a table."""
    trigger = {"type": kind, "metadata": {"query": query, "targetQueryValue": "5"}}
    return {"a.yaml": workload(CONSUME), "b.yaml": keda(trigger, minReplicaCount=1)}


def budget(labels: dict[str, str], name: str = "jobs", namespace: str = "shop", **selector: Any) -> dict[str, str]:
    """A worker with a disruption budget."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": labels, **selector}}
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    one = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}
    return {"a.yaml": workload(CONSUME), "b.yaml": quick_yaml.dump(one)}


def broker(
    volume: dict[str, Any] | None = None,
    mounted: str = "/var/lib/rabbitmq",
    image: str = "rabbitmq:3.13",
    kind: str = "StatefulSet",
    claim: str = "",
    **container: Any,
) -> dict[str, str]:
    """A RabbitMQ beside a worker."""
    data = quick_yaml.load(workload(CONSUME))
    data["kind"], data["metadata"]["name"] = kind, "rabbit"
    spec = data["spec"]["template"]["spec"]
    one = spec["containers"][0]
    del one["command"]
    one |= {"image": image, **container}
    if volume is not None or claim:
        one["volumeMounts"] = [{"name": "data", "mountPath": mounted}]
    if volume is not None:
        spec["volumes"] = [{"name": "data", **volume}]
    if claim:
        data["spec"]["volumeClaimTemplates"] = [{"metadata": {"name": claim}}]
    return {"a.yaml": workload(CONSUME), "r.yaml": quick_yaml.dump(data)}


def addressed(
    dsn: str,
    replicas: int = 4,
    name: str = "MESSENGER_TRANSPORT_DSN",
    besides: dict[str, Any] | None = None,
    **more: Any,
) -> dict[str, str]:
    """A consumer whose manifest alone says where its transport is; it has 90 s to finish."""
    env = [{"name": name, "value": dsn}, *([besides] if besides else [])]
    return {"a.yaml": workload(CONSUME, replicas=replicas, env=env, **more)}


def secret(name: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": "shop", "key": name}}}


ONE_NAME = "redis://r/mail/app/one"
MAIL = {"MESSENGER_TRANSPORT_DSN": ONE_NAME}
EMPTY: dict[str, Any] = {"emptyDir": {}}
CLAIM = {"persistentVolumeClaim": {"claimName": "rabbit"}}
ITS_OWN = "keeps its queues inside of its pod"

EDGES: dict[str, Edge] = {
    # A budget counts the pods that have its labels.
    **{
        f"a budget for {words}": ("D-6e", files, said)
        for words, files, said in (
            ("its pods", budget({"app": "jobs"}), ""),
            ("another value", budget({"app": "job"}), "selects app: job, and the pods of Deployment jobs (a.yaml:"),
            ("another value, anywhere", budget({"app": "job"}, namespace=""), "have app: jobs: it protects none"),
            ("one more label", budget({"app": "jobs", "tier": "w"}), "selects tier: w, and the pods of"),
            ("another label", budget({"name": "jobs"}), "have no name: it protects none"),
            ("another workload", budget({"app": "job"}, name="web"), ""),
            ("another namespace", budget({"app": "job"}, namespace="other"), ""),
            ("everybody", budget({}), ""),
            ("another value below an overlay", {**budget({"app": "job"}), "kustomization.yaml": "resources: []\n"}, ""),
            ("an expression", budget({"app": "job"}, matchExpressions=[{"key": "a", "operator": "Exists"}]), ""),
            (
                "the pods of somebody else",
                {**budget({"app": "job"}), "c.yaml": workload(CONSUME).replace("jobs", "job")},
                "",
            ),
        )
    },
    # What an address says wins, whatever messenger.yaml says.
    **{
        f"{rule} of {files}": (rule, files, said)
        for rule, files, said in (
            ("D-77", addressed("redis://r/mail?redeliver_timeout=30"), "after 30 s"),
            ("D-77", addressed("doctrine://default?redeliver_timeout=44", 1), "although the pod has 90 s"),
            ("D-77", addressed("doctrine://default?redeliver_timeout=45", 1), ""),
            ("D-77", addressed("doctrine://default"), ""),
            (
                "D-77",
                addressed("doctrine://default?redeliver_timeout=9", besides={"name": "MESSENGER_B_DSN", "value": "x"}),
                "",
            ),
            # What is consumed may be the other one.
            ("D-77", addressed("doctrine://default?redeliver_timeout=9", besides=secret("MESSENGER_B_DSN")), ""),
            ("D-77", addressed("doctrine://default?redeliver_timeout=9", envFrom=[{"secretRef": {"name": "s"}}]), ""),
            ("D-77", addressed("doctrine://default?redeliver_timeout=9", name="MESSENGER_FAILED_DSN"), ""),
            ("D-77", addressed("doctrine://default?redeliver_timeout=9", besides=secret("SMTP_DSN")), "after 9 s"),
            ("D-77", addressed("doctrine://default?redeliver_timeout=9", name="DATABASE_DSN"), ""),
            ("D-77", addressed("doctrine://default?redeliver_timeout=9&x=$(X)"), ""),
            ("D-70", addressed("redis://r/mail/app/one"), "names every consumer 'one', for workers in up to 4 pods"),
            ("D-70", addressed("redis://r/mail?consumer=one"), "take it out of the address, and set consumer"),
            ("D-70", addressed("redis://r/mail/app/one", 1), ""),
            # KEDA's own maximum is 100 pods, and so is that of a ScaledJob.
            ("D-70", {**addressed(ONE_NAME, 1), "b.yaml": keda(maxReplicaCount=5)}, "for workers in up to 5 pods"),
            ("D-70", {**addressed(ONE_NAME, 1), "b.yaml": keda()}, "for workers in up to 100 pods"),
            ("D-70", {**addressed(ONE_NAME, 1), "b.yaml": keda(maxReplicaCount=1)}, ""),
            ("D-70", {"a.yaml": scaled_job(CONSUME, MAIL)}, "for workers in up to 100 pods"),
            ("D-70", {"a.yaml": scaled_job(CONSUME, MAIL, maxReplicaCount=1)}, ""),
            ("D-70", addressed("redis://r/mail/app/$(POD)"), ""),
            ("D-70", addressed("redis://r/mail"), ""),
            ("D-70", addressed("amqp://r/%2f/mail?consumer=one"), ""),
        )
    },
    # What a pod writes is gone with it.
    **{
        f"RabbitMQ on {words}": ("D-96", files, said)
        for words, files, said in (
            ("nothing", broker(), ITS_OWN),
            ("nothing, as a Deployment", broker(kind="Deployment"), ITS_OWN),
            ("an emptyDir", broker(EMPTY), ITS_OWN),
            ("a claim", broker(CLAIM), ""),
            ("a claim of its own", broker(claim="data"), ""),
            ("a claim that nothing mounts", broker(EMPTY, claim="other"), ITS_OWN),
            ("a claim above", broker(CLAIM, "/var/lib"), ""),
            ("a claim at its data", broker(CLAIM, "/var/lib/rabbitmq/mnesia/"), ""),
            ("a claim for logs", broker(CLAIM, "/var/log/rabbitmq"), ITS_OWN),
            ("a claim elsewhere", broker(CLAIM, "/data", env=[{"name": "RABBITMQ_MNESIA_BASE", "value": "/data"}]), ""),
            ("a claim of Bitnami's", broker(CLAIM, "/bitnami/rabbitmq/mnesia", "bitnami/rabbitmq:3.13"), ""),
            ("an emptyDir of Bitnami's", broker(EMPTY, "/bitnami/rabbitmq/mnesia", "bitnami/rabbitmq:3.13"), ITS_OWN),
            ("the node's disk", broker({"hostPath": {"path": "/srv"}}), ""),
            ("its exporter", broker(EMPTY, image="kbudde/rabbitmq-exporter:1"), ""),
            ("nothing, by its own program", broker(command=["rabbitmq-server"]), ITS_OWN),
            (
                "nothing, behind its plugins",
                broker(command=["sh", "-c", "rabbitmq-plugins x && exec rabbitmq-server"]),
                ITS_OWN,
            ),
            ("nothing, of one that only asks", broker(command=["rabbitmqadmin", "-H", "rabbit", "list", "queues"]), ""),
            (
                "nothing, of one that waits",
                broker(args=["sh", "-c", "until rabbitmq-diagnostics ping; do :; done"]),
                "",
            ),
            ("nothing, behind a script", broker(command=["/start.sh"]), ""),
            (
                "an emptyDir, three of them",
                {**broker(EMPTY), "r.yaml": broker(EMPTY)["r.yaml"].replace("replicas: 1", "replicas: 3")},
                "",
            ),
            (
                "its service of a compose file",
                {"c.yaml": quick_yaml.dump({"services": {"r": {"image": "rabbitmq:3"}}})},
                "",
            ),
        )
    },
    # What a worker has taken from a table is a row until it is done.
    **{
        f"rows by {query}": ("D-56", rows(query), f"({column} IS NULL)" if column else "")
        for query, column in (
            (FREE, "delivered_at"),
            (FREE.lower(), "delivered_at"),
            ("SELECT COUNT(id) FROM messenger_messages m WHERE m.delivered_at IS NULL", "delivered_at"),
            ('SELECT COUNT(*) FROM m WHERE "delivered_at"   IS\nNULL', "delivered_at"),
            (f"{FREE} OR delivered_at < NOW() - INTERVAL '1 hour'", "delivered_at"),
            ("SELECT CEIL(COUNT(*) / 5.0) FROM jobs WHERE reserved_at IS NULL", "reserved_at"),
            ("SELECT COUNT(*) FROM jobs WHERE `reserved_at` IS NULL AND queue = 'a'", "reserved_at"),
            ("SELECT COUNT(*) FROM delayed_jobs WHERE locked_at IS NULL AND run_at <= NOW()", "locked_at"),
            ("SELECT COUNT(*) FROM messenger_messages WHERE queue_name = 'mail'", ""),
            ("SELECT COUNT(*) FROM m WHERE delivered_at IS NULL OR delivered_at IS NOT NULL", ""),
            ("SELECT COUNT(*) FROM m WHERE delivered_at IS NULL OR delivered_at > NOW() - INTERVAL '1 hour'", ""),
            ("SELECT COUNT(*) FROM m WHERE delivered_at IS NOT NULL", ""),
            ("SELECT COUNT(*) FROM m WHERE NOT (delivered_at IS NULL)", ""),
            ("SELECT SUM(CASE WHEN delivered_at IS NULL THEN 1 ELSE 2 END) FROM m", ""),
            ("SELECT (SELECT COUNT(*) FROM a WHERE delivered_at IS NULL) + (SELECT COUNT(*) FROM b)", ""),
            ("SELECT COUNT(*) FROM outbox WHERE sent_at IS NULL", ""),
            ("SELECT COUNT(*) FROM m WHERE undelivered_at IS NULL", ""),
            ("", ""),
        )
    },
    **{
        f"rows of {kind}": ("D-56", rows(FREE, kind), said)
        for kind, said in (
            ("mysql", "count the rows without the condition on delivered_at"),
            ("mssql", "leaves out what is in flight"),
            ("prometheus", ""),
        )
    },
}


@pytest.mark.parametrize("name", EDGES)
def test_a_rule_speaks_on_its_side_of_an_edge(name):
    said_of(*EDGES[name])
