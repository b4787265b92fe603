"""What two boots are held against each other by: real PHP, and what an application may leave in it."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ebbtide_supervisor.fork_proof import judge, judge_doubts
from tests.runtime.lab import machine

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.runtime

HOOK = Path(__file__).parents[2] / "consumer/fork/hook.php"
FIRST = {"MESSENGER_CONSUMER_NAME": "pod-0", "EBBTIDE_PROCESS_NUMBER": "0"}
PARENT = {"MESSENGER_CONSUMER_NAME": "pod-1009", "EBBTIDE_PROCESS_NUMBER": "1009"}
BOOT = """<?php
require getenv('HOOK');
require dirname(getenv('HOOK')).'/facts.php';
class App { public static $kept; }
function look(): array {
    $libraries = Ebbtide\\Fork\\Process::libraries();
    $descriptors = Ebbtide\\Fork\\Process::descriptors();
    (static function (): void { %s })();
    $facts = Ebbtide\\Fork\\Facts::of($descriptors, $libraries, new stdClass());
    $is_first = '0' === getenv('EBBTIDE_PROCESS_NUMBER');
    return $facts + Ebbtide\\Fork\\Facts::compare(new stdClass(), getenv('FILE'), $is_first);
}
echo json_encode(look());
"""


@pytest.fixture(autouse=True)
def php(packages: Callable[[tuple[str, ...]], None]) -> None:
    packages(machine.FAST)


def run(script: Path, variables: dict[str, str]) -> Any:
    variables = {"PATH": "/usr/bin:/bin", "HOOK": str(HOOK), "FILE": str(script.with_name("first")), **variables}
    printed = subprocess.run(["php", str(script)], env=variables, check=True, capture_output=True, text=True).stdout
    return json.loads(printed)


def found(directory: Path, code: str) -> list[str]:
    """What is said of two boots that do this."""
    script = directory / "boot.php"
    script.write_text(BOOT % code)
    run(script, FIRST)
    facts = run(script, PARENT)
    facts["arguments"] = True  # there is no console
    return [*judge({}, facts, {}), *judge_doubts(facts)]


@pytest.mark.parametrize(
    "code",
    [
        "",
        "App::$kept = ['name' => 'shop', new ArrayObject([1, 2])];",
        "mt_srand(4711); mt_rand(); random_bytes(4);",
        "$GLOBALS['log'] = fopen('php://stderr', 'w'); fwrite($GLOBALS['log'], '');",
        "App::$kept = fopen('/dev/urandom', 'r');",
    ],
)
def test_boots_that_leave_the_same_are_alike(tmp_path: Path, code: str) -> None:
    assert found(tmp_path, code) == []


def test_half_of_what_a_boot_has_made_is_not_left_in_a_volume_that_is_full(tmp_path: Path) -> None:
    script = tmp_path / "boot.php"
    script.write_text(BOOT % "for ($i = 0; $i < 5000; ++$i) { App::$kept[] = new ArrayObject([$i]); }")
    limited = ["sh", "-c", "trap '' XFSZ; ulimit -f 100; exec php \"$0\"", str(script)]
    variables = {"PATH": "/usr/bin:/bin", "HOOK": str(HOOK), "FILE": str(tmp_path / "first"), **FIRST}
    done = subprocess.run(limited, env=variables, check=False, capture_output=True, text=True)
    assert "cannot write" in done.stdout + done.stderr
    assert not list(tmp_path.glob("first*"))


WRAPPER = """
class Wrapper {
    public $context;
    public $pid;
    function stream_open() { $this->pid = getmypid(); return true; }
    function stream_eof() { return true; }
    function stream_read($length) { return ''; }
    function stream_stat() { return []; }
}
stream_wrapper_register('own', 'Wrapper');
App::$kept = fopen('own://x', 'r');
"""

BLIND = """
ini_set('open_basedir', dirname(getenv('FILE')).':'.dirname(getenv('HOOK'), 2));
App::$kept = stream_socket_server('tcp://127.0.0.1:0');
"""

HIDES = """
App::$kept = new class extends SplObjectStorage { function valid(): bool { return false; } };
App::$kept->attach(new stdClass(), getmypid());
"""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        # PHP reads 8 KiB ahead, and all children would draw from the same.
        ("App::$kept = fopen('/dev/urandom', 'r'); fread(App::$kept, 4);", "read of STDIO and not used (static App"),
        ("App::$kept = new SplFileObject('/dev/urandom'); App::$kept->fread(4);", "a SplFileObject (static App"),
        ("App::$kept = new SplTempFileObject(); App::$kept->fwrite('x');", "a SplTempFileObject (static App::$kept)"),
        ("App::$kept = new SplPriorityQueue(); App::$kept->insert('job', getmypid());", "static App::$kept list"),
        (WRAPPER, "Wrapper::$pid"),
        (BLIND, "/proc/self/fd cannot be read"),
        ("eval('trait Own { public static $kept; }'); @Own::$kept = getmypid();", "static Own::$kept"),
        ("$pid = getmypid(); pcntl_signal(SIGUSR2, static function () use ($pid) {});", "handler of signal 12 use"),
        ("stream_context_set_default(['http' => ['header' => 'X: '.getmypid()]]);", "streams of PHP"),
        ("date_default_timezone_set(getenv('EBBTIDE_PROCESS_NUMBER') ? 'Asia/Tokyo' : 'UTC');", "time zone"),
        ("pcntl_alarm(3600);", "has set an alarm (in 3600 s)"),
        # With ten workers the parent's number was 10: of five shards it had the first worker's.
        ("App::$kept = getenv('EBBTIDE_PROCESS_NUMBER') % 5;", "static App::$kept"),
        ("App::$kept = (static function () { yield 1; })(); App::$kept->current();", "a generator under way"),
        ("App::$kept = new Fiber(static function () {});", "a Fiber (static App::$kept)"),
        ("App::$kept = hash_init('md5');", "a HashContext (static App::$kept)"),
        ("App::$kept = sem_get(4711);", "a SysvSemaphore (static App::$kept)"),
        # Each child would read there about the parent, and all at one position.
        ("App::$kept = fopen('/proc/self/stat', 'r');", "has opened /proc/"),
        # Hidden by another, and back when that is taken away.
        ("$p = getmypid(); set_error_handler(fn () => $p); set_error_handler(fn () => 1);", "error handler 1 use"),
        ("$p = getmypid(); set_exception_handler(fn () => $p); set_exception_handler(fn () => 1);", "handler 1 use"),
        ("$p = getmypid(); assert_options(ASSERT_CALLBACK, fn () => $p);", "failed assertions use"),
        ("$p = getmypid(); libxml_set_external_entity_loader(fn () => $p);", "loader of entities use"),
        ("ob_start(static function (string $text) { return $text; });", "what Closure::__invoke holds"),
        ("$p = getmypid(); App::$kept = new ReflectionFunction(fn () => $p);", "static App::$kept code"),
        ("App::$kept = new ReflectionObject(new stdClass());", "a ReflectionObject (static App::$kept)"),
        # The next server of a list.
        ("App::$kept = [1, 2]; getenv('EBBTIDE_PROCESS_NUMBER') && next(App::$kept);", "static App::$kept"),
        (
            "App::$kept = new ArrayIterator([1, 2]); App::$kept->seek(getenv('EBBTIDE_PROCESS_NUMBER') % 2);",
            "static App::$kept list",
        ),
        (
            "App::$kept = fopen('data:,ab', 'r'); fread(App::$kept, getenv('EBBTIDE_PROCESS_NUMBER') ? 1 : 2);",
            "static App::$kept",
        ),
        # They would tell of themselves what they like.
        (HIDES, "static App::$kept list"),
        (
            "App::$kept = new class('@'.getmypid()) extends DateTime { function format($f): string { return ''; } };",
            "static App::$kept time",
        ),
    ],
)
def test_what_tells_two_boots_apart_or_cannot_be_seen_is_named(tmp_path: Path, code: str, words: str) -> None:
    (reason,) = found(tmp_path, code)
    assert words in reason


def test_another_parent_is_told_from_the_first_by_one_digest(tmp_path: Path) -> None:
    script = tmp_path / "boot.php"
    script.write_text(BOOT % "App::$kept = getenv('SECRET');")
    run(script, FIRST | {"SECRET": "one"})
    first = run(script, PARENT | {"SECRET": "one"})
    (tmp_path / "first").unlink()
    same, other = (run(script, PARENT | {"SECRET": secret}) for secret in ("one", "two"))
    assert first["digest"] == same["digest"] != other["digest"]
    assert "different" not in same


LOADER = """<?php
require getenv('HOOK');
spl_autoload_register(static function (string $class): void {
    require __DIR__."/$class.php";
    // As a loader of "static constructors" does.
    method_exists($class, 'begin') && $class::begin();
});
file_put_contents(__DIR__.'/list', json_encode(array_map(static function (string $class): string {
    return __DIR__."/$class.php";
}, array_combine(%(listed)s, %(listed)s))));
Ebbtide\\Fork\\Classes::load(__DIR__.'/list');
echo json_encode(array_values(array_filter(%(asked)s, static function (string $class): bool {
    return class_exists($class, false);
})));
"""
PLAIN = [f"Plain{number}" for number in range(60)]


@pytest.mark.parametrize(
    ("listed", "asked", "loaded"),
    [
        ([], [], []),
        # It draws when it is loaded: so neither it nor those that were tried with it.
        (["Draws"], ["Draws"], []),
        # PHP loads it to check the types of a method.
        (["Child"], ["Child", "Beside", "Result"], []),
        # A fatal error ends a copy, and no parent.
        (["Broken"], ["Broken"], None),
    ],
)
def test_only_classes_whose_loading_runs_nothing_are_loaded_before_the_fork(
    tmp_path: Path, listed: list[str], asked: list[str], loaded: list[str] | None
) -> None:
    for name in PLAIN:
        (tmp_path / f"{name}.php").write_text(f"<?php class {name} {{ public static $kept = [1, 2 => M_PI]; }}")
    files = {
        "Draws": "class Draws { public static $id; static function begin() { self::$id = random_bytes(8); } }",
        "Base": "class Base { function give(): Result { return new Result(); } }",
        "Child": "class Child extends Base { function give(): Beside { return new Beside(); } }",
        "Result": "class Result { public static $id; }",
        "Beside": "class Beside extends Result {} Beside::$id = random_bytes(8);",
        "Broken": "class Broken implements Countable {}",
    }
    for name, code in files.items():
        (tmp_path / f"{name}.php").write_text(f"<?php {code}")
    script = tmp_path / "load.php"
    names = [*PLAIN, *listed]
    script.write_text(LOADER % {"listed": json.dumps(names), "asked": json.dumps([*PLAIN, *asked])})
    alone = [] if loaded is None else PLAIN[:50] if listed else PLAIN
    assert run(script, PARENT) == [*alone, *(loaded or [])]


DECLARES = "echo (int) Ebbtide\\Fork\\Source::onlyDeclares(__DIR__.'/file.php');"


@pytest.mark.parametrize(
    ("code", "only_declares"),
    [
        ("namespace X; use Y\\B; final class A extends B { function f() { return [1]; } }", True),
        # As files of Symfony and Doctrine end: the parent looks into what that loads as into any other.
        ("class A {} class_exists(B::class);", True),
        ("namespace X; \\interface_exists(\\Y\\B::class, true);", True),
        ("class A {} class_alias('A', 'B');", True),
        ("class_exists(draw());", False),
        ("class_exists($class);", False),
        ('class_exists("B$number");', False),
        ("class_exists(B::class) || draw();", False),
        ("class_exists(B::class)->draw();", False),
        ("X\\class_exists(B::class);", False),
        ("A::class_exists(B::class);", False),
        ("draw(B::class);", False),
        ("class A { static $id; } A::$id = 1;", False),
        ("if (true) { class A {} }", False),
    ],
)
def test_a_file_declares_where_it_calls_nothing_but_what_loads_a_class(
    tmp_path: Path, code: str, *, only_declares: bool
) -> None:
    (tmp_path / "file.php").write_text(f"<?php {code}")
    script = tmp_path / "look.php"
    script.write_text(f"<?php require dirname(getenv('HOOK')).'/source.php'; {DECLARES}")
    assert run(script, {}) == only_declares
