"""Workers that are forked from one boot, with real PHP, Symfony and brokers: as safe as those that boot themselves."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import threading
import time
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.lint.tools import php_extension
from tests.runtime.lab import machine, subjects
from tests.runtime.lab.application import CACHE, DIRECTORY, Application, messages
from tests.runtime.lab.promises import (
    assert_a_clean_end,
    assert_no_new_work,
    assert_nothing_was_lost,
    drain_started,
    outcomes,
)
from tests.runtime.lab.scene import Scene
from tests.runtime.lab.subjects import WORKER, Budget

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.runtime.lab.brokers import Broker
    from tests.runtime.lab.container import Pod

pytestmark = pytest.mark.runtime

FORK = {"EBBTIDE_WORKER_START": "fork"}
# Kills come back soon, so that the tests see them come back; above every message used with it.
SOON = {**FORK, "REDELIVER_TIMEOUT": "20"}
BUDGET = Budget(longest_message=10)


def assert_forked(pod: Pod) -> None:
    """All of it is in vain if the workers have booted by themselves."""
    assert not pod.events("forkOff"), pod.output()
    assert pod.events("parentReady"), pod.output()


def parents_of(pod: Pod) -> list[int]:
    """The parent's PID on this machine, if there is one: a child has its name until it has been let in."""
    named = [pid for pid, line in pod.processes().items() if line.startswith("ebbtide: parent")]
    return sorted(named, key=_started_at)[:1]


def parent_of(pod: Pod) -> int:
    (pid,) = parents_of(pod)
    return pid


