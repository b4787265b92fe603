"""What doctor says of clients in PHP and Go, of overlays, of files in heredocs, and of what stands beside each."""

from __future__ import annotations

import pytest
from tests import quick_yaml
from tests.doctor.test_edges import CONSUME, Edge, keda, said_of, workload
from tests.doctor.test_naive_edges import clocked

from ebbtide.doctor.diagnose import diagnose_files
from ebbtide.doctor.files import File

WORK = ["php", "/srv/artisan", "queue:work", "--timeout=60"]
AUTOLOAD = "require __DIR__ . '/vendor/autoload.php';\n"
LOOP = "while ($channel->is_consuming()) { $channel->wait(); }\n"
PROBE = {"httpGet": {"path": "/", "port": 8080}}


def php(call: str, before: str = AUTOLOAD, after: str = LOOP, use: str = "PhpAmqpLib") -> dict[str, str]:
    """A script that a Deployment runs."""
    code = f"<?php\nuse {use}\\Connection\\AMQPStreamConnection;\n{before}{call}\n{after}"
    return {"a.yaml": workload(["php", "/srv/worker.php"]), "srv/worker.php": code}


def go(calls: str, signals: str = "signal.Notify(stop, os.Interrupt)", package: str = "main") -> dict[str, str]:
    """A program whose binary an image starts."""
    code = f'package {package}\nimport (\n\t"os/signal"\n\tamqp "github.com/rabbitmq/amqp091-go"\n)\n'
    docker = 'FROM golang AS b\nRUN go build -o /o/w .\nFROM scratch\nCOPY --from=b /o/w /w\nENTRYPOINT ["/w"]\n'
    text = f"{code}func main() {{\n\t{calls}\n\t{signals}\n}}\n"
    return {"main.go": text, "Dockerfile": docker, "a.yaml": deployed()}


def deployed(**container: object) -> str:
    """A Deployment that leaves to its image what it runs."""
    return workload([], **container).replace("          command: []\n", "").replace("        command: []\n", "")


def overlaid(patch: object, **more: object) -> dict[str, str]:
    """A base with 30 s for jobs of 60, and an overlay."""
    base = workload(WORK, pod={"terminationGracePeriodSeconds": 30})
    overlay = {"resources": ["../a.yaml"], "patches": [patch] if patch else [], **more}
    return {"a.yaml": base, "prod/kustomization.yaml": quick_yaml.dump(overlay)}


def steps(op: str, path: str, value: object = None) -> dict[str, object]:
    step = {"op": op, "path": path} | ({} if value is None else {"value": value})
    return {"target": {"kind": "Deployment", "name": "jobs"}, "patch": quick_yaml.dump([step])}


