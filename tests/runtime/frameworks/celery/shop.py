"""Tasks that write the ledger: what `examples/github-events` does for Symfony."""

from __future__ import annotations

import json
import os
import sys
import time

from celery import Celery
from celery.signals import worker_ready

app = Celery("shop", broker=os.environ["CELERY_BROKER_URL"])
# Nothing here is what a drain needs: ebbtide's command line sets that.
app.conf.broker_connection_retry_on_startup = True


def note(event: str, **more: object) -> None:
    worker = os.environ.get("MESSENGER_CONSUMER_NAME", "sender")
    line = {"event": event, "worker": worker, "pid": os.getpid(), "monotonic_ns": time.monotonic_ns(), **more}
    # One write to a file that is opened to append: lines of several processes do not mix.
    descriptor = os.open(os.environ["LEDGER_FILE"], os.O_WRONLY | os.O_APPEND)
    os.write(descriptor, json.dumps(line).encode() + b"\n")
    os.close(descriptor)


@worker_ready.connect
def say_ready(**_: object) -> None:
    note("consuming")


@app.task
def work(message: str, seconds: float) -> None:
    note("started", message=message)
    time.sleep(seconds)
    note("finished", message=message)


if __name__ == "__main__":
    for line in sys.stdin:
        event = json.loads(line)
        work.apply_async((event["message"], event["seconds"]), countdown=event.get("countdown"))