def _started_at(pid: int) -> float:
    """In clock ticks since the machine's start; never, for one that has ended meanwhile."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return float("inf")
    return float(stat.rpartition(")")[2].split()[19])


@pytest.mark.parametrize(
    ("broker", "hook"),
    [
        ("redis", None),
        ("redis", ()),
        ("rabbitmq", None),
        *(pytest.param(*case, marks=pytest.mark.long) for case in (("rabbitmq", ()), ("postgresql", None))),
        pytest.param("postgresql", (), marks=pytest.mark.long),
    ],
)
def test_a_busy_pod_of_forked_workers_loses_nothing(
    open_scene: Callable[..., Scene], broker: str, hook: tuple[str, ...] | None
) -> None:
    assert_forked(assert_a_busy_pod_loses_nothing(open_scene(broker), 31, FORK, hook))


def assert_a_busy_pod_loses_nothing(
    scene: Scene, seed: int, start: dict[str, str], hook: tuple[str, ...] | None = None
) -> Pod:
    """Delete a pod of 30 workers that start so, each with a message in flight."""
    scene.send(messages(seed=seed, number=300, least=0.5, most=8))
    pod = scene.ours(30, BUDGET, start).start()
    scene.wait_for_messages_in_flight(28)
    time.sleep(2)

    deletion = pod.delete(BUDGET.grace, hook=hook)

    assert_nothing_was_lost(scene)
    assert_a_clean_end(deletion, pod, scene)
    assert_no_new_work(scene, drain_started(pod))
    assert outcomes(pod) == {"stopped": 30}, pod.output()
    return pod


@pytest.mark.long
@pytest.mark.parametrize("seed", range(300, 320))
@pytest.mark.parametrize("broker", ["redis", "rabbitmq", "postgresql"])
def test_twenty_drains_of_forked_workers_at_different_moments_lose_and_repeat_nothing(
    open_scene: Callable[..., Scene], broker: str, seed: int
) -> None:
    scene = open_scene(broker)
    scene.send(messages(seed=seed, number=200, least=0.05, most=4))
    pod = scene.ours(20, BUDGET, FORK).start()
    scene.wait_for_messages_in_flight(15)
    time.sleep((seed - 300) * 0.15)

    deletion = pod.delete(BUDGET.grace, hook=None if seed % 2 else ())

    assert_forked(pod)
    assert_nothing_was_lost(scene)
    assert_a_clean_end(deletion, pod, scene)
    assert_no_new_work(scene, drain_started(pod))


@pytest.mark.parametrize("workers", [1, 400])
def test_a_drain_of_forked_workers_is_as_lossless_with_one_and_with_four_hundred(
    open_scene: Callable[..., Scene], workers: int
) -> None:
    scene = open_scene()
    # 400 ends are seconds of CPU, and a busy machine has little of it: after 20 s idle workers were killed.
    budget = Budget(longest_message=60)
    pod = scene.ours(workers, budget, FORK).start()
    scene.wait_for_consumers(workers)
    scene.send(messages(seed=32, number=10 * workers, least=0.5, most=6))
    scene.wait_for_messages_in_flight(workers - workers // 10)

    deletion = pod.delete(budget.grace)

    assert_forked(pod)
    assert_nothing_was_lost(scene)
    assert_a_clean_end(deletion, pod, scene)
    assert outcomes(pod) == {"stopped": workers}, pod.output()


@pytest.mark.parametrize(
    "seconds_after_start", [0.4, 0.8, *(pytest.param(at, marks=pytest.mark.long) for at in (0.6, 1.0, 1.5, 3.0))]
)
def test_a_pod_deleted_while_its_workers_are_being_forked_takes_nothing_down_with_it(
    open_scene: Callable[..., Scene], seconds_after_start: float
) -> None:
    scene = open_scene()
    scene.send(messages(seed=33, number=200, least=0.5, most=4))
    pod = scene.ours(40, BUDGET, FORK).start()
    time.sleep(seconds_after_start)

    deletion = pod.delete(BUDGET.grace, hook=())

    assert not deletion.sigkilled, f"SIGTERM was lost while forking: {pod.output()}"
    assert_nothing_was_lost(scene)
    assert_a_clean_end(deletion, pod, scene)
    # Nobody dies of a signal that comes before Symfony has a handler for it.
    assert set(outcomes(pod)) <= {"stopped"}, pod.output()


def test_a_pod_deleted_while_all_its_workers_rotate_starts_none_again(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene()
    scene.send(messages(seed=34, number=600, least=0.1, most=0.5))
    pod = scene.ours(20, BUDGET, FORK, arguments=(*WORKER, "--limit=1")).start()
    scene.wait_until(lambda: len(scene.account().finished) > 100, 240, "workers have rotated")

    deletion = pod.delete(BUDGET.grace)

    assert_forked(pod)
    assert len(pod.events("parentReady")) == 1, "a worker that rotates does not boot"
    assert outcomes(pod)["rotated"] >= 80, outcomes(pod)
    assert_nothing_was_lost(scene)
    assert_a_clean_end(deletion, pod, scene)
    assert_no_new_work(scene, drain_started(pod))


@pytest.mark.parametrize(
    "seconds_after_start", [0.3, 0.5, *(pytest.param(at, marks=pytest.mark.long) for at in (0.7, 1.0, 2.0))]
)
def test_a_parent_that_is_killed_costs_no_message_and_no_worker(
    open_scene: Callable[..., Scene], seconds_after_start: float
) -> None:
    scene = open_scene()
    scene.send(messages(seed=35, number=200, least=0.1, most=2))
    pod = scene.ours(20, BUDGET, FORK).start()
    time.sleep(seconds_after_start)

    for pid in parents_of(pod):
        os.kill(pid, signal.SIGKILL)

    scene.wait_until(lambda: len(scene.account().finished) == 200, 300, "every message is handled")
    assert not pod.events("startsHeld"), "no worker is to blame"
    assert len(pod.workers()) == 20, "and none is missing"
    assert_a_clean_end(pod.delete(BUDGET.grace), pod, scene)
    assert_nothing_was_lost(scene)


def test_workers_that_lose_their_parent_with_messages_in_flight_finish_them(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene()
    pod = scene.ours(6, BUDGET, FORK)
    scene.busy(messages(seed=36, number=6, least=6, most=7), pod, workers=6)
    os.kill(parent_of(pod), signal.SIGKILL)

    deletion = pod.delete(BUDGET.grace)

    assert len(scene.account().finished) == 6
    assert_nothing_was_lost(scene)
    assert_a_clean_end(deletion, pod, scene)


def test_a_parent_that_is_stopped_in_the_middle_delays_no_drain(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene()
    pod = scene.ours(6, BUDGET, FORK)
    scene.busy(messages(seed=37, number=6, least=8, most=9), pod, workers=6)
    os.kill(parent_of(pod), signal.SIGSTOP)
    os.kill(pod.workers()[0], signal.SIGKILL)  # one that the parent does not start again
    time.sleep(0.5)

    deletion = pod.delete(BUDGET.grace)

    assert_a_clean_end(deletion, pod, scene)
    assert len(scene.account().killed) == 1, "the one that was killed, and nobody else"


def test_a_killed_worker_is_replaced_and_only_its_own_message_comes_again(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene()
    pod = scene.ours(5, BUDGET, SOON)
    scene.busy(messages(seed=38, number=5, least=6, most=7), pod, workers=5)

    os.kill(pod.workers()[2], signal.SIGKILL)

    scene.wait_until(lambda: len(scene.account().finished) == 5, 240, "the killed message came again")
    account = scene.account()
    assert len(account.killed) == len(account.started_again) == 1
    assert not account.handled_twice
    assert not account.overlapping
    assert [event["signal"] for event in pod.events("workerEnded")] == ["SIGKILL"], pod.output()
    assert_a_clean_end(pod.delete(BUDGET.grace), pod, scene)


def test_a_broker_that_goes_away_costs_forked_workers_what_it_costs_others(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene()
    pod = scene.ours(10, BUDGET, FORK).start()
    scene.wait_for_consumers(10)
    scene.broker.stop()
    scene.wait_until(lambda: bool(pod.events("startsHeld")), 120, "starts are held")
    since = time.monotonic()
    scene.wait_until(lambda: len(probes_of(pod)) >= 2 and time.monotonic() > since + 8, 120, "probes")
    starts, away = probes_of(pod), time.monotonic() - since
    scene.broker.start()
    scene.wait_until(lambda: bool(pod.events("startsReleased")), 120, "starts are released")
    scene.wait_until(lambda: len(pod.workers()) == 10, 120, "everybody is back")

    assert len(starts) <= away / 2.5 + 3, "one probe at a time, one each 2.5 s"
    assert_forked(pod)
    assert_a_clean_end(pod.delete(BUDGET.grace), pod, scene)


def probes_of(pod: Pod) -> list[dict[str, object]]:
    return [event for event in pod.events("workerStarted") if event["probe"]]


@pytest.mark.parametrize("broker", ["redis", "rabbitmq", "postgresql"])
def test_no_two_workers_share_a_connection(open_scene: Callable[..., Scene], broker: str) -> None:
    """By the server's own list: as many connections as workers, and each from a process of its own."""
    scene = open_scene(broker)
    pod = scene.ours(12, BUDGET, FORK).start()
    scene.wait_for_consumers(12)
    time.sleep(1)

    workers = set(pod.workers())
    owners = Counter(inode for pid in workers for inode in sockets_of(pid, scene.broker.port))
    parents = sockets_of(parent_of(pod), scene.broker.port)

    assert len(owners) >= 12, "each worker has a connection"
    assert set(owners.values()) == {1}, "and it is nobody else's"
    assert not parents, "the parent has none"
    assert connections_at_the_server(scene) >= 12
    pod.delete(BUDGET.grace)


