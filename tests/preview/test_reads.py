"""Which queues a command line reads, and where the variables of a pod say that they are."""

from __future__ import annotations

from typing import Any

import pytest

from ebbtide.preview.reads import ALL, DEFAULT, broker_addresses, concurrency_of, queues_of


@pytest.mark.parametrize(
    ("command", "queues"),
    [
        ("php bin/console messenger:consume events mail --limit=100", ("events", "mail")),
        ("php bin/console messenger:consume -q events", ("events",)),
        ("php bin/console messenger:consume --all --exclude-receivers=failed", (ALL, "every one but failed")),
        ("/venv/bin/celery -A shop worker --queues=mail,push --pool=prefork", ("mail", "push")),
        ("celery -A shop worker -Q mail,push", ("mail", "push")),
        ("python -m celery -A shop worker -Qmail", ("mail",)),
        ("celery -A shop beat", ()),
        ("bundle exec sidekiq --concurrency 5 --queue critical,2 -q mail", ("critical", "mail")),
        ("php artisan queue:work redis --queue=high,low --sleep=3", ("high", "low", "connection redis")),
        ("php artisan queue:work", (DEFAULT,)),
        ("celery -A shop worker", (DEFAULT,)),
        ("php bin/console other:command -q events", ()),
        ("node worker.js --queue=mail", ()),
        ("sidekiq -q", (DEFAULT,)),
        ("", ()),
    ],
)
def test_the_queues_of_a_command_line(command: str, queues: tuple[str, ...]) -> None:
    assert queues_of(tuple(command.split())) == queues


@pytest.mark.parametrize(
    ("command", "messages"),
    [
        ("celery -A shop worker --concurrency=8", 8),
        ("celery -A shop worker -c 4 -Q mail", 4),
        ("bundle exec sidekiq -c10", 10),
        ("celery -A shop worker -P solo -c 4", 1),
        ("php bin/console messenger:consume events -c 3", 1),
        ("php bin/console messenger:consume events --concurrency=3", 3),
        ("php artisan queue:work", 1),
        # Told by what nobody sees here: its configuration, its node, or itself.
        ("celery -A shop worker", None),
        ("celery -A shop worker --concurrency=many", None),
        ("celery -A shop worker -c 4 --autoscale=8,2", None),
        ("bundle exec sidekiq", None),
        ("node worker.js --concurrency=9", None),
    ],
)
def test_how_many_messages_a_command_line_takes_at_once(command: str, messages: int | None) -> None:
    assert concurrency_of(tuple(command.split())) == messages


SECRET = {"secretKeyRef": {"name": "broker-v1", "key": "dsn"}}


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        ({"MESSENGER_TRANSPORT_DSN": "redis://:hidden@a:6379/events"}, {"MESSENGER_TRANSPORT_DSN": "a:6379/events"}),
        (
            {"MESSENGER_TRANSPORT_DSN": "doctrine://default?queue_name=mail&auto_setup=0"},
            {"MESSENGER_TRANSPORT_DSN": "default?queue_name=mail"},
        ),
        ({"CELERY_BROKER_URL": "amqp://a:5672//"}, {"CELERY_BROKER_URL": "a:5672//"}),
        ({"BROKER_DSN": SECRET}, {"BROKER_DSN": "Secret broker-v1"}),
        (
            {"BROKER_DSN": SECRET, "MESSENGER_TRANSPORT_DSN": "$(BROKER_DSN)/events"},
            {"BROKER_DSN": "Secret broker-v1", "MESSENGER_TRANSPORT_DSN": "Secret broker-v1"},
        ),
        ({"BROKER_URL": "$(BROKER_URL)"}, {}),
        ({"REDIS_URL": "redis://a:6379/0"}, {"REDIS_URL": "a:6379/0"}),
        ({"REDIS_URL": "redis://a:6379/0", "BROKER_URL": "amqp://b"}, {"BROKER_URL": "b"}),
        ({"CACHE_DSN": "redis://a:6379", "CELERY_RESULT_BACKEND": "redis://a:6379", "REDIS_PASSWORD": SECRET}, {}),
        (
            {"BROKER_URL": None, "QUEUE_NAME": "mail", "QUEUE_CONNECTION": "redis"},
            {"QUEUE_NAME": "mail", "QUEUE_CONNECTION": "redis"},
        ),
    ],
)
def test_where_the_broker_is(environment: dict[str, Any], said: dict[str, str]) -> None:
    assert {name: str(found) for name, found in broker_addresses(environment).items()} == said


def test_another_password_is_no_other_broker() -> None:
    before, after = (broker_addresses({"BROKER_URL": f"redis://:{word}@a:6379/0"}) for word in ("one", "two"))
    assert before == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("redis://a/0", "redis://a:6379/0"),
        ("redis://a/0", "rediss://a/0"),
        ("amqp://a:5672/", "amqp://u:pa/ss?w@a"),
        # What a plan shows in place of a password.
        ("redis://:[secret]@a:6379/0", "redis://:other@a:6379/0"),
    ],
)
def test_another_spelling_is_no_other_broker(before: str, after: str) -> None:
    assert broker_addresses({"BROKER_URL": before}) == broker_addresses({"BROKER_URL": after})


@pytest.mark.parametrize("address", ["redis://[::1", "redis://[secret]", "amqp://", "redis://:se/cret@a/q?x=[secret]"])
def test_an_address_that_nobody_can_read_is_no_traceback_and_shows_no_password(address: str) -> None:
    assert "se/cret" not in str(broker_addresses({"BROKER_URL": address}))


def test_the_address_of_a_page_is_none_of_a_broker() -> None:
    assert broker_addresses({"QUEUE_DASHBOARD_URL": "https://queues.example/x"}) == {}
    assert broker_addresses({"QUEUE_URL": "https://sqs.eu-west-1.amazonaws.com/1/mail"}) != {}
