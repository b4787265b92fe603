"""The same drains on the other lines of Symfony, each in its own Debian."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
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


@pytest.mark.parametrize("hook", [None, ()], ids=["with hook", "without hook"])
@pytest.mark.parametrize("broker", ["redis", "rabbitmq", "postgresql"])
def test_a_drain_loses_nothing_on_every_line_of_symfony(
    other_application: Application,
    brokers: Callable[[str], Broker],
    broker: str,
    hook: tuple[str, ...] | None,
) -> None:
    with Scene(other_application, brokers(broker)) as scene:
        scene.send(messages(seed=18, number=80, least=0.5, most=4))
        pod = scene.ours(WORKERS, BUDGET).start()
        scene.wait_for_messages_in_hand(WORKERS)
        time.sleep(1)

        deletion = pod.delete(BUDGET.grace, hook=hook)

        assert_nothing_was_lost(scene)
        assert_a_clean_end(deletion, pod, scene)
        assert_no_new_work(scene, drain_started(pod))
