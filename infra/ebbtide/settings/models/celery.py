"""Celery: its worker, its beat, and what its messages are on Redis.

Read in Celery 5.7.0 and kombu 5.7.0, and run with them (tests/runtime/test_celery.py).
"""

from typing import ClassVar, Literal

from pydantic import Field

from ebbtide.settings.models.demand import Demand, Queues, numbered
from ebbtide.settings.models.redis import RedisServer
from ebbtide.settings.models.worker import ConnectionsSettings, Word, WorkerSettings
from ebbtide.settings.values import image_contract
from ebbtide.settings.values.units import Count, PhpMemoryBytes, Seconds

# kombu, transport/redis.py: every worker looks for lost messages this often, where each look counts; the image sees to
# that (unacked_restore_throttle; without it each tenth does).
RESTORE_INTERVAL_SECONDS = 10
# What kombu calls the hash of what is in hand.
_UNACKED = "unacked"
# `--include`: the image's module that sets what has no option of its own.
_MODULE = "ebbtide_celery"
_REFUSED = {
    "--beat": ("sends the whole schedule from every pod", "make a consumer of kind celeryBeat with kind: singleton"),
    "--detach": ("ends at once and leaves a worker behind that no signal reaches", "remove it"),
    "--autoscale": ("changes how many messages a process takes, which budget and triggers count", "set concurrency"),
    "--hostname": ("gives every process of a pod one name", "remove it: each is called celery@<pod>-<number>"),
    "--": ("ends the options, and settings of ebbtide follow it", "set it in the application"),
}

# celery worker --help: what is written, and to whom; which events are sent; how workers speak with each other.
_HARMLESS = frozenset(
    {
        *("-l", "--loglevel", "-f", "--logfile", "-q", "--quiet", "--no-color", "-E", "--task-events"),
        # How a worker hands tasks to its children; `fair` is the default since 4.0.
        *("-O", "--optimization"),
        *("--without-gossip", "--without-mingle", "--without-heartbeat", "--heartbeat-interval"),
    }
)


class CeleryConnections(ConnectionsSettings):
    """Connections of one worker process with all of its children."""

    broker: Count = Field(default=10, ge=0, le=100)
    """Connections to the broker: with one child and with four it held 10 to Redis (measured)."""


class CeleryProgram(WorkerSettings):
    """What Celery's worker and its beat have in common."""

    framework = "celery"
    transports = "celeryRedis, rabbitmq or sqs"
    command_setting = "program"

    app: Word = Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.:]*$", examples=["shop"])
    """The application, as `-A` takes it."""
    program: tuple[Word, ...] = Field(default=("celery",), min_length=1)
    """What starts Celery: a path, or for example `[python, -m, celery]`."""
    arguments: tuple[Word, ...] = ()
    """Further options, for example `--loglevel=INFO`."""
    connections: ConnectionsSettings = CeleryConnections.model_construct()
    """Connections held by each process."""

    refused_options: ClassVar = _REFUSED
    harmless_options: ClassVar = _HARMLESS
    flags: ClassVar = frozenset({"-E", "-q", "-B", "-D"})

    @property
    def stop_signal(self) -> str:
        """Celery's warm shutdown."""
        return "TERM"

    @property
    def time_limit(self) -> int | None:
        """Celery has no such limit."""
        return None

    @property
    def image_kind(self) -> str:
        """It has a module for Celery."""
        return self.kind

    @property
    def texts(self) -> tuple[str, tuple[str, ...]]:
        """What is added to the command."""
        return "arguments", self.arguments


