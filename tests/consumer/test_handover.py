"""The stop signal reaches the worker, or the command is refused: judged from the script, and seen with real shells."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from ebbtide_supervisor.command import command_doubts, command_problems, read_program
from ebbtide_supervisor.environment import read_environment
from ebbtide_supervisor.handover import judge_handover
from tests.handover_cases import ACCEPTED, DOUBTED, REFUSED, Case

if TYPE_CHECKING:
    from pathlib import Path

# Its message is finished only when the test lets it, so that no slow machine can hide who ends too early.
WORKER = """#!/usr/bin/env python3
import os, pathlib, signal, sys, time
here = pathlib.Path(os.environ["LEDGER"])
def finish(*_):
    while not (here / "may-finish").exists():
        if (here / "is-over").exists():
            sys.exit(1)
        time.sleep(0.01)
    (here / "finished").touch()
    sys.exit(0)
signal.signal(signal.SIGTERM, finish)
(here / "started").touch()
# A signal just before one long sleep would be heard only after it. Whoever has a session of its own is told by a file.
while not (here / "is-over").exists():
    time.sleep(0.02)
"""
PATIENCE_SECONDS = 100
# How long the message takes after the signal, and how long a kubelet would wait then: who is accepted has all time.
MESSAGE_SECONDS, GRACE_SECONDS = 4.0, 1.0


@pytest.fixture(scope="module")
def bin_directory(tmp_path_factory) -> Path:
    directory = tmp_path_factory.mktemp("bin")
    (directory / "worker").write_text(WORKER)
    for name in ("prepare", "ready"):
        (directory / name).write_bytes(b"#!/usr/bin/env python3\n")
    for path in directory.iterdir():
        path.chmod(0o755)
    return directory


@pytest.fixture(scope="module")
def outcomes(bin_directory, tmp_path_factory) -> dict[str, str]:
    """What became of each case's message: all cases at once, each in a ledger of its own."""
    root = tmp_path_factory.mktemp("ledgers")
    cases = [case for case in (*ACCEPTED, *REFUSED) if case.loses]
    with ThreadPoolExecutor(len(cases)) as pool:
        found = [
            pool.submit(outcome, case, root / str(at), bin_directory, is_accepted=case in ACCEPTED)
            for at, case in enumerate(cases)
        ]
        return {case.name: future.result() for case, future in zip(cases, found, strict=True)}


def outcome(case: Case, ledger: Path, bin_directory: Path, *, is_accepted: bool) -> str:
    """Start it, send it the stop signal, and see whether the message is finished before its process has ended."""
    ledger.mkdir()
    variables = {"PATH": f"{bin_directory}:/usr/bin:/bin", "LEDGER": str(ledger), "HOME": "/root"}
    argv = [case.shell, "-c", case.script, "--", *case.arguments]
    process = subprocess.Popen(argv, env=variables, cwd=ledger, start_new_session=True, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (ledger / "started").exists():
            if time.monotonic() > deadline or process.poll() is not None:
                return "never started"
            time.sleep(0.01)
        process.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0.2 if is_accepted else MESSAGE_SECONDS)
            return "cut off"
        (ledger / "may-finish").touch()
        try:
            process.wait(PATIENCE_SECONDS if is_accepted else GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            return "killed after the grace period"
        return "finished" if (ledger / "finished").exists() else "cut off"
    finally:
        # The container ends with its first process.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        (ledger / "is-over").touch()


def argv_of(case: Case) -> list[str]:
    return [case.shell, "-c", case.script, "--", *case.arguments]


def problems(command: list[str], **changes: object) -> list[str]:
    environment, _ = read_environment({})
    assert environment is not None
    found = command_problems(replace(environment, worker_kind="command", **changes), command)
    return [problem for problem in found if "not a program of this image" not in problem]


def doubts(command: list[str]) -> list[str]:
    environment, _ = read_environment({})
    assert environment is not None
    return command_doubts(environment, command)


@pytest.mark.parametrize("case", ACCEPTED, ids=lambda case: case.name)
def test_a_script_that_is_proved_to_become_the_worker_is_accepted(case, outcomes):
    assert problems(argv_of(case)) == []
    assert doubts(argv_of(case)) == []
    assert outcomes[case.name] == "finished"


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.name)
def test_a_script_behind_which_a_message_is_lost_is_refused_with_its_line(case, outcomes):
    (problem,) = problems(argv_of(case))
    assert problem.startswith("args: ")
    assert case.words in problem
    assert outcomes.get(case.name) != "finished"


