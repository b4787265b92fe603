"""What an image must be for a drain to lose nothing. Pure: facts in, findings out; each finding names its fix."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ebbtide_supervisor.command import CONSUME, consumes
from ebbtide_supervisor.dsn import path_of, queue_of
from ebbtide_supervisor.php_numbers import cast, filtered
from ebbtide_supervisor.rule_texts import IMAGE_RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from ebbtide_supervisor.environment import Environment
    from ebbtide_supervisor.image_facts import ImageFacts, Transport

# A lost message must come back within this long after the longest one could still be handled.
REDELIVERY_SLACK_SECONDS: Final = 60
SYMFONY_REDELIVER_SECONDS: Final = 3600
SYMFONY_LOOK_MILLISECONDS: Final = 60_000
SYMFONY_SQS_BUFFER: Final = 9
SQS_VISIBILITY_SECONDS: Final = 30
# https://www.rabbitmq.com/docs/queues: what a queue may lose by its own arguments.
DROPPING_ARGUMENTS: Final = frozenset({"x-max-length", "x-max-length-bytes", "x-message-ttl", "x-expires"})
KEEP_NOTHING: Final = ("sync", "in-memory")
# What hands messages to nobody else, and a schedule.
JUDGED_ELSEWHERE: Final = (*KEEP_NOTHING, "schedule")
# rabbit_heartbeat closes a connection from which nothing has come for two to three intervals.
LEAST_HEARTBEATS: Final = 2


@dataclass(frozen=True)
class Finding:
    """One line of the report."""

    rule: str
    """Its id in `rule_texts`."""
    text: str

    @property
    def is_error(self) -> bool:
        """An error refuses the image, a warning does not."""
        return IMAGE_RULES[self.rule].level == "error"

    def __str__(self) -> str:
        return f"{self.text} [{self.rule}]"


def judge_image(facts: ImageFacts, environment: Environment) -> list[Finding]:
    """All findings at once."""
    findings = [Finding("I-14", error) for error in facts.errors]
    if facts.unchecked:
        reason = "transports: not checked here, the console cannot write its cache (read-only); the image's build did"
        findings.append(Finding("I-15", reason))
    for rule in (_php, _messenger, _signals, _stop_workers, _memory, _redelivery):
        findings += rule(facts, environment)
    return findings


def _php(facts: ImageFacts, _environment: Environment) -> Iterator[Finding]:
    if facts.php is None:
        return
    if not facts.php["signals"]:
        yield Finding(
            "I-01",
            "php: pcntl_signal is missing (got no pcntl, or disable_functions), so a worker dies of SIGTERM inside its "
            "message; install pcntl: Debian's php-cli has it, Docker's php image needs docker-php-ext-install pcntl",
        )
    if facts.php["sapi"] != "cli":
        yield Finding("I-02", f"php: not the command line's (got {facts.php['sapi']}); build on a PHP CLI image")
    if not facts.php["opcache"]:
        yield Finding("I-03", "php: no opcache, so each worker's boot costs twice the CPU; install it")


def _messenger(facts: ImageFacts, _environment: Environment) -> Iterator[Finding]:
    if facts.console_version is None:
        return
    version = facts.messenger_version or ""
    if re.match(r"v?6\.3\.5(?![0-9])", version):
        yield Finding(
            "I-04",
            f"symfony/messenger: stops in the middle of a message on SIGTERM (got {version}, symfony#52077); "
            "update to 6.3.6 or later",
        )


def _signals(facts: ImageFacts, environment: Environment) -> Iterator[Finding]:
    wanted = environment.signal_number
    if environment.drain == "signal" and facts.stop_signals is not None and wanted not in facts.stop_signals:
        got = list(facts.stop_signals)
        yield Finding(
            "I-05",
            f"framework.messenger.stop_worker_on_signals: {wanted.name} is not in it (got {got}), so a worker dies of "
            f"it inside its message; add {wanted.name}, or leave the setting out",
        )


def _stop_workers(facts: ImageFacts, _environment: Environment) -> Iterator[Finding]:
    for path in facts.stop_workers_in:
        yield Finding(
            "I-06",
            f"{path}: calls messenger:stop-workers, which stops every worker that shares the cache, other pods' too; "
            "take it out: a pod drains by its preStop hook and by SIGTERM",
        )


def _memory(facts: ImageFacts, environment: Environment) -> Iterator[Finding]:
    if facts.php is None:
        return
    limit, wanted = str(facts.php["memoryLimit"]), environment.memory_limit_mebibytes
    if limit != f"{wanted}M":
        yield Finding(
            "I-07",
            f"php: memory_limit is not EBBTIDE_MEMORY_LIMIT_MEBIBYTES (got {limit}, not {wanted}M), so the container's "
            "memory limit is computed from a number PHP does not keep; take memory_limit out of later .ini files",
        )


def _redelivery(facts: ImageFacts, environment: Environment) -> Iterator[Finding]:
    return judge_transports(facts.transports, environment)


def judge_transports(transports: Iterable[Transport], environment: Environment) -> Iterator[Finding]:
    """What becomes of a message whose worker was killed, or is still at work."""
    for transport in transports:
        yield from _drops(transport)
        if transport.scheme == "redis":
            yield from _redis_consumer(transport)
            yield from _timeout(transport, environment, "claim_interval")
        elif transport.scheme == "doctrine":
            yield from _doctrine(transport, environment)
        elif transport.scheme in ("amqp", "amqps"):
            yield from _heartbeat(transport, environment)
            yield from _removed(transport)
        elif transport.scheme == "sqs":
            yield from _buffer(transport, environment)
        elif transport.dsn.startswith("%env("):
            yield Finding(
                "I-11",
                f"transport {transport.name}: its DSN is not known here (got {transport.dsn}), so consumer name and "
                "redelivery are not checked before the container starts; build with the variable, without a password",
            )
        elif transport.scheme not in JUDGED_ELSEWHERE:
            yield Finding(
                "I-27",
                f"transport {transport.name}: is of a kind that no rule knows (got {transport.scheme or 'no scheme'}), "
                "so when a killed worker's message comes back, and to whom, is not judged; look it up in the "
                "transport's documentation, and kill a busy worker once",
            )


def _redis_consumer(transport: Transport) -> Iterator[Finding]:
    # The third part of the DSN's path, redis://host/stream/group/consumer, wins over the option.
    path = path_of(transport.dsn)
    name = path[2] if len(path) > 2 else transport.options.get("consumer", "consumer")
    if "%env(MESSENGER_CONSUMER_NAME)%" not in str(name):
        first = "take it out of the DSN's path, and " if len(path) > 2 else ""
        yield Finding(
            "I-08",
            f"transport {transport.name}: one Redis consumer name for all workers (got {name!r}), so a starting one "
            f"takes over what the others are handling; {first}set the option consumer: "
            "'%env(MESSENGER_CONSUMER_NAME)%'",
        )


def _timeout(transport: Transport, environment: Environment, look: str | None) -> Iterator[Finding]:
    """`look` names the option that says how often an idle worker looks for such messages, in milliseconds."""
    longest = environment.longest_message_seconds
    number = filtered if transport.scheme == "redis" else cast
    given = transport.options.get("redeliver_timeout")
    seconds = number(SYMFONY_REDELIVER_SECONDS if given is None else given)
    interval = number(transport.options.get(look, SYMFONY_LOOK_MILLISECONDS)) if look else None
    if seconds is None:
        return  # Set where the container runs: the entrypoint reads it there.
    if seconds <= longest:
        written = f"{seconds} s" if str(given) == str(seconds) else f"{given!r}, which PHP takes for {seconds} s"
        yield Finding(
            "I-09",
            f"transport {transport.name}: redeliver_timeout is not above the longest message (got {written}, longest "
            f"{longest} s), so one that is still being handled is given to a second worker; set {longest + 30}",
        )
        return
    away = seconds + (interval or 0) / 1000
    if away > longest + REDELIVERY_SLACK_SECONDS:
        got, remedy = (f" and {look} {interval} ms", f" and {look} to 5000") if interval else ("", "")
        where, after = "", f"{away:g} s"
        if transport.scheme == "doctrine" and interval:
            # DoctrineTransportFactory makes a PostgreSqlConnection, which has that interval, of PostgreSQL alone: with
            # another database an idle worker looks each time. Which one it is nobody knows here.
            is_late_anyway = seconds > longest + REDELIVERY_SLACK_SECONDS
            where, after = ("", f"{seconds} s, on PostgreSQL {after}") if is_late_anyway else ("on PostgreSQL ", after)
        yield Finding(
            "I-10",
            f"transport {transport.name}: {where}a killed worker's message stays away for {after} (redeliver_timeout "
            f"{seconds} s{got}; longest message {longest} s); set redeliver_timeout to {longest + 30}{remedy}",
        )


def _doctrine(transport: Transport, environment: Environment) -> Iterator[Finding]:
    # On PostgreSQL an idle worker waits to be told of new messages, and looks for old ones only this often.
    look = "check_delayed_interval"
    if str(transport.options.get("use_notify", True)).lower() in ("0", "false", "off", "no", ""):
        yield from _timeout(transport, environment, None)
    elif cast(transport.options.get(look)) == 0:
        text = f"transport {transport.name}: with {look} 0 a killed worker's message waits for the next new one"
        yield Finding("I-12", f"{text} on PostgreSQL; set {look} to 5000")
        yield from _timeout(transport, environment, None)
    else:
        yield from _timeout(transport, environment, look)


def _heartbeat(transport: Transport, environment: Environment) -> Iterator[Finding]:
    # PHP sends heartbeats only when it talks to the broker, so none while a message is handled.
    seconds = cast(transport.options.get("heartbeat", 0))
    longest = environment.longest_message_seconds
    if seconds and LEAST_HEARTBEATS * seconds <= longest:
        yield Finding(
            "I-13",
            f"transport {transport.name}: heartbeat is too short for the longest message (got {seconds} s, longest "
            f"{longest} s): the broker closes the connection and gives the message to a second worker while the first "
            "still handles it; take heartbeat out, and let the broker find dead nodes by tcp_listen_options.keepalive",
        )


def _removed(transport: Transport) -> Iterator[Finding]:
    # RejectRedeliveredMessageMiddleware: what RabbitMQ gives back, Symfony takes for a failed try.
    if transport.has_failure_transport or transport.takes_failed_of:
        return  # Of a failure transport that is consumed I-26 speaks.
    remedy = "name a failure_transport"
    if transport.max_retries is None:
        text = (
            "how many retries it has is not known here (a variable, or a strategy of its own), and after the last one"
        )
        yield Finding("I-21", f"transport {transport.name}: {text} a killed worker's message is removed; {remedy}")
    elif transport.max_retries == 0:
        text = "max_retries is 0 and there is no failure transport, so a message whose worker is killed is removed"
        yield Finding("I-20", f"transport {transport.name}: {text}; {remedy}, or allow retries")
    else:
        text = f"each killed worker uses up one of {transport.max_retries} retries, and after the last one the message"
        yield Finding("I-21", f"transport {transport.name}: {text} is removed; {remedy}")


def judge_failures(transports: Sequence[Transport], command: Sequence[str]) -> Iterator[Finding]:
    """What becomes of a message that has failed for the last time; with the worker's command, if there is one."""
    for failed in transports:
        if not failed.takes_failed_of:
            continue
        start = f"transport {failed.name}: is the failure transport of {', '.join(failed.takes_failed_of)}"
        if failed.scheme in KEEP_NOTHING:
            yield Finding("I-26", f"{start} and keeps nothing (got {failed.scheme}); name one on a broker")
        sources = (one for one in transports if one.name in failed.takes_failed_of)
        same = next((one.name for one in sources if _queue(one) == _queue(failed)), "")
        if same:
            text = (
                f"{start} and lies in the queue of {same}, so workers take what has failed again, and remove it when it"
            )
            yield Finding("I-26", f"{text} fails once more; give it a queue of its own")
        if CONSUME in command and consumes(command, failed.name):
            text = f"{start} and is consumed, so a message that fails there for the last time is removed: it is sent to"
            yield Finding("I-26", f"{text} no other; leave it to messenger:failed:retry")


