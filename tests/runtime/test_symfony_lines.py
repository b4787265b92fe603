"""The same drains on the other lines of Symfony, each in its own Debian."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path
from threading import Timer
from typing import TYPE_CHECKING

import pytest
from tests.runtime.lab import debian, machine
from tests.runtime.lab.application import Application, messages
from tests.runtime.lab.promises import assert_a_clean_end, assert_no_new_work, assert_nothing_was_lost, drain_started
from tests.runtime.lab.scene import Scene
from tests.runtime.lab.subjects import Budget

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.runtime.lab.brokers import Broker

pytestmark = pytest.mark.runtime

BUDGET = Budget(longest_message=5)
WORKERS = 12


@pytest.fixture(scope="module", params=list(debian.SYMFONY_LINES))
def other_application(
    request: pytest.FixtureRequest,
    packages: Callable[[tuple[str, ...]], None],
) -> Iterator[Application]:
    packages((*machine.FAST, "debootstrap"))
    root = debian.file_system(request.param, (*machine.application_packages(), "python3"))
    with tempfile.TemporaryDirectory(prefix="ebbtide-application-") as directory:
        yield Application(machine.EXAMPLE, Path(directory), root).build()


def test_the_suite_brings_the_line_of_symfony_it_stands_for(
    other_application: Application,
    brokers: Callable[[str], Broker],
) -> None:
    printed = other_application.console(brokers("redis"), "--version")
    suite = str(other_application.root).rsplit("debian-", 1)[-1].split("-")[0]
    assert f"Symfony {debian.SYMFONY_LINES[suite]}" in printed


@pytest.mark.parametrize(
    ("broker", "hook"),
    # As in test_drain_matrix.py: every broker with the hook, and without it on one.
    [
        pytest.param("redis", None, id="redis-with hook"),
        pytest.param("rabbitmq", None, id="rabbitmq-with hook"),
        pytest.param("postgresql", None, id="postgresql-with hook"),
        pytest.param("redis", (), id="redis-without hook"),
        pytest.param("rabbitmq", (), id="rabbitmq-without hook", marks=pytest.mark.long),
        pytest.param("postgresql", (), id="postgresql-without hook", marks=pytest.mark.long),
    ],
)
def test_a_drain_loses_nothing_on_every_line_of_symfony(
    other_application: Application,
    brokers: Callable[[str], Broker],
    broker: str,
    hook: tuple[str, ...] | None,
) -> None:
    with Scene(other_application, brokers(broker)) as scene:
        pod = scene.ours(WORKERS, BUDGET)
        scene.busy(messages(seed=18, number=200, least=0.5, most=4), pod, workers=WORKERS)
        time.sleep(1)

        deletion = pod.delete(BUDGET.grace, hook=hook)

        assert_nothing_was_lost(scene)
        assert_a_clean_end(deletion, pod, scene)
        assert_no_new_work(scene, drain_started(pod))


# From 6.3 on Symfony handles signals before it has a worker that it could stop, and forgets the ones that come then.
# This makes those milliseconds as long as a test wants them, as a slow name server or a service that connects would.
SLOW_BOOT = """<?php
namespace App;
use Symfony\\Component\\Console\\ConsoleEvents;
use Symfony\\Component\\EventDispatcher\\EventSubscriberInterface;
final class SlowBoot implements EventSubscriberInterface
{
    public static function getSubscribedEvents(): array { return [ConsoleEvents::COMMAND => 'wait']; }
    public function wait(): void
    {
        for (; file_exists('/ledger/boot-waits'); clearstatcache()) { usleep(1000); }
    }
}
"""


# One that is known to boot still, and one that sleeps in its boot and is taken for ready: without WorkerProgress it is
# by 3 s. The others repeat the first.
@pytest.mark.parametrize(
    ("tells", "after"),
    [
        pytest.param(True, 0.7, id="with WorkerProgress-0.7"),
        pytest.param(False, 3, id="without-3"),
        pytest.param(True, 3, id="with WorkerProgress-3", marks=pytest.mark.long),
        pytest.param(False, 0.7, id="without-0.7", marks=pytest.mark.long),
    ],
)
def test_a_worker_that_is_told_to_stop_while_symfony_boots_stops(
    other_application: Application,
    brokers: Callable[[str], Broker],
    tmp_path: Path,
    *,
    tells: bool,
    after: float,
) -> None:
    source = tmp_path / "source"
    shutil.copytree(other_application.source, source, ignore=None if tells else shutil.ignore_patterns("Ebbtide"))
    (source / "src/SlowBoot.php").write_text(SLOW_BOOT)
    slow = Application(source, tmp_path / "built", other_application.root).build()
    with Scene(slow, brokers("redis")) as scene:
        scene.send(messages(seed=21, number=60, least=0.3, most=1))
        boot_waits = scene.ledger.parent / "boot-waits"
        pod = scene.ours(4, BUDGET)
        boot_waits.touch()
        pod.start()
        scene.wait_until(lambda: len(pod.events("workerStarted")) == 4, 120, "all workers have been started")
        time.sleep(after)
        boot_on = Timer(1, boot_waits.unlink)
        boot_on.start()

        deletion = pod.delete(BUDGET.grace, hook=())

        boot_on.join()
        assert_nothing_was_lost(scene)
        assert not deletion.sigkilled, pod.output()
        assert deletion.exit_status == 0, pod.output()
        new = len(scene.account().handlings)
        assert new == 0 if tells else new <= 4 * 3, f"{new} messages were begun by workers that were told to go"
