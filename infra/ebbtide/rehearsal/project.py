"""The stack under rehearsal: a copy of the project with what a rehearsal changes, and the Pulumi CLI to deploy it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from ebbtide.judgement.findings import parse_path
from ebbtide.manifests.workload import longest_update_seconds
from ebbtide.rehearsal.interruption import undisturbed
from ebbtide.rehearsal.problem import refusal
from ebbtide.settings.loading.loader import load_stack, read_stack
from ebbtide.settings.loading.project import PROJECT_FILE, stack_file
from ebbtide.settings.loading.yaml import parse_yaml
from ebbtide.settings.models.stack import StackSettings

UP_ALLOWANCE_SECONDS = 120
"""For the engine's start, and for what it makes before and after the objects that it waits longest for."""
_CALL_SECONDS = 120
_NOT_COPIED = shutil.ignore_patterns("__pycache__", ".git", ".venv", "venv", "node_modules")


@dataclass
class Project:
    """A private copy: its stack file can be changed, and its state lies beside it."""

    directory: Path
    stack: str
    consumer: str
    pulumi: str = "pulumi"

    @staticmethod
    def copy(root: Path, directory: Path, stack: str, consumer: str) -> Project:
        """Copy Pulumi.yaml, the stack's file with this consumer only, and the program: the others would read their own
        queues, which are real ones. Raises SettingsError where there is no such stack."""
        pulumi = shutil.which("pulumi")
        if pulumi is None:
            raise refusal("pulumi", "is not on PATH, and a rehearsal deploys with it", "install the Pulumi CLI")
        load_stack(stack, root)
        project = parse_yaml((root / PROJECT_FILE).read_text(encoding="utf-8"), root / PROJECT_FILE)
        main = Path(project.get("main", "."))
        copied = directory / "project"
        shutil.copytree(root / main, copied / main, ignore=_NOT_COPIED, dirs_exist_ok=True)
        file = stack_file(stack, root)
        target = copied / file.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(file, target)
        shutil.copy2(root / PROJECT_FILE, copied)
        runtime = project.get("runtime")
        # `runtime: python` is the short form, without options.
        environment = (runtime.get("options") or {}).get("virtualenv") if isinstance(runtime, dict) else None
        if environment and (root / environment).exists():
            (copied / environment).symlink_to(root / environment, target_is_directory=True)
        (directory / "state").mkdir()
        project = Project(copied, stack, consumer, pulumi)
        project._leave_others_out()
        return project

    def set(self, values: Mapping[str, Any]) -> None:
        """Change values of the stack's configuration, by qualified key or path below a consumer's key."""
        with self._config() as config:
            for path, value in values.items():
                at: Any = config
                below = ["ebbtide:consumers", self.consumer, *parse_path(path)]
                keys = [path] if path.startswith("ebbtide:") else below
                for key in keys[:-1]:
                    at = at.setdefault(key, {})
                at[keys[-1]] = value

    def _leave_others_out(self) -> None:
        loaded = read_stack(self.stack, self.directory)
        with self._config() as config:
            own = config.setdefault("ebbtide:consumers", {})
            for name in loaded.settings.consumers.keys() - {self.consumer}:
                own.pop(name, None)
                if name in loaded.shared_consumers:
                    own[name] = None

    @contextmanager
    def _config(self) -> Iterator[dict[str, Any]]:
        """The configuration in the stack's file, to be changed."""
        file = stack_file(self.stack, self.directory)
        document = parse_yaml(file.read_text(encoding="utf-8"), file) or {}
        yield document.setdefault("config", {})
        file.write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")

    def settings(self) -> StackSettings:
        """The stack as it is deployed. Raises SettingsError with every problem."""
        return load_stack(self.stack, self.directory)

    def up(self, look: Callable[[], None] = lambda: None) -> float:
        """`pulumi up`, with the state in the private directory; returns how many seconds it took.

        `look` is called twice a second and may raise, which ends the update. Raises SettingsError when it fails, or is
        not done in the time that the stack gives its objects.
        """
        began = time.monotonic()
        seconds = longest_update_seconds(self.settings()) + UP_ALLOWANCE_SECONDS
        if not (self.directory.parent / "state" / ".pulumi").exists():
            self._run("stack", "init", self.stack)
        command = ("up", "--yes", "--skip-preview", "--stack", self.stack, "--color", "never")
        self._run(*command, look=look, seconds=seconds)
        return time.monotonic() - began

    def version(self) -> str:
        """Of the Pulumi CLI."""
        return self._run("version").strip()

    def _run(self, *command: str, look: Callable[[], None] = lambda: None, seconds: float = _CALL_SECONDS) -> str:
        environment = {
            "PULUMI_CONFIG_PASSPHRASE": "rehearsal",
            "PULUMI_SKIP_UPDATE_CHECK": "1",
            **os.environ,
            "PULUMI_BACKEND_URL": (self.directory.parent / "state").as_uri(),
        }
        log = self.directory.parent / "pulumi.log"
        with log.open("w+", encoding="utf-8") as output:
            process = subprocess.Popen(
                [self.pulumi, *command, "--non-interactive"],
                cwd=self.directory,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                # Ctrl-C goes to us alone: we end it, then take everything away.
                start_new_session=True,
            )
            try:
                in_time = _wait(process, look, seconds)
            finally:
                # A second Ctrl-C between its SIGINT and its SIGKILL would leave an engine that goes on making things.
                with undisturbed():
                    _end(process)
            text = log.read_text(encoding="utf-8", errors="replace")
        if process.returncode or not in_time:
            what = " ".join(command[:2])
            how = f"failed (status {process.returncode})" if in_time else f"is not done after {seconds:.0f} s"
            lines = "\n  ".join(text.strip().splitlines()[-15:])
            raise refusal("pulumi", f"`pulumi {what}` {how}", f"its last lines:\n  {lines}")
        return text


def _wait(process: subprocess.Popen[bytes], look: Callable[[], None], seconds: float) -> bool:
    """Whether it has ended in time."""
    deadline = time.monotonic() + seconds
    while process.poll() is None:
        look()
        if time.monotonic() > deadline:
            return False
        time.sleep(0.5)
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """The engine and its plugins, which are in its session."""
    if process.poll() is None:
        for number in (signal.SIGINT, signal.SIGKILL):
            os.killpg(process.pid, number)
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                continue
            return
