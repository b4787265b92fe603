"""Container images without a daemon or a registry: buildah in a chroot, on a base that debootstrap makes."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from cache import build_once, cache_root
from debian import CONTAINED
from problem import Problem
from programs import TOOLS, program
from progress import note

ROOT = TOOLS.parent
sys.path.append(str(ROOT / "infra"))
from ebbtide.brokers import BROKERS  # noqa: E402 - from the tree, which need not be installed

SUITE = "bookworm"
_AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_UNTRACKED = {"__pycache__", "cache", ".pytest_cache", ".mypy_cache", ".ruff_cache"}


@dataclass(frozen=True, slots=True)
class Image:
    """An image of this project: `context` is built by `dockerfile`, on top of `base`."""

    name: str
    dockerfile: Path
    context: Path
    base: Image | None = None
    sources: tuple[Path, ...] = ()
    """Files and directories the build reads; a change of them is another image. Default: the context."""
    arguments: dict[str, str] = field(default_factory=dict)
    prepare: tuple[str, ...] = ()
    """Files of the machine to copy into the context first."""

    @property
    def reference(self) -> str:
        """The name in containerd, tagged by what the image is built from: another content is another image."""
        return f"localhost/ebbtide/{self.name}:{self.pins()}"

    def pins(self) -> str:
        """Twelve characters that stand for everything the image is built from."""
        digest = hashlib.sha256(self.base.pins().encode() if self.base else SUITE.encode())
        digest.update(repr(sorted(self.arguments.items())).encode())
        for source in (self.dockerfile, *(self.sources or (self.context,))):
            for file in _files(source):
                digest.update(str(file.relative_to(ROOT)).encode() + b"\0" + file.read_bytes())
        return digest.hexdigest()[:12]


PAUSE = Image("pause", TOOLS / "images/pause/Dockerfile", TOOLS / "images/pause", prepare=("/usr/bin/catatonit",))
BASE = Image("debian", TOOLS / "images/base/Dockerfile", TOOLS / "images/base")
BROKER = Image(
    "broker",
    TOOLS / "images/broker/Dockerfile",
    TOOLS / "images/broker",
    BASE,
    arguments={"PACKAGES": " ".join(package for broker in BROKERS.values() for package in broker.packages)},
)
APPLICATION = Image("github-events", ROOT / "examples/github-events/Dockerfile", ROOT / "examples/github-events", BASE)
CONSUMER = Image(
    "githubevents",
    ROOT / "Dockerfile",
    ROOT,
    APPLICATION,
    sources=(ROOT / "consumer",),
    # The container is compiled for each transport; which one the self-check looks at does not matter here.
    arguments={"MESSENGER_TRANSPORT_DSN": "redis://build"},
)
UNPREPARED = Image("unprepared", TOOLS / "images/unprepared/Dockerfile", TOOLS / "images/unprepared", APPLICATION)
IMAGES = {image.name: image for image in (PAUSE, BASE, BROKER, APPLICATION, CONSUMER, UNPREPARED)}


def build_image(image: Image) -> Path:
    """Return the image as a tar archive that `ctr images import` reads; builds it where that has not been done."""
    if image.base:
        build_image(image.base)

    def build(target: Path) -> None:
        if image is BASE:
            note("debootstrap")
            _debootstrap(target / "debian.tar")
        note("buildah")
        _build(image, target)
        (target / "debian.tar").unlink(missing_ok=True)

    return build_once(f"image-{image.name}", image.pins().encode(), build, "one or two") / "image.tar"


def _build(image: Image, target: Path) -> None:
    """Leave `image.tar` in `target`."""
    context = image.context
    if image is BASE or image.prepare:
        context = target / "context"
        context.mkdir()
        for path in image.prepare:
            shutil.copy2(path, context)
        if image is BASE:
            (target / "debian.tar").rename(context / "debian.tar")
    command = ["bud", "--isolation", "chroot", "--quiet", "--layers=false", "--file", str(image.dockerfile)]
    command += build_options()
    if image.base:
        command += ["--build-arg", f"BASE_IMAGE={image.base.reference}"]
    for name, value in image.arguments.items():
        command += ["--build-arg", f"{name}={value}"]
    _buildah(*command, "--tag", image.reference, str(context))
    _buildah("push", "--quiet", image.reference, f"docker-archive:{target / 'image.tar'}:{image.reference}")
    if image.prepare or image is BASE:
        shutil.rmtree(context)


def buildah_command() -> list[str]:
    """buildah, with the storage that has this project's images."""
    storage = cache_root() / "buildah"
    storage.mkdir(parents=True, exist_ok=True)
    driver = ["--root", str(storage / "root"), "--runroot", str(storage / "run"), "--storage-driver", "overlay"]
    return [program("buildah"), *driver]


def build_options() -> list[str]:
    """With these a build reaches mirrors as this machine does, whatever authorities it trusts."""
    if not _AUTHORITIES.is_file():
        return []
    return ["--volume", f"{_AUTHORITIES}:/host-authorities.crt:ro", "--build-arg", "PIP_CERT=/host-authorities.crt"]


def _buildah(*arguments: str) -> None:
    _run([*buildah_command(), *arguments], f"buildah {arguments[0]}")


def _debootstrap(archive: Path) -> None:
    """A minimal Debian as a tar archive, with the apt sources of this machine, so that it reaches the same mirror."""
    tree = archive.with_name("tree")
    _run(
        [
            *CONTAINED,
            *(program("debootstrap"), "--variant=minbase", f"--keyring={_KEYRING}", SUITE, str(tree), _mirror()),
        ],
        "debootstrap",
    )
    (tree / "etc/apt/apt.conf.d/90build").write_text('APT::Install-Recommends "false";\nAcquire::Languages "none";\n')
    policy = tree / "usr/sbin/policy-rc.d"
    policy.write_text("#!/bin/sh\nexit 101\n")
    policy.chmod(0o755)
    for used_up in ("var/cache/apt/archives", "var/lib/apt/lists"):
        shutil.rmtree(tree / used_up, ignore_errors=True)
    _run(["tar", "--numeric-owner", "-C", str(tree), "--exclude=./dev/*", "-cf", str(archive), "."], "tar")
    shutil.rmtree(tree)


def _mirror() -> str:
    """Where this machine's own apt gets packages from."""
    listed = _run(["apt-get", "indextargets", "--format", "$(REPO_URI) $(RELEASE)", "Created-By: Packages"], "apt-get")
    mirrors = [line.split()[0] for line in listed.splitlines() if "security" not in line]
    if not mirrors:
        raise Problem("apt has no package lists, so there is no mirror to make a base image from: run `apt-get update`")
    return mirrors[0]


def _run(command: list[str], shown_as: str) -> str:
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    done = subprocess.run(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    if done.returncode:
        raise Problem(f"{shown_as} failed (status {done.returncode}): {(done.stdout + done.stderr).strip()[-2000:]}")
    return done.stdout


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    found = (file for file in path.rglob("*") if file.is_file() and not _UNTRACKED.intersection(file.parts))
    return sorted(found)
