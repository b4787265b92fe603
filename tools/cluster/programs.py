"""The programs of a Kubernetes node: Debian's by name, the others built from modules that a go.sum locks."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cache import build_once, built_path
from debian import install_packages
from problem import Problem
from progress import follow, note

TOOLS = Path(__file__).resolve().parent.parent
_DEBIAN = TOOLS / "apt-cluster.txt"


@dataclass(frozen=True, slots=True)
class GoModule:
    """A module with a directory below tools/ whose go.mod names the programs to build."""

    name: str
    module: str
    stamps: tuple[str, ...]
    """Linker variables that hold the version, which a build outside a checkout does not know."""
    minutes: str
    kept: str = ""
    """A directory of the module that is wanted beside its programs; empty for none."""

    def pins(self) -> bytes:
        """What the build depends on."""
        directory = TOOLS / self.name
        locks = b"".join((directory / file).read_bytes() for file in ("go.mod", "go.sum"))
        return locks + go_version() + self.kept.encode()

    def version(self) -> str:
        """The version that go.mod requires, with its `v`."""
        return _required_version(self.name, self.module)

    def directory(self) -> Path:
        """Where the built programs are, or would be."""
        return built_path(self.name, self.pins())

    def build(self) -> Path:
        """Return the directory of the programs; builds them where that has not been done."""
        return build_once(self.name, self.pins(), self._build, self.minutes)

    def _build(self, target: Path) -> None:
        source = TOOLS / self.name
        programs = re.findall(
            rf"^\s*(?:tool )?({re.escape(self.module)}/cmd/\S+)$", (source / "go.mod").read_text(), re.MULTILINE
        )
        flags = " ".join(["-s -w", *(f"-X {stamp}" for stamp in self._stamped())])
        try:
            go_build(["-ldflags", flags, "-o", f"{target}/", *programs], source)
        except Problem as problem:
            raise Problem(f"tools/{self.name}: `go build` failed:\n{problem}") from None
        if self.kept:
            # Without the modes of Go's cache, in which nobody may write, not even to delete.
            subprocess.run(["cp", "-r", "--no-preserve=mode", self._source() / self.kept, target], check=True)

    def _source(self) -> Path:
        """Where Go has unpacked the module."""
        command = [go_program(), "list", "-mod=readonly", "-m", "-f", "{{.Dir}}", self.module]
        listed = subprocess.run(command, cwd=TOOLS / self.name, capture_output=True, text=True, check=True)
        return Path(listed.stdout.strip())

    def _stamped(self) -> list[str]:
        major, minor = self.version().removeprefix("v").split(".")[:2]
        known = {"version": self.version(), "number": self.version()[1:], "major": major, "minor": minor}
        return [stamp.format(**known) for stamp in self.stamps]


_VERSIONED = (
    "k8s.io/component-base/version.gitVersion={version}",
    "k8s.io/component-base/version.gitMajor={major}",
    "k8s.io/component-base/version.gitMinor={minor}",
)
KUBERNETES = GoModule("kubernetes", "k8s.io/kubernetes", _VERSIONED, "about eleven")
METRICS_SERVER = GoModule("metrics-server", "sigs.k8s.io/metrics-server", (), "about five")
_KEDA = "github.com/kedacore/keda/v2"
KEDA = GoModule("keda", _KEDA, (f"{_KEDA}/version.Version={{number}}",), "about thirteen", kept="config")


def build_programs() -> tuple[Path, Path]:
    """Return the directories of Kubernetes' programs and of metrics-server; builds what is missing."""
    return KUBERNETES.build(), METRICS_SERVER.build()


def install_debian_packages() -> None:
    """Install what tools/apt-cluster.txt names and the machine does not have."""
    wanted = [line.split("#")[0].strip() for line in _DEBIAN.read_text().splitlines()]
    install_packages([name for name in wanted if name])


def program(name: str) -> str:
    """The path of one of Debian's programs."""
    path = shutil.which(name, path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin:/sbin")
    if path is None:
        raise Problem(f"there is no `{name}` on this machine; `scripts/cluster build` installs it")
    return path


def go_program() -> str:
    """The path of the Go command. Raises Problem where there is none."""
    go = shutil.which("go", path=f"{os.environ.get('PATH', os.defpath)}:/usr/local/go/bin")
    if go is None:
        raise Problem("it is built with Go, and there is no `go` on PATH: install Go 1.26.4 or later")
    return go


def go_build(arguments: Sequence[str], directory: Path) -> None:
    """`go build` at low priority; what it downloads and how far it has come is noted. Raises Problem."""
    compiled = 0

    def note_step(line: str) -> None:
        nonlocal compiled
        if line.startswith("go: "):
            note(line.removeprefix("go: "))
        else:
            compiled += 1
            note(f"{compiled} packages compiled, {line}")

    # `-v` names each package as it is compiled; none that an earlier build has left in Go's own cache.
    command = [go_program(), "build", "-v", "-mod=readonly", "-trimpath", *arguments]
    # Behind whatever somebody waits for, and before the tests that only compute (scripts/tiers.py: 19).
    follow(["nice", "-n", "10", *command], note_step, directory)


def go_version() -> bytes:
    """What a build depends on beside its modules."""
    return subprocess.run([go_program(), "env", "GOVERSION"], capture_output=True, check=True).stdout


def _required_version(directory: str, module: str) -> str:
    text = (TOOLS / directory / "go.mod").read_text()
    found = re.search(rf"^\s*(?:require )?{re.escape(module)} (v\S+)", text, re.MULTILINE)
    if found is None:
        raise Problem(f"tools/{directory}/go.mod does not require {module}")
    return found[1]
