"""What is known of programs between PID 1 and a message: which become another one, which stay, which signals finish.

Data. A program that is in none of these tables is taken for the worker itself. Imports nothing of the image, because
`ebbtide check` reads the same tables.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from signal import Signals
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

# The dialect that shfmt reads each shell in. Debian's and Ubuntu's sh is dash.
SHELLS: Final = {
    **dict.fromkeys(("sh", "dash", "ash"), "posix"),
    **dict.fromkeys(("bash", "rbash"), "bash"),
    **dict.fromkeys(("ksh", "ksh93", "mksh"), "mksh"),
    "zsh": "zsh",
}
OTHER_SHELLS: Final = ("fish", "csh", "tcsh", "pwsh", "nu", "elvish", "xonsh")


class Handover(Enum):
    """What a program does with the program it starts."""

    BECOMES = "becomes it"
    PASSES = "stays, passes the signal on and waits"
    STAYS = "stays, and leaves the worker to be killed"
    LIMITS = "stays, passes the signal on, and ends the worker by itself"
    UNKNOWN = "stays; nobody has tried what becomes of the signal"


@dataclass(frozen=True)
class Wrapper:
    """A program that starts the one named in its arguments."""

    handover: Handover
    values: tuple[str, ...] = ()
    """Options whose value is a word of its own."""
    positionals: int = 0
    """Words before the program: a user, a mask, a file."""
    subcommand: str = ""
    """The word that makes it a wrapper: `bundle exec`."""
    waits_with: str = ""
    """The option, as a pattern, with which it does wait: `flock --no-fork`."""
    open_with: str = ""
    """A word, as a pattern, with which nobody knows: a file of its own that may say otherwise."""
    group_with: str = ""
    """The option, as a pattern, with which it signals the whole group of its child."""
    group_without: str = ""
    """The same, of one that does so unless the option is there."""
    kills_after: str = ""
    """How long it leaves the worker behind the signal, where it hands that on."""
    remedy: str = "leave it out"
    """What to write instead, of one that stays."""

    def signals_group(self, options: Sequence[str]) -> bool:
        """Whether the signal goes to the worker's own processes as well."""
        given = any(re.fullmatch(self.group_with or self.group_without, option) for option in options)
        return given if self.group_with else bool(self.group_without) and not given


