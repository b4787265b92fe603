"""What is read from where: a queue that nobody reads any more, and a broker that is left behind."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ebbtide.preview.autoscalers import SCALED_OBJECT, identity_of, target_of
from ebbtide.preview.change import Operation, ResourceChange
from ebbtide.preview.fleet import Pods
from ebbtide.preview.patterns import OF_A_BROKER
from ebbtide.preview.reads import (
    BrokerAddress,
    broker_addresses,
    changed_options,
    frame_of,
    is_known,
    is_one_broker,
    is_read_by,
    queues_lost,
    queues_of,
    read_together,
)
from ebbtide.preview.risk import Context, Risk, RiskLevel
from ebbtide.preview.rules.declare import change_rule
from ebbtide.preview.successors import Successor, successors
from ebbtide.settings.values.image_contract import CONSUMER_NAME, HOSTNAME

_CONTAINER = "spec.template.spec.containers.*"


@change_rule(
    "P-08",
    RiskLevel.DANGER,
    RiskLevel.NOT_JUDGED,
    remedy="Make sure that the queue is empty, or that somebody else reads it.",
    source="messenger:consume, celery, sidekiq and queue:work read the queues that they name.",
    reads={"Deployment": (f"{_CONTAINER}.args.*",)},
)
def check_queues(context: Context) -> Iterator[Risk]:
    """Every queue is still read by somebody, from the broker that it is on. Of somebody who reads a queue of that name,
    and whose variables do not say where, that is not judged."""
    readers = [(change, pods) for change in context.after("Deployment") for pods in _containers(change.new)]
    for change in context.of("Deployment", Operation.UPDATE, Operation.REPLACE):
        before = _read_by(change.old)
        for name in _nobody_knows(change):
            before.remove(name)
        own = read_together([_read_by(change.new)])
        gone = [name for name in queues_lost(before, _read_by(change.new)) if not is_read_by(name, own)]
        others = [(one.title, pods) for one, pods in readers if one is not change]
        lost, unsure = _lost(gone, list(_containers(change.old)), others) if gone else ([], {})
        advice = "make sure that it is empty, or that somebody else reads it"
        if lost:
            where = "that this plan shows" if context.change.hidden else "in this stack"
            sentence = f"{change.title} no longer reads {', '.join(lost)}, and nobody else {where} does"
            elsewhere = read_together(queues_of(pods.command) for _, pods in others)
            if any(is_read_by(name, elsewhere) for name in lost):
                sentence += " from its broker"
            yield Risk(change.title, sentence, advice, change.key, RiskLevel.DANGER)
        if unsure:
            who = ", ".join(dict.fromkeys(title for titles in unsure.values() for title in titles))
            sentence = (
                f"{change.title} no longer reads {', '.join(unsure)}, and {who} reads of that name: whether from "
                "the same broker is not judged"
            )
            yield Risk(change.title, sentence, advice, change.key, RiskLevel.NOT_JUDGED)


def _lost(gone: list[str], old: list[Pods], others: list[tuple[str, Pods]]) -> tuple[list[str], dict[str, list[str]]]:
    """Of queues that a consumer reads no more, those that nobody reads from its broker; and those that somebody may,
    with who that is."""
    lost: list[str] = []
    unsure: dict[str, list[str]] = {}
    for name in gone:
        had = [pods for pods in old if is_read_by(name, set(queues_of(pods.command)))]
        same = [(title, pods, _of_one_broker(had, pods)) for title, pods in others]
        sure, possible = (
            read_together(queues_of(pods.command) for _, pods, is_same in same if is_same in accepted)
            for accepted in ((True,), (True, None))
        )
        if is_read_by(name, sure):
            continue
        if is_read_by(name, possible):
            unsure[name] = [title for title, pods, is_same in same if is_same is None and queues_of(pods.command)]
        else:
            lost.append(name)
    return lost, unsure


def _of_one_broker(had: list[Pods], other: Pods) -> bool | None:
    """Whether somebody reads from every broker from which a queue was read; None where their variables do not tell."""
    found = [
        is_one_broker(pods.own_environment, other.own_environment, is_one_code=_code_of(pods) == _code_of(other))
        for pods in had
    ]
    return None if None in found and False not in found else all(found)


def _code_of(pods: Pods) -> tuple[str, frozenset[str]]:
    """What says where messages are if no variable does: the image, in whatever version, and whole Secrets."""
    image = (pods.image or "").partition("@")[0]
    repository, colon, tag = image.rpartition(":")
    return repository if colon and "/" not in tag else image, pods.env_from


def _nobody_knows(change: ResourceChange) -> Iterator[str]:
    """What containers read that had a known program and have another one, of which P-08c says that it is not judged."""
    for _, before, after in Successor(change, change.old, change.new, change.properties).containers():
        if is_known(before.command) and not is_known(after.command):
            yield from queues_of(before.command)


def _read_by(deployment: Mapping[str, Any]) -> list[str]:
    """What all of its containers read."""
    return [name for pods in _containers(deployment) for name in queues_of(pods.command)]


def _containers(deployment: Mapping[str, Any]) -> Iterable[Pods]:
    return Pods.by_container(deployment).values()


@change_rule(
    "P-08a",
    RiskLevel.DANGER,
    RiskLevel.NOT_JUDGED,
    RiskLevel.INFO,
    remedy="Let the old broker run empty first, or keep a second consumer on it until it is.",
    source="A worker reads the broker that its variables name; what waits in another one, nobody moves.",
    reads={
        "Deployment": (
            f"{_CONTAINER}.env[{OF_A_BROKER}].value",
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
            for words in _unsaid(before, after):
                sentence = f"{whose} {words}: whether it is the same broker is not judged"
                yield Risk(title, sentence, "make sure that what waits is still read", key, RiskLevel.NOT_JUDGED)


def _moved(before: Pods, after: Pods) -> dict[tuple[BrokerAddress, BrokerAddress], list[str]]:
    """From which broker to which, and the variables that say so."""
    old, new = (broker_addresses(pods.own_environment) for pods in (before, after))
    moved: dict[tuple[BrokerAddress, BrokerAddress], list[str]] = {}
    for name in sorted(old.keys() & new.keys()):
        if old[name] != new[name]:
            moved.setdefault((old[name], new[name]), []).append(name)
    return moved


def _unsaid(before: Pods, after: Pods) -> Iterator[str]:
    """Where only one side says where the broker is: the other has it from its own code."""
    old, new = (broker_addresses(pods.own_environment) for pods in (before, after))
    if bool(old) == bool(new) or any(one.secret for one in old.values()):
        return  # Of what came from a Secret and is gone P-05 speaks.
    names = ", ".join(sorted(old or new))
    told = "is no longer told" if old else "is told now"
    yield f"{told} by {names} where its messages are"


@change_rule(
    "P-08b",
    RiskLevel.DANGER,
    remedy="Leave HOSTNAME to Kubernetes, and name a consumer by its pod.",
    source="Redis, XREADGROUP: whoever reads under the name of a consumer gets what that one has in hand.",
    reads={"Deployment": tuple(f"{_CONTAINER}.env.{name}.value" for name in (HOSTNAME, CONSUMER_NAME))},
)
def check_names_differ(context: Context) -> Iterator[Risk]:
    """Each pod has a name of its own: by one name for all of them a broker gives a message to two."""
    for successor in successors(context):
        for whose, before, after in successor.containers():
            for name in (HOSTNAME, CONSUMER_NAME):
                value = after.environment.get(name)
                if isinstance(value, str) and "$(" not in value and value != before.environment.get(name):
                    sentence = (
                        f"every pod of {whose} is called {value} ({name}): a broker that tells consumers apart by "
                        "their names, as Redis does, gives one message to two of them"
                    )
                    yield Risk(successor.title, sentence, "take the name of the pod", successor.change.key)


# Where a trigger of KEDA's asks: its parameters, or the variables of the workers that hold them.
_ASKED_AT = tuple(
    f"{name}{of}"
    for name in (
        *("address", "addresses", "host", "hosts", "bootstrapServers", "brokerAddress", "brokerList"),
        *("connection", "queueURL", "serverURL"),
    )
    for of in ("", "FromEnv")
)


@change_rule(
    "P-08d",
    RiskLevel.NOT_JUDGED,
    remedy="Move the workers and what counts for them in one change, once the old broker is empty.",
    source="KEDA asks the broker that its trigger names; the workers read the one that their variables name.",
    reads={SCALED_OBJECT: tuple(f"spec.triggers.*.metadata.{name}" for name in _ASKED_AT)},
)
def check_counts_where_it_is_read(context: Context) -> Iterator[Risk]:
    """KEDA counts at the broker that the workers read. Where only its trigger gets another address, it may be the same
    broker; if it is not, nobody counts what they read, and at zero nobody is woken."""
    moved = {
        identity_of(successor.change)
        for successor in successors(context)
        if any(_moved(before, after) for _, before, after in successor.containers())
    }
    for change in context.of(SCALED_OBJECT, Operation.UPDATE, Operation.REPLACE):
        target = target_of(change.new)
        asked = dict.fromkeys(
            f"{found.new} instead of {found.old}"
            for found in change.properties
            if found.path[:2] == ("spec", "triggers")
            and "metadata" in found.path[:-1]
            and found.path[-1] in _ASKED_AT
            and isinstance(found.old, str)
            and isinstance(found.new, str)
        )
        if asked and target not in moved:
            sentence = (
                f"KEDA counts for {target.name} at {' and '.join(asked)}, and its workers keep the variables that say "
                "where they read: whether that is the same broker is not judged"
            )
            advice = "if it is another one, let the old one run empty, and move the workers in the same change"
            yield Risk(target.name, sentence, advice, change.key)


@change_rule(
    "P-08c",
    RiskLevel.NOT_JUDGED,
    remedy="Read what the new command line does with messages, and who hands the stop signal on.",
    source="Known are messenger:consume, celery, sidekiq and queue:work. A shell that starts one without exec keeps "
    "the signal to itself (V-21).",
    reads={"Deployment": (f"{_CONTAINER}.args.*", f"{_CONTAINER}.command.*")},
)
def check_command_is_known(context: Context) -> Iterator[Risk]:
    """A command line that changes is of a program whose options are known, and what starts it stays: of another one
    nobody here knows whether it reads the same queues, or hears that it is to stop. Nor of an option that no rule
    knows."""
    for successor in successors(context):
        for whose, before, after in successor.containers():
            if before.command == after.command:
                continue
            if not (is_known(before.command) and is_known(after.command)):
                sentence = f"what {whose} does with another command line is not judged"
            elif frame_of(before.command) != frame_of(after.command):
                sentence = f"{whose} is started in another way: whether its worker hears the stop signal is not judged"
            elif options := changed_options(before.command, after.command):
                sentence = f"what {', '.join(options)} of {whose} does to its messages is not judged"
            else:
                continue
            yield Risk(successor.title, sentence, "read it yourself", successor.change.key)
