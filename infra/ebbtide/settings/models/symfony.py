"""Symfony Messenger's worker. Its transports are in `redis.py`, `doctrine.py`, `rabbitmq.py` and `sqs.py`."""

import re
from typing import ClassVar, Literal

from pydantic import Field

from ebbtide.settings.models.transport import TransportSettings
from ebbtide.settings.models.worker import Word, WorkerSettings
from ebbtide.settings.values import image_contract
from ebbtide.settings.values.units import Count, PhpMemoryBytes, Seconds, format_php_memory

# What forked processes have in common at most, in MiB: their parent's own memory, and compiled code in shared memory,
# twice, for a parent that is made anew and for the one before. The image keeps to it (EBBTIDE_SHARED_MEBIBYTES).
_SHARED_MEBIBYTES = 192
# With few in a pod a parent saves little; the image says the same number and why (environment.py).
_LEAST_FORKED = 8


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
    refused_options: ClassVar = dict.fromkeys(
        ("-h", "--help", "-V", "--version"), ("prints a text and ends, so that nobody consumes", "remove it")
    )
    flags: ClassVar = frozenset({"-v", "-vv", "-vvv", "-q", "-n"})
    # Of --queues and of what --all reads V-44c speaks, of --fetch-size V-34, of --concurrency V-52.
    harmless_options: ClassVar = flags | {
        *("--verbose", "--quiet", "--silent", "--ansi", "--no-ansi", "--no-interaction", "--no-debug", "--no-reset"),
        *("--keepalive", "--queues", "--all", "--exclude-receivers", "--fetch-size", "--concurrency"),
    }

    kind: Literal["symfonyMessenger"] = "symfonyMessenger"
    """Symfony Messenger."""
    start: Literal["auto", "exec", "fork"] = "auto"
    """How a process comes to be: it boots by itself (`exec`), or it is forked from one that has booted (`fork`), which
    takes an eighth of the memory and a quarter of the CPU of the start. With `auto` it is forked where that is proved
    to be safe, by the image's build and once more in each container, in pods of 8 processes or more; where it is not,
    the log says why. `fork` takes what nobody could look into for safe; where something was found that processes must
    not share, each boots by itself all the same."""
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
        if not self._may_be_forked:
            return "boots by itself, at each rotation again"
        proof = "where that is proved" if self.start == "auto" else "unless the image has found a reason against it"
        return (
            f"forked from one boot {proof}, so that a rotation costs no boot; the limit has "
            f"{_SHARED_MEBIBYTES}Mi for what processes share"
        )

    @property
    def _may_be_forked(self) -> bool:
        return self.start == "fork" or (self.start == "auto" and self.processes >= _LEAST_FORKED)

    @property
    def shared_memory_bytes(self) -> int:
        """What the processes of a pod have in common at most, and no limit of PHP's covers, in bytes."""
        return _SHARED_MEBIBYTES * 1024**2 if self._may_be_forked else 0

    @property
    def image_variables(self) -> dict[str, str]:
        """Where PHP itself gives up, and how a process comes to be."""
        variables = {image_contract.MEMORY_LIMIT_MEBIBYTES: str(self.process_memory_bytes // 1024**2)}
        if self._may_be_forked:
            variables[image_contract.SHARED_MEBIBYTES] = str(_SHARED_MEBIBYTES)
        # An older image refuses the word `auto`, and a newer one is told by silence.
        if self.start == "fork" or not self._may_be_forked:
            variables[image_contract.WORKER_START] = self.start if self._may_be_forked else "exec"
        return variables

    @property
    def texts(self) -> tuple[str, tuple[str, ...]]:
        """What is added to the command."""
        return "arguments", self.arguments

    @property
    def tells_of_messages(self) -> bool:
        """By WorkerProgress, where the application has a copy."""
        return True

    @property
    def threads(self) -> int:
        """PHP has one in a process."""
        return self.processes

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
    def left_out(self) -> tuple[str, ...]:
        """What `--all` does not consume (`--exclude-receivers`)."""
        return tuple(re.findall(r"--exclude-receivers[= ](\S+)", " ".join(self.arguments)))

    @property
    def named_in_arguments(self) -> tuple[str, ...]:
        """The words of `arguments` that Symfony takes for receivers."""
        if not any(word[:1] != "-" for word in self.arguments):
            return ()
        from ebbtide.image.ebbtide_supervisor.command import consumed_receivers  # noqa: PLC0415 - `check` starts without it

        return tuple(consumed_receivers(("messenger:consume", *self.arguments)) or ())

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
