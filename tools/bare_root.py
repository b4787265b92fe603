"""`scripts/bare-root`: a command in a clean clone, in a Debian root that has next to nothing.

The root is a directory, not a container: it has a mount and a PID namespace of its own, so that nothing is left mounted
or running whatever ends it, and shares the network. It is no fence against what runs in it.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "cluster"))

from cache import build_once, cache_root, say
from debian import CONTAINED, WITH_US, install_packages
from problem import Problem

CHECKOUT = Path(__file__).resolve().parent.parent
# What README asks of a machine: Python with venv, and what fetches a clone.
PACKAGES = ("ca-certificates", "git", "python3", "python3-venv")
# Debian 12 has the oldest Python that README names (3.11.2), 13 has 3.13.
SUITES = ("bookworm", "trixie")
MIRROR = "http://deb.debian.org/debian"

_CLONE = "/srv/ebbtide"
_HOME = "/root"
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# The only way to the registries may be a proxy, a mirror or a certificate of this machine.
_LENT_VARIABLES = re.compile(
    r"(https?|ftp|all|no)_proxy|(pip|npm_config)_.*|GO(PROXY|SUMDB|NOSUMDB|NOPROXY|PRIVATE|INSECURE|FLAGS)"
    r"|.*(SSL_CERT|SSL_CA|CA_CERT|CA_BUNDLE).*|CI|TERM|NO_COLOR",
    re.IGNORECASE,
)
_LENT_FILES = ("/etc/resolv.conf", "/etc/hosts", "/etc/pip.conf", "/etc/ssl/certs/ca-certificates.crt")
# Below the home directory, here and there. Downloads are lent, for speed; nothing that was built from them is.
_LENT_OF_HOME = (".config/pip/pip.conf", ".pip/pip.conf", ".npmrc", ".config/go/env", ".netrc")
_LENT_DOWNLOADS = (".cache/pip", "go/pkg/mod/cache/download")


def main() -> int:
    """Run one command. Returns its exit status."""
    arguments = _parser().parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    try:
        _prepare_machine()
    except Problem as problem:
        say(f"scripts/bare-root: {problem}; running on this machine as it is: {shlex.join(arguments.command)}")
        return subprocess.run(arguments.command, cwd=CHECKOUT, check=False).returncode
    try:
        with _copy_of(_base(arguments.suite)) as root:
            _clone_into(root)
            return _run_in(root, arguments.command, arguments.share)
    except Problem as problem:
        say(f"scripts/bare-root: {problem}")
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/bare-root", description="Run a command in a bare Debian root.")
    run = parser.add_subparsers(required=True).add_parser("run", help="run a command in a clean clone")
    run.add_argument("--suite", choices=SUITES, default=SUITES[0], help="Debian 12 or 13 (default: %(default)s)")
    run.add_argument(
        "--share", action="append", default=[], type=Path, help="a directory that the command sees under its own path"
    )
    run.add_argument("command", nargs="+", help="after --; run in the clone's directory")
    return parser


def _prepare_machine() -> None:
    """Raises Problem where no root can be made."""
    if os.geteuid() != 0:
        raise Problem("a bare Debian root can be made by root only")
    if not shutil.which("unshare") or subprocess.run([*CONTAINED, "true"], capture_output=True, check=False).returncode:
        raise Problem("a bare Debian root needs a mount and a PID namespace, which cannot be made here")
    install_packages(["debootstrap", "debian-archive-keyring"])


def _base(suite: str) -> Path:
    """The root as debootstrap makes it, now or earlier."""
    pins = " ".join((suite, *PACKAGES)).encode()
    return build_once(f"bare-root-{suite}", pins, lambda root: _debootstrap(suite, root), "one or two")


def _debootstrap(suite: str, root: Path) -> None:
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}", suite, str(root), MIRROR]
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen([*CONTAINED, *command], stdout=output, stderr=subprocess.STDOUT)
        status = _ended(process)
        output.seek(0)
        if status:
            raise Problem(f"debootstrap failed: {' / '.join(output.read().splitlines()[-3:])}")
    for package in (root / "var/cache/apt/archives").glob("*.deb"):
        package.unlink()


@contextmanager
def _copy_of(base: Path) -> Iterator[Path]:
    """A copy for one run. Those of runs that were killed go first."""
    with ExitStack() as held:
        # One at a time: a copy that is made and not held yet looks like one that was left.
        with (cache_root() / "bare-runs.lock").open("w") as turn:
            fcntl.flock(turn, fcntl.LOCK_EX)
            for left in cache_root().glob("bare-run.*"):
                with _locked(left) as nobody_else:
                    if nobody_else:
                        shutil.rmtree(left, ignore_errors=True)
            root = Path(tempfile.mkdtemp(prefix="bare-run.", dir=cache_root()))
            held.enter_context(_locked(root))
        try:
            subprocess.run([*WITH_US, "cp", "-a", "--reflink=auto", f"{base}/.", str(root)], check=True)
            yield root
        finally:
            _remove(root)


@contextmanager
def _locked(directory: Path) -> Iterator[bool]:
    """Hold a directory, which its process does until it ends. Yields whether nobody else does."""
    try:
        handle = os.open(directory, os.O_RDONLY)
    except FileNotFoundError:
        yield False
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield True
    except BlockingIOError:
        yield False
    finally:
        os.close(handle)


def _remove(root: Path) -> None:
    """Behind us: a disk that is told of every block that is free takes eight minutes for it, beside much else (seen).
    What cannot be removed, as a process that was killed a moment ago still writes there, the next run takes away."""
    remove = ["nice", "-n", "19", "flock", str(root), "rm", "-rf", str(root)]
    quiet = subprocess.DEVNULL
    subprocess.Popen(remove, stdin=quiet, stdout=quiet, stderr=quiet, start_new_session=True)


def _clone_into(root: Path) -> None:
    git = ["git", "-C", str(CHECKOUT)]
    if subprocess.run([*git, "status", "--porcelain"], capture_output=True, check=True).stdout:
        say("scripts/bare-root: the clone has the last commit; what is not committed is not in it")
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", CHECKOUT, f"{root}{_CLONE}"], check=True)


def _run_in(root: Path, command: Sequence[str], shared: Sequence[Path]) -> int:
    variables = {name: value for name, value in os.environ.items() if _LENT_VARIABLES.fullmatch(name)}
    for directory in shared:
        directory.mkdir(parents=True, exist_ok=True)
    mounts = [
        (root, root),
        *((Path(name), root / name.lstrip("/")) for name in ("/proc", "/dev", "/sys")),
        *_lent(root, variables),
        *((directory.resolve(), root / directory.resolve().relative_to("/")) for directory in shared),
    ]
    script = [_mount_line(source, target) for source, target in mounts if source.exists()]
    # A root of its own, not chroot's: in that one the tests could make no namespaces.
    script += [f"cd {shlex.quote(str(root))} && pivot_root . mnt && umount --lazy /mnt || exit"]
    # The shell stays: it is the namespace's first process, and takes in those that their parents left.
    script += [f'cd {_CLONE} && "$@"', "exit $?"]
    process = subprocess.Popen(
        [*CONTAINED, "sh", "-c", "\n".join(script), "sh", *command],
        env={**variables, "PATH": _PATH, "HOME": _HOME},
    )
    return _ended(process)


def _lent(root: Path, variables: dict[str, str]) -> Iterator[tuple[Path, Path]]:
    """What the root gets from this machine beside the command: the way to the registries, and earlier downloads."""
    home = Path.home()
    for name in _LENT_DOWNLOADS:
        (home / name).mkdir(parents=True, exist_ok=True)
    for name in (*_LENT_OF_HOME, *_LENT_DOWNLOADS):
        yield home / name, root / _HOME.lstrip("/") / name
    for name in sorted({*_LENT_FILES, *variables.values()}):
        target = root / name.lstrip("/")
        # A variable may name a certificate, or a directory of packages; a directory that the root has is its own.
        if name.startswith("/") and not target.is_dir():
            yield Path(name), target


def _mount_line(source: Path, target: Path) -> str:
    """The line that shows `source` as `target`, for which it makes the place."""
    if source.is_dir():
        target.mkdir(parents=True, exist_ok=True)
    else:
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    return f"mount --rbind {shlex.quote(str(source))} {shlex.quote(str(target))} || exit"


def _ended(process: subprocess.Popen[bytes]) -> int:
    """Wait for it, or end it and everything in its namespaces."""
    try:
        return process.wait()
    finally:
        process.kill()
        process.wait()


if __name__ == "__main__":
    raise SystemExit(main())
