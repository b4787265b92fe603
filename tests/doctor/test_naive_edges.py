"""What set-ups that an outsider wrote had that no rule told, or told wrongly."""

from __future__ import annotations

from typing import Any

import pytest
from tests import quick_yaml
from tests.doctor.test_blind_edges import CELERY, DRAMATIQ, RQ
from tests.doctor.test_edges import CONSUME, Edge, keda, said_of, workload
from tests.doctor.test_stopping_edges import AGAIN, GIVEN_UP, NOT_AGAIN, program, under

from ebbtide.doctor.diagnose import diagnose_files
from ebbtide.doctor.files import File

SIDEKIQ, WORK = ["bundle", "exec", "sidekiq", "-t", "25"], ["php", "/srv/artisan", "queue:work"]
HUEY, RESQUE = ["huey_consumer.py", "shop.huey"], ["rake", "resque:work"]

LOOPS = {
    "while true; do {}; sleep 1; done": True,
    "while :; do {} || true; done": True,
    "while [ 1 ]; do {}; done": True,
    "until false; do {}; done": True,
    "while ! false; do {}; done": True,
    "for ((;;)); do {}; done": True,
    "while true; do {} || exit 1; done": False,
    "while true; do {} || break; done": False,
    "until {}; do sleep 1; done": False,
    "for n in 1 2 3; do {}; done": False,
    "for ((n=0; n<3; n++)); do {}; done": False,
    "set -e; while true; do {}; done": False,
    "{}": False,
}
LIMITED = f"{' '.join(CONSUME)} --limit=9"


def looped(loop: str, **options: object) -> dict[str, str]:
    """supervisord with a worker in a shell's loop."""
    return under(program(f'bash -c "{loop.format(LIMITED)}"', **options))


def hooked(command: list[str], hook: list[str] | str, **files: str) -> dict[str, str]:
    """A worker with a hook, of words or of a shell's text."""
    words = hook if isinstance(hook, list) else ["sh", "-c", hook]
    named = {name.replace("__", "."): text for name, text in files.items()}
    return {"a.yaml": workload(command, lifecycle={"preStop": {"exec": {"command": words}}}), **named}


def gems(version: str) -> str:
    return f"GEM\n  specs:\n    sidekiq ({version})\n      rack (>= 2)\n"


def trapped(handler: str, command: list[str], before: str = "") -> dict[str, str]:
    """A script that hands a signal on by itself."""
    script = f"#!/bin/sh\n{before}trap {handler} TERM\n{' '.join(command)} &\npid=$!\nwait $pid\nwait $pid\n"
    return {"a.yaml": workload(["/srv/start.sh"]), "srv/start.sh": script}


def counting(protocol: str, **host: str) -> dict[str, str]:
    metadata = {"protocol": protocol, "queueName": "mail", "mode": "QueueLength", "value": "9", **host}
    return {"k.yaml": keda({"type": "rabbitmq", "metadata": metadata})}


CUT = "which ends inside its message then"
LATE = "task_acks_late = True\ntask_reject_on_worker_lost = True\n"
DSN = "%env(MESSENGER_TRANSPORT_DSN)%"
NOT_WRITTEN = "has an address that is not written here"


def asked(dsn: str = DSN, dotenv: str = "", name: str = ".env", **container: Any) -> dict[str, str]:
    """A consumer whose transport's address a variable holds."""
    framework = {"messenger": {"failure_transport": "f", "transports": {"mail": dsn}}}
    files = {
        "a.yaml": workload(CONSUME, **container),
        "config/packages/messenger.yaml": quick_yaml.dump({"framework": framework}),
    }
    return files | ({name: dotenv} if dotenv else {})