class CeleryWorker(CeleryProgram):
    """`celery worker`. Tasks are acknowledged when they are done and given back when their process is killed, and a
    worker takes no task that it cannot begin: those three are set for every task that does not say otherwise itself.
    """

    kind: Literal["celery"]
    """Celery."""
    queues: Queues = ("celery",)
    """The queues to consume (`--queues`)."""
    pool: Literal["prefork", "threads", "solo"] = "prefork"
    """What handles the tasks: child processes, threads, or the process itself, which then hears nothing meanwhile. On
    RabbitMQ a task in a `solo` pool that outlasts the heartbeats was handled three times in a minute (measured)."""
    concurrency: Count = Field(default=1, ge=1, le=200)
    """How many tasks one process handles at the same time. They end together: what a pod has in hand is `processes`
    times this."""
    message_limit: Count | None = Field(default=None, ge=1)
    """A child ends, and is started anew, after this many tasks (`--max-tasks-per-child`, prefork only)."""
    memory_limit: PhpMemoryBytes = 200 * 1024**2
    """A child ends, and is started anew, when it uses more than this after a task (`--max-memory-per-child`). Of
    `threads` and `solo` it is what the process uses at most, and not enforced."""

    owned_options: ClassVar = {
        **dict.fromkeys(("-Q", "--queues"), "queues"),
        **dict.fromkeys(("-P", "--pool"), "pool"),
        **dict.fromkeys(("-c", "--concurrency"), "concurrency"),
        "--max-tasks-per-child": "messageLimit",
        "--max-memory-per-child": "memoryLimit",
    }
    refused_options: ClassVar = {
        **_REFUSED,
        "-B": _REFUSED["--beat"],
        "-D": _REFUSED["--detach"],
        "-n": _REFUSED["--hostname"],
        **dict.fromkeys(
            ("-I", "--include"),
            (
                "takes the place of ebbtide's own, by which workers keep to the visibility timeout",
                "remove it, and list the modules in the application: Celery(..., include=[...]), or its imports",
            ),
        ),
        "--prefetch-multiplier": (
            "lets tasks wait in a busy worker while others are idle, and counts their time as in hand",
            "remove it: a worker takes what it can begin",
        ),
    }

    @property
    def queue_names(self) -> tuple[str, ...]:
        """As `queues` says."""
        return self.queues

    @property
    def deaf_by(self) -> tuple[str, str] | None:
        """A solo pool is the process itself."""
        return ("pool", "pool: prefork") if self.pool == "solo" else None

    @property
    def at_once(self) -> int:
        """A solo pool has one place whatever is written."""
        return 1 if self.pool == "solo" else self.concurrency

    @property
    def process_memory_bytes(self) -> int:
        """Of prefork the children and their parent, which has loaded the same application."""
        return self.memory_limit * (1 + self.concurrency if self.pool == "prefork" else 1)

    @property
    def busy_memory_bytes(self) -> int:
        """The same: children are looked at after each task."""
        return self.process_memory_bytes

    @property
    def start_words(self) -> str:
        """What a start and a rotation of one process cost."""
        if self.pool == "prefork":
            return "boots once; children are forked from it, and so is what takes their place"
        return "boots by itself"

    @property
    def argv(self) -> tuple[str, ...]:
        """The command of one process. What follows `--` are Celery's own settings, and win over the application's."""
        argv = [*self.program, "-A", self.app, "worker", f"--queues={','.join(self.queues)}", f"--pool={self.pool}"]
        argv += [f"--concurrency={self.at_once}", "--prefetch-multiplier=1", f"--include={_MODULE}"]
        if self.pool == "prefork":
            argv.append(f"--max-memory-per-child={self.memory_limit // 1024}")
            argv += [] if self.message_limit is None else [f"--max-tasks-per-child={self.message_limit}"]
        return (*argv, *self.arguments, "--", "task.acks_late=true", "task.reject_on_worker_lost=true")


