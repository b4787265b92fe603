"""What doctor says of how a container stops and starts, of its broker's settings and its manifests, at the edges."""

from __future__ import annotations

from typing import Any

import pytest
from tests import quick_yaml
from tests.doctor.test_edges import CONSUME, celery, hpa, keda, memory, s6, said_of, workload
from tests.doctor.test_scaling_edges import CELERY, SUPERVISE, Edge, laravel, listing

SEVENTY = "process_name=%(program_name)s_%(process_num)02d\nnumprocs=4\n"


def under(conf: str, grace: int | None = 90, **pod: Any) -> dict[str, str]:
    """A pod whose supervisord has this file."""
    text = workload(SUPERVISE, pod={"terminationGracePeriodSeconds": grace, **pod})
    return {"a.yaml": text.replace("terminationGracePeriodSeconds: null\n", ""), "w.conf": conf}


def program(command: str = " ".join(CONSUME), section: str = "program:mail", **options: Any) -> str:
    said = "".join(f"{name}={value}\n" for name, value in options.items())
    return f"[supervisord]\nnodaemon=true\n[{section}]\ncommand={command}\n{said}"


def hooked(script: str) -> dict[str, str]:
    """A pod with a script for a hook."""
    lifecycle = {"preStop": {"exec": {"command": ["/srv/drain.sh"]}}}
    docker = 'FROM debian:12\nCOPY drain.sh /srv/drain.sh\nCMD ["php", "bin/console", "messenger:consume"]\n'
    return {
        "a.yaml": workload(CONSUME, lifecycle=lifecycle),
        "drain.sh": f"#!/bin/sh\n{script}\n",
        "Dockerfile": docker,
    }


def hook(*command: str) -> dict[str, str]:
    return {"a.yaml": workload(CONSUME, lifecycle={"preStop": {"exec": {"command": [*command]}}})}


MANY = {"process_name": "%(program_name)s_%(process_num)02d", "numprocs": 4}


AT_ONCE = "ends at SIGTERM at once"


def beside(container: dict[str, Any], *, native: bool) -> str:
    data = quick_yaml.load(workload(CONSUME))
    pod = data["spec"]["template"]["spec"]
    if native:
        pod["initContainers"] = [{**container, "restartPolicy": "Always"}]
    else:
        pod["containers"].append(container)
    return quick_yaml.dump(data)


def annotated(evict: str | bool, **more: Any) -> str:
    data = quick_yaml.load(workload(CONSUME, **more))
    annotations = {"cluster-autoscaler.kubernetes.io/safe-to-evict": evict}
    data["spec"]["template"]["metadata"]["annotations"] = annotations
    return quick_yaml.dump(data)


REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"


def gone_in(name: str, seconds: int) -> dict[str, str]:
    probe = {"exec": {"command": ["true"]}, "terminationGracePeriodSeconds": seconds}
    return {"a.yaml": workload(CONSUME, **{name: probe})}


