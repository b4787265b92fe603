"""Workers forked from a parent: PID 1's own in everything, and never without PID 1's knowledge or at its expense."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from ebbtide_supervisor.fork_callers import Caller
from ebbtide_supervisor.forks import Forks
from supervisor.medusa import asyncore_25 as asyncore
from tests.consumer.conftest import IMAGE_USER, Container, until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Start = Callable[..., Container]

FAKE_PHP = Path(__file__).with_name("fake_php.py")
COMMAND = ("php", "bin/console", "messenger:consume", "events")


def prove(image: Path, *reasons: str, doubts: tuple[str, ...] = ()) -> None:
    proof = {"reasons": reasons, "doubts": doubts, "opcache_mebibytes": 64, "boot_mebibytes": 9}
    (image / "fork.json").write_text(json.dumps(proof))


@pytest.fixture
def start(image: Path, container: Container) -> Iterator[Start]:
    """Starts a container whose image was proved fit for forking, with a worker and a parent that behave so."""
    prove(image)
    php = container.directory / "php"
    shutil.copy(FAKE_PHP, php)
    php.chmod(0o755)
    (container.directory / "bin").mkdir()
    (container.directory / "bin/console").touch()
    for path in (php, container.directory / "bin"):
        if os.getuid() == 0:
            os.chown(path, IMAGE_USER, IMAGE_USER)
    container.variables["PATH"] = f"{container.directory}:{container.variables['PATH']}"

    def begin(parent: str = "", worker: str = "", main: str = "entrypoint", **variables: object) -> Container:
        container.variables |= {"FAKE_PARENT": parent, "FAKE_WORKER": worker}
        symfony = {"WORKER_KIND": "symfonyMessenger", "WORKER_START": "fork", "PROCESSES": 3}
        return container.start(*COMMAND, main=main, **(symfony | variables))

    yield begin
    (image / "fork.json").unlink(missing_ok=True)


def notes(container: Container, word: str) -> list[str]:
    file = container.directory / "parent-ledger"
    return [line for line in (file.read_text() if file.exists() else "").splitlines() if line.startswith(word)]


def workers_of(container: Container) -> dict[int, int]:
    """Each worker's pid as the last event told it."""
    return {event["worker"]: event["pid"] for event in container.events("workerStarted")}


def status_of(pid: int) -> dict[str, Any]:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.split() for key, _, value in (line.partition(":") for line in lines)}


@pytest.mark.runtime
def test_forked_workers_are_pid_1_s_own_children_each_in_a_group_of_its_own(start: Start) -> None:
    container = start()
    container.until_event("workersReady")
    assert container.process is not None
    pids = set(workers_of(container).values())
    assert len(pids) == 3
    assert {status_of(pid)["PPid"][0] for pid in pids} == {str(container.process.pid)}
    assert {os.getpgid(pid) for pid in pids} == pids, "a kill of one worker's group must not reach another"
    assert container.events("containerStarted")[0]["start"] == "fork"
    assert len(notes(container, "parent ")) == 1, "one boot"
    assert not notes(container, "booted-by-itself")


def test_a_busy_pod_of_forked_workers_drains_as_any_other(start: Start) -> None:
    container = start(worker="--message-seconds 1")
    until(lambda: len({line.split()[1] for line in container.ledger("started")}) == 3, "each to take a message")

    done = container.run("drain")
    container.terminate()

    assert done.returncode == 0, done.stderr
    assert container.wait() == 0
    assert [event["outcome"] for event in container.events("workerEnded")] == 3 * ["stopped"]
    assert len(container.ledger("started")) == len(container.ledger("finished")), "a message was killed"


def test_a_forked_worker_s_end_is_told_with_its_status(start: Start) -> None:
    container = start(worker="--messages 1 --exit 3")
    assert container.until_event("workerEnded")["status"] == 3
    assert container.until_event("startsHeld")


@pytest.mark.runtime
def test_each_forked_worker_gets_the_time_limit_that_is_its_own(start: Start) -> None:
    container = start()
    container.until_event("workersReady")
    limits = {line.split()[0] for line in notes(container, "limit-")}
    assert limits == {"limit-0=3600", "limit-1=3360", "limit-2=3120"}


def test_workers_that_rotate_are_forked_again_from_the_same_boot(start: Start) -> None:
    container = start(worker="--messages 1")
    until(lambda: len(container.events("workerStarted", again=True)) >= 3, "three rotations")
    assert len(notes(container, "parent ")) == 1
    assert not container.events("startsHeld")


@pytest.mark.runtime
def test_a_parent_that_is_killed_is_replaced_and_no_worker_notices(start: Start) -> None:
    container = start()
    container.until_event("workersReady")
    workers = workers_of(container)
    os.kill(container.events("parentReady")[0]["pid"], signal.SIGKILL)
    until(lambda: len(container.events("parentReady")) == 2, "another parent")
    assert container.until_event("parentEnded")["signal"] == "SIGKILL"
    assert not container.events("workerEnded")

    os.kill(workers[1], signal.SIGKILL)
    container.until_event("workerStarted", worker=1, again=True)
    assert not notes(container, "booted-by-itself")


