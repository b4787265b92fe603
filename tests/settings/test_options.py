"""Options of a worker's command: what no rule knows is said, and what Symfony cannot run is refused."""

from __future__ import annotations

from typing import Any

import pytest
from tests.settings.conftest import CONSUMER

from ebbtide.judgement.findings import Finding
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.rules.check import check_stack

CELERY = {"kind": "celery", "app": "shop"}
LARAVEL = {"kind": "laravelQueue"}
SIDEKIQ = {"kind": "sidekiq"}
SYMFONY = {"kind": "symfonyMessenger", "receivers": ["mail"]}


def found(worker: dict[str, Any], **changes: Any) -> dict[str, Finding]:
    consumer = {**CONSUMER, "worker": worker, **changes}
    stack = {"name": "dev", "cluster": {"kind": "existing"}, "consumers": {"mail": consumer}}
    return {one.rule: one for one in check_stack(StackSettings.model_validate(stack))}


@pytest.mark.parametrize(
    ("worker", "argument"),
    [
        (SYMFONY, "--bus=orders"),
        (SYMFONY, "--env=dev"),
        (SYMFONY, "-edev"),
        (SYMFONY, "--somethingNewer"),
        # Several options in one word, of which the last one nobody knows.
        (SYMFONY, "-vx"),
        (CELERY, "-qX"),
        (CELERY, "--soft-time-limit=5"),
        (CELERY, "--statedb=/tmp/x"),
        (CELERY, "--purge"),
        (LARAVEL, "--force"),
        (LARAVEL, "--stop-when-empty-for=5"),
        (SIDEKIQ, "-C"),
        (SIDEKIQ, "--environment=dev"),
    ],
)
def test_an_option_that_no_rule_knows_is_not_judged(worker, argument):
    finding = found({**worker, "arguments": [argument]})["V-44b"]
    assert finding.path == ("consumers", "mail", "worker", "arguments", 0)
    assert finding.message.startswith(f"{argument.partition('=')[0]} is not judged")


@pytest.mark.parametrize(
    ("worker", "argument", "words"),
    [
        (SYMFONY, "-vl10", "is what the setting messageLimit says"),
        (SYMFONY, "-vvvl10", "is what the setting messageLimit says"),
        (CELERY, "-EB", "-B sends the whole schedule from every pod"),
        (CELERY, "-EqD", "-D ends at once"),
        (CELERY, "-Ec8", "is what the setting concurrency says"),
        (SIDEKIQ, "-vc50", "is what the setting concurrency says"),
        (SIDEKIQ, "-vt30", "-t is derived from shutdown.longestMessage"),
        (CELERY, "--include=shop.tasks", "list the modules in the application"),
        (CELERY, "-Ishop.tasks", "list the modules in the application"),
    ],
)
def test_several_options_in_one_word_are_each_judged(worker, argument, words, refuse):
    change = {"worker": {"receivers": None, "processes": 1, **worker, "arguments": [argument]}}
    message = refuse(change)
    assert "worker.arguments[0]: " in message
    assert words in message


@pytest.mark.parametrize(
    ("worker", "arguments"),
    [
        (CELERY, ["-"]),
        (SYMFONY, ["-vv", "--no-reset", "--keepalive=5", "--quiet"]),
        (CELERY, ["--loglevel=INFO", "-E", "-linfo", "-Ofair"]),
        (LARAVEL, ["--backoff=5", "-vv"]),
        (SIDEKIQ, ["-r", "./jobs.rb", "--verbose"]),
        ({"kind": "command", "command": ["/app/worker", "--anything"]}, None),
    ],
)
def test_an_option_that_leaves_a_drain_alone_is_not_said(worker, arguments):
    assert "V-44b" not in found(worker if arguments is None else {**worker, "arguments": arguments})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"arguments": ["--exclude-receivers=failed"]}, "--exclude-receivers without --all is refused by Symfony"),
        ({"arguments": ["--all"]}, "names mail, and --all consumes every transport"),
        ({"arguments": ["failed"]}, "names failed, which Symfony takes for a receiver more"),
        ({"arguments": ["-v", "messenger:stop-workers"]}, "names messenger:stop-workers"),
        ({"arguments": ["--help"]}, "--help prints a text and ends"),
        ({"arguments": ["-V"]}, "-V prints a text and ends"),
    ],
)
def test_options_with_which_no_worker_consumes_what_is_said_are_refused(change, message, refuse):
    assert message in refuse({"worker": {**SYMFONY, **change}})


@pytest.mark.parametrize(
    "transport", [{"kind": "redis"}, {"kind": "doctrine"}, {"kind": "sqs", "visibilityTimeout": "2h"}]
)
def test_queues_of_a_broker_that_has_none_are_refused(transport, refuse):
    words = refuse({"worker": {**SYMFONY, "arguments": ["--queues=high"]}, "transport": transport})
    assert f"--queues is for RabbitMQ alone, and the transport is {transport['kind']}" in words


def test_queues_of_rabbitmq_are_what_they_are():
    assert "V-44c" not in found({**SYMFONY, "arguments": ["--queues=high"]}, transport={"kind": "rabbitmq"})


@pytest.mark.parametrize(
    ("change", "is_said"),
    [
        ({"receivers": [], "arguments": ["--all"]}, True),
        ({"receivers": [], "arguments": ["--all", "--exclude-receivers=failed"]}, False),
        ({"receivers": [], "arguments": ["--all", "--exclude-receivers", "failed"]}, False),
        ({"receivers": [], "arguments": ["--all", "--exclude-receivers=low", "--exclude-receivers=failed"]}, False),
        # Another transport that is left out is not the one of failures.
        ({"receivers": [], "arguments": ["--all", "--exclude-receivers=low"]}, True),
        ({"receivers": ["mail", "failed"]}, True),
        ({"receivers": ["mail_failed"]}, True),
        ({"receivers": ["failures"]}, True),
        ({"receivers": ["mail", "payment_failover"]}, False),
        ({"receivers": ["mail"]}, False),
    ],
)
def test_who_consumes_a_failure_transport_is_told_that_it_loses_messages(change, is_said):
    assert ("V-51b" in found({**SYMFONY, **change})) is is_said
