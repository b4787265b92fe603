"""From a broker's DSN, as the application has it, to a consumer that follows its queue to zero and back."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from ebbtide.brokers import DSN
from ebbtide.judgement.findings import SettingsError, refused
from ebbtide.scaffold.answers import Project
from ebbtide.settings.values.units import format_duration, parse_duration

Settings = dict[str, Any]

# By hand: `urlsplit` raises on some of what may stand before the host.
_PARTS: Final = re.compile(
    r"(?P<scheme>[a-z]+)://(?:(?P<user>[^@:/]+)@)?(?P<host>[A-Za-z0-9.-]+|\[[0-9A-Fa-f:.]+\])(?::(?P<port>[0-9]{1,5}))?"
    r"(?P<path>(?:/[A-Za-z0-9_.%-]*)*)(?:\?.*)?"
)
_MANAGEMENT_PORT: Final = {"amqp": 15672, "amqps": 15671}
_SPARE_SECONDS: Final = 30
"""By how much a redelivery is later than the longest message."""
_CREATE: Final = "kubectl -n consumers create secret generic"
_NO_ADDRESS: Final = """\
# Workers reach nothing but DNS until the broker's address is in the network policy, which knows no names:
#   network: {{egress: [{{cidr: 10.20.0.7/32, ports: [{port}]}}]}}
"""


@dataclass(frozen=True, slots=True)
class BrokerDsn:
    """Where a broker is."""

    scheme: str
    host: str
    port: int
    path: str
    """The stream, the database or the virtual host; empty where none is named."""
    exchange: str
    """What stands behind it: of RabbitMQ the exchange, after which Symfony names its queue."""
    user: str

    @property
    def address(self) -> str:
        """Host and port."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class _Kind:
    port: int
    transport: Callable[[BrokerDsn, str, str], Settings]
    """Of the DSN, the consumer's name and the time after which a message is given to another worker. A name that the
    DSN does not say is Symfony's own default."""
    secret: Mapping[str, str]
    """Environment variables that are keys of the Secret."""
    environment: Mapping[str, str] = field(default_factory=dict)


def read_dsn(text: str) -> BrokerDsn:
    """Take a DSN apart.

    Raises:
        SettingsError: it holds a password, or no kind of transport is known for it. Neither names the password.
    """
    # To Symfony all before the @ of a Redis is the password, where no colon parts it.
    if re.match(r"(redis|valkey)s?://.*@|[a-z]+://.*:.*@", text):
        raise _refused("holds a password", "leave it out here: the stack file names a Secret that has it")
    parts = _PARTS.fullmatch(text)
    kind = _KINDS.get(parts["scheme"]) if parts else None
    if parts is None or kind is None:
        known = ", ".join(f"{scheme}://" for scheme in _KINDS)
        raise _refused(f"is none of {known} with one host", "write for example redis://10.20.0.7:6379/mail")
    port = int(parts["port"] or kind.port)
    if not 0 < port < 65536:
        raise _refused(f"has no port between 1 and 65535 (got {port})", f"write for example {kind.port}")
    _, path, exchange = f"{parts['path']}//".split("/")[:3]
    return BrokerDsn(parts["scheme"], parts["host"], port, path, exchange, parts["user"] or "")


def _refused(message: str, remedy: str) -> SettingsError:
    return refused("init", message, remedy, path=("--broker",))


def follow_queue(project: Project, name: str, dsn: BrokerDsn) -> Project:
    """The project with this consumer scaled by KEDA, to zero and back."""
    consumer = project.consumers[name]
    following = {**consumer, **followed(consumer, name, dsn, (0, 10))}
    consumers = {**project.consumers, name: following}
    return replace(project, consumers=consumers, keda="install", remarks=remarks(name, following, dsn))


def followed(consumer: Settings, name: str, dsn: BrokerDsn, bounds: tuple[int, int]) -> Settings:
    """What a consumer of Symfony Messenger needs to be scaled by KEDA on what lies in its broker. Passwords are in the
    Secret `<name>-broker-v1`, which is the user's to make."""
    kind = _KINDS[dsn.scheme]
    egress = _egress(dsn)
    return {
        "transport": kind.transport(dsn, name, redelivery(consumer["shutdown"]["longestMessage"])),
        "autoscaling": {"kind": "keda", "minReplicas": bounds[0], "maxReplicas": bounds[1]},
        **({"environment": dict(kind.environment)} if kind.environment else {}),
        "secretEnvironment": {variable: _secret(name, key) for variable, key in kind.secret.items()},
        **({"network": {"egress": egress}} if egress else {}),
    }


