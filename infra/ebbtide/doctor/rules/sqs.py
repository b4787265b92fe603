"""A rule about queues of SQS that are among the files, and about who takes from them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ebbtide.doctor.diagnosis import Diagnosis, Harm
from ebbtide.doctor.readers.sqs import SqsQueue
from ebbtide.doctor.rules.broker import SHARE_OF_GRACE, consumed
from ebbtide.doctor.rules.declare import unit_rule
from ebbtide.doctor.shown import one_line
from ebbtide.doctor.times import longest_of
from ebbtide.doctor.unit import Unit, Worker

_URL: Final = re.compile(
    r"(?:https?://[\w.-]*(?:amazonaws\.com(?:\.cn)?|localstack[\w.-]*)(?::[0-9]+)?/[0-9]+/|^)([\w-]+(?:\.fifo)?)$"
)
_EXTENDS: Final = re.compile(r"\bChangeMessageVisibility|\bchangeMessageVisibility|\bVisibilityTimeout\b")


@unit_rule(
    "D-78",
    Harm.REPEATS,
    remedy="Write the queue's visibility timeout above the longest message.",
    source="SQS' documentation: 30 s where nothing is written, at most 12 hours; what is not deleted by then is handed "
    "out again, and the first worker is still at it.",
)
def check_queue_visibility(unit: Unit) -> Iterator[Diagnosis]:
    """SQS hides a message for as long as its worker may be at it. The queue says for how long, in the file that makes
    it: not below a limit of the worker, nor far below the time that the pod is given to end it. A program that asks
    for more time with its messages does not need that."""
    grace = unit.workload.grace if unit.workload else None
    for queue in queues_of(unit):
        seconds = queue.seconds.value
        if not isinstance(seconds, int):
            continue
        for worker in unit.workers:
            if not _takes_the_queue_s(unit, worker):
                continue
            longest = longest_of(unit, worker)
            if longest is not None and seconds <= longest.value:
                why = f"and {worker.title} may take {longest.value} s for it ({longest.place})"
            elif longest is None and grace is not None and seconds < grace.value / SHARE_OF_GRACE:
                why = f"although the pod has {grace.value} s to finish it ({grace.place})"
            else:
                continue
            written = "" if queue.is_written else ", the default"
            unless = "" if worker.program else ", unless it asks for more time with its messages"
            yield Diagnosis(
                queue.seconds.place,
                f"SQS queue {one_line(queue.name)}",
                f"gives a message to another worker after {seconds} s{written}, {why}{unless}",
                f"write {queue.key}: the longest message and half a minute",
            )
            break


def queues_of(unit: Unit) -> list[SqsQueue]:
    """Those that something of a unit names: its variables, its command, what scales it, its connections."""
    names = {found[1] for text in _texts(unit) if (found := _URL.search(text))}
    return [one for one in unit.setup.sqs if one.name in names]


def _texts(unit: Unit) -> Iterator[str]:
    variables = unit.container.environment if unit.container else {}
    yield from (said.value for said in variables.values())
    for worker in unit.workers:
        yield from (part for word in worker.words if word for part in word.partition("=")[::2])
        yield from (queue for value in worker.values("-Q", "--queues", "--queue", "-q") for queue in value.split(","))
    triggers = [trigger for one in unit.autoscalers for trigger in one.data.items_of("spec", "triggers")]
    if unit.workload is not None and unit.workload.kind == "ScaledJob":
        triggers += unit.workload.data.items_of("spec", "triggers")
    yield from (trigger.map("metadata").text("queueURL") for trigger in triggers)
    for one in unit.setup.connections:
        if one.driver == "sqs" and any(unit.named("artisan queue:work")):
            yield one.data.text("queue")


def _takes_the_queue_s(unit: Unit, worker: Worker) -> bool:
    """Whether nothing that is known says another time with each message: an option of the framework, the program."""
    of_celery = (one.options.get("broker_transport_options") for one in unit.setup.celery)
    if worker.program is not None and worker.program.name == "celery worker":
        return not any(
            one and not (isinstance(one.value, dict) and "visibility_timeout" not in one.value) for one in of_celery
        )
    if any("visibility_timeout" in transport.options for one, transport in consumed(unit) if one is worker):
        return False
    if any((word or "").partition("=")[0] == "--keepalive" for word in worker.words):
        return False
    if worker.node is not None:
        return not any(_EXTENDS.search(part.source.bare) for part in worker.node.parts)
    return True
