"""What one process of a consumer runs: what every kind of worker answers, Symfony Messenger, and any command that stops
on a signal. Other kinds have a file of their own each.
"""

from __future__ import annotations

import re
from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ebbtide.settings.models.base import SettingsModel
from ebbtide.settings.models.transport import TransportSettings
from ebbtide.settings.values import image_contract
from ebbtide.settings.values.units import Count, PhpMemoryBytes, Seconds, format_php_memory

# 400 processes of supervisord need 1,208 file descriptors and a pod's default PID limit is 1,024 (GKE);
# past this a second pod is the better answer.
MAX_PROCESSES = 400
# After the longest message, and before the process is killed (stopwaitsecs): a program that can give back what is not
# done does so then.
RETURN_ALLOWANCE_SECONDS = 5
# The parent of forked processes and compiled code in shared memory. A worker of the example uses 21 MiB of the
# latter, one with 2,160 classes 46 (opcache's own count); the image sets aside three times that, at least 64.
_FORKED_SHARED_BYTES = 192 * 1024**2
# With fewer processes in a pod the parent costs more than it saves.
_LEAST_FORKED = 3
_SOLO_POOL = re.compile(r"\bcelery\b.*\bworker\b.*\s(--pool[= ]solo|-P\s*solo)\b", re.DOTALL)


Word = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""A word of a command line, which ends at a NUL."""


class ConnectionsSettings(SettingsModel):
    """How many connections one worker process holds open. They add up to the peak that a broker must accept."""

    broker: Count = Field(default=1, ge=0, le=100)
    """Connections of one process to the broker."""
    database: Count = Field(default=1, ge=0, le=100)
    """Connections of one process to the application's database."""


class WorkerSettings(SettingsModel):
    """What every kind of worker has, and answers."""

    framework: ClassVar[str] = ""
    """Whose messages it reads, as transports name it; empty where nobody knows."""
    transports: ClassVar[str] = ""
    """Kinds of transport that it reads, in words."""
    command_setting: ClassVar[str] = "command"
    """Which setting says what is started."""
    owned_options: ClassVar[Mapping[str, str]] = {}
    """Options of the command that a setting says, and which."""
    refused_options: ClassVar[Mapping[str, tuple[str, str]]] = {}
    """Options with which a drain or a count is wrong: what each does, and what to do instead."""

    processes: Count = Field(default=1, ge=1, le=MAX_PROCESSES)
    """Worker processes in one pod."""
    drain: Literal["signal", "stopFile"] = "signal"
    """How a busy worker is asked to finish: by its stop signal, or only by the stop file, for handlers that a
    signal hurts (a shell command run by the handler, a long poll). With `stopFile` a worker is not told: it ends at
    its next limit, so a limit must be shorter than the shutdown budget."""
    connections: ConnectionsSettings = ConnectionsSettings.model_construct()
    """Connections held by each process."""
    working_directory: str = Field(default="/app", pattern=r"^/[^\s]*$", examples=["/app"])
    """The directory in the image in which the worker starts."""

    if TYPE_CHECKING:
        # Fields in one kind and derived in another.
        @property
        def kind(self) -> str:
            """The kind's name in a stack file."""

        @property
        def memory_limit(self) -> int:
            """What one process may use before it ends by itself, in bytes."""

        @property
        def stop_signal(self) -> str:
            """The signal after which it finishes its message and exits, without `SIG`."""

        @property
        def time_limit(self) -> int | None:
            """After how many seconds a process ends by itself; None where it has no such limit."""

        @property
        def message_limit(self) -> int | None:
            """After how many messages a process ends by itself; None where it has no such limit."""

    @property
    @abstractmethod
    def process_memory_bytes(self) -> int:
        """What one process may use at most, in bytes: the share of the pod's memory limit."""

    @property
    def busy_memory_bytes(self) -> int:
        """What one process may use before it ends by itself, in bytes."""
        return self.memory_limit

    @property
    @abstractmethod
    def argv(self) -> tuple[str, ...]:
        """The command of one process, without a time limit, which the image spreads over the processes."""

    def argv_for(self, longest_message_seconds: int) -> tuple[str, ...]:  # noqa: ARG002
        """The same, with what the program itself has to know of the longest message."""
        return self.argv

    @property
    @abstractmethod
    def texts(self) -> tuple[str, tuple[str, ...]]:
        """The setting that holds free text of the command, and its values."""

    @property
    def image_variables(self) -> dict[str, str]:
        """What the image reads of this kind alone."""
        return {}

    @property
    def image_kind(self) -> str:
        """What the image calls it: any other program is a command to it."""
        return "command"

    @property
    def at_once(self) -> int:
        """How many messages one process handles at the same time."""
        return 1

    @property
    def slots(self) -> int:
        """How many messages one pod handles at the same time."""
        return self.processes * self.at_once

    def taken(self, transport: TransportSettings | None) -> int:  # noqa: ARG002
        """How many messages one process takes from the broker: those that it handles, and those that wait in it."""
        return self.at_once

    def reads(self, transport: TransportSettings) -> bool:
        """Whether what lies in this transport is its own to read. Of a command that is what the stack says; Symfony's
        streams and tables no other program reads."""
        return transport.framework in {"", self.framework} or not (self.framework or transport.is_symfony)

    @property
    def broker_connections(self) -> int:
        """Connections of one pod to the broker."""
        return self.processes * self.connections.broker

    @property
    def database_connections(self) -> int:
        """Connections of one pod to the application's database: one that handles two messages needs two."""
        return self.slots * self.connections.database

    @property
    def tells_of_messages(self) -> bool:
        """Whether there is a way for it to tell when it takes a message and when it is done."""
        return False

    @property
    def start_words(self) -> str:
        """What a start and a rotation of one process cost."""
        return "boots by itself"

    @property
    def shared_memory_bytes(self) -> int:
        """What the processes of a pod have in common at most, and no limit of theirs covers, in bytes."""
        return 0

    @property
    def is_symfony(self) -> bool:
        """Whether it reads what Symfony's transports write: their streams, tables and buffers."""
        return self.framework == "symfonyMessenger"

    @property
    def is_schedule(self) -> bool:
        """Whether it handles no messages and sends those of a schedule: two of them send each twice."""
        return False

    @property
    def loses_when_killed(self) -> str:
        """Why the messages in hand are lost when the worker is killed; empty where the broker gives them back."""
        return ""

    @property
    def untried(self) -> str:
        """What of this kind nobody has run here; empty where a drain of it has been seen."""
        return ""

    @property
    def queue_names(self) -> tuple[str, ...]:
        """The queues that it consumes; none where it does not say so."""
        return ()

    @property
    def deaf_by(self) -> tuple[str, str] | None:
        """The setting by which it hears nothing of its broker while it handles a message, and what to write instead;
        None where it hears."""
        return None

    @property
    def fetch_size(self) -> int | None:
        """How many messages a process is told to take at once; None where it is told nothing."""
        return None


