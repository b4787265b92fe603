"""What Prometheus has scraped is what the ledger says, message by message; and each end of a pod is counted once."""

from __future__ import annotations

import os
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from tests.ports import free_port
from tests.runtime.lab.application import messages
from tests.runtime.lab.container import PATIENCE_SECONDS
from tests.runtime.lab.prometheus import INTERVAL_SECONDS, Prometheus
from tests.runtime.lab.subjects import Budget

from ebbtide.image.ebbtide_supervisor.metric_texts import EVENT_COUNTS, METRICS_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.runtime.lab.container import Pod
    from tests.runtime.lab.scene import Scene

pytestmark = pytest.mark.runtime

BUDGET = Budget(longest_message=10)
WORKERS = 10
MESSAGES = 80
HANDLED = 'sum(ebbtide_messages_total{outcome="handled"})'
DONE = 'sum(ebbtide_messages_total{outcome!="cut_off"})'
CUT_OFF = 'sum(ebbtide_messages_total{outcome="cut_off"})'


def counted(pod: Pod) -> Counter[tuple[str, object]]:
    """What the counts of log lines make of a pod's log, by name and label."""
    return Counter(
        (count.name, event.get(count.label))
        for count in EVENT_COUNTS
        if count.label is not None
        for event in pod.events(count.event)
    )


@pytest.mark.parametrize(
    ("broker", "start", "lost_acknowledgements"),
    [
        ("redis", "exec", 0),
        ("redis", "fork", 0),
        # AMQP answers no acknowledgement: a worker's last one before it finds its connection broken may have reached
        # nobody. It has told the broker, as far as it can know, and the message comes again.
        pytest.param("rabbitmq", "exec", WORKERS, marks=pytest.mark.long),
        pytest.param("postgresql", "exec", 0, marks=pytest.mark.long),
    ],
)
def test_counters_equal_the_ledger_through_a_kill_an_outage_and_a_drain(
    open_scene: Callable[..., Scene], tmp_path: Path, broker: str, start: str, lost_acknowledgements: int
) -> None:
    scene, port = open_scene(broker), free_port()
    scene.send(messages(seed=31, number=MESSAGES, least=1, most=6))
    metrics = {"EBBTIDE_METRICS_PORT": str(port), "REDELIVER_TIMEOUT": "20", "EBBTIDE_WORKER_START": start}
    with Prometheus(tmp_path, {"pod": port}) as prometheus:
        pod = scene.ours(WORKERS, BUDGET, metrics).start()
        scene.wait_for_messages_in_flight(WORKERS)
        scene.wait_until(
            lambda: prometheus.value("sum(ebbtide_messages_in_flight)") == WORKERS, 120, "a scrape of a busy pod"
        )
        assert prometheus.query("ebbtide_build_info").keys() == {
            f"pod=pod,version={METRICS_VERSION},worker_kind=symfonyMessenger,worker_start={start}"
        }
        assert len(pod.events("parentReady")) == (start == "fork"), pod.output()

        os.kill(pod.workers()[2], signal.SIGKILL)
        time.sleep(3)
        scene.broker.stop()
        scene.wait_until(
            lambda: prometheus.value("sum(ebbtide_starts_held)") == 1, 120, "a scrape that shows the outage"
        )
        scene.broker.start()
        scene.wait_until(lambda: len(scene.account().finished) == MESSAGES, 300, "every message is handled")
        scene.wait_until(
            lambda: prometheus.value("sum(ebbtide_messages_in_flight)") == 0, 60, "a scrape of an idle pod"
        )
        time.sleep(3 * INTERVAL_SECONDS)

        account = scene.account()
        assert scene.broker.depth().ready == scene.broker.depth().taken == 0
        # Acknowledged once each; every other handling ended with its worker: the killed one, and those whose broker
        # was away when they had finished.
        handled = prometheus.value(HANDLED) or 0
        assert MESSAGES <= handled <= MESSAGES + lost_acknowledgements
        assert prometheus.value(CUT_OFF) == len(account.handlings) - handled > 0
        # One that RabbitMQ has given back is `retried` once without its handler: Symfony rejects it and sends a copy.
        assert prometheus.value("sum(ebbtide_message_duration_seconds_count)") == prometheus.value(DONE)
        assert prometheus.value("sum(ebbtide_messages_in_flight)") == 0
        restarts = prometheus.query("ebbtide_worker_restarts_total > 0")
        assert restarts["outcome=killed,pod=pod"] == 1, restarts
        assert sum(restarts.values()) == len(pod.events("workerStarted")) - WORKERS, restarts

        scene.send(messages(seed=32, number=2 * WORKERS, least=6, most=9))
        scene.wait_for_messages_in_flight(WORKERS)
        deletion = pod.delete(BUDGET.grace)
        assert deletion.exit_status == 0
        scene.wait_until(
            lambda: prometheus.value("max_over_time(ebbtide_drain_in_progress[1m])") == 1, 30, "a scrape of the drain"
        )
        drained = len(scene.account().handlings) - len(account.handlings)
        # What ended after the last scrape is in the log only: here nothing was cut off.
        assert pod.events("drainEnded")[0]["cutOff"] == 0
        last = prometheus.value("sum(last_over_time(ebbtide_messages_total{outcome='handled'}[1m]))") or 0
        assert 0 <= handled + drained - last <= WORKERS
        assert counted(pod) == {("ebbtide_drains_started", "hook"): 1, ("ebbtide_drains_ended", "clean"): 1}


def test_a_pod_that_is_cut_off_has_said_what_it_had_in_flight(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene("redis")
    pod = scene.ours(WORKERS, BUDGET)
    scene.busy(messages(seed=33, number=WORKERS, least=10, most=10), pod, workers=WORKERS)

    deletion = pod.delete(3)

    assert deletion.sigkilled
    killed = len(scene.account().killed)
    assert killed == WORKERS
    assert [event["inFlight"] for event in pod.events("drainCutShort")] == [killed], pod.output()
    assert counted(pod) == {("ebbtide_drains_started", "hook"): 1}, "started and not ended is how it is counted"


def test_a_container_that_was_killed_is_counted_by_the_next_one_in_its_pod(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene("redis")
    pod = scene.ours(WORKERS, BUDGET)
    scene.busy(messages(seed=34, number=WORKERS, least=10, most=10), pod, workers=WORKERS)

    pod.signal(signal.SIGKILL)
    assert pod.wait(PATIENCE_SECONDS)
    killed = len(scene.account().killed)
    pod.exit_status()
    pod.start()

    scene.wait_until(lambda: bool(pod.events("containerLost")), 120, "the next container has found its remains")
    (lost,) = pod.events("containerLost")
    assert (lost["outcome"], lost["inFlight"]) == ("never_asked", killed), lost
    assert pod.delete(BUDGET.grace).exit_status == 0
    assert counted(pod)["ebbtide_containers_lost", "never_asked"] == 1