# They start what they run through `sh -c`: where sh becomes its last command the signal arrives.
BY_SHELL: Final = ("npm", "npx", "yarn")
_BECOMES, _PASSES, _STAYS, _UNKNOWN = Handover.BECOMES, Handover.PASSES, Handover.STAYS, Handover.UNKNOWN
# Those that Debian packages were run with a worker of two seconds and SIGTERM: tests/consumer/test_handover.py.
WRAPPERS: Final[dict[str, Wrapper]] = {
    "env": Wrapper(_BECOMES, ("-u", "--unset", "-C", "--chdir")),
    "nice": Wrapper(_BECOMES, ("-n", "--adjustment")),
    "ionice": Wrapper(_BECOMES, ("-c", "--class", "-n", "--classdata")),
    "nohup": Wrapper(_BECOMES),
    "stdbuf": Wrapper(_BECOMES, ("-i", "--input", "-o", "--output", "-e", "--error")),
    "setpriv": Wrapper(
        _BECOMES, ("--reuid", "--regid", "--groups", "--ambient-caps", "--inh-caps", "--bounding-set", "--securebits")
    ),
    "taskset": Wrapper(_BECOMES, positionals=1),
    "chrt": Wrapper(_BECOMES, ("-T", "-P", "-D"), positionals=1),
    "prlimit": Wrapper(_BECOMES),
    "chroot": Wrapper(_BECOMES, positionals=1),
    "gosu": Wrapper(_BECOMES, positionals=1),
    "su-exec": Wrapper(_BECOMES, positionals=1),
    # Of s6 and execline (skarnet.org): each of them ends in execvp of what stands behind it.
    **dict.fromkeys(("s6-setuidgid", "s6-envdir", "s6-applyuidgid", "cd"), Wrapper(_BECOMES, ("-u", "-g"), 1)),
    "with-contenv": Wrapper(_BECOMES),
    "fdmove": Wrapper(_BECOMES, positionals=2),
    "chpst": Wrapper(
        _BECOMES, ("-u", "-U", "-b", "-e", "-/", "-C", "-n", "-l", "-L", "-m", "-d", "-o", "-p", "-f", "-c", "-t")
    ),
    "bundle": Wrapper(_BECOMES, subcommand="exec"),
    "poetry": Wrapper(_BECOMES, subcommand="run"),
    "pipenv": Wrapper(_BECOMES, subcommand="run"),
    # Tracers, each of which ends in os.execl of its program: ddtrace/commands/ddtrace_run.py, newrelic/admin/
    # run_program.py, opentelemetry/instrumentation/auto_instrumentation.
    **dict.fromkeys(("ddtrace-run", "opentelemetry-instrument"), Wrapper(_BECOMES)),
    "newrelic-admin": Wrapper(_BECOMES, subcommand="run-program"),
    **dict.fromkeys(("tini", "docker-init"), Wrapper(_PASSES, ("-p", "-e"), group_with="-[A-Za-z]*g[A-Za-z]*")),
    "dumb-init": Wrapper(_PASSES, ("-r", "--rewrite"), group_without="-[A-Za-z]*c[A-Za-z]*|--single-child"),
    "catatonit": Wrapper(_PASSES),
    "timeout": Wrapper(Handover.LIMITS, ("-k", "--kill-after", "-s", "--signal"), positionals=1),
    # util-linux: a session of PAM stays as the parent, and kills two seconds after its own SIGTERM.
    **dict.fromkeys(
        ("su", "runuser", "sudo", "doas"),
        Wrapper(_STAYS, remedy="leave it out: every process of the pod runs as userId"),
    ),
    # Forks where it leads its group, as every worker of PID 1 does, and ends at once.
    "setsid": Wrapper(_STAYS),
    "flock": Wrapper(
        _STAYS,
        ("-w", "--wait", "--timeout", "-E", "--conflict-exit-code"),
        positionals=1,
        waits_with="-[A-Za-z]*F[A-Za-z]*|--no-fork",
    ),
    "script": Wrapper(_STAYS),
    "time": Wrapper(_STAYS),
    "watch": Wrapper(_STAYS),
    "xargs": Wrapper(_STAYS),
    "find": Wrapper(_STAYS),
    "parallel": Wrapper(_STAYS),
    # npm 11.19 and yarn 1.22 on Debian: gone 0.02 to 0.2 s after SIGTERM, and the worker never heard of it, because the
    # sh between them is dash. With bash for that shell npm waited. pnpm 12.21 waited with dash too (all measured).
    **dict.fromkeys(
        BY_SHELL,
        Wrapper(_STAYS, remedy="write what it runs: the command behind the script's name in package.json"),
    ),
    "pnpm": Wrapper(_PASSES, subcommand="exec"),
    "composer": Wrapper(_UNKNOWN),
    "make": Wrapper(_UNKNOWN),
    "uv": Wrapper(_UNKNOWN, subcommand="run"),
    "strace": Wrapper(_UNKNOWN),
    # What fetches secrets first. envconsul sends SIGINT, and kills 30 s later (consul-template, config/exec.go).
    **dict.fromkeys(("envconsul", "consul-template", "vault", "chamber", "aws-vault", "op"), Wrapper(_UNKNOWN)),
    **dict.fromkeys(("doppler", "infisical", "dotenvx", "teller", "berglas"), Wrapper(_UNKNOWN)),
    "unbuffer": Wrapper(_UNKNOWN),
    **dict.fromkeys(("screen", "tmux", "daemonize", "start-stop-daemon", "systemd-run"), Wrapper(_UNKNOWN)),
    # What starts others by a file of its own, with timeouts of its own: ten seconds are supervisord's default.
    **dict.fromkeys(("supervisord", "s6-svscan", "s6-supervise", "runsvdir", "runsv", "circusd"), Wrapper(_UNKNOWN)),
    # pm2 7.0.4 sends SIGINT, and kills 1.6 s later (measured: gone after 2.1 s, a job of 4 s with it).
    **dict.fromkeys(
        ("pm2", "pm2-runtime"),
        Wrapper(_STAYS, open_with=r"--kill-timeout(?:=.*)?|.*\.(?:json|ya?ml|config\.c?js)", kills_after="1.6 s"),
    ),
    **dict.fromkeys(("forever", "nodemon", "watchexec", "entr", "monit"), Wrapper(_UNKNOWN)),
    # foreman 0.87.2 hands SIGTERM on, and kills 5 s later what is still there, or after its --timeout. honcho 2.0.0
    # waited for 25 s too (both measured, with a worker that finishes after SIGTERM).
    "foreman": Wrapper(
        _STAYS,
        open_with=r"(?:-t|--timeout).*",
        kills_after="5 s",
        remedy="write the command that the Procfile has, or --timeout above the longest message",
    ),
    **dict.fromkeys(("honcho", "overmind", "hivemind", "goreman", "symfony"), Wrapper(_UNKNOWN)),
}
# What runs a worker, behind a program that is in no table: `xvfb-run php worker.php`; behind its `--` a path, too.
INTERPRETERS: Final = re.compile(
    r"(?:.*/)?(?:php|python|node|ruby|perl|java|bun|deno|bundle|celery|rq|dramatiq|sidekiq)[0-9.]*"
)
PATHS: Final = re.compile(r"\.{0,2}/.*")


