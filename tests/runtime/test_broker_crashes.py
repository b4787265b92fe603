"""The broker is killed while messages are sent and handled: what it has acknowledged, it still has.

It is started with the very parameters with which a stack makes it, so far as a server of one's own has them: Redis
stands for Valkey, which Debian 12 does not have. A killed process loses what it holds itself; what the kernel holds, as
between two syncs to the disk, only a failed machine does.
"""

from __future__ import annotations

import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from tests.manifests.google.cases import CONSUMER, stack
from tests.runtime.lab import machine
from tests.runtime.lab.application import Application, Message, messages
from tests.runtime.lab.brokers import BROKERS, QUEUE, Broker
from tests.runtime.lab.scene import Scene
from tests.runtime.lab.subjects import Budget

from ebbtide.manifests.google import names
from ebbtide.manifests.stack import stack_resources

pytestmark = pytest.mark.runtime

BUDGET = Budget(longest_message=10)
# More time to end in than such messages need: a worker that waits for its broker after a crash, on a machine on which
# much else goes on, has been killed for it (seen).
PATIENT = Budget(longest_message=60)
WORKERS = 70
SENT_UNDER_LOAD = 32
SYNCS = {"ALWAYS": "always", "EVERY_SEC": "everysec", "NEVER": "no"}
REDIS = {"kind": "redis", "stream": QUEUE, "redeliverTimeout": "60s", "claimInterval": "15s"}
TABLE = {"kind": "doctrine", "table": QUEUE, "queue": "default", "redeliverTimeout": "60s"}