def sockets_of(pid: int, port: int) -> set[str]:
    """The inodes of this process's TCP connections to that port."""
    own = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    lines = Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]
    to_server = {f"socket:[{line.split()[9]}]" for line in lines if line.split()[2].endswith(f":{port:04X}")}
    return own & to_server


def connections_at_the_server(scene: Scene) -> int:
    broker = scene.broker
    if broker.name == "redis":
        return sum("cmd=x" in line for line in broker.ask("redis-cli -p $PORT client list").splitlines())
    if broker.name == "rabbitmq":
        return len(broker.ask("rabbitmqctl -q --no-table-headers list_connections pid").splitlines())
    query = "SELECT count(*) FROM pg_stat_activity WHERE client_port IS NOT NULL AND pid <> pg_backend_pid()"
    return int(broker.ask(f'psql -qAtX -h 127.0.0.1 -p $PORT -U ebbtide -d postgres -c "{query}"'))


# Applications that are not as they should be


class Changed:
    """The example with something of its own: made, built and put in a scene when it is asked for."""

    def __init__(self, directory: Path, broker: Broker) -> None:
        self.source = directory / "source"
        self._directory = directory
        self._broker = broker
        shutil.copytree(machine.EXAMPLE, self.source)

    def write(self, name: str, text: str) -> Changed:
        (self.source / name).write_text(text)
        return self

    def replace(self, name: str, old: str, new: str) -> Changed:
        text = (self.source / name).read_text()
        assert text.count(old) == 1, f"{name} has changed"
        return self.write(name, text.replace(old, new))

    def scene(self) -> Scene:
        application = Application(self.source, self._directory / "built").build()
        return Scene(application, self._broker)

    def at_boot(self, code: str) -> Changed:
        """Something that the kernel does while it boots."""
        boot = f"    public function boot(): void\n    {{\n        parent::boot();\n        {code}\n    }}\n"
        return self.replace(
            "src/Kernel.php", "    public function getProjectDir", f"{boot}\n    public function getProjectDir"
        )


