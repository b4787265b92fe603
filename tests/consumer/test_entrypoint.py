"""The entrypoint: a container that cannot work says why and ends; it never idles in silence."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from typing import TYPE_CHECKING

import pytest
from tests.consumer.conftest import IMAGE_USER, PATIENCE_SECONDS, until

if TYPE_CHECKING:
    from pathlib import Path

    from tests.consumer.conftest import Container


def show(container: Container) -> list[str]:
    """A worker that writes down its environment, and stays."""
    return ["sh", "-c", f"env > {container.directory}/seen.tmp; mv seen.tmp seen; exec sleep 300"]


def seen(container: Container) -> dict[str, str]:
    file = container.directory / "seen"
    until(file.exists, f"the worker, in\n{container.log}")
    return dict(line.split("=", 1) for line in file.read_text().splitlines() if "=" in line)


def refused(container: Container, *command: str, **variables: object) -> list[str]:
    assert container.start(*command, **variables).wait() == 1, "Kubernetes must see that the container cannot work"
    lines = container.log.splitlines()
    assert all(line.startswith("ebbtide: ") for line in lines), f"a traceback for a user's mistake:\n{container.log}"
    return lines


@pytest.mark.parametrize(
    ("variables", "words"),
    [
        ({"PROCESSES": 0}, "EBBTIDE_PROCESSES"),
        ({"PROCESSES": 10_000}, "EBBTIDE_PROCESSES"),
        ({"PROCESSES": "many"}, "EBBTIDE_PROCESSES"),
        ({"GRACE_SECONDS": 10}, "EBBTIDE_GRACE_SECONDS"),
        ({"STATE_DIRECTORY": "/proc/no-such-place"}, "/proc/no-such-place: cannot be written"),
    ],
)
def test_a_bad_environment_is_refused(container: Container, variables: dict[str, object], words: str) -> None:
    (line,) = refused(container, *container.command(), **variables)
    assert words in line


def test_a_container_without_a_command_is_refused(container: Container) -> None:
    (line,) = refused(container)
    assert "no worker command" in line


def test_no_receivers_and_a_missing_console_are_refused_together(container: Container) -> None:
    container.variables["EBBTIDE_WORKER_KIND"] = "symfonyMessenger"
    lines = refused(container, "sh", "bin/console", "messenger:consume")
    assert len(lines) == 2
    assert "does not exist" in lines[0]
    assert "no receiver" in lines[1]


@pytest.mark.parametrize(
    ("kind", "command", "otherwise"),
    [
        ("symfonyMessenger", ["php", "bin/console", "messenger:consume", "events"], "or set EBBTIDE_DRAIN=stopFile"),
        ("laravelQueue", ["php", "artisan", "queue:work"], "or take it out of disable_functions"),
    ],
)
def test_php_without_signal_handlers_is_refused(
    container: Container, kind: str, command: list[str], otherwise: str
) -> None:
    application(container, php_status=1)
    (line,) = refused(container, *command, WORKER_KIND=kind)
    assert "install pcntl" in line
    assert line.endswith(otherwise)


def test_php_without_signal_handlers_may_drain_by_stop_file(container: Container) -> None:
    application(container, php_status=1)
    container.start("php", "bin/console", "messenger:consume", "events", PROCESSES=1, DRAIN="stopFile")
    container.until_event("workerStarted")


SHARED_NAME = ["events", "%env(DSN)%", {"transport_name": "events", "consumer": "consumer"}]
TOO_EAGER = ["events", "doctrine://default", {"redeliver_timeout": "%env(int:REDELIVER)%"}]


@pytest.mark.parametrize(
    ("transport", "words"),
    [(SHARED_NAME, "one Redis consumer name for all workers"), (TOO_EAGER, "redeliver_timeout is not above")],
)
def test_a_transport_that_only_this_container_knows_is_judged_before_its_workers_start(
    container: Container, transport: list[object], words: str
) -> None:
    """The image's build has seen no DSN: without this the first to find out would be the messages."""
    recorded(container, [transport])
    container.variables |= {"DSN": "redis://redis/stream", "REDELIVER": "3"}
    (line,) = refused(container, "php", "bin/console", "messenger:consume", "events")
    assert words in line


