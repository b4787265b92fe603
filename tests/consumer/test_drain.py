"""The drain, with real supervisord 4.3.0 and workers that only pass time."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.consumer.conftest import PATIENCE_SECONDS, full_log, until

if TYPE_CHECKING:
    from tests.consumer.conftest import Container

WORKERS = 5


def busy(container: Container, *options: str, **variables: object) -> Container:
    """A container whose workers are all in the middle of a message."""
    command = container.command("--message-seconds", "1.2", *options)
    container.start(*command, PROCESSES=WORKERS, **variables)
    until(lambda: len(workers_in(container, "started")) == WORKERS, "every worker to take a message")
    return container


def held(container: Container, *options: str, **variables: object) -> Path:
    """The same, but their messages last until the file that is returned is made."""
    release = container.directory / "release"
    busy(container, "--message-seconds", "0", "--held-by", str(release), *options, **variables)
    return release


def workers_in(container: Container, what: str) -> set[str]:
    return {line.split()[1] for line in container.ledger(what)}


def assert_nothing_lost(container: Container) -> None:
    started, finished = container.ledger("started"), container.ledger("finished")
    assert len(started) == len(finished), f"{len(started) - len(finished)} messages were killed while handled"


def test_the_hook_returns_when_the_last_worker_has_ended_and_loses_nothing(container: Container) -> None:
    release = held(container)
    running = container.popen("drain", stderr=subprocess.PIPE)
    container.until_event("drainStarted")
    release.touch()
    said = running.communicate(timeout=PATIENCE_SECONDS)[1].decode()
    assert running.returncode == 0, said
    assert f"{WORKERS} stopped" in said, "the person who ran the hook is not told what happened"
    assert container.events("drainEnded")[0]["running"] == 0, "the hook returned before the workers had ended"
    assert_nothing_lost(container)
    assert len(container.ledger("started")) == WORKERS, "workers went on taking messages"
    assert container.process is not None
    assert container.process.poll() is None, (
        "the hook ended PID 1, which races with the kubelet's SIGTERM into FailedPreStopHook"
    )
    container.terminate()
    assert container.wait() == 0


def test_sigterm_alone_is_as_lossless_as_the_hook(container: Container) -> None:
    busy(container).terminate()
    assert container.wait() == 0
    assert_nothing_lost(container)
    assert container.events("drainStarted", by="SIGTERM", running=WORKERS)
    assert len(container.events("workerEnded", outcome="stopped")) == WORKERS, container.log


def test_a_hook_called_twice_asks_each_worker_once(container: Container) -> None:
    busy(container)
    hooks = [container.popen("drain", stderr=subprocess.DEVNULL) for _ in range(2)]
    assert [hook.wait(PATIENCE_SECONDS) for hook in hooks] == [0, 0]
    assert len(container.ledger("asked")) == WORKERS, "a second signal ends some programs at once"
    assert container.run("drain").returncode == 0, "a hook after the drain has nothing to wait for"
    assert_nothing_lost(container)


def test_a_hook_killed_half_way_leaves_the_drain_to_pid_1(container: Container) -> None:
    busy(container)
    hook = container.popen("drain")
    container.until_event("drainStarted")
    hook.kill()
    hook.wait()
    container.until_event("drainEnded", running=0)
    container.terminate()
    assert container.wait() == 0
    assert_nothing_lost(container)


def test_a_stop_file_without_the_rest_of_the_hook_keeps_workers_from_starting_again(container: Container) -> None:
    release = held(container, "--messages", "1")
    (container.state / "stop").touch()  # all that a hook killed at once has done
    release.touch()
    until(lambda: len(container.events("workerEnded", outcome="stopped")) == WORKERS, "workers to reach their limit")
    assert len(container.events("workerStarted")) == WORKERS, "a worker was started into the drain"
    assert container.run("healthcheck", "liveness").returncode == 0, "a drain is never a failure"
    assert container.run("healthcheck", "readiness").returncode == 0, "a drain is never a failure"
    container.terminate()
    assert container.wait() == 0


def test_workers_come_back_when_the_stop_file_goes_away_without_a_drain(container: Container) -> None:
    release = held(container, "--messages", "1")
    (container.state / "stop").touch()
    release.touch()
    until(lambda: len(container.events("workerEnded", outcome="stopped")) == WORKERS, "workers to reach their limit")
    (container.state / "stop").unlink()
    before = len(container.ledger("up"))
    until(lambda: len(container.ledger("up")) > before, "workers: the container idles silently")


def test_a_hook_before_the_start_waits_for_pid_1_and_drains_it(container: Container) -> None:
    container.state.mkdir()
    if os.getuid() == 0:
        os.chown(container.state, 10001, 10001)
    hook = container.popen("drain", stderr=subprocess.PIPE)
    until((container.state / "stop").exists, "the hook to begin with the stop file")
    container.start(*container.command(), PROCESSES=WORKERS)
    assert hook.wait(PATIENCE_SECONDS) == 0
    hook.stderr.close()  # type: ignore[union-attr]
    assert container.events("drainEnded", running=0)
    assert_nothing_lost(container)


@pytest.mark.runtime
@pytest.mark.parametrize("stopped_before", [False, True])
def test_a_hook_without_a_supervisor_says_so_and_fails(container: Container, *, stopped_before: bool) -> None:
    if stopped_before:
        busy(container).terminate()
        container.wait()
    else:
        container.state.mkdir()
    container.variables |= {
        "EBBTIDE_LONGEST_MESSAGE_SECONDS": "0",
        "EBBTIDE_STOP_WAIT_SECONDS": "1",
        "EBBTIDE_DRAIN_DEADLINE_SECONDS": "2",
    }
    hook = container.run("drain")
    assert hook.returncode == 1
    assert "PID 1 does not answer" in hook.stderr


@pytest.mark.runtime
def test_a_hook_whose_deadline_passes_fails_and_the_drain_goes_on(container: Container) -> None:
    release = held(container, LONGEST_MESSAGE_SECONDS=0, STOP_WAIT_SECONDS=100)
    # An exec'd hook has the pod's variables; here a deadline of its own stands for a pod that is slow.
    container.variables |= {"EBBTIDE_STOP_WAIT_SECONDS": "2", "EBBTIDE_DRAIN_DEADLINE_SECONDS": "3"}
    hook = container.run("drain")
    assert hook.returncode == 1
    assert "deadline passed" in hook.stderr
    assert f"{WORKERS} running" in hook.stderr
    release.touch()
    container.terminate()
    assert container.wait() == 0
    assert_nothing_lost(container)


def test_a_worker_that_ignores_the_signal_is_killed_at_the_stop_wait_and_named(container: Container) -> None:
    # The hook's own deadline is far: PID 1 is to be the one that ends it.
    late = {"DRAIN_DEADLINE_SECONDS": 90, "GRACE_SECONDS": 100}
    busy(container, "--ignore-signal", LONGEST_MESSAGE_SECONDS=0, STOP_WAIT_SECONDS=1, **late)
    hook = container.run("drain")
    assert hook.returncode == 1
    assert f"{WORKERS} killed" in hook.stderr
    killed = container.events("workerKilled")
    assert sorted(event["worker"] for event in killed) == list(range(WORKERS)), "nobody can tell whose message was lost"
    assert all(1 <= event["afterSeconds"] < 60 for event in killed), "at the stop wait, and not at the hook's deadline"
    container.terminate()
    assert container.wait() == 3, "a killed message must show in the exit status"


def test_a_command_the_worker_has_started_is_killed_with_it(container: Container) -> None:
    script = "trap '' TERM; sleep 300 & echo child $! > child; while :; do sleep 1; done"
    container.start("sh", "-c", script, PROCESSES=1, LONGEST_MESSAGE_SECONDS=0, STOP_WAIT_SECONDS=1)
    child = int(until(lambda: read(container.directory / "child"), "the worker's child").split()[1])
    container.terminate()
    assert container.wait() == 3
    until(lambda: not running(child), "the child to be gone: it would hold the container's files and memory")


def test_a_signal_goes_to_the_worker_only_and_not_to_what_it_started(container: Container) -> None:
    script = (
        "trap 'touch asked; wait $child; echo status $? > child; exit 0' TERM; "
        "(until [ -e release ]; do sleep 0.05; done) & child=$!; touch up; wait $child"
    )
    container.start("sh", "-c", script, PROCESSES=1)
    until((container.directory / "up").exists, "the worker")
    container.terminate()
    until((container.directory / "asked").exists, "the signal")
    (container.directory / "release").touch()
    assert container.wait() == 0
    assert read(container.directory / "child") == "status 0\n", "a handler that shells out fails its message"


def test_draining_by_stop_file_sends_no_signal(container: Container) -> None:
    busy(container, "--messages", "2", "--message-seconds", "0.7", DRAIN="stopFile")
    hook = container.run("drain")
    assert hook.returncode == 0, hook.stderr
    assert container.ledger("asked") == [], "a signal would have hurt these handlers"
    assert_nothing_lost(container)
    container.terminate()
    assert container.wait() == 0


def test_draining_by_stop_file_kills_who_does_not_end_in_time(container: Container) -> None:
    busy(container, "--message-seconds", "60", DRAIN="stopFile", LONGEST_MESSAGE_SECONDS=0, STOP_WAIT_SECONDS=1)
    container.terminate()
    assert container.wait() == 3
    assert len(container.events("workerEnded", outcome="killed")) == WORKERS


def test_a_worker_without_a_handler_that_dies_in_its_message_makes_the_status_unclean(container: Container) -> None:
    busy(container, "--default-signal", "--message-seconds", "60")
    container.until_event("workersReady")
    container.terminate()
    assert container.wait() == 3
    assert len(container.events("workerEnded", outcome="terminated", signal="SIGTERM")) == WORKERS


WRAPPER = """#!/usr/bin/python3
import subprocess, sys
sys.argv[1] != "-r" and subprocess.run({command!r})
"""


@pytest.mark.parametrize("by", ["itself", "a wrapper that dies and leaves it"])
def test_a_symfony_worker_that_dies_with_a_message_in_flight_makes_the_status_unclean(
    container: Container, by: str
) -> None:
    """Symfony's own handler never lets that happen; one that was taken away, or a wrapper without exec, does."""
    command = container.command("--message-seconds", "60", *(["--default-signal", "--tell"] if by == "itself" else []))
    php = container.directory / "php"
    start = WRAPPER.format(command=command)
    php.write_text(start if by != "itself" else start.replace("subprocess.run(", "os.execv('/usr/bin/python3', "))
    php.write_text(php.read_text().replace("import subprocess", "import os, subprocess"))
    php.chmod(0o755)
    (container.directory / "bin").mkdir()
    (container.directory / "bin/console").touch()
    container.variables |= {
        "EBBTIDE_WORKER_KIND": "symfonyMessenger",
        "PATH": f"{container.directory}:{container.variables['PATH']}",
    }
    container.start("php", "bin/console", "messenger:consume", "events", PROCESSES=WORKERS)
    container.until_event("workersReady")
    container.terminate()
    assert container.wait() == 3, f"messages were lost and the log calls it a clean drain:\n{container.log}"
    told = {"inFlight": True} if by == "itself" else {"leftOthers": True}
    assert len(container.events("workerEnded", outcome="terminated", **told)) == WORKERS, container.log


