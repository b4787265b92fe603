"""The helper: does what needs a network, and whatever befalls it no worker notices."""

from __future__ import annotations

import contextlib
import datetime as dt
import os
import signal
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ebbtide_supervisor.metric_texts import METRICS, most_series
from tests.consumer.conftest import PATIENCE_SECONDS, full_log, until
from tests.consumer.scraping import scrape
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.consumer.conftest import Container

WORKERS = 3
TELLING = ("--tell", "--message-seconds", "0.3")


def with_metrics(container: Container, *options: str, **variables: object) -> int:
    """A container that serves metrics, once it does."""
    port = free_port()
    container.start(*container.command(*options), PROCESSES=WORKERS, METRICS_PORT=port, **variables)
    container.until_event("workersReady")
    # PID 1 writes the line before the helper is told.
    until(lambda: scrape(port).get('ebbtide_workers{state="ready"}') == WORKERS, "an answer that says so")
    return port


def helpers(container: Container) -> list[int]:
    mark = f"{container.image}/helper".encode()
    found = []
    for process in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if process.name.isdigit() and mark in (process / "cmdline").read_bytes().split(b"\0"):
                found.append(int(process.name))
    return found


def test_nothing_that_needs_a_network_runs_where_nobody_asks_for_it(container: Container) -> None:
    container.start(*container.command(), PROCESSES=1)
    container.until_event("workersReady")
    assert not helpers(container)
    assert not (container.state / "snapshot").exists()


def test_a_scrape_says_what_the_workers_do(container: Container) -> None:
    port = with_metrics(container, *TELLING)
    until(lambda: scrape(port).get('ebbtide_messages_total{outcome="handled"}', 0) > 2 * WORKERS, "messages")
    # Taken apart by who is ready, and by who has what in flight.
    series = scrape(port)
    assert series['ebbtide_workers{state="ready"}'] == WORKERS
    assert series["ebbtide_starts_held"] == 0
    assert series["ebbtide_worker_progress"] == 1
    assert 0 <= series["ebbtide_messages_in_flight"] <= WORKERS
    assert series["ebbtide_drain_in_progress"] == 0
    assert series['ebbtide_build_info{version="1",worker_kind="command",worker_start="exec"}'] == 1
    handled = series['ebbtide_messages_total{outcome="handled"}']
    assert series["ebbtide_message_duration_seconds_count"] == handled
    assert series['ebbtide_message_duration_seconds_bucket{le="0.25"}'] == 0
    assert series['ebbtide_message_duration_seconds_bucket{le="0.5"}'] == handled
    assert series["ebbtide_message_duration_seconds_sum"] == pytest.approx(handled * 0.3)
    # All but that of `recover`, which is off, and the two of the memory, which nobody has looked at yet.
    assert len(series) == most_series(5) - 3, "what is stated of the cost of a pod is not what it costs"
    late = {metric.name for metric in METRICS if metric.needs == "recover" or metric.unit == "bytes"}
    names = {metric.name for metric in METRICS if metric.type != "histogram"} - late
    assert names <= {name.partition("{")[0] for name in series}


def test_what_workers_do_not_tell_is_absent_and_not_0(container: Container) -> None:
    port = with_metrics(container)
    series = scrape(port)
    assert series['ebbtide_workers{state="ready"}'] == WORKERS
    assert series["ebbtide_worker_progress"] == 0
    assert not [name for name in series if name.startswith("ebbtide_message")], "a number that nobody has counted"


def test_a_drain_is_seen_while_it_lasts(container: Container) -> None:
    release = container.directory / "release"
    port = with_metrics(container, "--tell", "--message-seconds", "0", "--held-by", str(release))
    until(lambda: scrape(port).get("ebbtide_messages_in_flight") == WORKERS, "every worker to be busy")
    container.terminate()
    container.until_event("drainStarted")
    series = until(lambda: (seen := scrape(port)).get("ebbtide_drain_in_progress") and seen, "a scrape in the drain")
    release.touch()
    assert series["ebbtide_drain_in_progress"] == 1
    assert 0 < series["ebbtide_drain_elapsed_seconds"] < series["ebbtide_drain_budget_seconds"] == 15
    assert container.wait() == 0


def test_a_helper_that_is_killed_comes_back_with_the_same_counts_and_no_worker_notices(container: Container) -> None:
    port = with_metrics(container, *TELLING)
    until(lambda: scrape(port).get('ebbtide_messages_total{outcome="handled"}', 0) > WORKERS, "messages")
    before = scrape(port)
    (helper,) = helpers(container)
    os.kill(helper, signal.SIGKILL)
    after = until(lambda: helper not in helpers(container) and scrape(port), "another helper")
    assert after['ebbtide_messages_total{outcome="handled"}'] >= before['ebbtide_messages_total{outcome="handled"}']
    assert not container.events("workerEnded")
    container.terminate()
    assert container.wait() == 0


