"""What pods say they have in flight is what the broker says it gave out: whoever scales or alerts by the one may trust
the other."""

from __future__ import annotations

import signal
import time
from typing import TYPE_CHECKING

import pytest
from tests.ports import free_port
from tests.runtime.lab.application import messages
from tests.runtime.lab.prometheus import INTERVAL_SECONDS, Prometheus
from tests.runtime.lab.subjects import Budget

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.runtime.lab.scene import Scene

pytestmark = pytest.mark.runtime

WORKERS = 4
# Long enough to be asked about while nothing changes, on a machine that does much else.
MESSAGE_SECONDS = 30
BUDGET = Budget(longest_message=60)
IN_FLIGHT = "sum(ebbtide_messages_in_flight)"
OLDEST_SCRAPE = "min(timestamp(ebbtide_messages_in_flight))"


def assert_equal(scene: Scene, prometheus: Prometheus, taken: int) -> None:
    """A scrape of each pod after the broker has said so has it, too. The first one has, but where a worker is held up
    between its acknowledgement and its word: ten intervals were too few where Go was compiled beside (a load of 25)."""
    scene.wait_until(lambda: len(scene.account().in_flight_at(time.monotonic())) == taken, 90, f"{taken} in flight")
    scene.wait_until(lambda: scene.broker.depth().taken == taken, 90, f"a broker that gave out {taken}")
    said_at = time.time()
    scene.wait_until(lambda: (prometheus.value(OLDEST_SCRAPE) or 0) > said_at, 30, "a scrape of each pod")
    scene.wait_until(
        lambda: prometheus.value(IN_FLIGHT) == scene.broker.depth().taken == taken,
        20 * INTERVAL_SECONDS,
        f"pods and broker that both say {taken}",
    )


@pytest.mark.parametrize(
    ("broker", "gives_back_at_once"),
    [
        # By the connection that is closed.
        ("rabbitmq", True),
        pytest.param("redis", False, marks=pytest.mark.long),
        pytest.param("postgresql", False, marks=pytest.mark.long),
    ],
)
def test_messages_in_flight_are_the_brokers_own_count(
    open_scene: Callable[..., Scene], tmp_path: Path, broker: str, *, gives_back_at_once: bool
) -> None:
    scene = open_scene(broker)
    ports = {"pod-a": free_port(), "pod-b": free_port()}
    with Prometheus(tmp_path, ports) as prometheus:
        doomed, other = (
            scene.ours(WORKERS, BUDGET, {"EBBTIDE_METRICS_PORT": str(port)}).start() for port in ports.values()
        )
        scene.wait_for_consumers(2 * WORKERS)
        assert_equal(scene, prometheus, 0)
        scene.send(messages(seed=41, number=3, least=MESSAGE_SECONDS, most=MESSAGE_SECONDS))
        assert_equal(scene, prometheus, 3)
        scene.send(messages(seed=42, number=2 * WORKERS, least=MESSAGE_SECONDS, most=MESSAGE_SECONDS))
        assert_equal(scene, prometheus, 2 * WORKERS)
        scene.wait_until(lambda: len(scene.account().finished) == len(scene.sent), 180, "every message is handled")
        assert_equal(scene, prometheus, 0)

        # Where they part: a pod that is gone has nothing in flight, and what it had is the broker's to give back.
        scene.send(messages(seed=43, number=2 * WORKERS, least=1.5 * MESSAGE_SECONDS, most=1.5 * MESSAGE_SECONDS))
        assert_equal(scene, prometheus, 2 * WORKERS)
        doomed.signal(signal.SIGKILL)
        assert doomed.wait(120)
        expected = WORKERS if gives_back_at_once else 2 * WORKERS
        scene.wait_until(lambda: scene.broker.depth().taken == expected, 60, f"a broker that counts {expected}")
        scene.wait_until(lambda: prometheus.value(IN_FLIGHT) == WORKERS, 30, "a scrape without the pod that is gone")
        assert not other.delete(BUDGET.grace).sigkilled
