"""What doctor says of the kinds that forty set-ups of another hand brought, and of what stands beside each."""

from __future__ import annotations

from typing import Any

import pytest
from tests import quick_yaml
from tests.doctor.test_edges import (
    CONSUME,
    OF_CONTAINERS,
    OF_MILLICORES,
    OF_PODS,
    Edge,
    celery,
    hpa,
    keda,
    said_of,
    workload,
)
from tests.doctor.test_scaling_edges import external

from ebbtide.doctor.diagnose import diagnose_files
from ebbtide.doctor.files import File

CELERY = ["celery", "-A", "shop", "worker", "-c", "2"]
RQ = ["rq", "worker", "high"]
PING = ["celery", "-A", "shop", "inspect", "ping", "-d", "celery@$HOSTNAME"]
DRAMATIQ = ["dramatiq", "tasks"]
ARTISAN = ["php", "artisan", "queue:work"]
OF_A_MINUTE = "import rq\nqueue.enqueue(f, job_timeout=60)\n"


def pinged(command: list[str], probe: list[str], **times: int) -> dict[str, str]:
    return {"a.yaml": workload(command, livenessProbe={"exec": {"command": probe}, **times})}


def of_kind(kind: str, command: list[str], **pod: Any) -> dict[str, str]:
    data = quick_yaml.load(workload(command, pod=pod))
    data["kind"] = kind
    if kind == "CronJob":
        data["spec"] = {"schedule": "* * * * *", "jobTemplate": {"spec": {"template": data["spec"]["template"]}}}
    return {"a.yaml": quick_yaml.dump(data)}


def graced(command: list[str], seconds: int, **code: str) -> dict[str, str]:
    pod = {"terminationGracePeriodSeconds": seconds}
    return {"a.yaml": workload(command, pod=pod), **{f"{name}.py": text for name, text in code.items()}}


def actor(limit: str) -> str:
    return f"import dramatiq\n\n\n@dramatiq.actor(time_limit={limit})\ndef export():\n    pass\n"