DROPPED = "it is refused, or dropped where validation is off"
GIVEN_UP = "is given up for good after 3 failed starts, 6 s without the broker"
AGAIN = "will be started again without a pause"
NOT_AGAIN = "ends with status 0 at its --limit, and is not started again"
OF_ENDS: dict[str, Edge] = {
    # How long supervisord waits, against the pod and against what is known of a message.
    **{
        f"stopwaitsecs {wait} in {grace} s": ("D-20", under(program(**wait), grace), said)
        for wait, grace, said in (
            ({"stopwaitsecs": 60}, 80, ""),
            ({"stopwaitsecs": 59}, 80, "is killed 59 s after it was asked to stop, although the pod has 80 s"),
            ({"stopwaitsecs": 59}, None, ""),
            ({"stopwaitsecs": 1}, 8, "write stopwaitsecs=1"),
            ({}, 90, "10 s, the default, after it was asked to stop, although the pod has 90 s"),
            ({}, 13, "10 s, the default, after it was asked to stop: every message that takes longer is cut off"),
            ({"stopwaitsecs": "%(ENV_WAIT)s"}, 90, ""),
        )
    },
    **{
        f"stopwaitsecs {wait} for a job of 60 s": (
            "D-20",
            under(program("php /srv/artisan queue:work --timeout=60", stopwaitsecs=wait), 80),
            said,
        )
        for wait, said in ((60, ""), (59, "and a job may take 60 s"))
    },
    # The grace period holds hook and workers.
    **{
        f"{grace} s for a hook of {sleep} s and a job of 60 s": (
            "D-21",
            {
                "a.yaml": workload(
                    laravel("--timeout=60"),
                    pod={"terminationGracePeriodSeconds": grace},
                    lifecycle={"preStop": {"exec": {"command": ["sleep", str(sleep)]}}},
                )
            },
            said,
        )
        for grace, sleep, said in (
            (70, 10, ""),
            (69, 10, "is killed after 69 s, and artisan queue:work may take 60 s to finish"),
            (69, 10, "after a hook of 10 s; write terminationGracePeriodSeconds: 85"),
        )
    },
    **{
        f"no time at all: {grace}": (
            "D-22",
            {"a.yaml": workload(CONSUME, pod={"terminationGracePeriodSeconds": grace})},
            "has a grace period of 0 s" if not grace else "",
        )
        for grace in (0, 1)
    },
    **{
        f"a hook of {sleep} s of 90 s": ("D-23", hook("sleep", str(sleep)), said)
        for sleep, said in ((88, "sleeps 88 s in its hook, and the pod is killed after 90 s"), (87, ""))
    },
    **{
        f"{grace} s on a node that goes, {evict}": (
            "D-24",
            {"a.yaml": annotated(evict, pod={"terminationGracePeriodSeconds": grace})},
            said,
        )
        for grace, evict, said in (
            (600, "true", ""),
            (601, "true", "has 601 s to finish, and the scale-down of its node kills it after 600 s"),
            (601, "false", ""),
            (601, "False", ""),
        )
    },
    # Spot, by each cloud's label.
    **{
        f"{grace} s on {label}={value}": (
            "D-25",
            {"a.yaml": workload(CONSUME, pod={"terminationGracePeriodSeconds": grace, "nodeSelector": {label: value}})},
            f"leave a pod {seconds} s, and asks for {grace} s" if grace > seconds else "",
        )
        for label, value, seconds in (
            ("cloud.google.com/gke-spot", "true", 15),
            ("cloud.google.com/gke-preemptible", "true", 15),
            ("cloud.google.com/gke-provisioning", "spot", 15),
            ("cloud.google.com/gke-provisioning", "preemptible", 15),
            ("kubernetes.azure.com/scalesetpriority", "spot", 30),
            ("karpenter.sh/capacity-type", "spot", 120),
            ("eks.amazonaws.com/capacityType", "SPOT", 120),
        )
        for grace in (seconds, seconds + 1)
    },
    **{
        f"Spot by {operator} {values} of {keys}": (
            "D-25",
            {
                "a.yaml": workload(
                    CONSUME,
                    pod={
                        "terminationGracePeriodSeconds": 300,
                        "affinity": {
                            "nodeAffinity": {
                                REQUIRED: {
                                    "nodeSelectorTerms": [
                                        {"matchExpressions": [{"key": key, "operator": operator, "values": values}]}
                                        for key in keys
                                    ]
                                }
                            }
                        },
                    },
                )
            },
            "runs on Spot machines, which leave a pod 15 s" if is_spot else "",
        )
        for operator, values, keys, is_spot in (
            ("In", ["true"], ("cloud.google.com/gke-spot",), True),
            ("Exists", None, ("cloud.google.com/gke-spot",), True),
            ("In", ["true", "false"], ("cloud.google.com/gke-spot",), False),
            ("In", ["spot", "preemptible"], ("cloud.google.com/gke-provisioning",), True),
            ("In", ["spot", "standard"], ("cloud.google.com/gke-provisioning",), False),
            # Other nodes have these labels as well.
            ("Exists", None, ("cloud.google.com/gke-provisioning",), False),
            ("Exists", None, ("karpenter.sh/capacity-type",), False),
            ("NotIn", ["true"], ("cloud.google.com/gke-spot",), False),
            ("In", ["true"], ("cloud.google.com/gke-spot", "acme.com/pool"), False),
        )
    },
    "on demand": (
        "D-25",
        {"a.yaml": workload(CONSUME, pod={"nodeSelector": {"karpenter.sh/capacity-type": "on-demand"}})},
        "",
    ),
    # s6: where it is installed here, and where a base may say more.
    **{
        f"s6 installed by {words}": (
            "D-26",
            {
                **s6("9"),
                "Dockerfile": s6("9")["Dockerfile"]
                .replace("ENV S6_SERVICES_GRACETIME=9\n", "")
                .replace("ADD https://example.org/s6-overlay.tar.xz /tmp\n", install),
            },
            said,
        )
        for words, install, said in (
            ("ADD", "ADD https://example.org/s6-overlay.tar.xz /tmp\n", "gives its services 3 s to finish"),
            ("RUN", "RUN curl -L https://example.org/s6-overlay.tar.xz | tar x\n", "gives its services 3 s to finish"),
            ("its base", "", ""),
        )
    },
    "s6 is to have more than it has": ("D-26", s6("1000"), "add ENV S6_SERVICES_GRACETIME=25000"),
    "half of the grace period": ("D-26", s6("15000"), ""),
    "less than half of it": ("D-26", s6("14999"), "gives its services 14.999 s"),
    # A proxy beside the workers, and what lets it outlast them.
    **{
        f"{words} as {image}": (
            "D-27",
            {"a.yaml": beside({"name": "p", "image": image, **more}, native=native)},
            f"{ends}, while workers still finish messages through it" if ends else "",
        )
        for words, image, more, native, ends in (
            ("a proxy", "gcr.io/cloud-sql-connectors/cloud-sql-proxy:2", {}, False, AT_ONCE),
            ("a proxy", "bitnami/pgbouncer:1", {}, False, AT_ONCE),
            ("a proxy", "envoyproxy/envoy:v1", {}, False, AT_ONCE),
            ("a mesh", "docker.io/istio/proxyv2:1.20", {}, False, "ends 5 s after SIGTERM"),
            ("a native sidecar", "envoyproxy/envoy:v1", {}, True, ""),
            ("another container", "registry.example/logs:1", {}, False, ""),
            ("a proxy that waits", "cloud-sql-proxy:2", {"args": ["--max-sigterm-delay=90s"]}, False, ""),
            ("a proxy with a hook", "pgbouncer:1", {"lifecycle": {"preStop": {"sleep": {"seconds": 9}}}}, False, ""),
            (
                "a proxy that its hook ends",
                "pgbouncer:1",
                {"lifecycle": {"preStop": {"httpGet": {"path": "/quitquitquit", "port": 1}}}},
                False,
                AT_ONCE,
            ),
            *(
                (
                    f"a mesh that drains {seconds} s",
                    "istio/proxyv2:1",
                    {"env": [{"name": "PROXY_CONFIG", "value": f"terminationDrainDuration: {seconds}s"}]},
                    False,
                    ends,
                )
                for seconds, ends in ((68, ""), (67, "ends 5 s after SIGTERM"))
            ),
        )
    },
    # What a hook says to all pods, and what it says to its own.
    **{
        f"a hook that says {' '.join(command)}": ("D-32", hook(*command), said)
        for command, said in (
            (("php", "bin/console", "messenger:stop-workers"), "messenger:stop-workers stops the workers of every pod"),
            (("php", "artisan", "queue:restart"), "queue:restart stops the workers of every pod"),
            (("celery", "-A", "shop", "control", "shutdown"), "control shutdown stops the Celery workers of every pod"),
            (("celery", "-A", "shop", "control", "shutdown", "-d", "w@h"), ""),
            (("celery", "-A", "shop", "control", "ping"), ""),
            (("rq", "suspend"), "rq suspend stops the workers of every pod on that Redis"),
            (("rq", "info"), ""),
        )
    },
    **{
        f"a hook with {script}": (rule, hooked(script), said)
        for rule, script, said in (
            ("D-32", "php bin/console messenger:stop-workers", "messenger:stop-workers stops"),
            ("D-33", "while pgrep php; do sleep 1; done", "the hook waits without a deadline"),
            ("D-33", "while pgrep php; do :; done", ""),
            ("D-34", "while pgrep php; do sleep 5; done", "the hook looks every 5 s"),
            ("D-34", "while pgrep php; do sleep 4; done", ""),
            ("D-34", "sleep 5", ""),
            ("D-34", "while pgrep php; do sleep; done", ""),
            ("D-34", "while pgrep php; do wait 5; done", ""),
            ("D-36", "kill -9 7", "the hook kills workers"),
            ("D-36", "pkill -KILL php", "the hook kills workers"),
            ("D-36", "killall -s SIGKILL php", "the hook kills workers"),
            ("D-36", "kill -TERM 7", ""),
            ("D-36", "kill 9", ""),
            ("D-36", "echo -9", ""),
        )
    },
    # A stop file that the first of several workers takes away.
    **{
        f"{copies} workers: {script}": (
            "D-30",
            {
                **under(program("/srv/consume.sh", stopwaitsecs=80, **MANY | {"numprocs": copies})),
                "consume.sh": f"#!/bin/sh\n{script}\nexec {' '.join(CONSUME)}\n",
            },
            said,
        )
        for copies, script, said in (
            *(
                (4, f"{test} && rm -f /tmp/stop", "the first of 4 workers that finds /tmp/stop removes it")
                for test in (
                    *(f"[ {word} /tmp/stop ]" for word in ("-f", "-e", "-a", "-s", "-r")),
                    "[[ -f /tmp/stop ]]",
                    "test -f /tmp/stop",
                )
            ),
            (4, "[ -f /tmp/stop ] && unlink /tmp/stop", "removes it"),
            (4, "[ -d /tmp/stop ] && rm /tmp/stop", ""),
            (4, "[ -f /tmp/other ] && rm /tmp/stop", ""),
            (4, "[ -f /tmp/stop ] && touch /tmp/stop", ""),
            (4, '[ -f /tmp/stop ] && rm "$FILE"', ""),
            (1, "[ -f /tmp/stop ] && rm /tmp/stop", ""),
        )
    },
    # Who starts workers again, and how soon.
    **{
        f"{rule} of {options}": (rule, under(program(f"{' '.join(CONSUME)} --limit=9", **options)), said)
        for rule, options, said in (
            ("D-40", {"startsecs": 0}, AGAIN),
            ("D-40", {"startsecs": 1}, ""),
            ("D-40", {}, ""),
            *(("D-40", {"startsecs": 0, "autorestart": no}, "") for no in ("false", "False", "no", "off", "0")),
            *(("D-40", {"startsecs": 0, "autorestart": yes}, AGAIN) for yes in ("true", "unexpected", "yes")),
            ("D-41", {"startsecs": 0, "startretries": 4}, "startretries=4 has no effect beside startsecs=0"),
            ("D-41", {"startsecs": 0, "startretries": 3}, ""),
            ("D-41", {"startsecs": 1, "startretries": 4}, ""),
            ("D-41", {"startsecs": 0, "startretries": "%(ENV_TRIES)s"}, ""),
            ("D-43", {}, NOT_AGAIN),
            ("D-43", {"autorestart": "unexpected"}, NOT_AGAIN),
            ("D-43", {"autorestart": "unexpected", "exitcodes": 2}, ""),
            ("D-43", {"autorestart": "false", "exitcodes": 2}, NOT_AGAIN),
            *(("D-43", {"autorestart": yes}, "") for yes in ("true", "1", "yes", "on")),
            ("D-48", {}, GIVEN_UP),
            ("D-48", {"startretries": 19}, "after 19 failed starts, 190 s"),
            ("D-48", {"startretries": 20}, ""),
            ("D-48", {"startretries": "%(ENV_TRIES)s"}, ""),
            ("D-48", {"startsecs": 0}, ""),
            ("D-48", {"startsecs": "%(ENV_SECS)s"}, ""),
            *(("D-48", {"autorestart": no}, "") for no in ("false", "no", "off", "0")),
            ("D-44", {"numprocs": 2}, "runs 2 processes of one name"),
            ("D-44", {"numprocs": 1}, ""),
            ("D-44", {"numprocs": 2, "process_name": "%(program_name)s_%(process_num)02d"}, ""),
        )
    },
    **{
        f"{rule} of {' '.join(words)}": (rule, under(program(" ".join(words))), said)
        for rule, words, said in (
            ("D-43", CONSUME, ""),
            ("D-43", [*CONSUME, "--time-limit=60"], "at its --time-limit"),
            ("D-43", ["php", "/srv/artisan", "queue:work", "--max-jobs=9"], "at its --max-jobs"),
            ("D-43", [*CELERY, "--time-limit=60"], ""),
            ("D-48", ["php", "/srv/artisan", "queue:work"], ""),
            ("D-45", [*CONSUME, "-m", "9"], "the memory limit is 9 bytes"),
            ("D-45", [*CONSUME, "-m", "999999"], "--limit=999999 for a number of messages, or --memory-limit=999999M"),
            ("D-45", [*CONSUME, "-m", "1000000"], ""),
            ("D-45", [*CONSUME, "-m", "128M"], ""),
            ("D-45", [*CONSUME, "-m", "9", "--memory-limit=128M"], "the memory limit is given 2 times (9, 128M)"),
        )
    },
    **{
        f"{copies} workers with one limit of {limit}": (
            "D-46",
            under(
                program(
                    f"{' '.join(CONSUME)} --time-limit={limit}",
                    numprocs=copies,
                    process_name="%(program_name)s_%(process_num)02d",
                )
            ),
            said,
        )
        for copies, limit, said in (
            (9, 60, ""),
            (10, 60, "all 10 workers end and boot in the same second, every 60 s"),
            (10, "%(ENV_LIMIT)s", ""),
        )
    },
    **{
        f"a listener beside {rule}": (
            rule,
            under(program(**options) + "[eventlistener:end]\ncommand=/srv/end\nevents=PROCESS_STATE_FATAL\n"),
            "",
        )
        for rule, options in (("D-48", {}),)
    },
    # What ends a container that works.
    **{
        f"{name} that leaves {seconds} s of 90": (
            "D-4a",
            gone_in(name, seconds),
            f"is killed {seconds} s after its {name} has failed, although the pod has 90 s" if seconds < 45 else "",
        )
        for name in ("livenessProbe", "startupProbe")
        for seconds in (44, 45)
    },
    "a probe that has a pod's time": ("D-4a", gone_in("readinessProbe", 1), ""),
    **{
        f"a liveness probe with {' '.join(command)}": (
            "D-49",
            {"a.yaml": workload(CONSUME, livenessProbe={"exec": {"command": command}})},
            "the liveness probe asks the broker" if asks else "",
        )
        for command, asks in (
            (["redis-cli", "ping"], True),
            (["rabbitmqctl", "status"], True),
            (["celery", "-A", "shop", "inspect", "ping"], True),
            (["celery", "-A", "shop", "status"], True),
            (["celery", "-A", "shop", "report"], False),
            (["nc", "broker", "-z", "6379"], True),
            (["nc", "-h"], False),
            (["test", "-f", "/tmp/alive"], False),
        )
    },
}