def test_a_transport_that_this_container_does_not_consume_from_is_not_its_business(container: Container) -> None:
    recorded(container, [SHARED_NAME])
    container.variables["DSN"] = "redis://redis/stream"
    container.start("php", "bin/console", "messenger:consume", "others", PROCESSES=1)
    container.until_event("workerStarted")


def recorded(container: Container, transports: list[list[object]]) -> None:
    """What the image's build has written down about the application."""
    application(container, php_status=0)
    shutil.copytree(container.image, container.directory / "opt")
    container.image = container.directory / "opt"
    (container.image / "transports.json").write_text(json.dumps({"transports": transports, "defaults": {}}))


def application(container: Container, php_status: int) -> None:
    """A Symfony application whose PHP only has an exit status."""
    (container.directory / "bin").mkdir()
    (container.directory / "bin/console").touch()
    (container.directory / "php").write_text(f"#!/usr/bin/python3 -ES\nraise SystemExit({php_status})\n")
    (container.directory / "php").chmod(0o755)
    container.variables["EBBTIDE_WORKER_KIND"] = "symfonyMessenger"
    container.variables["PATH"] = f"{container.directory}:{container.variables['PATH']}"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can start a container as root")
def test_root_is_refused(container: Container) -> None:
    path = str(container.image / "entrypoint")
    command = [path, *container.command()]
    done = subprocess.run(command, env=container.variables, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "runs as root" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="a PID namespace needs root here")
