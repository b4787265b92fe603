"""How long stopping may take, as far as the files say so."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from itertools import takewhile
from typing import Final

from ebbtide.doctor.data import Place, Said
from ebbtide.doctor.readers.arq import JOB_SECONDS, ArqSettings
from ebbtide.doctor.readers.queues import RQ_SECONDS, number_of
from ebbtide.doctor.unit import Unit, Worker
from ebbtide.settings.rules.handover import SIDEKIQ_SECONDS

Limit = Callable[[Unit, Worker], "Said[int] | None"]

SUPERVISOR_SECONDS: Final = 10
"""supervisor's default of stopwaitsecs."""
LARAVEL_SECONDS: Final = 60
"""Laravel's default of --timeout; 0 sets no limit, as it turns pcntl_alarm off (Illuminate/Queue/Worker.php)."""
_SHUTDOWN_VARIABLE: Final = re.compile(
    r"(?:SHUTDOWN|DRAIN|GRACE)\w*(?:TIMEOUT|SECONDS|PERIOD)(?!_M(?:S|ILLI))\w*$|TIMEOUT_PER_SHUTDOWN_PHASE$|"
    r"^EBBTIDE_LONGEST_MESSAGE_SECONDS$"
)
_MILLISECONDS: Final = re.compile(r"_(?:MS|MILLIS(?:ECONDS)?)$")
_DURATION: Final = re.compile(r"(?:([0-9]{1,3})m)?(?:([0-9]{1,5})s?)?")
_LONGEST_SLEEP: Final = 86_400


def needed(unit: Unit) -> Iterator[tuple[Said[int], str]]:
    """What the files say that stopping may take, longest first."""
    found: list[tuple[Said[int], str]] = []
    for worker in unit.workers:
        if worker.supervised is not None and "stopwaitsecs" in worker.supervised.options:
            wait = worker.supervised.number("stopwaitsecs", SUPERVISOR_SECONDS)
            if isinstance(wait, int):
                place = worker.supervised.line_of("stopwaitsecs")
                found.append((Said(wait, place), f"supervisord waits {wait} s for {worker.title}"))
        longest = longest_of(unit, worker) or at_least(unit, worker)
        if longest is not None:
            found.append((longest, f"{worker.title} may take {longest.value} s to finish"))
    yield from sorted(found, key=lambda entry: -entry[0].value)


def longest_of(unit: Unit, worker: Worker) -> Said[int] | None:
    """How long one message, or the program's own shutdown, may take, where a limit says so."""
    limit = _LIMITS.get(worker.program.name if worker.program else "")
    return _stated(unit) or (limit(unit, worker) if limit else _of_arq(unit, worker))


def arq_settings(unit: Unit, worker: Worker) -> ArqSettings | None:
    """Of `arq module.Class`, the class that it names, or the only one there is."""
    words = worker.shown_words().split()
    at = words.index("arq") if "arq" in words[:-1] else None
    if at is None or worker.program is not None:
        return None
    name = words[at + 1].rpartition(".")[2]
    named = [one for one in unit.setup.arq if one.name == name]
    return named[0] if len(named) == 1 else None


def at_least(unit: Unit, worker: Worker) -> Said[int] | None:
    """How long a message may take at least: for that long its program waits for another one that it runs. It may take
    longer, so that nothing is enough by this alone."""
    found: list[Said[int]] = []
    if worker.python is not None and worker.python.runs_rq:
        found += [one.seconds for one in unit.setup.task_limits if one.worker == "rq worker" and one.seconds.value > 0]
    for part in worker.python.parts if worker.python is not None else ():
        for seconds, line, name in part.waits:
            said = unit.variable(name) if name else None
            value = number_of(said.value) if said is not None else seconds
            if value:
                found.append(Said(value, said.place if said is not None else part.file.at(line)))
    return max(found, key=lambda one: one.value, default=None)