def scaled_job(command: list[str], **job: object) -> dict[str, str]:
    pod = {"restartPolicy": "Never", "containers": [{"name": "w", "image": "w:1", "command": command}]}
    spec = {"jobTargetRef": {"template": {"spec": pod}, **job}, "triggers": []}
    one = {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledJob", "metadata": {"name": "jobs"}, "spec": spec}
    return {"j.yaml": quick_yaml.dump(one)}


def hooked(base: str, hook: list[str], copies: str = "") -> dict[str, str]:
    """A worker in an image without a shell, and a hook."""
    docker = f'FROM golang AS b\nFROM {base}\nCOPY --from=b /o/w /w\n{copies}ENTRYPOINT ["/w"]\n'
    container = {"lifecycle": {"preStop": {"exec": {"command": hook}}}}
    return {"Dockerfile": docker, "a.yaml": deployed(**container)}


def ruby(line: str, before: str) -> dict[str, str]:
    """A program of Bunny's that a Deployment runs."""
    return {"a.yaml": workload(["ruby", "/srv/worker.rb"]), "srv/worker.rb": f'require "bunny"\n{before}{line}\n'}


def heard(listed: object) -> dict[str, str]:
    """A consumer whose configuration says what it stops at."""
    framework = {"messenger": {"stop_worker_on_signals": listed, "transports": {"mail": "amqp://r/m"}}}
    return {"a.yaml": workload(CONSUME), "messenger.yaml": quick_yaml.dump({"framework": framework})}


def application(difference: object, *options: str) -> str:
    """An Application of Argo CD."""
    spec = {"ignoreDifferences": [difference], "syncPolicy": {"syncOptions": list(options)}}
    return quick_yaml.dump({"apiVersion": "argoproj.io/v1alpha1", "kind": "Application", "spec": spec})


def paused(annotations: dict[str, str]) -> str:
    """A ScaledObject, with annotations of KEDA's."""
    metadata = {
        "name": "jobs",
        "annotations": {f"autoscaling.keda.sh/{key}": said for key, said in annotations.items()},
    }
    spec = {"scaleTargetRef": {"name": "jobs"}, "triggers": []}
    return quick_yaml.dump(
        {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "metadata": metadata, "spec": spec}
    )


def s6_rc(text: str, grace: int, *options: str) -> dict[str, str]:
    """A service of s6-rc, and how long it is waited for."""
    run = f"#!/command/execlineb -P\nphp /srv/artisan queue:work {' '.join(options)}\n"
    files = {"s6-rc.d/queue/run": run, "s6-rc.d/queue/timeout-kill": text}
    return {"a.yaml": workload(["/init"], pod={"terminationGracePeriodSeconds": grace}), **files}


RESPECT = "RespectIgnoreDifferences=true"
GRACE, REPLICAS = "/spec/template/spec/terminationGracePeriodSeconds", "/spec/replicas"
TAKES = "$channel->basic_consume('q', '', false, {}, false, false, $callback);"
SENT = "each is done when it is sent"
KILLED = "is killed after {} s"

EDGES: dict[str, Edge] = {
    # When a message is done, by the argument of each client.
    **{
        f"{call} of {use}": ("D-92", php(call, use=use), SENT if is_early else "")
        for call, use, is_early in (
            (TAKES.format("true"), "PhpAmqpLib", True),
            (TAKES.format("TRUE"), "PhpAmqpLib", True),
            (TAKES.format("false"), "PhpAmqpLib", False),
            ("$channel->basic_consume('q', callback: $c, no_ack: true);", "PhpAmqpLib", True),
            ("$channel->basic_consume('q', no_local: true, callback: $c);", "PhpAmqpLib", False),
            ("$channel->basic_consume($queue, '', false, true);", "PhpAmqpLib", True),
            ("$channel->basic_consume($callback_queue, '', false, true);", "PhpAmqpLib", False),
            ("// $channel->basic_consume('q', '', false, true);", "PhpAmqpLib", False),
            ("$channel->basic_get('q', true);", "PhpAmqpLib", True),
            ("$channel->basic_get('q');", "PhpAmqpLib", False),
            ("$queue->consume($callback, AMQP_AUTOACK);", "AMQPQueue", True),
            ("$queue->consume($callback);", "AMQPQueue", False),
            ("$channel->run($callback, 'q', '', false, true);", "Bunny", True),
            ("$channel->run($callback, 'q', '', false, false);", "Bunny", False),
            ("$loop->run($callback, 'q', '', false, true);", "React", False),
        )
    },
    "a queue of its own": (
        "D-92",
        php("[$q] = $channel->queue_declare('', false, false, true);\n$channel->basic_consume($q, '', false, true);"),
        "",
    ),
    **{
        call: ("D-92", go(call), SENT if is_early else "")
        for call, is_early in (
            ('ch.Consume("q", "", true, false, false, false, nil)', True),
            ('ch.Consume("q", "", false, false, false, false, amqp.Table{"a": true, "b": 1})', False),
            ('ch.ConsumeWithContext(ctx, "q", "", true, false, false, false, nil)', True),
            ('ch.ConsumeWithContext(ctx, "q", "", false, true, false, false, nil)', False),
            ('ch.Get("q", true)', True),
            ('ch.Get("q", false)', False),
            ('cache.Get("q")', False),
            ('// ch.Consume("q", "", true, false, false, false, nil)', False),
            ('ch.Consume(replyTo, "", true, false, false, false, nil)', False),
            ('q, _ := ch.QueueDeclare("", a)\n\tch.Consume(q.Name, "", true, false, false, false, nil)', False),
            ("ch.Consume(q.Name, f(1, 2), true, false, false, false, nil)", True),
        )
    },
    # Which stop signal a program hears.
    "PHP without a handler": ("D-1a", php(TAKES.format("false")), "worker.php takes messages and handles no signal"),
    "PHP with a part of its own": ("D-1a", php(TAKES.format("false"), f"{AUTOLOAD}require 'stop.php';\n"), ""),
    "PHP by a class": ("D-1a", php(TAKES.format("false"), f"{AUTOLOAD}class W {{}}\n"), ""),
    "PHP with a helper": ("D-1a", php(TAKES.format("false"), f"{AUTOLOAD}new GracefulStop();\n"), ""),
    "PHP that waits elsewhere": ("D-1a", php(TAKES.format("false"), after=""), ""),
    "PHP with a handler": ("D-1a", php(TAKES.format("false"), f"{AUTOLOAD}pcntl_signal(SIGTERM, $f);\n"), ""),
    **{
        f"Go with {signals}": ("D-1a", go('ch.Consume("q", "", false, false, false, false, nil)', signals), said)
        for signals, said in (
            ("signal.Notify(stop, os.Interrupt)", "handles SIGINT alone: SIGTERM ends it at once"),
            ("signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)", ""),
            ("signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)", ""),
            ("signal.Notify(stop)", ""),
            ("signal.Notify(stop, signals...)", ""),
            ("run()", ""),
        )
    },
    "Go in another package": (
        "D-1a",
        go('ch.Consume("q", "", false, false, false, false, nil)', package="mail"),
        "",
    ),
    "Go that is stopped by SIGINT": (
        "D-1a",
        go('ch.Consume("q", "", false, false, false, false, nil)')
        | {"a.yaml": deployed(lifecycle={"stopSignal": "SIGINT"})},
        "",
    ),
    # What an overlay gives, by every way to write it.
    "a base without an overlay": ("D-21", {"a.yaml": overlaid(None)["a.yaml"]}, KILLED.format(30)),
    "an overlay of labels": ("D-21", overlaid(None, labels=[]), KILLED.format(30)),
    "steps with more": ("D-21", overlaid(steps("replace", GRACE, 90)), ""),
    "steps with less": ("D-21", overlaid(steps("add", GRACE, 20)), KILLED.format(20)),
    "steps that only look": ("D-21", overlaid(steps("test", GRACE, 90)), KILLED.format(30)),
    "steps whose value a variable holds": ("D-21", overlaid(steps("replace", GRACE, "${GRACE}")), ""),
    "steps of another": (
        "D-21",
        overlaid({**steps("replace", GRACE, 90), "target": {"kind": "Deployment", "name": "mail"}}),
        KILLED.format(30),
    ),
    "steps of all": ("D-21", overlaid({**steps("replace", GRACE, 90), "target": {"kind": "Deployment"}}), ""),
    **{
        f"{name} beside an autoscaler": ("D-55", files | {"k.yaml": keda()}, said)
        for name, files, said in (
            ("its own number", overlaid(None), "replicas: 1 is written"),
            ("an overlay's number", overlaid(None, replicas=[{"name": "jobs", "count": 2}]), "replicas: 2 is written"),
            ("an overlay that takes it away", overlaid(steps("remove", REPLICAS)), ""),
            ("an overlay's step", overlaid(steps("replace", REPLICAS, 7)), "replicas: 7 is written"),
        )
    },
    # Probes of a port.
    **{
        f"{name} for {command}": ("D-4e", {"a.yaml": workload(command, **{name: probe}, **more)}, said)
        for name, command, probe, more, said in (
            ("livenessProbe", WORK, PROBE, {}, "asks port 8080, which artisan queue:work does not open"),
            ("startupProbe", CONSUME, {"tcpSocket": {"port": 9000}}, {}, "asks port 9000"),
            ("readinessProbe", CONSUME, PROBE, {}, "no pod is ever ready"),
            ("livenessProbe", WORK, {"exec": {"command": ["true"]}}, {}, ""),
            ("livenessProbe", ["bundle", "exec", "sidekiq"], PROBE, {}, ""),
            ("livenessProbe", ["sh", "-c", f"php -S 0.0.0.0:8080 & exec {' '.join(WORK)}"], PROBE, {}, ""),
        )
    },
    # A Job that ends, and one that does not.
    **{
        f"a ScaledJob of {' '.join(command)} with {job}": ("D-5l", scaled_job(command, **job), said)
        for command, job, said in (
            (CONSUME, {}, "write --limit=1"),
            ([*CONSUME, "--memory-limit=1G"], {}, "write --limit=1"),
            ([*CONSUME, "--limit=1"], {}, ""),
            ([*CONSUME, "--time-limit", "60"], {}, ""),
            (WORK, {}, "write --stop-when-empty"),
            ([*WORK, "--once"], {}, ""),
            ([*WORK, "--max-time=60"], {}, ""),
            (["bundle", "exec", "sidekiq"], {}, "a ScaledObject and a Deployment"),
            (CONSUME, {"activeDeadlineSeconds": 600}, ""),
            (["/app/worker"], {}, ""),
        )
    },
    # What a hook runs in an image without a shell.
    **{
        f"{' '.join(hook)} in {base} {copies}": ("D-35", hooked(base, hook, copies), said)
        for base, hook, copies, said in (
            ("scratch", ["sh", "-c", "sleep 5"], "", "the hook runs sh, which scratch does not have"),
            ("gcr.io/distroless/base-debian12", ["sleep", "5"], "", "write preStop: {sleep:"),
            ("gcr.io/distroless/base-debian12", ["/bin/sh", "-c", "kill 1"], "", "build on an image that has it"),
            ("gcr.io/distroless/base-debian12:debug", ["sh", "-c", "sleep 5"], "", ""),
            ("scratch", ["sh", "-c", "sleep 5"], "COPY --from=b /bin/busybox /bin/sh\n", ""),
            ("scratch", ["/w", "stop"], "", ""),
            ("alpine", ["sh", "-c", "sleep 5"], "", ""),
        )
    },
    # Ruby's client.
    **{
        line: (rule, ruby(line, before), said)
        for rule, line, before, said in (
            ("D-92", "q.subscribe(block: true) do |_, _, body|", "", SENT),
            ("D-92", "q.subscribe(manual_ack: true, block: true) do |info, _, body|", "", ""),
            ("D-92", "q.subscribe(:ack => true) { work }", "", ""),
            ("D-92", "q.subscribe(\n  manual_ack: true) { work }", "", ""),
            ("D-92", "# q.subscribe(block: true) do", "", ""),
            ("D-92", "reply_queue.subscribe { work }", "", ""),
            ("D-92", "q.subscribe { work }", 'answers = channel.queue("", exclusive: true)\n', ""),
            (
                "D-1a",
                "q.subscribe(manual_ack: true) { |i| work(i) }",
                "",
                "worker.rb takes messages and handles no signal",
            ),
            ("D-1a", "q.subscribe(manual_ack: true) { work }", 'Signal.trap("TERM") { stop }\n', ""),
            ("D-1a", "q.subscribe(ack: true) { work }", 'require_relative "stop"\n', ""),
            ("D-1a", "q.subscribe(ack: true) { other }", "class Worker\nend\n", ""),
        )
    },
    # Which signals Messenger is told to hear.
    **{
        f"stop_worker_on_signals {listed}": ("D-12", heard(listed), said)
        for listed, said in (
            (["SIGINT"], "is told to stop at SIGINT alone, and is stopped by SIGTERM"),
            ([2, 3], "at SIGINT and SIGQUIT alone"),
            (["SIGTERM", "SIGINT"], ""),
            ([15], ""),
            (["%env(SIGNAL)%"], ""),
            ([], ""),
            (None, ""),
        )
    },
    # Resque, which may be told to end its job.
    **{
        f"Resque with {environment}": (
            "D-12",
            {
                "a.yaml": workload(
                    ["rake", "resque:work"], env=[{"name": n, "value": v} for n, v in environment.items()]
                )
            },
            said,
        )
        for environment, said in (
            ({"GRACEFUL_TERM": "1"}, ""),
            ({"GRACEFUL_TERM": ""}, "not on TERM"),
            ({"TERM_CHILD": "1"}, "not on TERM"),
        )
    },
    # Whose number of pods Argo CD leaves alone.
    **{
        f"Argo CD with {difference} and {options}": (
            "D-55",
            {"a.yaml": workload(WORK), "k.yaml": keda(), "app.yaml": application(difference, *options)},
            said,
        )
        for difference, options, said in (
            ({"kind": "Deployment", "jsonPointers": ["/spec/replicas"]}, [RESPECT], ""),
            ({"kind": "*", "jqPathExpressions": [".spec.replicas"]}, [RESPECT], ""),
            ({"kind": "Deployment", "name": "jobs", "jsonPointers": ["/spec/replicas"]}, [RESPECT], ""),
            ({"kind": "Deployment", "jsonPointers": ["/spec/replicas"]}, [], "remove replicas"),
            ({"kind": "Deployment", "name": "mail", "jsonPointers": ["/spec/replicas"]}, [RESPECT], "remove replicas"),
            ({"kind": "StatefulSet", "jsonPointers": ["/spec/replicas"]}, [RESPECT], "remove replicas"),
            ({"kind": "Deployment", "jsonPointers": ["/spec/template"]}, [RESPECT], "remove replicas"),
        )
    },
    # An autoscaler that was paused.
    **{
        f"paused: {annotations}": ("D-5m", {"k.yaml": paused(annotations)}, said)
        for annotations, said in (
            ({"paused-replicas": "0"}, "is paused at 0 pods: nothing consumes"),
            ({"paused-replicas": "4"}, "is paused at 4 pods, whatever waits"),
            ({"paused": "true"}, "at the number of pods that it was left with"),
            ({"paused": "false"}, ""),
            ({}, ""),
        )
    },
    # Runs of the clock beside each other.
    **{
        f"{' '.join(command[2:])} by {schedule} {policy}": ("D-5n", clocked(command, policy, schedule, **job), said)
        for command, policy, schedule, job, said in (
            ([*CONSUME, "--time-limit=3600"], "Allow", "*/5 * * * *", {}, "up to 12 at once"),
            ([*CONSUME, "--time-limit=600"], "Allow", "*/5 * * * *", {}, "up to 2 at once"),
            ([*CONSUME, "--time-limit=599"], "Allow", "*/5 * * * *", {}, ""),
            ([*CONSUME, "--time-limit=3600"], "Forbid", "*/5 * * * *", {}, ""),
            (CONSUME, "Allow", "@hourly", {}, "one more each time"),
            (CONSUME, "Allow", "@hourly", {"activeDeadlineSeconds": 3000}, ""),
            ([*CONSUME, "--limit=9"], "Allow", "* * * * *", {}, ""),
        )
    },
    # A probe that begins the whole application.
    **{
        f"{name} with {' '.join(command)} {more}": (
            "D-4d",
            {"a.yaml": workload(WORK, **{name: {"exec": {"command": command}, **more}})},
            said,
        )
        for name, command, more, said in (
            (
                "livenessProbe",
                ["php", "artisan", "horizon:status"],
                {},
                "gives 'artisan horizon:status' 1 s, the default",
            ),
            ("readinessProbe", ["php", "bin/console", "app:alive"], {}, "'bin/console app:alive' 1 s"),
            ("livenessProbe", ["php", "artisan", "horizon:status"], {"timeoutSeconds": 10}, ""),
            ("livenessProbe", ["php", "/srv/alive.php"], {}, ""),
        )
    },
    # How long s6-rc waits.
    **{
        f"timeout-kill {text!r} {grace} {' '.join(options)}": ("D-26", s6_rc(text, grace, *options), said)
        for text, grace, options, said in (
            ("5000\n", 90, ("--timeout=60",), "s6 kills artisan queue:work 5 s after its stop signal"),
            ("60000", 90, ("--timeout=60",), ""),
            ("0", 90, ("--timeout=60",), ""),
            ("soon", 90, ("--timeout=60",), ""),
            ("59999", 90, (), "59.999 s after its stop signal"),
        )
    },
    # Whether an image may have got PHP's extensions from another.
    **{
        f"PHP with {line}": (
            "D-13",
            {"Dockerfile": f"FROM php:8.3-cli\n{line}\nCMD {list(CONSUME)}\n".replace("'", '"')},
            said,
        )
        for line, said in (
            ("COPY --from=composer:2 /usr/bin/composer /usr/local/bin/composer", "has no pcntl"),
            ("COPY --from=built /usr/local/lib/php/extensions/ /usr/local/lib/php/extensions/", ""),
            ("COPY --from=built /usr/local /usr/local", ""),
            ("COPY --from=built / /", ""),
            ("ENV EXTENSIONS=pcntl", ""),
        )
    },
}


@pytest.mark.parametrize(("rule", "files", "expected"), EDGES.values(), ids=EDGES)
def test_a_fault_is_told_where_it_is_and_not_where_it_only_looks_like_one(rule, files, expected):
    said_of(rule, files, expected)


def test_an_overlay_s_patch_is_no_workload_of_its_own():
    patch = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "jobs"}}
    patch |= {"spec": {"replicas": 4, "template": {"spec": {"containers": [{"name": "w", "command": WORK}]}}}}
    files = overlaid({"path": "more.yaml"}) | {"prod/more.yaml": quick_yaml.dump(patch)}
    report = diagnose_files([File(name, text) for name, text in files.items()])
    assert list(report.seen) == ["Deployment jobs: artisan queue:work"]