@dataclass(frozen=True)
class Harm:
    """What an option of a wrapper does to the worker behind it, though the signal is handed on."""

    option: str
    """A pattern of the option and its value, joined by a blank."""
    words: str
    is_certain: bool = False
    """Whether it loses the message; else nobody can say."""
    is_a_signal: bool = False
    """Whether it makes another signal of one: of a known worker its signals tell what that does."""


_CPU_TIME: Final = "limits the worker's CPU time, at whose end the kernel kills it in the middle of a message"
_OTHER_SIGNAL: Final = "hands another signal on, and whether the worker finishes on that one is not known"
_NAMED: Final = r"[= ](?:\S*,)?(?:SIG)?(?:TERM|15)(?:,\S*)?"
# signal(7): a signal that is blocked or ignored stays so for the program that is become. A handler of its own ends the
# second, and not the first. dumb-init: 0 in place of a signal hands on none.
HARMS: Final[dict[str, tuple[Harm, ...]]] = {
    "env": (
        Harm(
            rf"--block-signal(?:{_NAMED})?",
            "blocks the stop signal, so that the worker never hears it",
            is_certain=True,
        ),
        Harm(r"--block-signal=.*", "blocks signals, which the worker never hears then"),
        Harm(r"--ignore-signal(?:=.*)?", "ignores signals, which a program inherits through exec"),
    ),
    "dumb-init": (
        Harm(r"(?:-r|--rewrite)[= ]?15:0*[09]", "takes the stop signal away, or makes a kill of it", is_certain=True),
        Harm(r"(?:-r|--rewrite).*", _OTHER_SIGNAL, is_a_signal=True),
    ),
    "prlimit": (Harm(r"(?:--cpu|-t)(?!=unlimited(?::unlimited)?$)(?:[= ].*|[0-9:].*)?", _CPU_TIME),),
    "chpst": (Harm(r"-t.*", _CPU_TIME),),
}
_INLINE: Final = "runs code that is in the command itself, and whether that starts the worker below it is not known"
_WATCHES: Final = "starts its program anew below itself when a file changes: the stop signal may not reach it"
# By interpreter, without its version: options of its own, before the program, that leave the worker's place open.
OPEN_OPTIONS: Final[dict[str, dict[str, str]]] = {
    "php": {"-r": _INLINE},
    "python": {"-c": _INLINE},
    "perl": dict.fromkeys(("-e", "-E"), _INLINE),
    "ruby": {"-e": _INLINE},
    "node": {**dict.fromkeys(("-e", "--eval", "-p", "--print"), _INLINE), "--watch": _WATCHES},
    "bun": {"-e": _INLINE, **dict.fromkeys(("--watch", "--hot"), _WATCHES)},
    "deno": {"eval": _INLINE, "--watch": _WATCHES},
}
# Those whose value is a word of its own, of any of them, and the words before an option that are none of its program.
OPTION_VALUES: Final = frozenset(
    [
        "-d",
        "-z",
        "-W",
        "-X",
        "-r",
        "-I",
        "-M",
        "-C",
        "--require",
        "--import",
        "--loader",
        "--experimental-loader",
        "--conditions",
    ]
)
BEFORE_OPTIONS: Final = frozenset({"run"})

