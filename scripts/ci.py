"""What `.ci/run` runs on a clean checkout. Everything it needs it installs by itself.

What tiers need from source is built from the first second on, beside everything else. CI ends a run after 90 minutes:
so that a run on a new or slow machine still ends with its results, a tier whose parts were not built in time is not
begun, and the last lines say so. What has begun must pass. SIGTERM ends everything that was started, and the last lines
say what did not come to its end.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from builds import BARE_ROOT, PARTS, SET_UP, Builds, Part
from tiers import Commands, NotRun, Ran, Schedule, all_tiers, closing, exit_status, machine

BUDGET_SECONDS = 75 * 60.0
# Beside the default tier, which sets itself up in its root first: one processor each.
CHECKS = Part("what scripts/check looks at", ("scripts/check",), frozenset({"runtime"}))


def main() -> int:
    """Check and test. Returns the exit status."""
    began, tiers, commands = time.monotonic(), all_tiers(), Commands()

    def run(tier: str, prefix: Sequence[str], output: IO[str] | None) -> Ran:
        if tier != "default":
            return commands.run_tier(tier, (*SET_UP, *prefix), output)
        ran = _run_as_a_newcomer(commands, prefix, output)
        _show_checks(builds)
        return ran

    with Builds((CHECKS, *PARTS, BARE_ROOT), tiers) as builds:
        builds.start()
        results = Schedule(builds, commands, run, began, BUDGET_SECONDS).run_all(tiers)
        if isinstance(results["default"], NotRun):
            _show_checks(builds)
        checked, _ = builds.ended(CHECKS)
    print(f"\n{machine()}\nin all {(time.monotonic() - began) / 60:.1f} min")
    print(*closing(results), sep="\n")
    if checked:
        print("FAILED: scripts/check")
    return checked or exit_status(results)


def _show_checks(builds: Builds) -> None:
    _, said = builds.ended(CHECKS)
    print(f"\n== scripts/check ==\n{said}", flush=True)


def _run_as_a_newcomer(commands: Commands, prefix: Sequence[str], output: IO[str] | None) -> Ran:
    """Run the default tier in a root that has no more than a newcomer's machine."""
    with tempfile.TemporaryDirectory() as directory:
        report = Path(directory) / "report.xml"
        command = ["scripts/bare-root", "run", "--share", directory, "--", "scripts/test", "--junit-xml", str(report)]
        return commands.run([*prefix, *command], report, output)


if __name__ == "__main__":
    sys.exit(main())