EDGES: dict[str, Edge] = {
    # What a hook sends, by what each program does with it.
    **{
        f"{hook} to {' '.join(command)}": ("D-37", hooked(command, hook), CUT if is_cut else "")
        for command, hook, is_cut in (
            (SIDEKIQ, "kill -USR1 1; sleep 20", True),
            (SIDEKIQ, "kill -SIGUSR1 1", True),
            (SIDEKIQ, "kill -10 1", True),
            (SIDEKIQ, "kill -s USR1 1", True),
            (SIDEKIQ, "kill -s SIGUSR1 1", True),
            (SIDEKIQ, "kill -n 10 1", True),
            (SIDEKIQ, "kill -sUSR1 1", True),
            (SIDEKIQ, "/bin/kill --signal=USR1 1", True),
            (SIDEKIQ, ["pkill", "-USR1", "-f", "sidekiq"], True),
            (SIDEKIQ, ["kill", "-USR1", "1"], True),
            (SIDEKIQ, "pkill --signal USR1 sidekiq", True),
            (SIDEKIQ, "killall -s USR1 ruby", True),
            (SIDEKIQ, "kill -USR1 $(pgrep -f sidekiq)", True),
            (SIDEKIQ, "kill -USR1 $(cat /app/tmp/pids/sidekiq.pid)", True),
            (SIDEKIQ, "kill -USR1 `pidof ruby`", True),
            (SIDEKIQ, "kill -USR1 -1", True),
            (SIDEKIQ, "kill -TSTP 1", False),
            (SIDEKIQ, "kill -s TSTP 1; sleep 5", False),
            (SIDEKIQ, "kill -20 1", False),
            (SIDEKIQ, "kill -0 1", False),
            (SIDEKIQ, "kill -TERM 1", False),
            (SIDEKIQ, "kill 1", False),
            (SIDEKIQ, "pkill -USR1 nginx", False),
            (SIDEKIQ, "kill -USR1 $(cat /run/nginx.pid)", False),
            (SIDEKIQ, "kill -USR1 $(pgrep nginx)", False),
            (["tini", "--", *SIDEKIQ], "kill -USR1 1", True),
            (CELERY, "kill -s QUIT 1", True),
            (CELERY, "pkill -QUIT celery", True),
            (CELERY, "kill -USR1 1", False),
            (CELERY, "kill -INT 1", False),
            (CELERY, "kill -USR2 1", False),
            (["tini", "--", *CELERY], "kill -USR2 1", True),
            (CONSUME, "kill -USR1 1", False),
            (["dumb-init", "--", *CONSUME], "kill -USR1 1", True),
            (["tini", "--", *WORK], "kill -USR2 1", False),
            (["tini", "--", *WORK], "kill -HUP 1", True),
            (["tini", "--", *RQ], "kill -QUIT 1", True),
            (DRAMATIQ, "kill -HUP 1", False),
            (HUEY, "kill -TERM 1", True),
            (HUEY, "kill -INT 1", False),
            (RESQUE, "kill -USR1 1", True),
            (RESQUE, "kill -QUIT 1", False),
        )
    },
    **{
        f"{hook} with Sidekiq {version}": (rule, hooked(SIDEKIQ, hook, Gemfile__lock=gems(version)), said)
        for rule, hook, version, said in (
            ("D-37", "kill -USR1 1", "7.1.6", CUT),
            ("D-37", "kill -USR1 1", "5.0.0", CUT),
            ("D-37", "kill -USR1 1", "4.2.10", ""),
            ("D-37", "kill -QUIT 1", "4.2.10", CUT),
            ("D-38", "bundle exec sidekiqctl quiet tmp/sidekiq.pid", "6.0.0", "which Sidekiq 6 has no more"),
            ("D-38", "bundle exec sidekiqctl quiet tmp/sidekiq.pid", "5.2.7", ""),
            ("D-38", "sidekiqctl stop tmp/sidekiq.pid", "5.2.7", "kills Sidekiq 10 s after its TERM"),
            ("D-38", "sidekiqctl stop tmp/sidekiq.pid 24", "5.2.7", "kills Sidekiq 24 s after"),
            ("D-38", "sidekiqctl stop tmp/sidekiq.pid 25", "5.2.7", ""),
        )
    },
    **{
        f"{hook} kills": ("D-36", hooked(SIDEKIQ, hook), "the hook kills workers" if is_kill else "")
        for hook, is_kill in (
            (["pkill", "-9", "-f", "sidekiq"], True),
            ("kill -s 9 1", True),
            ("kill -n 9 1", True),
            ("pkill --signal KILL sidekiq", True),
            ("pkill -9 nginx", False),
            ("kill -TERM 1; sleep 9", False),
        )
    },
    # By supervisorctl, and by a script's own handler.
    **{
        f"supervisorctl signal {signal} {name}": (
            "D-37",
            under(program(" ".join(CELERY), "program:mail", stopwaitsecs=80))
            | hooked(["supervisord", "-n"], ["supervisorctl", "signal", signal, name]),
            said,
        )
        for signal, name, said in (
            ("QUIT", "mail", CUT),
            ("SIGQUIT", "mail:*", CUT),
            ("QUIT", "all", CUT),
            ("QUIT", "web", ""),
            ("TERM", "mail", ""),
        )
    },
    **{
        f"a trap with {handler} {before}": ("D-37", trapped(handler, CELERY, before), said)
        for handler, before, said in (
            ("'kill -QUIT $pid'", "", CUT),
            ("'kill -TERM $pid'", "", ""),
            ("stop", "stop() { kill -QUIT $pid; }\n", CUT),
            ("stop", "stop() { kill $pid; }\n", ""),
        )
    },
    # A hook that ends the worker by its own signal, and waits.
    **{
        f"huey with {hook}": ("D-12", hooked(HUEY, hook), said)
        for hook, said in (
            ("kill -INT 1; while kill -0 1; do sleep 1; done", ""),
            ("kill -INT 1; sleep 80", ""),
            ("kill -INT 1", "not on TERM"),
            ("sleep 80", "not on TERM"),
        )
    },
    # Where another signal is written.
    "the signal of an image": (
        "D-12",
        {"Dockerfile": f"FROM php:8.3-fpm\nSTOPSIGNAL SIGWINCH\nCMD {list(WORK)}\n".replace("'", '"')},
        "write STOPSIGNAL SIGTERM in the Dockerfile (or lifecycle.stopSignal: SIGTERM)",
    ),
    "the signal of a container": (
        "D-12",
        {"a.yaml": workload(CELERY, lifecycle={"stopSignal": "SIGQUIT"})},
        "write lifecycle.stopSignal: SIGTERM",
    ),
    "the signal of a service": (
        "D-12",
        {"c.yaml": quick_yaml.dump({"services": {"w": {"image": "w", "command": CELERY, "stop_signal": "SIGQUIT"}}})},
        "write stop_signal: SIGTERM",
    ),
    "the signal of a program": ("D-12", under(program(" ".join(CELERY), stopsignal="QUIT")), "write stopsignal=TERM"),
    "a signal that dumb-init makes": (
        "D-12",
        {"a.yaml": workload(["dumb-init", "--rewrite", "15:3", *CELERY])},
        "let dumb-init hand on TERM instead",
    ),
    # Whose address is another one over http.
    **{
        f"KEDA by {protocol} and {host}": ("D-56", counting(protocol, **host), said)
        for protocol, host, said in (
            (
                "amqp",
                {"hostFromEnv": "URL"},
                "a hostFromEnv that holds the management API's http address (port 15672): URL is",
            ),
            ("amqp", {"host": "amqp://r:5672/"}, "as host the management API's http address"),
            ("auto", {"host": "amqp://r:5672/"}, "as host the management API's http address"),
            ("http", {"hostFromEnv": "URL"}, ""),
        )
    },
    # The time of Celery's ping.
    **{
        f"{name} with {probe} for {' '.join(command)}": (
            "D-4d",
            {"a.yaml": workload(CELERY, **{name: {"exec": {"command": command}, **probe}})},
            said,
        )
        for name, command, probe, said in (
            ("livenessProbe", [*CELERY[:3], "inspect", "ping"], {}, "1 s, the default"),
            ("livenessProbe", ["sh", "-c", "celery -A shop inspect ping -d celery@$HOSTNAME"], {}, "1 s, the default"),
            (
                "readinessProbe",
                [*CELERY[:3], "status"],
                {"timeoutSeconds": 1},
                "the readinessProbe gives Celery's ping 1 s,",
            ),
            ("startupProbe", [*CELERY[:3], "inspect", "ping"], {"timeoutSeconds": 2}, ""),
            ("livenessProbe", ["cat", "/tmp/alive"], {}, ""),
        )
    },
    **{
        f"{rule} of {loop}": (rule, looped(loop, **options), "" if is_endless else said)
        for loop, is_endless in LOOPS.items()
        for rule, options, said in (
            ("D-48", {}, GIVEN_UP),
            ("D-43", {"autorestart": "unexpected"}, NOT_AGAIN),
            ("D-40", {"startsecs": 0}, AGAIN),
        )
    },
    "a loop of bash -e": ("D-48", under(program(f'bash -ec "while true; do {LIMITED}; done"')), GIVEN_UP),
    **{
        f"what to write instead of {loop}": ("D-11", looped(loop), "name the worker itself as command=")
        for loop in ("while true; do {}; sleep 1; done", "for n in 1 2 3; do {}; done")
    },
    "what to write where there is no loop": ("D-11", looped("{}; sleep 1"), "write exec before the worker"),
}


