from __future__ import annotations

import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.runtime.lab import machine
from tests.runtime.lab.application import Application
from tests.runtime.lab.brokers import BROKERS, Broker
from tests.runtime.lab.scene import SCENES, Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


@pytest.fixture(scope="session", autouse=True)
def ended_in_order() -> Iterator[None]:
    """A run that takes too long is ended by SIGTERM: as after Ctrl-C, no pod and no broker of it runs on."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    yield
    signal.signal(signal.SIGTERM, before)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[pytest.TestReport]:
    """A failure says what the pods have said."""
    result: pytest.TestReport = yield
    if result.failed and SCENES:
        result.sections.append(("the scenes of this test", "\n".join(_told(scene) for scene in SCENES)))
    return result


def _told(scene: Scene) -> str:
    try:
        return scene.report()
    except Exception as error:  # noqa: BLE001 - the failure itself must be reported
        return f"-- {scene.broker.name}: {type(error).__name__}: {error}"


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup() -> None:
    SCENES.clear()


@pytest.fixture(scope="session")
def packages() -> Callable[[tuple[str, ...]], None]:
    """Installs what is missing; a machine that cannot run real workers skips, a CI that should be able to fails."""

    def prepare(names: tuple[str, ...]) -> None:
        try:
            machine.prepare((*machine.application_packages(), *names))
        except machine.UnavailableError as reason:
            if os.environ.get("CI") == "true" and os.geteuid() == 0:
                pytest.fail(f"CI must run this: {reason}", pytrace=False)
            pytest.skip(f"NOT RUN: {reason}")

    return prepare


@pytest.fixture(scope="session")
def application(packages: Callable[[tuple[str, ...]], None]) -> Iterator[Application]:
    packages(machine.FAST)
    with tempfile.TemporaryDirectory(prefix="ebbtide-application-") as directory:
        yield Application(machine.EXAMPLE, Path(directory)).build()


@pytest.fixture(scope="session")
def brokers(packages: Callable[[tuple[str, ...]], None]) -> Iterator[Callable[[str], Broker]]:
    """Real servers by name, each started when first asked for, all stopped at the end."""
    running: dict[str, Broker] = {}

    def get(name: str) -> Broker:
        if name not in running:
            packages(machine.FAST if name == "redis" else machine.ALL)
            running[name] = BROKERS[name]()
            running[name].start()
        if not running[name].processes:
            # A test that failed in an outage has left it away: no reason for the next ones to fail.
            running[name].start()
        return running[name]

    yield get
    for broker in running.values():
        broker.destroy()


@pytest.fixture
def open_scene(application: Application, brokers: Callable[[str], Broker]) -> Iterator[Callable[[str], Scene]]:
    """A scene with the broker of that name, closed with the test."""
    scenes: list[Scene] = []

    def new(broker: str = "redis") -> Scene:
        scenes.append(Scene(application, brokers(broker)))
        return scenes[-1]

    yield new
    for scene in scenes:
        scene.close()