def test_supervisord_begins_with_sigterm_blocked(container: Container) -> None:
    directory = container.directory / "opt"
    shutil.copytree(container.image, directory)
    (directory / "supervise").write_text("import signal; print(signal.pthread_sigmask(signal.SIG_BLOCK, []))")
    container.start(*container.command(), main=str(directory / "entrypoint"))
    container.wait()
    assert "SIGTERM" in container.log, "a SIGTERM before supervisord handles it is lost, and the pod is killed"


def test_sigterm_is_blocked_before_python_has_begun(container: Container, tmp_path: Path) -> None:
    interpreter = (container.image / "entrypoint").read_text().partition("\n")[0]
    begun = tmp_path / "begun"
    begun.write_text(f"{interpreter}\nimport signal; print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))")
    begun.chmod(0o755)
    said = subprocess.run([begun], capture_output=True, text=True, check=True).stdout
    assert all(name in said for name in ("SIGTERM", "SIGINT", "SIGQUIT")), (
        "on a busy machine Python takes 0.1 s to its first line, and PID 1 loses a SIGTERM that comes before"
    )


@pytest.mark.parametrize("delay_seconds", [0, 0.03, 0.06, 0.1, 0.15, 0.25, 0.4, 0.7])
def test_a_sigterm_at_any_moment_of_the_start_ends_the_container(container: Container, delay_seconds: float) -> None:
    """PID 1 ignores a signal it does not handle yet; the entrypoint blocks it, so that it is only late."""
    container.start(*container.command(), PROCESSES=WORKERS)
    # The first milliseconds, until `env` has blocked it, cannot be covered from inside.
    assert container.process is not None
    pid = container.process.pid
    until(lambda: blocks_sigterm(pid) or container.log_file.stat().st_size, "the entrypoint's first milliseconds")
    time.sleep(delay_seconds)
    container.terminate()
    assert container.wait() == 0, container.log
    assert_nothing_lost(container)