def dsn(text: str, failure: str = "f", environment: str = "", **transport: Any) -> dict[str, str]:
    framework = {"messenger": {"transports": {"mail": {"dsn": text, **transport}}}}
    if failure:
        framework["messenger"]["failure_transport"] = failure  # type: ignore[assignment]
    data = {f"when@{environment}": {"framework": framework}} if environment else {"framework": framework}
    return {"messenger.yaml": quick_yaml.dump(data)}


REMOVED = "a message whose worker was killed is removed"
SQS = "takes 9 messages at once, and the visibility timeout of 60 s"
OF_BROKERS: dict[str, Edge] = {
    # Whose name a consumer on Redis has.
    **{
        f"{text} with {options} in {replicas} pods of {copies}": (
            "D-70",
            {
                **under(program(stopwaitsecs=80, **MANY | {"numprocs": copies, **more})),
                "a.yaml": workload(SUPERVISE, replicas=replicas),
                **dsn(text, environment=environment, options=options),
            },
            said,
        )
        for text, environment, options, more, replicas, copies, said in (
            ("redis://r/m", "", {}, {}, 1, 1, ""),
            ("redis://r/m", "", {}, {}, 1, 2, "so 2 processes share the name `consumer`"),
            ("redis://r/m", "prod", {}, {}, 1, 2, "so 2 processes share the name `consumer`"),
            ("redis://r/m", "test", {}, {}, 1, 2, ""),
            ("redis://r/m", "", {}, {}, 2, 1, "so workers in up to 2 pods share the name"),
            ("redis://r/m", "", {}, {}, 2, 2, "so 2 processes in up to 2 pods share the name"),
            ("amqp://r", "", {}, {}, 2, 2, ""),
            ("redis://r/m", "", {"consumer": "w"}, {}, 2, 1, "names every consumer 'w', for workers in up to 2 pods"),
            ("redis://r/m/g/%env(HOSTNAME)%", "", {}, {}, 2, 1, ""),
            ("redis://r/m/g/w", "", {"consumer": "%env(HOSTNAME)%"}, {}, 2, 1, "names every consumer 'w'"),
            ("redis://r/m", "", {"consumer": "%env(HOSTNAME)%"}, {}, 2, 1, ""),
            ("redis://r/m", "", {"consumer": "%env(HOSTNAME)%"}, {}, 1, 2, "HOSTNAME is the same for all 2 processes"),
            ("redis://r/m", "", {"consumer": "%env(ELSEWHERE)%"}, {}, 1, 2, ""),
            (
                "redis://r/m",
                "",
                {"consumer": "%env(N)%"},
                {"environment": 'A="1",N="w"'},
                1,
                2,
                "N is the same for all",
            ),
            ("redis://r/m", "", {"consumer": "%env(N)%"}, {"environment": 'N="%(process_num)d"'}, 1, 2, ""),
        )
    },
    **{
        f"redelivery of {text} {options} {environment}": (
            "D-71",
            dsn(text, environment=environment, options=options),
            said,
        )
        for text, options, environment, said in (
            ("redis://r/m", {"redeliver_timeout": 1800}, "", "after 1800 s: it waits"),
            ("redis://r/m", {"redeliver_timeout": 1799}, "", ""),
            ("doctrine://default", {}, "", "after 3600 s, the default"),
            ("amqp://r", {}, "", ""),
            ("redis://r/m", {}, "prod", "after 3600 s, the default"),
            ("redis://r/m", {}, "test", ""),
            ("redis://r/m", {"redeliver_timeout": "%env(int:WAIT)%"}, "", ""),
            ("redis://r/m", {"redeliver_timeout": "3600.0"}, "", ""),
        )
    },
    **{
        f"retries {tries} on {text} with {failure or 'nothing'}": (
            "D-72",
            dsn(text, failure, retry_strategy={"max_retries": tries} if tries is not None else {}),
            said,
        )
        for text, failure, tries, said in (
            ("amqp://r", "", 0, REMOVED),
            ("amqps://r", "", 0, REMOVED),
            ("amqp://r", "f", 0, ""),
            ("amqp://r", "", 1, ""),
            ("amqp://r", "", None, ""),
            ("redis://r/m", "", 0, ""),
        )
    },
    **{
        f"no failure transport for {text} {environment} after {tries}": (
            "D-73",
            dsn(text, failure, environment, retry_strategy={"max_retries": tries} if tries is not None else {}),
            said,
        )
        for text, failure, environment, tries, said in (
            ("redis://r/m", "", "", 3, "a message is removed after 3 retries"),
            ("redis://r/m", "", "", 1, "a message is removed after 1 retry; "),
            ("redis://r/m", "", "", None, "a message is removed after its last retry"),
            ("redis://r/m", "", "prod", 3, "a message is removed after 3 retries"),
            ("redis://r/m", "", "test", 3, ""),
            ("redis://r/m", "f", "", 3, ""),
            ("sync://", "", "", 3, ""),
            ("in-memory://", "", "", 3, ""),
        )
    },
    **{
        f"{most} entries on {text}": ("D-74", dsn(text, options={"stream_max_entries": most}), said)
        for text, most, said in (
            ("redis://r/m", 100, "keeps 100 entries"),
            ("redis://r/m", 0, ""),
            ("amqp://r", 100, ""),
        )
    },
    **{
        f"{text} with {options}": ("D-75", dsn(text, options=options), said)
        for text, options, said in (
            ("sqs://default/mail", {"visibility_timeout": 60}, SQS),
            ("https://sqs.eu-west-1.amazonaws.com/1/mail", {"visibility_timeout": 60}, SQS),
            ("https://sqs.eu-west-1.amazonaws.com/1/mail", {"visibility_timeout": 60, "buffer_size": 1}, ""),
            ("https://example.org/mail", {"visibility_timeout": 60}, ""),
            ("sqs://default/mail", {}, ""),
            ("redis://r/m", {"visibility_timeout": 60}, ""),
            ("sqs://default/mail", {"visibility_timeout": 60, "buffer_size": "%env(SIZE)%"}, ""),
        )
    },
    **{
        f"a heartbeat of {seconds} on {text}": ("D-76", dsn(text, options={"heartbeat": seconds}), said)
        for text, seconds, said in (
            ("amqp://r", 10, "after 20 to 30 s the broker gives the message to another worker"),
            ("amqp://r", 0, ""),
            ("redis://r/m", 10, ""),
        )
    },
    **{
        f"a Redis that is {policy} by {words}": ("D-90", files, said)
        for policy in ("allkeys-lru", "volatile-ttl", "allkeys-lfu", "volatile-random", "noeviction")
        for words, files in (
            ("its command", {"a.yaml": workload(["redis-server", "--maxmemory-policy", policy], image="redis:8")}),
            ("its file", {"redis.conf": f"maxmemory 1gb\nmaxmemory-policy {policy}\n"}),
        )
        for said in (["" if policy == "noeviction" else f"removes keys when its memory is full ({policy})"])
    },
    **{
        f"a Redis told {words or 'nothing'}": (
            "D-91",
            {"a.yaml": workload(["redis-server", *words], image="redis:8")},
            said,
        )
        for words, said in (
            (["--save", ""], "keeps nothing on disk"),
            (["--save", "", "--appendonly", "no"], "keeps nothing on disk"),
            (["--save=", "--appendonly=yes"], ""),
            (["--save", "60 1000"], ""),
            (["--appendonly", "no"], ""),
            ([], ""),
        )
    },
    **{
        f"a Redis on {kind} of {variable}": (
            "D-91",
            {
                "a.yaml": workload(
                    ["redis-server"],
                    image="valkey:8",
                    volumeMounts=[{"name": "d", "mountPath": "/data"}],
                    pod={"volumes": [{"name": "d", kind: {}}]},
                ),
                "compose.yaml": quick_yaml.dump(
                    {"services": {"w": {"image": "w", "environment": {variable: "redis://jobs.shop.svc:6379/0"}}}}
                ),
            },
            said,
        )
        for kind, variable, said in (
            ("emptyDir", "REDIS_URL", "keeps the queue inside of its pod"),
            ("emptyDir", "CELERY_BROKER_URL", "keeps the queue inside of its pod"),
            ("emptyDir", "SESSION_REDIS", ""),
            ("persistentVolumeClaim", "REDIS_URL", ""),
            ("hostPath", "REDIS_URL", ""),
        )
    },
    **{
        f"a Redis that evicts, and {name}={value}": (
            "D-90",
            {
                "redis.conf": "maxmemory-policy allkeys-lru\n",
                "compose.yaml": quick_yaml.dump({"services": {"w": {"image": "w", "environment": {name: value}}}}),
            },
            said,
        )
        for name, value, said in (
            ("BROKER_URL", "amqp://rabbit", ""),
            ("QUEUE", "https://sqs.eu-west-1.amazonaws.com/1/mail", ""),
            ("BROKER_URL", "redis://cache", "and a queue is a key"),
            ("LOG_LEVEL", "info", "and a queue is a key"),
        )
    },
}