def test_a_finding_in_a_heredoc_names_its_line_of_the_dockerfile():
    text = "[supervisord]\nnodaemon=true\n[program:a]\ncommand=php artisan queue:work\n"
    for write in ("COPY <<EOF /etc/supervisord.conf\n{}EOF\n", "RUN cat > /etc/supervisord.conf <<EOF\n{}EOF\n"):
        docker = f'FROM php:8.3-cli\n{write.format(text)}CMD ["supervisord", "-c", "/etc/supervisord.conf"]\n'
        report = diagnose_files([File("Dockerfile", docker)])
        assert {f"{one.rule}@{one.place}" for one in report.diagnoses} >= {"D-20@Dockerfile:5"}, report


def test_two_files_in_heredocs_are_two():
    docker = (
        "FROM php:8.3-cli\nCOPY <<main <<work /etc/supervisor/\n[supervisord]\nnodaemon=true\n[include]\n"
        "files=/etc/supervisor/work\nmain\n[program:a]\ncommand=php artisan queue:work\nwork\n"
        'CMD ["supervisord", "-c", "/etc/supervisor/main"]\n'
    )
    report = diagnose_files([File("Dockerfile", docker)])
    assert "D-20@Dockerfile:8" in {f"{one.rule}@{one.place}" for one in report.diagnoses}
