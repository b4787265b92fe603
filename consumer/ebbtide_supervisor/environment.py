"""The container's environment: the only settings this image reads, checked before anything starts.

Every number comes from the one shutdown budget of the Deployment. A variable that is missing gets the default
written here, so that `docker run` works; one that is wrong is a problem with a line of its own.
"""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX: Final = "EBBTIDE_"

# The steps of the shutdown budget when only the longest message is known (seconds).
STOP_WAIT_MARGIN: Final = 10
DRAIN_DEADLINE_MARGIN: Final = 5
GRACE_MARGIN: Final = 15
DEFAULT_LONGEST_MESSAGE_SECONDS: Final = 60
# Also how long a hook waits that can make nothing of its variables.
DEFAULT_DRAIN_DEADLINE_SECONDS: Final = DEFAULT_LONGEST_MESSAGE_SECONDS + STOP_WAIT_MARGIN + DRAIN_DEADLINE_MARGIN

# GKE keeps a protected Autopilot pod for up to seven days; the steps above a message of that length still fit.
LONGEST_MESSAGE_SECONDS: Final = 7 * 86400
LONGEST_GRACE_SECONDS: Final = LONGEST_MESSAGE_SECONDS + 3600
# With few in a pod a parent saves little: its own boot and the comparison of two are paid first. A choice, not a
# measured break-even. The settings say the same number (models/symfony.py).
LEAST_FORKED: Final = 8
# A parent that is made anew, as each is when it is old, stands beside the workers of the one before: these hold what
# they share until they rotate.
GENERATIONS: Final = 2
# Of what is set aside for one parent and its workers it gets at least this, and compiled code the rest. Measured with
# 2,119 classes: 12 for the parent, and 44 of compiled code.
LEAST_PARENT_MEBIBYTES: Final = 32
# Below it a port needs a capability.
LEAST_PORT: Final = 1024


@dataclass(frozen=True)
class WholeNumber:
    """One numeric variable: its range, its default, and what it means to a person."""

    minimum: int
    maximum: int
    default: int | None
    meaning: str


@dataclass(frozen=True)
class Word:
    """One variable with a closed set of values."""

    values: tuple[str, ...]
    default: str
    meaning: str


NUMBERS: Final[dict[str, WholeNumber]] = {
    "PROCESSES": WholeNumber(1, 1000, 1, "how many workers this container runs; spread more over pods"),
    "LONGEST_MESSAGE_SECONDS": WholeNumber(
        0, LONGEST_MESSAGE_SECONDS, DEFAULT_LONGEST_MESSAGE_SECONDS, "how long one message may take"
    ),
    "STOP_WAIT_SECONDS": WholeNumber(1, LONGEST_GRACE_SECONDS, None, "when a worker that was asked is killed"),
    "DRAIN_DEADLINE_SECONDS": WholeNumber(1, LONGEST_GRACE_SECONDS, None, "how long the preStop hook waits"),
    "GRACE_SECONDS": WholeNumber(1, LONGEST_GRACE_SECONDS, None, "the pod's terminationGracePeriodSeconds"),
    "START_DEADLINE_SECONDS": WholeNumber(1, 86400, 300, "by when one worker must have become ready"),
    "TIME_LIMIT_SECONDS": WholeNumber(0, 604800, 3600, "after how long a Symfony worker rotates, 0 = never"),
    "MEMORY_LIMIT_MEBIBYTES": WholeNumber(16, 1048576, 256, "PHP's memory_limit for one worker"),
    "SHARED_MEBIBYTES": WholeNumber(128, 1048576, 192, "how much memory forked workers may have in common"),
    "RECOVER_AFTER_SECONDS": WholeNumber(0, 86400, 0, "age of a lost Redis message worth claiming, 0 = off"),
    "VISIBILITY_TIMEOUT_SECONDS": WholeNumber(0, 604800, 0, "Celery's visibility_timeout, 0 = the application's"),
    "METRICS_PORT": WholeNumber(0, 65535, 0, "where /metrics is served, 1024 or above, 0 = off"),
}

WORKER_KINDS: Final = ("symfonyMessenger", "celery", "celeryBeat", "bullmq", "laravelQueue", "sidekiq", "command")
WORDS: Final[dict[str, Word]] = {
    "WORKER_KIND": Word(WORKER_KINDS, "symfonyMessenger", "what a worker is"),
    "DRAIN": Word(("signal", "stopFile"), "signal", "how a worker is asked to finish"),
    "WORKER_START": Word(("auto", "exec", "fork"), "auto", "whether each worker boots, or is forked from one that has"),
    "STOP_SIGNAL": Word(("TERM", "INT", "QUIT", "HUP", "USR1", "USR2", "WINCH"), "TERM", "what finishes a worker"),
    "IDLE_FIRST": Word(("off", "on"), "off", "whether the API server is told how busy this pod is"),
}


