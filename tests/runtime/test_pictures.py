"""Every picture and every alert has its series in a real Prometheus that scraped real pods through load, a drain, a
kill and a cut-off.

Asked are the queries as they stand in the Grafana file and in Cloud Monitoring's dashboard. How pods ended is asked of
log-based metrics, which only Google Cloud has: these are a stand-in that counts the same pods' real log lines.
"""

from __future__ import annotations

import signal
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.observability.queries import metrics_in
from tests.observability.stacks import STACKS
from tests.ports import free_port
from tests.runtime.lab.application import messages
from tests.runtime.lab.log_metrics import LogMetrics
from tests.runtime.lab.prometheus import Prometheus
from tests.runtime.lab.subjects import Budget

from ebbtide.observability.alerts import alerts_of
from ebbtide.observability.cloud_monitoring import cloud_dashboard
from ebbtide.observability.grafana import grafana_dashboard
from ebbtide.observability.metrics import series_names
from ebbtide.observability.panels import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.runtime.lab.scene import Scene

pytestmark = pytest.mark.runtime

OPERATOR, GOOGLE = STACKS["prometheusOperator"], STACKS["scaled by KEDA"]
# The stack's two consumers; their longest messages make the buckets that their goals ask for.
BUDGETS = {"mail": Budget(longest_message=60), "reports": Budget(longest_message=300)}
NAMESPACE = "consumers"
WORKERS = 4
# Shorter than the messages of the drain in which the first questions are asked.
PATIENCE_SECONDS = 25
FROM_LOGS = {panel.title for row in rows_of(GOOGLE) for panel in row.panels if panel.from_logs}


def of_grafana(board: str, dashboard: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for panel in dashboard["panels"]:
        for target in panel.get("targets", ()):
            # What Grafana asks when all consumers are chosen, as they are at first.
            yield board, panel["title"], target["expr"].replace("$consumer", ".*")


def of_cloud_monitoring(dashboard: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    for tile in dashboard["mosaicLayout"]["tiles"]:
        for one in tile["widget"].get("xyChart", {}).get("dataSets", ()):
            yield "Cloud Monitoring", tile["widget"]["title"], one["timeSeriesQuery"]["prometheusQuery"]


QUERIES = [
    *of_grafana("Grafana", grafana_dashboard(OPERATOR, with_logs=False)),
    *of_grafana("Grafana on Google's data", grafana_dashboard(GOOGLE, with_logs=True)),
    *of_cloud_monitoring(cloud_dashboard(GOOGLE)),
]


def test_every_picture_and_every_alert_has_its_series(open_scene: Callable[..., Scene], tmp_path: Path) -> None:
    scene = open_scene("redis")
    ports = {name: free_port() for name in (*BUDGETS, "logs")}
    labels = {name: {"stack": OPERATOR.name, "consumer": name, "namespace": NAMESPACE} for name in BUDGETS}
    pods = {
        name: scene.ours(
            WORKERS,
            budget,
            {
                "EBBTIDE_METRICS_PORT": str(ports[name]),
                "REDELIVER_TIMEOUT": str(budget.longest_message + 30),
                "EBBTIDE_RECOVER_AFTER_SECONDS": str(budget.longest_message + 30),
            },
        )
        for name, budget in BUDGETS.items()
    }
    mail, reports = pods.values()
    scene.send(messages(seed=16, number=60, least=0.5, most=3))
    with (
        LogMetrics(ports["logs"], GOOGLE, NAMESPACE, pods),
        Prometheus(tmp_path, ports, labels) as prometheus,
    ):
        mail.start()
        reports.start()
        handled = 'sum by (consumer) (ebbtide_messages_total{outcome="handled"}) > 0'
        scene.wait_until(lambda: len(prometheus.query(handled)) == 2, 240, "messages of both pods that were scraped")
        reports.signal(signal.SIGKILL)
        assert reports.wait(120)
        reports.exit_status()
        reports.start()
        scene.wait_until(lambda: bool(reports.events("containerLost")), 120, "the next container has found its remains")
        looked = "count by (consumer) (ebbtide_memory_process_bytes)"
        scene.wait_until(lambda: bool(prometheus.query(looked)), 240, "the first look at a pod's memory")
        scene.wait_until(lambda: len(scene.account().finished) >= 50, 240, "what was sent is nearly handled")
        scene.send(messages(seed=17, number=2 * WORKERS, least=45, most=50))
        scene.wait_for_messages_in_flight(2 * WORKERS)
        ends = [
            threading.Thread(target=mail.delete, args=(BUDGETS["mail"].grace,)),
            # A grace period that is over before its messages are.
            threading.Thread(target=reports.delete, args=(4,)),
        ]
        for end in ends:
            end.start()
        drains = 'ebbtide_drain_in_progress{consumer="mail"} == 1'
        scene.wait_until(lambda: bool(prometheus.query(drains)), 20, "a scrape of a drain")
        empty = unanswered(prometheus, from_logs=False)
        for stack in (OPERATOR, GOOGLE):
            for consumer in stack.consumers.values():
                for alert in alerts_of(stack, consumer):
                    if alert.metrics:
                        prometheus.query(alert.over(stack, consumer.name))  # a KeyError is one that it cannot answer
        names = prometheus.names()
        for end in ends:
            end.join()
        assert [pod.events("drainEnded") != [] for pod in pods.values()] == [True, False]
        assert reports.events("drainCutShort")
        empty += unanswered(prometheus, from_logs=True)
    assert empty == []
    assert set(series_names()) - names == set()
    asked = {name for alert in alerts_of(OPERATOR, OPERATOR.consumers["mail"]) for name in metrics_in(alert.metrics)}
    assert asked <= names


def unanswered(prometheus: Prometheus, *, from_logs: bool) -> list[tuple[str, str, str]]:
    """The queries that have no series. A rate needs two scrapes."""
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        empty = [one for one in QUERIES if (one[1] in FROM_LOGS) == from_logs and not prometheus.query(one[2])]
        if not empty or time.monotonic() > deadline:
            return empty
        time.sleep(0.5)
