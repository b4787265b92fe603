"""Google's log-based metrics, as far as they can be had without Google: real log lines, counted and scraped.

A stand-in for Cloud Logging and Cloud Monitoring. Which event is counted, by what label, and as what name and
distribution comes from the image's and the library's one description; what Google makes of its filter is not seen here.
"""

from __future__ import annotations

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.registry import Collector

from ebbtide.observability.metrics import CONSUMER, EVENT_COUNTS, NAMESPACE, log_series

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Self

    from prometheus_client.core import Metric
    from tests.runtime.lab.container import Pod

    from ebbtide.observability.metrics import EventCount
    from ebbtide.settings.models.stack import StackSettings

BOUNDS = (1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


class LogMetrics(Collector):
    """Serves what the logs of these pods amount to, by consumer, at a port of this machine."""

    def __init__(self, port: int, stack: StackSettings, namespace: str, pods: Mapping[str, Pod]) -> None:
        self._port, self._stack, self._namespace, self._pods = port, stack, namespace, pods

    def __enter__(self) -> Self:
        registry = CollectorRegistry()
        registry.register(self)

        class Scrape(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                # As plain text whatever is asked for: in OpenMetrics the library writes no `:`.
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.end_headers()
                self.wfile.write(generate_latest(registry))

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", self._port), Scrape)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    def collect(self) -> Iterator[Metric]:
        for count in EVENT_COUNTS:
            yield self._distribution(count) if count.value else self._counter(count)

    def _labels(self, consumer: str) -> list[str]:
        return ["k8s_container", self._namespace, consumer]

    def _counter(self, count: EventCount) -> Metric:
        # A counter, but the library would add `_total` to its name, which Google does not.
        names = ["monitored_resource", NAMESPACE, CONSUMER, *([count.label] if count.label else [])]
        family = GaugeMetricFamily(log_series(count.name, self._stack), count.help, labels=names)
        for consumer, pod in self._pods.items():
            seen: Counter[tuple[str, ...]] = Counter()
            for event in pod.events(count.event):
                seen[(str(event[count.label]),) if count.label else ()] += 1
            for label, number in seen.items():
                family.add_metric([*self._labels(consumer), *label], number)
        return family

    def _distribution(self, count: EventCount) -> Metric:
        names = ["monitored_resource", NAMESPACE, CONSUMER]
        family = HistogramMetricFamily(log_series(count.name, self._stack), count.help, labels=names)
        for consumer, pod in self._pods.items():
            values = [float(event[count.value or ""]) for event in pod.events(count.event)]
            if values:
                buckets = [(str(bound), sum(value <= bound for value in values)) for bound in BOUNDS]
                family.add_metric(self._labels(consumer), [*buckets, ("+Inf", len(values))], sum(values))
        return family
