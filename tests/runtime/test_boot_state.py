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


@pytest.mark.parametrize(
    ("code", "words"),
    [
        # PHP reads 8 KiB ahead, and all children would draw from the same.
        ("App::$kept = fopen('/dev/urandom', 'r'); fread(App::$kept, 4);", "read of STDIO and not used (static App"),
        ("App::$kept = new SplFileObject('/dev/urandom'); App::$kept->fread(4);", "a SplFileObject (static App"),
        ("App::$kept = new SplTempFileObject(); App::$kept->fwrite('x');", "a SplTempFileObject (static App::$kept)"),
        ("App::$kept = new SplPriorityQueue(); App::$kept->insert('job', getmypid());", "static App::$kept list"),
        (WRAPPER, "Wrapper::$pid"),
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


INCLUDES = """<?php
$file = __DIR__.'/flags.php';
for ($value = 1; $value < 3; ++$value) {
    file_put_contents($file, "<?php return $value;");
    touch($file, time() - 100 + $value);
    if (0 === pcntl_fork()) {
        echo include $file;
        exit(0);
    }
    pcntl_wait($status);
}
"""


def test_a_file_that_a_handler_writes_and_another_includes_is_what_it_is_now(tmp_path: Path) -> None:
    (tmp_path / "script.php").write_text(INCLUDES)
    (tmp_path / "opcache").mkdir()
    variables = {
        "PATH": "/usr/bin:/bin",
        "PHP_INI_SCAN_DIR": f":{HOOK.parent.parent}:{HOOK.parent}",
        "EBBTIDE_MEMORY_LIMIT_MEBIBYTES": "128",
        "EBBTIDE_OPCACHE_DIRECTORY": str(tmp_path / "opcache"),
        "EBBTIDE_OPCACHE_MEBIBYTES": "64",
    }
    argv = ["php", str(tmp_path / "script.php")]
    assert subprocess.run(argv, env=variables, check=True, capture_output=True, text=True).stdout == "12"
