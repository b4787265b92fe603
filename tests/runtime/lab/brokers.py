"""Real brokers on free ports of loopback, each in a directory of its own; nothing is left when they stop."""

from __future__ import annotations

import os
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

QUEUE = "githubevents"


@dataclass(frozen=True)
class Depth:
    """What the broker holds: messages nobody has, and messages some worker took and has not acknowledged."""

    ready: int
    taken: int


def free_port() -> int:
    """A port nobody uses, below those that the kernel gives to outgoing connections (32768 and up): one of these
    may be taken again before the server has bound it, and while an outage keeps the server away."""
    while True:
        port = random.randrange(10_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Broker(ABC):
    """One server; `stop` and `start` again keep its data and its port, as an outage does."""

    name: str

    def __init__(self) -> None:
        self.directory = Path(tempfile.mkdtemp(prefix=f"ebbtide-{self.name}-"))
        self.port = free_port()
        self.processes: list[subprocess.Popen[bytes]] = []
        self._log: IO[bytes] = (self.directory / "log").open("ab")

    @abstractmethod
    def start(self) -> None:
        """Starts the server and returns when it answers."""

    @abstractmethod
    def environment(self) -> Mapping[str, str]:
        """What the application needs to reach it."""

    @abstractmethod
    def depth(self) -> Depth: ...

    @abstractmethod
    def clear(self) -> None:
        """Throws all messages away."""

    def stop(self) -> None:
        """Ends the server in an orderly way; its data stay."""
        for process in reversed(self.processes):
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)
        self.processes = []

    def destroy(self) -> None:
        self.stop()
        self._log.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def _spawn(self, command: Sequence[str], *, user: str | None = None, **variables: str) -> None:
        self.processes.append(
            subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                cwd=self.directory,
                start_new_session=True,
                user=user,
                group=user,
                extra_groups=[] if user else None,
                env={**os.environ, "HOME": str(self.directory), **variables},
            )
        )

    def _wait_until_it_answers(self, command: Sequence[str], **variables: str) -> None:
        deadline = time.monotonic() + 60
        while subprocess.run(
            command,
            check=False,
            capture_output=True,
            env={**os.environ, "HOME": str(self.directory), **variables},
        ).returncode:
            ended = self.processes[-1].poll()
            if ended is not None or time.monotonic() > deadline:
                log = (self.directory / "log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self.name} did not start (status {ended}): {log}")
            time.sleep(0.05)


class Redis(Broker):
    name = "redis"

    def start(self) -> None:
        # As a queue wants it: nothing is evicted, and an orderly restart forgets nothing (V-36).
        self._spawn(
            [
                "redis-server",
                "--bind",
                "127.0.0.1",
                "--port",
                str(self.port),
                "--dir",
                str(self.directory),
                "--appendonly",
                "yes",
                "--save",
                "",
                "--maxmemory-policy",
                "noeviction",
            ]
        )
        # "PING" answers an error, and redis-cli status 0, while the file is still being loaded.
        self._wait_until_it_answers(["sh", "-c", f"redis-cli -p {self.port} ping | grep -q PONG"])

    def environment(self) -> Mapping[str, str]:
        return {"MESSENGER_TRANSPORT_DSN": f"redis://127.0.0.1:{self.port}"}

    def depth(self) -> Depth:
        total = int(self.command("XLEN", QUEUE))
        # The first line of the short form of XPENDING is the count; without the group there is no such line.
        pending = self.command("XPENDING", QUEUE, QUEUE).split("\n")[0]
        taken = int(pending) if pending.isdigit() else 0
        return Depth(total - taken, taken)

    def clear(self) -> None:
        self.command("FLUSHALL")

    def command(self, *words: str) -> str:
        result = subprocess.run(
            ["redis-cli", "-p", str(self.port), *words],
            check=True,
            capture_output=True,
            text=True,
        )
        return result.stdout.strip()


