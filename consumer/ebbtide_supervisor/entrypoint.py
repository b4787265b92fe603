"""What happens between the container's start and supervisord."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

from ebbtide_supervisor.command import command_doubts, command_problems, consumes
from ebbtide_supervisor.environment import Environment, read_environment
from ebbtide_supervisor.events import emit
from ebbtide_supervisor.fork_proof import CLASSES, read_proof
from ebbtide_supervisor.image_facts import recorded_transports
from ebbtide_supervisor.image_rules import judge_failures, judge_transports
from ebbtide_supervisor.metric_texts import duration_bounds
from ebbtide_supervisor.outcome import ExitStatus
from ebbtide_supervisor.programs import SHELLS
from ebbtide_supervisor.progress import Progress
from ebbtide_supervisor.status import lost_container

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ebbtide_supervisor.image_facts import Transport

HERE: Final = Path(__file__).resolve().parent.parent
BUILT_OPCACHE: Final = HERE / "opcache"


def main(command: Sequence[str]) -> NoReturn:
    """Become supervisord, or end with one line per problem."""
    environment, problems = read_environment(os.environ)
    transports: Sequence[Transport] = ()
    problems += _identity_problems()
    if environment is not None:
        problems += command_problems(environment, command)
        problems += _prepare_state_directory(environment)
        if not problems:
            symfony, signal = environment.worker_kind == "symfonyMessenger", environment.drain == "signal"
            transports = recorded_transports(os.environ) if symfony else ()
            problems += _transport_problems(transports, environment, command)
            problems += _signal_problems(environment, command) if signal and environment.needs_pcntl else []
    if problems or environment is None:
        for problem in problems:
            print(f"ebbtide: {problem}", file=sys.stderr)
        sys.exit(ExitStatus.REFUSED)
    for doubt in (*command_doubts(environment, command), *judge_failures(transports, command)):
        print(f"ebbtide: warning: {doubt}", file=sys.stderr)
    os.environ.update(container_variables(environment, command))
    # The interpreter in full: with PYTHONPATH and the like ignored, a Python worker's settings stay its own.
    os.execv(sys.executable, [sys.executable, "-EsB", str(HERE / "supervise")])  # noqa: S606


def _identity_problems() -> list[str]:
    problems = []
    if os.getuid() == 0:
        problems.append(
            "user: runs as root (got uid 0), and every worker would too; leave out `user`, or set "
            "securityContext.runAsUser to 10001"
        )
    if os.getppid() == 1 and (program := next((name for name in _names(1) if name in SHELLS), None)):
        problems.append(
            f"PID 1: is a shell (got {program!r}), which does not pass SIGTERM on, so every message in flight would be "
            "lost at the end of the grace period; start the image by its ENTRYPOINT, write "
            'command: ["/opt/ebbtide/entrypoint"], or end your script with exec /opt/ebbtide/entrypoint "$@"'
        )
    return problems


def _signal_problems(environment: Environment, command: Sequence[str]) -> list[str]:
    """Without pcntl neither Messenger nor Laravel has a signal handler, and each drain kills what is in flight. Costs
    20 ms of CPU."""
    php = command[0] if Path(command[0]).name.startswith("php") else "php"
    code = 'exit(function_exists("pcntl_signal") && function_exists("pcntl_async_signals") ? 0 : 1);'
    if (status := os.spawnlp(os.P_WAIT, php, php, "-r", code)) == 0:  # noqa: S606
        return []
    text = f"php: cannot handle signals (got status {status} from {php}), so a worker would die of SIGTERM inside its "
    text += "message; install pcntl, or take it out of disable_functions"
    return [text + (", or set EBBTIDE_DRAIN=stopFile" if environment.worker_kind == "symfonyMessenger" else "")]


def _transport_problems(transports: Sequence[Transport], environment: Environment, command: Sequence[str]) -> list[str]:
    """What the image's build could not judge: it has no DSN, this container has. Only of what is consumed here."""
    consumed = [transport for transport in transports if consumes(command, transport.name)]
    return [str(finding) for finding in judge_transports(consumed, environment) if finding.is_error]


