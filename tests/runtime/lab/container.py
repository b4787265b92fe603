"""One pod with one container, on runc: what a kubelet makes of a pod spec, without a cluster.

The container has its own PID namespace, a read-only root file system, uid 10001, no capabilities and
no_new_privs; volumes outlive a restart of the container, as an emptyDir does. It shares the machine's network, so
that brokers on loopback can be reached. There is no seccomp profile: a real kubelet's tests cover that.
"""

from __future__ import annotations

import json
import os
import resource
import select
import signal
import subprocess
import threading
import time
import uuid
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

USER = 10001
RUNC = "/usr/sbin/runc"
# After the grace period is used up a kubelet still gives a container this long between SIGTERM and SIGKILL.
LEAST_SECONDS_AFTER_SIGTERM = 2.0
# For what comes within a second on a free machine: only what never comes is waited for so long.
PATIENCE_SECONDS = 120.0


@dataclass(frozen=True)
class Image:
    """What a container starts from: directories of this machine, read-only inside.

    `root` is a whole file system, or None for this machine's own /usr and /etc.
    """

    mounts: Mapping[str, Path]
    arguments: Sequence[str]
    environment: Mapping[str, str]
    working_directory: str
    root: Path | None = None
    pre_stop: Sequence[str] | None = None


@dataclass(frozen=True)
class Line:
    """A line of the container's output and when it was read (monotonic seconds)."""

    at: float
    text: str


@dataclass(frozen=True)
class Exec:
    """How a command inside the container ended; status is None if it was still running at the time limit."""

    status: int | None
    seconds: float
    output: str


@dataclass(frozen=True)
class Deletion:
    """One termination by the kubelet's rules; times are monotonic seconds."""

    deleted_at: float
    hook: Exec | None
    sigterm_at: float | None
    gone_at: float
    sigkilled: bool
    exit_status: int

    @property
    def seconds(self) -> float:
        return self.gone_at - self.deleted_at