def test_a_shell_as_pid_1_is_refused(container: Container) -> None:
    path = container.image / "entrypoint"
    # The second command keeps the shell from being replaced by the first, as `sh -c` in Debian 12 never does it.
    shell = f"{path} sleep 300; exit $?"
    done = subprocess.run(
        ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child", f"--setuid={IMAGE_USER}", "sh", "-c", shell],
        env=container.variables,
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 1
    assert "PID 1: is a shell" in done.stderr


@pytest.mark.skipif(os.getuid() != 0, reason="a PID namespace needs root here")
def test_a_script_that_does_not_exec_the_entrypoint_is_refused_as_pid_1(container: Container) -> None:
    script = container.directory / "start"
    script.write_text(f'#!/bin/sh\necho preparing\n{container.image / "entrypoint"} "$@"\n')
    script.chmod(0o755)
    unshare = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child", f"--setuid={IMAGE_USER}")
    command = [*unshare, str(script), "sleep", "300"]
    done = subprocess.run(
        command, env=container.variables, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=False
    )
    assert done.returncode == 1
    assert "PID 1: is a shell" in done.stderr, "its name is the script's, and it ignores SIGTERM all the same"
    assert "exec" in done.stderr


def test_a_volume_too_small_for_the_opcache_is_refused_with_the_reason(container: Container, image: Path) -> None:
    (image / "opcache/0123").mkdir(parents=True)
    (image / "opcache/0123/code.bin").write_bytes(b"compiled")
    try:
        main = container.directory / "entry"
        main.write_text(FULL_VOLUME.format(image=str(container.image)))
        main.chmod(0o755)
        container.start(*container.command(), main=str(main))
        assert container.wait() == 1
        assert "No space left on device" in container.log
        assert "Traceback" not in container.log
    finally:
        shutil.rmtree(image / "opcache")


def test_a_state_directory_that_cannot_be_written_is_refused(container: Container) -> None:
    container.state.mkdir(mode=stat.S_IRUSR | stat.S_IXUSR)
    (line,) = refused(container, *container.command())
    assert "cannot be written" in line
    assert "mount a memory volume" in line


def test_what_an_earlier_container_left_in_the_volume_goes(container: Container) -> None:
    container.state.mkdir()
    for name in ("stop", "status", "supervisor.sock"):
        (container.state / name).touch()
    if os.getuid() == 0:
        shutil.chown(container.state, IMAGE_USER, IMAGE_USER)
    container.start(*container.command(), PROCESSES=1)
    container.until_event("workerStarted")
    until(lambda: container.ledger("started"), "the worker: it found the stop file of a container before")


def test_workers_get_a_consumer_name_of_their_own_and_every_default(container: Container) -> None:
    container.start(*show(container), PROCESSES=1)
    variables = seen(container)
    assert variables["MESSENGER_CONSUMER_NAME"] == "pod-a-0"
    assert variables["EBBTIDE_DRAIN_DEADLINE_SECONDS"] == "20"
    assert variables["PHP_INI_SCAN_DIR"] == f":{container.image}", "PHP's own directory must stay, ours must come last"
    assert "PYTHONPATH" not in variables, "a Python worker would import our modules"


def test_the_built_opcache_is_copied_into_memory_where_the_workers_may_write(container: Container, image: Path) -> None:
    built = image / "opcache/0123"
    built.mkdir(parents=True)
    (built / "code.bin").write_bytes(b"compiled")
    (built / "code.bin").chmod(0o444)
    try:
        container.start(*show(container), PROCESSES=1)
        directory = container.state / "opcache"
        assert seen(container)["EBBTIDE_OPCACHE_DIRECTORY"] == str(directory)
        copied = directory / "0123/code.bin"
        assert copied.read_bytes() == b"compiled"
        assert copied.stat().st_mode & stat.S_IWUSR, "PHP could not replace what has changed"
    finally:
        shutil.rmtree(image / "opcache")


FULL_VOLUME = """#!/usr/bin/python3 -EsB
import errno, shutil, sys
sys.path.insert(0, {image!r})
from ebbtide_supervisor import entrypoint
def full(source, target, **_):
    raise OSError(errno.ENOSPC, "No space left on device")
shutil.copyfile = full
entrypoint.main(sys.argv[1:])
"""


def test_a_command_keeps_its_words_as_they_are(container: Container) -> None:
    words = ["a b", "", "%d %(here)s", 'quo"te', "semi;colon # not a comment", "$HOME", "ü"]
    container.start("/usr/bin/python3", "-c", WRITE_ARGUMENTS, str(container.directory / "seen"), *words, PROCESSES=1)
    file = container.directory / "seen"
    until(lambda: file.exists() and file.read_text().endswith("]"), f"the worker, in\n{container.log}")
    assert json.loads(file.read_text()) == words


WRITE_ARGUMENTS = "import json, sys, time; open(sys.argv[1], 'w').write(json.dumps(sys.argv[2:])); time.sleep(300)"


def run_consume(image: Path, directory: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {
        "PATH": os.environ["PATH"],
        "HOSTNAME": "pod-a",
        "EBBTIDE_STATE_DIRECTORY": str(directory),
        "EBBTIDE_PROCESS_NUMBER": "3",
        "EBBTIDE_PROCESS_TIME_LIMIT_SECONDS": "0",
    } | variables
    argv = [str(image / "consume"), *command]
    return subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)


def test_consume_does_not_start_while_the_stop_file_is_there(image: Path, tmp_path: Path) -> None:
    (tmp_path / "stop").touch()
    done = run_consume(image, tmp_path, "echo", "started")
    assert (done.returncode, done.stdout) == (37, "")
    assert (tmp_path / "stop").exists(), "one worker that takes the file away lets 69 others start again"


def test_consume_gives_the_worker_the_time_limit_that_is_its_own(image: Path, tmp_path: Path) -> None:
    done = run_consume(image, tmp_path, "echo", "a", EBBTIDE_PROCESS_TIME_LIMIT_SECONDS="3384")
    assert done.stdout == "a --time-limit=3384\n"


def test_consume_adds_no_time_limit_where_there_is_none(image: Path, tmp_path: Path) -> None:
    assert run_consume(image, tmp_path, "echo", "a").stdout == "a\n"


def test_consume_becomes_the_worker_so_that_the_signal_reaches_it(image: Path, tmp_path: Path) -> None:
    done = run_consume(image, tmp_path, "sh", "-c", 'echo "$PPID"')
    assert done.stdout.strip() == str(os.getpid()), "a shell in between dies of SIGTERM while PHP still works"