def vertical(mode: Any = None, *policies: dict[str, Any], name: str = "jobs") -> str:
    spec: dict[str, Any] = {"targetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}}
    if mode is not None:
        spec["updatePolicy"] = {"updateMode": mode}
    if policies:
        spec["resourcePolicy"] = {"containerPolicies": list(policies)}
    metadata = {"name": "jobs", "namespace": "shop"}
    kind = {"apiVersion": "autoscaling.k8s.io/v1", "kind": "VerticalPodAutoscaler"}
    return quick_yaml.dump({**kind, "metadata": metadata, "spec": spec})


def worked(container: dict[str, Any]) -> str:
    """A Deployment that runs what its image does."""
    data = quick_yaml.load(workload([], **container))
    del data["spec"]["template"]["spec"]["containers"][0]["command"]
    data["metadata"]["name"] = "jobs-worker"
    return quick_yaml.dump(data)


PHP = "<?php\npcntl_async_signals(true);\npcntl_signal(SIGTERM, function () { $GLOBALS['stop'] = true; });\n"
OF_INT = "import signal\n\nsignal.signal(signal.SIGINT, stop)\n"
FPM, PYTHON, PHP_W = "php:8.1-fpm", "python:3.12", '["php", "w.php"]'
FIGHT = "changes the cpu request, of which HorizontalPodAutoscaler jobs counts in percent"
LATE = {"task_acks_late": True, "task_reject_on_worker_lost": True, "worker_prefetch_multiplier": 1}
SHARED = {"limits": {"memory": "512Mi"}}
EDGES: dict[str, Edge] = {
    **{
        f"a ping of {' '.join(pool) or 'prefork'}, {times}": ("D-4b", pinged([*CELERY, *pool], PING, **times), said)
        for pool, times, said in (
            (["--pool", "solo"], {}, "each that takes longer than 30 s ends the container"),
            (["-Psolo"], {"periodSeconds": 60, "failureThreshold": 5}, "longer than 300 s"),
            (["--pool=solo"], {"periodSeconds": 20}, "longer than 60 s"),
            (["-P", "threads"], {}, ""),
            ([], {}, ""),
        )
    },
    "a ping in a shell": ("D-4b", pinged([*CELERY, "-P", "solo"], ["sh", "-c", " ".join(PING)]), "answers nothing"),
    "another probe of solo": ("D-4b", pinged([*CELERY, "-P", "solo"], ["pgrep", "celery"]), ""),
    **{
        f"a {kind} that ends: {' '.join(command[-2:])} {pod}": ("D-4c", of_kind(kind, command, **pod), said)
        for kind, command, pod, said in (
            ("Deployment", [*CONSUME, "--time-limit=60"], {}, "ends by itself after 60 s (--time-limit)"),
            ("StatefulSet", [*CONSUME, "-t", "599"], {}, "after 599 s (-t)"),
            ("Deployment", ["php", "artisan", "queue:work", "--stop-when-empty"], {}, "when the queue is empty"),
            ("Deployment", ["php", "artisan", "queue:work", "--max-time=300"], {}, "after 300 s (--max-time)"),
            ("DaemonSet", ["rq", "worker", "--burst", "high"], {}, "when the queue is empty (--burst)"),
            ("Deployment", [*CONSUME, "--time-limit=600"], {}, ""),
            ("Deployment", [*CONSUME, "--memory-limit=128M"], {}, ""),
            ("CronJob", ["php", "artisan", "queue:work", "--stop-when-empty"], {}, ""),
            ("Pod", [*CONSUME, "--time-limit=60"], {}, ""),
            ("ReplicaSet", [*CONSUME, "--time-limit=60"], {"restartPolicy": "Never"}, ""),
            ("Deployment", ["sh", "-c", "while :; do php bin/console messenger:consume a -t 9; done"], {}, ""),
        )
    },
    **{
        f"an actor of {limit}, {seconds} s, {' '.join(more)}": (
            "D-21",
            graced([*DRAMATIQ, *more], seconds, t=actor(limit)),
            said,
        )
        for limit, seconds, more, said in (
            ("900_000", 60, [], "dramatiq may take 900 s to finish"),
            ("60 * 60 * 1000", 60, [], "may take 3600 s"),
            ("45_500", 45, [], "may take 46 s"),
            ("900_000", 900, [], ""),
            ("900_000", 60, ["--worker-shutdown-timeout", "50000"], ""),
            ("settings.LIMIT", 60, [], ""),
            ("float('inf')", 60, [], ""),
        )
    },
    **{
        f"{words}": ("D-21", graced(command, 60, tasks=code), said)
        for words, command, code, said in (
            (
                "a task's own limit",
                CELERY,
                "from celery import shared_task\n@shared_task(time_limit=900)\ndef f(): ...\n",
                "may take 900 s",
            ),
            (
                "an app's task",
                CELERY,
                "import celery\n@app.task(bind=True, soft_time_limit=300)\ndef f(): ...\n",
                "may take 300 s",
            ),
            ("another library's limit", CELERY, "import huey\n@huey.task(time_limit=900)\ndef f(): ...\n", ""),
            ("a call of a task", CELERY, "from celery import chain\nf.apply_async(time_limit=900)\n", ""),
            ("a job's own limit", RQ, "import rq\nqueue.enqueue(f, job_timeout=540)\n", "rq worker may take 540 s"),
            ("a queue's limit", RQ, "from rq import Queue\nq = Queue('high', default_timeout=500)\n", "may take 500 s"),
            ("a job's limit in words", RQ, "import rq\nqueue.enqueue(f, job_timeout='9m')\n", ""),
        )
    },
    **{
        f"a node's scale-down, {seconds} s and {words}": ("D-24", graced(command, seconds, tasks=code), said)
        for seconds, command, words, code, said in (
            (660, DRAMATIQ, "540 s", actor("540_000"), ""),
            (660, DRAMATIQ, "599 s", actor("599_000"), ""),
            (660, DRAMATIQ, "600 s", actor("600_000"), "has 660 s to finish"),
            (660, DRAMATIQ, "nothing", "", "has 660 s to finish"),
            (601, ["bundle", "exec", "sidekiq", "-t", "590"], "-t 590", "", ""),
            # What sets no limit is longer than any; 0 of Sidekiq is what it says.
            (700, ARTISAN, "Laravel's own", "", ""),
            (700, [*ARTISAN, "--timeout=590"], "--timeout=590", "", ""),
            (700, [*ARTISAN, "--timeout=$(LONGEST)"], "--timeout=$(LONGEST)", "", "has 700 s to finish"),
            (700, ["bundle", "exec", "sidekiq", "-t", "$(LONGEST)"], "-t $(LONGEST)", "", "has 700 s to finish"),
            (700, [*ARTISAN, "--timeout=0"], "--timeout=0", "", "has 700 s to finish"),
            (700, [*CELERY, "--time-limit=590"], "--time-limit=590", "", ""),
            (700, [*CELERY, "--time-limit=0"], "--time-limit=0", "", "has 700 s to finish"),
            (
                700,
                [*CELERY, "--time-limit=0"],
                "a file's 60",
                "task_time_limit = 60\ntask_acks_late = True\n",
                "has 700 s",
            ),
            (700, CELERY, "task_time_limit = 0", "task_time_limit = 0\ntask_acks_late = True\n", "has 700 s to finish"),
            (700, CELERY, "task_time_limit = 60", "task_time_limit = 60\ntask_acks_late = True\n", ""),
            (700, RQ, "jobs of a minute", OF_A_MINUTE, ""),
            (700, RQ, "a job without limit", OF_A_MINUTE + "queue.enqueue(g, job_timeout=-1)\n", "has 700 s"),
            (700, RQ, "queues of a minute", "RQ_QUEUES = {'jobs': {'DEFAULT_TIMEOUT': 60}}\n", ""),
            (
                700,
                RQ,
                "a queue without limit",
                "RQ_QUEUES = {'jobs': {'DEFAULT_TIMEOUT': -1}}\n",
                "has 700 s to finish",
            ),
            (700, ["bundle", "exec", "sidekiq", "-t", "0"], "-t 0", "", ""),
        )
    },
    **{
        f"an HPA of a {name}": (
            "D-59",
            {"a.yaml": workload(CELERY), "h.yaml": hpa(metrics=[external(name, type="Value", value="30")])},
            said,
        )
        for name, said in (
            ("sidekiq_queue_latency_seconds", ""),
            ("queue/oldest_unacked_message_age", ""),
            ("rabbitmq_queue_messages", "compares the whole of rabbitmq_queue_messages"),
            ("messages_by_page", "compares the whole of"),
        )
    },
    **{
        f"a VPA of {mode} {policies} beside {words}": (
            "D-5k",
            {"v.yaml": vertical(mode, *policies), "a.yaml": workload(CELERY), "h.yaml": scaler},
            said,
        )
        for mode, policies, words, scaler, said in (
            ("Auto", (), "its CPU", hpa(metrics=[OF_PODS]), FIGHT),
            (None, (), "its CPU", hpa(metrics=[OF_PODS]), FIGHT),
            ("InPlaceOrRecreate", (), "a container's CPU", hpa(metrics=[OF_CONTAINERS]), FIGHT),
            (
                "Recreate",
                ({"containerName": "*", "minAllowed": {"cpu": "1"}},),
                "its CPU",
                hpa(metrics=[OF_PODS]),
                FIGHT,
            ),
            (
                "Auto",
                (),
                "KEDA's CPU",
                keda({"type": "cpu", "metadata": {"value": "60"}}),
                "of which ScaledObject jobs counts",
            ),
            ("Off", (), "its CPU", hpa(metrics=[OF_PODS]), ""),
            (False, (), "its CPU", hpa(metrics=[OF_PODS]), ""),
            ("Initial", (), "its CPU", hpa(metrics=[OF_PODS]), ""),
            (
                "Auto",
                ({"containerName": "*", "controlledResources": ["memory"]},),
                "its CPU",
                hpa(metrics=[OF_PODS]),
                "",
            ),
            ("Auto", ({"containerName": "*", "mode": "Off"},), "its CPU", hpa(metrics=[OF_PODS]), ""),
            ("Auto", (), "millicores", hpa(metrics=[OF_MILLICORES]), ""),
            ("Auto", (), "a queue", hpa(metrics=[external(type="AverageValue", averageValue="5")]), ""),
        )
    },
    **{
        f"{command} of {image}, with {code!r}": (
            "D-12",
            {
                "Dockerfile": f"FROM {image}\nCOPY . /app\nWORKDIR /app\nCMD {command}\n",
                name: code,
                "a.yaml": worked(stop),
            },
            said,
        )
        for image, command, name, code, stop, said in (
            (
                "php:8.1-fpm",
                '["php", "worker.php"]',
                "worker.php",
                PHP,
                {},
                "is stopped by SIGQUIT, and worker.php speaks of",
            ),
            (
                "php:8.1-fpm",
                '["php", "-d", "a=b", "bin/worker.php"]',
                "bin/worker.php",
                PHP,
                {},
                "is stopped by SIGQUIT",
            ),
            ("php:8.1-cli", PHP_W, "w.php", PHP, {}, ""),
            (FPM, PHP_W, "w.php", PHP + "pcntl_signal(SIGQUIT, $f);\n", {}, ""),
            (FPM, PHP_W, "w.php", "<?php\nwork();\n", {}, ""),
            (FPM, PHP_W, "w.php", PHP, {"lifecycle": {"stopSignal": "SIGTERM"}}, ""),
            (f"{FPM}\nSTOPSIGNAL SIGTERM", PHP_W, "w.php", PHP, {}, ""),
            (
                "python:3.12",
                '["python", "w.py"]',
                "w.py",
                OF_INT,
                {},
                "is stopped by SIGTERM, and w.py speaks of SIGINT",
            ),
            (PYTHON, '["python", "w.py"]', "w.py", OF_INT + "for s in (signal.SIGTERM,): set_(s)\n", {}, ""),
            (PYTHON, '["python", "w.py"]', "w.py", OF_INT.replace("stop", "signal.SIG_IGN"), {}, ""),
            (PYTHON, '["python", "w.py"]', "w.py", OF_INT.replace("SIGINT", "SIGUSR1"), {}, ""),
            (PYTHON, '["python", "other.py"]', "w.py", OF_INT, {}, ""),
        )
    },
    "a VPA of another": (
        "D-5k",
        {"v.yaml": vertical(name="web"), "a.yaml": workload(CELERY), "h.yaml": hpa(metrics=[OF_PODS])},
        "",
    ),
    **{
        f"{' '.join(more) or 'no concurrency'}, {settings}, {resources}": (
            "D-89",
            {"a.yaml": workload([*CELERY[:4], *more], resources=resources), **(celery(**settings) if settings else {})},
            said,
        )
        for more, settings, resources, said in (
            ([], LATE, SHARED, "starts a process for each CPU of its node"),
            (["--pool=prefork"], LATE, SHARED, "which share a memory of 512Mi"),
            (["-c4"], LATE, SHARED, ""),
            (["--autoscale=4,1"], LATE, SHARED, ""),
            (["-P", "gevent"], LATE, SHARED, ""),
            ([], {**LATE, "worker_concurrency": 4}, SHARED, ""),
            ([], LATE, {}, ""),
            ([], {}, SHARED, ""),
        )
    },
}


@pytest.mark.parametrize("case", EDGES)
def test_a_kind_that_a_stranger_brought_is_said_and_what_is_right_beside_it_is_not(case: str) -> None:
    said_of(*EDGES[case])


@pytest.mark.parametrize("command", [CELERY, CELERY[:4]])
def test_how_many_processes_celery_starts_is_not_judged_where_its_settings_are_not_there(command: list[str]) -> None:
    files = [File("a.yaml", workload(command, resources=SHARED))]
    said = [note.text for note in diagnose_files(files).notes if "how many processes" in note.text]
    assert len(said) == ("-c" not in command)


def test_a_job_says_in_its_own_place_that_its_node_may_not_be_scaled_down() -> None:
    for kind in ("Deployment", "CronJob"):
        files = of_kind(kind, CONSUME, terminationGracePeriodSeconds=900)
        said_of("D-24", files, "has 900 s to finish")
        data = quick_yaml.load(files["a.yaml"])
        template = data["spec"]["template"] if kind == "Deployment" else data["spec"]["jobTemplate"]["spec"]["template"]
        template["metadata"]["annotations"] = {"cluster-autoscaler.kubernetes.io/safe-to-evict": "false"}
        said_of("D-24", {"a.yaml": quick_yaml.dump(data)}, "")
