"""What workers that are forked see of a file that changes while they live: real PHP, with the parent's settings."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.runtime.lab import machine

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.runtime

CONSUMER = Path(__file__).parents[2] / "consumer"
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


@pytest.fixture(autouse=True)
def php(packages: Callable[[tuple[str, ...]], None]) -> None:
    packages(machine.FAST)


def test_a_file_that_a_handler_writes_and_another_includes_is_what_it_is_now(tmp_path: Path) -> None:
    assert run(tmp_path, INCLUDES) == "12"


def test_the_parent_compiles_no_more_ahead_than_a_worker_that_boots_by_itself(tmp_path: Path) -> None:
    # The JIT needs shared memory, and so is off in every worker with its code in files; what it makes would come on
    # top of the memory that is set aside for the parent.
    (tmp_path / "own.ini").write_text("opcache.jit=tracing\nopcache.jit_buffer_size=100M\n")
    assert run(tmp_path, "<?php echo json_encode(opcache_get_status(false)['jit']['on']);") == "false"


def run(directory: Path, code: str) -> str:
    (directory / "script.php").write_text(code)
    (directory / "opcache").mkdir()
    variables = {
        "PATH": "/usr/bin:/bin",
        "PHP_INI_SCAN_DIR": f":{directory}:{CONSUMER}:{CONSUMER / 'fork'}",
        "EBBTIDE_MEMORY_LIMIT_MEBIBYTES": "128",
        "EBBTIDE_OPCACHE_DIRECTORY": str(directory / "opcache"),
        "EBBTIDE_OPCACHE_MEBIBYTES": "64",
    }
    argv = ["php", "-d", "auto_prepend_file=", str(directory / "script.php")]
    return subprocess.run(argv, env=variables, check=True, capture_output=True, text=True).stdout
