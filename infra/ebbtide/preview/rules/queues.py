"""What is read from where: a queue that nobody reads any more, and a broker that is left behind."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ebbtide.preview.change import Operation
from ebbtide.preview.fleet import Pods
from ebbtide.preview.reads import ALL, BrokerAddress, broker_addresses, queues_of
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.successors import successors

_CONTAINER = "spec.template.spec.containers.*"


@change_rule(
    "P-08",
    RiskLevel.DANGER,
    remedy="Make sure that the queue is empty, or that somebody else reads it.",
    source="messenger:consume, celery, sidekiq and queue:work read the queues that they name.",
    reads={"Deployment": (f"{_CONTAINER}.args.*",)},
)
def check_queues(context: Context) -> Iterator[Risk]:
    """Every queue is still read by somebody."""
    read = {name for change in context.after("Deployment") for name in _read_by(change.new)}
    for change in context.of("Deployment", Operation.UPDATE, Operation.REPLACE):
        lost = [] if ALL in read else [name for name in _read_by(change.old) if name not in read]
        if lost:
            sentence = f"{change.title} no longer reads {', '.join(lost)}, and nobody else in this stack does"
            yield Risk(change.title, sentence, "make sure that it is empty, or that somebody else reads it", change.key)


def _read_by(deployment: Mapping[str, Any]) -> list[str]:
    """What all of its containers read."""
    return [name for pods in Pods.by_container(deployment).values() for name in queues_of(pods.command)]


@change_rule(
    "P-08a",
    RiskLevel.DANGER,
    RiskLevel.INFO,
    remedy="Let the old broker run empty first, or keep a second consumer on it until it is.",
    source="A worker reads the broker that its variables name; what waits in another one, nobody moves.",
    reads={
        "Deployment": (
            f"{_CONTAINER}.env.*.value",
            f"{_CONTAINER}.env.*.valueFrom.secretKeyRef.name",
            f"{_CONTAINER}.env.*.valueFrom.secretKeyRef.key",
        )
    },
)
def check_broker_moves(context: Context) -> Iterator[Risk]:
    """A consumer reads its messages from the same broker as before. Where the address is in a Secret, its value is not
    known: another Secret is danger if this change makes the broker behind it, else it is only said. A Secret that is
    made anew for a rotation (P-62), and one whose broker goes (P-60), are not said again."""
    written = {change.title: change.operation for change in context.of("SecretSync")}
    for successor in successors(context):
        title, key = successor.title, successor.change.key
        for whose, before, after in successor.containers():
            for (old, new), names in _moved(before, after).items():
                if written.get(new.secret) is Operation.REPLACE or written.get(old.secret) is Operation.DELETE:
                    continue
                is_known = not (old.secret or new.secret)
                is_new = written.get(new.secret) is Operation.CREATE
                variables = ", ".join(names)
                if is_known or is_new:
                    other = "a broker that is made now" if is_new else f"{new}"
                    sentence = (
                        f"{whose} reads its messages from {other} instead of {old} ({variables}): what waits in the "
                        "old one, or is still sent there, is handled by nobody"
                    )
                    advice = "let the old one run empty first, or keep a second consumer on it until it is"
                    yield Risk(title, sentence, advice, key)
                else:
                    sentence = (
                        f"{whose} reads {variables} from {new} instead of {old}: if that is another broker, what waits "
                        "in the old one is handled by nobody"
                    )
                    advice = "make sure that it is the same broker, or that the old one is empty"
                    yield Risk(title, sentence, advice, key, RiskLevel.INFO)


def _moved(before: Pods, after: Pods) -> dict[tuple[BrokerAddress, BrokerAddress], list[str]]:
    """From which broker to which, and the variables that say so."""
    old, new = (broker_addresses(pods.own_environment) for pods in (before, after))
    moved: dict[tuple[BrokerAddress, BrokerAddress], list[str]] = {}
    for name in sorted(old.keys() & new.keys()):
        if old[name] != new[name]:
            moved.setdefault((old[name], new[name]), []).append(name)
    return moved