@pytest.mark.parametrize("case", DOUBTED, ids=lambda case: case.name)
def test_what_cannot_be_known_of_a_script_is_said_and_not_called_safe(case):
    assert problems(argv_of(case)) == []
    (doubt,) = doubts(argv_of(case))
    assert case.words in doubt


@pytest.mark.parametrize("case", [*ACCEPTED, *REFUSED], ids=lambda case: case.name)
def test_a_script_in_the_image_is_judged_as_the_same_text_in_the_command(case, tmp_path):
    script = tmp_path / "start"
    script.write_bytes(f"#!/usr/bin/env {case.shell}\n{case.script}\n".encode())
    script.chmod(0o755)
    for command in ([str(script)], [case.shell, str(script)]):
        found = problems([*command, *case.arguments])
        assert bool(found) == (case in REFUSED), found


@pytest.mark.parametrize(
    ("script", "file"),
    [
        ('. ./role.sh\n[ "$1" = worker ] && exec worker\nworker; true', "shift\n"),
        ('. ./role.sh\ncase "$1" in worker) exec worker ;; esac\nworker; true', "set -- web\n"),
        (". ./role.sh web\nworker; true", 'if [ "$1" = worker ]; then exec worker; fi\n'),
    ],
)
def test_a_file_that_is_read_may_move_the_arguments_or_have_others(script, file):
    for shell in ("sh", "bash"):
        verdict = judge_handover([shell, "-c", script, "--", "worker"], {"./role.sh": file.encode()}.get)
        assert "runs worker below the shell" in verdict.refused


def test_an_argument_that_the_kubelet_fills_in_chooses_no_branch():
    script = 'case "$1" in worker) worker; true ;; *) exec worker ;; esac'
    verdict = judge_handover(["sh", "-c", script, "--", "$(ROLE)"], lambda _: None)
    assert "runs worker below the shell" in verdict.refused


LOSING_WRAPPERS = [
    (
        "e01",
        "#!/bin/sh\n\ncd /app || exit 65\nwhile :; do\n    bin/console messenger:consume high --limit=10\ndone\n",
        5,
    ),
    (
        "e04",
        '#!/bin/sh\nset -e\nif [ "$1" = migrate ]; then\n  exec php m\nfi\nphp bin/console messenger:consume async\n',
        6,
    ),
    ("e06", '#!/bin/bash\nphp artisan queue:work redis "$@"\nexit $?\n', 2),
]


@pytest.mark.parametrize(("name", "text", "line"), LOSING_WRAPPERS, ids=lambda value: str(value)[:3])
def test_the_wrapper_scripts_of_public_reports_are_refused_by_the_line_of_their_worker(tmp_path, name, text, line):
    script = tmp_path / "worker.sh"
    script.write_text(text)
    script.chmod(0o755)
    (problem,) = problems([str(script)])
    assert f"(line {line})" in problem, name
    assert "write exec" in problem


STARTED = {
    "options of set are no arguments": ('#!/bin/bash\nset -euo pipefail\nexec "$@"\n', ""),
    "an interpreter of s6-overlay": ("#!/command/with-contenv bash\nexec worker\n", ""),
    "a script of s6-overlay without exec": ("#!/command/with-contenv sh\nworker --x\n", "runs worker below the shell"),
    "execline": ("#!/command/execlineb -P\n# as www-data\nwith-contenv\ns6-setuidgid www-data\nworker\n", ""),
    "execline that starts npm": ("#!/bin/execlineb -P\nnpm run worker\n", "runs the worker under npm"),
}


@pytest.mark.parametrize("case", STARTED)
def test_what_a_first_line_or_an_option_of_set_means_is_known(case):
    text, refused = STARTED[case]
    verdict = judge_handover(["/run", "worker"], {"/run": text.encode()}.get)
    assert refused in verdict.refused
    assert bool(verdict.refused) is bool(refused)
    assert refused or [program[0] for program in verdict.programs] == ["worker"]


@pytest.mark.parametrize("text", ["foreground { setup } worker\n", "worker 'open\n"])
def test_of_execline_what_is_not_read_is_said(text):
    verdict = judge_handover(["/run"], {"/run": f"#!/bin/execlineb -P\n{text}".encode()}.get)
    assert verdict.doubts or verdict.not_read


def test_a_file_that_a_script_reads_in_is_judged_with_it(tmp_path):
    (tmp_path / "start.sh").write_text("exec worker\n")
    (tmp_path / "loop.sh").write_text("while :; do worker; done\n")
    assert doubts(["sh", "-c", f". {tmp_path}/start.sh"]) == []
    assert problems(["sh", "-c", f". {tmp_path}/start.sh"]) == []
    assert "below the shell" in problems(["sh", "-c", f". {tmp_path}/loop.sh; exec worker"])[0]