class SymfonyMessengerWorker(WorkerSettings):
    """`php bin/console messenger:consume`. Needs ext-pcntl in the image; the image's self-check refuses one without."""

    framework = "symfonyMessenger"
    transports = "redis, doctrine, rabbitmq or sqs"
    owned_options: ClassVar = {
        **dict.fromkeys(("-l", "--limit"), "messageLimit"),
        **dict.fromkeys(("-t", "--time-limit"), "timeLimit"),
        **dict.fromkeys(("-m", "--memory-limit"), "memoryLimit"),
        **dict.fromkeys(("-f", "--failure-limit"), "failureLimit"),
        "--sleep": "sleep",
    }

    kind: Literal["symfonyMessenger"] = "symfonyMessenger"
    """Symfony Messenger."""
    start: Literal["exec", "fork"] = "exec"
    """How a process comes to be: it boots by itself (`exec`), or it is forked from one that has booted (`fork`), which
    takes an eighth of the memory and a fifth of the CPU of the start. Where the image's build has found something in
    the boot that processes must not share, the image boots each by itself all the same, and its log says why."""
    receivers: tuple[Word, ...]
    """Names of the transports to consume, by priority; none where `arguments` has `--all`."""
    message_limit: Count | None = Field(default=None, ge=1)
    """A process ends, and is started anew, after this many messages (`--limit`)."""
    time_limit: Seconds | None = Field(default=3600, ge=1, le=7 * 24 * 3600)
    """A process ends after this long (`--time-limit`), checked between messages. The image spreads it over the
    processes of a pod, because 70 workers that boot in the same second stop consuming in the same second."""
    memory_limit: PhpMemoryBytes = 128 * 1024**2
    """A process ends when it uses more than this after a message (`--memory-limit`)."""
    php_memory_limit: PhpMemoryBytes | None = None
    """PHP's own `memory_limit`, at which a message fails. Default: a third above
    `memoryLimit`, room for one message."""
    failure_limit: Count | None = Field(default=None, ge=1)
    """A process ends after this many failed messages (`--failure-limit`)."""
    sleep: Seconds = 1
    """Pause of an idle process between two looks at the queue (`--sleep`)."""
    console: str = "bin/console"
    """Path of Symfony's console, from the working directory."""
    arguments: tuple[Word, ...] = ()
    """Further arguments of messenger:consume, for example `--queues=high`."""

    @property
    def stop_signal(self) -> str:
        """Messenger finishes its message on SIGTERM (with ext-pcntl)."""
        return "TERM"

    @property
    def php_memory_limit_bytes(self) -> int:
        """What one PHP process can use at most, in bytes."""
        if self.php_memory_limit is not None:
            return self.php_memory_limit
        mebibytes = -(-self.memory_limit * 4 // 3 // 1024**2)
        return mebibytes * 1024**2

    @property
    def process_memory_bytes(self) -> int:
        """What one process may use at most, in bytes: the share of the pod's memory limit."""
        return self.php_memory_limit_bytes

    @property
    def start_words(self) -> str:
        """What a start and a rotation of one process cost."""
        if self.start == "fork":
            return "forked from one boot, so that a rotation costs no boot; by itself if the image forbids it"
        otherwise = (
            "" if self.processes < _LEAST_FORKED else "; with start: fork, if the build allows it, from one boot"
        )
        return f"boots by itself, at each rotation again{otherwise}"

    @property
    def shared_memory_bytes(self) -> int:
        """What the processes of a pod have in common at most, and no limit of PHP's covers, in bytes."""
        return _FORKED_SHARED_BYTES if self.start == "fork" else 0

    @property
    def image_variables(self) -> dict[str, str]:
        """Where PHP itself gives up, and how a process comes to be."""
        return {
            image_contract.MEMORY_LIMIT_MEBIBYTES: str(self.process_memory_bytes // 1024**2),
            image_contract.WORKER_START: self.start,
        }

    @property
    def texts(self) -> tuple[str, tuple[str, ...]]:
        """What is added to the command."""
        return "arguments", self.arguments

    @property
    def tells_of_messages(self) -> bool:
        """By WorkerProgress, where the application has a copy."""
        return True

    @property
    def image_kind(self) -> str:
        """It knows Messenger's boot, options and transports."""
        return self.kind

    def taken(self, transport: TransportSettings | None) -> int:
        """`--fetch-size`, or what the transport fetches by itself."""
        own = 1 if transport is None else transport.messages_taken
        return self.fetch_size or own

    @property
    def fetch_size(self) -> int | None:
        """`--fetch-size`, from Symfony 8.1."""
        sizes = re.findall(r"--fetch-size[= ]([1-9][0-9]{0,5})(?= |$)", " ".join(self.arguments))
        return int(sizes[-1]) if sizes else None

    @property
    def argv(self) -> tuple[str, ...]:
        """The command of one process, without the time limit, which the image spreads over the processes."""
        argv = ["php", self.console, "messenger:consume", *self.receivers]
        if self.message_limit is not None:
            argv.append(f"--limit={self.message_limit}")
        if self.failure_limit is not None:
            argv.append(f"--failure-limit={self.failure_limit}")
        # Written out: `-m` is the memory limit and not, as the name suggests, the number of messages (V-44).
        argv.append(f"--memory-limit={format_php_memory(self.memory_limit)}")
        argv.append(f"--sleep={self.sleep}")
        return (*argv, "--no-interaction", *self.arguments)


class UnlimitedWorker(WorkerSettings):
    """What kinds answer whose program runs until it is asked to stop: it has no limit that ebbtide could set, and its
    `memoryLimit` is what one process uses."""

    @property
    def time_limit(self) -> int | None:
        """None."""
        return None

    @property
    def message_limit(self) -> int | None:
        """None."""
        return None

    @property
    def process_memory_bytes(self) -> int:
        """What one process may use at most, in bytes."""
        return self.memory_limit


class ProgramWorker(UnlimitedWorker):
    """What kinds answer whose command is written out whole."""

    if TYPE_CHECKING:
        # A field of each kind, in the order of its own reference.
        @property
        def command(self) -> tuple[str, ...]:
            """The command and its arguments."""

    @property
    def texts(self) -> tuple[str, tuple[str, ...]]:
        """The command itself."""
        return "command", self.command

    @property
    def argv(self) -> tuple[str, ...]:
        """The command of one process."""
        return self.command


class CommandWorker(ProgramWorker):
    """Any command that finishes its message and exits when it gets its stop signal."""

    kind: Literal["command"]
    """Any command."""
    command: Annotated[tuple[Word, ...], Field(min_length=1)]
    """The command and its arguments, one string each; it is executed without a shell."""
    stop_signal: Literal["TERM", "INT", "QUIT", "HUP", "USR1", "USR2"] = "TERM"
    """The signal after which the command finishes its message and exits."""
    memory_limit: PhpMemoryBytes = 128 * 1024**2
    """What one process uses at most. It is not enforced here: it sizes the pod's memory."""

    @property
    def deaf_by(self) -> tuple[str, str] | None:
        """Celery's solo pool, by its option."""
        is_solo = _SOLO_POOL.search(" ".join(self.command)) is not None
        return ("command", "--pool=prefork --concurrency=1") if is_solo else None
