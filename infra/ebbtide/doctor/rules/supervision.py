"""Rules about what starts workers again: supervisord's options, and the limits that workers end at."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from ebbtide.doctor.data import UNKNOWN, Place
from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.readers import php
from ebbtide.doctor.readers.supervisor import Program
from ebbtide.doctor.rules.declare import unit_rule
from ebbtide.doctor.unit import Unit, Words, Worker, keeps_schedule
from ebbtide.settings.values.schedules import has_beat_beside

_LIMITS: Final = ("--time-limit", "-t", "--limit", "-l", "--memory-limit", "-m", "--max-time", "--max-jobs")
_TIME_LIMITS: Final = {"messenger:consume": ("--time-limit", "-t"), "artisan queue:work": ("--max-time",)}
_ENDS_WHEN_EMPTY: Final = frozenset(
    {
        *(("artisan queue:work", option) for option in ("--stop-when-empty", "--once")),
        *(("rq worker", option) for option in ("--burst", "-b")),
    }
)
_CRASH_SECONDS: Final = 600
_MANY_PROCESSES: Final = 10
_RETRIES: Final = 3
_ENOUGH_RETRIES: Final = 20


def _supervised(unit: Unit) -> Iterator[tuple[Worker, Program]]:
    for worker in unit.workers:
        if worker.supervised is not None:
            yield worker, worker.supervised


def _ends_by_itself(worker: Worker) -> str:
    """The limit at which a worker ends with status 0; empty where it has none."""
    name = worker.program.name if worker.program else ""
    if name in ("messenger:consume", "artisan queue:work"):
        return next((option for option in _LIMITS if worker.values(option)), "")
    return ""


@unit_rule(
    "D-40",
    Harm.DELAYS,
    remedy="Write startsecs=1 or more, so that supervisord waits longer before each further try.",
    source="70 workers without a broker: 27.8 restarts a second and both CPUs, for ever (measured); supervisor's "
    "process.py, transition.",
)
def check_back_off(unit: Unit) -> Iterator[Diagnosis]:
    """A worker that fails is started again later and later. With `startsecs=0` a process is running at once, so no
    failure ever counts as a failed start: an outage of the broker is a loop that takes every CPU, and to an autoscaler
    it looks like load."""
    for worker, program in _supervised(unit):
        restarts = program.switch("autorestart", default=True) is not False and not worker.is_begun_again
        if program.number("startsecs", 1) == 0 and restarts:
            count = f"{worker.copies} workers" if worker.is_many else "the worker"
            yield Diagnosis(
                program.line_of("startsecs"),
                f"{unit.title}, {worker.title}",
                f"startsecs=0: while the broker is away {count} will be started again without a pause",
                "write startsecs=1",
            )


@unit_rule(
    "D-41",
    Harm.DELAYS,
    remedy="Leave startretries out, or give startsecs a value above 0.",
    source="supervisor's process.py: only a process in BACKOFF is counted, and with startsecs=0 none ever is "
    "(measured).",
)
def check_retries(unit: Unit) -> Iterator[Diagnosis]:
    """`startretries` limits restarts. It has no effect where `startsecs` is 0."""
    for worker, program in _supervised(unit):
        retries = program.number("startretries", _RETRIES)
        if program.number("startsecs", 1) == 0 and isinstance(retries, int) and retries > _RETRIES:
            yield Diagnosis(
                program.line_of("startretries"),
                f"{unit.title}, {worker.title}",
                f"startretries={program.text('startretries')} has no effect beside startsecs=0: no start ever fails",
                "write startsecs=1, or remove startretries",
            )


@unit_rule(
    "D-42",
    Harm.DELAYS,
    remedy="End the container by its stop signal, not by an exit code of a worker.",
    source="70 of 70 workers had exited with 37; 60 s later supervisord was still there, alone (measured).",
)
def check_exit_code(unit: Unit) -> Iterator[Diagnosis]:
    """A container whose workers have stopped ends. supervisord never ends because its programs did: a worker that
    leaves with an expected exit code is not started again, and the pod stays, ready and empty."""
    for worker, program in _supervised(unit):
        if worker.script is None or program.text("autorestart", "unexpected").lower() != "unexpected":
            continue
        if unit.supervisor is not None and unit.supervisor.listeners:
            continue  # an event listener may end supervisord
        for call in worker.script.script.calls:
            code = str(call.words[1]) if call.name == "exit" and len(call.words) > 1 else ""
            if code.isdecimal() and int(code) in program.exit_codes and int(code) != 0:
                yield Diagnosis(
                    worker.script.at(call.line),
                    f"{unit.title}, {worker.title}",
                    f"exit {code} is expected ({program.line_of('exitcodes')}), so the worker is not started again, "
                    "and supervisord stays without it: a pod that runs and consumes nothing",
                    "let SIGTERM end the container",
                )


@unit_rule(
    "D-43",
    Harm.BREAKS,
    remedy="Write autorestart=true.",
    source="supervisor's documentation: autorestart is `unexpected` and exitcodes 0 where nothing is written; a worker "
    "that has reached its limit ends with 0.",
)
def check_restart(unit: Unit) -> Iterator[Diagnosis]:
    """A worker that has reached its limit is started again. Its exit code is 0, which supervisord expects, and leaves
    alone: one after the other goes, and at last the pod consumes nothing."""
    for worker, program in _supervised(unit):
        restart = program.text("autorestart", "unexpected").lower()
        limit = _ends_by_itself(worker)
        if not limit or worker.is_begun_again or restart in ("true", "1", "yes", "on"):
            continue
        if restart == "unexpected" and 0 not in program.exit_codes:
            continue
        yield Diagnosis(
            program.line_of("autorestart"),
            f"{unit.title}, {worker.title}",
            f"ends with status 0 at its {limit}, and is not started again (autorestart={restart})",
            "write autorestart=true",
        )


@unit_rule(
    "D-4c",
    Harm.DELAYS,
    remedy="Leave the limit out where the worker is the container's own process, or give it ten minutes and more.",
    source="Kubernetes' documentation of restarts: a container that ends, by status 0 too, is started again after "
    "10 s, 20 s, 40 s and so on up to 5 minutes; the count begins anew when it has run for ten.",
)
def check_pod_back_off(unit: Unit) -> Iterator[Diagnosis]:
    """A worker that ends by its own limit is started again at once. supervisord does that; the kubelet takes an end
    within ten minutes for a crash, and waits longer each time."""
    if not _is_started_again(unit):
        return
    for worker in unit.workers:
        is_container = worker.command is unit.start and worker.supervised is None and not worker.verdict.refused
        ends = _ends_soon(worker) if is_container else ""
        if ends:
            yield Diagnosis(
                worker.words_place,
                unit.title,
                f"ends by itself {ends}, and Kubernetes waits longer before each new start, up to 5 minutes "
                "(CrashLoopBackOff)",
                "leave that limit out, or write one of ten minutes and more",
            )


def _is_started_again(unit: Unit) -> bool:
    """Whether the kubelet starts a container again that has ended with 0."""
    workload = unit.workload
    once = ("Job", "CronJob", "ScaledJob")
    return (
        workload is not None
        and unit.is_kubernetes
        and workload.kind not in once
        and (workload.pod.text("restartPolicy") in ("", "Always"))
    )


def _ends_soon(worker: Worker) -> str:
    """When a worker is known to end within the ten minutes that the kubelet calls a crash; empty where it is not."""
    name = worker.program.name if worker.program else ""
    for word in worker.words:
        if (name, word) in _ENDS_WHEN_EMPTY:
            return f"when the queue is empty ({word})"
    limits = [
        (seconds, option)
        for option in _TIME_LIMITS.get(name, ())
        if (seconds := worker.seconds(option)) is not None and 0 < seconds < _CRASH_SECONDS
    ]
    return f"after {limits[0][0]} s ({limits[0][1]})" if limits else ""


@unit_rule(
    "D-48",
    Harm.DELAYS,
    remedy="Write startretries=1000000: supervisord waits a second longer before each further try.",
    source="supervisor 4.3.0, a program that ends at once: FATAL 6.5 s after its first start, and never started again "
    "(tried).",
)
def check_gives_up(unit: Unit) -> Iterator[Diagnosis]:
    """Workers come back when the broker does. `messenger:consume` ends at once where it cannot connect: after three
    such starts, 6 s, supervisord gives it up for good, and the pod stays without it. Of a loop that begins it again it
    hears no failure."""
    for worker, program in _supervised(unit):
        retries, seconds = program.number("startretries", _RETRIES), program.number("startsecs", 1)
        if worker.program is None or worker.program.name != "messenger:consume" or unit.supervisor is None:
            continue
        if not isinstance(retries, int) or not isinstance(seconds, int) or unit.supervisor.listeners:
            continue
        if worker.is_begun_again:
            continue
        if seconds > 0 and retries < _ENOUGH_RETRIES and program.switch("autorestart", default=True) is not False:
            yield Diagnosis(
                program.line_of("startretries"),
                f"{unit.title}, {worker.title}",
                f"is given up for good after {retries} failed starts, {retries * (retries + 1) // 2} s without the "
                "broker",
                "write startretries=1000000",
            )


@unit_rule(
    "D-44",
    Harm.BREAKS,
    remedy="Write process_name=%(program_name)s_%(process_num)02d.",
    source="supervisor/options.py refuses to start otherwise.",
)
def check_process_name(unit: Unit) -> Iterator[Diagnosis]:
    """Each process of a program has a name of its own. supervisord does not start otherwise."""
    for worker, program in _supervised(unit):
        if worker.is_many and "%(process_num)" not in program.text("process_name", "%(program_name)s"):
            yield Diagnosis(
                program.line_of("numprocs"),
                f"{unit.title}, {worker.title}",
                f"runs {worker.copies} processes of one name, and supervisord refuses to start",
                "write process_name=%(program_name)s_%(process_num)02d",
            )


@unit_rule(
    "D-45",
    Harm.COSTS,
    remedy="Write --limit for a number of messages, and --memory-limit once.",
    source="symfony/messenger: -m is --memory-limit; the last one given counts (measured: 154 messages, and no end).",
)
def check_memory_option(unit: Unit) -> Iterator[Diagnosis]:
    """Each limit of a worker means what it looks like. `-m` is the memory limit and not a number of messages."""
    for worker in unit.named("messenger:consume"):
        values = worker.values("-m", "--memory-limit")
        if len(values) > 1:
            yield Diagnosis(
                worker.words_place,
                unit.title,
                f"the memory limit is given {len(values)} times ({', '.join(values)}); -m is --memory-limit, the "
                "last one counts, and there is no limit of messages",
                "write --limit for a number of messages",
            )
        elif values and values[0].isdecimal() and int(values[0]) < 1_000_000:
            yield Diagnosis(
                worker.words_place,
                unit.title,
                f"the memory limit is {values[0]} bytes: a worker ends after each look at the queue",
                f"write --limit={values[0]} for a number of messages, or --memory-limit={values[0]}M",
            )


@unit_rule(
    "D-46",
    Harm.COSTS,
    remedy="Give each worker another limit, for example --time-limit=$((3000 + RANDOM % 600)).",
    source="A boot takes 68 ms of CPU (measured): 70 together are 4.8 s of CPU, which an autoscaler takes for load.",
)
def check_rotation(unit: Unit) -> Iterator[Diagnosis]:
    """Workers of a pod are not all started anew in the same second. They began together, so one time limit ends them
    together."""
    for worker in unit.named("messenger:consume"):
        limits = worker.values("--time-limit", "-t")
        if limits and limits[-1].isdecimal() and isinstance(worker.copies, int) and worker.copies >= _MANY_PROCESSES:
            yield Diagnosis(
                worker.words_place,
                unit.title,
                f"all {worker.copies} workers end and boot in the same second, every {limits[-1]} s",
                "spread the limit over the workers",
            )


@unit_rule(
    "D-47",
    Harm.REPEATS,
    remedy="Run what keeps a schedule once: one replica, strategy Recreate, apart from the workers.",
    source="Each process generates the whole schedule (celery beat, schedule:work, Symfony's Scheduler without a "
    "lock). RedBeat's scheduler holds a lock in Redis; Laravel's onOneServer one in the cache.",
)
def check_scheduler(unit: Unit) -> Iterator[Diagnosis]:
    """A schedule is kept by one process. Each further one sends all of it again, unless they agree: RedBeat by a lock,
    Laravel's tasks by onOneServer."""
    pods = unit.most_replicas
    for program in unit.supervised_programs() if pods > 1 else ():
        is_worker = program.name in _worker_names(unit)
        if keeps_schedule(program.words) and not is_worker and not agree(unit, program.words):
            yield _sent_again(unit, program.words, program.command.place, f"in up to {pods} pods", program.name)
    for words, place in unit.beside_workers() if pods > 1 else ():
        if keeps_schedule(words) and not agree(unit, words):
            yield _sent_again(unit, words, place, f"in up to {pods} pods")
    for worker in unit.workers:
        if not (worker.is_scheduler or has_beat_beside(worker.shown_words())) or agree(unit, worker.words):
            continue
        copies = worker.copies if isinstance(worker.copies, int) else 1
        if pods * copies == 1 and _is_doubled_by_updates(unit):
            yield Diagnosis(
                worker.words_place,
                unit.title,
                "keeps a schedule, and at each update of the Deployment a second pod keeps it beside the first"
                f"{_unless(unit, worker.words)}",
                "write strategy: {type: Recreate}",
            )
        if pods * copies > 1:
            times = f"in {pods * copies} processes (up to {pods} pods)"
            yield _sent_again(unit, worker.words, worker.words_place, times)


