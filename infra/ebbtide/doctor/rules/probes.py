"""Rules about what restarts a container that works."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ebbtide.doctor.data import Map
from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.rules.declare import unit_rule
from ebbtide.doctor.unit import Unit

_PINGS_CELERY: Final = re.compile(r"\bcelery\b.*\b(?:inspect\s+ping|status)\b")
_OPENS_NO_PORT: Final = frozenset({"messenger:consume", "artisan queue:work", "artisan horizon"})
# Each begins a whole application: 0.3 s on an idle machine are seconds on one that is throttled.
_BOOTS: Final = re.compile(r"\bartisan [\w:-]+|\bbin/console [\w:-]+|\brails (?:runner|r)\b|\brake [\w:]+")
# Kubernetes' own, of a probe that says nothing.
_PERIOD_SECONDS: Final = 10
_FAILURES: Final = 3
_TIMEOUT_SECONDS: Final = 1
_ASKS_A_BROKER: Final = re.compile(
    r"\b(?:redis-cli|valkey-cli|rabbitmqctl|rabbitmq-diagnostics|mysqladmin|pg_isready|messenger:stats|queue:monitor)\b"
    r"|\bcelery\b.*\b(?:inspect|status)\b|\bnc\b.* -\w*z"
)


@unit_rule(
    "D-49",
    Harm.DELAYS,
    remedy="Ask the process itself: a file that it touches, or nothing at all.",
    source="Kubernetes' documentation: a failed liveness probe ends the container; `celery inspect ping` goes over the "
    "broker and back.",
)
def check_liveness(unit: Unit) -> Iterator[Diagnosis]:
    """A broker outage ends no worker. Where the liveness probe asks the broker, every container is ended in an outage,
    with what it has in hand, and all begin anew together when the broker is back."""
    if unit.container is None or unit.workload is None:
        return
    probe = unit.container.data.map("livenessProbe")
    words = probe.map("exec").get("command")
    text = " ".join(map(str, words)) if isinstance(words, list) else ""
    asks = _ASKS_A_BROKER.search(text)
    if asks is not None:
        yield Diagnosis(
            unit.workload.at(probe),
            unit.title,
            f"the liveness probe asks the broker or a database ({asks[0]}): an outage of it ends every container, the "
            "busy ones too",
            "ask the process itself, or write no liveness probe",
        )


@unit_rule(
    "D-4e",
    Harm.BREAKS,
    remedy="Leave the probe out, or ask the process itself: exec, and a file that it touches.",
    source="Kubernetes' documentation of probes: a failed liveness or startup probe ends the container, and a pod that "
    "is never ready ends no rollout; `messenger:consume`, `queue:work` and `horizon` open no port.",
)
def check_port_nobody_opens(unit: Unit) -> Iterator[Diagnosis]:
    """A probe asks somebody who answers. The template of a web server gives a worker of PHP its probes too, over HTTP
    or to a port that it does not open: the container is ended again and again, with what it has in hand, or is never
    ready. Said of a container whose only process is such a worker, alone in its pod."""
    container, workload = unit.container, unit.workload
    if container is None or workload is None or len(workload.containers) > 1 or unit.supervisor is not None:
        return
    names = {worker.program.name if worker.program else "" for worker in unit.workers}
    if not names or names - _OPENS_NO_PORT or any(unit.beside_workers()):
        return
    for name in ("livenessProbe", "startupProbe", "readinessProbe"):
        probe = container.data.map(name)
        key = next((one for one in ("httpGet", "tcpSocket", "grpc") if one in probe), "")
        if not key or (name == "readinessProbe" and "livenessProbe" in container.data):
            continue
        period, failures = probe.get("periodSeconds", _PERIOD_SECONDS), probe.get("failureThreshold", _FAILURES)
        seconds = period * failures if isinstance(period, int) and isinstance(failures, int) else 0
        after = f" after {seconds} s" if seconds else ""
        end = (
            "no pod is ever ready, and no rollout ends"
            if name == "readinessProbe"
            else f"each container is ended{after}"
        )
        yield Diagnosis(
            workload.at(probe),
            unit.title,
            f"the {name} asks port {probe.map(key).text('port')}, which {unit.workers[0].title} does not open: {end}",
            f"remove the {name}, or ask the process itself",
        )


@unit_rule(
    "D-4b",
    Harm.DELAYS,
    remedy="Leave --pool solo out (one process of prefork answers while its child works), or write no liveness probe.",
    source="Celery's documentation of concurrency: solo runs the task inside of the process that answers the broker.",
)
def check_solo_ping(unit: Unit) -> Iterator[Diagnosis]:
    """A worker that works is not taken for dead. Of `--pool solo` it is one process that runs the task and answers a
    ping: it answers none until the task has ended."""
    probe = unit.container.data.map("livenessProbe") if unit.container is not None else Map()
    words = probe.map("exec").get("command")
    if unit.workload is None or not isinstance(words, list) or not _PINGS_CELERY.search(" ".join(map(str, words))):
        return
    period, failures = probe.get("periodSeconds", _PERIOD_SECONDS), probe.get("failureThreshold", _FAILURES)
    for worker in unit.named("celery worker"):
        if worker.values("-P", "--pool")[-1:] == ["solo"] and isinstance(period, int) and isinstance(failures, int):
            yield Diagnosis(
                unit.workload.at(probe),
                unit.title,
                f"the liveness probe pings a worker of --pool solo, which answers nothing while it runs a task: each "
                f"that takes longer than {period * failures} s ends the container",
                "leave --pool solo out, or write no liveness probe",
            )


@unit_rule(
    "D-4d",
    Harm.DELAYS,
    remedy="Write timeoutSeconds: 10 or more, or ask the process itself.",
    source="Celery's documentation: inspect waits 1 s for answers (--timeout), after its own start; Kubernetes: "
    "timeoutSeconds is 1 where nothing is written, and holds for exec since 1.20.",
)
def check_ping_time(unit: Unit) -> Iterator[Diagnosis]:
    """A probe has the time that its command takes. `celery inspect ping` imports the application, asks over the broker,
    and waits up to a second for the answer; `php artisan`, `bin/console` and `rails runner` begin the whole
    application: within Kubernetes' default of one second they fail on a busy node."""
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = unit.container.data.map(name) if unit.container is not None else Map()
        words = probe.map("exec").get("command")
        text = " ".join(map(str, words)) if isinstance(words, list) else ""
        pings, boots = _PINGS_CELERY.search(text), _BOOTS.search(text)
        if unit.workload is None or not (pings or boots):
            continue
        seconds = probe.get("timeoutSeconds", _TIMEOUT_SECONDS)
        if isinstance(seconds, int) and seconds <= _TIMEOUT_SECONDS:
            written = "" if "timeoutSeconds" in probe else ", the default"
            yield Diagnosis(
                unit.workload.at(probe, "timeoutSeconds"),
                unit.title,
                f"the {name} gives Celery's ping {seconds} s{written}, for its own start and the way over the broker "
                "and back: on a busy node it fails"
                if pings or boots is None
                else f"the {name} gives {boots[0]!r} {seconds} s{written}, and that begins the whole application: on "
                "a busy node it fails",
                "write timeoutSeconds: 10",
            )


@unit_rule(
    "D-4a",
    Harm.LOSES,
    remedy="Leave the probe's terminationGracePeriodSeconds out: the pod's own holds then.",
    source="Kubernetes' documentation: the probe's own grace period replaces the pod's when the probe fails.",
)
def check_probe_grace(unit: Unit) -> Iterator[Diagnosis]:
    """A container that a probe ends gets the pod's time to finish. A grace period of the probe's own replaces it."""
    if unit.container is None or unit.workload is None:
        return
    for name in ("livenessProbe", "startupProbe"):
        probe = unit.container.data.map(name)
        seconds = probe.get("terminationGracePeriodSeconds")
        if isinstance(seconds, int) and seconds < unit.workload.grace_seconds * 0.5:
            yield Diagnosis(
                unit.workload.at(probe, "terminationGracePeriodSeconds"),
                unit.title,
                f"is killed {seconds} s after its {name} has failed, although the pod has "
                f"{unit.workload.grace_seconds} s ({unit.workload.grace_place})",
                "remove the probe's terminationGracePeriodSeconds",
            )