@pytest.mark.runtime
def test_a_parent_that_is_killed_with_a_start_in_its_hands_loses_no_worker(start: Start) -> None:
    container = start(parent="hangs")
    ready = container.until_event("parentReady")
    time.sleep(0.3)
    os.kill(ready["pid"], signal.SIGKILL)
    # The next parent hangs too, and the one after that: then workers boot by themselves.
    for number in (2, 3):
        until(lambda number=number: len(container.events("parentReady")) == number, "the next parent")
        time.sleep(0.3)
        os.kill(container.events("parentReady")[-1]["pid"], signal.SIGKILL)
    container.until_event("forkOff")
    container.until_event("workersReady")
    assert len(notes(container, "booted-by-itself")) == 3


@pytest.mark.runtime
@pytest.mark.parametrize(
    ("parent", "words"),
    [
        ("ends", "before it had booted"),
        # A quarter of the start deadline; the rest is for workers that boot by themselves.
        ("hangs while booting", "has not booted within 5 s"),
        ("refuses", "booting has opened socket:[4711]"),
    ],
)
def test_where_nothing_can_be_forked_workers_boot_by_themselves_and_the_log_says_why(
    start: Start, parent: str, words: str
) -> None:
    container = start(parent=parent, START_DEADLINE_SECONDS=20 if parent == "hangs while booting" else 100)
    container.until_event("workersReady")
    (off,) = container.events("forkOff")
    assert words in off["reason"]
    assert len(notes(container, "booted-by-itself")) == 3
    assert not container.events("startsHeld"), "the application is not at fault"
    container.terminate()
    assert container.wait() == 0


@pytest.mark.runtime
@pytest.mark.parametrize("reasons", [("the extension grpc: leave it out",), None], ids=["refused", "never tried"])
def test_an_image_without_the_proof_that_it_can_fork_does_not(
    image: Path, start: Start, reasons: tuple[str, ...] | None
) -> None:
    if reasons is None:
        (image / "fork.json").unlink()
    else:
        prove(image, *reasons)
    container = start()
    container.until_event("workersReady")
    (off,) = container.events("forkOff")
    assert (reasons[0] if reasons else "build it with self-check --record") in off["reason"]
    assert not notes(container, "parent ")


@pytest.mark.runtime
def test_a_system_that_allows_no_process_is_asked_again_behind_a_probe(start: Start) -> None:
    container = start(parent="cannot fork")
    refusal = container.until_event("workerNotStarted")
    assert refusal["reason"] == "Resource temporarily unavailable"
    container.until_event("startsHeld")
    until(lambda: len(container.events("workerNotStarted")) == 2, "the next try")
    first, second = container.events("workerNotStarted")
    assert second["time"] > first["time"]
    assert not container.events("forkOff"), "booting by itself needs a process too"


def test_a_drain_waits_for_no_parent(start: Start) -> None:
    container = start(parent="hangs")
    container.until_event("parentReady")
    done = container.run("drain")
    container.terminate()
    assert done.returncode == 0
    assert container.wait() == 0
    assert not container.ledger("started")


def test_a_worker_that_was_under_way_when_the_drain_began_is_turned_away(start: Start) -> None:
    container = start(parent="is slow")
    until(lambda: notes(container, "under-way"), "a worker that is forked and has not been let in")
    assert container.run("drain").returncode == 0
    (container.directory / "go-on").touch()
    until(lambda: notes(container, "turned-away"), "the worker that came too late")
    container.terminate()
    assert container.wait() == 0
    assert not container.ledger("up"), "nobody may consume once a drain has ended"


def test_a_process_that_nobody_asked_for_is_turned_away(start: Start) -> None:
    container = start(parent="lies")
    until(lambda: notes(container, "turned-away"), "the stranger")
    assert not container.events("workerStarted")


def test_a_forked_worker_that_finds_the_stop_file_does_not_start(start: Start) -> None:
    container = start(parent="is slow")
    until(lambda: notes(container, "under-way"), "a worker that is forked and has not been let in")
    (container.state / "stop").touch()
    (container.directory / "go-on").touch()
    assert container.until_event("workerEnded")["status"] == 37
    assert not container.ledger("up")


@pytest.mark.runtime
def test_a_parent_that_has_grown_is_replaced(start: Start) -> None:
    container = start(parent="grows")
    ended = container.until_event("parentEnded")
    assert "has grown" in ended["reason"]
    until(lambda: len(container.events("parentReady")) == 2, "another parent")
    assert not container.events("workerEnded")
    assert not container.events("forkOff")


def test_a_parent_that_reads_late_hears_of_each_worker_that_it_is_asked_for() -> None:
    near, far = socket.socketpair()
    parent = Caller(far, lambda _caller, _line: None, lambda: None)
    try:
        lines = [f"{number} 3600 {number:016x}\n" for number in range(2000)]
        said = [parent.say(line) for line in lines]
        assert all(said)
        near.settimeout(5)
        heard = b""
        while heard.count(b"\n") < len(lines):
            if parent.writable():  # what supervisord asks, between its looks
                parent.handle_write_event()
            heard += near.recv(65536)
        assert heard.decode().splitlines(keepends=True) == lines
        assert not parent.writable()
        near.close()
        assert not parent.say("one more\n"), "a worker that has ended is not taken on"
    finally:
        parent.close()
        near.close()


