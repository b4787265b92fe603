"""A rule of doctor's says what is written, in its figures, and nothing of what stands right beside it."""

from __future__ import annotations

from typing import Any

import pytest
from tests import quick_yaml

from ebbtide.doctor.diagnose import diagnose_files
from ebbtide.doctor.files import File

IMAGE = "registry.example/app:1"
LABELS = {"labels": {"app": "jobs"}}
CONSUME = ["php", "/srv/bin/console", "messenger:consume", "mail"]


def workload(
    command: list[str],
    *,
    replicas: int = 1,
    pod: dict[str, Any] | None = None,
    strategy: dict[str, Any] | None = None,
    **container: Any,
) -> str:
    """A Deployment of one container."""
    spec = {
        "terminationGracePeriodSeconds": 90,
        "containers": [{"name": "w", "image": IMAGE, "command": command, **container}],
        **(pod or {}),
    }
    return quick_yaml.dump(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "jobs", "namespace": "shop"},
            "spec": {"replicas": replicas, "selector": {"matchLabels": LABELS["labels"]}}
            | ({"strategy": strategy} if strategy else {})
            | {"template": {"metadata": LABELS, "spec": spec}},
        }
    )


def keda(*triggers: dict[str, Any], **spec: Any) -> str:
    return quick_yaml.dump(
        {
            "apiVersion": "keda.sh/v1alpha1",
            "kind": "ScaledObject",
            "metadata": {"name": "jobs", "namespace": "shop"},
            "spec": {"scaleTargetRef": {"name": "jobs"}, "triggers": list(triggers), **spec},
        }
    )


def streams(**metadata: str) -> dict[str, Any]:
    return {"type": "redis-streams", "metadata": {"address": "r:6379", "stream": "mail", **metadata}}


def policy(namespace: str, *ports: dict[str, Any]) -> str:
    allowed = [{"port": 53, "protocol": "UDP"}, *ports]
    spec = {"podSelector": {}, "policyTypes": ["Egress"], "egress": [{"ports": allowed}]}
    metadata = {"name": "deny", "namespace": namespace}
    return quick_yaml.dump(
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
    )


def messenger(**options: Any) -> str:
    transport = {"dsn": "redis://r:6379/mail", "options": options}
    return quick_yaml.dump({"framework": {"messenger": {"failure_transport": "f", "transports": {"mail": transport}}}})


def supervised(environment: str) -> str:
    return (
        "[supervisord]\nnodaemon=true\n[program:mail]\ncommand=php /srv/bin/console messenger:consume mail\n"
        f"process_name=%(program_name)s_%(process_num)02d\nnumprocs=4\nenvironment={environment}\nstopwaitsecs=80\n"
    )


def memory(limit: str) -> dict[str, str]:
    return {"a.yaml": workload([*CONSUME, f"--memory-limit={limit}"], resources={"limits": {"memory": "100Mi"}})}


def s6(milliseconds: str) -> dict[str, str]:
    return {
        "Dockerfile": "FROM debian:12\nADD https://example.org/s6-overlay.tar.xz /tmp\n"
        f"COPY services/w/run /etc/services.d/w/run\nENV S6_SERVICES_GRACETIME={milliseconds}\n"
        'ENTRYPOINT ["/init"]\n',
        "services/w/run": "#!/command/with-contenv bash\nexec php bin/console messenger:consume mail\n",
    }


