"""Rules about workers that the clock starts: a Job's deadline, and a CronJob that replaces what still runs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from math import inf
from typing import Final

from ebbtide.doctor.data import Map, Said
from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.rules.broker import harm_of_a_kill
from ebbtide.doctor.rules.declare import unit_rule
from ebbtide.doctor.times import at_least, hook_sleep, longest_of
from ebbtide.doctor.unit import Unit, Worker
from ebbtide.doctor.workload import Workload

_JOBS: Final = {"CronJob": ("spec", "jobTemplate", "spec"), "Job": ("spec",), "ScaledJob": ("spec", "jobTargetRef")}
# Options at which a worker ends by itself: after a time, or when something else is done.
_RUNS_FOR: Final = {"messenger:consume": ("--time-limit", "-t"), "artisan queue:work": ("--max-time",)}
_ENDS_BEHIND_WORK: Final = frozenset({"--stop-when-empty", "--once", "--burst", "-b", "--limit", "-l", "--max-jobs"})
_ENDS_AT: Final = _ENDS_BEHIND_WORK | {"--memory-limit", "--failure-limit"}
_MACROS: Final = {"@hourly": 3600, "@daily": 86_400, "@midnight": 86_400, "@weekly": 604_800, "@monthly": 2_419_200}
_DAY: Final = 86_400
_PILES_UP: Final = 2
"""Runs that overlap for a while may be meant; of those that last two intervals and more there are always several."""


@unit_rule(
    "D-29",
    Harm.LOSES,
    Harm.REPEATS,
    remedy="Write concurrencyPolicy: Forbid, and an activeDeadlineSeconds above the worker's own limit, or none.",
    source="Kubernetes' documentation of Jobs and CronJobs: at its deadline a Job's pods are ended, with their grace "
    "period, and Replace ends the running Job when the next one is due.",
)
def check_run_is_cut(unit: Unit) -> Iterator[Diagnosis]:
    """A run that the clock starts ends by itself. A deadline below the worker's own limit, or a CronJob that replaces
    what still runs, ends it in the middle each time: a message has the grace period then. Nothing is said where every
    message is known to end within that."""
    workload = unit.workload
    if workload is None or workload.kind not in _JOBS or _is_drained(unit, workload):
        return
    cut = f"a message that needs more than {workload.grace_seconds} s then is killed"
    deadline = _deadline(workload)
    spec = workload.data.map("spec")
    every = interval(spec.text("schedule")) if spec.text("concurrencyPolicy") == "Replace" else None
    for worker in unit.workers:
        run = _run(unit, worker)
        if run is None:
            continue
        seconds, why = run
        if deadline is not None and deadline.value < seconds:
            yield Diagnosis(
                deadline.place,
                unit.title,
                f"ends each run after {deadline.value} s, and {worker.title} {why}: {cut}",
                "remove activeDeadlineSeconds, or write it above what a run takes",
                level=harm_of_a_kill(unit),
            )
        if every is not None and every < seconds:
            yield Diagnosis(
                workload.at(spec, "concurrencyPolicy"),
                unit.title,
                f"replaces a run that still works when the next is due, {every} s later, and {worker.title} {why}: "
                f"{cut}",
                "write concurrencyPolicy: Forbid",
                level=harm_of_a_kill(unit),
            )


@unit_rule(
    "D-5n",
    Harm.COSTS,
    remedy="Write concurrencyPolicy: Forbid, or a time limit below the schedule's interval.",
    source="Kubernetes' documentation of CronJob: concurrencyPolicy is Allow where nothing is written: runs overlap.",
)
def check_runs_pile_up(unit: Unit) -> Iterator[Diagnosis]:
    """A run that the clock starts has ended when the next one is due. A worker that goes on for longer has a second one
    beside it, and a third: as many as begin while one lasts, and without end where it has none."""
    workload = unit.workload
    spec = workload.data.map("spec") if workload is not None else Map()
    if workload is None or workload.kind != "CronJob" or spec.text("concurrencyPolicy") not in ("", "Allow"):
        return
    every, deadline = interval(spec.text("schedule")), _deadline(workload)
    for worker in unit.workers:
        run = _run(unit, worker)
        lasts = min(run[0], deadline.value if deadline is not None else inf) if run is not None else 0
        if every is None or lasts < _PILES_UP * every or worker.program is None:
            continue
        count = "one more each time" if lasts == inf else f"up to {-int(-lasts // every)} at once"
        yield Diagnosis(
            workload.at(spec, "concurrencyPolicy" if "concurrencyPolicy" in spec else "schedule"),
            unit.title,
            f"is begun anew every {every} s, and {worker.title} {run[1] if run else ''}: {count}",
            "write concurrencyPolicy: Forbid",
        )


@unit_rule(
    "D-5l",
    Harm.COSTS,
    remedy="Let each Job end behind its messages: --limit=1, --max-jobs=1, --stop-when-empty, --burst.",
    source="KEDA's documentation of ScaledJob: one Job for each message, which ends when that is done; fewer messages "
    "end none.",
)
def check_job_never_ends(unit: Unit) -> Iterator[Diagnosis]:
    """A Job that KEDA makes for a message ends behind it. A worker that goes on asks an empty queue for ever: the pods
    of the busiest hour stay, each paid for, with the image that they began with."""
    workload = unit.workload
    if workload is None or workload.kind != "ScaledJob" or _deadline(workload) is not None:
        return
    for worker in unit.workers:
        words = [str(word).partition("=")[0] for word in worker.words]
        is_timed = any(word in _RUNS_FOR.get(worker.program.name, ()) for word in words) if worker.program else True
        if not is_timed and not _ENDS_BEHIND_WORK & set(words) and not worker.loop():
            yield Diagnosis(
                worker.words_place,
                unit.title,
                f"{worker.title} does not end when the queue is empty: each Job runs on with nothing to do, as many as "
                "the busiest hour has made",
                _end_option(worker),
            )


def _end_option(worker: Worker) -> str:
    name = worker.program.name if worker.program else ""
    option = {"messenger:consume": "--limit=1", "artisan queue:work": "--stop-when-empty", "rq worker": "--burst"}
    return f"write {option[name]}" if name in option else "write a ScaledObject and a Deployment: it has no such option"


def _deadline(workload: Workload) -> Said[int] | None:
    """Of the Job, or of its pods, whichever comes first."""
    places = (workload.data.map(*_JOBS[workload.kind]), workload.pod)
    key = "activeDeadlineSeconds"
    found = [
        Said(value, workload.at(data, key))
        for data in places
        if isinstance(value := data.get(key), int) and not isinstance(value, bool)
    ]
    return min(found, key=lambda said: said.value, default=None)


def _run(unit: Unit, worker: Worker) -> tuple[float, str] | None:
    """How long a run may take, and why: by the worker's own time, by its longest message where it ends behind one, or
    for ever. None where nobody knows."""
    if worker.program is None:
        least = at_least(unit, worker)
        return (least.value, f"may take {least.value} s for a message ({least.place})") if least else None
    for option in _RUNS_FOR.get(worker.program.name, ()):
        seconds = worker.seconds(option)
        if seconds is not None:
            return seconds, f"runs for {seconds} s ({option}, {worker.words_place})"
    if not any(str(word).partition("=")[0] in _ENDS_AT for word in worker.words):
        return inf, "never ends by itself"
    longest = longest_of(unit, worker)
    return (longest.value, f"may take {longest.value} s for a message ({longest.place})") if longest else None


def _is_drained(unit: Unit, workload: Workload) -> bool:
    """Whether every message is known to end within the grace period, after a signal that its worker hears."""
    limits = [longest_of(unit, worker) for worker in unit.workers if not worker.verdict.refused]
    within = workload.grace_seconds - hook_sleep(unit)
    return len(limits) == len(unit.workers) and all(one is not None and one.value <= within for one in limits)


def interval(schedule: str) -> int | None:
    """The seconds between two runs, where they are nearest to each other; None where that cannot be read."""
    if schedule in _MACROS:
        return _MACROS[schedule]
    fields = schedule.split()
    if len(fields) != 5:
        return None
    minutes, hours = _times(fields[0], 60), _times(fields[1], 24)
    if not minutes or not hours:
        return None
    at = sorted(hour * 60 + minute for hour in hours for minute in minutes)
    gaps = [later - before for before, later in zip(at, [*at[1:], at[0] + 24 * 60], strict=True)]
    return min(gaps) * 60 if fields[2:] == ["*", "*", "*"] or len(at) > 1 else _DAY


def _times(field: str, size: int) -> list[int]:
    """The values of a field of cron: `*/5`, `0,30`, `8-18/2`; none where it is written otherwise."""
    found: set[int] = set()
    for part in field.split(","):
        one = re.fullmatch(r"(?:\*|(?P<first>[0-9]{1,2})(?:-(?P<last>[0-9]{1,2}))?)(?:/(?P<step>[0-9]{1,2}))?", part)
        if one is None or one["step"] == "0":
            return []
        step = int(one["step"] or 1)
        first = int(one["first"] or 0)
        is_range = one["first"] is None or one["last"] is not None or one["step"] is not None
        last = int(one["last"]) if one["last"] else size - 1 if is_range else first
        found |= set(range(first, min(last, size - 1) + 1, step))
    return sorted(found)