def _of_arq(unit: Unit, worker: Worker) -> Said[int] | None:
    """A job's own limit, or the time that arq waits for it, which ends it too."""
    settings = arq_settings(unit, worker)
    wait = settings.number("job_completion_wait", 0) if settings else None
    timeout = settings.number("job_timeout", JOB_SECONDS) if settings else None
    if wait is None or timeout is None:
        return None
    return min(wait, timeout, key=lambda said: said.value) if wait.value else Said(0, timeout.place)


def _longest_bound(limits: Iterable[Said[int]]) -> Said[int] | None:
    """The longest of them; None where one is 0, or -1 of rq, by which nothing ends a message."""
    found = list(limits)
    return _longer(*found) if all(one.value > 0 for one in found) else None


def _of_laravel(_unit: Unit, worker: Worker) -> Said[int] | None:
    seconds = seconds_of(worker, "--timeout", default=LARAVEL_SECONDS)
    return _longest_bound([Said(seconds, worker.words_place)]) if seconds is not None else None


def seconds_of(worker: Worker, *options: str, default: int) -> int | None:
    """The value of an option, or what the program takes where it is not given; None where only the run knows it, as of
    `--timeout=$(SECONDS)`."""
    seconds = worker.seconds(*options)
    return default if seconds is None and not worker.values(*options) else seconds


def _of_celery(unit: Unit, worker: Worker) -> Said[int] | None:
    """What is 0 sets no limit (celery/worker/request.py: `time_limit or task.time_limit`)."""
    seconds = worker.seconds("--time-limit", "--soft-time-limit")
    if seconds is not None:
        return Said(seconds, worker.words_place) if seconds else _in_code(unit, worker)
    keys = ("task_time_limit", "task_soft_time_limit", "worker_soft_shutdown_timeout")
    said = (settings.options[key] for settings in unit.setup.celery for key in keys if key in settings.options)
    of_all = next((Said(seconds, one.place) for one in said if (seconds := number_of(one.value) or 0) > 0), None)
    return _longer(of_all, _in_code(unit, worker))


def _in_code(unit: Unit, worker: Worker) -> Said[int] | None:
    """The longest limit that the code of a task has, of those that this worker may run: one of another queue it does
    not get."""
    name = worker.program.name if worker.program else ""
    queues = _queues_of(worker, name)
    its = (one for one in unit.setup.task_limits if one.worker == name)
    return _longest_bound(one.seconds for one in its if not queues or not one.queue or one.queue in queues)


def _queues_of(worker: Worker, name: str) -> set[str]:
    """The queues that its command names; empty where it names none. May hold other words beside them."""
    words = [word or "" for word in worker.words]
    if name == "celery worker":
        return {queue for value in worker.values("-Q", "--queues") for queue in value.split(",")}
    if name == "rq worker":
        at = next(
            (n for n, word in enumerate(words) if re.search(r"(?:^|/)(?:rq)?worker(?:-pool)?$", word)), len(words)
        )
        return {word for word in words[at + 1 :] if not word.startswith("-")}
    found = set(worker.values("-Q", "--queues")) if name == "dramatiq" else set[str]()
    for at, word in enumerate(words):
        if found and word in ("-Q", "--queues"):  # any number of words behind it
            found |= set(takewhile(lambda one: not one.startswith("-"), words[at + 1 :]))
    return found


def _longer(*limits: Said[int] | None) -> Said[int] | None:
    return max((one for one in limits if one is not None), key=lambda said: said.value, default=None)


def _of_sidekiq(unit: Unit, worker: Worker) -> Said[int] | None:
    """An option wins over the file; a value of the file that only ERB knows is not known here."""
    if worker.values("-t", "--timeout") or not unit.setup.sidekiq:
        said = seconds_of(worker, "-t", "--timeout", default=SIDEKIQ_SECONDS)
        return Said(said, worker.words_place) if said is not None else None
    one = unit.setup.sidekiq[0]
    if len(unit.setup.sidekiq) > 1:
        return None
    if one.timeout is None:
        return Said(SIDEKIQ_SECONDS, one.place)
    seconds = number_of(one.timeout.value)
    return None if seconds is None else Said(seconds, one.place)