def _names(pid: int) -> list[str]:
    """What it calls itself and what it is: a script's shell has the script's name, another user's file is not shown."""
    process, names = Path(f"/proc/{pid}"), []
    with contextlib.suppress(OSError):
        names.append((process / "comm").read_text(encoding="utf-8").strip())
    with contextlib.suppress(OSError):
        names.append((process / "exe").readlink().name)
    return names


def _prepare_state_directory(environment: Environment) -> list[str]:
    """An empty state of this container: what a container before it left in the pod's volume goes."""
    directory = environment.state_directory
    if (lost := lost_container(environment.status_file, Progress(directory), environment.processes)) is not None:
        emit("containerLost", **lost)
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lessons = directory / "lessons.json"
        told = (environment.status_file, environment.snapshot_file, environment.parked_file)
        # Also half of one: whoever was writing it may have been killed.
        noted = directory.glob(f"{environment.first_boot_file.name}*")
        for stale in (environment.stop_file, environment.socket, *told, lessons, *noted):
            stale.unlink(missing_ok=True)
        probe = directory / "writable"
        probe.write_bytes(b"x" * 4096)
        probe.unlink()
        _copy_opcache(directory / "opcache")
        shutil.rmtree(directory / "workers", ignore_errors=True)
        (directory / "workers").mkdir()
    except OSError as error:
        reason = error.strerror or error  # shutil.copytree's own error has a list instead
        text = f"{directory}: cannot be written (got {reason}), and the drain needs it; mount a memory volume "
        return [text + f"there that uid {os.getuid()} may write and that is not full"]
    return []


def _copy_opcache(target: Path) -> None:
    """PHP 8.2 refuses a read-only opcache.file_cache, so the one built into the image is copied into memory.

    Also for forked workers: what they have in shared memory their parent takes from there, instead of compiling it.
    """
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    if BUILT_OPCACHE.is_dir():
        shutil.copytree(BUILT_OPCACHE, target, dirs_exist_ok=True, copy_function=shutil.copyfile)


def forks(environment: Environment) -> bool:
    """Whether there is a parent: where workers may be forked, and the image's build has found nothing against it."""
    return environment.worker_start != "exec" and not read_proof().against(environment.worker_start)


def container_variables(environment: Environment, command: Sequence[str]) -> dict[str, str]:
    """What supervisord.conf, `consume` and PHP read, defaults filled in."""
    bounds = ",".join(map(str, duration_bounds(environment.longest_message_seconds)))
    variables = environment.variables() | {
        "EBBTIDE_WORKER_COMMAND": shlex.join(command),
        "EBBTIDE_HOME": str(HERE),
        "EBBTIDE_PARENTS": str(int(forks(environment))),
        "EBBTIDE_FORK_SOCKET": str(environment.fork_socket),
        "EBBTIDE_FORK_CLASSES": str(CLASSES),
        "EBBTIDE_OPCACHE_MEBIBYTES": str(environment.opcache_mebibytes(read_proof().opcache_mebibytes)),
        "EBBTIDE_HELPERS": str(int(environment.needs_helper)),
        # Workers that tell of their messages count durations by them; nothing without somebody who asks.
        "EBBTIDE_DURATION_BOUNDS": bounds if environment.metrics_port else "",
        "EBBTIDE_OPCACHE_DIRECTORY": str(environment.state_directory / "opcache"),
        "HOSTNAME": os.environ.get("HOSTNAME") or os.uname().nodename,
    }
    # An empty first entry keeps PHP's own directory; ours comes last and so wins.
    variables["PHP_INI_SCAN_DIR"] = f"{os.environ.get('PHP_INI_SCAN_DIR', '')}:{HERE}"
    return variables