@dataclass
class Pod:
    """Starts, watches and ends one container.

    Args:
        image: what runs.
        directory: an empty directory for this pod's bundle and volumes.
        volumes: path in the container -> directory of this machine, writable.
        open_files: the limit on open files; no higher than this machine's own, which may not be raisable.
        cpus: a limit on CPU, as `limits.cpu` gives it; none if None.
    """

    image: Image
    directory: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    volumes: dict[str, Path] = field(default_factory=dict)
    open_files: int = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    name: str = "pod"
    user: int = USER
    cpus: float | None = None
    lines: list[Line] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.identity = f"ebbtide-{self.name}-{uuid.uuid4().hex[:8]}"
        self.process: subprocess.Popen[str] | None = None
        self.started_at = 0.0
        self.gone_at: float | None = None
        self._watchers: list[threading.Thread] = []
        self._left_behind: list[subprocess.Popen[str]] = []

    # Life

    def start(self) -> Pod:
        """Runs the container; again after it has ended, it is a restart in the same pod.

        Raises:
            RuntimeError: runc could not create it, with what runc said.
        """
        bundle = self._write_bundle()
        pid_file = bundle / "pid"
        pid_file.unlink(missing_ok=True)
        self.gone_at = None
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            [RUNC, "run", "--bundle", str(bundle), "--pid-file", str(pid_file), self.identity],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        pid = self._wait_for_pid(pid_file)
        self._watchers = [
            threading.Thread(target=self._read_output, args=(self.process,), daemon=True),
            threading.Thread(target=self._watch_end, args=(os.pidfd_open(pid),), daemon=True),
        ]
        for watcher in self._watchers:
            watcher.start()
        return self

    def _write_bundle(self) -> Path:
        bundle = self.directory / "bundle"
        bundle.mkdir(parents=True, exist_ok=True)
        (bundle / "config.json").write_text(json.dumps(self._specification(bundle), indent=1))
        return bundle

    def _wait_for_pid(self, pid_file: Path) -> int:
        assert self.process is not None
        while not (pid_file.exists() and pid_file.read_text()):
            if self.process.poll() is not None:
                output = self.process.stdout.read() if self.process.stdout else ""
                raise RuntimeError(f"runc could not start the container: {output}")
            time.sleep(0.002)
        return int(pid_file.read_text())

    def _read_output(self, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            self.lines.append(Line(time.monotonic(), line.rstrip("\n")))

    def _watch_end(self, descriptor: int) -> None:
        select.select([descriptor], [], [])
        self.gone_at = time.monotonic()
        os.close(descriptor)

    @property
    def running(self) -> bool:
        return self.process is not None and self.gone_at is None

    def wait(self, seconds: float) -> bool:
        """Waits until PID 1 has ended; False if it still runs after that many seconds."""
        self._watchers[1].join(seconds)
        return not self.running

    def exit_status(self) -> int:
        """PID 1's exit status (128 + signal if one ended it), once it has ended."""
        assert self.process is not None
        status = self.process.wait(PATIENCE_SECONDS)
        self._watchers[0].join(PATIENCE_SECONDS)
        if self.process.stdout is not None:
            self.process.stdout.close()
        return status

    def execute(self, *command: str, seconds: float | None = None) -> Exec:
        """Runs a command inside, as an exec probe or a hook does: same user, same environment."""
        started = time.monotonic()
        process = subprocess.Popen(
            [RUNC, "exec", self.identity, *command],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        try:
            output, _ = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            # A kubelet stops waiting; the command itself lives on until the container ends.
            self._left_behind.append(process)
            return Exec(None, time.monotonic() - started, "")
        return Exec(process.returncode, time.monotonic() - started, output)

    def signal(self, number: signal.Signals) -> None:
        """Signals PID 1 from outside its namespace, where SIGKILL works too."""
        subprocess.run([RUNC, "kill", self.identity, number.name], check=False, capture_output=True)

    def delete(self, grace_seconds: float, *, hook: Sequence[str] | None = None) -> Deletion:
        """Ends the pod as a kubelet does: hook inside the grace, SIGTERM with the rest, SIGKILL.

        Args:
            hook: the preStop command; the image's own if None, and () for none.
        """
        deleted_at = time.monotonic()
        command = self.image.pre_stop if hook is None else hook
        outcome = self.execute(*command, seconds=grace_seconds) if command else None
        rest = max(LEAST_SECONDS_AFTER_SIGTERM, deleted_at + grace_seconds - time.monotonic())
        sigterm_at = None
        if self.running:
            sigterm_at = time.monotonic()
            self.signal(signal.SIGTERM)
        sigkilled = not self.wait(rest)
        if sigkilled:
            self.signal(signal.SIGKILL)
            self.wait(PATIENCE_SECONDS)
        assert self.gone_at is not None
        return Deletion(deleted_at, outcome, sigterm_at, self.gone_at, sigkilled, self.exit_status())

    def destroy(self) -> None:
        """Whatever state it is in: nothing is left afterwards."""
        if self.process is None:
            return
        subprocess.run([RUNC, "delete", "--force", self.identity], check=False, capture_output=True)
        self.exit_status()
        for command in self._left_behind:
            command.communicate(timeout=PATIENCE_SECONDS)

    def run_to_end(self, *, stdin: str = "", seconds: float = 600) -> str:
        """Runs the container as one command, not as a service.

        Returns:
            What it printed.

        Raises:
            RuntimeError: it ended with another status than 0, with its output.
        """
        bundle = self._write_bundle()
        try:
            result = subprocess.run(
                [RUNC, "run", "--bundle", str(bundle), self.identity],
                input=stdin,
                text=True,
                errors="replace",
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                timeout=seconds,
                check=False,
            )
        finally:
            # runc takes it away itself, unless somebody ends runc.
            subprocess.run([RUNC, "delete", "--force", self.identity], check=False, capture_output=True)
        if result.returncode != 0:
            raise RuntimeError(f"{' '.join(self.image.arguments)}: status {result.returncode}: {result.stdout}")
        return result.stdout

    # Looking in

    def processes(self) -> dict[int, str]:
        """Every process inside, by its PID on this machine, with its command line."""
        listed = subprocess.run(
            [RUNC, "ps", "--format", "json", self.identity],
            check=False,
            capture_output=True,
            text=True,
        )
        found = {}
        for pid in json.loads(listed.stdout or "[]") or []:
            try:
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue  # it ended in the meantime
            found[pid] = b" ".join(words).decode(errors="replace").strip()
        return found

    def workers(self) -> list[int]:
        """The PIDs of the consumers themselves (not of shells or supervisors around them)."""
        return sorted(
            pid for pid, line in self.processes().items() if line.startswith("php") and "messenger:consume" in line
        )

    def events(self, name: str | None = None) -> list[dict[str, Any]]:
        """The JSON lines among the output that carry an "event", all or those of one name."""
        found = []
        for line in list(self.lines):
            if not line.text.startswith("{"):
                continue
            try:
                record = json.loads(line.text)
            except json.JSONDecodeError:
                continue
            if "event" in record and name in (None, record["event"]):
                found.append(record | {"read_at": line.at})
        return found

    def output(self, last: int = 40) -> str:
        return "\n".join(line.text for line in self.lines[-last:])

    # The specification

    def _specification(self, bundle: Path) -> dict[str, Any]:
        root = self.image.root or _own_root(bundle)
        environment = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOSTNAME": self.name,
            "HOME": "/tmp",
            **self.image.environment,
            **self.environment,
        }
        mounts = [*_system_mounts()]
        for path, source in {**(_own_mounts() if self.image.root is None else {}), **self.image.mounts}.items():
            mounts.append(_bind(source, path, "ro"))
        for path, source in self.volumes.items():
            mounts.append(_bind(source, path, "rw"))
        return {
            "ociVersion": "1.0.2",
            "process": {
                "user": {"uid": self.user, "gid": self.user},
                "args": list(self.image.arguments),
                "env": [f"{key}={value}" for key, value in environment.items()],
                "cwd": self.image.working_directory,
                "capabilities": {kind: [] for kind in ("bounding", "effective", "permitted", "inheritable")},
                "noNewPrivileges": True,
                "rlimits": [{"type": "RLIMIT_NOFILE", "soft": self.open_files, "hard": self.open_files}],
            },
            "root": {"path": str(root), "readonly": True},
            "hostname": self.name,
            "mounts": mounts,
            "linux": {
                "namespaces": [{"type": kind} for kind in ("pid", "ipc", "uts", "mount")],
                "cgroupsPath": f"/{self.identity}",
                "resources": {} if self.cpus is None else {"cpu": {"period": 100_000, "quota": int(self.cpus * 1e5)}},
                "maskedPaths": ["/proc/kcore", "/proc/keys"],
                "readonlyPaths": ["/proc/sys", "/proc/sysrq-trigger"],
            },
        }


def _bind(source: Path, path: str, mode: str) -> dict[str, Any]:
    return {"destination": path, "type": "bind", "source": str(source), "options": ["bind", mode, "nosuid", "nodev"]}


def _system_mounts() -> list[dict[str, Any]]:
    return [
        {"destination": "/proc", "type": "proc", "source": "proc"},
        {
            "destination": "/dev",
            "type": "tmpfs",
            "source": "tmpfs",
            "options": ["nosuid", "strictatime", "mode=755", "size=65536k"],
        },
        {
            "destination": "/dev/pts",
            "type": "devpts",
            "source": "devpts",
            "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"],
        },
        {
            "destination": "/dev/shm",
            "type": "tmpfs",
            "source": "shm",
            "options": ["nosuid", "noexec", "nodev", "mode=1777", "size=65536k"],
        },
    ]


def _own_root(bundle: Path) -> Path:
    """A root file system made of nothing but links into this machine's /usr, and mount points."""
    root = bundle / "root"
    if not root.exists():
        root.mkdir()
        for link in ("bin", "sbin", "lib", "lib64"):
            (root / link).symlink_to(f"usr/{link}")
    return root


def _own_mounts() -> dict[str, Path]:
    return {"/usr": Path("/usr"), "/etc": Path("/etc")}