@pytest.mark.parametrize("name", EDGES)
def test_a_rule_speaks_on_its_side_of_an_edge(name):
    said_of(*EDGES[name])


@pytest.mark.parametrize(
    ("command", "files", "harm"),
    [
        (CELERY, {"celeryconfig.py": LATE}, "repeats"),
        (CELERY, {"celeryconfig.py": "task_acks_late = True\n"}, "loses"),
        (CELERY, {}, "loses"),
        (DRAMATIQ, {}, "repeats"),
        ([*WORK, "--timeout=700"], {}, "loses"),
        (["sidekiq", "-t", "700"], {}, "loses"),
        (CONSUME, asked("amqp://r/m"), "repeats"),
        (CONSUME, asked("kafka://r/m"), "loses"),
        (CONSUME, {}, "loses"),
    ],
)
@pytest.mark.parametrize("rule", ["D-22", "D-23", "D-24", "D-25"])
def test_a_kill_repeats_a_message_that_the_broker_gives_back_and_loses_any_other(rule, command, files, harm):
    hook = {"preStop": {"sleep": {"seconds": 900 if rule == "D-23" else 0}}}
    pod = {
        "terminationGracePeriodSeconds": 0 if rule == "D-22" else 900,
        "nodeSelector": {"cloud.google.com/gke-spot": "true"},
    }
    found = diagnose_files(
        [File(name, text) for name, text in {**files, "a.yaml": workload(command, pod=pod, lifecycle=hook)}.items()]
    )
    assert [str(one.level) for one in found.diagnoses if one.rule == rule] == [harm]