@pytest.fixture
def changed(
    tmp_path: Path,
    packages: Callable[[tuple[str, ...]], None],
    brokers: Callable[[str], Broker],
) -> Changed:
    packages(machine.FAST)
    tmp_path.chmod(0o755)
    return Changed(tmp_path, brokers("redis"))


def assert_boots_by_itself(
    scene: Scene, words: str, environment: dict[str, str] = FORK, arguments: tuple[str, ...] = WORKER
) -> None:
    """Not forked, told why, and at work all the same."""
    scene.send(messages(seed=39, number=20, least=0.1, most=0.5))
    pod = scene.ours(4, BUDGET, environment, arguments=arguments).start()
    scene.wait_until(lambda: len(scene.account().finished) == 20, 300, "an application that cannot be forked works")
    (off,) = pod.events("forkOff")
    assert words in off["reason"], off
    assert not pod.events("startsHeld"), pod.output()
    assert_a_clean_end(pod.delete(BUDGET.grace), pod, scene)
    assert_nothing_was_lost(scene)


# Each builds an image, 20 s; test_boot_state.py tells such boots apart without one.
@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("$GLOBALS['kept'] = stream_socket_server('tcp://127.0.0.1:0');", "booting has opened socket:["),
        pytest.param(
            "$GLOBALS['kept'] = fopen(__FILE__, 'r');",
            "booting has opened /srv/app/src/Kernel.php",
            marks=pytest.mark.long,
        ),
        pytest.param("lcg_value();", "booting calls lcg_value()", marks=pytest.mark.long),
        pytest.param("static::$kept = getmypid();", "static App\\Kernel::$kept", marks=pytest.mark.long),
        pytest.param(
            "static::$kept = getenv('MESSENGER_CONSUMER_NAME');", "static App\\Kernel::$kept", marks=pytest.mark.long
        ),
        ("static::$kept = bin2hex(random_bytes(8));", "static App\\Kernel::$kept"),
        pytest.param("static::$kept = new \\DateTimeImmutable();", "static App\\Kernel::$kept", marks=pytest.mark.long),
        pytest.param(
            "static $kept; $kept = getmypid();", "static $kept in App\\Kernel::boot()", marks=pytest.mark.long
        ),
        ("static::$kept = new \\Random\\Engine\\Mt19937();", "random generator is seeded"),
        ("'cli' === \\PHP_SAPI && in_array('messenger:consume', $_SERVER['argv']) && exit(0);", "its console ends"),
    ],
)
def test_a_boot_that_leaves_something_behind_is_found_when_the_image_is_built(
    changed: Changed, code: str, words: str
) -> None:
    if words == "its console ends":
        # Its workers end as well: what counts is that the build says so.
        scene = changed.at_boot(code).scene()
        with scene:
            home = Path(subjects.ours(scene.application, 1, BUDGET).mounts[subjects.HOME])
            assert words in json.loads((home / "fork.json").read_text())["reasons"][0]
        return
    changed.replace(
        "src/Kernel.php", "    use MicroKernelTrait;", "    use MicroKernelTrait;\n    private static $kept;"
    )
    with changed.at_boot(code).scene() as scene:
        assert_boots_by_itself(scene, words)


def test_a_build_that_is_asked_for_forked_workers_ends_where_they_must_not_be(changed: Changed) -> None:
    with changed.at_boot("static $kept; $kept = getmypid();").scene() as scene:
        application = scene.application
        home = Path(subjects.ours(application, 1, BUDGET).mounts[subjects.HOME])
        volumes = {subjects.HOME: home, CACHE: application.directory / "cache"}
        check = (f"{subjects.HOME}/self-check", "--record")
        assert "[I-19]" in application.run(check, volumes), "who has not asked for it gets an image, and is told"
        with pytest.raises(RuntimeError, match=r"(?s)status 1: .*static \$kept in App.Kernel::boot.*\[I-25\]"):
            application.run(check, volumes, FORK)