_BUILTINS: Final = """
: . [ alias bg bind builtin caller cd command compgen complete declare dirs disown echo enable eval exec exit export
false fc fg getopts hash help history jobs kill let local logout popd printf pushd pwd read readonly return set shift
shopt source suspend test times trap true type typeset ulimit umask unalias unset wait
"""
BUILTINS: Final = frozenset(_BUILTINS.split())
# What no worker is: a script may run these before it, and a test may decide by them.
_UTILITIES: Final = """
awk base64 basename cat chgrp chmod chown cmp comm cp curl cut date dd df diff dig dirname du envsubst expr file find
getent getfacl grep egrep fgrep groups head host hostname id install ip jq ldconfig ln locale logger ls md5sum mkdir
mkfifo mktemp mount mv mysqladmin nc ncat netcat nproc nslookup openssl paste pg_isready pgrep ping printenv ps pwgen
readlink realpath redis-cli rm rmdir sed seq setfacl sha1sum sha256sum sleep sort ss stat stty sync tail tar tee touch
tr truncate tty uname uniq uuidgen wc wget which whoami xxd yq zcat gzip gunzip unzip
"""
UTILITIES: Final = frozenset(_UTILITIES.split())


@dataclass(frozen=True)
class Program:
    """A known worker, and the signals after which it finishes what it has in flight."""

    name: str
    finishes_on: tuple[str, ...]
    otherwise: str
    """What becomes of the message on another signal, in words."""
    pattern: re.Pattern[str]
    """Matched against the words of the command, joined by a space, each path as its last part."""
    source: str
    instead: str = ""
    """What to run, where no signal drains it."""
    goes_on: tuple[str, ...] = ()
    """Signals that it hears and goes on with what it has: it takes nothing more, pauses, says what it is at."""
    cut_by: tuple[str, ...] = ()
    """Signals that it has a handler for, its own or its language's, which ends it inside its message."""


def _program(  # noqa: PLR0913, PLR0917 - a row of a table
    name: str,
    finishes_on: str,
    otherwise: str,
    pattern: str,
    source: str,
    instead: str = "",
    goes_on: str = "",
    cut_by: str = "",
) -> Program:
    regex = re.compile(rf"(?:^|\s){pattern}")
    return Program(
        name,
        tuple(finishes_on.split()),
        otherwise,
        regex,
        source,
        instead,
        tuple(goes_on.split()),
        tuple(cut_by.split()),
    )


# Ruby raises SignalException for these where a program has no handler (signal.c, Init_signal), as PID 1 too.
_RUBY: Final = "HUP QUIT ALRM USR1 USR2"
# signal(7): the default action of these is nothing.
_IGNORED: Final = frozenset({"CHLD", "CONT", "URG", "WINCH"})


