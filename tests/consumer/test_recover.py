"""Killed messages come back from Redis all at once, and nothing that is still being handled is taken."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from ebbtide_supervisor.image_facts import Transport
from ebbtide_supervisor.recover import (
    MOST_RECOVERIES,
    drop_acknowledged,
    forget_consumers,
    parked_of,
    recover_stream,
)
from ebbtide_supervisor.redis_client import Redis, RedisError, Stream
from tests.consumer.conftest import until
from tests.consumer.scraping import scrape
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.consumer.conftest import Container


NAME = "%env(MESSENGER_CONSUMER_NAME)%"


@pytest.mark.parametrize(
    ("dsn", "options", "expected"),
    [
        ("redis://redis", {}, ("redis", 6379, False, (), 0, "messages", "symfony", False)),
        ("redis://redis:7000/s/g/c", {"stream": "x"}, ("redis", 7000, False, (), 0, "s", "g", False)),
        ("redis://redis", {"stream": "s", "group": "g"}, ("redis", 6379, False, (), 0, "s", "g", False)),
        ("redis://se%40cret@redis", {}, ("redis", 6379, False, ("se@cret",), 0, "messages", "symfony", False)),
        ("redis://user:word@redis", {}, ("redis", 6379, False, ("user", "word"), 0, "messages", "symfony", False)),
        ("redis://default:P1/P2@h:6379/mail", {}, ("h", 6379, False, ("P1/P2",), 0, "mail", "symfony", False)),
        ("redis://user:a:b/c@h/s/g", {}, ("h", 6379, False, ("user", "a:b/c"), 0, "s", "g", False)),
        ("redis://:wo%2540rd@[::1]:7000", {}, ("::1", 7000, False, ("wo@rd",), 0, "messages", "symfony", False)),
        ("redis://redis", {"auth": "word"}, ("redis", 6379, False, ("word",), 0, "messages", "symfony", False)),
        ("rediss://redis", {"dbindex": "2"}, ("redis", 6379, True, (), 2, "messages", "symfony", False)),
        (
            "redis://redis",
            {"delete_after_ack": True},
            ("redis", 6379, False, (), 0, "messages", "symfony", True),
        ),
        ("redis://redis?tls=1", {"tls": "1"}, ("redis", 6379, True, (), 0, "messages", "symfony", False)),
        # What only a worker knows, its own name, is nothing that is needed here.
        (f"redis://redis/s/g/{NAME}", {"consumer": NAME}, ("redis", 6379, False, (), 0, "s", "g", False)),
        (f"redis://redis?consumer={NAME}", {}, ("redis", 6379, False, (), 0, "messages", "symfony", False)),
        ("redis://redis/s", {"stream": "%env(Q)%"}, ("redis", 6379, False, (), 0, "s", "symfony", False)),
        ("redis://u@redis", {"auth": "%env(P)%"}, ("redis", 6379, False, ("u",), 0, "messages", "symfony", False)),
    ],
)
def test_a_transport_is_read_as_symfony_reads_it(dsn: str, options: dict[str, Any], expected: tuple[Any, ...]) -> None:
    assert Stream.of(Transport("events", dsn, options)) == Stream(*expected)


@pytest.mark.parametrize("dsn", ["redis:///run/redis.sock", "redis://a:1,b:2", "%env(DSN)%", "redis:?host[a]"])
def test_a_transport_that_cannot_be_read_is_refused(dsn: str) -> None:
    with pytest.raises(ValueError, match="only one Redis server"):
        Stream.of(Transport("events", dsn, {}))


@pytest.mark.parametrize(
    ("dsn", "options"),
    [
        ("%env(DSN)%", {}),
        ("redis://%env(HOST)%:6379/events", {}),
        ("redis://redis:%env(PORT)%", {}),
        ("redis://u:%env(PASSWORD)%@redis", {}),
        ("redis://redis/%env(Q)%", {}),
        ("redis://redis/s/%env(GROUP)%", {}),
        ("redis://redis", {"stream": "%env(Q)%"}),
        ("redis://redis", {"stream": "mail-%env(Q)%"}),
        ("redis://redis/s", {"group": "%env(GROUP)%"}),
        ("redis://redis", {"auth": "%env(PASSWORD)%"}),
        ("redis://redis", {"dbindex": "%env(DB)%"}),
        ("redis://redis", {"tls": "%env(TLS)%"}),
    ],
)
def test_a_stream_that_only_a_variable_names_is_told_once_and_not_asked_for_by_that_name(
    dsn: str, options: dict[str, str]
) -> None:
    with pytest.raises(ValueError, match="a variable is not set here"):
        Stream.of(Transport("events", dsn, options))


@pytest.mark.parametrize(
    "dsn",
    [
        *("redis://u:PASSWORD@h:port", "redis://u:PASSWORD@[h", "redis://u:PASSWORD@a:1,b:2", "redis:u:PASSWORD@"),
        *("amqp://u:PASSWORD@h", "redis://u:PASSWORD@", "redis://u:PASSWORD@h\u2100x", "redis://u:PASSWORD@h:99999999"),
    ],
)
def test_an_address_that_cannot_be_read_is_refused_without_a_word_of_it(dsn: str) -> None:
    with pytest.raises(ValueError, match="Redis server") as caught:
        Stream.of(Transport("events", dsn, {}))
    assert "PASSWORD" not in "".join(traceback.format_exception(caught.value)).replace(dsn, "")
    assert "PASSWORD" not in str(caught.value)


def test_a_server_that_repeats_the_password_in_its_refusal_does_not_bring_it_into_a_log() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def refuse() -> None:
            connection, _ = listening.accept()
            connection.recv(1024)
            connection.sendall(b"-ERR unknown command 'AUTH', with args beginning with: 'PASSWORD'\r\n")
            connection.close()

        thread = threading.Thread(target=refuse)
        thread.start()
        address = Transport("events", f"redis://:PASSWORD@127.0.0.1:{listening.getsockname()[1]}", {})
        with pytest.raises(RedisError) as caught:
            Redis(Stream.of(address))
        thread.join()
    assert str(caught.value) == "the server refuses the credentials (ERR)"


@pytest.fixture(scope="module")
def stream() -> Iterator[Stream]:
    """A real Redis on a free port, gone with the tests."""
    from tests.runtime.lab import machine  # installs what is missing

    try:
        machine.prepare(machine.FAST)
    except machine.UnavailableError as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must run this: {reason}", pytrace=False)
        pytest.skip(f"NOT RUN: {reason}")
    port = free_port()
    directory = tempfile.mkdtemp(prefix="ebbtide-redis-")
    argv = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", directory]
    server = subprocess.Popen(argv, stdout=subprocess.DEVNULL)
    made = Stream("127.0.0.1", port, False, (), 0, "events", "workers", True)
    until(lambda: answers(made), "Redis")
    yield made
    server.terminate()
    server.wait()
    shutil.rmtree(directory)


def answers(stream: Stream) -> bool:
    try:
        Redis(stream).close()
    except OSError:
        return False
    return True


@pytest.fixture
def redis(stream: Stream) -> Iterator[Redis]:
    connection = Redis(stream)
    connection.run("FLUSHALL")
    connection.run("XGROUP", "CREATE", stream.stream, stream.group, "0", "MKSTREAM")
    yield connection
    connection.close()


def take(redis: Redis, stream: Stream, consumer: str, count: int) -> list[Any]:
    """What a worker does: read messages that nobody has yet."""
    answer = redis.run(
        *("XREADGROUP", "GROUP", stream.group, consumer, "COUNT", str(count), "STREAMS", stream.stream, ">"),
    )
    return answer[0][1] if answer else []


def handle(redis: Redis, stream: Stream, consumer: str) -> None:
    """One message from the queue to its acknowledgement."""
    ((identity, _),) = take(redis, stream, consumer, 1)
    redis.run("XACK", stream.stream, stream.group, identity)


def send(redis: Redis, stream: Stream, count: int) -> None:
    for number in range(count):
        redis.run("XADD", stream.stream, "*", "message", json.dumps({"body": f"{number} ü"}))


@pytest.mark.runtime
def test_all_killed_messages_come_back_at_once_as_they_were(redis: Redis, stream: Stream) -> None:
    send(redis, stream, 8)
    lost = take(redis, stream, "dead", 8)
    time.sleep(0.15)
    assert recover_stream(redis, stream, 100) == (8, 0, 0)
    back = take(redis, stream, "alive", 100)
    assert [fields[2:] for _, fields in back] == [fields for _, fields in lost]
    assert [fields[:2] for _, fields in back] == [[b"ebbtide-recovered", b"1"]] * 8
    assert redis.run("XLEN", stream.stream) == 8, "the originals are still there"
    assert redis.run("XPENDING", stream.stream, stream.group)[0] == 8, "they are pending twice"
    assert take(redis, stream, "alive", 100) == []


@pytest.mark.runtime
def test_a_message_that_may_still_be_handled_is_not_taken(redis: Redis, stream: Stream) -> None:
    send(redis, stream, 5)
    held = take(redis, stream, "busy", 5)
    assert recover_stream(redis, stream, 60_000) == (0, 0, 0)
    assert redis.run("XPENDING", stream.stream, stream.group, "-", "+", "10", "busy")[0][0] == held[0][0]


@pytest.mark.runtime
def test_a_message_that_kills_every_worker_is_put_aside_and_the_others_are_not(redis: Redis, stream: Stream) -> None:
    send(redis, stream, 1)
    for _ in range(MOST_RECOVERIES):
        ((_, poison),) = take(redis, stream, "dead", 1)
        time.sleep(0.01)
        assert recover_stream(redis, stream, 5) == (1, 0, 0)
    send(redis, stream, 1)
    take(redis, stream, "dead", 2)
    time.sleep(0.01)
    assert recover_stream(redis, stream, 5) == (1, 1, 1)
    ((_, other),) = take(redis, stream, "alive", 10)
    assert b"message" in other
    assert redis.run("XLEN", stream.stream) == 1
    ((_, parked),) = redis.run("XRANGE", parked_of(stream), "-", "+")
    assert parked == [word for word in poison if word not in (b"ebbtide-recovered", b"4")], "as the application sent it"
    assert recover_stream(redis, stream, 60_000) == (0, 0, 1), "it is told of until somebody has looked at it"


@pytest.mark.runtime
def test_names_of_workers_that_are_gone_are_forgotten_and_no_message_with_them(redis: Redis, stream: Stream) -> None:
    """Each pod brings names of its own; one that is deleted with messages pending takes them along."""
    send(redis, stream, 4)
    take(redis, stream, "holds-one", 1)
    for name in ("gone-0", "gone-1"):
        handle(redis, stream, name)
    # So long that nothing holds the next two lines up for as long.
    time.sleep(4.1)
    handle(redis, stream, "works")
    assert forget_consumers(redis, stream, 4000) == 2
    left = redis.run("XINFO", "CONSUMERS", stream.stream, stream.group)
    assert sorted(fields[1] for fields in left) == [b"holds-one", b"works"]
    assert redis.run("XPENDING", stream.stream, stream.group)[0] == 1


@pytest.mark.runtime
def test_what_was_acknowledged_and_not_deleted_is_dropped_and_nothing_else(redis: Redis, stream: Stream) -> None:
    """A broker that did not answer for a minute left 11 of 32 such entries: KEDA never came to zero."""
    send(redis, stream, 6)
    handle(redis, stream, "works")
    in_hand = take(redis, stream, "works", 2)
    handle(redis, stream, "works")
    first = drop_acknowledged(redis, stream, frozenset())
    assert (len(first), redis.run("XLEN", stream.stream)) == (2, 6), "a living worker was about to delete it"
    handle(redis, stream, "works")
    second = drop_acknowledged(redis, stream, first)
    assert (len(second), redis.run("XLEN", stream.stream)) == (1, 4)
    drop_acknowledged(redis, stream, second)
    assert redis.run("XLEN", stream.stream) == 3, "two in hand and one that waits"
    assert redis.run("XPENDING", stream.stream, stream.group)[0] == len(in_hand)


@pytest.mark.runtime
def test_what_another_group_may_not_have_read_is_left(redis: Redis, stream: Stream) -> None:
    redis.run("XGROUP", "CREATE", stream.stream, "others", "0")
    send(redis, stream, 1)
    handle(redis, stream, "works")
    assert drop_acknowledged(redis, stream, drop_acknowledged(redis, stream, frozenset())) == frozenset()
    assert redis.run("XLEN", stream.stream) == 1


@pytest.mark.runtime
def test_two_pods_that_look_at_once_bring_each_message_back_once(redis: Redis, stream: Stream) -> None:
    send(redis, stream, 300)
    take(redis, stream, "dead", 300)
    time.sleep(1.1)
    counts: list[int] = []

    def pod() -> None:
        connection = Redis(stream)
        counts.append(recover_stream(connection, stream, 1000).moved)
        connection.close()

    pods = [threading.Thread(target=pod) for _ in range(3)]
    for thread in pods:
        thread.start()
    for thread in pods:
        thread.join()
    assert sum(counts) == 300
    assert redis.run("XLEN", stream.stream) == 300, "a message was handled twice, or lost"


@pytest.mark.runtime
def test_the_container_recovers_beside_its_workers_and_still_drains(
    container: Container, image: Path, redis: Redis, stream: Stream
) -> None:
    send(redis, stream, 3)
    take(redis, stream, "dead", 3)
    redis.run("XADD", parked_of(stream), "*", "message", "one that took five workers with it")
    dsn = f"redis://127.0.0.1:{stream.port}"
    options = {"stream": stream.stream, "group": stream.group}
    record = image / "transports.json"
    record.write_text(json.dumps({"transports": [["events", "%env(DSN)%", options]], "defaults": {}}))
    container.variables["DSN"] = dsn
    try:
        container.start(
            *container.command(),
            PROCESSES=2,
            LONGEST_MESSAGE_SECONDS=1,
            RECOVER_AFTER_SECONDS=2,
            METRICS_PORT=(port := free_port()),
        )
        container.until_event("messagesRecovered", count=3)
        until(lambda: scrape(port).get("ebbtide_messages_parked") == 1, "a scrape that tells of what was put aside")
        assert len(take(redis, stream, "alive", 10)) == 3
        container.until_event("firstWorkerReady")
        container.terminate()
        assert container.wait() == 0
    finally:
        record.unlink()


def test_what_nobody_could_look_at_is_not_said_to_be_none(container: Container, image: Path) -> None:
    record, port = image / "transports.json", free_port()
    record.write_text(json.dumps({"transports": [["events", f"redis://127.0.0.1:{free_port()}", {}]], "defaults": {}}))
    try:
        container.start(*container.command(), PROCESSES=1, RECOVER_AFTER_SECONDS=60, METRICS_PORT=port)
        container.until_event("recoverFailed")
        series = until(lambda: scrape(port), "a scrape")
        assert "ebbtide_messages_parked" not in series
        container.terminate()
        assert container.wait() == 0
    finally:
        record.unlink()


@pytest.mark.runtime
def test_a_refusal_of_the_server_is_an_error(redis: Redis) -> None:
    with pytest.raises(RedisError, match="unknown command"):
        redis.run("NOSUCHCOMMAND")
