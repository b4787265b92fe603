"""The one process beside the workers that uses a network, so that PID 1 never waits for one.

It brings back killed messages, answers scrapes and tells the API server whether the pod is idle, whatever of that is
asked for. It has nothing in flight: it may be killed at any moment, and is started again. Nothing that goes wrong in
it reaches a worker; it says so by an event and goes on.
"""

from __future__ import annotations

import os
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING, Final

from ebbtide_supervisor.environment import read_environment
from ebbtide_supervisor.events import emit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from ebbtide_supervisor.environment import Environment

    Job = Callable[[Environment], None]

# Workers come first wherever both want the CPU: a thousand scrapes a second are not their matter.
NICENESS: Final = 5
# A fault that comes back at once must not fill the log.
FIRST_RETRY_SECONDS: Final = 5.0
LONGEST_RETRY_SECONDS: Final = 300.0


def main() -> int:
    """Do the jobs until PID 1 ends this process. Returns when none of them has anything left to do."""
    environment, problems = read_environment(os.environ)
    if environment is None:
        print("\n".join(problems), file=sys.stderr)
        return 1
    os.nice(NICENESS)
    began_at = time.monotonic()
    threads = [threading.Thread(target=_keep, args=(job, environment)) for job in _jobs(environment)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    # supervisord takes an end within a second of the start for a failure, whatever the status.
    time.sleep(max(0.0, began_at + 2 - time.monotonic()))
    return 0


def _jobs(environment: Environment) -> Iterator[Job]:
    # Each import is memory: prometheus_client alone takes 11 MB.
    if environment.recover_after_seconds:
        from ebbtide_supervisor.recover import recover  # noqa: PLC0415

        yield recover
    if environment.metrics_port:
        from ebbtide_supervisor.scrapes import serve_metrics  # noqa: PLC0415

        yield serve_metrics
    if environment.idle_first == "on":
        from ebbtide_supervisor.idle_first import tell_cost  # noqa: PLC0415

        yield tell_cost


def _keep(job: Job, environment: Environment) -> None:
    wait = FIRST_RETRY_SECONDS
    while True:
        try:
            job(environment)
        except Exception:  # noqa: BLE001  # a fault of ours: the other jobs go on, and so does this one
            emit("internalError", program="helper", job=job.__name__, trace=traceback.format_exc(limit=-4))
        else:
            return
        time.sleep(wait)
        wait = min(2 * wait, LONGEST_RETRY_SECONDS)
