"""Rules about the options of a worker's command: who says what, and what an option does that no setting knows."""

from __future__ import annotations

import re
from collections.abc import Iterator

from ebbtide.judgement.findings import Finding, Level
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.kinds import of_kind
from ebbtide.settings.models.symfony import SymfonyMessengerWorker
from ebbtide.settings.rules.declare import consumer_rule

# What failure transports are called: Symfony's recipe says `failed`.
_OF_FAILURES = re.compile(r"(?i)(?:^|[_.-])(?:failed|failures?|dead|dlq)(?:$|[_.-])")


@consumer_rule(
    "V-44",
    Level.ERROR,
    remedy="Remove the option and write the setting.",
    source="messenger:consume --help: `-m` is --memory-limit, `-l` is --limit.",
)
def check_arguments(consumer: ConsumerSettings) -> Iterator[Finding]:
    """Options that a setting owns are not repeated in `arguments`. Messenger's `-m` in particular is the memory
    limit and not a number of messages."""
    worker = consumer.worker
    place, arguments = worker.texts
    for index, argument in enumerate(arguments):
        for option in _options(argument, worker.flags):
            setting = worker.owned_options.get(option)
            if setting:
                yield Finding(
                    ("worker", place, index),
                    f"is what the setting {setting} says, and the later one of two would win (got {argument!r})",
                    f"remove it and set {setting}",
                )


@consumer_rule(
    "V-44a",
    Level.ERROR,
    remedy="Remove the option; the message says what to write instead.",
    source="celery worker --help, sidekiq --help, artisan help queue:work: `-B`, `-D`, `--autoscale` and their like.",
)
def check_refused_options(consumer: ConsumerSettings) -> Iterator[Finding]:
    """No option of a worker takes from a drain or from the autoscaler what they count on: that a process stays where it
    is, takes as many messages as it says, and runs no schedule beside them."""
    worker = consumer.worker
    place, arguments = worker.texts
    for index, argument in enumerate(arguments):
        for option in _options(argument, worker.flags):
            why, remedy = worker.refused_options.get(option, ("", ""))
            if why:
                yield Finding(("worker", place, index), f"{option} {why}", remedy)


def _option(argument: str) -> str:
    """The option of `--limit=10`, `-l10` and `-l`."""
    return argument.partition("=")[0] if argument.startswith("--") else argument[:2]


def _options(argument: str, flags: frozenset[str]) -> Iterator[str]:
    """All of them: `-vl10` is `-v` and `-l10`. A spelling of several letters that is known is one."""
    while argument not in flags and argument[:2] in flags:
        yield argument[:2]
        argument = f"-{argument[2:]}"
    yield _option(argument)


@consumer_rule(
    "V-44b",
    Level.INFO,
    remedy="Look up what it does to messages in hand, and accept this with what you found.",
    source="The help of each program: options that are known to leave a drain and a count alone are listed by kind.",
)
def check_options_are_known(consumer: ConsumerSettings) -> Iterator[Finding]:
    """Every option of a worker is one that a setting says, or that is known to leave a drain and the autoscaler alone.
    What another one does to a message is not judged."""
    worker = consumer.worker
    if not worker.harmless_options:
        return  # a command of one's own, whose options nobody knows
    place, arguments = worker.texts
    judged = worker.owned_options.keys() | worker.refused_options.keys() | worker.harmless_options
    for index, argument in enumerate(arguments):
        is_option = argument.startswith("-") and len(argument) > 1 and argument != "--"
        unknown = [option for option in _options(argument, worker.flags) if option not in judged]
        if is_option and unknown:
            what = argument.partition("=")[0]
            yield Finding(
                ("worker", place, index),
                f"{what} is not judged: no rule knows what it does to a message in hand",
                "accept this with what you found",
            )


@consumer_rule(
    "V-44c",
    Level.ERROR,
    remedy="Leave the option out, or write what it needs.",
    source="symfony/messenger, ConsumeMessagesCommand::execute and Worker::run: only AMQP's receiver is a "
    "QueueReceiverInterface; each throws before the first message.",
)
def check_options_fit(consumer: ConsumerSettings) -> Iterator[Finding]:
    """Messenger accepts the options together, and reads what the settings say. Otherwise every worker ends at once, or
    consumes what nobody counts."""
    worker: SymfonyMessengerWorker | None = of_kind(consumer.worker, "symfonyMessenger")
    if worker is None:
        return
    options = {_option(argument): index for index, argument in reversed([*enumerate(worker.arguments)])}
    kind = consumer.transport.kind if consumer.transport else ""
    if "--queues" in options and kind not in {"", "rabbitmq"}:
        yield Finding(
            ("worker", "arguments", options["--queues"]),
            f"--queues is for RabbitMQ alone, and the transport is {kind}: every worker ends at once",
            "leave it out",
        )
    if "--exclude-receivers" in options and "--all" not in options:
        yield Finding(
            ("worker", "arguments", options["--exclude-receivers"]),
            "--exclude-receivers without --all is refused by Symfony: every worker ends at once",
            "write --all before it, or leave it out",
        )
    if "--all" in options and worker.receivers:
        yield Finding(
            ("worker", "receivers"),
            f"names {', '.join(worker.receivers)}, and --all consumes every transport whatever is named",
            "leave --all out, or write receivers: []",
        )
    for name in worker.named_in_arguments:
        yield Finding(
            ("worker", "arguments"),
            f"names {name}, which Symfony takes for a receiver more, and no rule counts",
            "write it under receivers",
        )


@consumer_rule(
    "V-51b",
    Level.WARNING,
    remedy="Let messenger:failed:retry read it, when what was wrong is mended; or accept this with the reason.",
    source="symfony/messenger, SendFailedMessageToFailureTransportListener: what has failed in the failure transport "
    "itself is sent nowhere, and the worker rejects it.",
)
def check_failures_are_kept(consumer: ConsumerSettings) -> Iterator[Finding]:
    """What has failed for good waits for somebody. Workers that consume a failure transport try it again, and when it
    fails there for the last time it is removed. `--all` consumes failure transports too."""
    worker: SymfonyMessengerWorker | None = of_kind(consumer.worker, "symfonyMessenger")
    if worker is None:
        return
    lost = "a message that fails there for the last time is removed"
    if "--all" in worker.arguments and not any(map(_OF_FAILURES.search, worker.left_out)):
        at = worker.arguments.index("--all")
        text = f"--all consumes the failure transport too, if there is one that is not left out: {lost}"
        yield Finding(("worker", "arguments", at), text, "write --exclude-receivers=failed behind it")
    for index, name in enumerate(worker.receivers):
        if _OF_FAILURES.search(name):
            text = f"is {name}; if that is a failure transport, {lost}"
            yield Finding(("worker", "receivers", index), text, "leave it to messenger:failed:retry")
