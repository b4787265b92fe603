"""What doctor says of autoscalers, of KEDA's triggers and of queues' settings, and of what stands right beside it."""

from __future__ import annotations

from typing import Any

import pytest
from tests import quick_yaml
from tests.doctor.test_edges import (
    CONSUME,
    OF_CONTAINERS,
    OF_MILLICORES,
    OF_PODS,
    celery,
    hpa,
    keda,
    said_of,
    streams,
    supervised,
    workload,
)

SUPERVISE = ["supervisord", "-n", "-c", "/etc/w.conf"]
CPU = {"type": "cpu", "metadata": {"value": "60"}}
MEMORY = {"type": "memory", "metadata": {"value": "60"}}
QUEUE = {"type": "rabbitmq", "metadata": {"host": "http://mq", "queueName": "q"}}
OF_MEMORY = {"type": "Resource", "resource": {**OF_PODS["resource"], "name": "memory"}}
OF_A_MESH = {"type": "ContainerResource", "containerResource": {**OF_PODS["resource"], "container": "mesh"}}
OF_A_PROXY = {"type": "ContainerResource", "containerResource": {**OF_MEMORY["resource"], "container": "w"}}


def external(name: str = "queue_length", **target: Any) -> dict[str, Any]:
    return {"type": "External", "external": {"metric": {"name": name}, "target": target}}


DEPTH = external(type="AverageValue", averageValue="10")


def busy(requests: dict[str, str] | None = None, processes: int = 4) -> dict[str, str]:
    """A pod of some workers under supervisord."""
    conf = supervised('A="b"').replace("numprocs=4", f"numprocs={processes}")
    return {"a.yaml": workload(SUPERVISE, resources={"requests": requests or {}}), "w.conf": conf}


def with_name(text: str, name: str, namespace: str = "shop") -> str:
    return text.replace("  name: jobs\n  namespace: shop", f"  name: {name}\n  namespace: {namespace}")


def of_target(text: str, **target: Any) -> str:
    data = quick_yaml.load(text)
    data["spec"]["scaleTargetRef"].update(target)
    return quick_yaml.dump(data)


def annotated(text: str, **annotations: str) -> str:
    data = quick_yaml.load(text)
    data["metadata"]["annotations"] = {key.replace("_", "-"): value for key, value in annotations.items()}
    return quick_yaml.dump(data)


TRANSFERS = {"scaledobject.keda.sh/transfer-hpa-ownership": "true"}


def taking_over(name: str) -> str:
    """A ScaledObject of which KEDA gives its HPA this name, and may take it over."""
    data = quick_yaml.load(annotated(keda(QUEUE), **TRANSFERS))
    data["spec"]["advanced"] = {"horizontalPodAutoscalerConfig": {"name": name}}
    return quick_yaml.dump(data)


