"""What an application with WorkerProgress adds: who has a message in flight, and for how long."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from ebbtide_supervisor.progress import Progress
from tests.consumer.conftest import ROOT, until

if TYPE_CHECKING:
    from tests.consumer.conftest import Container

WORKERS = 3


def test_without_the_class_nothing_is_claimed(container: Container) -> None:
    container.start(*container.command(), PROCESSES=1)
    container.until_event("workersReady")
    container.terminate()
    container.wait()
    assert "inFlight" not in container.log, "a number that nobody has counted"


def test_the_log_says_which_workers_had_a_message_in_flight(container: Container) -> None:
    options = ("--tell", "--ignore-signal", "--message-seconds", "60")
    container.start(*container.command(*options), PROCESSES=WORKERS, LONGEST_MESSAGE_SECONDS=0, STOP_WAIT_SECONDS=1)
    container.until_event("workersReady")
    container.terminate()
    container.wait()
    assert container.events("drainStarted")[0]["inFlight"] == WORKERS
    assert len(container.events("workerEnded", outcome="killed", inFlight=True)) == WORKERS


def test_a_worker_that_tells_that_it_consumes_is_ready_however_busy_it_is(container: Container) -> None:
    script = 'ulimit -t 20; touch -d @1 "$EBBTIDE_STATE_DIRECTORY/workers/$EBBTIDE_PROCESS_NUMBER"; while :; do :; done'
    container.start("sh", "-c", script, PROCESSES=1)
    container.until_event("firstWorkerReady")


@pytest.mark.runtime
def test_a_message_that_takes_too_long_is_reported_once(container: Container) -> None:
    container.start(*container.command("--tell", "--message-seconds", "60"), PROCESSES=1, LONGEST_MESSAGE_SECONDS=0)
    event = container.until_event("messageOverdue", worker=0)
    assert event["longestMessageSeconds"] == 0
    before = len(container.events("messageOverdue"))
    # The next look is 5 s later; a heartbeat is written by the same tick.
    status = (container.state / "status").read_text().split()[0]
    until(lambda: int((container.state / "status").read_text().split()[0]) >= int(status) + 5, "the next look")
    assert len(container.events("messageOverdue")) == before == 1


def test_a_worker_s_file_is_read_as_idle_or_busy(tmp_path: Path) -> None:
    (tmp_path / "workers").mkdir()
    file = tmp_path / "workers/7"
    progress = Progress(tmp_path)
    assert (progress.is_consuming(7), progress.in_flight_seconds(7), progress.is_told) == (False, None, False)
    file.touch()
    os.utime(file, (1, 1))
    assert (progress.is_consuming(7), progress.in_flight_seconds(7), progress.is_told) == (True, None, True)
    os.utime(file)
    seconds = progress.in_flight_seconds(7)
    assert seconds is not None
    assert 0 <= seconds < 60
    progress.forget(7)
    assert not progress.is_consuming(7)


PHP = r"""
require 'Symfony/Component/EventDispatcher/autoload.php';
require 'Symfony/Component/Messenger/autoload.php';
require $argv[1];
$progress = new App\Ebbtide\WorkerProgress();
$dispatcher = new Symfony\Component\EventDispatcher\EventDispatcher();
$dispatcher->addSubscriber($progress);
$worker = (new ReflectionClass(Symfony\Component\Messenger\Worker::class))->newInstanceWithoutConstructor();
$envelope = new Symfony\Component\Messenger\Envelope(new stdClass());
$time = function () { clearstatcache(); return (int) @filemtime(getenv('FILE')); };
echo $time();
$dispatcher->dispatch(new Symfony\Component\Messenger\Event\WorkerRunningEvent($worker, true));
echo ' ', $time();
$dispatcher->dispatch(new Symfony\Component\Messenger\Event\WorkerMessageReceivedEvent($envelope, 'events'));
echo ' ', time() - $time() < 60 ? 'busy' : 'idle';
$dispatcher->dispatch(new Symfony\Component\Messenger\Event\WorkerRunningEvent($worker, false));
echo ' ', $time();
"""


@pytest.mark.runtime
@pytest.mark.parametrize(("in_the_image", "expected"), [(True, "0 1 busy 1"), (False, "0 0 idle 0")])
def test_the_php_class_tells_it_in_the_image_and_is_silent_elsewhere(
    tmp_path: Path, *, in_the_image: bool, expected: str
) -> None:
    from tests.runtime.lab import machine  # installs what is missing

    try:
        machine.prepare(machine.application_packages())
    except machine.UnavailableError as reason:
        if os.environ.get("CI") == "true":
            pytest.fail(f"CI must run this: {reason}", pytrace=False)
        pytest.skip(f"NOT RUN: {reason}")
    (tmp_path / "workers").mkdir()
    environment = {"PATH": os.environ["PATH"], "FILE": str(tmp_path / "workers/3")}
    if in_the_image:
        environment |= {"EBBTIDE_STATE_DIRECTORY": str(tmp_path), "EBBTIDE_PROCESS_NUMBER": "3"}
    argv = ["php", "-r", PHP, "--", str(ROOT / "consumer/php/WorkerProgress.php")]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == (expected, "")