def test_what_amqp_gives_back_and_symfony_then_removes_is_lost():
    transport = {"dsn": "amqp://r/m", "retry_strategy": {"max_retries": 0}}
    text = quick_yaml.dump({"framework": {"messenger": {"transports": {"mail": transport}}}})
    files = {"messenger.yaml": text, "a.yaml": workload(CONSUME, pod={"terminationGracePeriodSeconds": 0})}
    found = diagnose_files([File(name, text) for name, text in files.items()])
    assert [str(one.level) for one in found.diagnoses if one.rule == "D-22"] == ["loses"]


def clocked(
    command: list[str], policy: str = "Forbid", schedule: str = "*/5 * * * *", grace: int = 30, **job: int
) -> dict[str, str]:
    """A CronJob."""
    pod: dict[str, Any] = {"terminationGracePeriodSeconds": grace, "restartPolicy": "Never"}
    pod["containers"] = [{"name": "w", "image": "w:1", "command": command}]
    spec = {
        "schedule": schedule,
        "concurrencyPolicy": policy,
        "jobTemplate": {"spec": {**job, "template": {"spec": pod}}},
    }
    one = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "clock"}, "spec": spec}
    return {"c.yaml": quick_yaml.dump(one)}


EMPTY = [*WORK, "--stop-when-empty"]
REPLACES = "replaces a run that still works when the next is due"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (clocked([*EMPTY, "--timeout=300"], activeDeadlineSeconds=50), "ends each run after 50 s"),
        (clocked([*EMPTY, "--timeout=300"], activeDeadlineSeconds=300), ""),
        (clocked([*EMPTY, "--timeout=300"], grace=330, activeDeadlineSeconds=50), ""),
        (clocked([*EMPTY, "--timeout=300"], "Replace", "* * * * *"), f"{REPLACES}, 60 s later"),
        (clocked([*EMPTY, "--timeout=300"], "Replace", "*/5 * * * *"), ""),
        (clocked([*EMPTY, "--timeout=301"], "Replace", "0,5 * * * *"), f"{REPLACES}, 300 s later"),
        (clocked([*EMPTY, "--timeout=25"], "Replace", "* * * * *"), ""),
        (clocked([*EMPTY, "--timeout=300"], "Allow", "* * * * *"), ""),
        (clocked([*CONSUME, "--time-limit=270"], activeDeadlineSeconds=240), "runs for 270 s (--time-limit"),
        (clocked([*CONSUME, "--time-limit=230"], activeDeadlineSeconds=240), ""),
        (clocked([*CONSUME, "--time-limit=3600"], "Replace", "0 * * * *"), ""),
        (clocked([*CONSUME, "--time-limit=3601"], "Replace", "@hourly"), f"{REPLACES}, 3600 s later"),
        (clocked(CONSUME, "Replace", "30 2 * * *"), "never ends by itself"),
        (clocked([*CONSUME, "--limit=9"], "Replace", "30 2 * * *"), ""),
        (clocked([*WORK, "--max-time=90"], "Replace", "* 8-18 * * *"), f"{REPLACES}, 60 s later"),
        (clocked([*WORK, "--max-time=90"], "Replace", "*/2 8-18/2 * * 1-5"), ""),
        (clocked([*WORK, "--max-time=90"], "Replace", "H * * * *"), ""),
        (clocked(["/srv/queue-worker"], "Replace", activeDeadlineSeconds=9), ""),
        (clocked(EMPTY, activeDeadlineSeconds=50), "may take 60 s for a message"),
    ],
)
def test_a_run_by_the_clock_is_ended_in_the_middle_by_a_deadline_or_by_the_next_one(files, said):
    said_of("D-29", files, said)