INSIDE = "while ready; do while :; do {}; done; worker; done; exec worker"


@pytest.mark.parametrize(
    ("script", "repeats"),
    [
        (INSIDE.format("break"), "worker"),
        (INSIDE.format("break 1"), "worker"),
        (INSIDE.format("break 2"), ""),
        (INSIDE.format("break 9"), ""),
        (INSIDE.format("break $N"), "worker"),
        (INSIDE.format("continue 2"), "ready"),
        ("while ready; do break; worker; done; exec worker", ""),
        ("while ready; do continue; worker; done; exec worker", "ready"),
        ("while ready; do break 0; worker; done; exec worker", ""),
        ("break 2; exec worker", ""),
    ],
)
def test_a_loop_is_left_as_far_as_its_break_says(script: str, repeats: str) -> None:
    verdict = judge_handover(("sh", "-c", script), lambda _path: None)
    assert not verdict.refused
    assert [repeats] * bool(repeats) == [doubt.split(" again and again")[0].split()[-1] for doubt in verdict.doubts]


@pytest.mark.parametrize("shell", ["fish", "csh", "tcsh", "pwsh", "nu", "elvish", "xonsh"])
def test_a_shell_whose_scripts_nobody_reads_is_refused(shell: str) -> None:
    refused = judge_handover((f"/usr/bin/{shell}", "-c", "worker"), lambda _path: None).refused
    assert refused == f"runs the worker under {shell}, whose scripts are not read"


def test_a_script_that_is_not_utf_8_is_read_byte_by_byte(tmp_path):
    script = tmp_path / "start"
    script.write_bytes(b"#!/bin/sh\n# gr\xfc\xdfe\nexec worker --name=\xfc\n")
    script.chmod(0o755)
    assert problems([str(script)]) == []
    script.write_bytes(b"#!/bin/sh\n# gr\xfc\xdfe\nworker\ntrue\n")
    assert "(line 3)" in problems([str(script)])[0]


def test_a_script_whose_interpreter_ends_in_a_carriage_return_is_refused(tmp_path):
    script = tmp_path / "start"
    script.write_bytes(b"#!/bin/sh\r\nexec worker\r\n")
    script.chmod(0o755)
    assert "Windows line ends" in problems([str(script)])[0]
    script.write_bytes(b"#!/usr/bin/python3\r\nprint()\r\n")
    assert "Windows line ends" in problems([str(script)])[0]


def test_a_script_without_its_first_line_is_judged_as_what_sh_runs(tmp_path):
    script = tmp_path / "start"
    script.write_text("worker\ntrue\n")
    script.chmod(0o755)
    assert "below the shell" in problems([str(script)])[0]


@pytest.mark.parametrize(
    "text", [b"\0" * 9, b"#!/bin/sh\nexec worker \0\n", b"#!/bin/sh\n" + b"#" * 70_000 + b"\nexec worker\n"]
)
def test_a_script_that_cannot_be_read_is_not_called_safe(tmp_path, text):
    script = tmp_path / "start"
    script.write_bytes(text)
    script.chmod(0o755)
    assert (problems([str(script)]) == []) == (not text.startswith(b"#!"))


def test_deep_nesting_is_one_line_and_no_traceback(tmp_path):
    script = tmp_path / "start"
    script.write_text("#!/bin/sh\n" + "{ " * 450 + "exec worker; " + "} " * 450)
    script.chmod(0o755)
    assert "cannot be read" in problems([str(script)])[0]
    assert "too deeply" in problems(["sh", "-c", "start() { start; }; start; exec worker"])[0]
    assert "shells inside of shells" in problems(["busybox"] * 30 + ["sh"])[0]


def test_an_image_without_its_parser_refuses_a_script_instead_of_accepting_it(monkeypatch):
    from ebbtide_supervisor import syntax

    syntax.parse.cache_clear()
    monkeypatch.setattr(syntax, "shfmt", lambda: None)
    assert "shfmt is missing" in problems(["sh", "-c", "exec worker"])[0]
    assert problems(["php", "worker.php"]) == [], "a command without a shell needs no parser"


def test_a_parser_that_the_machine_holds_up_for_seconds_still_judges(monkeypatch, tmp_path):
    """A container that is started on a node without CPU would be refused its script, and started again."""
    from ebbtide_supervisor import syntax

    slow = tmp_path / "shfmt"
    slow.write_text(f'#!/bin/sh\nsleep 2.5\nexec {syntax.shfmt()} "$@"\n')
    slow.chmod(0o755)
    syntax.parse.cache_clear()
    monkeypatch.setattr(syntax, "shfmt", lambda: str(slow))
    assert problems(["sh", "-c", "exec worker"]) == []