_ANY_WORDS: Final = r"(?:\S+\s+)*?"
PROGRAMS: Final = (
    _program(
        "artisan queue:work",
        "TERM",
        "it hears QUIT from Laravel 9.24 on and INT in the newest versions; of any other signal it dies inside its job",
        rf"artisan\s+{_ANY_WORDS}queue:work(?:\s|$)",
        "laravel/framework, Illuminate\\Queue\\Worker::listenForSignals in 8.83 (seen to die of QUIT), #43607, #56458",
        goes_on="USR2",
    ),
    _program(
        "artisan queue:listen",
        "",
        "it starts a process for each job and has no signal handler: it ends at once, and the job is killed with "
        "the container",
        rf"artisan\s+{_ANY_WORDS}queue:listen(?:\s|$)",
        "laravel/framework, Illuminate\\Queue\\Listener",
        instead="artisan queue:work",
    ),
    _program(
        "artisan horizon",
        "TERM INT",
        "other signals restart, pause or kill",
        r"artisan\s+(?:-\S+\s+)*horizon(?:\s|$)",
        "laravel/horizon d9c39ce, ListensForSignals and HorizonCommand",
        goes_on="USR1 USR2",
    ),
    _program(
        "celery worker",
        "TERM INT",
        "QUIT is Celery's cold shutdown, which cancels tasks, and other signals kill",
        rf"celery\s+{_ANY_WORDS}worker(?:\s|$)",
        "celery 5dc781f, celery/apps/worker.py",
        goes_on="USR1 HUP",
        cut_by="QUIT",
    ),
    _program(
        "sidekiq",
        "TERM INT",
        "TSTP only stops fetching, and other signals kill",
        r"sidekiq(?:\s|$)",
        "sidekiq 1bb4aa0, lib/sidekiq/cli.rb",
        goes_on="TSTP TTIN",
        cut_by=_RUBY,
    ),
    _program(
        "sidekiqswarm",
        "TERM INT",
        "TSTP only stops fetching, and other signals kill",
        r"sidekiqswarm(?:\s|$)",
        "Sidekiq's wiki, Ent Multi-Process: it hands the signal to its processes, each a sidekiq (not run here)",
        goes_on="TSTP TTIN USR2",
        cut_by="HUP QUIT ALRM USR1",
    ),
    _program(
        "celery multi",
        "",
        "it leaves its workers in the background, where no stop signal reaches them",
        r"celery\s+(?:\S+\s+)*?multi\s+(?:re)?start(?:\s|$)",
        "celery, celery/apps/multi.py",
        instead="celery worker, in the foreground",
    ),
    _program(
        "rq worker for Heroku",
        "",
        "some seconds after SIGTERM it throws ShutDownImminentException into the job",
        r"(?:rq|rqworker)\s+(?:\S+\s+)*?(?:-w|--worker-class)[\s=](?:\S+\.)?HerokuWorker(?:\s|$)",
        "rq, HerokuWorker.handle_shutdown_imminent",
        instead="rq worker without --worker-class",
    ),
    _program(
        "rq worker",
        "TERM INT",
        "other signals kill",
        r"(?:(?:rq|rqworker)\s+(?:(?:\S+\s+)*?worker(?:-pool)?)|manage\.py\s+rqworker(?:-pool)?)(?:\s|$)",
        "rq aa666a8, rq/worker/base.py",
    ),
    _program(
        "dramatiq",
        "TERM INT",
        "HUP starts it anew, and other signals kill",
        r"(?:dramatiq(?:-gevent)?|manage\.py\s+rundramatiq)(?:\s|$)",
        "dramatiq 848b35f, dramatiq/cli.py; django_dramatiq's rundramatiq becomes it by os.execvp",
        goes_on="HUP",
    ),
    _program(
        "huey_consumer",
        "INT",
        "TERM interrupts the tasks in flight, and HUP starts it anew",
        r"(?:huey_consumer(?:\.py)?|run_huey|huey\.bin\.huey_consumer)(?:\s|$)",
        "huey 358bdc5, huey/consumer.py",
        goes_on="HUP",
        cut_by="TERM",
    ),
    _program(
        "resque:work",
        "QUIT",
        "TERM and INT kill the job in flight (GRACEFUL_TERM changes that)",
        r"(?:rake|rails)\s+(?:\S+\s+)*?(?:resque:work|environment resque:work)(?:\s|$)",
        "resque 9fc870e, lib/resque/worker.rb",
        goes_on="USR2",
        cut_by="TERM INT HUP ALRM USR1",
    ),
    _program(
        "messenger:consume",
        "TERM",
        "some versions hear INT and QUIT too, others die of them inside their message",
        r"(?:\S+\s+)*?messenger:consume(?:\s|$)",
        "symfony/messenger, ConsumeMessagesCommand::getSubscribedSignals",
    ),
)


