"""The real engine as a source: `pulumi preview --json` of the project."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path


class EngineError(Exception):
    """The engine could not be asked; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class EnginePreview:
    """What the CLI wrote, and how it ended."""

    text: str
    failure: str = ""
    """What it said where it ended in an error; empty where it did not."""


def preview_with_engine(stack: str, root: Path) -> EnginePreview:
    """The plan of the project's stack, as JSON. What it costs: a backend login and, for GKE, Google credentials.

    Raises EngineError when there is no CLI, no backend or no such stack. A preview that fails half-way is a plan with
    an error in it, and is returned.
    """
    pulumi = shutil.which("pulumi")
    if pulumi is None:
        raise EngineError("--engine pulumi: there is no Pulumi CLI on PATH; install it, or leave the option out")
    done = subprocess.run(
        [pulumi, "preview", "--json", "--show-sames", "--non-interactive", "--stack", stack],
        cwd=root,
        env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    reason = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[0]
    if any(line.startswith("{") for line in done.stdout.splitlines()):
        return EnginePreview(done.stdout, reason if done.returncode else "")
    remedy = "log in with `pulumi login`, make the stack with `pulumi stack init`, or leave --engine out"
    raise EngineError(f"--engine pulumi: the CLI gave no plan ({reason}); {remedy}")