WRAPPED = [
    (["env", "-i", "A=b", "-u", "C", "worker"], ("worker",)),
    (["env", "-S", "A=b worker --x"], ("worker", "--x")),
    (["tini", "-g", "--", "worker"], ("worker",)),
    (["dumb-init", "--rewrite", "15:3", "worker"], ("worker",)),
    (["gosu", "app:app", "worker"], ("worker",)),
    (["nice", "-n", "5", "ionice", "-c2", "-n", "0", "worker"], ("worker",)),
    (["setpriv", "--reuid", "1000", "--clear-groups", "worker"], ("worker",)),
    (["bundle", "exec", "sidekiq", "-q", "mail"], ("sidekiq", "-q", "mail")),
    (["poetry", "--no-interaction", "-C", "/app", "run", "celery", "worker"], ("celery", "worker")),
    (["pnpm", "--dir=/app", "exec", "node", "worker.js"], ("node", "worker.js")),
    (["pnpm", "--silent", "run", "worker", "exec"], ("pnpm", "--silent", "run", "worker", "exec")),
    (["bash", "-eo", "pipefail", "-c", "exec worker"], ("worker",)),
    (["bash", "--norc", "-lc", 'exec "$0" "$@"', "worker", "-x"], (None, "-x")),
    (["busybox", "sh", "-c", "exec worker"], ("worker",)),
    (["python3", "-m", "celery"], ("python3", "-m", "celery")),
]


@pytest.mark.parametrize(
    ("command", "is_doubted"),
    [
        (["/app/worker", "--queue", "node"], False),
        (["/app/worker", "php"], False),
        (["xvfb-run", "php", "worker.php"], True),
        (["xvfb-run", "sidekiq"], True),
        (["dotenv", "--", "/app/worker"], True),
        (["prlimit", "--cpu=unlimited", "/app/worker"], False),
        (["prlimit", "--cpu=unlimited:unlimited", "/app/worker"], False),
        (["prlimit", "--cpu=60:unlimited", "/app/worker"], True),
    ],
)
def test_a_name_of_a_queue_and_no_limit_cast_no_doubt_on_a_worker(command, is_doubted):
    verdict = judge_handover(command, lambda _: None)
    assert (verdict.refused, bool(verdict.doubts)) == ("", is_doubted), verdict


@pytest.mark.parametrize(
    ("words", "behind"),
    [
        ("uv run", "celery -A shop worker"),
        ("uv --directory /app run", "celery -A shop worker"),
        ("uv -q --project /app --color never run --frozen", "celery -A shop worker"),
        ("uv tool run", None),
        ("uv --offline x", None),
    ],
)
def test_a_program_that_nobody_has_tried_is_doubted_whatever_its_options_are(words, behind):
    verdict = judge_handover(f"{words} celery -A shop worker".split(), lambda _: None)
    assert verdict.refused == ""
    assert "under uv, and whether the stop signal gets through it is not known" in verdict.doubts[0]
    assert verdict.programs == (tuple((behind or f"{words} celery -A shop worker").split()),)


def test_an_option_s_value_that_only_a_variable_knows_hides_no_worker():
    command = "poetry -C $HOME run celery multi start"
    words = [None if word == "$HOME" else word for word in command.split()]
    assert judge_handover(words, lambda _: None).programs == (("celery", "multi", "start"),)


@pytest.mark.parametrize(("command", "program"), WRAPPED, ids=lambda value: " ".join(map(str, value)))
def test_what_a_command_becomes_is_found_behind_its_wrappers(command, program):
    verdict = judge_handover(command, lambda _: None)
    assert (verdict.refused, verdict.programs) == ("", (program,))


@pytest.mark.parametrize(
    "command",
    [
        ["python3", "-u", "-c", "import subprocess; subprocess.run(['celery'])"],
        ["perl", "-e", 'system("worker")'],
        ["php", "-r", "passthru('php worker.php');"],
        ["/usr/bin/node", "--watch", "worker.js"],
        ["node", "--watch=src", "worker.js"],
        ["ruby", "-e", "system 'sidekiq'"],
        ["python3", "-W", "ignore", "-c", "import worker"],
        ["php", "-d", "memory_limit=1G", "-r", "system('worker');"],
        ["node", "--import", "./tracing.mjs", "--watch", "worker.js"],
        ["perl", "-Ilib", "-we", "system 'worker'"],
        ["deno", "run", "--watch", "worker.ts"],
    ],
    ids=" ".join,
)
def test_an_interpreter_that_may_keep_the_worker_below_it_is_not_judged(command):
    verdict = judge_handover(command, lambda _: None)
    assert (verdict.refused, len(verdict.doubts)) == ("", 1)


