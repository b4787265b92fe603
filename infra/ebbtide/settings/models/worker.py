"""What one process of a consumer runs: what every kind of worker answers. Each kind has a file of its own."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from ebbtide.settings.models.base import SettingsModel
from ebbtide.settings.models.kinds import Family, Kinds
from ebbtide.settings.models.transport import TransportSettings
from ebbtide.settings.values.units import Count

# 400 processes of supervisord need 1,208 file descriptors and a pod's default PID limit is 1,024 (GKE);
# past this a second pod is the better answer.
MAX_PROCESSES = 400
# After the longest message, and before the process is killed (stopwaitsecs): a program that can give back what is not
# done does so then.
RETURN_ALLOWANCE_SECONDS = 5


Word = Annotated[str, Field(pattern=r"^[^\x00]*$")]
"""A word of a command line, which ends at a NUL."""


class ConnectionsSettings(SettingsModel):
    """How many connections one worker process holds open. They add up to the peak that a broker must accept."""

    broker: Count = Field(default=1, ge=0, le=100)
    """Connections of one process to the broker."""
    database: Count = Field(default=1, ge=0, le=100)
    """Connections of one process to the application's database."""


class WorkerSettings(Family):
    """What every kind of worker has, and answers."""

    kinds = Kinds(
        symfonyMessenger="symfony.SymfonyMessengerWorker",
        celery="celery.CeleryWorker",
        celeryBeat="celery.CeleryBeat",
        bullmq="bullmq.BullmqWorker",
        laravelQueue="laravel.LaravelQueueWorker",
        sidekiq="sidekiq.SidekiqWorker",
        command="command.CommandWorker",
    )

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
    harmless_options: ClassVar[frozenset[str]] = frozenset()
    """Options that leave a drain, and what is counted, alone; none where nobody knows the program's options."""
    flags: ClassVar[frozenset[str]] = frozenset()
    """Which of them are one letter and take no value, with the spellings of several that are known."""

    processes: Count = Field(default=1, ge=1, le=MAX_PROCESSES)
    """Worker processes in one pod."""
    drain: Literal["signal", "stopFile"] = "signal"
    """How a busy worker is asked to finish: by its stop signal, or only by the stop file, for handlers that a
    signal hurts (a shell command run by the handler, a long poll). With `stopFile` a worker is not told: it ends at
    its time limit, which must be shorter than the shutdown budget."""
    connections: ConnectionsSettings = ConnectionsSettings.model_construct()
    """Connections held by each process."""
    working_directory: str = Field(default="/app", pattern=r"^/[^\s]*$", examples=["/app"])
    """The directory in the image in which the worker starts."""

    if TYPE_CHECKING:
        # Fields in one kind and derived in another.
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

    @property
    def threads(self) -> int | None:
        """How many threads of one pod compute at most; None where nobody knows."""
        return None

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
        """Whether it handles no messages and sends those of a schedule."""
        return False

    @property
    def sends_schedule(self) -> bool:
        """Whether it sends a schedule, whatever it does beside that: two of them send each message twice."""
        return self.is_schedule

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
