"""A pod whose helper does all that it can do: recover, metrics that are scraped, and the pod's cost.

The API server that takes the cost is a stand-in; what a real one costs is in benchmarks/idle-first.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import http.client
import shutil
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.api_stand_in import ApiStandIn, make_directory
from tests.ports import free_port

if TYPE_CHECKING:
    from tests.runtime.lab.container import Pod

# Three to six times as often as a collector does by default.
SCRAPE_SECONDS = 5.0
FAULTS = ("metricsFailed", "metricsLimited", "recoverFailed", "recoverOff", "idleFirstFailed", "internalError")
PROJECTED = "/run/ebbtide-api"


def switch_on(pod: Pod) -> Pod:
    """The pod, not yet started, with everything on; a collector scrapes it until it is gone."""
    directory, api = _api()
    port = free_port()
    pod.environment = {
        **pod.environment,
        "EBBTIDE_METRICS_PORT": str(port),
        "EBBTIDE_RECOVER_AFTER_SECONDS": "60",
        "EBBTIDE_IDLE_FIRST": "on",
        "KUBERNETES_SERVICE_HOST": "127.0.0.1",
        "KUBERNETES_SERVICE_PORT": str(api.port),
    }
    pod.volumes[PROJECTED] = directory
    threading.Thread(target=_scrape, args=(pod, port), daemon=True).start()
    return pod


def check(pod: Pod) -> None:
    """Raises RuntimeError where the helper could not do one of the three."""
    faults = [event for event in pod.events() if event["event"] in FAULTS]
    if faults or not _api()[1].asked:
        raise RuntimeError(f"the helper did not do everything: {faults}")


@functools.cache
def _api() -> tuple[Path, ApiStandIn]:
    directory = Path(tempfile.mkdtemp(prefix="ebbtide-api-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    directory.chmod(0o755)
    return make_directory(directory), ApiStandIn(directory)


def _scrape(pod: Pod, port: int) -> None:
    while pod.process is None or pod.running:
        time.sleep(SCRAPE_SECONDS)
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SCRAPE_SECONDS)
            connection.request("GET", "/metrics")
            connection.getresponse().read()
            connection.close()
