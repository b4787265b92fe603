"""What doctor says of the kinds that public reports of November 2026 brought, and of what stands right beside each."""

from __future__ import annotations

from typing import Any

import pytest
from tests import quick_yaml
from tests.doctor.test_edges import CONSUME, Edge, celery, hpa, keda, messenger, said_of, workload
from tests.doctor.test_scaling_edges import of_target, with_name

from ebbtide.doctor.diagnose import diagnose_files
from ebbtide.doctor.files import File

RQ = ["python", "manage.py", "rqworker", "reports"]
CELERY = ["celery", "-A", "shop", "worker"]
NO_TIME = {"terminationGracePeriodSeconds": None}
PACKAGE = '{"dependencies": {"bullmq": "5.30.0"}, "scripts": {"worker": "node dist/worker.js"}}'
LATE = {"broker_url": "amqp://rabbit//", "task_acks_late": True, "task_reject_on_worker_lost": True}


def rq(command: list[str], settings: str = "", **pod: Any) -> dict[str, str]:
    data = quick_yaml.load(workload(command, pod=pod))
    spec = data["spec"]["template"]["spec"]
    data["spec"]["template"]["spec"] = {key: value for key, value in spec.items() if value is not None}
    return {"a.yaml": quick_yaml.dump(data), **({"settings.py": settings} if settings else {})}


def queues(**seconds: str) -> str:
    return f"RQ_QUEUES = {{{', '.join(f'{name!r}: {{{text}}}' for name, text in seconds.items())}}}\n"


def policed(url: str, *rules: dict[str, Any]) -> dict[str, str]:
    """Workers that look for a broker, and a policy that lists what they may reach."""
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "jobs", "namespace": "shop"},
        "spec": {"podSelector": {}, "policyTypes": ["Egress"], "egress": list(rules)},
    }
    return {"a.yaml": workload(CELERY, env=[{"name": "URL", "value": url}]), "p.yaml": quick_yaml.dump(policy)}


def beside(image: str) -> dict[str, str]:
    data = quick_yaml.load(workload(CELERY))
    data["spec"]["template"]["spec"]["containers"].append({"name": "tunnel", "image": image})
    return {"a.yaml": quick_yaml.dump(data)}


def scaled(name: str, *others: str, file: str = "a.yaml") -> dict[str, str]:
    """An autoscaler of `name`, and a worker called `jobs`."""
    scaler = of_target(with_name(hpa(metrics=[]), "scaler"), name=name)
    found = {"a.yaml": "---\n".join([workload(CELERY), *(with_name(workload(CELERY), one) for one in others)])}
    found[file] = f"{found[file]}---\n{scaler}" if file in found else scaler
    return found


def of_kind(kind: str, files: dict[str, str]) -> dict[str, str]:
    """The same with a worker of another kind; what is scaled stays a Deployment."""
    return {name: text.replace("kind: Deployment\nmetadata", f"kind: {kind}\nmetadata") for name, text in files.items()}


def aliased(files: dict[str, str]) -> dict[str, str]:
    """The same with the broker in the pod's hosts file."""
    data = quick_yaml.load(files["a.yaml"])
    data["spec"]["template"]["spec"]["hostAliases"] = [{"ip": "10.0.0.7", "hostnames": ["r.shop.svc"]}]
    return {**files, "a.yaml": quick_yaml.dump(data)}


def listing(name: str) -> dict[str, Any]:
    return {"type": "redis", "metadata": {"address": "r:6379", "listName": name, "listLength": "5"}}


def bounded(*triggers: dict[str, Any], **spec: Any) -> dict[str, str]:
    return {"a.yaml": workload(CELERY), "k.yaml": keda(*triggers, **spec)}


def azure(**metadata: str) -> dict[str, Any]:
    return {"type": "azure-queue", "metadata": {"queueName": "q", **metadata}}


def kafka(**metadata: str) -> dict[str, Any]:
    return {"type": "kafka", "metadata": {"topic": "clicks", "consumerGroup": "g", **metadata}}