def test_a_job_s_deadline_and_its_pods_are_the_same_to_a_worker():
    pod = {
        "restartPolicy": "Never",
        "activeDeadlineSeconds": 100,
        "containers": [{"name": "w", "image": "w", "command": [*CONSUME, "--time-limit=120"]}],
    }
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {"template": {"spec": pod}}}
    said_of("D-29", {"j.yaml": quick_yaml.dump(job)}, "ends each run after 100 s")
    del pod["activeDeadlineSeconds"]
    said_of("D-29", {"j.yaml": quick_yaml.dump(job)}, "")


def meshed(
    annotations: dict[str, Any],
    labels: dict[str, str] | None = None,
    space: dict[str, Any] | None = None,
    command: list[str] = CONSUME,
    *others: dict[str, Any],
    **container: Any,
) -> dict[str, str]:
    """A worker in a mesh, its namespace `shop` and what else of the mesh is handed over."""
    data = quick_yaml.load(workload(command, **container))
    metadata = data["spec"]["template"]["metadata"]
    metadata["annotations"] = annotations
    metadata["labels"] = metadata["labels"] | (labels or {})
    named = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", **(space or {})}}
    return {f"{n}.yaml": quick_yaml.dump(one) for n, one in enumerate((data, named, *others))}


def istiod(name: str, value: str) -> dict[str, Any]:
    values = {"pilot": {"env": {name: value}}}
    return {"apiVersion": "install.istio.io/v1alpha1", "kind": "IstioOperator", "spec": {"values": values}}