def redelivery(longest_message: str) -> str:
    """When a message may be given to another worker: later than the longest one ends."""
    return format_duration(parse_duration(longest_message) + _SPARE_SECONDS)


def remarks(name: str, consumer: Settings, dsn: BrokerDsn) -> str:
    """What stands at the head of the stack file of such a consumer."""
    told = (*consumer.get("secretEnvironment", {}).values(), *consumer["transport"].values())
    keys = [one["key"] for one in told if isinstance(one, dict) and one["secret"] == broker_secret(name)]
    literals = " ".join(f"--from-literal={key}=..." for key in dict.fromkeys(keys))
    text = (
        f"# The Secret is yours to make, and first:\n#   {_CREATE} {broker_secret(name)} {literals}\n" if keys else ""
    )
    return text + ("" if "network" in consumer else _NO_ADDRESS.format(port=dsn.port))


def broker_secret(name: str) -> str:
    """The Secret of a consumer's broker, where nobody has named one."""
    return f"{name}-broker-v1"


def _secret(name: str, key: str) -> Settings:
    return {"secret": broker_secret(name), "key": key}


def _egress(dsn: BrokerDsn) -> list[Settings]:
    """What the network policy lets through. It knows addresses, and no names."""
    try:
        host = ipaddress.ip_address(dsn.host.strip("[]"))
    except ValueError:
        return []
    return [{"cidr": f"{host}/{host.max_prefixlen}", "ports": [dsn.port]}]


def _redis(dsn: BrokerDsn, _name: str, redelivery: str) -> Settings:
    return {
        "kind": "redis",
        "stream": dsn.path or "messages",
        "address": dsn.address,
        **({"tls": True} if dsn.scheme in ("rediss", "valkeys") else {}),
        "redeliverTimeout": redelivery,
        "claimInterval": "15s",
        "recover": True,
    }


def _rabbitmq(dsn: BrokerDsn, name: str, _redelivery: str) -> Settings:
    """KEDA asks the management plugin, which is on another port of the same host."""
    virtual_host = dsn.path.replace("%2f", "/").replace("%2F", "/") or "/"
    return {
        "kind": "rabbitmq",
        "queue": dsn.exchange or "messages",
        "address": f"{dsn.host}:{_MANAGEMENT_PORT[dsn.scheme]}",
        **({"tls": True} if dsn.scheme == "amqps" else {}),
        **({} if virtual_host == "/" else {"virtualHost": virtual_host}),
        "username": _secret(name, "username"),
        "password": _secret(name, "password"),
    }


def _doctrine(dsn: BrokerDsn, name: str, redelivery: str) -> Settings:
    return {
        "kind": "doctrine",
        **({"platform": "mysql"} if dsn.scheme == "mysql" else {}),
        "address": dsn.address,
        "database": dsn.path or name,
        "username": dsn.user or name,
        "password": _secret(name, "password"),
        "redeliverTimeout": redelivery,
    }


_OF_DOCTRINE: Final = {"secret": {"DATABASE_URL": "url"}, "environment": {DSN: "doctrine://default"}}
_KINDS: Final[Mapping[str, _Kind]] = {
    "redis": _Kind(6379, _redis, {DSN: "dsn"}),
    "rediss": _Kind(6379, _redis, {DSN: "dsn"}),
    "valkey": _Kind(6379, _redis, {DSN: "dsn"}),
    "valkeys": _Kind(6379, _redis, {DSN: "dsn"}),
    "amqp": _Kind(5672, _rabbitmq, {DSN: "dsn"}),
    "amqps": _Kind(5671, _rabbitmq, {DSN: "dsn"}),
    "postgresql": _Kind(5432, _doctrine, **_OF_DOCTRINE),
    "mysql": _Kind(3306, _doctrine, **_OF_DOCTRINE),
}
