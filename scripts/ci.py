"""What `.ci/run` runs on a clean checkout. Everything it needs it installs by itself.

What tiers need from source is built from the first second on, beside set-up, checks and the other tiers. CI ends a run
after 90 minutes; so that a run on a new or slow machine still ends with its results, a tier whose parts were not built
in time is not begun, and the last lines say so. What has begun must pass. SIGTERM ends everything that was started,
and the last lines say what did not come to its end.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from builds import BARE_ROOT, PARTS, Builds
from tiers import Commands, Ran, Schedule, all_tiers, closing, exit_status, machine

BUDGET_SECONDS = 75 * 60.0


def main() -> int:
    """Set up, check and test. Returns the exit status."""
    began, tiers, commands = time.monotonic(), all_tiers(), Commands()

    def run(tier: str, prefix: Sequence[str], output: IO[str] | None) -> Ran:
        return _run(commands, tier, prefix, output)

    with Builds((*PARTS, BARE_ROOT), tiers) as builds:
        builds.start(after_setup=False)
        if status := subprocess.run(["scripts/setup", "--dev"], check=False).returncode:
            return status
        builds.start(after_setup=True)
        if status := subprocess.run(["scripts/check"], check=False).returncode:
            return status
        prepared = time.monotonic() - began
        results = Schedule(builds, commands, run, began, BUDGET_SECONDS).run_all(tiers)
    minutes = (time.monotonic() - began) / 60
    print(f"\n{machine()}\nset-up and checks {prepared / 60:.1f} min, in all {minutes:.1f} min")
    print(*closing(results), sep="\n")
    return exit_status(results)


def _run(commands: Commands, tier: str, prefix: Sequence[str], output: IO[str] | None) -> Ran:
    """Run one tier; the default one as a newcomer does."""
    if tier != "default":
        return commands.run_tier(tier, prefix, output)
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.xml"
        command = ["scripts/bare-root", "run", "--share", directory, "--", "scripts/test", "--junit-xml", str(report)]
        return commands.run([*prefix, *command], report, output)


if __name__ == "__main__":
    sys.exit(main())
