"""Debian's Prometheus, scraping pods of the lab each second."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlencode

from tests.lint.tools import prometheus
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

INTERVAL_SECONDS = 1
STARTED_SECONDS = 180


class Prometheus:
    """A server with its data in `directory`; `targets` are ports of this machine by the name of the pod, `labels` what
    a collector adds to those of each name."""

    def __init__(
        self, directory: Path, targets: dict[str, int], labels: Mapping[str, Mapping[str, str]] | None = None
    ) -> None:
        self._port = free_port()
        jobs = [
            {
                "job_name": name,
                "static_configs": [
                    {"targets": [f"127.0.0.1:{port}"], "labels": {"pod": name, **(labels or {}).get(name, {})}}
                ],
            }
            for name, port in targets.items()
        ]
        config = {"global": {"scrape_interval": f"{INTERVAL_SECONDS}s"}, "scrape_configs": jobs}
        (directory / "prometheus.yml").write_text(json.dumps(config))
        self._argv = [
            str(prometheus()),
            f"--config.file={directory / 'prometheus.yml'}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--log.level=error",
        ]

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(self._argv)
        deadline = time.monotonic() + STARTED_SECONDS
        while not self._is_ready():
            assert time.monotonic() < deadline, "Prometheus does not start"
            time.sleep(0.1)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()

    def query(self, expression: str) -> dict[str, float]:
        """The values by the labels but `instance` and `job`, as `name=value,...`."""
        result = self._get(f"/api/v1/query?{urlencode({'query': expression})}")["data"]["result"]
        hidden = ("__name__", "instance", "job")
        return {
            ",".join(f"{name}={value}" for name, value in one["metric"].items() if name not in hidden): float(
                one["value"][1]
            )
            for one in result
        }

    def value(self, expression: str) -> float | None:
        """The one value of an expression; None for none."""
        values = list(self.query(expression).values())
        assert len(values) <= 1, f"{expression} has {len(values)} values"
        return values[0] if values else None

    def names(self) -> set[str]:
        """The names of all series."""
        return set(self._get("/api/v1/label/__name__/values")["data"])

    def _is_ready(self) -> bool:
        try:
            self._get("/api/v1/query?query=1")
        except (OSError, ValueError, KeyError):
            return False
        return True

    def _get(self, path: str) -> dict[str, Any]:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=60)
        try:
            connection.request("GET", path)
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
            return answer
        finally:
            connection.close()
