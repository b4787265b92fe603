"""Workers that are forked unasked: where it is proved for this container, and nowhere else."""
# ruff: noqa: F811 - a fixture of another module

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.runtime.lab import subjects
from tests.runtime.lab.application import messages
from tests.runtime.lab.promises import assert_a_clean_end, assert_nothing_was_lost
from tests.runtime.lab.subjects import WORKER
from tests.runtime.test_forks import (
    BUDGET,
    DRAW,
    Changed,
    assert_a_busy_pod_loses_nothing,
    changed,  # noqa: F401  # a fixture
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.runtime.lab.container import Pod
    from tests.runtime.lab.scene import Scene

pytestmark = pytest.mark.runtime

AUTO = {"EBBTIDE_WORKER_START": "auto"}
# What no build has and a container may: an application that asks for it boots otherwise there.
ONLY_HERE = {**AUTO, "SHOP_REGION": "eu"}


def assert_proved(pod: Pod) -> None:
    assert not pod.events("forkOff"), pod.output()
    assert pod.events("parentReady"), pod.output()
    assert not list(Path(pod.volumes["/run/ebbtide"]).glob("first-boot*")), "digests of secrets, left behind"


@pytest.mark.parametrize(
    "broker", ["redis", *(pytest.param(broker, marks=pytest.mark.long) for broker in ("rabbitmq", "postgresql"))]
)
def test_a_busy_pod_loses_nothing(open_scene: Callable[..., Scene], broker: str) -> None:
    assert_proved(assert_a_busy_pod_loses_nothing(open_scene(broker), 51, AUTO))


@pytest.mark.parametrize("workers", [7, 8, 400])
def test_few_boot_by_themselves_and_many_are_forked(open_scene: Callable[..., Scene], workers: int) -> None:
    scene = open_scene()
    budget = subjects.Budget(longest_message=60)
    pod = scene.ours(workers, budget, AUTO).start()
    scene.wait_for_consumers(workers, 180)
    names = [name for name, _ in scene.account().consuming]
    assert len(names) == len(set(names)) == workers
    assert len(pod.events("parentReady")) == (workers >= 8), pod.output()
    assert not pod.events("forkOff")
    assert_a_clean_end(pod.delete(budget.grace), pod, scene)


@pytest.mark.parametrize(
    "seconds_after_start", [0.2, 0.6, *(pytest.param(at, marks=pytest.mark.long) for at in (0.4, 0.8, 1.2))]
)
def test_a_pod_deleted_while_boots_are_compared_takes_nothing_down_with_it(
    open_scene: Callable[..., Scene], seconds_after_start: float
) -> None:
    scene = open_scene()
    scene.send(messages(seed=52, number=200, least=0.5, most=4))
    pod = scene.ours(40, BUDGET, AUTO).start()
    time.sleep(seconds_after_start)

    deletion = pod.delete(BUDGET.grace, hook=())

    assert not deletion.sigkilled, pod.output()
    assert_nothing_was_lost(scene)
    assert_a_clean_end(deletion, pod, scene)


def test_a_parent_that_is_killed_whenever_it_appears_costs_no_message(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene()
    scene.send(messages(seed=53, number=200, least=0.1, most=2))
    pod = scene.ours(20, BUDGET, AUTO).start()
    killed: set[int] = set()

    def kill_it() -> bool:
        # From its first moment on: its name is the application's until it has been proved.
        for pid, line in pod.processes().items():
            if pid not in killed and len(killed) < 2 and line.startswith("php") and is_parent(pid):
                killed.add(pid)
                os.kill(pid, signal.SIGKILL)
        return len(scene.account().finished) == 200

    scene.wait_until(kill_it, 120, "every message is handled")
    assert not pod.events("startsHeld"), pod.output()
    assert len(pod.workers()) == 20
    assert_a_clean_end(pod.delete(BUDGET.grace), pod, scene)
    assert_nothing_was_lost(scene)


def is_parent(pid: int) -> bool:
    try:
        return b"EBBTIDE_FORK_AGAINST=" in Path(f"/proc/{pid}/environ").read_bytes()
    except OSError:
        return False


def test_the_broker_is_away_when_the_container_starts(open_scene: Callable[..., Scene]) -> None:
    scene = open_scene()
    scene.broker.stop()
    pod = scene.ours(10, BUDGET, AUTO).start()
    scene.wait_until(lambda: bool(pod.events("startsHeld")), 30, "starts are held")
    time.sleep(3)
    scene.broker.start()
    scene.wait_for_consumers(10)
    assert_proved(pod)
    assert_a_clean_end(pod.delete(BUDGET.grace), pod, scene)


def assert_each_boots_by_itself(scene: Scene, words: str, environment: dict[str, str]) -> None:
    """Not forked, told why, at work all the same, and nobody has another's name or message."""
    scene.send(messages(seed=54, number=60, least=0.1, most=0.5))
    pod = scene.ours(10, BUDGET, environment, arguments=WORKER).start()
    scene.wait_until(lambda: len(scene.account().finished) == 60, 120, "an application that is not forked works")
    (off,) = pod.events("forkOff")
    assert words in off["reason"], off
    assert not pod.events("startsHeld"), pod.output()
    account = scene.account()
    assert not account.handled_twice
    assert not account.overlapping
    assert_a_clean_end(pod.delete(BUDGET.grace), pod, scene)
    assert_nothing_was_lost(scene)
    assert not list(Path(pod.volumes["/run/ebbtide"]).glob("first-boot*"))


@pytest.mark.parametrize(
    ("code", "words"),
    [
        ("static::$kept = getenv('MESSENGER_CONSUMER_NAME');", "static App\\Kernel::$kept"),
        ("static::$kept = new \\IntlDateFormatter('en', 0, 0);", "a IntlDateFormatter (static App\\Kernel::$kept)"),
        ("$GLOBALS['kept'] = stream_socket_server('tcp://127.0.0.1:0');", "booting has opened socket:["),
        *(
            pytest.param(*case, marks=pytest.mark.long)
            for case in (
                ("(fn () => $this->getEnv('MESSENGER_CONSUMER_NAME'))->call($this->container);", "$envCache"),
                ("static::$kept = bin2hex(random_bytes(8));", "static App\\Kernel::$kept"),
                ("static::$kept = microtime(true);", "static App\\Kernel::$kept"),
                ("putenv('INSTANCE='.getmypid());", "environment[INSTANCE]"),
                ("define('INSTANCE', uniqid());", "constant INSTANCE"),
                ("$GLOBALS['instance'] = getmypid();", "global $instance"),
                ("lcg_value();", "lcg_value()"),
            )
        ),
    ],
)
def test_a_boot_that_misbehaves_only_with_the_container_s_variables_is_found_there(
    changed: Changed,
    code: str,
    words: str,
) -> None:
    changed.replace(
        "src/Kernel.php", "    use MicroKernelTrait;", "    use MicroKernelTrait;\n    private static $kept;"
    )
    with changed.at_boot(f"if (getenv('SHOP_REGION')) {{ {code} }}").scene() as scene:
        home = Path(subjects.ours(scene.application, 1, BUDGET).mounts[subjects.HOME])
        proof = json.loads((home / "fork.json").read_text())
        assert proof["reasons"] == proof["doubts"] == [], "no build can see it"
        assert_each_boots_by_itself(scene, words, ONLY_HERE)


def test_a_copy_of_the_environment_as_symfony_s_runtime_leaves_it_is_each_worker_s_own(changed: Changed) -> None:
    changed.replace("bin/console", "exit((new Application", "$args = [$_SERVER + $_ENV];\nexit((new Application")
    changed.write(
        "src/Draw.php", DRAW.replace("ini_get('memory_limit')", "$GLOBALS['args'][0]['MESSENGER_CONSUMER_NAME']")
    )
    with changed.scene() as scene:
        pod = scene.ours(12, BUDGET, AUTO).start()
        scene.wait_for_consumers(12)
        assert_proved(pod)
        lines = (scene.ledger.parent / "drawn").read_text().splitlines()
        assert {json.loads(line)[9] for line in lines} == {f"{pod.name}-{number}" for number in range(12)}
        pod.delete(BUDGET.grace)


def test_what_workers_draw_is_their_own_the_first_one_s_too(changed: Changed) -> None:
    changed.write("src/Draw.php", DRAW).at_boot("mt_srand(4711); mt_rand();")
    with changed.scene() as scene:
        pod = scene.ours(12, BUDGET, AUTO).start()
        scene.wait_for_consumers(12)
        assert_proved(pod)
        lines = (scene.ledger.parent / "drawn").read_text().splitlines()
        drawn = list(zip(*map(json.loads, lines), strict=True))
        # The first has the boot's own seed, as each worker would in `exec`.
        assert all(len(set(values)) == 12 for values in drawn[:7]), drawn[:7]
        assert not any("fork" in value for value in drawn[7]), "a PHP that a handler starts would note its boot"
        pod.delete(BUDGET.grace)


COMPOSER = """
$those = spl_autoload_functions();
spl_autoload_register(static function (string $class) use ($those): void {
    foreach ($those as $load) {
        is_array($load) && $load[0] instanceof \\Ebbtide\\Fork\\Hook || $load($class);
        if (class_exists($class, false) || interface_exists($class, false) || trait_exists($class, false)) {
            return;
        }
    }
}, true, true);
"""


def test_an_application_whose_autoloader_comes_before_all_others_as_composer_s_does_is_forked(changed: Changed) -> None:
    changed.write("autoload.php", (changed.source / "autoload.php").read_text() + COMPOSER)
    with changed.scene() as scene:
        pod = scene.ours(12, BUDGET, AUTO).start()
        scene.wait_for_consumers(12)
        assert_proved(pod)
        assert_a_clean_end(pod.delete(BUDGET.grace), pod, scene)


def test_a_class_that_draws_an_id_when_it_is_loaded_is_loaded_by_each_worker(changed: Changed) -> None:
    # No boot has it: the first worker needs it, and what that needs the parent loads for all.
    changed.write(
        "src/Identity.php",
        "<?php\nnamespace App;\nclass Identity { public static $id; }\nIdentity::$id = bin2hex(random_bytes(8));\n",
    )
    changed.write("src/Own.php", "<?php\nnamespace App;\nfinal class Own extends Identity {}\n")
    changed.write("src/Draw.php", DRAW.replace("ini_get('memory_limit')", "Own::$id"))
    with changed.scene() as scene:
        pod = scene.ours(12, BUDGET, AUTO).start()
        scene.wait_for_consumers(12)
        assert_proved(pod)
        lines = (scene.ledger.parent / "drawn").read_text().splitlines()
        assert len({json.loads(line)[9] for line in lines}) == 12
        home = Path(subjects.ours(scene.application, 1, BUDGET).mounts[subjects.HOME])
        loaded = json.loads((home / "fork-classes.json").read_text())
        assert len(loaded) > 20, "and all others are loaded before the fork"
        assert "App\\Draw" in loaded
        pod.delete(BUDGET.grace)


def test_an_extension_that_is_not_known_is_named_and_nobody_is_forked(changed: Changed) -> None:
    with changed.scene() as scene:
        home = Path(subjects.ours(scene.application, 1, BUDGET).mounts[subjects.HOME])
        table = home / "ebbtide_supervisor/extensions.py"
        table.write_text(table.read_text().replace('"redis", ', ""))
        # The image's compiled code is not held against its source.
        for compiled in table.parent.glob("__pycache__/extensions.*"):
            compiled.unlink()
        assert_each_boots_by_itself(scene, "the extensions redis live through a fork", AUTO)


def test_a_console_that_is_prepended_only_in_the_container_runs_as_it_would(changed: Changed) -> None:
    (changed.source / "own.php").write_text("<?php file_put_contents('/ledger/prepended', 'x', FILE_APPEND);\n")
    (changed.source / "own.ini").write_text("auto_prepend_file=/srv/app/own.php\n")
    with changed.scene() as scene:
        environment = {**AUTO, "PHP_INI_SCAN_DIR": ":/srv/app"}
        assert_each_boots_by_itself(scene, "its boot was not seen", environment)
        assert len((scene.ledger.parent / "prepended").read_text()) >= 10, "each worker has run it, the first too"