Edge = tuple[str, dict[str, str], str]
OF_PODS_NUMBER: dict[str, Edge] = {
    # Four processes on less than a CPU mostly wait.
    **{
        f"four processes on {cpu} of CPU": (
            "D-51",
            {**busy({"cpu": cpu} if cpu else {}), "b.yaml": hpa(metrics=[OF_PODS])},
            "scales 4 processes a pod on CPU" if waits else "",
        )
        for cpu, waits in (("", True), ("250m", True), ("1", True), ("1001m", False), ("2", False), ("lots", False))
    },
    **{
        f"{processes} processes": (
            "D-51",
            {**busy(processes=processes), "b.yaml": hpa(metrics=[OF_PODS])},
            f"scales {processes} processes a pod on CPU" if processes > 1 else "",
        )
        for processes in (1, 2)
    },
    **{
        f"workers that wait, scaled by {words}": (
            "D-51",
            {**busy(), "b.yaml": scaler},
            "scales 4 processes a pod on CPU" if is_cpu else "",
        )
        for words, scaler, is_cpu in (
            ("a container's CPU", hpa(metrics=[OF_CONTAINERS]), True),
            ("a number of millicores", hpa(metrics=[OF_MILLICORES]), True),
            ("the old percentage", hpa("v1", targetCPUUtilizationPercentage=60), True),
            ("memory", hpa(metrics=[OF_MEMORY]), False),
            ("CPU and memory", hpa(metrics=[OF_PODS, OF_MEMORY]), True),
            ("CPU and a queue", hpa(metrics=[OF_PODS, DEPTH]), False),
            ("CPU and an object", hpa(metrics=[OF_PODS, {"type": "Object", "object": {}}]), False),
            ("CPU and the pods' own number", hpa(metrics=[OF_PODS, {"type": "Pods", "pods": {}}]), False),
            ("KEDA on CPU", keda(CPU), True),
            ("KEDA on CPU and memory", keda(CPU, MEMORY), True),
            ("KEDA on CPU and a queue", keda(CPU, QUEUE), False),
            ("KEDA on a queue", keda(QUEUE), False),
        )
    },
    # Memory does not fall with the load, whoever measures it.
    **{
        f"memory by {words}": (
            "D-53",
            {"a.yaml": workload(CONSUME), "b.yaml": scaler},
            "scales on memory" if is_memory else "",
        )
        for words, scaler, is_memory in (
            ("an HPA", hpa(metrics=[OF_MEMORY]), True),
            ("an HPA of a container", hpa(metrics=[OF_A_PROXY]), True),
            ("KEDA", keda(MEMORY), True),
            ("nobody", hpa(metrics=[OF_PODS]), False),
            ("nobody, in the old form", hpa("v1", targetCPUUtilizationPercentage=60), False),
        )
    },
    # A percentage is of the requests of the containers that it is about.
    **{
        f"a percentage of {words}": (
            "D-52",
            {"a.yaml": workload(CONSUME, resources={"requests": requests}), "b.yaml": hpa(metrics=[metric])},
            said,
        )
        for words, metric, requests, said in (
            ("another container's CPU", OF_A_MESH, {}, ""),
            ("memory", OF_MEMORY, {"cpu": "1"}, "aims at a percentage of the memory request"),
            ("memory that is requested", OF_MEMORY, {"memory": "1Gi"}, ""),
            ("memory of the container", OF_A_PROXY, {"cpu": "1"}, "aims at a percentage of the memory request"),
        )
    },
    "a percentage in the API's beta": (
        "D-52",
        {
            "a.yaml": workload(CONSUME),
            "b.yaml": hpa(
                "v2beta1",
                metrics=[{"type": "Resource", "resource": {"name": "cpu", "targetAverageUtilization": 60}}],
            ),
        },
        "aims at a percentage of the cpu request",
    ),
    "the old percentage says nothing of memory": (
        "D-52",
        {
            "a.yaml": workload(CONSUME, resources={"requests": {"cpu": "1"}}),
            "b.yaml": hpa("v1", targetCPUUtilizationPercentage=60, metrics=[OF_MEMORY]),
        },
        "",
    ),
    "a percentage that KEDA hands on": ("D-52", {"a.yaml": workload(CONSUME), "b.yaml": keda(CPU)}, ""),
    # Who decides the number.
    **{
        f"an HPA and a ScaledObject: {words}": (
            "D-54",
            {"a.yaml": workload(CONSUME), "b.yaml": first, "c.yaml": second},
            "each undoes what the other decides" if fights else "",
        )
        for words, first, second, fights in (
            ("of one Deployment", hpa(metrics=[OF_PODS]), keda(QUEUE), True),
            ("KEDA's own", with_name(hpa(metrics=[OF_PODS]), "keda-hpa-jobs"), keda(QUEUE), False),
            ("taken over", hpa(metrics=[OF_PODS]), taking_over("jobs"), False),
            ("of which another one is taken over", hpa(metrics=[OF_PODS]), taking_over("another"), True),
            ("of which none is named", hpa(metrics=[OF_PODS]), annotated(keda(QUEUE), **TRANSFERS), True),
            ("as one more", keda(QUEUE), with_name(taking_over("another"), "more"), True),
            ("in two namespaces", hpa(metrics=[OF_PODS]), with_name(keda(QUEUE), "jobs", "other"), False),
            ("of two Deployments", hpa(metrics=[OF_PODS]), of_target(keda(QUEUE), name="other"), False),
            ("of two kinds", hpa(metrics=[OF_PODS]), of_target(keda(QUEUE), kind="StatefulSet"), False),
            ("of one kind by name", hpa(metrics=[OF_PODS]), of_target(keda(QUEUE), kind="Deployment"), True),
            ("of nothing", of_target(hpa(), name=""), of_target(keda(QUEUE), name=""), False),
        )
    },
    "one HPA in two files": ("D-54", {"a.yaml": workload(CONSUME), "b.yaml": hpa(), "c.yaml": hpa()}, ""),
    "two HPAs": (
        "D-54",
        {"a.yaml": workload(CONSUME), "b.yaml": hpa(), "c.yaml": with_name(hpa(), "more")},
        "scales Deployment jobs, as HorizontalPodAutoscaler jobs does",
    ),
    "a number beside an autoscaler": (
        "D-55",
        {"a.yaml": workload(CONSUME, replicas=3), "b.yaml": hpa()},
        "replicas: 3 is written, and HorizontalPodAutoscaler jobs decides it",
    ),
    "a number alone": ("D-55", {"a.yaml": workload(CONSUME, replicas=3)}, ""),
    "no number": ("D-55", {"a.yaml": workload(CONSUME).replace("  replicas: 1\n", ""), "b.yaml": hpa()}, ""),
    # The whole queue against one number, or a part for each pod.
    **{
        f"an external metric: {words}": (
            "D-59",
            {"a.yaml": workload(CONSUME), "b.yaml": hpa(version, metrics=[metric])},
            f"compares the whole of {name} with one number" if name else "",
        )
        for words, version, metric, name in (
            ("the whole queue", "v2", external(type="Value", value="10"), "queue_length"),
            ("a part for each pod", "v2", DEPTH, ""),
            ("what is no queue", "v2", external("temperature", type="Value", value="10"), ""),
            *(
                (f"{name} is like a queue", "v2", external(name, type="Value", value="10"), name)
                for name in ("BACKLOG", "num_messages", "depth", "consumer_lag", "pending", "undelivered", "length")
            ),
            (
                "in the API's beta",
                "v2beta1",
                {"type": "External", "external": {"metricName": "queue", "targetValue": "10"}},
                "queue",
            ),
            (
                "for each pod in the API's beta",
                "v2beta1",
                {"type": "External", "external": {"metricName": "queue", "targetAverageValue": "10"}},
                "",
            ),
            (
                "of an object",
                "v2",
                {"type": "Object", "object": {"metric": {"name": "queue"}, "target": {"type": "Value", "value": "1"}}},
                "",
            ),
        )
    },
    **{
        f"a total of {kind} to KEDA": (
            "D-59",
            {"a.yaml": workload(CONSUME), "b.yaml": keda({"type": kind, "metricType": "Value", "metadata": {}})},
            "compares the whole queue with one number" if is_queue else "",
        )
        for kind, is_queue in (("rabbitmq", True), ("cpu", False), ("memory", False), ("cron", False))
    },
    # Who can wake from zero.
    **{
        f"{words} at zero": (
            "D-5a",
            {"a.yaml": workload(CONSUME), "b.yaml": scaler},
            "may go to zero pods, and measures what only pods have" if sleeps else "",
        )
        for words, scaler, sleeps in (
            ("an HPA on CPU", hpa(metrics=[OF_PODS], minReplicas=0), True),
            ("an HPA on CPU from one", hpa(metrics=[OF_PODS], minReplicas=1), False),
            ("an HPA on a queue", hpa(metrics=[OF_PODS, DEPTH], minReplicas=0), False),
            ("an HPA on an object", hpa(metrics=[{"type": "Object", "object": {}}], minReplicas=0), False),
            ("KEDA on CPU", keda(CPU), True),
            ("KEDA on CPU and memory", keda(CPU, MEMORY, minReplicaCount=0), True),
            ("KEDA on CPU from one", keda(CPU, minReplicaCount=1), False),
            ("KEDA on CPU and a queue", keda(CPU, QUEUE, minReplicaCount=0), False),
            ("KEDA on nothing", keda(minReplicaCount=0), False),
        )
    },
    **{
        f"bounds {least} and {most} of {words}": (
            "D-5b",
            {"a.yaml": workload(CONSUME), "b.yaml": scaler},
            f"has a minimum of {least} and a maximum of {most}; lower {low}" if least > most else "",
        )
        for least, most in ((4, 5), (5, 5), (6, 5))
        for words, low, scaler in (
            ("an HPA", "minReplicas", hpa(minReplicas=least, maxReplicas=most)),
            ("KEDA", "minReplicaCount", keda(QUEUE, minReplicaCount=least, maxReplicaCount=most)),
        )
    },
    **{
        f"KEDA's own maximum above {least}": (
            "D-5b",
            {"a.yaml": workload(CONSUME), "b.yaml": keda(QUEUE, minReplicaCount=least)},
            said,
        )
        for least, said in ((100, ""), (101, "has a minimum of 101 and a maximum of 100"))
    },
}