def hpa(version: str = "v2", **measured: Any) -> str:
    reference = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "jobs"}
    spec = {"scaleTargetRef": reference, "minReplicas": 1, "maxReplicas": 9, **measured}
    metadata = {"name": "jobs", "namespace": "shop"}
    return quick_yaml.dump(
        {"apiVersion": f"autoscaling/{version}", "kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec}
    )


def rabbitmq(**metadata: str) -> dict[str, Any]:
    return {"type": "rabbitmq", "metadata": {"queueName": "mail", **metadata}}


def celery(**settings: Any) -> dict[str, str]:
    return {"celeryconfig.py": "".join(f"{name} = {value!r}\n" for name, value in settings.items())}


OF_PODS = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}}
OF_CONTAINERS = {"type": "ContainerResource", "containerResource": {**OF_PODS["resource"], "container": "w"}}
OF_MILLICORES = {
    "type": "Resource",
    "resource": {"name": "cpu", "target": {"type": "AverageValue", "averageValue": "1"}},
}
OWN_NAME = {"consumer": "%env(MESSENGER_CONSUMER_NAME)%", "redeliver_timeout": 90}
Edge = tuple[str, dict[str, str], str]
EDGES: dict[str, Edge] = {
    # How much is how much, in each of PHP's units; what cannot be read is not claimed.
    "memory in G": ("D-66", memory("1G"), "and its worker may use 1024Mi"),
    "memory in M": ("D-66", memory("512M"), "and its worker may use 512Mi"),
    "memory in K": ("D-66", memory("204800K"), "and its worker may use 200Mi"),
    "memory that is enough": ("D-66", memory("100M"), ""),
    "memory in words": ("D-66", memory("much"), ""),
    # When a message comes back, by what is written and by Symfony's default.
    "an hour by default": ("D-71", {"messenger.yaml": messenger()}, "after 3600 s, the default: it waits"),
    "two hours as written": ("D-71", {"messenger.yaml": messenger(redeliver_timeout=7200)}, "after 7200 s: it waits"),
    "a minute and a half": ("D-71", {"messenger.yaml": messenger(redeliver_timeout=90)}, ""),
    # One name for all, and one for each.
    "one name": (
        "D-70",
        {"messenger.yaml": messenger(**OWN_NAME), "w.conf": supervised('MESSENGER_CONSUMER_NAME="w"')},
        (
            "MESSENGER_CONSUMER_NAME is the same for all 4 processes of program mail, and so is their consumer's name: "
            "each takes over what the others handle"
        ),
    ),
    "a name for each": (
        "D-70",
        {
            "messenger.yaml": messenger(**OWN_NAME),
            "w.conf": supervised('MESSENGER_CONSUMER_NAME="%(program_name)s_%(process_num)d"'),
        },
        "",
    ),
    # What KEDA counts of a stream.
    "the lag of a group": (
        "D-56",
        {"a.yaml": workload(CONSUME), "b.yaml": keda(streams(consumerGroup="g", lagCount="5"))},
        "counts the lag of the group",
    ),
    "what is in hand only": (
        "D-56",
        {"a.yaml": workload(CONSUME), "b.yaml": keda(streams(consumerGroup="g", pendingEntriesCount="5"))},
        "counts",
    ),
    "the length of a stream": (
        "D-56",
        {"a.yaml": workload(CONSUME), "b.yaml": keda(streams(streamLength="5"))},
        "",
    ),
    # At zero pods nobody moves what is delayed; at one somebody does.
    **{
        f"delayed messages at {least} pods": (
            "D-5c",
            {"a.yaml": workload(CONSUME), "b.yaml": keda(streams(streamLength="5"), minReplicaCount=least)},
            said,
        )
        for least, said in ((0, "may go to zero pods"), (1, ""))
    },
    "delayed messages that a trigger counts": (
        "D-5c",
        {
            "a.yaml": workload(CONSUME),
            "b.yaml": keda(
                streams(streamLength="5"), {"type": "redis", "metadata": {"listName": "q"}}, minReplicaCount=0
            ),
        },
        "",
    ),
    # A queue may be called as what sends by the clock.
    "a queue called beat": (
        "D-47",
        {"a.yaml": workload(["celery", "-A", "shop", "worker", "-Q", "beat"], replicas=3)},
        "",
    ),
    # Who sends by the clock is there once.
    **{
        f"{' '.join(command)} in {replicas}, {strategy}": (
            "D-47",
            {"a.yaml": workload(command, replicas=replicas, strategy=strategy)},
            said,
        )
        for command in (
            ["celery", "-A", "shop", "beat"],
            ["php", "artisan", "schedule:work"],
            ["php", "/srv/bin/console", "messenger:consume", "scheduler_default"],
            ["/usr/local/bin/celery", "-A", "shop", "worker", "-B"],
            ["celery", "--app=shop", "worker", "-EB"],
        )
        for replicas, strategy, said in (
            (1, {"type": "Recreate"}, ""),
            (1, {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}, ""),
            (1, None, "at each update of the Deployment a second pod keeps it beside the first"),
            (3, None, "keeps a schedule in 3 processes (up to 3 pods)"),
        )
    },
    # What a variable says of the time, in milliseconds or in seconds.
    **{
        f"{name} of {value}": ("D-21", {"a.yaml": workload(CONSUME, env=[{"name": name, "value": value}])}, said)
        for name, value, said in (
            ("WORKER_SHUTDOWN_TIMEOUT_MS", "100000", "may take 100 s"),
            ("WORKER_SHUTDOWN_TIMEOUT_MS", "60000", ""),
            ("WORKER_SHUTDOWN_TIMEOUT_MS", "100s", ""),
            ("SHUTDOWN_TIMEOUT", "100", "may take 100 s"),
        )
    },
    # A policy that lists ports, and not the broker's.
    **{
        f"a broker at {address} behind {ports}": (
            "D-6a",
            {
                "a.yaml": workload(CONSUME, env=[{"name": "DSN", "value": address}]),
                "b.yaml": policy("shop", *ports),
            },
            said,
        )
        for address, ports, said in (
            ("redis://:secret@r.data:6379/mail", ({"port": 443},), "lists no rule for port 6379"),
            ("amqps://b", ({"port": 443}, {"port": 5672}), "lists no rule for port 5671"),
            ("redis://r", ({"port": 6000, "endPort": 7000},), ""),
            ("redis://r", ({"port": "redis"},), ""),
            ("redis://r:6380", ({"port": 6380},), ""),
        )
    },
    "a worker without a schedule in 3": ("D-47", {"a.yaml": workload(CONSUME, replicas=3)}, ""),
    # A request of less than a millicore: what was meant is a thousand times as much.
    **{
        f"{request} of CPU": ("D-50", {"a.yaml": workload(CONSUME, resources={"requests": {"cpu": request}})}, said)
        for request, said in (
            ("0.490m", "write 490m"),
            ("0.5m", "write 500m"),
            ("0.05m", "write 50m"),
            ("0.0005", "write 100m or more"),
            ("1m", ""),
            ("490m", ""),
        )
    },
    # A field of a hook that there is not.
    **{
        f"a field of {hook}": (
            "D-62",
            {"a.yaml": workload(CONSUME, lifecycle={hook: {"command": ["true"]}})},
            "command is no field of",
        )
        for hook in ("preStop", "postStart")
    },
    # How long s6 waits, also in parts of a second; 0 is without end.
    "s6 for 3.5 s": ("D-26", s6("3500"), "gives its services 3.5 s to finish"),
    "s6 without end": ("D-26", s6("0"), ""),
    "s6 for long enough": ("D-26", s6("25000"), ""),
    # A percentage is of a request, and where only a limit is written Kubernetes takes that for it.
    **{
        f"{words} with {written}": (
            "D-52",
            {"a.yaml": workload(CONSUME, resources=resources), "b.yaml": hpa(metrics=[metric])},
            "aims at a percentage of the cpu request" if not resources and metric is not OF_MILLICORES else "",
        )
        for words, metric in (
            ("a percentage of pods", OF_PODS),
            ("a percentage of a container", OF_CONTAINERS),
            ("a number of millicores", OF_MILLICORES),
        )
        for written, resources in (
            ("nothing", {}),
            ("a request", {"requests": {"cpu": "100m"}}),
            ("a limit", {"limits": {"cpu": "1"}}),
        )
    },
    # What KEDA counts of RabbitMQ, by each of the ways to say it.
    **{
        f"a queue of RabbitMQ by {metadata}": (
            "D-56",
            {"a.yaml": workload(CONSUME), "b.yaml": keda(rabbitmq(**metadata))},
            said,
        )
        for metadata, said in (
            ({"host": "amqp://mq"}, "counts ready messages only"),
            ({"host": "http://mq"}, ""),
            ({"host": "amqp://mq", "protocol": "http"}, ""),
            ({"host": "http://mq", "protocol": "amqp"}, "counts ready messages only"),
            ({"host": "amqp://mq", "protocol": "auto"}, "counts ready messages only"),
            ({"host": "amqp://mq", "mode": "MessageRate"}, ""),
            ({"host": "amqp://mq", "mode": "QueueLength"}, "counts ready messages only"),
            ({"host": "http://mq", "excludeUnacknowledged": "true"}, "leaves out what is in flight"),
            ({"host": "http://mq", "excludeUnacknowledged": "false"}, ""),
            ({"host": "http://mq", "excludeUnacknowledged": "1"}, "leaves out what is in flight"),
        )
    },
    # A number for each pod, or one for all of them.
    **{
        f"{kind} of {trigger['type']}": (
            "D-59",
            {"a.yaml": workload(CONSUME), "b.yaml": keda({**trigger, "metricType": kind})},
            said if kind == "Value" else "",
        )
        for trigger, said in (
            (streams(streamLength="5"), "compares the whole queue with one number"),
            ({"type": "prometheus", "metadata": {"query": "up"}}, ""),
        )
        for kind in ("Value", "AverageValue")
    },
    # How many tasks Celery takes at once, where it acknowledges late.
    **{
        f"Celery with {settings}": ("D-82", celery(**settings), said)
        for settings, said in (
            ({"task_acks_late": True}, "take 4 tasks for each process"),
            ({"task_acks_late": True, "worker_prefetch_multiplier": 2}, "take 2 tasks for each process"),
            ({"task_acks_late": True, "worker_prefetch_multiplier": 0}, "take any number of tasks"),
            ({"task_acks_late": True, "worker_prefetch_multiplier": 1}, ""),
            ({"task_acks_late": False, "worker_prefetch_multiplier": 4}, ""),
            ({"worker_prefetch_multiplier": 4}, ""),
        )
    },
    # The first version of autoscalers says the same in a field of its own.
    **{
        f"an old percentage with {written}": (
            "D-52",
            {
                "a.yaml": workload(CONSUME, resources=resources),
                "b.yaml": hpa("v1", targetCPUUtilizationPercentage=60),
            },
            "" if resources else "aims at a percentage of the cpu request",
        )
        for written, resources in (("nothing", {}), ("a request", {"requests": {"cpu": "100m"}}))
    },
    # How many messages one visibility timeout is for.
    **{
        f"{size} messages under one timeout": (
            "D-75",
            {
                "messenger.yaml": messenger(buffer_size=size, visibility_timeout=60).replace(
                    "redis://r:6379/mail", "sqs://sqs.eu-west-1.amazonaws.com/1/mail"
                )
            },
            f"takes {size} messages at once, and the visibility timeout of 60 s" if size > 1 else "",
        )
        for size in (1, 2)
    },
    "one name that is written": (
        "D-70",
        {"messenger.yaml": messenger(consumer="mail", redeliver_timeout=90), "w.conf": supervised('A="b"')},
        "names every consumer 'mail', for 4 processes",
    ),
    "the host's name is that of every process": (
        "D-70",
        {
            "messenger.yaml": messenger(consumer="%env(HOSTNAME)%", redeliver_timeout=90),
            "w.conf": supervised('A="b"'),
        },
        "HOSTNAME is the same for all 4 processes",
    ),
    "a StatefulSet's field that there is not": (
        "D-62",
        {
            "a.yaml": workload(CONSUME, lifecycle={"preStop": {"command": ["true"]}}).replace(
                "kind: Deployment", "kind: StatefulSet"
            )
        },
        "command is no field of",
    ),
    "a ScaledObject of nothing": (
        "D-5e",
        {"a.yaml": workload(CONSUME), "b.yaml": keda(streams(streamLength="5"), scaleTargetRef={"kind": "Deployment"})},
        "write name: <the Deployment>",
    ),
    # A policy is about the pods of its own namespace.
    "a policy of another namespace": ("D-6a", {"a.yaml": workload(CONSUME), "b.yaml": policy("other")}, ""),
    "a policy of theirs": ("D-6a", {"a.yaml": workload(CONSUME), "b.yaml": policy("shop")}, "reach DNS and nothing"),
}


