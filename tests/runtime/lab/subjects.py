"""What can be put into a pod: ours, the simplest correct set-up, and the article's recipe."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tests.runtime.lab.application import CACHE

if TYPE_CHECKING:
    from tests.runtime.lab.application import Application
    from tests.runtime.lab.container import Image

HOME = "/opt/ebbtide"
# How the workers of our pods start where a test does not say it: the whole tier holds in both ways.
START = os.environ.get("EBBTIDE_TEST_START", "auto")
CONSUMER = Path(__file__).parents[3] / "consumer"
WORKER = ("php", "bin/console", "messenger:consume", "githubevents", "--memory-limit=150M", "--no-interaction")
# Ours appends a time limit of its own; the others are given one as the article does.
TIMED_WORKER = (*WORKER, "--time-limit=3600")
# Debian's python, not one that a developer has put before it on PATH.
SUPERVISORD = ("/usr/bin/python3", "/usr/bin/supervisord", "-c")

_SUPERVISOR = """\
[supervisord]
nodaemon=true
logfile=/dev/null
pidfile=/tmp/supervisord.pid
minfds=2048
[program:consume]
command={command}
directory=/srv/app
process_name=%(program_name)s_%(process_num)02d
numprocs={processes}
environment=MESSENGER_CONSUMER_NAME="%(host_node_name)s-%(process_num)d"
stdout_logfile=/dev/stdout
stdout_logfile_maxbytes=0
stderr_logfile=/dev/stderr
stderr_logfile_maxbytes=0
{options}
"""
_ARTICLES_OPTIONS = """\
autorestart=unexpected
exitcodes=37
startsecs=0
stopasgroup=true
killasgroup=true
"""
_ARTICLES_CONSUME = """\
if [ -f /tmp/stop-work ]; then rm -f /tmp/stop-work; exit 37; fi
{worker}
"""
_ARTICLES_PRE_STOP = """\
touch /tmp/stop-work
MESSENGER_CONSUMER_NAME=hook php bin/console messenger:stop-workers
while [ -f /tmp/stop-work ]; do sleep 5; done
"""


def simplest(application: Application, directory: Path, processes: int, stop_wait_seconds: int) -> Image:
    """The mark to reach: the article with three repairs, and nothing of ours.

    supervisord is PID 1 (exec form), its children are the workers themselves (no shell between), it waits for
    them until just before the grace period ends, and there is no hook.
    """
    options = f"autorestart=true\nstopwaitsecs={stop_wait_seconds}"
    _write(
        directory / "supervisord.conf",
        _SUPERVISOR.format(command=" ".join(TIMED_WORKER), processes=processes, options=options),
    )
    return _image(application, directory)


def article(application: Application, directory: Path, processes: int) -> Image:
    """The recipe as the article gives it, but for an exec-form CMD and a consumer name per worker.

    Without the first, each deletion takes the whole grace period; without the second, Redis loses and doubles
    messages even before anything is deleted. What is left is the stop file that the first worker deletes.
    """
    command = "bash /opt/set-up/consume.sh"
    _write(
        directory / "supervisord.conf",
        _SUPERVISOR.format(command=command, processes=processes, options=_ARTICLES_OPTIONS),
    )
    _write(directory / "consume.sh", _ARTICLES_CONSUME.format(worker=" ".join(TIMED_WORKER)))
    _write(directory / "pre_stop.sh", _ARTICLES_PRE_STOP)
    return replace(_image(application, directory), pre_stop=("bash", "/opt/set-up/pre_stop.sh"))


@dataclass(frozen=True)
class Budget:
    """The shutdown budget of a Deployment, in seconds; the same sums as the stack settings'."""

    longest_message: int

    @property
    def stop_wait(self) -> int:
        return self.longest_message + 10

    @property
    def drain_deadline(self) -> int:
        return self.stop_wait + 5

    @property
    def grace(self) -> int:
        return self.drain_deadline + 15

    def environment(self) -> dict[str, str]:
        return {
            "EBBTIDE_LONGEST_MESSAGE_SECONDS": str(self.longest_message),
            "EBBTIDE_STOP_WAIT_SECONDS": str(self.stop_wait),
            "EBBTIDE_DRAIN_DEADLINE_SECONDS": str(self.drain_deadline),
            "EBBTIDE_GRACE_SECONDS": str(self.grace),
        }


def ours(application: Application, processes: int, budget: Budget) -> Image:
    """The consumer image on top of the application, laid out by the script that the Dockerfile runs, and checked."""
    home = application.directory / "opt-ebbtide"
    if not home.exists():
        _lay_out(application, home)
    plain = application.image((f"{HOME}/entrypoint", *WORKER))
    return replace(
        plain,
        mounts={**plain.mounts, HOME: home},
        environment={
            **plain.environment,
            "EBBTIDE_WORKER_KIND": "symfonyMessenger",
            "EBBTIDE_PROCESSES": str(processes),
            **budget.environment(),
        },
        pre_stop=(f"{HOME}/drain",),
    )


def _lay_out(application: Application, home: Path) -> None:
    unfinished = home.with_suffix(".unfinished")
    # The script wants a python3 with pip: the one that runs the tests.
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    subprocess.run([CONSUMER / "build", unfinished], check=True, env={**os.environ, "PATH": path})
    (unfinished / "opcache").mkdir()
    subprocess.run(["chmod", "-R", "a+rwX", unfinished], check=True)
    steps = (
        # Once more by the container's own python, which may be another than this machine's.
        f"python3 -m compileall -q -f --invalidation-mode unchecked-hash {HOME}",
        f"EBBTIDE_OPCACHE_DIRECTORY={HOME}/opcache {HOME}/self-check --record",
    )
    # While an image is built its file system can be written, and the self-check's `debug:container` needs that.
    volumes = {HOME: unfinished, CACHE: application.directory / "cache"}
    application.run(("sh", "-c", " && ".join(steps)), volumes)
    unfinished.rename(home)


def _image(application: Application, directory: Path) -> Image:
    plain = application.image((*SUPERVISORD, "/opt/set-up/supervisord.conf"))
    return replace(plain, mounts={**plain.mounts, "/opt/set-up": directory})


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
