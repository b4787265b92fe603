"""How each broker is started, reached and asked: once, for rehearsals, for the tests' laboratory and for the image.

A new broker is an entry in `BROKERS`, beside its transport in `settings/models/transport`. Nothing but Python's own
library is imported: `scripts/cluster` reads this file before anything is installed.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field

DSN = "MESSENGER_TRANSPORT_DSN"
_TWO_NUMBERS = re.compile(r"\d+\s+\d+")


@dataclass(frozen=True, slots=True)
class Place:
    """Where one server runs."""

    directory: str
    """Everything that the server writes is below it."""
    port: int
    queue: str
    """The stream, the queue or the table of the messages."""
    address: str = "0.0.0.0"  # noqa: S104 - a pod is reached from other pods
    """What it listens on."""
    asked_at: int | None = None
    """The port on which it is asked what it holds, where that is another one and somebody asks there."""

    @property
    def environment(self) -> dict[str, str]:
        """What the commands of a broker read."""
        named = {
            "HOME": self.directory,
            "DIRECTORY": self.directory,
            "PORT": str(self.port),
            "QUEUE": self.queue,
            "ADDRESS": self.address,
        }
        return named if self.asked_at is None else {**named, "ASKED_AT": str(self.asked_at)}


@dataclass(frozen=True, slots=True)
class Depth:
    """What a broker holds: messages that nobody has, and messages that a worker took and has not acknowledged."""

    ready: int
    taken: int

    @classmethod
    def read(cls, output: str) -> Depth:
        """The sum of what `Broker.depth` prints. Raises ValueError where it printed something else."""
        rows = [tuple(map(int, line.split())) for line in output.splitlines() if _TWO_NUMBERS.fullmatch(line.strip())]
        if output.strip() and not rows:
            raise ValueError(f"the broker does not say what it holds (got {output.strip()[:200]!r})")
        return cls(sum(ready for ready, _ in rows), sum(taken for _, taken in rows))


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """One kind of server. Its commands are for `sh -c`, with the variables of a `Place`."""

    name: str
    packages: tuple[str, ...]
    """Debian's packages that hold it."""
    port: int
    """The usual one."""
    transport: Mapping[str, object]
    """The settings of a consumer that reads from it, such that what a kill leaves is handled again within a minute."""
    variables: Mapping[str, str]
    """What an application needs to reach it; `{host}` and `{port}` are filled in. A host is an address: a name would
    need the cluster's DNS, which a node of our own lacks."""
    asked_at: int | None = None
    """The usual port on which KEDA asks what it holds; None where it is that of the messages."""
    demand: Mapping[str, str] = field(default_factory=dict)
    """What the settings of its transport say beside that, so that KEDA can count: `{host}`, `{port}` (`asked_at`) and
    `{queue}` are filled in."""
    credentials: Mapping[str, str] = field(default_factory=dict)
    """Settings of its transport that KEDA reads from a Secret, and what they are."""
    setup: str = ""
    """What comes before each of the commands below."""
    server: str
    """Starts it and becomes it. Nothing is evicted or expires, and a restart forgets nothing; the machine's own crash
    may."""
    answers: str
    """Succeeds once the server can be used."""
    depth: str
    """Prints lines of two numbers, as in `Depth`, whose sums count."""
    stop_signal: signal.Signals = signal.SIGTERM

    def command(self, words: str) -> list[str]:
        """The arguments of a process that runs a command of this broker."""
        return ["sh", "-c", f"{self.setup}{words}"]

    def environment(self, host: str, port: int) -> dict[str, str]:
        """`variables`, for a server there."""
        return {name: value.format(host=host, port=port) for name, value in self.variables.items()}

    def counted(self, host: str, queue: str, secret: str) -> dict[str, object]:
        """The settings of its transport by which KEDA counts what a server there holds, on the usual port; the Secret
        has a key for each of `credentials`."""
        port = self.asked_at or self.port
        said = {name: value.format(host=host, port=port, queue=queue) for name, value in self.demand.items()}
        return said | {name: {"secret": secret, "key": name} for name in self.credentials}