@pytest.mark.parametrize("case", EDGES)
def test_what_is_wrong_is_said_in_its_figures_and_what_is_right_beside_it_is_not(case: str) -> None:
    said_of(*EDGES[case])


def said_of(rule: str, files: dict[str, str], expected: str) -> None:
    """A rule speaks once, in these words; or not at all, where none are given."""
    report = diagnose_files([File(name, text) for name, text in files.items()])
    found = [f"{one.message}; {one.remedy}" for one in report.diagnoses if one.rule == rule]
    assert len(found) == bool(expected), found
    assert expected in " ".join(found)


ONE = "command=php bin/console messenger:consume mail --time-limit=60"
PARTS = {
    "eight that are too much beside one that says nothing": (
        [f"{ONE} --memory-limit=256M\nnumprocs=8", ONE],
        "1Gi",
        "has a memory limit of 1Gi, and 8 of its workers alone may use 2048Mi before they end by themselves",
    ),
    "one that is too much beside eight that nobody counts": (
        [f"{ONE} --memory-limit=2G", f"{ONE} --memory-limit=256M\nnumprocs=%(ENV_N)s"],
        "1Gi",
        "one of its workers alone may use 2048Mi before it ends by itself",
    ),
    "beside a limit that is known only when it runs": (
        [f"{ONE} --memory-limit=1100M", f"{ONE} --memory-limit=%(ENV_M)s"],
        "1Gi",
        "one of its workers alone may use 1100Mi",
    ),
    "beside Celery's": (
        [f"{ONE} --memory-limit=600M", "command=celery -A s worker -c 2 --max-memory-per-child=307200"],
        "1Gi",
        "its 3 workers may use 1200Mi",
    ),
    "in bytes": ([f"{ONE} --memory-limit=1073741825"], "1Gi", "its worker may use 1024Mi"),
    "a part that has room": ([f"{ONE} --memory-limit=256M\nnumprocs=3", ONE], "1Gi", ""),
    "all that have room": ([f"{ONE} --memory-limit=256M\nnumprocs=4"], "1Gi", ""),
    "none that says a limit": ([ONE, ONE], "1Gi", ""),
}


@pytest.mark.parametrize("name", PARTS)
def test_what_is_known_of_some_workers_memory_is_certain_and_the_rest_is_not_judged(name):
    programs, limit, said = PARTS[name]
    sections = "".join(f"[program:w{at}]\n{one}\n" for at, one in enumerate(programs))
    conf = File("supervisord.conf", f"[supervisord]\nnodaemon=true\n{sections}")
    pod = {"containers": [{"name": "w", "command": ["supervisord"], "resources": {"limits": {"memory": limit}}}]}
    object_ = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "w"}}
    manifest = File("w.yaml", quick_yaml.dump({**object_, "spec": {"template": {"spec": pod}}}))
    report = diagnose_files([conf, manifest])
    found = [one.message for one in report.diagnoses if one.rule == "D-66"]
    assert [said in one for one in found] == ([True] if said else [])
    is_named = any("do not say how much memory" in note.text for note in report.notes)
    assert is_named is (name == "a part that has room")