def known_program(argv: Sequence[str | None]) -> Program | None:
    """Which known worker this command runs. None stands for a word that is not known."""
    line = " ".join((word or "?").rpartition("/")[2] or "?" for word in argv)
    return next((program for program in PROGRAMS if program.pattern.search(line)), None)


# With 0 dumb-init leaves its child in its own group, and signals that one alone.
SETSID: Final = "DUMB_INIT_SETSID"
_REWRITE: Final = re.compile(r"(?:--rewrite|-r)[ =]?([0-9]{1,2}):([0-9]{1,2})\b")
_NAMES: Final = {one.value: one.name.removeprefix("SIG") for one in Signals}


def rewritten(signal: str, words: Sequence[str | None]) -> str:
    """What `dumb-init --rewrite 15:3` makes of a signal on its way, in a command or the options of one."""
    for one in _REWRITE.finditer(" ".join(word or "?" for word in words)):
        before, after = (_NAMES.get(int(number), "") for number in one.groups())
        if before == signal and after:
            return after
    return signal


# Celery's pool of processes, by both of its names (celery/concurrency/__init__.py, ALIASES).
_PREFORK: Final = {"prefork", "processes"}


def group_problem(argv: Sequence[str | None], init: str) -> tuple[str, str]:
    """What is wrong with a signal that this init sends to all of a worker's processes, and what to write instead; two
    empty texts where nothing is. Seen with Celery 5.6: `signal 15` in each of its processes, inside their tasks."""
    known = known_program(argv)
    pools = re.findall(r"(?:^|\s)(?:-P|--pool)[\s=]?(\S+)", " ".join(word or "?" for word in argv))
    if not init or known is None or known.name != "celery worker" or set(pools) - _PREFORK:
        return "", ""
    remedy = "write dumb-init --single-child" if init == "dumb-init" else f"write {init} without -g"
    return f"{init} signals the whole group, and each of Celery's processes dies of it with its task", remedy


class Heard(Enum):
    """What becomes of a message when its worker gets a signal."""

    FINISHES = "the worker finishes it and ends"
    GOES_ON = "the worker goes on with it"
    NOTHING = "the kernel gives a PID 1 no signal that it has no handler for"
    CUT = "the worker ends inside of it"


def heard(program: Program, signal: str, *, is_pid_1: bool) -> Heard:
    """What a known worker does with a signal."""
    if signal in program.finishes_on:
        return Heard.FINISHES
    if signal in program.goes_on or signal in _IGNORED:
        return Heard.GOES_ON
    return Heard.NOTHING if is_pid_1 and signal not in program.cut_by else Heard.CUT


def signal_name(word: str) -> str:
    """`SIGUSR1`, `usr1` or `10` as USR1; empty where there is no such signal."""
    if word.isdecimal():
        return _NAMES.get(int(word), "") if len(word) < 3 else ""
    name = word.upper().removeprefix("SIG")
    return name if name in _NAMES.values() else ""


def signal_problem(program: Program, stop_signal: str) -> tuple[str, str]:
    """What is wrong with the signal, and what to write instead; two empty texts where nothing is."""
    if stop_signal in program.finishes_on:
        return "", ""
    if not program.finishes_on:
        return f"{program.name} cannot be drained: {program.otherwise}", f"run {program.instead}"
    heard = " and ".join(program.finishes_on)
    return (
        f"{program.name} finishes its message on {heard}, not on {stop_signal}: {program.otherwise}",
        f"write {program.finishes_on[0]}",
    )