_REDIS = Broker(
    name="redis",
    packages=("redis-server",),
    port=6379,
    # Symfony waits an hour.
    transport={"kind": "redis", "redeliverTimeout": "60s", "claimInterval": "15s"},
    variables={DSN: "redis://{host}:{port}"},
    demand={"address": "{host}:{port}", "stream": "{queue}"},
    server=(
        "exec redis-server --bind $ADDRESS --port $PORT --dir $DIRECTORY --protected-mode no "
        "--appendonly yes --save '' --maxmemory-policy noeviction"
    ),
    # "PING" answers an error, and redis-cli status 0, while the file is still being loaded.
    answers="redis-cli -p $PORT ping | grep -q PONG",
    # The first line of the short form of XPENDING is the count; without the group there is no such line.
    depth=(
        "total=$(redis-cli -p $PORT xlen $QUEUE); "
        "taken=$(redis-cli -p $PORT xpending $QUEUE $QUEUE | head -n 1 | grep -x '[0-9]*' || echo 0); "
        'echo "$((total - taken)) $taken"'
    ),
)

_RABBITMQ = Broker(
    name="rabbitmq",
    packages=("rabbitmq-server",),
    port=5672,
    # A closed connection gives its messages back at once.
    transport={"kind": "rabbitmq"},
    variables={DSN: "amqp://guest:guest@{host}:{port}/%2f"},
    # By AMQP it tells only what waits; what is in hand, its management plugin does.
    asked_at=15672,
    demand={"address": "{host}:{port}", "queue": "{queue}"},
    credentials={"username": "guest", "password": "guest"},
    setup=(
        # Debian's scripts on PATH refuse every user but two.
        "PATH=/usr/lib/rabbitmq/bin:$PATH; "
        "export RABBITMQ_NODENAME=ebbtide$PORT@localhost RABBITMQ_NODE_IP_ADDRESS=$ADDRESS RABBITMQ_NODE_PORT=$PORT "
        "RABBITMQ_MNESIA_BASE=$DIRECTORY/data RABBITMQ_LOG_BASE=$DIRECTORY "
        "RABBITMQ_CONFIG_FILE=$DIRECTORY/rabbitmq.conf RABBITMQ_ENABLED_PLUGINS_FILE=$DIRECTORY/plugins; "
        # Two schedulers spin less than one for each core of a large node. Only the pod itself talks to the node's port.
        "export RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS='+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none "
        "-kernel inet_dist_use_interface {127,0,0,1}'; "
    ),
    server=(
        # Keep-alive finds the workers of a node that died.
        "printf 'loopback_users = none\\ntcp_listen_options.keepalive = true\\n' >$DIRECTORY/rabbitmq.conf; "
        '[ -z "$ASKED_AT" ] || '
        "printf 'management.tcp.port = %s\\nmanagement.tcp.ip = %s\\n' $ASKED_AT $ADDRESS >>$DIRECTORY/rabbitmq.conf; "
        'echo "[${ASKED_AT:+rabbitmq_management}]." >$DIRECTORY/plugins; exec rabbitmq-server'
    ),
    answers="rabbitmqctl -q await_startup --timeout 20",
    depth="rabbitmqctl -q --no-table-headers list_queues messages_ready messages_unacknowledged",
)

_POSTGRESQL = Broker(
    name="postgresql",
    packages=("postgresql",),
    port=5432,
    # Symfony waits an hour.
    transport={"kind": "doctrine", "redeliverTimeout": "60s"},
    variables={DSN: "doctrine://default", "DATABASE_URL": "postgresql://ebbtide@{host}:{port}/postgres"},
    demand={
        "address": "{host}:{port}",
        "database": "postgres",
        "username": "ebbtide",
        "sslMode": "disable",
        "table": "{queue}",
    },
    # Debian keeps the programs of every version apart; the newest comes first.
    setup="for programs in /usr/lib/postgresql/*/bin; do PATH=$programs:$PATH; done; ",
    server=(
        "[ -e $DIRECTORY/data ] || { "
        "initdb --pgdata $DIRECTORY/data --username ebbtide --auth trust --encoding UTF8 --locale C --no-sync && "
        "echo 'host all all all trust' >>$DIRECTORY/data/pg_hba.conf; }; "
        "exec postgres -D $DIRECTORY/data -p $PORT -k $DIRECTORY -c listen_addresses=$ADDRESS -c max_connections=500 "
        "-c fsync=off"
    ),
    answers="pg_isready -q -h 127.0.0.1 -p $PORT",
    depth=(
        "psql -qAtX -F ' ' -h 127.0.0.1 -p $PORT -U ebbtide -d postgres "
        '-c "SELECT count(*) FILTER (WHERE delivered_at IS NULL), count(delivered_at) FROM $QUEUE"'
    ),
    # Closes the sessions instead of waiting for them.
    stop_signal=signal.SIGINT,
)

BROKERS: dict[str, Broker] = {broker.name: broker for broker in (_REDIS, _RABBITMQ, _POSTGRESQL)}
