"""Included by Celery's worker in this image (`--include=ebbtide_celery`): what has no option of its own.

It runs with the application's Python, after the application's own modules and before the worker connects.
"""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from celery import current_app
from celery.signals import celeryd_after_setup

if TYPE_CHECKING:
    from celery.worker import WorkController

_SECONDS = int(os.environ.get("EBBTIDE_VISIBILITY_TIMEOUT_SECONDS") or 0)
if _SECONDS:
    # Each look for messages of killed workers counts: kombu's own is that every tenth does, one in 100 s.
    current_app.conf.broker_transport_options = {
        **(current_app.conf.broker_transport_options or {}),
        "visibility_timeout": _SECONDS,
        "unacked_restore_throttle": 1,
    }


@celeryd_after_setup.connect
def warn_of_early_acknowledgements(instance: WorkController, **_: object) -> None:
    """A task that says `acks_late=False` itself, or that was looked at before the worker's options were read, keeps
    what it has: it cannot be told which of the two, so nothing is changed."""
    early = sorted(
        name for name, task in instance.app.tasks.items() if not task.acks_late and not name.startswith("celery.")
    )
    if early:
        text = (
            f"ebbtide: warning: acknowledged before they are handled, and lost when their worker is killed: "
            f"{', '.join(early)}; set task_acks_late = True in the application, or take acks_late=False out of them"
        )
        print(text, file=sys.stderr, flush=True)
