"""Pulumi's own Kubernetes plugin, built from the module that tools/pulumi-kubernetes/go.sum locks.

Releases of the plugin are in no package registry, but its source is: the commit in go.mod, of January 2026, lies
between 4.24 and 4.25. It is stamped with the version of the installed SDK, because the engine warns in every run of a
plugin that is older than the SDK asks for.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

_TOOLS = Path(__file__).resolve().parent.parent
# Last on the path: its modules have short names.
sys.path.append(str(_TOOLS / "cluster"))

from cache import build_once  # noqa: E402
from problem import Problem  # noqa: E402
from programs import go_build, go_program, go_version  # noqa: E402
from progress import note  # noqa: E402

NAME = "pulumi-resource-kubernetes"
_PINS = _TOOLS / "pulumi-kubernetes"
_MODULE = "github.com/pulumi/pulumi-kubernetes/provider/v4"


def kubernetes_plugin() -> Path:
    """The plugin's file; builds it where that has not been done. Raises Problem where it cannot be built: no Go, or a
    registry that does not serve the module."""
    pins = b"".join(path.read_bytes() for path in (_PINS / "go.mod", _PINS / "go.sum", Path(__file__)))
    pins += version("pulumi-kubernetes").encode() + go_version()
    try:
        return build_once("pulumi-kubernetes", pins, _build, "about eighteen") / NAME
    except Problem as problem:
        raise Problem(f"Pulumi's Kubernetes plugin could not be built:\n{problem}") from None


def _build(target: Path) -> None:
    """Build in the target itself: what a go.mod replaces may not lie in the read-only module cache."""
    for file in ("go.mod", "go.sum"):
        shutil.copy2(_PINS / file, target)
    source, stated = target / "source", version("pulumi-kubernetes")
    note(f"downloading {_MODULE}")
    _go(target, "mod", "download", _MODULE)
    downloaded = _go(target, "list", "-m", "-f", "{{.Dir}}", _MODULE).strip()
    shutil.copytree(downloaded, source, copy_function=shutil.copyfile)
    for directory in (source, *(path for path in source.rglob("*") if path.is_dir())):
        directory.chmod(0o755)
    _embed(source / "cmd" / NAME, stated)
    _go(target, "mod", "edit", "-replace", f"{_MODULE}=./source")
    stamp = f"-s -w -X {_MODULE}/pkg/version.Version={stated}"
    go_build(["-ldflags", stamp, "-o", NAME, f"{_MODULE}/cmd/{NAME}"], target)
    shutil.rmtree(source)


def _embed(command: Path, stated: str) -> None:
    """Write what a release's Makefile generates beside main.go, and main.go embeds."""
    schema = json.loads((command / "schema.json").read_text())
    (command / "schema-embed.json").write_text(json.dumps({**schema, "version": stated}))
    mapping = json.loads((command / "terraform-mapping.json").read_text())
    (command / "terraform-mapping-embed.json").write_text(json.dumps(mapping))


def main() -> int:
    """Build it where that has not been done, and print where it is."""
    try:
        sys.stdout.write(f"{kubernetes_plugin()}\n")
    except Problem as problem:
        sys.stderr.write(f"{problem}\n")
        return 1
    return 0


def _go(directory: Path, *arguments: str) -> str:
    done = subprocess.run([go_program(), *arguments], cwd=directory, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Problem(done.stderr.strip()[-300:])
    return done.stdout


if __name__ == "__main__":
    sys.exit(main())