def test_a_socket_that_only_the_container_opens_is_found_there(changed: Changed) -> None:
    code = "getenv('EBBTIDE_FORK_SOCKET') && $GLOBALS['kept'] = stream_socket_server('tcp://127.0.0.1:0');"
    code = f"getenv('EBBTIDE_FORK_RECORD') || {code}"
    with changed.at_boot(code).scene() as scene:
        assert_boots_by_itself(scene, "booting has opened socket:[")


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("exit(255)", "the parent ended by itself before it had booted"),
        ("$GLOBALS['kept'] = str_repeat('x', 1 << 30)", "the parent ended by itself before it had booted"),
        ("sleep(600)", "has not booted within 25 s"),
    ],
    ids=["ends", "reaches PHP's memory limit", "hangs"],
)
def test_a_boot_that_fails_or_hangs_only_in_the_parent_costs_a_moment(changed: Changed, code: str, words: str) -> None:
    code = f"getenv('EBBTIDE_FORK_DIRECTORY') && !getenv('EBBTIDE_FORK_RECORD') && {code};"
    with changed.at_boot(code).scene() as scene:
        assert_boots_by_itself(scene, words, {**FORK, "EBBTIDE_START_DEADLINE_SECONDS": "100"})


def test_a_console_that_needs_an_argument_of_its_own_to_boot_is_found_and_works(changed: Changed) -> None:
    needs = "'messenger:consume' === ($argv[1] ?? '') && !in_array('--no-debug', $argv, true) && exit(64);"
    changed.replace("bin/console", "exit((new Application", f"{needs}\nexit((new Application")
    with changed.scene() as scene:
        words = "its console ends, or consumes, without telling its event dispatcher first (status 64"
        assert_boots_by_itself(scene, words, arguments=(*WORKER, "--no-debug"))


def test_php_that_cannot_fork_is_refused_by_the_build_and_costs_a_container_a_moment(changed: Changed) -> None:
    (changed.source / "own.ini").write_text("disable_functions=pcntl_fork\n")
    cannot = {**FORK, "PHP_INI_SCAN_DIR": f":{DIRECTORY}"}
    with changed.scene() as scene:
        application = scene.application
        home = Path(subjects.ours(application, 1, BUDGET).mounts[subjects.HOME])
        allowed = (home / "fork.json").read_text()
        volumes = {subjects.HOME: home, CACHE: application.directory / "cache"}
        with pytest.raises(RuntimeError, match=r"(?s)status 1: .*PHP lacks pcntl_fork.*install pcntl.*\[I-25\]"):
            application.run((f"{subjects.HOME}/self-check", "--record"), volumes, cannot)
        # As if only the container's own PHP were so.
        (home / "fork.json").write_text(allowed)
        assert_boots_by_itself(scene, "the parent ended by itself before it had booted", cannot)


def test_workers_are_forked_without_an_opcache_as_well(changed: Changed) -> None:
    (changed.source / "own.ini").write_text("opcache.enable=0\n")
    with changed.scene() as scene:
        scene.send(messages(seed=43, number=20, least=0.1, most=0.5))
        pod = scene.ours(4, BUDGET, {**FORK, "PHP_INI_SCAN_DIR": f":{DIRECTORY}"}).start()
        scene.wait_until(lambda: len(scene.account().finished) == 20, 300, "all is handled")
        assert_forked(pod)
        assert_a_clean_end(pod.delete(BUDGET.grace), pod, scene)
        assert_nothing_was_lost(scene)


def test_a_console_of_another_name_is_forked_as_well(changed: Changed) -> None:
    shutil.copy(changed.source / "bin/console", changed.source / "bin/run")
    with changed.scene() as scene:
        scene.send(messages(seed=40, number=20, least=0.1, most=0.5))
        pod = scene.ours(4, BUDGET, FORK, arguments=("bin/run", *WORKER[2:])).start()
        scene.wait_until(lambda: len(scene.account().finished) == 20, 300, "all is handled")
        assert_forked(pod)
        assert_a_clean_end(pod.delete(BUDGET.grace), pod, scene)
        assert_nothing_was_lost(scene)


