"""Every picture and every alert has its series in a real Prometheus that scraped a real pod through load and a drain.

What no scrape sees, how the pod ended, is asked of log-based metrics, which only Google Cloud has: left out here.
"""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING

import pytest
from tests.observability.queries import metrics_in
from tests.observability.stacks import STACKS
from tests.runtime.lab.application import messages
from tests.runtime.lab.prometheus import Prometheus, free_port
from tests.runtime.lab.subjects import Budget

from ebbtide.observability.alerts import alerts_of
from ebbtide.observability.metrics import series_names
from ebbtide.observability.panels import rows_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.runtime.lab.scene import Scene

pytestmark = pytest.mark.runtime

STACK = STACKS["prometheusOperator"]
BUDGET = Budget(longest_message=20)
WORKERS = 4
# `reports` has another goal, whose bound the histogram of this pod does not have.
QUERIES = {
    f"{panel.title}: {query.legend}": query.expression.replace("[1h]", "[1m]").replace("[5m]", "[1m]")
    for row in rows_of(STACK)
    for panel in row.panels
    if not panel.from_logs
    for query in panel.queries
    if 'le=~"300' not in query.expression
}


def test_every_picture_and_every_alert_has_its_series(open_scene: Callable[..., Scene], tmp_path: Path) -> None:
    scene, port = open_scene("redis"), free_port()
    scene.send(messages(seed=16, number=60, least=0.5, most=6))
    with Prometheus(tmp_path, {"pod": port}, stack=STACK.name, consumer="mail", namespace="consumers") as prometheus:
        pod = scene.ours(
            WORKERS, BUDGET, {"EBBTIDE_METRICS_PORT": str(port), "EBBTIDE_RECOVER_AFTER_SECONDS": "60"}
        ).start()
        scene.wait_until(
            lambda: (prometheus.value("sum(ebbtide_messages_total)") or 0) >= WORKERS, 60, "messages that were scraped"
        )
        time.sleep(3)  # a rate needs two scrapes
        drain = threading.Thread(target=pod.delete, args=(BUDGET.grace,))
        drain.start()
        scene.wait_until(lambda: bool(prometheus.query("ebbtide_drain_in_progress == 1")), 20, "a scrape of the drain")
        empty = [name for name, expression in QUERIES.items() if not prometheus.query(expression)]
        for alert in alerts_of(STACK, STACK.consumers["mail"]):
            if alert.metrics:
                prometheus.query(alert.over(STACK, "mail"))  # a KeyError is one that it cannot answer
        names = prometheus.names()
        drain.join()
    assert empty == []
    assert set(series_names()) - names == set()
    asked = {name for alert in alerts_of(STACK, STACK.consumers["mail"]) for name in metrics_in(alert.metrics)}
    assert asked <= names
