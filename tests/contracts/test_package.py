"""The wheel is the whole product: the library, its types, its data, and what an image needs; so is the sdist."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from ebbtide import __version__

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory) -> Path:
    """A wheel built from this tree."""
    out = tmp_path_factory.mktemp("wheel")
    options = ["--quiet", "--no-deps", "--no-build-isolation", "-w", str(out)]
    subprocess.run([sys.executable, "-m", "pip", "wheel", *options, str(ROOT)], check=True)
    return next(out.glob("*.whl"))


@pytest.mark.slow
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


@pytest.mark.slow
def test_an_image_can_be_built_from_an_installed_wheel(wheel, tmp_path):
    site = tmp_path / "site"
    subprocess.run(
        [
            sys.executable,
            "-m",
            "pip",
            "install",
            "--quiet",
            "--no-deps",
            "--no-compile",
            "--target",
            str(site),
            str(wheel),
        ],
        check=True,
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


DATA = (
    "py.typed",
    "Dockerfile",
    "capacity/kernel.c",
    "cost/prices.json",
    "judgement/secret_rules.json",
    "preview/sources/forces_replacement.json",
    "scaffold/github.yml",
    "settings/rules/keda_scalers.json",
)


def build(kind, source, out, repository=""):
    """A wheel or an sdist, by the backend that pip calls; its file."""
    code = f"import sys; from hatchling import build; print(build.build_{kind}(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(out)],
        cwd=source,
        env={**os.environ, "EBBTIDE_REPOSITORY": repository},
        capture_output=True,
        text=True,
        check=True,
    )
    return out / done.stdout.split()[-1]


def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return archive.read(name).decode()


def contents(wheel):
    """What is installed, without the list that holds their hashes."""
    with zipfile.ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist() if not name.endswith("/RECORD")}


@pytest.fixture(scope="module")
def sdist(tmp_path_factory) -> Path:
    """A release's, unpacked."""
    out = tmp_path_factory.mktemp("sdist")
    file = build("sdist", ROOT, out, "https://example.org/acme/ebbtide")
    with tarfile.open(file) as archive:
        # Debian 12's Python 3.11.2 has no filters yet, and 3.12 and later warn without one.
        archive.extraction_filter = getattr(tarfile, "data_filter", None)
        archive.extractall(out)
    return next(path for path in out.iterdir() if path.is_dir())


def test_every_file_that_is_no_module_is_in_the_wheel(wheel):
    names = set(zipfile.ZipFile(wheel).namelist())
    tracked = subprocess.run(
        ["git", "ls-files", "infra/ebbtide"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    data = [
        name.removeprefix("infra/") for name in tracked if not name.endswith(".py") and name != "infra/ebbtide/image"
    ]
    assert {f"ebbtide/{name}" for name in DATA} <= set(data)
    assert [name for name in data if name not in names] == []
    assert [name for name in names if not name.startswith(("ebbtide/", "ebbtide-"))] == []


@pytest.mark.slow
def test_the_wheel_that_is_built_from_the_sdist_is_the_one_that_is_built_from_the_tree(sdist, tmp_path):
    assert not list(sdist.rglob("__pycache__"))
    of_tree = build("wheel", ROOT, tmp_path, "https://example.org/acme/ebbtide").rename(tmp_path / "tree.whl")
    assert contents(of_tree) == contents(build("wheel", sdist, tmp_path))


def test_an_index_page_has_only_links_that_lead_somewhere(sdist):
    page = (sdist / "PKG-INFO").read_text()
    links = re.findall(r"\]\(([^)\s]+)\)", page)
    base = "https://example.org/acme/ebbtide"
    assert [link for link in links if not link.startswith(("https://", "#"))] == []
    assert f"{base}/blob/{__version__}/docs/draining.md" in links
    assert f"{base}/tree/{__version__}/examples/own-program" in links
    ours = [link.removeprefix(base).split("/", 3) for link in links if link.startswith(base)]
    assert [path for _, kind, _, path in ours if (ROOT / path.partition("#")[0]).is_dir() != (kind == "tree")] == []
    assert f"Project-URL: Repository, {base}" in page
    assert f"Project-URL: Changelog, {base}/blob/{__version__}/CHANGELOG.md" in page


def test_without_an_address_the_page_has_no_link_that_leads_nowhere(wheel):
    page = metadata(wheel)
    assert "\nProject-URL: " not in page
    assert [link for link in re.findall(r"\]\(([^)\s]+)\)", page) if not link.startswith(("https://", "#"))] == []
    assert "How draining works" in page


def test_every_python_that_the_page_names_is_one_that_is_allowed(wheel):
    page = metadata(wheel)
    assert "Requires-Python: >=3.11" in page
    assert "Classifier: Programming Language :: Python :: 3.11" in page
    assert "Classifier: Typing :: Typed" in page
