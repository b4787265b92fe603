"""What is written otherwise and means the same, and what is written beside something else and means another."""

from __future__ import annotations

from typing import Any

import pytest
from tests import quick_yaml
from tests.doctor.test_blind_edges import CELERY, DRAMATIQ, FIGHT, RQ, graced, vertical, worked
from tests.doctor.test_edges import OF_CONTAINERS, OF_PODS, Edge, hpa, said_of, workload

REDIS = ["redis-server"]
QUEUE = {"compose.yaml": "services: {w: {image: w, environment: {CELERY_BROKER_URL: 'redis://jobs:6379/0'}}}\n"}
SCHEDULE = ["php", "artisan", "schedule:work"]
EVERY_DAY = "use Illuminate\\Support\\Facades\\Schedule;\nSchedule::command('bills')->daily()"


def redis(command: list[str], mounts: dict[str, str], conf: str = "") -> dict[str, str]:
    """A Redis, what it mounts by path and kind, and what its ConfigMap holds."""
    volumes: list[dict[str, Any]] = [
        {"name": f"v{n}", kind: {"name": "conf"} if kind == "configMap" else {"claimName": "c"}}
        for n, kind in enumerate(mounts.values())
    ]
    places = [{"name": f"v{n}", "mountPath": path} for n, path in enumerate(mounts)]
    text = workload(command, image="redis:7", volumeMounts=places, pod={"volumes": volumes})
    data = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf"}, "data": {"redis.conf": conf}}
    return {"a.yaml": text, "c.yaml": quick_yaml.dump(data), **QUEUE}


def two_containers(*policies: dict[str, Any], metric: dict[str, Any] = OF_PODS) -> dict[str, str]:
    """A worker `w` with a proxy beside it, an HPA and a VPA."""
    data = quick_yaml.load(workload(CELERY))
    data["spec"]["template"]["spec"]["containers"].append({"name": "proxy", "image": "envoy:1"})
    return {"v.yaml": vertical("Auto", *policies), "a.yaml": quick_yaml.dump(data), "h.yaml": hpa(metrics=[metric])}


def off(name: str) -> dict[str, Any]:
    return {"containerName": name, "mode": "Off"}


def of_memory(name: str) -> dict[str, Any]:
    return {"containerName": name, "controlledResources": ["memory"]}


