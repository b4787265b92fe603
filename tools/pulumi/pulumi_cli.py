"""The Pulumi CLI, and its language host for YAML, built from the modules that their go.sum locks."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

# Last on the path: its modules have short names.
sys.path.append(str(Path(__file__).resolve().parent.parent / "cluster"))

from problem import Problem
from programs import GoModule

# The version is stamped as the release does it: without it the engine calls itself 0.0.0 and warns about the SDK.
_STAMP = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version={number}"
_CLI = GoModule("pulumi", "github.com/pulumi/pulumi/pkg/v3", (_STAMP,), "about seven")
# The newest version that Go's module proxy serves is of October 2025; it knows packages, and cannot `link` one.
YAML_HOST = GoModule("pulumi-yaml", "github.com/pulumi/pulumi-yaml", (), "about two")


def pulumi_cli_directory() -> Path:
    """Where `pulumi` is; builds it where that has not been done. One of exactly this version on PATH is used as it is.
    Raises Problem."""
    installed = shutil.which("pulumi")
    if installed:
        told = subprocess.run([installed, "version"], capture_output=True, text=True, check=False)
        if told.stdout.strip() == _CLI.version():
            return Path(installed).parent
    return _CLI.build()


if __name__ == "__main__":
    try:
        if sys.argv[1:] == ["--yaml"]:
            YAML_HOST.build()
        sys.stdout.write(f"{pulumi_cli_directory()}\n")
    except Problem as problem:
        sys.exit(str(problem))