@pytest.mark.runtime
def test_a_parent_is_as_old_as_a_worker_at_most(start: Start) -> None:
    # What its boot has read, a mounted password for one, would be read anew by a worker that boots.
    container = start(TIME_LIMIT_SECONDS=3)
    ended = container.until_event("parentEnded")
    assert "is as old as a worker may be (3 s)" in ended["reason"]
    until(lambda: len(container.events("parentReady")) >= 2, "another parent")
    assert not container.events("workerEnded")
    assert not container.events("forkOff")


class Asked:
    """Three workers that a parent was asked for, at a time that stands still until it is told."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        self.killed: list[float] = []
        monkeypatch.setattr("ebbtide_supervisor.forks.time", SimpleNamespace(monotonic=lambda: self.now))
        environment = SimpleNamespace(
            worker_start="fork", fork_socket=directory / "socket", start_deadline_seconds=300, time_limit_of=lambda _: 0
        )
        environment.time_limit_seconds = 3600
        parent = SimpleNamespace(alive=True, started_at=0.0, pid=2, own_mebibytes=lambda: 1.0, end=self.note)
        self.parent = parent
        self.forks = Forks(cast("Any", environment), cast("Any", parent), 64, lambda *_, **__: None, lambda: None)
        self.caller: Any = SimpleNamespace(pid=2, say=self.hear, close=lambda: None)
        self.tokens: list[str] = []
        self.forks._parent_is_ready(self.caller, "")
        for number in range(3):
            self.ask(number)

    def note(self) -> None:
        self.killed.append(self.now)

    def hear(self, line: str) -> bool:
        self.tokens.append(line.rsplit(maxsplit=1)[-1])
        return True

    def ask(self, number: int) -> None:
        self.forks.ask_for(cast("Any", SimpleNamespace(number=number, adopt=lambda _pid: None)))

    def at(self, now: float, *answered: str) -> list[float]:
        self.now = now
        for token in answered:
            self.forks._take_on(self.caller, token)
        self.forks.step(now)
        return self.killed


@pytest.fixture
def asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Asked]:
    sockets = dict(asyncore.socket_map)
    asked = Asked(tmp_path, monkeypatch)
    yield asked
    asked.forks._door.close()
    for number in asyncore.socket_map.keys() - sockets.keys():
        del asyncore.socket_map[number]


def test_a_parent_that_gets_on_slowly_is_not_taken_for_one_that_hangs(asked: Asked) -> None:
    first, second, third = asked.tokens
    assert not asked.at(25, first)
    assert not asked.at(50, second)
    assert asked.forks.next_at() == 80
    assert not asked.at(79, third)
    assert asked.forks.next_at() is None


def test_a_worker_that_never_arrives_is_missed_however_many_others_do(asked: Asked) -> None:
    _first, second, third = asked.tokens
    assert not asked.at(10, second)
    asked.ask(4)
    assert not asked.at(20, third, asked.tokens[-1])
    assert asked.at(30) == [30]


def test_a_parent_that_answers_nobody_is_given_up_however_often_it_boots(asked: Asked) -> None:
    # As one does whose children die before they can say a word: the pod would go on with one worker.
    asked.forks.on_refusal = lambda worker, _why: asked.forks.ask_for(worker) if asked.forks.is_on else None
    for number in range(1, 4):
        assert asked.forks.is_on
        assert len(asked.at(40.0 * number)) == number
        asked.parent.on_end(signal.SIGKILL)
        asked.parent.started_at = asked.now
        asked.forks._why_killed = None
        if number < 3:
            asked.forks._parent_is_ready(asked.caller, "")
    assert not asked.forks.is_on


def test_nobody_is_asked_for_again_and_again_of_a_parent_that_takes_time_to_die(asked: Asked) -> None:
    assert asked.at(30) == [30]
    assert asked.forks.next_at() is None, "PID 1's loop would go round without a pause"
    assert asked.at(31) == [30]
    asked.forks._hear(asked.caller, "parent")
    assert asked.at(32) == [30]


@pytest.mark.parametrize(("seconds", "is_on"), [(60, False), (3700, True)])
def test_a_parent_that_grows_as_the_one_before_it_is_the_last(asked: Asked, seconds: int, *, is_on: bool) -> None:
    # What a first message needs is loaded for the first worker, and with it each parent may be too large: the workers
    # of each hold their own, and memory is set aside for two.
    asked.at(1, *asked.tokens)
    for _ in range(2):
        asked.parent.own_mebibytes = lambda: 70.0
        asked.forks.look_at_parent()
        asked.parent.on_end(signal.SIGKILL)
        asked.forks._why_killed = None
        asked.now += seconds
        asked.parent.started_at, asked.parent.own_mebibytes = asked.now, lambda: 1.0
        if asked.forks.is_on:
            asked.forks._parent_is_ready(asked.caller, "")
    assert asked.forks.is_on is is_on
