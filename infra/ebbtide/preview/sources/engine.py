"""The real engine as a source: `pulumi preview --json` of the project."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path


class EngineError(Exception):
    """The engine could not be asked; the message says why and what to do."""


def preview_with_engine(stack: str, root: Path) -> str:
    """The plan of the project's stack, as JSON. What it costs: a backend login and, for GKE, Google credentials.

    Raises EngineError when there is no CLI, no backend or no such stack. A preview that fails half-way is a plan with
    an error in it, and is returned.
    """
    pulumi = shutil.which("pulumi")
    if pulumi is None:
        raise EngineError("--engine pulumi: there is no Pulumi CLI on PATH; install it, or leave the option out")
    done = subprocess.run(
        [pulumi, "preview", "--json", "--non-interactive", "--stack", stack],
        cwd=root,
        env={**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.stdout.strip().startswith("{"):
        return done.stdout
    reason = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[0]
    remedy = "log in with `pulumi login`, make the stack with `pulumi stack init`, or leave --engine out"
    raise EngineError(f"--engine pulumi: the CLI gave no plan ({reason}); {remedy}")
