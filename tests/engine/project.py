"""The project as a user has it, in a copy: files that can be changed, and the Pulumi CLI to run on them."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from tests.engine.diagnosis import COMMANDS, Command

ROOT = Path(__file__).parents[2]
# None takes a minute on a free machine; only what hangs is ended.
COMMAND_SECONDS = 900
# Begins, and has ended.
_STEPS = ("resourcePreEvent", "resOutputsEvent")


@dataclass(frozen=True, slots=True)
class Run:
    """One command of the CLI."""

    status: int
    output: str
    """What a user reads: both streams."""
    events: tuple[dict[str, Any], ...] = ()
    """What the engine did, in its own words."""

    @property
    def operations(self) -> dict[str, str]:
        """What was done, or planned, by logical name of the resource; what stayed as it was is left out."""
        steps = [event["metadata"] for event in self._of("resourcePreEvent")]
        return {_name(step): step["op"] for step in steps if step["op"] not in {"same", "read", "refresh"}}

    @property
    def summary(self) -> Counter[str]:
        """How many resources had which operation."""
        changes = [event["resourceChanges"] for event in self._of("summaryEvent")]
        return Counter(changes[-1] if changes else {})

    @property
    def changed_paths(self) -> dict[str, list[str]]:
        """What differs, by logical name."""
        steps = [event["metadata"] for event in self._of("resourcePreEvent")]
        return {_name(step): sorted(step["detailedDiff"]) for step in steps if step.get("detailedDiff")}

    def is_before(self, first: str, second: str) -> bool:
        """Whether the last that happened to `first` had ended when anything happened to `second`.

        Each is a logical name, or one operation on it: `create-replacement broker-secret`. Raises LookupError where
        nothing happened to one of them.
        """
        ended = [at for at, (kind, names) in enumerate(self._steps()) if kind == "resOutputsEvent" and first in names]
        began = [at for at, (kind, names) in enumerate(self._steps()) if kind == "resourcePreEvent" and second in names]
        if not ended or not began:
            raise LookupError(f"nothing happened to {second if ended else first}")
        return max(ended) < min(began)

    def _steps(self) -> list[tuple[str, set[str]]]:
        found = [(kind, event[kind]["metadata"]) for event in self.events for kind in event if kind in _STEPS]
        return [(kind, {_name(step), f"{step['op']} {_name(step)}"}) for kind, step in found if step["op"] != "same"]

    @property
    def errors(self) -> list[str]:
        """The diagnostics that say why it failed."""
        return [event["message"].strip() for event in self._of("diagnosticEvent") if event["severity"] == "error"]

    @property
    def warnings(self) -> list[str]:
        """The diagnostics that warn."""
        return [event["message"].strip() for event in self._of("diagnosticEvent") if event["severity"] == "warning"]

    def _of(self, kind: str) -> list[dict[str, Any]]:
        return [event[kind] for event in self.events if kind in event]


def _name(step: dict[str, Any]) -> str:
    name: str = step["urn"].rpartition("::")[2]
    return name


class Project:
    """A copy of the project with one selected stack, and a backend of its own."""

    def __init__(self, directory: Path, environment: dict[str, str], stack: str, example: Path | None = None) -> None:
        """`example` is a directory whose project and stacks take the place of the repository's own."""
        self.directory = directory
        self.stack = stack
        self.backend = directory.with_name(f"{directory.name}-state")
        self.backend.mkdir(parents=True)
        self.environment = {**os.environ, **environment, "PULUMI_BACKEND_URL": self.backend.as_uri()}
        directory.mkdir(parents=True)
        for name in ("Pulumi.yaml", "Dockerfile"):
            shutil.copy2(ROOT / name, directory)
        for name in ("stacks", "infra", "consumer"):
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, directory / name, symlinks=True, ignore=ignore)
        for file in ("Pulumi.yaml", f"stacks/Pulumi.{stack}.yaml") if example else ():
            shutil.copy2(example / file, directory / file)
        (directory / ".venv").symlink_to(ROOT / ".venv", target_is_directory=True)
        self.run("stack", "init", stack, check=True)

    @property
    def stack_file(self) -> Path:
        """Where the stack is written down."""
        return self.directory / "stacks" / f"Pulumi.{self.stack}.yaml"

    def edit(self, *path: str, value: object) -> None:
        """Set one value of the stack's configuration; None removes it."""
        document = yaml.safe_load(self.stack_file.read_text())
        at = document["config"]
        for key in path[:-1]:
            at = at.setdefault(key, {})
        if value is None:
            del at[path[-1]]
        else:
            at[path[-1]] = value
        self.stack_file.write_text(yaml.safe_dump(document))

    def edit_consumer(self, *path: str, value: object) -> None:
        """The same, for the consumer that every committed stack has."""
        self.edit("ebbtide:consumers", "githubevents", *path, value=value)

    def replace_in(self, file: str, old: str, new: str) -> None:
        """Change the program itself. Raises ValueError where there is nothing to change."""
        path = self.directory / file
        text = path.read_text()
        if old not in text:
            raise ValueError(f"{file} does not hold {old!r}")
        path.write_text(text.replace(old, new))

    def preview(self, *options: str, check: bool = True) -> Run:
        """`pulumi preview`."""
        return self._recorded("preview", *options, check=check)

    def up(self, *options: str, check: bool = True) -> Run:
        """`pulumi up`, without the preview before it."""
        return self._recorded("up", "--yes", "--skip-preview", *options, check=check)

    def refresh(self, *options: str, check: bool = True) -> Run:
        """`pulumi refresh`."""
        return self._recorded("refresh", "--yes", "--skip-preview", *options, check=check)

    def destroy(self, *options: str, check: bool = True, previewed: bool = False) -> Run:
        """`pulumi destroy`, without the preview before it unless it is asked for."""
        skip = () if previewed else ("--skip-preview",)
        return self._recorded("destroy", "--yes", *skip, *options, check=check)

    def state(self) -> dict[str, Any]:
        """The stack's state as it lies on the disk: secrets are encrypted."""
        exported: dict[str, Any] = json.loads(self.run("stack", "export", check=True).output)
        return exported

    def state_text(self) -> str:
        """Everything that the backend has written, as it lies on the disk."""
        files = sorted(path for path in self.backend.rglob("*") if path.is_file())
        return "\n".join(path.read_text(errors="replace") for path in files)

    def resources(self) -> dict[str, dict[str, Any]]:
        """The resources in the state, by logical name."""
        found = self.state()["deployment"].get("resources", [])
        return {resource["urn"].rpartition("::")[2]: resource for resource in found}

    def _recorded(self, *command: str, check: bool) -> Run:
        log = self.directory / "events.jsonl"
        log.unlink(missing_ok=True)
        run = self.run(*command, "--stack", self.stack, "--color", "never", "--event-log", str(log), check=check)
        lines = log.read_text().splitlines() if log.exists() else []
        return Run(run.status, run.output, tuple(map(json.loads, lines)))

    def run(self, *command: str, check: bool = False) -> Run:
        """Any command of the CLI."""
        began, since = datetime.now(UTC), time.monotonic()
        # In groups of their own: what hangs goes with all that it has started.
        with subprocess.Popen(
            ["pulumi", *command, "--non-interactive"],
            cwd=self.directory,
            # --event-log is one of the commands for debugging.
            env={**self.environment, "PULUMI_DEBUG_COMMANDS": "true"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if command[0] != "stack" else None,
            text=True,
            process_group=0,
        ) as process:
            try:
                output, status = process.communicate(timeout=COMMAND_SECONDS)[0], process.returncode
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                output, status = process.communicate()[0], None
            except BaseException:
                os.killpg(process.pid, signal.SIGKILL)
                raise
        COMMANDS.append(Command(began, time.monotonic() - since, " ".join(command), status, output))
        if status is None:
            raise AssertionError(f"pulumi {' '.join(command)} has not ended within {COMMAND_SECONDS} s:\n{output}")
        if check and status:
            raise AssertionError(f"pulumi {' '.join(command)} failed:\n{output}")
        return Run(status, output)
