"""What the files do not tell, by unit: nobody says that it is right."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from typing import Final

from ebbtide.doctor.data import Map, Place, Unknown
from ebbtide.doctor.diagnosis import Note
from ebbtide.doctor.of_image import Heard, heard
from ebbtide.doctor.readers.node_clients import taken_by
from ebbtide.doctor.readers.programs import own_signals
from ebbtide.doctor.rules.broker import consumed
from ebbtide.doctor.rules.clients import is_left_to
from ebbtide.doctor.rules.hooks import sidekiq_version
from ebbtide.doctor.rules.memory import is_open_use
from ebbtide.doctor.rules.meshes import injected
from ebbtide.doctor.rules.network import check_egress, egress_policies
from ebbtide.doctor.rules.signals import stop_signal_of
from ebbtide.doctor.rules.sqs import queues_of
from ebbtide.doctor.rules.supervision import agree, is_laravel
from ebbtide.doctor.sent import Sent, by_hook, by_script, hook_calls, is_pid_1
from ebbtide.doctor.setup import SetUp
from ebbtide.doctor.shown import one_line
from ebbtide.doctor.times import arq_settings, longest_of
from ebbtide.doctor.unit import Unit, Worker

_ASK_FOR: Final = {
    "messenger:consume": ("transports", "config/packages/messenger.yaml"),
    "artisan queue:work": ("connections", "config/queue.php"),
    "artisan horizon": ("horizon", "config/horizon.php and config/queue.php"),
    "celery worker": ("celery", "the module with Celery's settings"),
}

# What a quota may be on, by its key; one without a prefix is on requests.
_QUOTAS: Final = {
    f"{prefix}{resource}": (kind, resource)
    for prefix, kind in (("", "requests"), ("requests.", "requests"), ("limits.", "limits"))
    for resource in ("cpu", "memory")
}
_OF_FAILURES: Final = re.compile(r"(?i)dlq|dead|fail|poison")
_KNOWN_TRANSPORTS: Final = ("redis", "doctrine", "amqp", "sqs", "sync", "in-memory", "schedule")


def unjudged(unit: Unit) -> Iterator[Note]:
    """One note for each question that stays open."""
    if unit.start is None and unit.container is not None:
        yield Note(
            unit.place,
            f"{unit.title}: what runs as PID 1 is not known; hand over its Dockerfile, or the output of `docker "
            "inspect`",
        )
    for worker in unit.workers:
        for doubt in worker.verdict.doubts:
            yield Note(
                worker.command.place, f"{unit.title}: {doubt}; whether the worker gets the stop signal is not judged"
            )
        if any(words[:1] == (None,) for words in worker.verdict.programs) and not worker.verdict.refused:
            yield Note(
                worker.words_place if worker.script is None else worker.script.at(1),
                f"{unit.title}: what a script before {worker.title} becomes is known only when it runs; whether the "
                "worker gets the stop signal is not judged",
            )
        if worker.verdict.not_read:
            yield Note(worker.command.place, f"{unit.title}: {worker.verdict.not_read}")
        if worker.verdict.refused and worker.shell_passes_on and not worker.shell_leaves:
            yield Note(
                worker.words_place,
                f"{unit.title}: a script stands before {worker.title} and handles the stop signal by itself; whether "
                "it passes it on to every worker and waits for them is not judged",
            )
        if worker.parent and not worker.verdict.refused and not worker.verdict.doubts:
            yield Note(
                worker.words_place,
                f"{unit.title}: runs {worker.title} under {worker.parent}, of which nobody here knows what it does "
                "with the stop signal: whether the worker gets it is not judged",
            )
        yield from _about_node(unit, worker)
        is_judged = worker.node is not None and worker.node.is_left_to(stop_signal_of(unit, worker).value)  # D-16
        is_judged = is_judged or is_left_to(unit, worker)  # D-1a
        is_judged = is_judged or arq_settings(unit, worker) is not None  # D-8a
        if worker.program is None and not worker.is_scheduler and not is_judged:
            words = one_line(" ".join(str(word or "?") for word in worker.words[:3]))
            yield Note(
                worker.command.place,
                f"{unit.title}: whether {words!r} finishes its message on a signal is not known, and was not judged",
            )
    yield from _about_supervision(unit)
    yield from _about_memory(unit)
    yield from _about_quotas(unit)
    yield from _about_sent(unit)
    yield from _about_mesh(unit)
    yield from _about_schedules(unit)
    remapped = unit.variable("REMAP_SIGTERM")
    if remapped is not None and remapped.value == "SIGQUIT" and not unit.setup.celery:
        text = (
            "REMAP_SIGTERM is a cold shutdown unless worker_soft_shutdown_timeout is set; hand over Celery's settings"
        )
        yield Note(remapped.place, f"{unit.title}: {text}")
    yield from _about_brokers(unit)
    yield from _about_transports(unit)
    yield from _about_network(unit)
    yield from _about_time(unit)


def _about_supervision(unit: Unit) -> Iterator[Note]:
    for worker in unit.workers:
        one = worker.supervised
        if one is not None and isinstance(one.number("stopwaitsecs", 0), Unknown):
            text = f"stopwaitsecs={one_line(one.text('stopwaitsecs'))} is no number here"
            what = "whether its workers have long enough to stop is not judged"
            yield Note(one.line_of("stopwaitsecs"), f"{unit.title}, {worker.title}: {text}; {what}")


def _about_memory(unit: Unit) -> Iterator[Note]:
    if unit.container is not None and is_open_use(unit):
        limits = Place(unit.container.place.file, unit.container.resources.map("limits").line_of("memory"))
        text = "some of its workers do not say how much memory they may use; whether the limit holds all is not judged"
        yield Note(limits, f"{unit.title}: {text}")


def _about_quotas(unit: Unit) -> Iterator[Note]:
    """Of quotas on what a container does not say: such a pod is refused, unless a LimitRange says it."""
    workload, container = unit.workload, unit.container
    if workload is None or container is None or not unit.is_kubernetes:
        return
    for one in unit.setup.of_kind("ResourceQuota"):
        spec = one.data.map("spec")
        is_elsewhere = one.namespace and workload.namespace and one.namespace != workload.namespace
        if is_elsewhere or "scopes" in spec or "scopeSelector" in spec:
            continue
        lacking = [key for key in spec.map("hard") if key in _QUOTAS and not _says(container.resources, _QUOTAS[key])]
        if lacking:
            text = f"{one.title} wants {', '.join(lacking)} of every container, and {container.name} says none"
            what = "whether a LimitRange fills it in, without which its pods are refused, is not judged"
            yield Note(one.at(spec.map("hard"), lacking[0]), f"{unit.title}: {text}; {what}")


def _says(resources: Map, wanted: tuple[str, str]) -> bool:
    """Whether a container says a request or a limit; a limit is the request where that is not written."""
    kind, resource = wanted
    return resource in resources.map(kind) or resource in resources.map("limits")


def _about_node(unit: Unit, worker: Worker) -> Iterator[Note]:
    """Of a program of which not all was handed over: what is missing may handle the signal."""
    program, own = worker.node, worker.python
    signal = stop_signal_of(unit, worker).value
    if program is not None and program.missing and not (program.hears(signal) and program.closes):
        takers = ((one, one.makes_worker or taken_by(one)[0]) for one in program.parts)
        taker = next(((one.file.at(line), bool(one.makes_worker)) for one, line in takers if line), None)
        if taker is not None:
            what = "closes the worker" if taker[1] else "ends what is in hand"
            yield Note(taker[0], _whether(unit, program.missing, what))
    if own is not None and own.taker is not None and own.missing and not any(one.hears for one in own.parts):
        place = own.taker.file.at(own.taker.takes)
        yield Note(place, _whether(unit, own.missing, "ends what is in hand"))


def _whether(unit: Unit, missing: tuple[str, ...], what: str) -> str:
    names = ", ".join(one_line(name) for name in missing[:3])
    more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
    return f"{unit.title}: whether {names}{more}, not handed over, {what} at its stop signal is not judged"


def _about_mesh(unit: Unit) -> Iterator[Note]:
    mesh = injected(unit)
    if mesh is not None and (mesh.doubt or mesh.is_open):
        why = mesh.doubt or "which of its connections go through the proxy is not known"
        yield Note(mesh.place, f"{unit.title}: {why}: whether it outlasts the workers is not judged")


def _about_sent(unit: Unit) -> Iterator[Note]:
    """Of signals that a hook, or a script, sends: those that nobody here knows, and those that nobody hears."""
    of_scripts = [sent for worker in unit.workers for sent in by_script(unit, worker)]
    for sent in (*by_hook(unit), *of_scripts):
        for worker in sent.to:
            text = _what_is_heard(unit, worker, sent)
            if text:
                yield Note(sent.place, f"{unit.title}: {sent.shown!r} {text}")
    for call, place in hook_calls(unit):
        if sidekiq_version(unit) is None and "sidekiqctl" in " ".join(str(word) for word in call.words):
            text = "what sidekiqctl does is not judged: it is gone since Sidekiq 6; hand over Gemfile.lock"
            yield Note(place, f"{unit.title}: {text}")


def _what_is_heard(unit: Unit, worker: Worker, sent: Sent) -> str:
    if not sent.signal:
        return f"sends {worker.title} a signal that is known only when it runs, and what that does is not judged"
    if worker.program is None:
        own = own_signals(worker.source) if worker.source is not None else frozenset[str]()
        hears = worker.node is not None and worker.node.hears(sent.signal)
        is_known = hears or sent.signal in own or sent.signal in ("TERM", "KILL")  # said of its stop signal, or a fault
        return "" if is_known else f"sends {sent.signal}, and what {worker.title} does then is not judged"
    if heard(worker.program, sent.signal, is_pid_1=is_pid_1(unit, worker)) is Heard.NOTHING and sent.signal != "KILL":
        return f"does nothing: {worker.program.name} is PID 1 and has no handler for {sent.signal}; it is not judged"
    return ""


def _about_schedules(unit: Unit) -> Iterator[Note]:
    for worker in unit.workers:
        if worker.is_scheduler and is_laravel(worker.words) and agree(unit, worker.words):
            text = "some of its tasks say onOneServer; whether all that are to run once do is not judged"
            yield Note(worker.words_place, f"{unit.title}: {text}")


def _about_brokers(unit: Unit) -> Iterator[Note]:
    for worker in unit.named("celery worker"):
        is_forked = {"prefork"} >= set(worker.values("-P", "--pool"))
        is_open = not unit.setup.celery or worker.may_say_more
        if is_forked and is_open and not worker.values("-c", "--concurrency", "--autoscale"):
            text = "no --concurrency is given, so how many processes it starts is not judged"
            if worker.may_say_more:
                text = "a part of its command is known only when it runs; how many processes it starts is not judged"
            yield Note(worker.words_place, f"{unit.title}: {text}")
    for name, (attribute, file) in _ASK_FOR.items():
        workers = list(unit.named(name))
        if workers and not getattr(unit.setup, attribute):
            was = next((one for one in unit.setup.unreadable if _is_asked_for(one.base, file)), None)
            ask = f"{was.name} could not be read" if was is not None else f"hand over {file}"
            text = f"when the broker gives back a killed worker's message, and to whom, is not judged; {ask}"
            yield Note(workers[0].words_place, f"{unit.title}: {text}")


def _is_asked_for(base: str, file: str) -> bool:
    """Whether a file is the one that a question names; of Celery's settings any module."""
    names = [posixpath.basename(word) for word in file.split()]
    return base in names or ("Celery's" in names and base.endswith(".py"))


