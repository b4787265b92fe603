"""A rule about which queue is counted: the one that the workers take from, by the key that their framework gives it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from ebbtide.doctor.data import Map
from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.rules.declare import unit_rule
from ebbtide.doctor.unit import Unit, Worker
from ebbtide.doctor.workload import ManifestObject


def _celery(worker: Worker) -> set[str]:
    return {name for value in worker.values("-Q", "--queues") for name in value.split(",")}


def _sidekiq(worker: Worker) -> set[str]:
    """`-q mail,2`: a queue and its weight."""
    return {value.partition(",")[0] for value in worker.values("-q", "--queue")}


def _laravel(worker: Worker) -> set[str]:
    return {name for value in worker.values("--queue") for name in value.split(",")}


# By worker: the queues that its command names, and what stands before a queue's name in the key of its list on Redis.
# Frameworks may put a prefix of the application's own before that.
_QUEUES: Final[dict[str, tuple[Callable[[Worker], set[str]], str]]] = {
    "celery worker": (_celery, ""),
    "sidekiq": (_sidekiq, "queue:"),
    "artisan queue:work": (_laravel, "queues:"),
}

_BULL_LIST: Final = re.compile(r":(?:wait|active|paused)$")
# Laravel's sorted sets beside a list, of what is in hand and of what is due later.
_BESIDE: Final = re.compile(r":(?P<what>reserved|delayed)$")
_UNACKED: Final = "unacked"
# Sidekiq's sorted sets, of all queues together.
_LATER_OF_SIDEKIQ: Final = re.compile(r"(?:^|:)(?:schedule|retry)$")
_NAME: Final = re.compile(r"[A-Za-z_]\w*")


def formula_of(one: ManifestObject) -> str:
    """By which a ScaledObject makes one number of its triggers; empty where each stands for itself."""
    return one.data.map("spec", "advanced", "scalingModifiers").text("formula")


def counted_triggers(one: ManifestObject) -> list[Map]:
    """The triggers that decide: of those with a formula the ones that it names."""
    formula = formula_of(one)
    names = set(_NAME.findall(formula))
    return [
        trigger for trigger in one.data.items_of("spec", "triggers") if not formula or trigger.text("name") in names
    ]


def counts_in_hand(unit: Unit, one: ManifestObject, trigger: Map) -> bool:
    """Whether a trigger counts what workers on Redis have taken and not done: Celery's hash, Laravel's sorted set."""
    name = _list_of(trigger)
    beside = _BESIDE.search(name)
    return bool(beside and beside["what"] == "reserved") or _is_unacked(unit, one, name)


def _list_of(trigger: Map) -> str:
    return trigger.map("metadata").text("listName") if trigger.text("type").startswith("redis") else ""


def _is_unacked(unit: Unit, one: ManifestObject, name: str) -> bool:
    """Whether a key is Celery's hash of what is in hand, which a setting may call otherwise (`unacked_key`)."""
    workers = list(unit.named("celery worker"))
    if not name or not workers or len(workers) != len(unit.workers):
        return False
    options = [settings.options.get("broker_transport_options") for settings in unit.setup.celery]
    keys = [said.value.get("unacked_key") for said in options if said is not None and isinstance(said.value, dict)]
    if _UNACKED in name or name in keys:
        return True
    # Celery's settings are rarely handed over: what is summed with every queue of the workers is meant to be counted.
    queues = set[str]().union(*map(_celery, workers))
    summed = {_list_of(trigger) for trigger in counted_triggers(one)} if formula_of(one) else set[str]()
    return bool(queues) and queues <= summed and name not in queues and name in summed


@unit_rule(
    "D-5f",
    Harm.BREAKS,
    remedy="Name the queue of these workers, by its whole key.",
    source="The keys were read from Redis with Celery, Sidekiq, BullMQ and Laravel (tests/runtime). KEDA takes a list "
    "that is not there for an empty one.",
)
def check_queue(unit: Unit) -> Iterator[Diagnosis]:
    """The trigger counts the queue that these workers take from. Of another one, or of a key that does not exist, it
    learns nothing: the workers are never scaled."""
    yield from _of_bull(unit)
    names = {worker.program.name if worker.program else "" for worker in unit.workers}
    if len(names) != 1 or (known := _QUEUES.get(names.pop())) is None:
        return
    read, before = known
    each = [read(worker) for worker in unit.workers]
    queues = set[str]().union(*each) if all(each) else set[str]()
    for one in unit.autoscalers:
        for trigger in one.data.items_of("spec", "triggers"):
            metadata = trigger.map("metadata")
            is_meant = _is_unacked(unit, one, metadata.text("listName"))
            text = "" if is_meant else _wrong(trigger.text("type"), metadata, queues, before)
            key = "listName" if "listName" in metadata else "queueName"
            if text:
                remedy = f"write {key}: {before if key == 'listName' else ''}{min(queues) if queues else '<queue>'}"
                yield Diagnosis(one.at(metadata, key), one.title, text, remedy)


def _of_bull(unit: Unit) -> Iterator[Diagnosis]:
    """BullMQ's lists end in what they hold, `bull:mail:wait`, whatever stands before that."""
    is_bull = {"bullmq", "bull"} & unit.setup.npm_packages
    is_node = unit.workers and all(worker.program is None and _is_node(worker) for worker in unit.workers)
    if not is_bull or not is_node:
        return
    for one in unit.autoscalers:
        for trigger in one.data.items_of("spec", "triggers"):
            metadata = trigger.map("metadata")
            name = metadata.text("listName") if trigger.text("type").startswith("redis") else ""
            if name and not re.search(r"[${]", name) and not _BULL_LIST.search(name):
                text = f"counts {name}, and the lists of {min(is_bull)} are called bull:<queue>:wait: it stays empty"
                yield Diagnosis(
                    one.at(metadata, "listName"),
                    one.title,
                    text,
                    f"write listName: bull:{name.rpartition(':')[2]}:wait",
                )


def _is_node(worker: Worker) -> bool:
    return any((word or "").rpartition("/")[2] in ("node", "npm", "yarn", "pnpm", "tsx") for word in worker.words)


def _wrong(kind: str, metadata: Map, queues: set[str], before: str) -> str:
    """Why a trigger counts nothing of these workers; empty where it does, or nobody knows."""
    name = metadata.text("listName") if kind.startswith("redis") else ""
    if kind == "rabbitmq" and not before:  # Celery's alone has the queue's own name there too
        name = metadata.text("queueName")
    if not name or re.search(r"[${]", name):
        return ""
    if before == "queue:" and _LATER_OF_SIDEKIQ.search(name):
        return ""
    if kind.startswith("redis") and before and before not in name:
        return f"counts {name}, and the workers' lists are called {before}<queue>: it stays empty"
    # Celery on Redis keeps one list for each priority: `mail\\x06\\x163`.
    queue = re.split(r"\\x06|\x06", _BESIDE.sub("", name.rpartition(before)[2]) if before else name)[0]
    if queues and queue not in queues:
        return f"counts {name}, which these workers do not take from: they take from {', '.join(sorted(queues))}"
    return ""
