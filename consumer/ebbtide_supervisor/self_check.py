"""`self-check`: refuses an image, or a configuration, with which a drain would lose messages."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ebbtide_supervisor.command import command_doubts, command_problems
from ebbtide_supervisor.entrypoint import container_variables
from ebbtide_supervisor.environment import LEAST_FORKED, read_environment
from ebbtide_supervisor.fork_proof import PROOF, Proof, prove, read_proof
from ebbtide_supervisor.image_facts import gather
from ebbtide_supervisor.image_rules import Finding, judge_failures, judge_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ebbtide_supervisor.environment import Environment

# Compiled code that an image brings along. 2,160 classes are 29 MiB.
MOST_OPCACHE_BYTES: Final = 40 * 1024**2


def main(arguments: Sequence[str]) -> int:
    """Check the image, and with the worker's command that too. 0 when nothing is wrong; warnings do not count."""
    record = list(arguments[:1]) == ["--record"]
    command = arguments[1:] if record else arguments
    environment, problems = read_environment(os.environ)
    findings = [Finding("I-16", problem) for problem in problems]
    if environment is not None:
        if command:
            findings += [Finding("I-17", problem) for problem in command_problems(environment, command)]
            findings += [Finding("I-18", doubt) for doubt in command_doubts(environment, command)]
        if environment.worker_kind == "symfonyMessenger":
            console = _console(command)
            if not console.is_file() and not command:
                text = f"console: {console} does not exist (got working directory {Path.cwd()}); set WORKDIR"
                findings.append(Finding("I-14", text))
            findings += _check_application(environment, command, console, record=record)
    for finding in findings:
        print(f"self-check: {'error' if finding.is_error else 'warning'}: {finding}", file=sys.stderr)
    return int(any(finding.is_error for finding in findings))


def _check_application(
    environment: Environment, command: Sequence[str], console: Path, *, record: bool
) -> list[Finding]:
    opcache = os.environ.get("EBBTIDE_OPCACHE_DIRECTORY")
    with tempfile.TemporaryDirectory() as scratch:
        worker = Path(scratch, "worker")
        worker.mkdir()
        os.environ.update(container_variables(environment, command) | {"EBBTIDE_OPCACHE_DIRECTORY": scratch})
        facts = gather(console, os.environ, record=record)
        findings = [*judge_image(facts, environment), *judge_failures(facts.transports, command)]
        if record and facts.php is not None and facts.transports:
            variables = {**os.environ, "EBBTIDE_OPCACHE_DIRECTORY": str(worker)}
            prove(console, [transport.name for transport in facts.transports], facts.php, variables)
        if PROOF.is_file():
            findings += _tell_of_forking(read_proof(), environment)
        if opcache is not None and not any(finding.is_error for finding in findings):
            _fill_opcache(console, worker, opcache)
    return findings


def _tell_of_forking(proof: Proof, environment: Environment) -> list[Finding]:
    if not proof.against("auto"):
        print(
            "self-check: fork: found nothing in the boot that workers must not share, nor anything that nobody could "
            f"look into; from {LEAST_FORKED} processes in a pod on they are forked from one that has booted, where the "
            f"container's own boots agree as well, and share the {proof.boot_mebibytes} MiB that it makes, and "
            "compiled code; docs/forked-workers.md",
            file=sys.stderr,
        )
    each = "fork: workers of this image boot by themselves each, and are not forked from one that has booted: "
    doubts = [Finding("I-28", f"{each.removesuffix(': ')} with worker.start: auto: {doubt}") for doubt in proof.doubts]
    if environment.worker_start == "fork":
        return [Finding("I-25", each + reason) for reason in proof.reasons]
    return [Finding("I-19", each + reason) for reason in proof.reasons] + doubts


def _fill_opcache(console: Path, worker: Path, directory: str) -> None:
    """Compile what every worker needs: its boot, and where one could be run (`prove`) all up to its first message.

    Not what the self-check needed, which is 7 MB more of each pod's memory, nor so much that the volume it is copied to
    (64 MiB) has no room for what handlers need. That the first worker of each container compiles, alone.
    """
    if sum(file.stat().st_size for file in worker.rglob("*.bin")) <= MOST_OPCACHE_BYTES:
        for of_this_php in worker.iterdir():  # the directory itself may be somebody else's
            shutil.copytree(of_this_php, Path(directory, of_this_php.name), dirs_exist_ok=True)
    variables = {**os.environ, "EBBTIDE_OPCACHE_DIRECTORY": directory}
    argv = ["php", str(console), "help", "messenger:consume", "--no-ansi"]
    subprocess.run(argv, env=variables, stdout=subprocess.DEVNULL, check=False)


def _console(command: Sequence[str]) -> Path:
    """The console of the worker's command, or where every Symfony application has it."""
    return next((Path(word) for word in command if Path(word).name == "console"), Path("bin/console"))
