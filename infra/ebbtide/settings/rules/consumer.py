"""Rules about one consumer's worker, pod and shutdown. Each docstring is title and reason of its rule."""

from __future__ import annotations

import re
from collections.abc import Iterator
from posixpath import normpath
from typing import TYPE_CHECKING

from ebbtide.judgement.findings import Finding, Level
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.kinds import of_kind
from ebbtide.settings.models.symfony import SymfonyMessengerWorker
from ebbtide.settings.rules.declare import consumer_rule
from ebbtide.settings.rules.texts import texts_of
from ebbtide.settings.values.image_contract import PROGRAMS_DIRECTORY, STATE_DIRECTORY
from ebbtide.settings.values.names import OWN_LABELS, SELECTING_LABELS
from ebbtide.settings.values.units import format_cpu, format_duration, format_memory, format_php_memory

if TYPE_CHECKING:
    from ebbtide.settings.models.command import CommandWorker

# Names of objects that a namespace holds anyway.
_RESERVED_NAMES = frozenset({"default", "default-deny"})
_GO_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)? [-+]\d{4} \S+")
_LONGEST_DRAIN_SECONDS = 7 * 24 * 3600


@consumer_rule(
    "N-01",
    Level.ERROR,
    remedy="Choose another name, for example what the queue is called.",
    source="Kubernetes makes `default` in every namespace, and ebbtide `default-deny`.",
)
def check_name(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A consumer is not called what every namespace already holds."""
    if consumer.name in _RESERVED_NAMES:
        yield Finding(
            (),
            f"the name {consumer.name!r} belongs to an object that every namespace holds",
            "choose another name, for example what the queue is called",
        )


@consumer_rule(
    "R-01",
    Level.ERROR,
    remedy="Lower the request, or raise the limit.",
    source="ValidateResourceRequirements in the API server.",
)
def check_requests_within_limits(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A request is not above its limit: the API server would refuse the pod."""
    resources = consumer.resources
    pairs = (("cpu", resources.cpu, format_cpu), ("memory", resources.memory, format_memory))
    for name, resource, show in pairs:
        if resource.request is not None and resource.limit is not None and resource.request > resource.limit:
            yield Finding(
                ("resources", name, "request"),
                f"is above the limit (got {show(resource.request)} and {show(resource.limit)})",
                f"write at most {show(resource.limit)}, or raise the limit",
            )


@consumer_rule(
    "V-28a",
    Level.ERROR,
    remedy="Leave phpMemoryLimit out, or write more than memoryLimit.",
    source="StopWorkerOnMemoryLimitListener of symfony/messenger looks after each message.",
)
def check_php_memory(consumer: ConsumerSettings) -> Iterator[Finding]:
    """PHP's `memory_limit` is above messenger's, which is checked between messages only: otherwise
    every worker dies in the middle of a message before it can end by itself."""
    worker = consumer.worker
    if isinstance(worker, SymfonyMessengerWorker) and worker.php_memory_limit_bytes <= worker.memory_limit:
        yield Finding(
            ("worker", "phpMemoryLimit"),
            f"is not above memoryLimit (got {format_php_memory(worker.php_memory_limit_bytes)} and "
            f"{format_php_memory(worker.memory_limit)}), so a message dies before the worker can end after it",
            "leave it out, or write more than memoryLimit",
        )


@consumer_rule(
    "V-28",
    Level.WARNING,
    remedy="Write what the event memoryMeasured says of a busy pod as measured; processes times memoryLimit is safe.",
    source="The kubelet evicts those above their request first; 70 processes at 150M use up to 10500Mi.",
)
def check_memory_request(consumer: ConsumerSettings) -> Iterator[Finding]:
    """The memory request covers what a busy pod was measured to use, or else every process at its `memoryLimit`; with
    less, a node can run out of memory although the scheduler thought it had room, and the kubelet evicts."""
    worker, memory = consumer.worker, consumer.resources.memory
    measured = consumer.measured_memory_bytes
    needed = worker.processes * worker.busy_memory_bytes if measured is None else measured
    requested, peak = consumer.memory_request_bytes, format_memory(needed)
    if requested >= needed:
        return
    # A request is never above the limit, and without one it is the limit that keeps it low.
    is_limited = memory.limit is not None and memory.limit < needed
    place = ("resources", "memory", "limit" if is_limited and memory.request is None else "request")
    if measured is None:
        safe = f"{peak} is safe{' with a limit above it or none' if is_limited else ''}"
        yield Finding(
            place,
            f"{format_memory(requested)} is less than {worker.processes} processes may use before they end by "
            f"themselves ({peak})",
            f"measure a busy pod; {safe}, and less saves money where processes stay small",
        )
    else:
        request = "request and limit" if memory.request is not None else "the limit"
        yield Finding(
            place,
            f"{format_memory(requested)} is less than a pod uses whose {worker.processes} processes are as large as "
            f"the largest that was measured ({peak})",
            f"leave {request if is_limited else 'it'} out, or measure again",
        )


@consumer_rule(
    "V-28b",
    Level.WARNING,
    remedy="Leave the limit out, or measure what all processes use at once.",
    source="On cgroup v2 one process over the limit has the whole container killed (Kubernetes 1.28 and later).",
)
def check_memory_limit(consumer: ConsumerSettings) -> Iterator[Finding]:
    """The memory limit holds every process at its own limit. Below it the kernel can kill the pod with every message
    in flight before a process ends by itself."""
    limit, derived = consumer.resources.memory.limit, consumer.derived_memory_limit_bytes
    if limit is not None and limit < derived:
        yield Finding(
            ("resources", "memory", "limit"),
            f"{format_memory(limit)} is less than {consumer.worker.processes} processes at their own limit "
            f"({format_memory(derived)}): the kernel may kill a worker, or the pod with every message in flight",
            f"leave it out, or write at least {format_memory(derived)}",
        )


@consumer_rule(
    "V-28c",
    Level.INFO,
    remedy="Write start: fork, and build with EBBTIDE_WORKER_START=fork: a build that finds a reason ends then.",
    source="70 idle workers of the example: 93 to 96 MiB forked, 773 to 775 booted (benchmarks/draining).",
)
def check_measured_start(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A request that was measured holds for one way of starting. Where processes are forked and the image, or one of
    its containers, stops doing that, each boots and many times the memory is used: nodes run short, and the kubelet
    evicts."""
    worker = consumer.worker
    if consumer.measured_memory_bytes is None or not worker.shared_memory_bytes:
        return
    alone = "each process boots by itself where the image"
    if isinstance(worker, SymfonyMessengerWorker) and worker.start == "auto":
        why = f"{alone} does not prove that they may be forked"
        remedy = "write start: fork and build it with EBBTIDE_WORKER_START=fork, or measure with start: exec"
    else:
        why = f"{alone}'s build has refused to fork"
        remedy = "build it with EBBTIDE_WORKER_START=fork, which ends the build then"
    text = f"holds for one way of starting: {why}"
    yield Finding(("resources", "memory", "measured"), text, f"{remedy}; and watch for forkOff")


@consumer_rule(
    "V-24",
    Level.ERROR,
    remedy="Write drain: signal, or set timeLimit.",
    source="The image: with stopFile the hook sends no signal.",
)
def check_stop_file_drain(consumer: ConsumerSettings) -> Iterator[Finding]:
    """With `drain: stopFile` nobody tells a worker to stop, so it needs a time limit to end at."""
    worker = consumer.worker
    if worker.drain == "stopFile" and worker.time_limit is None:
        yield Finding(
            ("worker", "drain"),
            "stopFile lets a worker run until its next limit, and it has no time limit",
            "write drain: signal, or set timeLimit"
            if "time_limit" in type(worker).model_fields
            else "write drain: signal",
        )


@consumer_rule(
    "V-24a",
    Level.ERROR,
    remedy="Split the messages, or write drain: signal.",
    source="GKE protects a pod for at most 7 days (Autopilot, extended duration pods).",
)
def check_longest_drain(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A drain ends within a week: that is the longest that any way to end a pod waits (V-06)."""
    if consumer.finish_seconds > _LONGEST_DRAIN_SECONDS:
        yield Finding(
            ("shutdown", "longestMessage"),
            "and the time limit of a worker that is not told to stop come to "
            f"{format_duration(consumer.finish_seconds)}, and no pod gets more than 7 days",
            "split the messages, or write drain: signal",
        )


@consumer_rule(
    "V-32",
    Level.ERROR,
    remedy="Remove it: the drain hook stops this pod's workers.",
    source="35 of 35 workers of another pod stopped (measured): symfony/messenger keeps the order in cache.app.",
)
def check_stop_workers(consumer: ConsumerSettings) -> Iterator[Finding]:
    """No command calls messenger:stop-workers. It stops every worker that shares the cache, not this pod's."""
    worker: CommandWorker | None = of_kind(consumer.worker, "command")
    if worker is not None and any("messenger:stop-workers" in part for part in worker.command):
        yield Finding(
            ("worker", "command"),
            "messenger:stop-workers stops every worker that shares the cache, not this pod's "
            "(35 of 35 of another pod: measured)",
            "remove it; the drain hook stops this pod's workers",
        )


@consumer_rule(
    "E-01",
    Level.ERROR,
    remedy="Keep one of environment and secretEnvironment.",
    source="Of two variables of one name the kubelet keeps the later one.",
)
def check_environment(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A variable has one source."""
    for name in sorted(set(consumer.environment) & set(consumer.secret_environment)):
        yield Finding(
            ("environment", name),
            "is given by secretEnvironment as well",
            "keep one of the two",
        )


@consumer_rule(
    "E-02",
    Level.ERROR,
    remedy="Write the value in quotes, as it should arrive.",
    source="Go's time.Time.String, by which the engine hands on what YAML reads as a time.",
)
def check_times(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A variable, an argument or a label is text. A date without quotes is a moment to YAML, and the pod would get
    `2026-11-28 00:00:00 +0000 UTC` for `2026-11-28`."""
    for path, _, value in texts_of(consumer):
        if _GO_TIME.fullmatch(value):
            yield Finding(
                path,
                f"is a date without quotes, a moment to YAML: the pod would get {value!r}",
                f'write it in quotes, as it is meant: "{_as_written(value)}"',
            )


def _as_written(moment: str) -> str:
    """As it was most likely written: a day alone, or with its time."""
    day, time, zone, *_ = moment.split(" ")
    if (time, zone) == ("00:00:00", "+0000"):
        return day
    return f"{day}T{time}{'Z' if zone == '+0000' else f'{zone[:3]}:{zone[3:]}'}"


@consumer_rule(
    "L-01",
    Level.ERROR,
    remedy="Use a key of your own, for example acme.com/team.",
    source="A Deployment's selector cannot be changed (apps/v1).",
)
def check_labels(consumer: ConsumerSettings) -> Iterator[Finding]:
    """The labels that ebbtide sets are its own; by most of them objects find each other."""
    for key in sorted(consumer.labels):
        if key in OWN_LABELS:
            yield Finding(
                ("labels", key),
                "is set by ebbtide" + (", and selectors depend on it" if key in SELECTING_LABELS else ""),
                "use a key of your own, for example acme.com/team",
            )


@consumer_rule(
    "W-01",
    Level.ERROR,
    remedy="Name the directory below it that is written to, for example /app/var.",
    source="An empty volume hides what the image has at its place.",
)
def check_writable_directories(consumer: ConsumerSettings) -> Iterator[Finding]:
    """A writable directory hides nothing that the pod needs, and is mounted once; /tmp and the state
    directory always are."""
    seen = {"/tmp", STATE_DIRECTORY}  # noqa: S108 - paths in the container
    hidden = (PROGRAMS_DIRECTORY, normpath(consumer.worker.working_directory))
    for index, path in enumerate(consumer.writable_directories):
        if any(found == path or found.startswith(f"{path}/") for found in hidden):
            yield Finding(
                ("writableDirectories", index),
                f"would hide the program: an empty volume stands in its place (got {path!r})",
                "name the directory below it that is written to, for example /app/var",
            )
        if path in seen:
            yield Finding(("writableDirectories", index), f"is mounted already (got {path!r})", "remove it")
        seen.add(path)


@consumer_rule(
    "V-18",
    Level.ERROR,
    remedy="Write maxUnavailable: 1: draining loses no message.",
    source="Kubernetes, disruption budgets: a forbidden eviction is refused until the platform gives up.",
)
def check_disruption_budget(consumer: ConsumerSettings) -> Iterator[Finding]:
    """The disruption budget lets at least one pod go, or every node drain waits for its timeout."""
    budget = consumer.disruption_budget
    if budget.max_unavailable == 0:
        yield Finding(
            ("disruptionBudget", "maxUnavailable"),
            "is 0, so no node could ever be drained",
            "write 1: draining loses no message",
        )
    least = consumer.autoscaling.min_replicas
    if budget.min_available is not None and budget.min_available >= least:
        yield Finding(
            ("disruptionBudget", "minAvailable"),
            f"keeps every pod when there are {least} (got {budget.min_available}), so no node could be drained",
            "write maxUnavailable: 1 instead",
        )