def made(broker: str, transport: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """What a stack with this broker makes, by type."""
    scaling = {"kind": "keda", "minReplicas": 0, "maxReplicas": 5}
    consumer = {**CONSUMER, "transport": transport, "autoscaling": scaling}
    whole = stack({"kind": "gkeStandard", "keda": {}}, broker={"kind": broker}, consumers={QUEUE: consumer})
    return {resource.token: resource.properties for resource in stack_resources(whole)}


def options_of_valkey(instance: Mapping[str, Any]) -> str:
    """As redis-server takes them."""
    assert instance["persistenceConfig"]["mode"] == "AOF"
    sync = SYNCS[instance["persistenceConfig"]["aofConfig"]["appendFsync"]]
    further = " ".join(f"--{name} {value}" for name, value in instance["engineConfigs"].items())
    return f"--appendonly yes --appendfsync {sync} {further}"


def options_of_cloud_sql(instance: Mapping[str, Any]) -> str:
    """As postgres takes them. Google leaves PostgreSQL's own safety as it is, which the laboratory switches off."""
    flags = {"fsync": "on", **{flag["name"]: flag["value"] for flag in instance["settings"]["databaseFlags"]}}
    return " ".join(f"-c {name}={value}" for name, value in flags.items())


def asked_of_redis(triggers: list[Mapping[str, Any]]) -> str:
    """What KEDA's scalers ask, as a command of the server's own client."""
    (stream,) = (one["metadata"]["stream"] for one in triggers if one["type"] == "redis-streams")
    (later,) = (one["metadata"]["listName"] for one in triggers if one["type"] == "redis")
    return f"redis-cli -p $PORT xlen {stream} && redis-cli -p $PORT zcard {later}"


def asked_of_postgresql(triggers: list[Mapping[str, Any]]) -> str:
    (query,) = (one["metadata"]["query"] for one in triggers)
    quoted = str(query).replace('"', '\\"')
    return f'psql -qAtX -h 127.0.0.1 -p $PORT -U ebbtide -d postgres -c "{quoted}"'


VALKEY, DATABASE = made("memorystoreValkey", REDIS), made("cloudSqlPostgres", TABLE)
SCALED = "kubernetes:keda.sh/v1alpha1:ScaledObject"
CRASHES = {
    "redis": (
        options_of_valkey(VALKEY[names.VALKEY_INSTANCE]),
        asked_of_redis(VALKEY[SCALED]["spec"]["triggers"]),
    ),
    "postgresql": (
        options_of_cloud_sql(DATABASE[names.DATABASE_INSTANCE]),
        asked_of_postgresql(DATABASE[SCALED]["spec"]["triggers"]),
    ),
}


@pytest.fixture
def crashing_scene(application: Application, packages: Callable[..., None]) -> Iterator[Callable[[str], Scene]]:
    """A scene with a broker of its own, as a stack makes it."""
    with contextlib.ExitStack() as closing:

        def new(broker: str) -> Scene:
            packages(machine.FAST if broker == "redis" else machine.ALL)
            server: Broker = BROKERS[broker](CRASHES[broker][0])
            closing.callback(server.destroy)
            server.start()
            return closing.enter_context(Scene(application, server))

        yield new


class Sender(threading.Thread):
    """Sends until the broker is gone, and notes what it has taken."""

    def __init__(self, scene: Scene, load: list[Message]) -> None:
        super().__init__(daemon=True)
        self._scene, self._load = scene, load
        self.acknowledged: set[str] = set()
        self.was_cut_off = False

    def run(self) -> None:
        lines = "".join(f"{one.line()}\n" for one in self._load)
        try:
            said = self._scene.application.console(self._scene.broker, "app:send-events", "-v", stdin=lines)
        except RuntimeError as error:
            self.was_cut_off, said = True, str(error)
        self.acknowledged = set(re.findall(r"^queued (\S+)$", said, re.MULTILINE))


class Asker(threading.Thread):
    """Asks what KEDA asks, over and over."""

    def __init__(self, scene: Scene, words: str) -> None:
        super().__init__(daemon=True)
        self._scene, self._words, self.ended = scene, words, threading.Event()
        self.answers: list[str] = []

    def run(self) -> None:
        while not self.ended.wait(0.5):
            with contextlib.suppress(Exception):
                self.answers.append(self._scene.broker.ask(self._words))


def is_under_load(scene: Scene) -> bool:
    """Whether much waits of what the sender has sent, or much is handled, whichever of both is the slower."""
    handled = sum(message.startswith(f"wait-{SENT_UNDER_LOAD}-") for message in scene.account().finished)
    return handled > 150 or scene.broker.depth().ready > 200


@pytest.mark.parametrize("broker", CRASHES)
def test_what_a_killed_broker_had_acknowledged_is_handled(crashing_scene: Callable[[str], Scene], broker: str) -> None:
    scene = crashing_scene(broker)
    longest = {"EBBTIDE_LONGEST_MESSAGE_SECONDS": str(BUDGET.longest_message)}
    pod = scene.ours(WORKERS, PATIENT, {**longest, "REDELIVER_TIMEOUT": "15"}).start()
    scene.send(messages(seed=31, number=2 * WORKERS, least=2, most=4))
    asker = Asker(scene, CRASHES[broker][1])
    asker.start()
    scene.wait_for_messages_in_flight(WORKERS // 2)
    # More than are ever taken: the broker is killed in the midst of them.
    sender = Sender(scene, messages(seed=SENT_UNDER_LOAD, number=20_000, least=0.1, most=0.3))
    sender.start()
    scene.wait_until(lambda: is_under_load(scene), 300, "messages are sent and handled")

    asked = len(asker.answers)
    scene.broker.crash()
    sender.join(240)
    time.sleep(5)
    scene.broker.start()

    expected = {*scene.sent, *sender.acknowledged}
    scene.wait_until(lambda: expected <= scene.account().finished, 600, "all that was acknowledged is handled")
    asker.ended.set()
    deletion = pod.delete(PATIENT.grace)
    assert sender.was_cut_off, "the broker was not killed while it was sent to"
    assert len(sender.acknowledged) > 100
    assert 0 < asked < len(asker.answers), "KEDA's question was not asked, or got no answer after the crash"
    killed = scene.account().killed
    assert not killed, f"{len(killed)}, of which one began {killed[-1].started_at - deletion.deleted_at:.0f} s later"
    assert deletion.exit_status == 0, pod.output()
