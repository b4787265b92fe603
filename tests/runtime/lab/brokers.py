"""Real brokers on free ports of loopback, each in a directory of its own; nothing is left when they stop.

How each is started and asked is the package's own (`ebbtide.brokers`): a rehearsal starts the same.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import IO, TYPE_CHECKING

from tests.ports import free_port

from ebbtide import brokers
from ebbtide.brokers import Depth, Place

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

QUEUE = "githubevents"
# Of a server that is being started, or ended in an orderly way.
PATIENCE_SECONDS = 180


class Broker:
    """One server; `stop` and `start` again keep its data and its port, as an outage does."""

    name: str
    user: str | None = None
    """Whom it runs as; None: root."""

    def __init__(self, options: str = "") -> None:
        """`options` come after those of the package's own; of two that say the same the later one holds."""
        of_package = brokers.BROKERS[self.name]
        self.kind = replace(of_package, server=f"{of_package.server} {options}")
        self.directory = Path(tempfile.mkdtemp(prefix=f"ebbtide-{self.name}-"))
        if self.user:
            account = pwd.getpwnam(self.user)
            os.chown(self.directory, account.pw_uid, account.pw_gid)
        self.port = free_port()
        self.place = Place(str(self.directory), self.port, QUEUE, "127.0.0.1")
        self.processes: list[subprocess.Popen[bytes]] = []
        self._log: IO[bytes] = (self.directory / "log").open("ab")

    def start(self) -> None:
        """Starts the server and returns when it answers."""
        self._spawn(self.kind.command(self.kind.server))
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._run(self.kind.answers, check=False).returncode:
            ended = self.processes[-1].poll()
            if ended is not None or time.monotonic() > deadline:
                log = (self.directory / "log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"{self.name} did not start (status {ended}): {log}")
            time.sleep(0.05)

    def environment(self) -> Mapping[str, str]:
        """What the application needs to reach it."""
        return self.kind.environment("127.0.0.1", self.port)

    def depth(self) -> Depth:
        return Depth.read(self.ask(self.kind.depth))

    def clear(self) -> None:
        """Throws all messages away."""
        raise NotImplementedError

    def stop(self) -> None:
        """Ends the server in an orderly way; its data stay."""
        for process in reversed(self.processes):
            process.send_signal(self.kind.stop_signal)
            try:
                process.wait(PATIENCE_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait(10)
        self.processes = []

    def crash(self) -> None:
        """Kills the server: it is told nothing and writes nothing more; its data stay."""
        for process in self.processes:
            process.kill()
            process.wait(10)
        self.processes = []
        # What the server had started notices by itself, and holds the data until then.
        deadline = time.monotonic() + PATIENCE_SECONDS
        while self._leftovers() and time.monotonic() < deadline:
            time.sleep(0.05)

    def _leftovers(self) -> list[Path]:
        found = []
        for process in Path("/proc").glob("[0-9]*/cwd"):
            with contextlib.suppress(OSError):
                if process.readlink().is_relative_to(self.directory):
                    found.append(process)
        return found

    def destroy(self) -> None:
        self.stop()
        self._log.close()
        shutil.rmtree(self.directory, ignore_errors=True)

    def ask(self, words: str) -> str:
        """What a shell command with the server's own client prints."""
        return self._run(words, check=True).stdout.strip()

    def _variables(self) -> dict[str, str]:
        return {**os.environ, **self.place.environment}

    def _run(self, words: str, *, check: bool) -> subprocess.CompletedProcess[str]:
        command = self.kind.command(words)
        return subprocess.run(command, check=check, capture_output=True, text=True, env=self._variables())

    def _spawn(self, command: Sequence[str]) -> None:
        self.processes.append(
            subprocess.Popen(
                # It is told nothing by a process of tests that is killed, and no signal to their group reaches it.
                ["setpriv", "--pdeathsig", "KILL", *command],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                cwd=self.directory,
                start_new_session=True,
                user=self.user,
                group=self.user,
                extra_groups=[] if self.user else None,
                env=self._variables(),
            )
        )


class Redis(Broker):
    name = "redis"

    def clear(self) -> None:
        self.ask("redis-cli -p $PORT flushall")


class RabbitMQ(Broker):
    name = "rabbitmq"

    def __init__(self, options: str = "") -> None:
        super().__init__(options)
        self._epmd_port, self._distribution_port = free_port(), free_port()

    def _variables(self) -> dict[str, str]:
        return {
            **super()._variables(),
            "RABBITMQ_DIST_PORT": str(self._distribution_port),
            # An epmd of our own: Erlang would otherwise leave one behind that outlives us all.
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
        }

    def start(self) -> None:
        self._spawn(["epmd"])
        super().start()

    def clear(self) -> None:
        self.ask("rabbitmqctl -q list_queues name | grep -qx $QUEUE && rabbitmqctl -q delete_queue $QUEUE || true")


class PostgreSQL(Broker):
    name = "postgresql"
    user = "postgres"  # the server refuses to run as root

    def clear(self) -> None:
        self.ask('psql -qX -h 127.0.0.1 -p $PORT -U ebbtide -d postgres -c "DROP TABLE IF EXISTS $QUEUE"')


BROKERS: dict[str, type[Broker]] = {kind.name: kind for kind in (Redis, RabbitMQ, PostgreSQL)}
