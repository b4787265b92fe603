"""A Pulumi installation in a directory of its own: the CLI, the language host and the plugins, found as usual.

    python tools/pulumi/installation.py DIRECTORY      # prints what to `export`

A plugin of the version that the installed SDK asks for is used where the machine has it. Otherwise Pulumi's Kubernetes
plugin is built from its source. Google Cloud's and `random`'s are in no package registry, neither built nor as source:
stand-ins take their places, of which Google's asks a stand-in of its APIs, where it is told one.
"""

from __future__ import annotations

import os
import shlex
import shutil
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from kubernetes_plugin import kubernetes_plugin
from problem import Problem
from pulumi_cli import YAML_HOST, pulumi_cli_directory

_HERE = Path(__file__).resolve().parent


def install(directory: Path, state: Path | None = None) -> dict[str, str]:
    """Fill `directory`; states are in `state` or below it. Builds the CLI and the Kubernetes plugin where that has not
    been done (minutes). Returns what a command needs beside the environment it has. Raises Problem."""
    binaries, home = directory / "bin", directory / "home"
    state = state or directory / "state"
    for made in (binaries, home / "plugins", state):
        made.mkdir(parents=True, exist_ok=True)
    _link(pulumi_cli_directory() / "pulumi", binaries / "pulumi")
    # Beside the CLI, where Pulumi's installer puts it: anywhere else on PATH the engine warns about it.
    _write_launcher(binaries / "pulumi-language-python", "language_host.py")
    _install_plugin(home, "kubernetes", lambda path: _link(kubernetes_plugin(), path))
    _install_plugin(home, "gcp", lambda path: _write_launcher(path, "google_provider.py"))
    _install_plugin(home, "random", lambda path: _write_launcher(path, "random_recorder.py"))
    return {
        "PATH": f"{binaries}{os.pathsep}{os.environ.get('PATH', os.defpath)}",
        "PULUMI_HOME": str(home),
        "PULUMI_BACKEND_URL": state.as_uri(),
        "PULUMI_CONFIG_PASSPHRASE": os.environ.get("PULUMI_CONFIG_PASSPHRASE", "rehearsal"),
        "PULUMI_SKIP_UPDATE_CHECK": "1",
        "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
    }


def install_yaml(directory: Path) -> None:
    """Add the language host for programs in YAML; builds it where that has not been done. Raises Problem."""
    _link(YAML_HOST.build() / "pulumi-language-yaml", directory / "bin" / "pulumi-language-yaml")


def plugin_directory(package: str) -> str:
    """Where the engine looks for the plugin that the installed SDK asks for: `resource-kubernetes-v4.34.2`."""
    return f"resource-{package}-v{version(f'pulumi-{package}')}"


def _install_plugin(home: Path, package: str, provide: Callable[[Path], None]) -> None:
    """Take the machine's own plugin where it has one, and `provide` it otherwise."""
    name, exact = f"pulumi-resource-{package}", plugin_directory(package)
    plugin = home / "plugins" / exact
    plugin.mkdir(exist_ok=True)
    installed = Path(os.environ.get("PULUMI_HOME") or Path.home() / ".pulumi") / "plugins" / exact / name
    if installed.is_file() and installed.parent != plugin:
        _link(installed, plugin / name)
    else:
        provide(plugin / name)


def _write_launcher(path: Path, script: str) -> None:
    command = shlex.join([sys.executable, str(_HERE / "plugins" / script)])
    path.write_text(f'#!/bin/sh\nexec {command} "$@"\n')
    path.chmod(0o755)


def _link(source: Path, target: Path) -> None:
    """A hard link, because the engine looks for the language host beside the file that a symbolic link leads to."""
    target.unlink(missing_ok=True)
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


def main() -> int:
    """Print the environment as shell assignments."""
    if len(sys.argv) != 2:
        sys.stderr.write("usage: installation.py DIRECTORY\n")
        return 2
    try:
        environment = install(Path(sys.argv[1]).resolve())
    except Problem as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    for name, value in environment.items():
        sys.stdout.write(f"export {name}={shlex.quote(value)}\n")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
