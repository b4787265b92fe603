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
    (tmp_path / "script.php").write_text(INCLUDES)
    (tmp_path / "opcache").mkdir()
    variables = {
        "PATH": "/usr/bin:/bin",
        "PHP_INI_SCAN_DIR": f":{CONSUMER}:{CONSUMER / 'fork'}",
        "EBBTIDE_MEMORY_LIMIT_MEBIBYTES": "128",
        "EBBTIDE_OPCACHE_DIRECTORY": str(tmp_path / "opcache"),
        "EBBTIDE_OPCACHE_MEBIBYTES": "64",
    }
    argv = ["php", "-d", "auto_prepend_file=", str(tmp_path / "script.php")]
    assert subprocess.run(argv, env=variables, check=True, capture_output=True, text=True).stdout == "12"
