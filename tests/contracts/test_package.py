"""The wheel is the whole product: the library, its types, and what an image needs."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel built from this tree."""
    out = tmp_path_factory.mktemp("wheel")
    command = [
        sys.executable,
        "-m",
        "pip",
        "wheel",
        "--quiet",
        "--no-deps",
        "--no-build-isolation",
        "-w",
        str(out),
        str(ROOT),
    ]
    subprocess.run(command, check=True)
    return next(out.glob("*.whl"))


def test_the_wheel_ships_the_types_and_the_image(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    assert "ebbtide/py.typed" in names
    assert "ebbtide/Dockerfile" in names
    assert "ebbtide/capacity/kernel.c" in names
    tracked = subprocess.run(
        ["git", "ls-files", "consumer"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    missing = [name for name in tracked.split() if name.replace("consumer/", "ebbtide/image/", 1) not in names]
    assert missing == [], "an image built from the wheel would lack these"


def test_an_image_can_be_built_from_an_installed_wheel(wheel, tmp_path):
    site = tmp_path / "site"
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(site), str(wheel)], check=True
    )
    done = subprocess.run(
        [sys.executable, "-m", "ebbtide", "image", "--out", str(tmp_path / "docker")],
        env={**os.environ, "PYTHONPATH": str(site)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "docker build" in done.stdout
    assert (tmp_path / "docker" / "Dockerfile").read_text() == (ROOT / "Dockerfile").read_text()
    drain = tmp_path / "docker" / "consumer" / "drain"
    assert drain.stat().st_mode & stat.S_IXUSR, "the hook must be executable in the image"