def budget(**spec: Any) -> str:
    spec["selector"] = {"matchLabels": {"app": "jobs"}}
    metadata = {"name": "jobs", "namespace": "shop"}
    return quick_yaml.dump(
        {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": metadata, "spec": spec}
    )


def updated(replicas: int = 1, **strategy: Any) -> str:
    data = quick_yaml.load(workload(CONSUME, replicas=replicas))
    data["spec"]["strategy"] = strategy
    return quick_yaml.dump(data)


def egress(*rules: dict[str, Any], **spec: Any) -> str:
    spec = {"podSelector": {}, "policyTypes": ["Egress"], "egress": list(rules), **spec}
    metadata = {"name": "deny", "namespace": "shop"}
    return quick_yaml.dump(
        {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
    )


def to(*ports: Any, **more: Any) -> dict[str, Any]:
    return {"ports": [{"port": port, **more} for port in ports]}


ALL_AT_ONCE = "pods at each update before new ones start"
REFUSED = "is not served since"
OF_MANIFESTS: dict[str, Edge] = {
    # A number is none in quotes, and a text is one only in them.
    **{
        f"{name}: '{value}' of {kind}": (
            "D-6b",
            {
                "a.yaml": quick_yaml.dump(
                    {"apiVersion": api, "kind": kind, "metadata": {"name": "a"}, "spec": {name: value}}
                )
            },
            f"{name} is a text, and a number is wanted; write 3" if value == "3" else "",
        )
        for kind, api, names in (
            ("Deployment", "apps/v1", ("replicas",)),
            ("HorizontalPodAutoscaler", "autoscaling/v2", ("minReplicas", "maxReplicas")),
            (
                "ScaledObject",
                "keda.sh/v1alpha1",
                ("minReplicaCount", "maxReplicaCount", "cooldownPeriod", "pollingInterval"),
            ),
        )
        for name in names
        for value in ("3", 3, "${PODS}")
    },
    "a grace period in quotes": (
        "D-6b",
        {"a.yaml": workload(CONSUME, pod={"terminationGracePeriodSeconds": "90"})},
        "terminationGracePeriodSeconds is a text, and a number is wanted; write 90",
    ),
    **{
        f"a variable that is {value!r}": (
            "D-6b",
            {"a.yaml": workload(CONSUME, env=[{"name": "A", "value": value}])},
            said,
        )
        for value, said in (
            ("1", ""),
            (1, 'the value of A is a number, and a text is wanted; write "1"'),
            (1.5, 'write "1.5"'),
            (True, 'the value of A is true or false, and a text is wanted; write "true"'),
            (None, ""),
        )
    },
    "a variable of an init container": (
        "D-6b",
        {"a.yaml": workload(CONSUME, pod={"initContainers": [{"name": "i", "env": [{"name": "A", "value": 1}]}]})},
        "the value of A is a number",
    ),
    "an annotation of the pod": ("D-6b", {"a.yaml": annotated(False)}, "safe-to-evict is true or false"),
    "an annotation of an object": (
        "D-6b",
        {"a.yaml": workload(CONSUME).replace("  name: jobs\n", "  name: jobs\n  annotations: {a: 1}\n", 1)},
        "a is a number, and a text is wanted",
    ),
    **{
        f"KEDA's metadata of group {group}": (
            "D-6b",
            {"a.yaml": keda({"type": "redis", "metadata": {"listLength": 5}}).replace("keda.sh", group)},
            "listLength is a number, and a text is wanted" if group == "keda.sh" else "",
        )
        for group in ("keda.sh", "acme.com")
    },
    **{
        f"{key} {where}": ("D-6c", {"compose.yaml": quick_yaml.dump({"services": {"w": service}})}, said)
        for key, value in (("stop_grace_period", "90s"), ("stop_signal", "SIGTERM"))
        for where, service, said in (
            (
                "below deploy",
                {"image": "a:1", "command": CONSUME, "deploy": {key: value}},
                f"{key} is no field of deploy",
            ),
            ("of the service", {"image": "a:1", "command": CONSUME, key: value}, ""),
        )
    },
    **{
        f"a container with {more}": ("D-62", {"a.yaml": workload(CONSUME, **more)}, said)
        for more, said in (
            (
                {"lifecycle": {"prestop": {}}},
                f"prestop is no field of lifecycle: {DROPPED}, and no hook runs",
            ),
            ({"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}, ""),
            (
                {"Lifecycle": {"preStop": {}}},
                f"Lifecycle is no field of a container: {DROPPED}, and no hook runs",
            ),
            (
                {"resources": {"request": {}}},
                f"request is no field of resources: {DROPPED}; write requests",
            ),
            (
                {"gracePeriod": 5},
                f"gracePeriod is no field of a container: {DROPPED}, and the grace period is 30 s",
            ),
            ({"terminationGracePeriodSeconds": 5}, "and the grace period is 30 s; move it to the pod's spec"),
            (
                {"colour": 5},
                f"colour is no field of a container: {DROPPED}; remove it",
            ),
        )
    },
    **{
        f"a field of {kind}: {spec}": (
            "D-62",
            {"a.yaml": quick_yaml.dump({"apiVersion": api, "kind": kind, "metadata": {"name": "a"}, "spec": spec})},
            said,
        )
        for kind, api, spec, said in (
            *(
                (
                    kind,
                    "apps/v1",
                    {"replica": 2},
                    f"replica is no field of the workload's spec: {DROPPED}; write replicas",
                )
                for kind in ("Deployment", "StatefulSet", "DaemonSet")
            ),
            ("Deployment", "extensions/v1beta1", {"replica": 2}, "replica is no field"),
            ("Deployment", "acme.com/v1", {"replica": 2}, ""),
            ("HorizontalPodAutoscaler", "autoscaling/v2", {"minReplica": 2}, "write minReplicas"),
            ("HorizontalPodAutoscaler", "autoscaling/v1", {"minReplica": 2}, ""),
            ("HorizontalPodAutoscaler", "autoscaling/v2", {"metrics": [{"kind": "x"}]}, "kind is no field of a metric"),
            (
                "HorizontalPodAutoscaler",
                "autoscaling/v2",
                {"metrics": [{"type": "Resource", "resource": {"targetAverageUtilization": 60}}]},
                "is no field of a resource metric of autoscaling/v2",
            ),
            ("ScaledObject", "keda.sh/v1alpha1", {"minReplicas": 2}, "write minReplicaCount"),
            ("ScaledObject", "keda.sh/v1alpha1", {"maxReplicas": 2}, "write maxReplicaCount"),
            (
                "ScaledObject",
                "keda.sh/v1alpha1",
                {"colour": 2},
                f"a ScaledObject's spec: {DROPPED}; remove it",
            ),
            ("ScaledObject", "acme.com/v1", {"minReplicas": 2}, ""),
        )
    },
    # Celery's own processes, by who signals them.
    **{
        f"{words} {options}": (
            "D-15",
            under(program(f"celery -A shop worker {words}".strip(), stopwaitsecs=80, **options)),
            "stopasgroup signals the whole group" if dies else "",
        )
        for words, options, dies in (
            ("", {"stopasgroup": "true"}, True),
            ("--pool=prefork", {"stopasgroup": "true"}, True),
            ("-P threads", {"stopasgroup": "true"}, False),
            ("", {"stopasgroup": "false"}, False),
            ("", {}, False),
        )
    },
    **{
        " ".join(words): ("D-15", {"a.yaml": workload([*words, *CELERY], **more)}, said)
        for words, more, said in (
            (["dumb-init"], {}, "dumb-init signals the whole group"),
            (["dumb-init", "--"], {}, "dumb-init signals the whole group"),
            (["dumb-init", "-c"], {}, ""),
            (["dumb-init", "--single-child"], {}, ""),
            (["dumb-init", "--", "env"], {"env": [{"name": "DUMB_INIT_SETSID", "value": "0"}]}, ""),
            (["tini", "-g"], {}, "tini -g signals the whole group"),
            (["tini", "--"], {}, ""),
        )
    },
    **{
        f"a cold shutdown with {len(files)} modules, soft {soft}": (
            "D-12",
            {"a.yaml": workload(CELERY, env=[{"name": "REMAP_SIGTERM", "value": value}]), **files},
            "REMAP_SIGTERM makes SIGTERM Celery's cold shutdown" if value == "SIGQUIT" and not soft and files else "",
        )
        for value in ("SIGQUIT", "SIGTERM")
        for soft, files in (
            (False, {}),
            (False, celery(task_time_limit=9)),
            (True, celery(worker_soft_shutdown_timeout=9)),
            (True, {**celery(task_time_limit=9), "a/celeryconfig.py": "worker_soft_shutdown_timeout = 9\n"}),
        )
    },
    # A schedule beside the workers, in several pods.
    **{
        f"{name} beside the workers in {replicas}": (
            "D-47",
            {
                "a.yaml": workload(SUPERVISE, replicas=replicas),
                "w.conf": program(stopwaitsecs=80) + f"[program:{name}]\ncommand={command}\n",
            },
            said if replicas > 1 else "",
        )
        for replicas in (1, 2)
        for name, command, said in (
            ("clock", "celery -A shop beat", "keeps a schedule in"),
            ("cron", "cron -f", ""),
        )
    },
    **{
        f"{strategy} of {replicas}": ("D-68", {"a.yaml": updated(replicas, **strategy)}, ALL_AT_ONCE if all_ else "")
        for strategy, replicas, all_ in (
            ({"type": "Recreate"}, 2, True),
            ({"type": "Recreate"}, 1, False),
            ({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%"}}, 2, True),
            ({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "50%"}}, 2, False),
            ({"type": "RollingUpdate"}, 2, False),
        )
    },
    **{
        f"a budget of {spec}": ("D-64", {"a.yaml": workload(CONSUME), "b.yaml": budget(**spec)}, said)
        for spec, said in (
            ({"maxUnavailable": 0}, "maxUnavailable: 0 lets no pod go"),
            ({"maxUnavailable": "0"}, "lets no pod go"),
            ({"maxUnavailable": "0%"}, "lets no pod go"),
            ({"maxUnavailable": 1}, ""),
            ({"minAvailable": "100%"}, "minAvailable: 100% lets no pod go"),
            ({"minAvailable": "99%"}, ""),
            ({"minAvailable": 0}, ""),
        )
    },
    **{
        f"a budget that keeps {least} of {words}": (
            "D-65",
            {"a.yaml": workload(CONSUME, replicas=replicas), "b.yaml": budget(minAvailable=least), "c.yaml": scaler},
            said,
        )
        for words, least, replicas, scaler, said in (
            ("one", 1, 1, "", "minAvailable: 1 lets none of 1 pod of Deployment jobs go"),
            ("two", 2, 2, "", "minAvailable: 2 lets none of 2 pods of Deployment jobs go"),
            ("two more", 1, 2, "", ""),
            ("one at least", 1, 5, hpa(), "lets none of 1 pod of"),
            ("an HPA's own one", 1, 5, hpa().replace("  minReplicas: 1\n", ""), "lets none of 1 pod of"),
            ("two at least", 1, 1, hpa(minReplicas=2), ""),
            ("KEDA's two", 2, 5, keda(listing("q"), minReplicaCount=2), "lets none of 2 pods of"),
            ("KEDA's none", 1, 5, keda(listing("q"), minReplicaCount=0), ""),
        )
    },
    **{
        f"{version} of an HPA": (
            "D-61",
            {"a.yaml": workload(CONSUME), "b.yaml": hpa().replace("autoscaling/v2", version)},
            said,
        )
        for version, said in (
            ("autoscaling/v2", ""),
            ("autoscaling/v1", ""),
            (
                "autoscaling/v2beta1",
                f"{REFUSED} Kubernetes 1.25: the object is refused; write apiVersion: autoscaling/v2, ",
            ),
            ("autoscaling/v2beta2", f"{REFUSED} Kubernetes 1.26"),
        )
    },
    **{
        f"{version} {kind}": (
            "D-61",
            {"a.yaml": quick_yaml.dump({"apiVersion": version, "kind": kind, "metadata": {"name": "a"}})},
            f"since {since}: the object is refused; write apiVersion: {instead}",
        )
        for version, kind, since, instead in (
            *(
                (group, kind, "Kubernetes 1.16", "apps/v1")
                for group in ("extensions/v1beta1", "apps/v1beta1", "apps/v1beta2")
                for kind in ("Deployment", "DaemonSet", "ReplicaSet", "StatefulSet")
            ),
            ("extensions/v1beta1", "NetworkPolicy", "Kubernetes 1.16", "networking.k8s.io/v1"),
            ("policy/v1beta1", "PodDisruptionBudget", "Kubernetes 1.25", "policy/v1"),
            ("batch/v1beta1", "CronJob", "Kubernetes 1.25", "batch/v1"),
            ("batch/v2alpha1", "CronJob", "Kubernetes 1.21", "batch/v1"),
            ("keda.k8s.io/v1alpha1", "ScaledObject", "KEDA 2", "keda.sh/v1alpha1"),
        )
    },
    # Only DNS, by each of its names; and what is more.
    **{
        f"egress by {words}": ("D-6a", {"a.yaml": workload(CONSUME), "b.yaml": egress(*rules)}, said)
        for words, rules, said in (
            ("nothing", (), "reach nothing, so no broker"),
            *((f"port {port}", (to(port),), "reach DNS and nothing else") for port in (53, "53", "dns", "dns-tcp")),
            ("DNS twice", (to(53), to("dns")), "reach DNS and nothing else"),
            ("DNS and a broker", (to(53, 6379),), ""),
            ("DNS and a broker's rule", (to(53), to(6379)), ""),
            ("a range from DNS on", (to(53, endPort=9999),), ""),
            ("every port", ({"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]},), ""),
        )
    },
    "a policy for ingress": (
        "D-6a",
        {"a.yaml": workload(CONSUME), "b.yaml": egress(policyTypes=["Ingress"])},
        "",
    ),
    "a policy beside a compose file": (
        "D-6a",
        {
            "compose.yaml": quick_yaml.dump({"services": {"w": {"image": "a:1", "command": CONSUME}}}),
            "b.yaml": egress().replace("  namespace: shop\n", ""),
        },
        "",
    ),
    "a policy of others' pods": (
        "D-6a",
        {"a.yaml": workload(CONSUME), "b.yaml": egress(podSelector={"matchLabels": {"app": "web"}})},
        "",
    ),
    "a policy by an expression beside it": (
        "D-6a",
        {
            "a.yaml": workload(CONSUME),
            "b.yaml": egress(),
            "c.yaml": egress(podSelector={"matchExpressions": [{"key": "app", "operator": "Exists"}]}),
        },
        "",
    ),
    # Which list is whose.
    **{
        f"{name} of {' '.join(command)}": (
            "D-5f",
            {"a.yaml": workload(command), "b.yaml": keda(listing(name))},
            said,
        )
        for command, name, said in (
            ([*CELERY, "-Q", "mail,fast"], "mail", ""),
            ([*CELERY, "-Q", "mail,fast"], "slow", "they take from fast, mail; write listName: fast"),
            ([*CELERY, "-Q", "mail"], "mail\\x06\\x163", ""),
            (CELERY, "slow", ""),
            ([*CELERY, "-Q", "mail"], "${QUEUE}", ""),
            (["bundle", "exec", "sidekiq", "-q", "mail,2"], "queue:mail", ""),
            (["bundle", "exec", "sidekiq", "-q", "mail,2"], "mail", "it stays empty; write listName: queue:mail"),
            (["bundle", "exec", "sidekiq", "-q", "mail"], "queue:slow", "they take from mail"),
            (laravel("--queue=mail,fast"), "queues:fast", ""),
            (laravel("--queue=mail,fast"), "app_queues:fast", ""),
            (laravel("--queue=mail"), "queues:slow", "they take from mail"),
            (laravel(), "mail", "the workers' lists are called queues:<queue>"),
            (["node", "worker.js"], "mail", ""),
        )
    },
    **{
        f"{name} on RabbitMQ of {' '.join(command)}": (
            "D-5f",
            {
                "a.yaml": workload(command),
                "b.yaml": keda({"type": "rabbitmq", "metadata": {"host": "http://r", "queueName": name}}),
            },
            said,
        )
        for command, name, said in (
            ([*CELERY, "-Q", "mail"], "mail", ""),
            ([*CELERY, "-Q", "mail"], "slow", "they take from mail; write queueName: mail"),
            (laravel("--queue=mail"), "slow", ""),
        )
    },
    # Memory of one, of many, and of Celery's children, which say it in kibibytes.
    **{
        f"{limit} for Celery of {words}": (
            "D-66",
            {"a.yaml": workload([*CELERY, *words.split()], resources={"limits": {"memory": limit}})},
            said,
        )
        for words, limit, said in (
            (
                "-c 2 --max-memory-per-child=102400",
                "199Mi",
                "its 2 workers may use 200Mi before they end by themselves",
            ),
            ("-c 2 --max-memory-per-child=102400", "200Mi", ""),
            ("-c 1 --max-memory-per-child=102400", "99Mi", "its worker may use 100Mi before it ends by itself"),
            ("-c 2 --max-memory-per-child=102400 -P threads", "99Mi", ""),
            ("--max-memory-per-child=102400", "99Mi", ""),
        )
    },
    "memory that is a bit too much": ("D-66", memory("101M"), "and its worker may use 101Mi"),
    **{
        f"{request} requested and {limit} of memory": (
            "D-67",
            {
                "a.yaml": workload(
                    [*CONSUME, "--memory-limit=128M"],
                    resources={"requests": {"memory": request}, **({"limits": {"memory": limit}} if limit else {})},
                )
            },
            said,
        )
        for request, limit, said in (
            ("127Mi", "", "requests 127Mi without a limit, and its worker may use 128Mi"),
            ("128Mi", "", ""),
            ("127Mi", "1Gi", ""),
        )
    },
}


@pytest.mark.parametrize("case", OF_ENDS)
def test_how_a_worker_ends_and_begins_again_is_judged_at_its_edges(case: str) -> None:
    said_of(*OF_ENDS[case])


@pytest.mark.parametrize("case", OF_BROKERS)
def test_what_is_written_of_a_broker_is_judged_at_its_edges(case: str) -> None:
    said_of(*OF_BROKERS[case])


@pytest.mark.parametrize("case", OF_MANIFESTS)
def test_what_is_written_in_manifests_is_judged_at_its_edges(case: str) -> None:
    said_of(*OF_MANIFESTS[case])