SOON_OVER = {
    "LONGEST_MESSAGE_SECONDS": 0,
    "STOP_WAIT_SECONDS": 5,
    "DRAIN_DEADLINE_SECONDS": 6,
    "GRACE_SECONDS": 7,
}


@pytest.mark.runtime
def test_the_container_drained_by_hand_does_not_idle_for_ever(container: Container) -> None:
    # Messages that are over long before the stop wait, whatever else the machine does.
    busy(container, "--message-seconds", "0.1", **SOON_OVER)
    assert container.run("drain").returncode == 0
    assert container.wait() == 6
    assert container.events("notTerminated")


@pytest.mark.runtime
def test_a_stop_file_that_nobody_follows_up_does_not_idle_for_ever(container: Container) -> None:
    busy(container, "--messages", "1", "--message-seconds", "0.1", **SOON_OVER)
    (container.state / "stop").touch()  # a hook run by hand and killed at once; no SIGTERM ever comes
    assert container.wait() == 6
    assert "found the stop file" in container.events("gaveUp")[0]["reason"]
    assert_nothing_lost(container)


def test_a_log_that_nobody_reads_does_not_keep_pid_1_from_its_drain(container: Container) -> None:
    """A container runtime whose log reader is stuck: a write would wait for it for ever, and SIGTERM with it."""
    read_fd, write_fd = full_log()
    container.variables |= {"EBBTIDE_PROCESSES": str(WORKERS)}
    container.process = container.popen("entrypoint", *container.command("--message-seconds", "1.2"), stdout=write_fd)
    os.close(write_fd)
    until(lambda: len(workers_in(container, "started")) == WORKERS, "every worker to take a message")
    hook = container.run("drain")
    assert hook.returncode == 0, hook.stderr
    assert_nothing_lost(container)
    take_all(read_fd)  # now somebody reads again
    container.terminate()
    assert container.wait() == 0
    assert b'"event":"eventsDropped"' in take_all(read_fd), "lines are missing and nobody says so"
    os.close(read_fd)