CLAIM = {"/data": "persistentVolumeClaim"}
TWO_QUEUES = (
    "import dramatiq\n\n\n@dramatiq.actor(queue_name='mail', time_limit=30_000)\ndef mail(): ...\n\n\n"
    "@dramatiq.actor(queue_name='exports', time_limit=900_000)\ndef export(): ...\n"
)
TWO_TASKS = (
    "from celery import shared_task\n\n\n@shared_task(queue='mail', time_limit=30)\ndef mail(): ...\n\n\n"
    "@shared_task(queue='exports', time_limit=900)\ndef export(): ...\n"
)
ROUTED = "from celery import shared_task\n\n\n@shared_task(time_limit=900)\ndef export(): ...\n"
TWO_RQ = "import rq\nhigh = rq.Queue('high', default_timeout=30)\nlow = rq.Queue('low', default_timeout=900)\n"
TERM_BY_NUMBER = "import signal\n\nsignal.signal(signal.SIGINT, stop)\nsignal.signal(15, stop)\n"
EDGES: dict[str, Edge] = {
    # Redis reads its own words in any case, and a value in quotes.
    **{
        f"a Redis with {conf!r}": (rule, {"redis.conf": conf}, said)
        for rule, conf, said in (
            ("D-90", 'maxmemory-policy "allkeys-lru"\n', "removes keys when its memory is full (allkeys-lru)"),
            ("D-90", "MaxMemory-Policy AllKeys-LRU\n", "removes keys when its memory is full (allkeys-lru)"),
            ("D-90", "maxmemory-policy 'noeviction'\n", ""),
            ("D-91", 'SAVE ""\n', "keeps nothing on disk"),
            ("D-91", "save ''\nAppendOnly no\n", "keeps nothing on disk"),
            ("D-91", 'SAVE ""\nAPPENDONLY "yes"\n', ""),
            ("D-91", 'save ""\nsave 60 1\n', ""),
        )
    },
    **{
        f"a Redis told {' '.join(words)}": (rule, {"a.yaml": workload([*REDIS, *words], image="redis:7")}, said)
        for rule, words, said in (
            ("D-91", ["--SAVE", ""], "keeps nothing on disk"),
            ("D-91", ["--save", '""', "--appendonly", "NO"], "keeps nothing on disk"),
            ("D-90", ["--maxmemory-policy", '"allkeys-lru"'], "(allkeys-lru)"),
        )
    },
    # Only a claim at the directory that it writes to outlives the pod.
    **{
        f"a Redis of {' '.join(command)}, {mounts}, {conf!r}": ("D-91", redis(command, mounts, conf), said)
        for command, mounts, conf, said in (
            (REDIS, CLAIM, "", ""),
            (REDIS, {"/conf": "persistentVolumeClaim"}, "", "keeps the queue inside of its pod"),
            (REDIS, {"/conf": "persistentVolumeClaim", **CLAIM}, "", ""),
            (REDIS, {"/": "persistentVolumeClaim"}, "", ""),
            ([*REDIS, "--dir", "/var/redis"], CLAIM, "", "keeps the queue inside of its pod"),
            ([*REDIS, "--dir", "/data/jobs"], CLAIM, "", ""),
            ([*REDIS, "/etc/redis.conf"], {"/etc": "configMap", "/var/r": "persistentVolumeClaim"}, "dir /var/r\n", ""),
            ([*REDIS, "/conf/redis.conf"], {"/conf": "persistentVolumeClaim"}, "", ""),
            ([*REDIS, "--dir", "./jobs"], {"/conf": "persistentVolumeClaim"}, "", ""),
        )
    },
    # A policy is of the container that it names, and `*` of all that no other is of.
    **{
        f"a VPA of two containers, {policies}, {metric['type']}": ("D-5k", two_containers(*policies, metric=metric), s)
        for policies, metric, s in (
            ((), OF_PODS, FIGHT),
            ((off("proxy"),), OF_PODS, FIGHT),
            ((off("w"),), OF_PODS, FIGHT),
            ((off("w"), off("proxy")), OF_PODS, ""),
            ((off("*"),), OF_PODS, ""),
            ((off("*"), {"containerName": "w", "mode": "Auto"}), OF_PODS, FIGHT),
            ((off("w"),), OF_CONTAINERS, ""),
            ((off("proxy"),), OF_CONTAINERS, FIGHT),
            ((of_memory("proxy"),), OF_PODS, FIGHT),
            ((of_memory("w"), of_memory("proxy")), OF_PODS, ""),
            ((of_memory("*"), off("w")), OF_PODS, ""),
            ((of_memory("w"),), OF_CONTAINERS, ""),
        )
    },
    "a VPA of what is not there, but for its sidecar": (
        "D-5k",
        {"v.yaml": vertical("Auto", off("proxy")), "h.yaml": hpa(metrics=[OF_PODS])},
        FIGHT,
    ),
    # A limit is of the tasks that it stands at, and of the workers of their queue.
    **{
        f"{' '.join(command)} with {code[7:14]}, {seconds} s": (rule, graced(command, seconds, tasks=code), said)
        for rule, command, seconds, code, said in (
            ("D-21", [*DRAMATIQ, "-Q", "mail"], 60, TWO_QUEUES, ""),
            ("D-21", [*DRAMATIQ, "--queues", "mail", "exports"], 60, TWO_QUEUES, "may take 900 s"),
            ("D-21", [*DRAMATIQ], 60, TWO_QUEUES, "may take 900 s"),
            ("D-24", [*DRAMATIQ, "-Q", "mail"], 660, TWO_QUEUES, ""),
            ("D-24", [*DRAMATIQ, "-Q", "exports"], 660, TWO_QUEUES, "has 660 s to finish"),
            ("D-21", [*CELERY, "-Q", "mail"], 60, TWO_TASKS, ""),
            ("D-21", [*CELERY, "-Q", "mail,exports"], 60, TWO_TASKS, "may take 900 s"),
            ("D-21", [*CELERY], 60, TWO_TASKS, "may take 900 s"),
            ("D-21", [*CELERY, "-Q", "mail"], 60, ROUTED, "may take 900 s"),
            ("D-21", ["rq", "worker", "high"], 60, TWO_RQ, ""),
            ("D-21", ["rq", "worker", "high", "low"], 60, TWO_RQ, "may take 900 s"),
            ("D-21", RQ, 60, "import rq\nqueue.enqueue(f, job_timeout=540)\n", "may take 540 s"),
        )
    },
    # What a comment says is not done.
    **{
        f"a schedule that says {words}": (
            "D-47",
            {"a.yaml": workload(SCHEDULE, replicas=3), "routes/console.php": f"<?php\n{code}\n"},
            said,
        )
        for words, code, said in (
            ("onOneServer", f"{EVERY_DAY}->onOneServer();", ""),
            ("onOneServer in a comment", f"{EVERY_DAY}; // ->onOneServer()", "keeps a schedule in 3 processes"),
            ("onOneServer in a block", f"/* onOneServer() */\n{EVERY_DAY};", "keeps a schedule in 3 processes"),
            ("onOneServer in a text", f"{EVERY_DAY}->name('onOneServer');", "keeps a schedule in 3 processes"),
            ("onOneServer in other letters", f"{EVERY_DAY}\n    ->ononeserver();", ""),
        )
    },
    # A signal by its number, and one that only the running program knows.
    **{
        f"a program with {code!r}": (
            "D-12",
            {
                "Dockerfile": f'FROM {image}\nCOPY . /app\nWORKDIR /app\nCMD ["{program}", "{name}"]\n',
                name: code,
                "a.yaml": worked({}),
            },
            said,
        )
        for image, program, name, code, said in (
            ("python:3.12", "python", "w.py", TERM_BY_NUMBER, ""),
            (
                "python:3.12",
                "python",
                "w.py",
                "import signal\nsignal.signal(2, stop)\n",
                "is stopped by SIGTERM, and w.py speaks of SIGINT",
            ),
            (
                "python:3.12",
                "python",
                "w.py",
                (
                    "import signal\nsignal.signal(signal.SIGINT, stop)\n"
                    "for name in ('TERM', 'HUP'):\n    signal.signal(getattr(signal, f'SIG{name}'), stop)\n"
                ),
                "",
            ),
            (
                "python:3.12",
                "python",
                "w.py",
                (
                    "import signal\nsignal.signal(signal.SIGINT, stop)\n"
                    "for one in signal.Signals:\n    signal.signal(one, stop)\n"
                ),
                "",
            ),
            (
                "python:3.12",
                "python",
                "w.py",
                "from signal import SIGINT, signal\nsignal(SIGINT, stop)\n",
                "is stopped by SIGTERM, and w.py speaks of SIGINT",
            ),
            ("python:3.12", "python", "w.py", "from signal import SIGINT, signal\nsignal(15, stop)\n", ""),
            ("python:3.12", "python", "w.py", "import signal\nsignal.signal(signal.Signals(15), stop)\n", ""),
            (
                "python:3.12",
                "python",
                "w.py",
                "import signal\n# SIGTERM is not handled here\nsignal.signal(signal.SIGINT, stop)\n",
                "is stopped by SIGTERM, and w.py speaks of SIGINT",
            ),
            ("php:8.1-fpm", "php", "w.php", "<?php\npcntl_signal(SIGTERM, $f);\npcntl_signal(3, $f);\n", ""),
            ("php:8.1-fpm", "php", "w.php", "<?php\npcntl_signal(15, $f);\n", "is stopped by SIGQUIT"),
            (
                "php:8.1-fpm",
                "php",
                "w.php",
                "<?php\nforeach ([SIGTERM, 3] as $one) {\n    pcntl_signal($one, $f);\n}\n",
                "",
            ),
            (
                "php:8.1-fpm",
                "php",
                "w.php",
                "<?php\n// fpm sends SIGQUIT\npcntl_signal(SIGTERM, $f);\n",
                "is stopped by SIGQUIT",
            ),
        )
    },
}


@pytest.mark.parametrize("case", EDGES)
def test_what_is_written_otherwise_is_read_and_what_stands_beside_it_is_not_taken_for_it(case: str) -> None:
    said_of(*EDGES[case])