@pytest.mark.parametrize(
    "command",
    [
        ["python3.11", "-m", "celery", "-A", "shop", "worker", "-c", "4"],
        ["php", "-d", "memory_limit=1G", "worker.php", "-r"],
        ["php", "bin/console", "messenger:consume", "-e", "prod"],
        ["node", "worker.js", "--watch"],
        ["node", "-r", "./tracing.js", "worker.js"],
        ["php", "-d", "-r", "worker.php"],
    ],
    ids=" ".join,
)
def test_an_option_of_the_program_is_none_of_its_interpreter(command):
    assert judge_handover(command, lambda _: None).doubts == ()


REAL_WRAPPERS = [
    *(["env", "A=b"], ["nice"], ["stdbuf", "-oL"], ["setpriv"], ["nohup"], ["flock", "-F", "LOCK"]),
    *(["timeout", "60"], ["flock", "LOCK"], ["time"], ["script", "-qec"], ["xargs", "-a", "/dev/null"]),
]


@pytest.mark.parametrize("wrapper", REAL_WRAPPERS, ids=" ".join)
def test_a_wrapper_does_what_its_row_in_the_table_says(wrapper, bin_directory, tmp_path):
    """Those that every Debian has; the others are known from their documentation and source."""
    if shutil.which(wrapper[0], path="/usr/bin:/bin") is None:
        pytest.skip(f"NOT RUN: {wrapper[0]} is not on this machine")
    command = [word.replace("LOCK", str(tmp_path / "lock")) for word in wrapper] + ["worker"]
    case = Case("wrapped", 'exec "$@"')
    ledger = tmp_path / "ledger"
    words = " ".join(command)
    verdict = judge_handover(command, read_program)
    is_accepted = not verdict.refused
    found = outcome(replace(case, script=f"exec {words}"), ledger, bin_directory, is_accepted=is_accepted)
    assert (found == "finished") == is_accepted, found


@pytest.mark.parametrize("gate", ["self-check", "entrypoint"])
def test_the_image_refuses_a_losing_script_at_both_of_its_gates(container, gate):
    script = container.directory / "worker.sh"
    script.write_text(LOSING_WRAPPERS[0][1])
    script.chmod(0o755)
    done = container.run(gate, str(script))
    assert done.returncode == 1
    assert "(line 5)" in done.stderr
    assert "write exec" in done.stderr


def test_the_image_s_self_check_accepts_what_becomes_the_worker_and_says_what_it_cannot_know(container):
    done = container.run("self-check", "sh", "-c", "exec /usr/bin/python3 -V")
    assert (done.returncode, done.stderr) == (0, "")
    done = container.run("self-check", "sh", "-c", ". ./nowhere.sh; exec /usr/bin/python3 -V")
    assert done.returncode == 0
    assert "warning: args: the script of sh runs code that is not known here (line 1)" in done.stderr


def test_the_image_refuses_a_signal_on_which_a_known_program_loses_its_message(container):
    container.variables["EBBTIDE_STOP_SIGNAL"] = "INT"
    done = container.run("self-check", "env", "celery", "-A", "shop", "worker")
    assert "STOP_SIGNAL" not in done.stderr
    done = container.run("self-check", "env", "php", "artisan", "queue:work")
    assert "EBBTIDE_STOP_SIGNAL: artisan queue:work finishes its message on TERM, not on INT" in done.stderr


@pytest.mark.parametrize("kind", ["command", "symfonyMessenger"])
def test_an_init_that_makes_another_signal_of_it_is_refused_where_the_worker_dies_of_that_one(kind):
    environment, _ = read_environment({})
    assert environment is not None
    command = ["dumb-init", "-r", "15:2", "php", "bin/console", "messenger:consume", "mail"]
    found = command_problems(replace(environment, worker_kind=kind), command)
    assert any("not on INT" in problem for problem in found), found


def test_an_init_that_signals_celerys_own_processes_is_refused(monkeypatch):
    command = ["dumb-init", "celery", "-A", "shop", "worker"]
    (problem,) = problems(command)
    assert "each of Celery's processes dies of it with its task; write dumb-init --single-child" in problem
    assert problems(["dumb-init", "-c", *command[1:]]) == []
    monkeypatch.setenv("DUMB_INIT_SETSID", "0")
    assert problems(command) == []
