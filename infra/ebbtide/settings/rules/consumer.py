"""Rules about one consumer's worker, pod and shutdown. Each function's docstring is its entry in docs/rules.md."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from ebbtide.settings.findings import Finding, Level
from ebbtide.settings.rules.autoscaling import AUTOSCALING_RULES
from ebbtide.settings.rules.secrets import check_plain_secrets
from ebbtide.settings.rules.transport import TRANSPORT_RULES
from ebbtide.settings.units import format_cpu, format_duration, format_memory, format_php_memory
from ebbtide.settings.worker import CommandWorker, SymfonyMessengerWorker

if TYPE_CHECKING:
    from ebbtide.settings.consumer import ConsumerSettings

# Names of objects that a namespace holds anyway.
_RESERVED_NAMES = frozenset({"default", "default-deny"})
_LONGEST_DRAIN_SECONDS = 7 * 24 * 3600
_SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh"})
# The options that settings own, and the setting of each.
_OWNED_OPTIONS = {
    "-l": "messageLimit",
    "--limit": "messageLimit",
    "-m": "memoryLimit",
    "--memory-limit": "memoryLimit",
    "-t": "timeLimit",
    "--time-limit": "timeLimit",
    "-f": "failureLimit",
    "--failure-limit": "failureLimit",
    "--sleep": "sleep",
}


def check_name(consumer: ConsumerSettings) -> Iterator[Finding]:
    """N-01 (error). A consumer is not called what every namespace already holds."""
    if consumer.name in _RESERVED_NAMES:
        yield Finding(
            (),
            f"the name {consumer.name!r} belongs to an object that every namespace holds",
            "choose another name, for example what the queue is called",
            rule="N-01",
        )


def check_egress(consumer: ConsumerSettings) -> Iterator[Finding]:
    """N-02 (warning). A consumer may reach its broker: its network policy allows DNS and what it lists, no more."""
    if not consumer.network.egress:
        yield Finding(
            ("network", "egress"),
            "is empty, so the workers reach DNS and nothing else, no broker either",
            "write for example [{cidr: 10.20.0.7/32, ports: [6379]}], the broker's address and port",
            Level.WARNING,
            "N-02",
        )


def check_requests_within_limits(consumer: ConsumerSettings) -> Iterator[Finding]:
    """R-01 (error). A request is not above its limit: the API server would refuse the pod."""
    resources = consumer.resources
    pairs = (("cpu", resources.cpu, format_cpu), ("memory", resources.memory, format_memory))
    for name, resource, show in pairs:
        if resource.request is not None and resource.limit is not None and resource.request > resource.limit:
            yield Finding(
                ("resources", name, "request"),
                f"is above the limit (got {show(resource.request)} and {show(resource.limit)})",
                f"write at most {show(resource.limit)}, or raise the limit",
                rule="R-01",
            )


def check_php_memory(consumer: ConsumerSettings) -> Iterator[Finding]:
    """V-28 (error). PHP's `memory_limit` is above messenger's, which is checked between messages only: otherwise
    every worker dies in the middle of a message before it can end by itself."""
    worker = consumer.worker
    if isinstance(worker, SymfonyMessengerWorker) and worker.php_memory_limit_bytes <= worker.memory_limit:
        yield Finding(
            ("worker", "phpMemoryLimit"),
            f"is not above memoryLimit (got {format_php_memory(worker.php_memory_limit_bytes)} and "
            f"{format_php_memory(worker.memory_limit)}), so a message dies before the worker can end after it",
            "leave it out, or write more than memoryLimit",
            rule="V-28",
        )


def check_memory_request(consumer: ConsumerSettings) -> Iterator[Finding]:
    """V-28 (warning). The memory request covers every process at its `memoryLimit`; with less, a node can run
    out of memory although the scheduler thought it had room, and the kubelet evicts."""
    worker = consumer.worker
    peak = worker.processes * worker.memory_limit
    if consumer.memory_request_bytes < peak:
        yield Finding(
            ("resources", "memory", "request"),
            f"{format_memory(consumer.memory_request_bytes)} is less than {worker.processes} processes may use before "
            f"they end by themselves ({format_memory(peak)})",
            f"measure a busy pod; {format_memory(peak)} is safe, and less saves money where processes stay small",
            Level.WARNING,
            "V-28",
        )


def check_stop_file_drain(consumer: ConsumerSettings) -> Iterator[Finding]:
    """V-24 (error). With `drain: stopFile` nobody tells a worker to stop, so it needs a time limit to end at."""
    worker = consumer.worker
    if worker.drain == "stopFile" and worker.time_limit is None:
        yield Finding(
            ("worker", "drain"),
            "stopFile lets a worker run until its next limit, and it has no time limit",
            "write drain: signal, or set timeLimit"
            if isinstance(worker, SymfonyMessengerWorker)
            else "write drain: signal",
            rule="V-24",
        )


def check_longest_drain(consumer: ConsumerSettings) -> Iterator[Finding]:
    """V-24 (error). A drain ends within a week: that is the longest that any way to end a pod waits (V-06)."""
    if consumer.finish_seconds > _LONGEST_DRAIN_SECONDS:
        yield Finding(
            ("shutdown", "longestMessage"),
            "and the time limit of a worker that is not told to stop come to "
            f"{format_duration(consumer.finish_seconds)}, and no pod gets more than 7 days",
            "split the messages, or write drain: signal",
            rule="V-24",
        )


def check_arguments(consumer: ConsumerSettings) -> Iterator[Finding]:
    """V-44 (error). Options that a setting owns are not repeated in `arguments`. `-m` in particular is the memory
    limit and not a number of messages."""
    worker = consumer.worker
    if not isinstance(worker, SymfonyMessengerWorker):
        return
    for index, argument in enumerate(worker.arguments):
        setting = _OWNED_OPTIONS.get(argument.partition("=")[0])
        if setting:
            yield Finding(
                ("worker", "arguments", index),
                f"is what the setting {setting} says, and the later one of two would win (got {argument!r})",
                f"remove it and set {setting}",
                rule="V-44",
            )


def check_command(consumer: ConsumerSettings) -> Iterator[Finding]:
    """V-21 (error). A worker is not wrapped in a shell that does not `exec` it: the shell dies at SIGTERM, the
    worker goes on, and is killed with the container in the middle of its message (65 to 68 of 70: measured)."""
    worker = consumer.worker
    if not isinstance(worker, CommandWorker):
        return
    program = worker.command[0].rpartition("/")[2]
    if program in _SHELLS and "-c" in worker.command and not re.search(r"(^|[;&]\s*)exec\s", worker.command[-1]):
        yield Finding(
            ("worker", "command"),
            f"runs the worker under {program}, which does not pass the stop signal on",
            "list the worker's own command and arguments, or end the script with `exec`",
            rule="V-21",
        )
    if any("messenger:stop-workers" in part for part in worker.command):
        yield Finding(
            ("worker", "command"),
            "messenger:stop-workers stops every worker that shares the cache, not this pod's "
            "(35 of 35 of another pod: measured)",
            "remove it; the drain hook stops this pod's workers",
            rule="V-32",
        )


def check_environment(consumer: ConsumerSettings) -> Iterator[Finding]:
    """E-01 (error). A variable has one source."""
    for name in sorted(set(consumer.environment) & set(consumer.secret_environment)):
        yield Finding(
            ("environment", name),
            "is given by secretEnvironment as well",
            "keep one of the two",
            rule="E-01",
        )


def check_labels(consumer: ConsumerSettings) -> Iterator[Finding]:
    """L-01 (error). The labels by which objects find each other are not overwritten."""
    for key in sorted(consumer.labels):
        if key.startswith("app.kubernetes.io/"):
            yield Finding(
                ("labels", key),
                "is set by ebbtide, and selectors depend on it",
                "use a key of your own, for example acme.com/team",
                rule="L-01",
            )


def check_writable_directories(consumer: ConsumerSettings) -> Iterator[Finding]:
    """W-01 (error). A writable directory hides nothing that the pod needs, and is mounted once; /tmp and the state
    directory always are."""
    seen = {"/tmp", "/run/ebbtide"}  # noqa: S108 - paths in the container
    hidden = ("/opt/ebbtide", consumer.worker.working_directory)
    for index, path in enumerate(consumer.writable_directories):
        if any(found == path or found.startswith(f"{path}/") for found in hidden):
            yield Finding(
                ("writableDirectories", index),
                f"would hide the program: an empty volume stands in its place (got {path!r})",
                "name the directory below it that is written to, for example /app/var",
                rule="W-01",
            )
        if path in seen:
            yield Finding(
                ("writableDirectories", index), f"is mounted already (got {path!r})", "remove it", rule="W-01"
            )
        seen.add(path)


def check_disruption_budget(consumer: ConsumerSettings) -> Iterator[Finding]:
    """V-18 (error). The disruption budget lets at least one pod go, or every node drain waits for its timeout."""
    budget = consumer.disruption_budget
    if budget.max_unavailable == 0:
        yield Finding(
            ("disruptionBudget", "maxUnavailable"),
            "is 0, so no node could ever be drained",
            "write 1: draining loses no message",
            rule="V-18",
        )
    least = consumer.autoscaling.min_replicas
    if budget.min_available is not None and budget.min_available >= least:
        yield Finding(
            ("disruptionBudget", "minAvailable"),
            f"keeps every pod when there are {least} (got {budget.min_available}), so no node could be drained",
            "write maxUnavailable: 1 instead",
            rule="V-18",
        )


CONSUMER_RULES = (
    check_name,
    check_egress,
    check_requests_within_limits,
    check_php_memory,
    check_memory_request,
    check_stop_file_drain,
    check_longest_drain,
    check_arguments,
    check_command,
    check_environment,
    check_plain_secrets,
    check_labels,
    check_writable_directories,
    check_disruption_budget,
    *AUTOSCALING_RULES,
    *TRANSPORT_RULES,
)