def take_all(pipe: int) -> bytes:
    os.set_blocking(pipe, False)
    taken = b""
    with contextlib.suppress(BlockingIOError):
        while data := os.read(pipe, 65_536):
            taken += data
    return taken


def test_a_clock_that_is_set_forward_kills_nobody(container: Container) -> None:
    """A node's clock is corrected, or its machine was paused: an hour passes at once, for nobody's message."""
    flag = container.directory / "an-hour-later"
    main = container.patched(f"""
        import os, time, types
        import supervisor.process
        def later():
            return time.time() + (3600 if os.path.exists({str(flag)!r}) else 0)
        supervisor.process.time = types.SimpleNamespace(time=later)
    """)
    release = held(container, main=main)
    container.terminate()
    container.until_event("drainStarted")
    flag.touch()
    time.sleep(1.5)  # a round of supervisord's loop
    release.touch()
    assert container.wait() == 0, container.log
    assert_nothing_lost(container)


def test_a_fault_of_ours_leaves_the_end_to_stock_supervisord_which_loses_nothing_either(container: Container) -> None:
    flag = container.directory / "from-now-on"
    main = container.patched(f"""
        import os
        from ebbtide_supervisor.pool import Pool
        step = Pool.step
        def faulty(self):
            if os.path.exists({str(flag)!r}):
                raise RuntimeError("a fault of ours")
            step(self)
        Pool.step = faulty
    """)
    container.start(*container.command("--message-seconds", "1.2"), main=main, PROCESSES=WORKERS)
    until(lambda: len(workers_in(container, "started")) == WORKERS, "every worker to take a message")
    flag.touch()
    container.terminate()
    assert container.wait() == 3, container.log
    assert_nothing_lost(container)
    assert "a fault of ours" in container.events("internalError")[0]["trace"]


def test_pid_1_takes_no_round_of_its_loop_to_notice(container: Container) -> None:
    """Stock supervisord looks around once a second. Here its rounds take a minute: only the wake-ups are left."""
    main = container.patched("""
        from supervisor.poller import PollPoller
        poll = PollPoller.poll
        PollPoller.poll = lambda self, timeout: poll(self, 60 * timeout)
    """)
    container.start(*container.command(), PROCESSES=WORKERS, main=main)
    until(lambda: len(workers_in(container, "started")) == WORKERS, "every worker to start")
    assert container.run("drain").returncode == 0
    container.terminate()
    assert container.wait() == 0


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def blocks_sigterm(pid: int) -> bool:
    status = read_proc(pid, "status")
    mask = next((line.split()[1] for line in status.splitlines() if line.startswith("SigBlk")), "0")
    return bool(int(mask, 16) & (1 << (signal.SIGTERM - 1)))


def read_proc(pid: int, name: str) -> str:
    try:
        return Path(f"/proc/{pid}/{name}").read_text()
    except OSError:
        return ""