def _sent_again(unit: Unit, words: Words, place: Place, times: str, program: str = "") -> Diagnosis:
    return Diagnosis(
        place,
        f"{unit.title}, program {program}" if program else unit.title,
        f"keeps a schedule {times}, and each sends all of it{_unless(unit, words)}",
        "run it once, in a Deployment of its own with one replica and strategy Recreate",
    )


def is_laravel(words: Words) -> bool:
    """Whether a schedule is Laravel's."""
    return "schedule:work" in words


def _unless(unit: Unit, words: Words) -> str:
    """What is said of tasks that are not here."""
    return " (unless its tasks say onOneServer)" if is_laravel(words) and not unit.setup.schedules else ""


def agree(unit: Unit, words: Words) -> bool:
    """Whether several of a schedule may send each task once."""
    if is_laravel(words):
        return any(
            "ononeserver" in one.text.lower() and php.calls(one.text, "onOneServer") for one in unit.setup.schedules
        )
    said = [one.options["beat_scheduler"].value for one in unit.setup.celery if "beat_scheduler" in one.options]
    return any("redbeat" in str(one).lower() or one is UNKNOWN for one in (*words, *said))


def _is_doubled_by_updates(unit: Unit) -> bool:
    """Whether a Deployment starts the new pod before the old one has gone: maxSurge is 25 % where nothing is said, and
    that is rounded up to a pod."""
    if unit.workload is None or unit.workload.kind != "Deployment":
        return False
    strategy = unit.workload.data.map("spec", "strategy")
    surge = strategy.map("rollingUpdate").get("maxSurge", "25%")
    return strategy.text("type") != "Recreate" and str(surge) not in ("0", "0%")


def _worker_names(unit: Unit) -> set[str]:
    return {worker.supervised.name for worker in unit.workers if worker.supervised is not None}
