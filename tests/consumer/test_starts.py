"""Starts, rotations and failures, with real supervisord 4.3.0."""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest
from tests.consumer.conftest import until

if TYPE_CHECKING:
    from tests.consumer.conftest import Container

WORKERS = 5


def test_the_probes_follow_the_start(container: Container) -> None:
    container.start(*container.command(), PROCESSES=WORKERS)
    container.until_event("workersReady", ready=WORKERS)
    # The line is written right after the event.
    until(lambda: container.run("healthcheck", "startup").returncode == 0, "the startup probe")
    assert container.run("healthcheck", "readiness").returncode == 0
    assert container.run("healthcheck", "liveness").returncode == 0


def test_a_worker_that_reaches_its_limit_starts_again_and_is_no_failure(container: Container) -> None:
    container.start(*container.command("--messages", "1", "--message-seconds", "0.1"), PROCESSES=2)
    until(lambda: len(container.events("workerEnded", outcome="rotated")) >= 6, "rotations")
    assert container.events("startsHeld") == [], "a healthy pod was held back"
    assert container.events("workerEnded", outcome="failed") == []


def test_a_worker_that_rotates_at_once_does_not_become_a_fork_loop(container: Container) -> None:
    container.start("sh", "-c", "exit 0", PROCESSES=2)
    began_at = time.monotonic()
    until(lambda: len(container.events("workerStarted")) >= 6, "rotations")
    starts, seconds = len(container.events("workerStarted")), time.monotonic() - began_at
    assert starts <= 2 * (seconds + 2), f"{starts} starts in {seconds:.1f} s"


@pytest.mark.runtime
def test_workers_whose_broker_is_away_wait_behind_one_probe_and_come_back_together(container: Container) -> None:
    container.start(*container.command("--needs", str(container.broker)), PROCESSES=WORKERS)
    container.until_event("workersReady")
    container.broker.unlink()
    until(lambda: len(container.events("workerStarted", probe=True)) >= 2, "two probes")
    assert len(container.events("workerEnded", outcome="failed")) >= WORKERS
    assert container.run("healthcheck", "liveness").returncode == 0, "a restart does not bring the broker back"
    assert container.run("healthcheck", "readiness").returncode == 1
    container.broker.touch()
    container.until_event("startsReleased")
    until(lambda: len(container.events("workersReady")) == 2, "all workers to consume again")
    since = container.log.partition('"event":"startsReleased"')[2]
    assert since.count('"event":"workerStarted"') <= WORKERS, "more than each worker once"
    container.terminate()
    assert container.wait() == 0, "failures of an outage that is over say nothing about the drain"


def test_a_drain_during_an_outage_waits_for_nobody(container: Container) -> None:
    container.start(*container.command("--needs", str(container.broker)), PROCESSES=WORKERS)
    container.until_event("workersReady")
    container.broker.unlink()
    container.until_event("startsHeld")
    until(lambda: len(container.events("workerEnded", outcome="failed")) >= WORKERS, "all to fail")
    container.terminate()
    assert container.wait() in (0, 3)  # 3 when a probe was just failing
    assert container.events("drainEnded", running=0)


def test_one_killed_worker_is_replaced_and_the_others_do_not_notice(container: Container) -> None:
    container.start(*container.command(), PROCESSES=WORKERS)
    container.until_event("workersReady")
    victim = container.events("workerStarted", worker=2)[0]["pid"]
    os.kill(victim, signal.SIGKILL)
    container.until_event("workerEnded", worker=2, outcome="killed", signal="SIGKILL")
    container.until_event("workerStarted", worker=2, again=True)
    assert len(container.events("workerEnded")) == 1


@pytest.mark.parametrize("command", [["sh", "-c", "exit 127"], ["sh", "-c", "exec /bin/no-such-program"]])
def test_a_program_that_cannot_be_executed_ends_the_container(container: Container, command: list[str]) -> None:
    assert container.start(*command, PROCESSES=WORKERS).wait() == 4
    assert "cannot be executed" in container.events("gaveUp")[0]["reason"]


def test_a_program_that_ends_as_if_it_had_found_the_stop_file_does_not_become_a_fork_loop(container: Container) -> None:
    # The first lives long enough to let the others start.
    container.start("sh", "-c", "mkdir first 2>&1 && sleep 1; exit 37", PROCESSES=WORKERS, START_DEADLINE_SECONDS=3)
    assert container.wait() == 5
    starts = len(container.events("workerStarted"))
    assert starts <= WORKERS + 3, f"{starts} starts in 3 s: 37 means the stop file only while there is one"


@pytest.mark.runtime
def test_a_system_that_allows_no_more_processes_is_asked_seldom(container: Container) -> None:
    main = container.patched("""
        import errno
        from supervisor.options import ServerOptions
        def fork(self):
            raise OSError(errno.EAGAIN, "no more processes")
        ServerOptions.fork = fork
    """)
    container.start(*container.command(), main=main, PROCESSES=WORKERS, START_DEADLINE_SECONDS=3)
    assert container.wait() == 5
    attempts = container.events("workerNotStarted")
    assert 1 <= len(attempts) <= 4, f"{len(attempts)} attempts in 3 s take the core that is left"
    assert "Too many processes" in attempts[0]["reason"]


@pytest.mark.runtime
def test_workers_that_never_become_ready_end_the_container_at_the_deadline(container: Container) -> None:
    container.start("sh", "-c", "echo no such receiver >&2; exit 1", PROCESSES=WORKERS, START_DEADLINE_SECONDS=3)
    assert container.wait() == 5
    assert "no worker became ready within 3 s" in container.events("gaveUp")[0]["reason"]
    assert "no such receiver" in container.log, "the worker's own words did not reach the log"


def test_a_busy_worker_that_never_sleeps_does_not_hold_the_others_back(container: Container) -> None:
    # Ends by itself should this test be killed: two of these take a machine with two cores.
    container.start("sh", "-c", "ulimit -t 20; while :; do :; done", PROCESSES=2)
    until(lambda: len(container.events("workerStarted")) == 2, "the second worker")


def test_a_signal_that_rereads_the_configuration_changes_nothing(container: Container) -> None:
    container.start(*container.command(), PROCESSES=WORKERS)
    container.until_event("workersReady")
    assert container.process is not None
    container.process.send_signal(signal.SIGHUP)
    container.process.send_signal(signal.SIGUSR2)
    time.sleep(1.5)
    assert container.events("workerEnded") == [], "workers were ended for a file that cannot have changed"
    container.terminate()
    assert container.wait() == 0


def test_every_event_says_when_and_what(container: Container) -> None:
    container.start(*container.command("--messages", "2"), PROCESSES=2)
    container.until_event("workerEnded")
    container.terminate()
    container.wait()
    for line in container.log.splitlines():
        assert line.startswith('{"time":"20'), f"a line that a log reader cannot take apart: {line}"
    ended = container.events("workerEnded")[0]
    assert set(ended) == {"time", "event", "worker", "outcome", "status", "seconds"}


def test_many_workers_start_and_drain(container: Container) -> None:
    script = "trap 'exit 0' TERM; sleep 100 & wait"
    container.start("sh", "-c", script, PROCESSES=100)
    until(lambda: len(container.events("workerStarted")) == 100, "100 workers")
    time.sleep(0.5)
    container.terminate()
    container.wait()
    assert container.events("drainEnded", running=0)