def horizon(line: str) -> dict[str, str]:
    supervisor = "'s' => ['connection' => 'redis', 'timeout' => 60]"
    text = f"<?php\nreturn [\n  {line},\n  'environments' => ['production' => [{supervisor}]],\n];\n"
    return {"a.yaml": workload(["php", "artisan", "horizon"]), "config/horizon.php": text}


TOPIC = "apiVersion: kafka.strimzi.io/v1beta2\nkind: KafkaTopic\nmetadata: {name: clicks}\nspec: {partitions: 6}\n"
RENAMED = TOPIC.replace("clicks", "c-2").replace("{partitions: 6", "{topicName: clicks, partitions: 9")
PORT, DNS = {"ports": [{"port": 6379}]}, {"ports": [{"port": 53, "protocol": "UDP"}]}
TOLD_RABBITMQ = {
    "its own file": {"rabbitmq.conf": "consumer_timeout = 10800000\n"},
    "its operator": {
        "r.yaml": "apiVersion: rabbitmq.com/v1beta1\nkind: RabbitmqCluster\nmetadata: {name: rabbit}\n"
        "spec: {rabbitmq: {additionalConfig: consumer_timeout = 10800000}}\n"
    },
    "its queue's argument": {
        "celeryconfig.py": celery(**LATE, task_time_limit=7200)["celeryconfig.py"]
        + "task_queues = [Queue('films', queue_arguments={'x-consumer-timeout': 10800000})]\n"
    },
}
EDGES: dict[str, Edge] = {
    # RQ's own limit counts where nobody has written a time; what Django's settings say counts everywhere.
    "RQ's limit": ("D-21", rq(["rq", "worker"], **NO_TIME), "after 30 s, the default, and rq worker may take 180 s"),
    "RQ's limit beside a written time": ("D-21", rq(["rq", "worker"]), ""),
    "a queue's limit": ("D-21", rq(RQ, queues(reports='"DEFAULT_TIMEOUT": 3600')), "after 90 s, and rq worker may"),
    "a queue's limit that fits": ("D-21", rq(RQ, queues(reports='"DEFAULT_TIMEOUT": 60')), ""),
    "another queue's limit": (
        "D-21",
        rq(RQ, queues(reports='"DEFAULT_TIMEOUT": 60', films='"DEFAULT_TIMEOUT": 3600')),
        "",
    ),
    "the longest of all queues": (
        "D-21",
        rq(["rq", "worker", "--url", "redis://r"], queues(a='"DEFAULT_TIMEOUT": 60', b='"DEFAULT_TIMEOUT": 3600')),
        "may take 3600 s",
    ),
    "a queue without a limit": ("D-21", rq(RQ, queues(reports='"DB": 1')), "may take 180 s"),
    "a limit that a variable holds": ("D-21", rq(RQ, queues(reports='"DEFAULT_TIMEOUT": limit()')), ""),
    "a queue of settings for two places": (
        "D-21",
        {**rq(RQ, queues(reports='"DEFAULT_TIMEOUT": 60')), "dev.py": queues(reports='"DEFAULT_TIMEOUT": 36000')},
        "",
    ),
    "the same queue twice": (
        "D-21",
        {**rq(RQ, queues(reports='"DEFAULT_TIMEOUT": 360')), "dev.py": queues(reports='"DEFAULT_TIMEOUT": 360')},
        "may take 360 s",
    ),
    "queues of a broken file": ("D-21", rq(RQ, "RQ_QUEUES = {'reports': {"), ""),
    # A broker by its name needs DNS.
    "no DNS": ("D-6d", policed("redis://r.shop.svc:6379/0", PORT), "by its name, r.shop.svc"),
    "DNS": ("D-6d", policed("redis://r.shop.svc:6379/0", PORT, DNS), ""),
    "a broker by its address": ("D-6d", policed("redis://10.0.0.7:6379/0", PORT), ""),
    "a broker beside": ("D-6d", policed("redis://localhost:6379/0", PORT), ""),
    "OpenShift's DNS": ("D-6d", policed("redis://r.shop.svc:6379/0", PORT, {"ports": [{"port": 5353}]}), ""),
    "a name of the pod's own": ("D-6d", aliased(policed("redis://r.shop.svc:6379/0", PORT)), ""),
    "all ports of a network": ("D-6d", policed("redis://r:6379", {"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}), ""),
    "nothing at all is D-6a": ("D-6d", policed("redis://r:6379"), ""),
    # What comes again before its worker has had its time.
    "half a minute of five": (
        "D-77",
        {
            "a.yaml": workload(CONSUME, pod={"terminationGracePeriodSeconds": 300}),
            "messenger.yaml": messenger(redeliver_timeout=30),
        },
        "gives a message to another worker after 30 s, although the pod has 300 s to finish it",
    ),
    "half of the time may be margin": (
        "D-77",
        {"a.yaml": workload(CONSUME), "messenger.yaml": messenger(redeliver_timeout=45)},
        "",
    ),
    "a limit of the worker": (
        "D-77",
        {
            "a.yaml": workload(CONSUME, env=[{"name": "SHUTDOWN_TIMEOUT_SECONDS", "value": "80"}]),
            "messenger.yaml": messenger(redeliver_timeout=80),
        },
        "after 80 s, and a worker may take 80 s for it",
    ),
    "above the limit of the worker": (
        "D-77",
        {
            "a.yaml": workload(CONSUME, env=[{"name": "SHUTDOWN_TIMEOUT_SECONDS", "value": "20"}]),
            "messenger.yaml": messenger(redeliver_timeout=21),
        },
        "",
    ),
    "a worker that says that it is at it": (
        "D-77",
        {
            "a.yaml": workload([*CONSUME, "--keepalive=10"], pod={"terminationGracePeriodSeconds": 300}),
            "messenger.yaml": messenger(redeliver_timeout=30),
        },
        "",
    ),
    "nobody wrote it": ("D-77", {"a.yaml": workload(CONSUME), "messenger.yaml": messenger()}, ""),
    "a text that Redis' transport takes for 0": (
        "D-77",
        {"a.yaml": workload(CONSUME), "messenger.yaml": messenger(redeliver_timeout="240.0")},
        "gives a message to another worker after 0 s",
    ),
    # RabbitMQ takes back what is not acknowledged.
    "two hours on RabbitMQ": ("D-87", celery(**LATE, task_time_limit=7200), "may run 7200 s, and RabbitMQ takes back"),
    "half an hour": ("D-87", celery(**LATE, task_time_limit=1800), "after 1800 s, its default"),
    "less than half an hour": ("D-87", celery(**LATE, task_time_limit=1799), ""),
    "two hours on Redis": ("D-87", celery(**{**LATE, "broker_url": "redis://r"}, task_time_limit=7200), ""),
    "acknowledged before": ("D-87", celery(**{**LATE, "task_acks_late": False}, task_time_limit=7200), ""),
    "a broker that was told otherwise": (
        "D-87",
        {
            **celery(**LATE, task_time_limit=7200),
            "c.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: rabbit}\ndata:\n"
            "  rabbitmq.conf: consumer_timeout = 10800000\n",
        },
        "",
    ),
    **{
        f"told by {where}": ("D-87", {**celery(**LATE, task_time_limit=7200), **files}, "")
        for where, files in TOLD_RABBITMQ.items()
    },
    "settings that never say Celery": (
        "D-87",
        {"config.py": celery(**LATE, task_time_limit=7200)["celeryconfig.py"]},
        "may run 7200 s",
    ),
    "one word of Celery's in a program": ("D-87", {"config.py": "task_time_limit = 7200\n"}, ""),
    # An autoscaler that names a workload otherwise.
    "a part left out": ("D-5i", scaled("jobs-gpu"), "scales Deployment jobs-gpu, which is not there; Deployment jobs"),
    "a letter": ("D-5i", scaled("jobss"), "write name: jobs into scaleTargetRef"),
    "another name altogether": ("D-5i", scaled("website"), ""),
    "another kind": ("D-5i", of_kind("StatefulSet", scaled("jobs-gpu")), ""),
    "another file": ("D-5i", scaled("jobs-gpu", file="b.yaml"), ""),
    "two that may be meant": ("D-5i", scaled("jobs-gpu", "mail"), ""),
    "its own name": ("D-5i", scaled("jobs"), ""),
    # BullMQ's lists.
    "a list of workers that nobody sees": (
        "D-5f",
        {"a.yaml": workload([]), "k.yaml": keda(listing("mail")), "package.json": PACKAGE},
        "",
    ),
    "a queue's name alone": (
        "D-5f",
        {"a.yaml": workload(["node", "worker.js"]), "k.yaml": keda(listing("mail")), "package.json": PACKAGE},
        (
            "counts mail, and the lists of bullmq are called bull:<queue>:wait: it stays empty; "
            "write listName: bull:mail:wait"
        ),
    ),
    "a list of BullMQ's": (
        "D-5f",
        {"a.yaml": workload(["node", "worker.js"]), "k.yaml": keda(listing("q:mail:wait")), "package.json": PACKAGE},
        "",
    ),
    "a program without BullMQ": (
        "D-5f",
        {"a.yaml": workload(["node", "worker.js"]), "k.yaml": keda(listing("mail")), "package.json": "{}"},
        "",
    ),
    "Celery beside a front end with BullMQ": (
        "D-5f",
        {"a.yaml": workload(CELERY), "k.yaml": keda(listing("celery")), "package.json": PACKAGE},
        "",
    ),
    # What KEDA refuses, and what it leaves out.
    "idle is the least": ("D-5b", bounded(idleReplicaCount=1, minReplicaCount=1), "of 1, which is not below the minim"),
    "idle of no minimum": ("D-5b", bounded(idleReplicaCount=1), "not below the minimum of 0"),
    "idle at zero of no minimum": ("D-5b", bounded(idleReplicaCount=0), "remove idleReplicaCount, or write minRepl"),
    "idle at zero of zero": ("D-5b", bounded(idleReplicaCount=0, minReplicaCount=0), ""),
    "idle below the least": ("D-5b", bounded(idleReplicaCount=0, minReplicaCount=1), ""),
    "Azure's visible messages": (
        "D-56",
        bounded(azure(queueLengthStrategy="visibleOnly")),
        "write queueLengthStrategy",
    ),
    "all of Azure's messages": ("D-56", bounded(azure(queueLengthStrategy="all")), ""),
    "more consumers than partitions": (
        "D-5j",
        {**bounded(kafka(allowIdleConsumers="true"), maxReplicaCount=7), "t.yaml": TOPIC},
        "may start 7 pods for the 6 partitions of clicks",
    ),
    "KEDA's own hundred": ("D-5j", {**bounded(kafka(allowIdleConsumers="true")), "t.yaml": TOPIC}, "may start 100"),
    "a consumer for each partition": (
        "D-5j",
        {**bounded(kafka(allowIdleConsumers="true"), maxReplicaCount=6), "t.yaml": TOPIC},
        "",
    ),
    "a topic that is called otherwise than its object": (
        "D-5j",
        {
            **bounded(kafka(allowIdleConsumers="true"), maxReplicaCount=7),
            "t.yaml": f"{TOPIC.replace('{partitions', '{topicName: old-clicks, partitions')}---\n{RENAMED}",
        },
        "",
    ),
    "another topic with more partitions": (
        "D-5j",
        {
            **bounded(*(kafka(allowIdleConsumers="true", topic=one) for one in ("clicks", "mail")), maxReplicaCount=7),
            "t.yaml": f"{TOPIC}---\n{TOPIC.replace('clicks', 'mail').replace('6', '9')}",
        },
        "",
    ),
    "one of two topics is somebody else's": (
        "D-5j",
        {
            **bounded(*(kafka(allowIdleConsumers="true", topic=one) for one in ("clicks", "mail")), maxReplicaCount=7),
            "t.yaml": TOPIC,
        },
        "",
    ),
    "KEDA stops at the partitions": ("D-5j", {**bounded(kafka(), maxReplicaCount=7), "t.yaml": TOPIC}, ""),
    "a topic of somebody else's": ("D-5j", bounded(kafka(allowIdleConsumers="true"), maxReplicaCount=7), ""),
    # Horizon waits for its workers, or does not.
    "Horizon ends fast": ("D-88", horizon("'fast_termination' => true"), "without waiting for its workers"),
    "Horizon waits": ("D-88", horizon("'fast_termination' => false"), ""),
    "queue:work beside Horizon's file": (
        "D-88",
        {**horizon("'fast_termination' => true"), "a.yaml": workload(["php", "artisan", "queue:work"])},
        "",
    ),
    # Workers by other names.
    "Dramatiq by Django": (
        "D-21",
        {"a.yaml": workload(["python", "manage.py", "rundramatiq", "--worker-shutdown-timeout", "95000"])},
        "dramatiq may take 95 s",
    ),
    "a swarm of Sidekiq": (
        "D-21",
        {"a.yaml": workload(["bundle", "exec", "sidekiqswarm", "-t", "100"])},
        "sidekiqswarm may take 100 s",
    ),
    # What ends before the worker does.
    "stunnel": ("D-27", beside("registry.example/stunnel:5.72"), "ends at SIGTERM at once"),
    "a log shipper": ("D-27", beside("registry.example/fluent-bit:3"), ""),
    # What to write, where exec in its place would not do.
    "npm in a shell": (
        "D-10",
        {"Dockerfile": "FROM node:22-slim\nCMD npm run worker\n", "package.json": PACKAGE, "a.yaml": workload([])},
        'write CMD ["node", "dist/worker.js"]',
    ),
    "a daemon in a script": (
        "D-11",
        {
            "run.sh": "#!/bin/sh\ncelery -A shop worker --detach\ntail -f /var/log/w.log\n",
            "Dockerfile": 'FROM debian:12\nCOPY run.sh /run.sh\nCMD ["/run.sh"]\n',
        },
        "leave --detach out, and write exec before the worker",
    ),
    "foreman": ("D-11", {"a.yaml": workload(["foreman", "start", "worker"])}, "foreman, which kills it 5 s after the"),
    "foreman with time": ("D-11", {"a.yaml": workload(["foreman", "start", "-t", "80", "worker"])}, ""),
}


@pytest.mark.parametrize("case", EDGES)
def test_a_kind_that_reports_brought_is_said_in_its_figures_and_what_is_right_beside_it_is_not(case: str) -> None:
    said_of(*EDGES[case])


def test_a_broker_that_compose_brings_along_is_not_asked_for_its_dockerfile() -> None:
    services = "services:\n  redis: {image: redis:7}\n  web: {image: registry.example/web:1, command: [puma]}\n"
    report = said("compose.yaml", services + "  w: {image: a, command: [rq, worker], stop_grace_period: 5m}\n")
    assert not any("redis" in text for text in report)
    assert any(text.endswith("no worker is seen in it; it runs 'puma'") for text in report)


@pytest.mark.parametrize("image", ["registry.example/redis-sync:2", "registry.example/kafka-cleaner:1"])
def test_an_image_that_is_only_called_after_a_broker_is_named_as_not_judged(image: str) -> None:
    report = said("compose.yaml", f"services:\n  sync: {{image: {image}}}\n  w: {{image: a, command: [rq, worker]}}\n")
    assert any("sync is not judged" in text for text in report)


def said(name: str, text: str) -> list[str]:
    return [note.text for note in diagnose_files([File(name, text)]).notes]
