"""Which commands there are, and what one of them costs."""

import json
import pkgutil
import subprocess
import sys

import typer.main

from ebbtide.cli import commands
from ebbtide.cli.main import app


def test_every_command_that_is_written_can_be_called():
    written = {module.name for module in pkgutil.iter_modules(commands.__path__)} - {"options"}
    assert set(typer.main.get_command(app).commands) == written


def test_a_command_does_not_pay_for_the_options_of_the_others():
    code = (
        "import json, sys\n"
        "from ebbtide.cli.main import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print(json.dumps([name for name in sys.modules if name.startswith('ebbtide.cli.commands.')]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "rules", "V-21"], capture_output=True, text=True, check=True, timeout=120
    )
    loaded = json.loads(done.stdout.splitlines()[-1])
    assert sorted(loaded) == ["ebbtide.cli.commands.options", "ebbtide.cli.commands.rules"]


def test_a_wrong_name_is_answered_with_the_right_one():
    done = subprocess.run(
        [sys.executable, "-m", "ebbtide", "chek"], capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 2
    assert "'check'" in done.stderr