def test_a_worker_that_dies_with_a_message_is_counted_as_that(container: Container) -> None:
    port = with_metrics(container, "--tell", "--message-seconds", "30")
    pid = container.events("workerStarted", worker=1)[0]["pid"]
    until(lambda: scrape(port).get("ebbtide_messages_in_flight") == WORKERS, "every worker to be busy")
    os.kill(pid, signal.SIGKILL)
    container.until_event("workerStarted", worker=1, again=True)
    # PID 1 writes the line before the helper is told, and the two may be told one after the other.
    restarted = 'ebbtide_worker_restarts_total{outcome="killed"}'
    cut_off = 'ebbtide_messages_total{outcome="cut_off"}'
    series = until(lambda: (seen := scrape(port)).get(restarted) and seen.get(cut_off) and seen, "the restart counted")
    assert series[cut_off] == 1
    assert series[restarted] == 1
    assert sum(value for name, value in series.items() if name.startswith("ebbtide_worker_restarts")) == 1


def test_starts_that_are_held_are_seen(container: Container) -> None:
    port = with_metrics(container, *TELLING, "--needs", str(container.broker))
    container.broker.unlink()
    container.until_event("startsHeld")
    assert until(lambda: scrape(port).get("ebbtide_starts_held"), "a scrape that says it") == 1
    until(lambda: scrape(port).get('ebbtide_workers{state="waiting"}', 0) > 0, "workers that wait")


ENDS = ("drainEnded", "containerEnding")


def test_a_pod_does_not_wait_for_its_helper(container: Container) -> None:
    """Stock supervisord ends one group of processes a round, which is a second: 1.06 s with a helper each time, 0.03 s
    without. Here its rounds take a minute, and a helper that the machine holds up has time to end."""
    main = container.patched("""
        from ebbtide_supervisor import plugin
        from supervisor.poller import PollPoller
        poll = PollPoller.poll
        PollPoller.poll = lambda self, timeout: poll(self, 60 * timeout)
        plugin.LAST_HELPER_SECONDS = 60
    """)
    with_metrics(container, *TELLING, main=main)
    container.terminate()
    assert container.wait() == 0
    ended_at = time.time()
    since = [dt.datetime.fromisoformat(container.events(name)[-1]["time"]).timestamp() for name in ENDS]
    assert ended_at - min(since) < 50


def test_the_helper_ends_with_the_drain_and_is_not_waited_for_after_it(container: Container) -> None:
    with_metrics(container, *TELLING)
    assert container.run("drain").returncode == 0
    until(lambda: not helpers(container), "the helper's end")
    assert container.process is not None
    assert container.process.poll() is None, "the kubelet's SIGTERM is still to come"
    container.terminate()
    assert container.wait() == 0


# Bad input


def test_a_port_that_is_taken_is_said_once_and_costs_nothing_else(container: Container) -> None:
    with socket.create_server(("", 0)) as taken:
        port = taken.getsockname()[1]
        container.start(*container.command(), PROCESSES=WORKERS, METRICS_PORT=port)
        event = container.until_event("metricsFailed")
        assert (event["port"], event["reason"]) == (port, "the port cannot be had: Address already in use")
        container.until_event("workersReady")
        container.terminate()
        assert container.wait() == 0
    assert len(container.events("metricsFailed")) == 1


@pytest.fixture
def busy_collectors() -> Iterator[list[threading.Thread]]:
    threads: list[threading.Thread] = []
    yield threads
    for thread in threads:
        thread.join()


@pytest.mark.runtime
def test_a_collector_that_never_ends_its_request_keeps_nobody_waiting(container: Container) -> None:
    port = with_metrics(container, *TELLING)
    # One of several times: where this process is held up for 5 s, the slow ones are over before it has asked.
    until(lambda: answered_beside_slow_ones(port), "a scrape that is answered before those that never end")


def answered_beside_slow_ones(port: int) -> bool:
    with contextlib.ExitStack() as stack:
        began_at = time.monotonic()
        for _ in range(5):
            slow = stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            slow.sendall(b"GET /metrics HTTP/1.1\r\nX: ")
        assert scrape(port)
        slow.setblocking(False)
        try:
            slow.recv(1)
        except BlockingIOError:
            slow.settimeout(PATIENCE_SECONDS)
            assert slow.recv(1) == b"", "a connection that nobody ends"
            assert time.monotonic() - began_at > 3, "who is a little slow is given no time"
            return True
        return False


