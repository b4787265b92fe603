"""Laravel: `artisan queue:work`, and what its jobs are on Redis.

Read in laravel/framework 8.83 (Illuminate/Queue: Worker.php, RedisQueue.php, WorkCommand.php), and run with Debian
12's 8.83.26 (tests/runtime/test_laravel.py).
"""

from typing import ClassVar, Literal

from pydantic import Field

from ebbtide.settings.models.demand import Demand, Queues, numbered
from ebbtide.settings.models.redis import RedisServer
from ebbtide.settings.models.worker import RETURN_ALLOWANCE_SECONDS, Word, WorkerSettings
from ebbtide.settings.values import image_contract
from ebbtide.settings.values.units import Count, PhpMemoryBytes, Seconds


class LaravelQueueWorker(WorkerSettings):
    """`php artisan queue:work`. Needs ext-pcntl in the image: without it no signal is heard and no timeout acts, so the
    container is refused. In place of Horizon, whose balancing moves processes while KEDA moves pods: what it starts is
    what is written here."""

    framework = "laravel"
    transports = "laravelRedis or sqs"
    # artisan help queue:work: how long a failed job waits, what is written, how the process is called.
    harmless_options: ClassVar = frozenset(
        {
            *("--backoff", "--rest", "--name", "--json", "-v", "-vv", "-vvv", "--verbose", "-q", "--quiet", "--silent"),
            *("--ansi", "--no-ansi", "-n", "--no-interaction"),
        }
    )
    flags: ClassVar = frozenset({"-v", "-vv", "-vvv", "-q", "-n"})
    owned_options: ClassVar = {
        "--queue": "queues",
        "--max-jobs": "messageLimit",
        "--max-time": "maxTime",
        "--memory": "memoryLimit",
        "--tries": "tries",
        "--sleep": "sleep",
    }
    refused_options: ClassVar = {
        "--timeout": ("is derived from shutdown.longestMessage", "remove it, and say how long a job takes there"),
        "--once": ("handles one job and boots anew", "remove it; messageLimit: 1 is the same in the open"),
        "--stop-when-empty": ("ends each worker of an idle pod again and again", "remove it; KEDA ends idle pods"),
    }

    kind: Literal["laravelQueue"]
    """Laravel's queue worker."""
    connection: Word = Field(default="redis", pattern=r"^[A-Za-z0-9_-]+$", examples=["redis"])
    """The connection of config/queue.php."""
    queues: Queues = ("default",)
    """The queues to consume, by priority (`--queue`)."""
    tries: Count = Field(default=3, ge=1)
    """How often a job is tried (`--tries`), unless it says so itself. A killed worker uses up one, and Laravel's own
    default is 1: what was in hand would be failed."""
    message_limit: Count | None = Field(default=None, ge=1)
    """A process ends, and is started anew, after this many jobs (`--max-jobs`)."""
    max_time: Seconds | None = Field(default=3600, ge=1, le=7 * 24 * 3600)
    """A process ends after this long, between two jobs (`--max-time`)."""
    memory_limit: PhpMemoryBytes = 128 * 1024**2
    """A process ends when it uses more than this after a job (`--memory`), with status 12, which the image takes for
    what it is."""
    sleep: Seconds = 1
    """Pause of an idle process between two looks at the queue (`--sleep`)."""
    artisan: str = "artisan"
    """Path of artisan, from the working directory."""
    arguments: tuple[Word, ...] = ()
    """Further options of queue:work, for example `--backoff=10`."""

    @property
    def stop_signal(self) -> str:
        """It finishes its job on SIGTERM (with ext-pcntl)."""
        return "TERM"

    @property
    def time_limit(self) -> int | None:
        """`maxTime` is the program's own: the image spreads no limit over its processes."""
        return None

    @property
    def queue_names(self) -> tuple[str, ...]:
        """As `queues` says."""
        return self.queues

    @property
    def loses_when_killed(self) -> str:
        """With one try, the kill was it."""
        return "" if self.tries > 1 else "tries is 1, and a killed worker has used it up: its job is failed for good"

    @property
    def untried(self) -> str:
        """Debian 12's was, and no registry here had another."""
        return "no Laravel above 8.83 was drained here, nor one on SQS"

    @property
    def start_words(self) -> str:
        """What a start and a rotation of one process cost."""
        return "boots by itself, at each rotation again"

    @property
    def threads(self) -> int:
        """PHP has one in a process."""
        return self.processes

    @property
    def image_kind(self) -> str:
        """The image knows its status 12."""
        return self.kind

    @property
    def image_variables(self) -> dict[str, str]:
        """Where PHP itself gives up."""
        return {image_contract.MEMORY_LIMIT_MEBIBYTES: str(self.process_memory_bytes // 1024**2)}

    @property
    def texts(self) -> tuple[str, tuple[str, ...]]:
        """What is added to the command."""
        return "arguments", self.arguments

    @property
    def process_memory_bytes(self) -> int:
        """A third above its own limit, room for one job, in whole MiB."""
        return -(-self.memory_limit * 4 // 3 // 1024**2) * 1024**2

    @property
    def argv(self) -> tuple[str, ...]:
        """The command of one process, without its timeout."""
        argv = ["php", self.artisan, "queue:work", self.connection, f"--queue={','.join(self.queues)}"]
        argv += [f"--tries={self.tries}", f"--memory={self.memory_limit // 1024**2}", f"--sleep={self.sleep}"]
        argv += [] if self.message_limit is None else [f"--max-jobs={self.message_limit}"]
        argv += [] if self.max_time is None else [f"--max-time={self.max_time}"]
        return (*argv, "--no-interaction", *self.arguments)

    def argv_for(self, longest_message_seconds: int) -> tuple[str, ...]:
        """With the time after which it ends itself in the middle of a job; Laravel's own is 60 s."""
        return (*self.argv, f"--timeout={longest_message_seconds + RETURN_ALLOWANCE_SECONDS}")


class LaravelRedisTransport(RedisServer):
    """Laravel's queues on Redis or Valkey: a list of what waits, and sorted sets of what is delayed and in hand."""

    unacknowledged_setting = "retry_after"
    where = ("address", "queue")
    framework = "laravel"

    kind: Literal["laravelRedis"]
    """Laravel's queues on Redis."""
    queue: Queues = ("default",)
    """The queues, as the worker consumes them."""
    prefix: str = Field(default="laravel_database_", pattern=r"^[A-Za-z0-9_.:{}-]{0,100}$", examples=["shop_database_"])
    """The prefix of the keys, as `redis.options.prefix` of config/database.php gives it: the application's name and
    `_database_`."""
    retry_after: Seconds = Field(default=90, ge=1)
    """`retry_after` of the connection: how long a job may be in hand before another worker gets it."""

    @property
    def redelivery_seconds(self) -> int:
        """The longest wait before a killed message is handled again, in seconds: each look at the queue brings back
        what is over its time."""
        return self.retry_after

    def demand(self, target: int, *, from_zero: bool) -> Demand:
        """What waits and what is in hand. What is delayed only a running worker brings over: at zero pods one such job
        wakes one and keeps it."""
        count, counted, delayed = len(self.queue), [], []
        for index, queue in enumerate(self.queue):
            key = f"{self.prefix}queues:{queue}"
            counted.append(self.counted(numbered("waiting", index, count), key, target))
            counted.append(self.counted(numbered("in_hand", index, count), f"{key}:reserved", target))
            delayed.append(self.counted(numbered("delayed", index, count), f"{key}:delayed", target))
        return Demand.summed(counted, target, later=delayed if from_zero else ())