class CeleryBeat(CeleryProgram):
    """`celery beat`: sends what is due. One for the whole application, so with `autoscaling: {kind: singleton}`."""

    kind: Literal["celeryBeat"]
    """Celery's schedule."""
    memory_limit: PhpMemoryBytes = 200 * 1024**2
    """What it uses at most. It is not enforced here: it sizes the pod's memory."""

    refused_options: ClassVar = {
        "--detach": _REFUSED["--detach"],
        "--": _REFUSED["--"],
        **dict.fromkeys(
            ("-s", "--schedule", "--pidfile"),
            ("is told already: beat writes to /tmp, in a pod that has nothing else to write to", "remove it"),
        ),
    }

    @property
    def is_schedule(self) -> bool:
        """Beat is."""
        return True

    @property
    def message_limit(self) -> int | None:
        """It handles none."""
        return None

    @property
    def process_memory_bytes(self) -> int:
        """What it may use at most, in bytes."""
        return self.memory_limit

    @property
    def argv(self) -> tuple[str, ...]:
        """It remembers in the container when it has sent what: a new pod counts intervals anew."""
        command = ("-A", self.app, "beat", "--schedule=/tmp/celerybeat-schedule", "--pidfile=")
        return (*self.program, *command, *self.arguments)


class CeleryRedisTransport(RedisServer):
    """Celery's queues on Redis or Valkey: a list each, and one hash of all messages that workers have."""

    unacknowledged_setting = "visibility_timeout"
    where = ("address", "queue")
    framework = "celery"
    same_names = "name the same queues in both places; a prefix of the keys stands before unackedKey too"
    shared = "database"

    kind: Literal["celeryRedis"]
    """Celery's queues on Redis."""
    queue: Queues = ("celery",)
    """The queues, as the worker consumes them, with the prefix of their keys if there is one (`global_keyprefix`).
    Messages with a priority lie in lists of their own, and are not counted."""
    visibility_timeout: Seconds = Field(default=3600, ge=1, le=7 * 24 * 3600)
    """`visibility_timeout` of `broker_transport_options`: how long a message may be unacknowledged before another
    worker gets it. Set in the workers, whatever the application says."""
    longest_delay: Seconds = Field(default=180, ge=0)
    """The longest countdown, ETA or pause before a retry: a worker has the message in hand for as long, and then
    begins it. Celery's own pause before a retry is 3 minutes."""
    unacked_key: str = Field(default=_UNACKED, pattern=r"^[A-Za-z0-9_.:{}-]{1,255}$", examples=["unacked"])
    """The hash of what workers have in hand, with the prefix of the keys. It is one for all queues of a database: give
    each consumer a database of its own, or each counts what the others have in hand."""

    @property
    def queue_names(self) -> tuple[str, ...]:
        """Without the prefix of the keys, which `unackedKey` has too."""
        prefix = self.unacked_key.removesuffix(_UNACKED) if self.unacked_key.endswith(_UNACKED) else ""
        return tuple(name.removeprefix(prefix) for name in self.queue)

    @property
    def redelivery_seconds(self) -> int:
        """The longest wait before a killed message is handled again, in seconds: running workers look for them."""
        return self.visibility_timeout + RESTORE_INTERVAL_SECONDS

    @property
    def shelves(self) -> tuple[tuple[object, ...], ...]:
        """The hash of what all workers of the database have in hand, of whichever queue (kombu, restore_visible)."""
        return ((self.database, self.unacked_key),)

    @property
    def held_before_seconds(self) -> int:
        """A delayed message is taken at once and held until it is due."""
        return self.longest_delay

    @property
    def image_variables(self) -> dict[str, str]:
        """What the workers set."""
        return {image_contract.VISIBILITY_TIMEOUT_SECONDS: str(self.visibility_timeout)}

    def demand(self, target: int, *, from_zero: bool) -> Demand:  # noqa: ARG002 - a worker holds what is delayed
        """What waits in each list, and what workers have in hand, delayed messages among it. What a kill leaves is in
        hand until a running worker looks for it: so one runs."""
        count = len(self.queue)
        waiting = [
            self.counted(numbered("waiting", index, count), queue, target) for index, queue in enumerate(self.queue)
        ]
        return Demand.summed((*waiting, self.counted("in_hand", self.unacked_key, target)), target)