DRAW = """<?php
namespace App;
use Symfony\\Component\\EventDispatcher\\EventSubscriberInterface;
use Symfony\\Component\\Messenger\\Event\\WorkerStartedEvent;
final class Draw implements EventSubscriberInterface
{
    public static function getSubscribedEvents(): array { return [WorkerStartedEvent::class => 'draw']; }
    public function draw(): void
    {
        $drawn = [
            mt_rand(), lcg_value(), random_int(0, PHP_INT_MAX), uniqid('', true), getmypid(),
            $_SERVER['REQUEST_TIME_FLOAT'], getenv('MESSENGER_CONSUMER_NAME'),
            getenv('PHP_INI_SCAN_DIR'), getenv('EBBTIDE_FORK_SOCKET'), ini_get('memory_limit'),
        ];
        file_put_contents('/ledger/drawn', json_encode($drawn)."\\n", FILE_APPEND);
    }
}
"""


def test_what_workers_draw_is_their_own_even_where_the_boot_has_seeded(changed: Changed) -> None:
    changed.write("src/Draw.php", DRAW).at_boot("mt_srand(4711); mt_rand();")
    with changed.scene() as scene:
        pod = scene.ours(12, BUDGET, FORK).start()
        scene.wait_for_consumers(12)
        assert_forked(pod)
        lines = (scene.ledger.parent / "drawn").read_text().splitlines()
        drawn = list(zip(*map(json.loads, lines), strict=True))
        for what, values in zip(
            ("mt_rand", "lcg_value", "random_int", "uniqid", "pid", "time", "name"), drawn, strict=False
        ):
            assert len(set(values)) == 12, f"{what}: {sorted(values)}"
        assert set(drawn[6]) == {f"{pod.name}-{number}" for number in range(12)}
        assert not any("fork" in value for value in drawn[7]), "a PHP that a handler starts would fork as well"
        assert set(drawn[8]) == {False}
        assert set(drawn[9]) == {"256M"}
        pod.delete(BUDGET.grace)


FORKER = """<?php
namespace App;
use Symfony\\Component\\EventDispatcher\\EventSubscriberInterface;
use Symfony\\Component\\Messenger\\Event\\WorkerMessageReceivedEvent;
final class Forker implements EventSubscriberInterface
{
    public static function getSubscribedEvents(): array { return [WorkerMessageReceivedEvent::class => 'fork']; }
    public function fork(): void
    {
        if (0 === $pid = pcntl_fork()) {
            pcntl_exec('/usr/bin/php', ['-r', 'usleep(100000); exit(7);']);
        }
        pcntl_waitpid($pid, $status);
        if (7 !== pcntl_wexitstatus($status)) {
            throw new \\RuntimeException('got '.pcntl_wexitstatus($status));
        }
    }
}
"""


def test_a_handler_that_forks_and_executes_php_itself_is_not_in_the_way(changed: Changed) -> None:
    with changed.write("src/Forker.php", FORKER).scene() as scene:
        pod = scene.ours(6, BUDGET, FORK)
        scene.busy(messages(seed=41, number=200, least=0.1, most=1), pod, workers=6)

        deletion = pod.delete(BUDGET.grace)

        assert_forked(pod)
        assert_nothing_was_lost(scene)
        assert_a_clean_end(deletion, pod, scene)


CALLER = """<?php
namespace App;
use Symfony\\Component\\EventDispatcher\\EventSubscriberInterface;
use Symfony\\Component\\Messenger\\Event\\WorkerMessageReceivedEvent;
final class Caller implements EventSubscriberInterface
{
    private static ?\\CurlHandle $handle = null;
    public static function getSubscribedEvents(): array { return [WorkerMessageReceivedEvent::class => 'call']; }
    public function call(): void
    {
        self::$handle ??= curl_init(getenv('CALLED').'/'.getenv('MESSENGER_CONSUMER_NAME'));
        curl_setopt(self::$handle, CURLOPT_RETURNTRANSFER, true);
        if ('called' !== curl_exec(self::$handle)) {
            throw new \\RuntimeException(curl_error(self::$handle));
        }
    }
}
"""


