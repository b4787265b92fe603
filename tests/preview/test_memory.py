"""What a worker process can use before its whole pod is killed, before a change and after it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.preview.test_autoscalers import DEPLOYMENT, review
from tests.settings.conftest import CONSUMER

from ebbtide.manifests.resource import to_json
from ebbtide.manifests.stack import stack_resources
from ebbtide.settings.models.stack import StackSettings

SYMFONY = {"kind": "symfonyMessenger", "receivers": ["mail"]}
CELERY = {"kind": "celery", "app": "shop", "queues": ["mail"]}
LARAVEL = {"kind": "laravelQueue", "queues": ["mail"]}
METRICS: dict[str, Any] = {"metrics": {"port": 9100}}
RECOVERS = {"transport": {"kind": "redis", "stream": "mail", "redeliverTimeout": "90s", "recover": True}}


def made(worker: dict[str, Any], processes: int, limit: str | None = None, **consumer: Any) -> dict[str, Any]:
    """The Deployment that ebbtide makes of these settings."""
    resources = {"resources": {"memory": {"limit": limit}}} if limit else {}
    settings = {**CONSUMER, "worker": {**worker, "processes": processes}, **resources, **consumer}
    stack = {"name": "dev", "cluster": {"kind": "existing"}, "consumers": {"mail": settings}}
    built = [to_json(one) for one in stack_resources(StackSettings.model_validate(stack))]
    (found,) = (one["properties"] for one in built if one["type"] == DEPLOYMENT)
    return found


def said(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    return [risk.sentence for risk in review(("update", DEPLOYMENT, before, after)).risks if risk.rule == "P-07"]


@pytest.mark.parametrize("worker", [SYMFONY, CELERY, LARAVEL], ids=lambda worker: worker["kind"])
@pytest.mark.parametrize(
    ("before", "after"), [(1, 2), (2, 1), (2, 3), (4, 5), (7, 8), (8, 7), (8, 9), (8, 12), (20, 40), (12, 6), (70, 1)]
)
def test_another_number_of_processes_is_no_danger_where_the_limit_follows_it(worker, before, after):
    assert said(made(worker, before), made(worker, after)) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (made(SYMFONY, 8), made(SYMFONY, 9, **METRICS)),
        (made(SYMFONY, 8, **METRICS), made(SYMFONY, 9)),
        (made(SYMFONY, 8), made(SYMFONY, 10, **RECOVERS)),
        (made(SYMFONY, 8, "4Gi"), made(SYMFONY, 8, "4Gi", **METRICS)),
        (made({**SYMFONY, "start": "exec"}, 8, "4Gi"), made({**SYMFONY, "start": "fork"}, 8, "4Gi")),
        (made({**SYMFONY, "start": "fork"}, 8), made({**SYMFONY, "start": "exec"}, 8)),
    ],
)
def test_what_a_pod_uses_beside_its_workers_is_no_share_of_theirs(before, after):
    assert said(before, after) == []


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        (
            made(SYMFONY, 8, "4Gi"),
            made(SYMFONY, 9, "4Gi"),
            "9 processes of mail share 4Gi of memory, 455Mi each instead",
        ),
        (made(CELERY, 2, "2Gi"), made(CELERY, 4, "2Gi"), "4 processes of mail share 2Gi of memory, 512Mi each instead"),
        (
            made(SYMFONY, 8, "4Gi"),
            made(SYMFONY, 8, "3Gi"),
            "8 processes of mail share 3Gi of memory, 384Mi each instead",
        ),
        (made(SYMFONY, 8), made(SYMFONY, 8, "1Gi"), "8 processes of mail share 1Gi of memory, 128Mi each instead"),
        (made(SYMFONY, 8), made({**SYMFONY, "memoryLimit": "64M"}, 8), "8 processes of mail share "),
        (made(SYMFONY, 8), made({**SYMFONY, "memoryLimit": "64M"}, 12), "12 processes of mail share "),
        # What all of them together have beside the pod's own 100Mi is what a single one has then.
        (
            made(LARAVEL, 8, "900Mi"),
            made(LARAVEL, 1, "150Mi"),
            "the only process of mail has 50Mi of memory beside the 100Mi of the pod's own instead of 100Mi each",
        ),
        # Below what the pod itself uses nothing is left to be shared, and less of it is less.
        (
            made(SYMFONY, 2, "90Mi"),
            made(SYMFONY, 2, "80Mi"),
            "2 processes of mail share 80Mi of memory, 40Mi each instead",
        ),
    ],
)
def test_less_for_each_process_is_a_danger(before, after, words):
    (found,) = said(before, after)
    assert found.startswith(words)