@pytest.mark.runtime
def test_a_thousand_scrapes_a_second_are_answered_ten_a_second(
    container: Container, busy_collectors: list[threading.Thread]
) -> None:
    port = with_metrics(container, *TELLING)
    (helper,) = helpers(container)
    began_at = time.monotonic()
    answers, ends_at = [0], began_at + 3

    def hammer() -> None:
        while time.monotonic() < ends_at:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 9) as asking:
                asking.sendall(b"GET /metrics HTTP/1.1\r\n\r\n")
                answers[0] += bool(asking.recv(1))

    before = cpu_seconds(helper)
    busy_collectors.extend(threading.Thread(target=hammer) for _ in range(30))
    for thread in busy_collectors:
        thread.start()
    for thread in busy_collectors:
        thread.join()
    seconds = time.monotonic() - began_at
    # The last asks in the third second, and waits for its turn.
    assert 1 <= answers[0] <= 10 * seconds + 1
    assert cpu_seconds(helper) - before < 0.5 * seconds, "half a processor"
    assert not container.events("workerEnded")


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


REQUESTS = (
    ("GET / HTTP/1.1\r\n\r\n", "404"),
    ("POST /metrics HTTP/1.1\r\n\r\n", "405"),
    ("\r\n\r\n", "405"),
    ("\x00\xff\xfe /metrics\r\n\r\n", "405"),
    ("GET /metrics HTTP/1.1\r\nX: " + "x" * 9000, "431"),
    ("HEAD /metrics HTTP/1.1\r\n\r\n", "200"),
    ("GET /metrics?collect[]=x HTTP/1.0\r\nAccept: application/openmetrics-text\r\n\r\n", "200"),
)
LINES = ("", "1 2 3", "7 1 0 0 0.3 1 8", "x" * 500, "\x00" * 500, "-1 -1 0 0 nan 1 -1")


def test_whatever_is_asked_is_answered_and_whatever_stands_in_the_files_is_survived(container: Container) -> None:
    port = with_metrics(container, *TELLING)
    for request, status in REQUESTS:
        with socket.create_connection(("127.0.0.1", port), PATIENCE_SECONDS) as asking:
            asking.sendall(request.encode("latin-1"))
            assert asking.recv(12).decode() == f"HTTP/1.1 {status}", request[:30]
    handled = 'ebbtide_messages_total{outcome="handled"}'
    until(lambda: scrape(port).get(handled, 0) > WORKERS, "messages")
    pids = [container.events("workerStarted", worker=number)[-1]["pid"] for number in range(WORKERS)]
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    before = scrape(port)[handled]
    for line in LINES:
        for file in (*(container.state / "workers").glob("*.counts"), container.state / "snapshot"):
            file.write_text(line)
        after = scrape(port)
        assert after[handled] >= before, f"a counter that falls counts everything again: {line[:30]!r}"
        assert after['ebbtide_workers{state="ready"}'] == WORKERS
    for pid in pids:
        os.kill(pid, signal.SIGCONT)
    assert not container.events("internalError")
    assert not container.events("workerEnded")


def test_what_a_worker_cannot_have_written_is_no_message_and_nobody_s_fault(container: Container) -> None:
    port = with_metrics(container, "--tell", "--message-seconds", "60")
    until(lambda: scrape(port).get("ebbtide_messages_in_flight") == WORKERS, "every worker to be busy")
    workers = container.state / "workers"
    (workers / "99").touch()  # nobody has this number
    os.utime(workers / "0", (0, time.time() + 3600))  # a clock that was set back
    (workers / "1").unlink()
    (workers / "1").symlink_to("nowhere")
    series = until(lambda: scrape(port), "a scrape")
    assert series["ebbtide_messages_in_flight"] == WORKERS - 1
    assert 0 <= series["ebbtide_oldest_message_seconds"] < 60
    os.utime(workers / "2", (0, time.time() - 3600))  # a worker that hangs, or whose file nobody has touched since
    until(lambda: scrape(port).get("ebbtide_oldest_message_seconds", 0) >= 3600, "a scrape that says how old it is")
    container.until_event("messageOverdue", worker=2)
    assert not container.events("internalError")
    assert not container.events("workerEnded")


def test_a_log_that_is_full_keeps_neither_the_helper_nor_a_worker(container: Container) -> None:
    read_fd, write_fd = full_log()
    port = free_port()
    # `recover` has no transport here, which it says: to a log that takes nothing.
    said = {"PROCESSES": WORKERS, "METRICS_PORT": port, "RECOVER_AFTER_SECONDS": 60}
    container.variables |= {f"EBBTIDE_{name}": str(value) for name, value in said.items()}
    container.process = container.popen("entrypoint", *container.command(*TELLING), stdout=write_fd)
    os.close(write_fd)
    until(lambda: scrape(port).get('ebbtide_messages_total{outcome="handled"}', 0) > 2 * WORKERS, "messages")
    container.terminate()
    assert container.wait() == 0
    os.close(read_fd)


def test_a_fault_of_the_helper_is_an_event_and_nothing_else(container: Container) -> None:
    (container.image / "transports.json").write_text("{")
    try:
        container.start(*container.command(), PROCESSES=1, RECOVER_AFTER_SECONDS=60)
        event = container.until_event("internalError", program="helper")
        assert event["job"] == "recover"
        container.until_event("workersReady")
        container.terminate()
        assert container.wait() == 0
    finally:
        (container.image / "transports.json").unlink()