def _queue(transport: Transport) -> tuple[object, ...]:
    return queue_of(transport.scheme, transport.dsn, transport.options)


def _drops(transport: Transport) -> Iterator[Finding]:
    most = filtered(transport.options.get("stream_max_entries", 0))
    if transport.scheme == "redis" and most:
        yield Finding(
            "I-22",
            f"transport {transport.name}: stream_max_entries trims the stream (got {most}), so when more messages wait "
            "the oldest are gone; take it out, and delete_after_ack keeps the stream short",
        )
    if transport.scheme not in ("amqp", "amqps"):
        return
    queues = transport.options.get("queues")
    for queue, settings in queues.items() if isinstance(queues, dict) else ():
        arguments = settings.get("arguments") if isinstance(settings, dict) else None
        for name in sorted(DROPPING_ARGUMENTS & set(arguments or ())):
            yield Finding(
                "I-22",
                f"transport {transport.name}: queue {queue} has the argument {name}, by which RabbitMQ removes "
                "messages that nobody has handled; take it out, or give the queue a dead-letter exchange",
            )


def _buffer(transport: Transport, environment: Environment) -> Iterator[Finding]:
    # The timeout of every message that was fetched runs while the first of them is handled.
    taken = cast(transport.options.get("buffer_size", SYMFONY_SQS_BUFFER))
    given = transport.options.get("visibility_timeout")
    seconds = SQS_VISIBILITY_SECONDS if given is None else cast(given)
    needed = environment.longest_message_seconds * (taken or 1)
    if seconds is None or seconds > needed:
        return
    fetched = f"the {taken} messages" if taken else "all messages"
    got = f"{seconds} s" if given is not None else f"none; a queue of AWS' default has {seconds} s"
    text = (
        f"transport {transport.name}: visibility_timeout runs for {fetched} that a worker fetches at once, and "
        f"{'they' if taken else 'one'} may take {needed} s (got {got}), so one is given to a second worker while the "
        "first still has it; "
        f"set buffer_size to 1 and visibility_timeout above {environment.longest_message_seconds}"
    )
    if given is None:
        yield Finding("I-24", text)
    else:
        yield Finding("I-23", text)
