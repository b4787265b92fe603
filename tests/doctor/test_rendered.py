"""What ebbtide writes itself is right: doctor finds no fault in it, whatever kind of worker it is for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.cli.conftest import ROOT
from tests.commands import run_here

from ebbtide.doctor.diagnose import Report, diagnose_files
from ebbtide.doctor.files import File
from ebbtide.settings.loading.project import stack_names

# Of a program of one's own (examples/own-program) render knows nothing.
EXAMPLES = sorted(
    (project.parent, stack)
    for project in ROOT.glob("examples/*/Pulumi.yaml")
    if not (project.parent / "__main__.py").exists()
    for stack in stack_names(project.parent)
)


def report_of(root: Path, stack: str) -> Report:
    done = run_here("render", "--stack", stack, cwd=root)
    assert done.returncode == 0, done.stderr
    return diagnose_files([File("<stdin>", done.stdout)])


def found(report: Report) -> list[str]:
    return [f"{one.rule} {one.place} {one.message}" for one in report.diagnoses]


@pytest.mark.parametrize(
    ("root", "stack"),
    [*((ROOT, stack) for stack in stack_names(ROOT)), *EXAMPLES],
    ids=lambda value: value.name if isinstance(value, Path) else value,
)
def test_the_manifests_of_this_repository_s_stacks_and_examples_alone_have_no_fault(root, stack):
    report = report_of(root, stack)
    assert found(report) == []
    assert report.seen, "what is not seen is not judged"


PASSWORD = {"secret": "broker-v1", "key": "password"}
REDIS = {"address": "redis.brokers:6379", "password": PASSWORD}
# By name: the worker, and the transport of which ebbtide makes the triggers.
CONSUMERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "symfony": (
        {"kind": "symfonyMessenger", "receivers": ["high", "mail"]},
        {"kind": "redis", "stream": ["high", "mail"], **REDIS},
    ),
    "celery": (
        {"kind": "celery", "app": "shop", "queues": ["high", "mail"]},
        {"kind": "celeryRedis", "queue": ["high", "mail"], "visibilityTimeout": "10m", **REDIS},
    ),
    "celery with a key of its own": (
        {"kind": "celery", "app": "shop", "queues": ["mail"]},
        {"kind": "celeryRedis", "queue": "mail", "unackedKey": "shop-in-hand", "visibilityTimeout": "10m", **REDIS},
    ),
    "celery on RabbitMQ": (
        {"kind": "celery", "app": "shop", "queues": ["mail"]},
        {
            "kind": "rabbitmq",
            "queue": "mail",
            "address": "rabbitmq.brokers:15672",
            "username": PASSWORD,
            "password": PASSWORD,
        },
    ),
    "laravel": (
        {"kind": "laravelQueue", "queues": ["high", "mail"]},
        {"kind": "laravelRedis", "queue": ["high", "mail"], **REDIS},
    ),
    "sidekiq": (
        {"kind": "sidekiq", "queues": ["mail"]},
        {"kind": "sidekiqRedis", "queue": "mail", **REDIS},
    ),
    "bullmq": (
        {"kind": "bullmq", "command": ["node", "worker.js"], "queues": ["mail"]},
        {"kind": "bullmqRedis", "queue": "mail", **REDIS},
    ),
}
# Sidekiq keeps what is in hand under no fixed name, which no trigger can count: what is said of it is true.
TRUE = {"sidekiq": ["D-5d"]}


@pytest.mark.parametrize("name", CONSUMERS)
def test_the_triggers_that_ebbtide_derives_count_what_these_workers_take(name, tmp_path):
    worker, transport = CONSUMERS[name]
    consumer = {
        "image": "registry.example/consumers/shop:1",
        "worker": worker,
        "transport": transport,
        "shutdown": {"longestMessage": "1m"},
        "autoscaling": {"kind": "keda", "maxReplicas": 6},
        "network": {"egress": [{"namespace": "brokers", "ports": [5672, 6379, 15672]}]},
    }
    cluster = {"kind": "existing", "platform": "gkeStandard", "kubernetesVersion": "1.34", "keda": "existing"}
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    settings = {"config": {"ebbtide:cluster": cluster, "ebbtide:consumers": {"shop": consumer}}}
    (tmp_path / "Pulumi.dev.yaml").write_text(yaml.safe_dump(settings))
    report = report_of(tmp_path, "dev")
    assert [one.rule for one in report.diagnoses] == TRUE.get(name, []), found(report)
    assert report.seen[0].startswith("Deployment shop: ")


def scaled(queue: str, *lists: str, formula: str = "") -> str:
    triggers = [
        {"type": "redis", "name": f"t{at}", "metadata": {"address": "redis:6379", "listName": one, "listLength": "5"}}
        for at, one in enumerate(lists)
    ]
    advanced = {"advanced": {"scalingModifiers": {"formula": formula, "target": "5"}}} if formula else {}
    spec = {"scaleTargetRef": {"name": "shop"}, "triggers": triggers, **advanced}
    name = {"metadata": {"name": "shop"}}
    pod = {"containers": [{"name": "w", "image": "shop:1", "command": queue.split()}]}
    return yaml.safe_dump_all(
        [
            {"apiVersion": "apps/v1", "kind": "Deployment", **name, "spec": {"template": {"spec": pod}}},
            {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", **name, "spec": spec},
        ]
    )


CELERY = "celery -A shop worker -Q mail"
LARAVEL = "php artisan queue:work --queue=mail"


@pytest.mark.parametrize(
    ("text", "spoken"),
    [
        (scaled(CELERY, "mail", "unacked"), set()),
        (scaled(CELERY, "mail", "unacked", formula="t0 + t1"), set()),
        (scaled(CELERY, "mail", "unacked", formula="t0"), {"D-5d"}),
        (scaled(CELERY, "mail", "in-hand", formula="t0 + t1"), set()),
        (scaled(CELERY, "mail", "in-hand"), {"D-5d", "D-5f"}),
        (scaled(CELERY, "mial", "unacked", formula="t0 + t1"), {"D-5f"}),
        (scaled(LARAVEL, "queues:mail", "queues:mail:reserved"), set()),
        (scaled(LARAVEL, "queues:mail", "queues:mail:delayed"), {"D-5d"}),
        (scaled(LARAVEL, "queues:mail", "queues:other:reserved"), {"D-5f"}),
        (scaled("bundle exec sidekiq -q mail", "queue:mail", "schedule", "retry"), {"D-5d"}),
        (scaled("bundle exec sidekiq -q mail", "mail"), {"D-5d", "D-5f"}),
    ],
)
def test_a_trigger_on_what_is_in_hand_is_no_other_queue_and_one_on_another_queue_still_is(text, spoken):
    rules = {one.rule for one in diagnose_files([File("shop.yaml", text)]).diagnoses}
    assert rules & {"D-5d", "D-5f"} == spoken