@dataclass(frozen=True)
class Environment:
    """The checked environment. Times in seconds, memory in MiB."""

    worker_kind: str
    worker_start: str
    processes: int
    stop_signal: str
    drain: str
    idle_first: str
    longest_message_seconds: int
    stop_wait_seconds: int
    drain_deadline_seconds: int
    grace_seconds: int
    start_deadline_seconds: int
    time_limit_seconds: int
    memory_limit_mebibytes: int
    shared_mebibytes: int
    recover_after_seconds: int
    visibility_timeout_seconds: int
    metrics_port: int
    state_directory: Path

    @property
    def stop_file(self) -> Path:
        """While it exists no worker starts. Removed only when a container starts."""
        return self.state_directory / "stop"

    @property
    def socket(self) -> Path:
        """Where PID 1 answers the hook."""
        return self.state_directory / "supervisor.sock"

    @property
    def status_file(self) -> Path:
        """What the probes read."""
        return self.state_directory / "status"

    @property
    def snapshot_file(self) -> Path:
        """What PID 1 tells the helper."""
        return self.state_directory / "snapshot"

    @property
    def parked_file(self) -> Path:
        """How many messages the helper has found put aside."""
        return self.state_directory / "parked"

    @property
    def needs_helper(self) -> bool:
        """Whether anything in this container needs a network."""
        return any((self.recover_after_seconds, self.metrics_port, self.idle_first == "on"))

    @property
    def fork_socket(self) -> Path:
        """Where the parent of the workers, and each new worker, meets PID 1."""
        return self.state_directory / "fork.sock"

    @property
    def first_boot_file(self) -> Path:
        """What the first worker's boot has made, as digests, until the parent has read it."""
        return self.state_directory / "first-boot"

    def opcache_mebibytes(self, needed: int) -> int:
        """Shared memory for compiled code. What does not fit each child compiles for itself."""
        return min(needed, self.shared_mebibytes // GENERATIONS - LEAST_PARENT_MEBIBYTES)

    def parent_mebibytes(self, needed: int) -> int:
        """What a parent may have of its own, beside that."""
        return self.shared_mebibytes // GENERATIONS - self.opcache_mebibytes(needed)

    def time_limit_of(self, worker: int) -> int:
        """When this worker rotates. The workers of a pod start together: without a spread over the last fifth of the
        limit they would all rotate in the same second. By number, so that it is the same at each of its starts.
        """
        limit = self.time_limit_seconds if self.worker_kind == "symfonyMessenger" else 0
        return limit - limit * worker // (5 * self.processes)

    @property
    def limit_status(self) -> int | None:
        """With which status a worker ends at a limit of its own, beside 0: Laravel's Worker::EXIT_MEMORY_LIMIT."""
        return 12 if self.worker_kind == "laravelQueue" else None

    @property
    def needs_pcntl(self) -> bool:
        """Whether a worker is PHP that installs its signal handlers only where pcntl is loaded, and says nothing."""
        return self.worker_kind in ("symfonyMessenger", "laravelQueue")

    @property
    def signal_number(self) -> signal.Signals:
        return signal.Signals[f"SIG{self.stop_signal}"]

    def variables(self) -> dict[str, str]:
        """The environment with every default filled in, as supervisord.conf and `consume` read it."""
        return {PREFIX + name.upper(): str(value) for name, value in vars(self).items()}


def read_environment(variables: Mapping[str, str]) -> tuple[Environment | None, list[str]]:
    """The settings, or None and one line per problem."""
    problems: list[str] = []
    values: dict[str, int | str] = {}
    for name, word in WORDS.items():
        values[name] = variables.get(PREFIX + name, word.default)
        if values[name] not in word.values:
            problems.append(
                f"{PREFIX}{name}: no such word (got {values[name]!r}); it says {word.meaning}; "
                f"write one of {', '.join(word.values)}"
            )
    numbers = {name: _number(name, variables, problems) for name in NUMBERS}
    if problems:
        return None, [*problems, *_state_directory_problems(variables)]
    values["WORKER_START"] = _start(values, numbers["PROCESSES"])
    problems += _fill_budget(numbers, takes_messages_until_its_limit=_ends_at_a_limit(values))
    problems += _budget_problems(numbers) + _start_problems(values) + _helper_problems(values, numbers["METRICS_PORT"])
    problems += _state_directory_problems(variables)
    if problems:
        return None, problems
    everything = {name.lower(): value for name, value in {**values, **numbers}.items()}
    return Environment(**everything, state_directory=_state_directory(variables)), []  # type: ignore[arg-type]


def _number(name: str, variables: Mapping[str, str], problems: list[str]) -> int | None:
    rule = NUMBERS[name]
    text = variables.get(PREFIX + name)
    if text is None:
        return rule.default
    # ASCII digits only: int() would also take '1_000', ' 7 ' and other alphabets, which the shell does not.
    if re.fullmatch(r"[0-9]{1,9}", text) and rule.minimum <= int(text) <= rule.maximum:
        return int(text)
    example = rule.default if rule.default is not None else 230
    problems.append(
        f"{PREFIX}{name}: not a whole number from {rule.minimum} to {rule.maximum} (got {text!r}); "
        f"it says {rule.meaning}; write for example {example}"
    )
    return None


def _ends_at_a_limit(values: Mapping[str, int | str]) -> bool:
    return values["DRAIN"] == "stopFile" and values["WORKER_KIND"] == "symfonyMessenger"


def _fill_budget(numbers: dict[str, int | None], *, takes_messages_until_its_limit: bool) -> list[str]:
    """The same sums as the stack file's shutdown budget. PID 1 reads them again: a sum beyond the range ends here."""
    untold = (numbers["TIME_LIMIT_SECONDS"] or 0) if takes_messages_until_its_limit else 0
    steps = (
        ("LONGEST_MESSAGE_SECONDS", "STOP_WAIT_SECONDS", STOP_WAIT_MARGIN + untold),
        ("STOP_WAIT_SECONDS", "DRAIN_DEADLINE_SECONDS", DRAIN_DEADLINE_MARGIN),
        ("DRAIN_DEADLINE_SECONDS", "GRACE_SECONDS", GRACE_MARGIN),
    )
    given = f"{PREFIX}LONGEST_MESSAGE_SECONDS" + (f" or {PREFIX}TIME_LIMIT_SECONDS" if untold else "")
    for lower, upper, margin in steps:
        base, most = numbers[lower], NUMBERS[upper].maximum
        if numbers[upper] is not None:
            given = PREFIX + upper
        elif base is not None:
            numbers[upper] = total = base + margin
            if total > most:
                text = f"{PREFIX}{upper}: is derived, and comes to more than any pod is given (got {total}, not {most} "
                return [f"{text}at most); lower {given}"]
    return []


def _budget_problems(numbers: Mapping[str, int | None]) -> list[str]:
    """The ladder longest message < stop wait < hook deadline < grace, checked where it is used."""
    ladder = (
        ("LONGEST_MESSAGE_SECONDS", "STOP_WAIT_SECONDS", "or a message is killed while it is handled"),
        ("STOP_WAIT_SECONDS", "DRAIN_DEADLINE_SECONDS", "or the hook gives up before the last worker"),
        ("DRAIN_DEADLINE_SECONDS", "GRACE_SECONDS", "or the kubelet kills the pod while the hook waits"),
    )
    problems = []
    for lower, upper, reason in ladder:
        low, high = numbers[lower], numbers[upper]
        if low is not None and high is not None and low >= high:
            problems.append(
                f"{PREFIX}{upper}: must be above {PREFIX}{lower} (got {high}, not above {low}), {reason}; "
                f"leave it out to have it derived, or raise it"
            )
    recover, longest = numbers["RECOVER_AFTER_SECONDS"], numbers["LONGEST_MESSAGE_SECONDS"]
    if recover and longest is not None and recover <= longest:
        problems.append(
            f"{PREFIX}RECOVER_AFTER_SECONDS: must be above {PREFIX}LONGEST_MESSAGE_SECONDS (got {recover}, not above "
            f"{longest}), or a message that is still being handled is given to a second worker; write {longest + 30}"
        )
    return problems


def _helper_problems(values: Mapping[str, int | str], port: int | None) -> list[str]:
    problems = []
    if port and port < LEAST_PORT:
        text = f"{PREFIX}METRICS_PORT: only root may listen below {LEAST_PORT}, and the image runs as nobody "
        problems.append(text + f"(got {port}); write for example 9464")
    if values["IDLE_FIRST"] == "on" and values["WORKER_KIND"] != "symfonyMessenger":
        text = f"{PREFIX}IDLE_FIRST: only a symfonyMessenger worker can tell whether it is busy "
        problems.append(text + f"(got on with kind {values['WORKER_KIND']}); write off")
    return problems


def _start(values: Mapping[str, int | str], processes: int | None) -> int | str:
    is_worth_it = values["WORKER_KIND"] == "symfonyMessenger" and (processes or 0) >= LEAST_FORKED
    return "exec" if values["WORKER_START"] == "auto" and not is_worth_it else values["WORKER_START"]


def _start_problems(values: Mapping[str, int | str]) -> list[str]:
    if values["WORKER_START"] == "exec" or values["WORKER_KIND"] == "symfonyMessenger":
        return []
    text = f"{PREFIX}WORKER_START: only a symfonyMessenger worker can be forked after its boot (got fork with kind "
    return [text + f"{values['WORKER_KIND']}); write exec"]


def _state_directory(variables: Mapping[str, str]) -> Path:
    return Path(variables.get(PREFIX + "STATE_DIRECTORY", "/run/ebbtide"))


def _state_directory_problems(variables: Mapping[str, str]) -> list[str]:
    path = _state_directory(variables)
    # supervisord.conf and the shell read it unquoted, and a unix socket's path ends at 107 bytes.
    if re.fullmatch(r"/[A-Za-z0-9._/-]{0,80}", str(path)):
        return []
    text = f"{PREFIX}STATE_DIRECTORY: must be an absolute path of at most 80 plain characters (got {str(path)!r}), "
    return [text + "it holds a unix socket; write /run/ebbtide"]