def scaled_job(command: list[str], env: dict[str, str] | None = None, **spec: Any) -> str:
    variables = [{"name": name, "value": value} for name, value in (env or {}).items()]
    container = {"name": "w", "image": "a:1", "command": command, "env": variables}
    pod = {"terminationGracePeriodSeconds": 90, "containers": [container]}
    target = {"jobTargetRef": {"template": {"spec": pod}}, "triggers": [QUEUE], **spec}
    return quick_yaml.dump(
        {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledJob", "metadata": {"name": "jobs"}, "spec": target}
    )


def listing(name: str, kind: str = "redis") -> dict[str, Any]:
    return {"type": kind, "metadata": {"address": "r:6379", "listName": name}}


def laravel(*arguments: str) -> list[str]:
    return ["php", "artisan", "queue:work", *arguments]


CELERY = ["celery", "-A", "shop", "worker"]
STRANDED = "in no stream, and wait until another message"
COUNTS = "at an empty list every pod goes"
OF_TRIGGERS: dict[str, Edge] = {
    **{
        f"an outage with {fallback}": (
            "D-57",
            {"a.yaml": workload(CONSUME), "b.yaml": keda(QUEUE, **({"fallback": fallback} if fallback else {}))},
            "goes to zero pods when the broker cannot be asked" if ends else "",
        )
        for fallback, ends in ((None, False), ({"replicas": 0}, True), ({"replicas": 1}, False))
    },
    **{
        f"no value for {kind} with {metadata}": (
            "D-58",
            {"a.yaml": workload(CONSUME), "b.yaml": keda({"type": kind, "metadata": metadata})},
            "takes a series that is not there for 0" if is_zero else "",
        )
        for kind, metadata, is_zero in (
            ("prometheus", {}, True),
            ("prometheus", {"ignoreNullValues": "true"}, True),
            ("prometheus", {"ignoreNullValues": "false"}, False),
            ("prometheus", {"ignoreNullValues": "False"}, False),
            ("prometheus", {"ignoreNullValues": "0"}, False),
            ("loki", {}, True),
            ("loki", {"ignoreNullValues": "false"}, False),
            ("elasticsearch", {}, False),
            ("elasticsearch", {"ignoreNullValues": "true"}, True),
            ("rabbitmq", {"ignoreNullValues": "true"}, False),
        )
    },
    **{
        f"SQS with {value}": (
            "D-56",
            {
                "a.yaml": workload(CONSUME),
                "b.yaml": keda({"type": "aws-sqs-queue", "metadata": {"scaleOnInFlight": value} if value else {}}),
            },
            "leaves out what is in flight (scaleOnInFlight: false)" if is_half else "",
        )
        for value, is_half in (("false", True), ("F", True), ("true", False), ("", False))
    },
    **{
        f"{counts} of a stream of {servers or 'one server'}": (
            "D-56",
            {
                "a.yaml": workload(CONSUME),
                "b.yaml": keda({**streams(**{counts: "5"}), "type": f"redis{servers}-streams"}),
            },
            said,
        )
        for servers in ("", "-cluster", "-sentinel")
        for counts, said in (
            ("lagCount", "counts the lag of the group"),
            ("pendingEntriesCount", "counts what is in flight only"),
            ("streamLength", ""),
        )
    },
    **{
        f"a target that is {words}": (
            "D-5e",
            {"a.yaml": workload(CONSUME), "b.yaml": of_target(keda(QUEUE), name=name, **more)},
            said,
        )
        for words, name, more, said in (
            ("named", "jobs", {}, ""),
            ("nothing", "", {}, "scales nothing: it is refused; write name: <the Deployment>"),
            ("KEDA 1's", "", {"deploymentName": "jobs"}, "says deploymentName, as KEDA 1 did, and no name"),
            ("KEDA 1's beside a name", "jobs", {"deploymentName": "jobs"}, ""),
        )
    },
    "an object of another group": (
        "D-5e",
        {"a.yaml": workload(CONSUME), "b.yaml": of_target(keda(QUEUE), name="").replace("keda.sh", "acme.com")},
        "",
    ),
    **{
        f"delayed messages of {words}": (
            "D-5c",
            {"a.yaml": workload(command), "b.yaml": keda(*triggers, **bounds)},
            STRANDED if strand else "",
        )
        for words, command, triggers, bounds, strand in (
            ("a stream", CONSUME, (streams(streamLength="5"),), {}, True),
            ("a cluster's stream", CONSUME, ({**streams(), "type": "redis-cluster-streams"},), {}, True),
            ("two streams", CONSUME, (streams(), streams()), {"minReplicaCount": 0}, True),
            ("a stream from one on", CONSUME, (streams(),), {"minReplicaCount": 1}, False),
            ("a stream and a list", CONSUME, (streams(), listing("q")), {}, False),
            ("a list", CONSUME, (listing("q"),), {}, False),
            ("another program's stream", ["/app/worker"], (streams(),), {}, False),
        )
    },
    **{
        f"a list of {words}": (
            "D-5d",
            {"a.yaml": workload(command), "b.yaml": keda(*triggers, **bounds)},
            COUNTS if counts else "",
        )
        for words, command, triggers, bounds, counts in (
            *(
                (" ".join(known), known, (listing("q"),), {}, True)
                for known in (
                    CELERY,
                    laravel(),
                    ["php", "artisan", "horizon"],
                    ["bundle", "exec", "sidekiq"],
                    ["dramatiq", "shop.tasks"],
                    ["rq", "worker"],
                )
            ),
            ("an unknown program", ["node", "worker.js"], (listing("q"),), {}, False),
            ("BullMQ", ["node", "worker.js"], (listing("bull:mail:wait"),), {}, True),
            ("what only begins like BullMQ", ["node", "worker.js"], (listing("bull:wait:list"),), {}, False),
            ("a cluster", CELERY, (listing("q", "redis-cluster"),), {"minReplicaCount": 0}, True),
            ("two lists", CELERY, (listing("q"), listing("p")), {}, True),
            ("a list and more", CELERY, (listing("q"), QUEUE), {}, False),
            ("one pod at least", CELERY, (listing("q"),), {"minReplicaCount": 1}, False),
            ("no trigger", CELERY, (), {}, False),
            ("a stream", CELERY, (streams(streamLength="5"),), {}, False),
        )
    },
    **{
        f"a ScaledJob of {' '.join(command)} with {rollout}": (
            "D-28",
            {"a.yaml": scaled_job(command, **({"rollout": {"strategy": rollout}} if rollout else {}))},
            "each change of it ends all its running jobs, 90 s after their stop signal" if ends else "",
        )
        for command, rollout, ends in (
            (CELERY, "", True),
            (CELERY, "default", True),
            (CELERY, "gradual", False),
            (laravel("--once", "--timeout=90"), "", False),
            (laravel("--once", "--timeout=91"), "", True),
        )
    },
    # What a program that nobody knows does with its time nobody knows either, whatever a variable says.
    "a ScaledJob of an unknown program": (
        "D-28",
        {"a.yaml": scaled_job(["/app/worker"], env={"SHUTDOWN_TIMEOUT_SECONDS": "30"})},
        "each change of it ends all its running jobs",
    ),
    "a ScaledJob of a known one with its time": (
        "D-28",
        {"a.yaml": scaled_job(CELERY, env={"SHUTDOWN_TIMEOUT_SECONDS": "30"})},
        "",
    ),
    "a Deployment is no ScaledJob": ("D-28", {"a.yaml": workload(CELERY)}, ""),
}


def queues(**connections: dict[str, Any]) -> dict[str, str]:
    def php(value: Any) -> str:
        if isinstance(value, dict):
            return "[" + ", ".join(f"'{key}' => {php(one)}" for key, one in value.items()) + "]"
        return str(value).lower() if isinstance(value, bool) else "null" if value is None else repr(value)

    return {"config/queue.php": f"<?php\nreturn ['connections' => {php(connections)}];\n"}


def horizon(**options: Any) -> dict[str, str]:
    said = "".join(f", '{name}' => {value!r}" for name, value in options.items())
    every = f"['all' => ['maxProcesses' => 1{said}]]"
    return {
        "config/horizon.php": f"<?php\nreturn ['defaults' => {every}, 'environments' => ['live' => ['all' => []]]];\n"
    }


REDIS = {"driver": "redis", "retry_after": 90}
OF_FRAMEWORKS: dict[str, Edge] = {
    # When Celery acknowledges, and what it does with the task of a process that is killed.
    **{
        f"Celery's acknowledgement: {settings}": ("D-80", celery(**settings), said)
        for settings, said in (
            ({"task_acks_late": True}, ""),
            ({"task_acks_late": False}, "acknowledge a task before it runs"),
            ({"task_time_limit": 60}, "acknowledge a task before it runs"),
            ({"broker_transport_options": {"visibility_timeout": 60}}, ""),
            ({"broker_transport_options": {}, "task_time_limit": 60}, "acknowledge a task before it runs"),
        )
    },
    **{
        f"a killed process: {' '.join(more)} {settings}": (
            "D-86",
            {"a.yaml": workload([*CELERY, *more]), **celery(**settings)},
            "acknowledge a task whose process is killed" if lost else "",
        )
        for more, settings, lost in (
            ((), {"task_acks_late": True}, True),
            (("--pool=prefork",), {"task_acks_late": True}, True),
            (("-P", "prefork"), {"task_acks_late": True}, True),
            (("-P", "threads"), {"task_acks_late": True}, False),
            (("--pool=solo",), {"task_acks_late": True}, False),
            ((), {"task_acks_late": True, "task_reject_on_worker_lost": True}, False),
            ((), {"task_acks_late": True, "task_reject_on_worker_lost": False}, True),
            ((), {"task_acks_late": False}, False),
            ((), {"task_time_limit": 5}, False),
        )
    },
    "Celery's settings without a worker": ("D-86", celery(task_acks_late=True), ""),
    # When another worker gets a task that is still being done.
    **{
        f"visibility: {settings}": ("D-81", celery(task_acks_late=True, **settings), said)
        for settings, said in (
            ({"broker_url": "redis://r", "task_time_limit": 3600}, "another worker after 3600 s; write"),
            ({"broker_url": "rediss://r", "task_time_limit": 4000}, "a task may run 4000 s, and Redis gives it"),
            ({"broker_url": "sentinel://r", "task_time_limit": 4000}, "a task may run 4000 s"),
            ({"broker_url": "redis://r", "task_time_limit": 3599}, ""),
            ({"broker_url": "redis://r"}, ""),
            ({"broker_url": "amqp://r", "task_time_limit": 4000}, ""),
            ({"task_time_limit": 4000}, ""),
            (
                {"task_time_limit": 60, "broker_transport_options": {"visibility_timeout": 60}},
                "after 60 s; write broker_transport_options = {'visibility_timeout': 120}",
            ),
            ({"task_time_limit": 60, "broker_transport_options": {"visibility_timeout": 61}}, ""),
            ({"broker_url": "redis://r", "task_time_limit": 60, "broker_transport_options": {}}, ""),
            (
                {
                    "broker_url": "sqs://",
                    "task_time_limit": 60,
                    "broker_transport_options": {"visibility_timeout": 50},
                },
                "and SQS gives it to another worker after 50 s",
            ),
            ({"broker_url": "sqs://", "task_time_limit": 4000}, ""),
            (
                {
                    "broker_url": "amqp://r",
                    "task_time_limit": 60,
                    "broker_transport_options": {"visibility_timeout": 50},
                },
                "",
            ),
        )
    },
    # Laravel's, by what each worker may take; 60 s where it does not say.
    **{
        f"{' '.join(arguments)} of {connections}": (
            "D-83",
            {"a.yaml": workload(laravel(*arguments)), **queues(**connections)},
            said,
        )
        for arguments, connections, said in (
            ((), {"redis": {**REDIS, "retry_after": 60}}, "after 60 s, and a worker may take 60 s"),
            ((), {"redis": {**REDIS, "retry_after": 61}}, ""),
            (("--timeout=90",), {"redis": REDIS}, "write 'retry_after' => 120"),
            (("--timeout=89",), {"redis": REDIS}, ""),
            (("--timeout=$(LONGEST)",), {"redis": {**REDIS, "retry_after": 30}}, ""),
            # 0 is no limit, whatever retry_after is.
            (("--timeout=0",), {"redis": REDIS}, "after 90 s, and a timeout of 0 ends none"),
            (("--timeout=0",), {"sqs": {**REDIS, "driver": "sqs"}}, ""),
            (("--timeout=99",), {"sync": {**REDIS, "driver": "sync"}}, ""),
            (("--timeout=99",), {"sqs": {**REDIS, "driver": "sqs"}}, ""),
            (("--timeout=99",), {"database": {**REDIS, "driver": "database"}}, "after 90 s"),
            (("mail", "--timeout=99"), {"other": REDIS, "mail": {**REDIS, "retry_after": 200}}, ""),
            (("mail", "--timeout=99"), {"other": {**REDIS, "retry_after": 200}, "mail": REDIS}, "after 90 s"),
            ((), {"redis": {"driver": "redis"}}, ""),
        )
    },
    **{
        f"Horizon's {options} of {connections}": ("D-84", {**horizon(**options), **queues(**connections)}, said)
        for options, connections, said in (
            ({"timeout": 90}, {"redis": REDIS}, "after 90 s, and a worker may take 90 s"),
            ({"timeout": 89}, {"redis": REDIS}, ""),
            ({"timeout": 0}, {"redis": REDIS}, "after 90 s, and a timeout of 0 ends none"),
            ({}, {"redis": REDIS}, ""),
            ({"timeout": 90, "connection": "other"}, {"redis": REDIS}, ""),
            ({"timeout": 90, "connection": "other"}, {"other": REDIS}, "after 90 s"),
            ({"timeout": 90}, {"other": REDIS}, ""),
        )
    },
    **{
        f"block_for {value}": ("D-85", queues(redis={**REDIS, "block_for": value}), said)
        for value, said in ((0, "waits for a job without end"), (5, ""), (None, ""), (False, ""))
    },
}


@pytest.mark.parametrize("case", OF_PODS_NUMBER)
def test_what_decides_the_number_of_pods_is_judged_at_its_edges(case: str) -> None:
    said_of(*OF_PODS_NUMBER[case])


@pytest.mark.parametrize("case", OF_TRIGGERS)
def test_what_a_trigger_counts_is_judged_at_its_edges(case: str) -> None:
    said_of(*OF_TRIGGERS[case])


@pytest.mark.parametrize("case", OF_FRAMEWORKS)
def test_what_a_framework_says_of_its_queues_is_judged_at_its_edges(case: str) -> None:
    said_of(*OF_FRAMEWORKS[case])