def _about_transports(unit: Unit) -> Iterator[Note]:
    """Of transports whose kind no rule knows, or which a variable alone says."""
    for worker, transport in consumed(unit):
        if transport.scheme not in _KNOWN_TRANSPORTS:
            what = f"is of kind {transport.scheme}" if transport.scheme else "has an address that is not written here"
            yield Note(
                transport.place,
                f"{unit.title}: transport {transport.name}, which {worker.title} consumes, {what}; when a killed "
                "worker's message comes back, and to whom, is not judged",
            )


def _about_network(unit: Unit) -> Iterator[Note]:
    if any(check_egress(unit)):
        return
    for one in egress_policies(unit):
        text = (
            f"{unit.title}: {one.title} says what the workers may reach; whether the broker is among it is not judged"
        )
        yield Note(one.at(one.data.map("spec"), "egress"), text)


def unread_queues(setup: SetUp, units: list[Unit]) -> Iterator[Note]:
    """Queues of SQS of which nobody is seen to take messages, or whose timeout is no number; not those of what has
    failed."""
    taken = {queue for unit in units for queue in queues_of(unit)}
    for queue in setup.sqs if units else ():
        is_open = queue not in taken or not isinstance(queue.seconds.value, int)
        if is_open and not _OF_FAILURES.search(queue.name):
            text = "who takes from it is not seen" if queue not in taken else "its visibility timeout is no number here"
            what = "whether it hides a message for as long as a worker may take is not judged"
            yield Note(queue.place, f"SQS queue {one_line(queue.name)}: {text}; {what}")


def _about_time(unit: Unit) -> Iterator[Note]:
    if unit.workload is None or any(longest_of(unit, worker) for worker in unit.workers):
        return
    if all(worker.program is None and worker.is_scheduler for worker in unit.workers):
        return  # nobody, or who sends messages and handles none
    seconds = unit.workload.grace_seconds
    enough = f"{seconds} s are enough" if unit.workload.grace else f"the default of {seconds} s is enough"
    text = f"{unit.title}: no limit says how long a message may take, so whether {enough} is not judged"
    yield Note(unit.workload.grace_place, text)


def describe(unit: Unit) -> str:
    """What was seen of a unit, in one line."""
    if not unit.workers:
        return unit.title
    parts = [_count(worker) for worker in unit.workers]
    under = f" under supervisord ({unit.supervisor.file.base})" if unit.supervisor else ""
    return f"{unit.title}: {', '.join(parts)}{under}"


def _count(worker: Worker) -> str:
    name = worker.program.name if worker.program else worker.title
    if isinstance(worker.copies, int):
        return name if worker.copies == 1 else f"{worker.copies} x {name}"
    return f"an unknown number of {name}"