AMQP = [{"name": "URL", "value": "amqp://r:5672/"}]
ISTIO, LINKERD, SPACE = {"sidecar.istio.io/inject": "true"}, {"linkerd.io/inject": "enabled"}, "istio-injection"
PORTS, SKIPS = "traffic.sidecar.istio.io/excludeOutboundPorts", "config.linkerd.io/skip-outbound-ports"
OF_ISTIO = "has Istio's proxy beside it, which ends 5 s after SIGTERM (unless"
OF_LINKERD, PLAIN = "has Linkerd's proxy beside it", "ends 5 s after SIGTERM, while"
CONFIG, EXITS = "proxy.istio.io/config", "proxyMetadata:\n  EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true'\n"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (meshed({}), ""),
        (meshed(ISTIO), OF_ISTIO),
        (meshed({}, ISTIO), OF_ISTIO),
        (meshed({"sidecar.istio.io/inject": True}), OF_ISTIO),
        (meshed({}, {"istio.io/rev": "1-24"}), OF_ISTIO),
        (meshed({}, space={"labels": {SPACE: "enabled"}}), OF_ISTIO),
        (meshed({}, space={"labels": {"istio.io/rev": "stable"}}), OF_ISTIO),
        (meshed({}, {"sidecar.istio.io/inject": "false"}, {"labels": {SPACE: "enabled"}}), ""),
        (meshed(ISTIO, space={"labels": {SPACE: "disabled"}}), ""),
        (meshed({}, space={"labels": {"istio.io/dataplane-mode": "ambient"}}), ""),
        (meshed({}, space={"name": "other", "labels": {SPACE: "enabled"}}), ""),
        (meshed(ISTIO | {"sidecar.istio.io/nativeSidecar": "true"}), ""),
        (meshed(ISTIO | {"sidecar.istio.io/nativeSidecar": "false"}), PLAIN),
        (meshed(ISTIO | {CONFIG: EXITS}), ""),
        (meshed(ISTIO | {CONFIG: '{"proxyMetadata": {"EXIT_ON_ZERO_ACTIVE_CONNECTIONS": "true"}}'}), ""),
        (meshed(ISTIO | {CONFIG: "holdApplicationUntilProxyStarts: true"}), OF_ISTIO),
        (meshed(ISTIO | {CONFIG: "terminationDrainDuration: 45s"}), "ends 45 s after SIGTERM"),
        (meshed(ISTIO | {CONFIG: "terminationDrainDuration: 2m"}), ""),
        (meshed(ISTIO | {PORTS: "5672,443"}), ""),
        (meshed(ISTIO | {PORTS: "443"}), OF_ISTIO),
        (meshed(ISTIO | {PORTS: "5672"}, env=AMQP), ""),
        (meshed(ISTIO | {PORTS: "6379"}, env=AMQP), OF_ISTIO),
        (meshed(ISTIO | {"traffic.sidecar.istio.io/excludeOutboundIPRanges": "10.0.0.0/8"}), ""),
        (meshed(ISTIO, None, None, CONSUME, istiod("ENABLE_NATIVE_SIDECARS", "true")), ""),
        (
            meshed(ISTIO, None, None, CONSUME, istiod("ENABLE_NATIVE_SIDECARS", "false")),
            "ends 5 s after SIGTERM, while",
        ),
        (meshed(ISTIO, None, None, ["sidekiq", "-t", "5"]), ""),
        (meshed(ISTIO, None, None, ["sidekiq", "-t", "6"]), OF_ISTIO),
        (meshed(LINKERD), OF_LINKERD),
        (meshed({}, space={"annotations": LINKERD}), OF_LINKERD),
        (meshed({"linkerd.io/inject": "disabled"}, space={"annotations": LINKERD}), ""),
        (meshed(LINKERD | {"config.beta.linkerd.io/proxy-enable-native-sidecar": "true"}), ""),
        (meshed(LINKERD | {"config.alpha.linkerd.io/proxy-enable-native-sidecar": "true"}), ""),
        (meshed(LINKERD | {"config.alpha.linkerd.io/proxy-wait-before-exit-seconds": "80"}), ""),
        (meshed(LINKERD | {"config.alpha.linkerd.io/proxy-wait-before-exit-seconds": "20"}), OF_LINKERD),
        (meshed(LINKERD | {"config.linkerd.io/shutdown-grace-period": "30s"}), "closes the others 30 s later"),
        (meshed(LINKERD | {SKIPS: "5600-5700"}, env=AMQP), ""),
    ],
)
def test_a_proxy_that_a_mesh_puts_into_the_pod_is_judged_as_one_that_is_written(files, said):
    said_of("D-27", files, said)