def _of_horizon(unit: Unit, _worker: Worker) -> Said[int] | None:
    return _longest_bound(
        Said(seconds, Place(one.file, one.data.line_of("timeout")))
        for one in unit.setup.horizon
        if (seconds := number_of(one.data.get("timeout"))) is not None
    )


def _of_dramatiq(unit: Unit, worker: Worker) -> Said[int] | None:
    """What its processes are given to end, where that is said, or less, where its actors may run less; its own defaults
    are ten minutes, which say nothing."""
    milliseconds, limit = worker.seconds("--worker-shutdown-timeout"), _in_code(unit, worker)
    if milliseconds is None:
        return limit
    wait = Said(-(-milliseconds // 1000), worker.words_place)
    return limit if limit is not None and limit.value < wait.value else wait


def _of_rq(unit: Unit, worker: Worker) -> Said[int] | None:
    """What Django's settings allow a job of the queues that it takes from; rq's own limit, where nobody has written any
    time at all: who gives a pod two minutes knows of jobs that are shorter than rq allows."""
    limit = _in_code(unit, worker)
    if not unit.setup.rq and limit is not None:
        return limit
    if not unit.setup.rq:
        is_written = (unit.workload and unit.workload.grace) or (
            worker.supervised and "stopwaitsecs" in worker.supervised.options
        )
        return None if is_written else Said(RQ_SECONDS, worker.words_place)
    words = {word for word in worker.words if word}
    said = [one for name, one in unit.setup.rq.items() if name in words] or list(unit.setup.rq.values())
    limits = [Said(seconds, one.place) for one in said if (seconds := number_of(one.value)) is not None]
    return _longest_bound(limits) if len(limits) == len(said) else None


_LIMITS: Final[dict[str, Limit]] = {
    "dramatiq": _of_dramatiq,
    "artisan queue:work": _of_laravel,
    "sidekiq": _of_sidekiq,
    "sidekiqswarm": _of_sidekiq,
    "celery worker": _of_celery,
    "artisan horizon": _of_horizon,
    "rq worker": _of_rq,
}


def _stated(unit: Unit) -> Said[int] | None:
    """What a variable of the container says: `SHUTDOWN_TIMEOUT_SECONDS`, and the image's own contract."""
    for source in (unit.container.environment if unit.container else {}, unit.image.environment if unit.image else {}):
        for name, said in source.items():
            unit_of_name = _MILLISECONDS.search(name)
            known = _SHUTDOWN_VARIABLE.search(name[: unit_of_name.start()] if unit_of_name else name)
            found = _DURATION.fullmatch(said.value) if said.value and known else None
            if unit_of_name and known and said.value.isdecimal() and len(said.value) < 10:
                return Said(-(-int(said.value) // 1000), said.place)
            if found is not None and not unit_of_name:
                return Said(int(found[1] or 0) * 60 + int(found[2] or 0), said.place)
    return None


def hook_sleep(unit: Unit) -> int:
    """The seconds that a hook is known to take: `sleep 20`, alone or among other commands."""
    if unit.hook is None:
        return 0
    if unit.hook.sleep_seconds is not None:
        return unit.hook.sleep_seconds
    if unit.hook_script is None:
        words = unit.hook.command.words if unit.hook.command else ()
        return _seconds(words[1]) if len(words) == 2 and words[0].endswith("sleep") else 0
    inside = [call for loop in unit.hook_script.script.loops for call in loop.body]
    calls = [call for call in unit.hook_script.script.calls if call not in inside]
    return sum(_seconds(str(call.words[1])) for call in calls if call.name == "sleep" and len(call.words) > 1)


def _seconds(word: str) -> int:
    found = re.fullmatch(r"([0-9]{1,6})([smh]?)", word)
    return min(int(found[1]) * {"": 1, "s": 1, "m": 60, "h": 3600}[found[2]], _LONGEST_SLEEP) if found else 0
