"""An application of Celery: one task, and one that is due each hour."""

import os
from pathlib import Path

from celery import Celery

app = Celery("thumbnails", broker=os.environ["CELERY_BROKER_URL"])
app.conf.task_default_queue = "thumbnails"
# The broker gives the task of a lost connection to another worker: this one gives it up.
app.conf.worker_cancel_long_running_tasks_on_connection_loss = True
app.conf.broker_connection_retry_on_startup = True
app.conf.beat_schedule = {"each hour": {"task": "thumbnails.tidy", "schedule": 3600.0}}


@app.task(autoretry_for=(OSError,), max_retries=3)
def resize(picture: str) -> int:
    """Stands for the work; a file that is not there yet is tried again after 3 minutes."""
    return len(Path(picture).read_bytes())


@app.task
def tidy() -> None:
    """What is due each hour."""
