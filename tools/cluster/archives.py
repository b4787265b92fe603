"""Images that a team has: a tar archive, or a name that docker or podman on this machine knows."""

from __future__ import annotations

import json
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from problem import Problem

_ENGINES = ("docker", "podman")
# Which of them names the image by its whole name depends on who wrote the archive.
_OCI_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")


@contextmanager
def archive_of(image: str) -> Iterator[Path]:
    """The archive that `image` names, or one that docker or podman has saved of it. Raises Problem."""
    if Path(image).is_file():
        yield Path(image)
        return
    engine = _engine_that_has(image)
    with TemporaryDirectory(prefix="ebbtide-image-") as directory:
        saved = Path(directory) / "image.tar"
        done = subprocess.run(
            [engine, "save", "--output", str(saved), image], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise Problem(f"{image}: {engine} could not save it: {done.stderr.strip()}")
        yield saved


def names_in(archive: Path) -> list[str]:
    """The names of the images in an archive, as a pod's `image` has them. Raises Problem where there is none."""
    try:
        with tarfile.open(archive) as tar:
            members = {member.name.removeprefix("./"): member for member in tar}
            docker, oci = (_json(tar, members.get(name)) for name in ("manifest.json", "index.json"))
    except (tarfile.TarError, OSError, ValueError) as error:
        # tarfile adds a line for each compression that it is not.
        why = str(error).splitlines()[0].rstrip(":")
        raise Problem(f"{archive}: is no image archive ({why}); make one with `docker save NAME:TAG`") from None
    if docker is None and oci is None:
        raise Problem(
            f"{archive}: has neither a manifest.json (docker save) nor an index.json (OCI): it is no image archive"
        )
    names = _docker_names(docker) if docker is not None else _oci_names(oci)
    if not names:
        raise Problem(
            f"{archive}: its image has no name, no pod could ask for it; save it by name: `docker save NAME:TAG`"
        )
    return names


def whole_name(name: str) -> str:
    """What a kubelet makes of `app:1`: `docker.io/library/app:1`."""
    registry, slash, _ = name.partition("/")
    if slash and ("." in registry or ":" in registry or registry == "localhost"):
        return name
    return f"docker.io/{name}" if slash else f"docker.io/library/{name}"


def name_on_the_node(name: str) -> str:
    """`localhost/team/app:1` for `registry.example/team/app:1`: an image of the node's own, for which ebbtide's pods
    ask no registry (docs/decisions/image-pull-policy.md)."""
    registry, _, path = whole_name(name).partition("/")
    return f"localhost/{path.removeprefix('library/') if registry == 'docker.io' else path}"


def _engine_that_has(image: str) -> str:
    told = []
    for engine in _ENGINES:
        if shutil.which(engine):
            found = subprocess.run([engine, "image", "inspect", image], capture_output=True, text=True, check=False)
            if not found.returncode:
                return engine
            told.append(f"{engine}: {(found.stderr.strip().splitlines() or ['it does not say why'])[-1]}")
    raise Problem(
        f"{image}: is neither one of this project's images, nor a file, nor an image of docker or podman "
        f"({'; '.join(told) or 'neither is on PATH'}); name an archive that `docker save` or `podman save` has written"
    )


def _json(tar: tarfile.TarFile, member: tarfile.TarInfo | None) -> object:
    content = tar.extractfile(member) if member else None
    return json.load(content) if content else None


def _docker_names(manifest: object) -> list[str]:
    entries = manifest if isinstance(manifest, list) else []
    return [whole_name(name) for entry in entries for name in entry.get("RepoTags") or []]


def _oci_names(index: object) -> list[str]:
    entries = index.get("manifests", []) if isinstance(index, dict) else []
    names = []
    for entry in entries:
        annotations = entry.get("annotations") or {}
        stated = [annotations[key] for key in _OCI_NAMES if key in annotations]
        # `latest` alone is a tag of no image.
        names += [whole_name(name) for name in stated if ":" in name or "/" in name][:1]
    return names