class RabbitMQ(Broker):
    name = "rabbitmq"
    BIN = Path("/usr/lib/rabbitmq/bin")

    def __init__(self) -> None:
        super().__init__()
        self.epmd_port = free_port()
        self.distribution_port = free_port()
        (self.directory / "rabbitmq.conf").write_text("loopback_users = none\ntcp_listen_options.keepalive = true\n")
        (self.directory / "plugins").write_text("[].")

    def _variables(self) -> dict[str, str]:
        return {
            "RABBITMQ_NODENAME": f"ebbtide{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self.distribution_port),
            "RABBITMQ_MNESIA_BASE": str(self.directory / "data"),
            "RABBITMQ_LOG_BASE": str(self.directory),
            "RABBITMQ_CONFIG_FILE": str(self.directory / "rabbitmq.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.directory / "plugins"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "-kernel inet_dist_use_interface {127,0,0,1}",
            # An epmd of our own: Erlang would otherwise leave one behind that outlives us all.
            "ERL_EPMD_PORT": str(self.epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "HOME": str(self.directory),
        }

    def start(self) -> None:
        self._spawn(["epmd"], **self._variables())
        self._spawn([str(self.BIN / "rabbitmq-server")], **self._variables())
        self._wait_until_it_answers(
            [str(self.BIN / "rabbitmqctl"), "-q", "await_startup", "--timeout", "60"], **self._variables()
        )

    def environment(self) -> Mapping[str, str]:
        return {"MESSENGER_TRANSPORT_DSN": f"amqp://guest:guest@127.0.0.1:{self.port}/%2f"}

    def depth(self) -> Depth:
        listed = self.control("--no-table-headers", "list_queues", "name", "messages_ready", "messages_unacknowledged")
        for line in listed.splitlines():
            name, *counts = line.split("\t")
            if name == QUEUE:
                return Depth(int(counts[0]), int(counts[1]))
        return Depth(0, 0)

    def clear(self) -> None:
        if QUEUE in self.control("--no-table-headers", "list_queues", "name").split():
            self.control("delete_queue", QUEUE)

    def control(self, *words: str) -> str:
        result = subprocess.run(
            [str(self.BIN / "rabbitmqctl"), "-q", *words],
            check=True,
            capture_output=True,
            text=True,
            env={**os.environ, **self._variables()},
        )
        return result.stdout.strip()


class PostgreSQL(Broker):
    name = "postgresql"

    def __init__(self) -> None:
        super().__init__()
        found = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
        self.bin = found[-1] if found else Path("/nonexistent")
        account = pwd.getpwnam("postgres")  # the server refuses to run as root
        os.chown(self.directory, account.pw_uid, account.pw_gid)

    def start(self) -> None:
        data = self.directory / "data"
        if not data.exists():
            subprocess.run(
                [str(self.bin / "initdb"), "-D", str(data), "-A", "trust", "-U", "ebbtide", "--no-sync"],
                check=True,
                capture_output=True,
                user="postgres",
                group="postgres",
                extra_groups=[],
                cwd=self.directory,
            )
        self._spawn(
            [
                str(self.bin / "postgres"),
                "-D",
                str(data),
                "-p",
                str(self.port),
                "-k",
                str(self.directory),
                "-c",
                "listen_addresses=127.0.0.1",
                "-c",
                "max_connections=500",
                "-c",
                "fsync=off",
            ],
            user="postgres",
        )
        self._wait_until_it_answers([str(self.bin / "pg_isready"), "-h", "127.0.0.1", "-p", str(self.port)])

    def stop(self) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGINT)  # "fast": closes the sessions instead of waiting for them
            process.wait(30)
        self.processes = []

    def environment(self) -> Mapping[str, str]:
        return {
            "MESSENGER_TRANSPORT_DSN": "doctrine://default",
            "DATABASE_URL": f"postgresql://ebbtide@127.0.0.1:{self.port}/postgres",
        }

    def depth(self) -> Depth:
        ready, taken = self.query(
            f"SELECT count(*) FILTER (WHERE delivered_at IS NULL), count(delivered_at) FROM {QUEUE}"
        ).split("|")
        return Depth(int(ready), int(taken))

    def clear(self) -> None:
        self.query(f"DROP TABLE IF EXISTS {QUEUE}")

    def query(self, sql: str) -> str:
        result = subprocess.run(
            [
                str(self.bin / "psql"),
                "-qAtX",
                "-h",
                "127.0.0.1",
                "-p",
                str(self.port),
                "-U",
                "ebbtide",
                "-d",
                "postgres",
                "-c",
                sql,
            ],
            check=True,
            capture_output=True,
            text=True,
        )
        return result.stdout.strip()


BROKERS: dict[str, type[Broker]] = {kind.name: kind for kind in (Redis, RabbitMQ, PostgreSQL)}