def test_what_the_mesh_itself_says_of_its_proxy_is_not_judged_where_it_was_not_handed_over():
    def notes(files: dict[str, str]) -> str:
        return " ".join(note.text for note in diagnose_files([File(*one) for one in files.items()]).notes)

    ranges = {"traffic.sidecar.istio.io/excludeOutboundIPRanges": "10.0.0.0/8"}
    assert "which version of Istio injects its proxy" in notes(meshed(ISTIO))
    assert "whether it outlasts the workers is not judged" in notes(meshed(ISTIO | ranges))
    assert "what Linkerd's own settings say" in notes(meshed(LINKERD))
    assert "outlasts" not in notes(meshed(ISTIO | {"sidecar.istio.io/nativeSidecar": "false"}))
    assert "outlasts" not in notes(meshed({}))


SECRET = {"valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}
IN_ENV = "# comes from there\nexport OTHER=1\nMESSENGER_TRANSPORT_DSN='amqp://app@r/m' # no\n"


@pytest.mark.parametrize(
    ("files", "is_known"),
    [
        (asked(), False),
        (asked(dotenv=IN_ENV), True),
        (asked("%env(resolve:MESSENGER_TRANSPORT_DSN)%", IN_ENV), True),
        (asked(dotenv="MESSENGER_TRANSPORT_DSN=$URL\n"), False),
        (asked(dotenv="OTHER=amqp://r/m\n"), False),
        (asked(dotenv=IN_ENV, name="other/.env"), False),
        (asked(dotenv=IN_ENV, name=".env.prod"), True),
        (asked(dotenv=IN_ENV, env=[{"name": "MESSENGER_TRANSPORT_DSN", **SECRET}]), False),
        (asked(dotenv=IN_ENV, envFrom=[{"secretRef": {"name": "s"}}]), False),
        (asked(env=[{"name": "MESSENGER_TRANSPORT_DSN", "value": "amqp://r/m"}]), True),
    ],
)
def test_a_transport_s_address_is_what_the_set_s_own_env_file_says_unless_a_manifest_may_say_another(files, is_known):
    notes = [note.text for note in diagnose_files([File(name, text) for name, text in files.items()]).notes]
    assert any(NOT_WRITTEN in note for note in notes) != is_known, notes


def test_the_env_file_of_production_wins_and_its_options_count():
    dsn = "MESSENGER_TRANSPORT_DSN=redis://r/mail?redeliver_timeout={}\n"
    files = asked(dotenv=dsn.format(3600)) | {".env.prod": dsn.format(600)}
    said_of("D-71", files, "")
    said_of("D-71", asked(dotenv=dsn.format(3600)), "after 3600 s")


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (hooked(SIDEKIQ, "kill -$SIGNAL 1"), "known only when it runs"),
        (hooked(SIDEKIQ, "sidekiqctl quiet tmp/sidekiq.pid"), "gone since Sidekiq 6; hand over Gemfile.lock"),
        (hooked(CONSUME, "kill -USR1 1"), "does nothing: messenger:consume is PID 1"),
        (hooked(["/srv/queue-worker"], "kill -USR1 1"), "what /srv/queue-worker does then is not judged"),
    ],
)
def test_a_signal_that_nobody_here_knows_is_said_to_be_not_judged(files, said):
    notes = [note.text for note in diagnose_files([File(name, text) for name, text in files.items()]).notes]
    assert any(said in note for note in notes), notes


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (meshed({"consul.hashicorp.com/connect-inject": "true"}), "Consul"),
        (meshed({}, {"kuma.io/sidecar-injection": "enabled"}), "Kuma"),
        (meshed({}, space={"labels": {"kuma.io/sidecar-injection": "enabled"}}), "Kuma"),
        (meshed({}, {"kuma.io/sidecar-injection": "disabled"}, {"labels": {"kuma.io/sidecar-injection": "true"}}), ""),
        (meshed({"consul.hashicorp.com/connect-inject": "false"}), ""),
    ],
)
def test_of_a_mesh_whose_proxy_nobody_here_has_read_it_is_not_judged_when_that_ends(
    files: dict[str, str], said: str
) -> None:
    report = diagnose_files([File(name, text) for name, text in files.items()])
    assert not [one for one in report.diagnoses if one.rule == "D-27"]
    notes = [note.text for note in report.notes if "beside the workers ends is not known here" in note.text]
    assert [f"when the proxy that {said} puts" in note for note in notes] == [True] * bool(said)