class Called(ThreadingHTTPServer):
    """Keeps its connections, and knows which workers have called over each."""

    daemon_threads = True
    # As many at once as workers.
    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.callers: dict[int, list[str]] = {}


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self.server.callers.setdefault(self.client_address[1], []).append(self.path)
        self.send_response(200)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"called")

    def log_message(self, *_: object) -> None:
        pass


def test_a_connection_that_curl_keeps_belongs_to_one_worker_by_the_server_s_own_list(changed: Changed) -> None:
    version = subprocess.run(
        ["php", "-r", "echo PHP_MAJOR_VERSION, '.', PHP_MINOR_VERSION;"], capture_output=True, text=True, check=True
    ).stdout
    shutil.copy(php_extension("curl", version), changed.source / "curl.so")
    (changed.source / "own.ini").write_text(f"extension={DIRECTORY}/curl.so\n")
    with changed.write("src/Caller.php", CALLER).scene() as scene, Called() as called:
        threading.Thread(target=called.serve_forever, daemon=True).start()
        scene.send(messages(seed=44, number=48, least=0.1, most=0.3))
        calls = {"CALLED": f"http://127.0.0.1:{called.server_port}", "PHP_INI_SCAN_DIR": f":{DIRECTORY}"}
        pod = scene.ours(6, BUDGET, FORK | calls).start()
        scene.wait_until(lambda: len(scene.account().finished) == 48, 300, "all is handled")
        called.shutdown()
        assert_forked(pod)
        assert_a_clean_end(pod.delete(BUDGET.grace), pod, scene)
        assert_nothing_was_lost(scene)
        workers = {one.worker for one in scene.account().handlings}
    connections = list(called.callers.values())
    assert sum(map(len, connections)) == 48
    assert [set(callers) for callers in connections if len(set(callers)) > 1] == [], "a connection of two workers"
    assert len(connections) == len(workers) > 1, "each has one, and keeps it"


@pytest.mark.parametrize(
    ("mebibytes", "words"),
    [(1, None), (10**9, "the parent ended by itself before it had booted")],
    ids=["too little", "not to be had"],
)
def test_shared_memory_that_is_too_small_or_not_to_be_had_costs_no_message(
    changed: Changed, mebibytes: int, words: str | None
) -> None:
    with changed.scene() as scene:
        home = Path(subjects.ours(scene.application, 1, BUDGET).mounts[subjects.HOME])
        proof = json.loads((home / "fork.json").read_text())
        assert 2 <= proof["boot_mebibytes"] <= 100, "the build says what a boot makes"
        if words is not None:
            # No setting asks for so much: 1 TiB can be had on a machine of 24 GiB, as long as nobody uses it.
            ini = home / "fork/fork.ini"
            ini.write_text(ini.read_text().replace("${EBBTIDE_OPCACHE_MEBIBYTES}", str(mebibytes)))
            assert_boots_by_itself(scene, words)
            return
        (home / "fork.json").write_text(json.dumps(proof | {"opcache_mebibytes": mebibytes}))
        scene.send(messages(seed=42, number=20, least=0.1, most=0.5))
        pod = scene.ours(4, BUDGET, FORK).start()
        scene.wait_until(lambda: len(scene.account().finished) == 20, 300, "all is handled")
        assert_forked(pod)
        assert_a_clean_end(pod.delete(BUDGET.grace), pod, scene)
        assert_nothing_was_lost(scene)


def test_the_parent_has_compiled_code_from_the_image_and_adds_what_it_had_to_compile(changed: Changed) -> None:
    with changed.scene() as scene:
        home = Path(subjects.ours(scene.application, 1, BUDGET).mounts[subjects.HOME])
        built = compiled(home / "opcache")
        pod = scene.ours(4, BUDGET, FORK).start()
        scene.wait_for_consumers(4)
        now = compiled(Path(pod.volumes["/run/ebbtide"]) / "opcache")
        pod.delete(BUDGET.grace)
    assert_forked(pod)
    assert "Worker.php.bin" in built, "a worker up to its first message, and not only the boot"
    assert "hook.php.bin" in built, "and what forks it"
    assert built < now, "and the transport, of which a build has none"


def compiled(opcache: Path) -> set[str]:
    return {file.name for file in opcache.rglob("*.bin")}
