"""Programs in other languages than Python, in copies, with the component package beside them."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.engine.project import ROOT, Project

EXAMPLES = ROOT / "examples" / "other-languages"
_NODE = Path(__file__).with_name("node")


def copy_package(directory: Path) -> Path:
    """The plugin as `pulumi package add` would have installed it: with a virtual environment that has ebbtide."""
    plugin = directory / "plugin"
    shutil.copytree(ROOT / "plugin", plugin, ignore=shutil.ignore_patterns("venv"))
    (plugin / "venv").symlink_to(Path(sys.prefix), target_is_directory=True)
    return plugin


class Program(Project):
    """A program of the examples, three directories below the package as in the repository."""

    def __init__(self, root: Path, environment: dict[str, str], example: str, stack: str = "dev") -> None:
        self.directory = root / "examples" / "other-languages" / example
        self.stack = stack
        state = root / "state"
        state.mkdir(parents=True)
        copy_package(root)
        shutil.copytree(EXAMPLES / example, self.directory)
        python_path = os.pathsep.join([str(ROOT / "infra"), os.environ.get("PYTHONPATH", "")])
        self.environment = {
            **os.environ,
            **environment,
            "PULUMI_BACKEND_URL": state.as_uri(),
            "PYTHONPATH": python_path,
        }
        self.run("stack", "init", stack, check=True)

    def write(self, old: str, new: str) -> None:
        """Change the program. Raises ValueError where there is nothing to change."""
        self.replace_in("Pulumi.yaml", old, new)


def install_node(directory: Path) -> Path:
    """Pulumi's SDK for Node.js and the TypeScript compiler, by the lock. Returns the directory of `node_modules`."""
    for name in ("package.json", "package-lock.json", "run.js"):
        shutil.copy2(_NODE / name, directory)
    _run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund"], directory)
    return directory / "node_modules"


def generate_node_sdk(schema: str, modules: Path) -> None:
    """What `pulumi package add` generates from the schema, compiled, where a program imports it from."""
    sdk = modules.parent / "sdk"
    # With the flag of the CLI's build, whose packages lie in Go's cache then.
    generator = ["go", "run", "-trimpath", "-mod=readonly", "./nodejs-sdk", str(sdk)]
    _run(generator, ROOT / "tools" / "pulumi", schema)
    _run([str(modules / ".bin" / "tsc"), "--project", str(sdk)], sdk)
    # As its own script does after an installation.
    shutil.copy2(sdk / "package.json", sdk / "bin")
    linked = modules / "@pulumi" / "ebbtide"
    linked.symlink_to(sdk, target_is_directory=True)


def _run(command: list[str], directory: Path, given: str | None = None) -> None:
    path = f"{os.environ['PATH']}{os.pathsep}/usr/local/go/bin"
    done = subprocess.run(
        command,
        cwd=directory,
        input=given,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise AssertionError(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")
