"""A team's own image is taken from an archive or from docker or podman, and is told by the name that a pod uses.

The engines are stand-ins: docker and podman need a daemon or a registry. What a node makes of an archive is in
test_cluster_script.py.
"""

from __future__ import annotations

import gzip
import sys
from pathlib import Path

import pytest
from tests.cluster.archive_files import docker_archive, oci_archive

TOOLS = Path(__file__).parents[2] / "tools" / "cluster"
# Last on the path: its modules have short names.
sys.path.append(str(TOOLS))

from archives import archive_of, name_on_the_node, names_in, whole_name  # noqa: E402
from problem import Problem  # noqa: E402

CONTAINERD, OCI = "io.containerd.image.name", "org.opencontainers.image.ref.name"


@pytest.mark.parametrize(
    ("name", "whole", "on_the_node"),
    [
        ("app:1", "docker.io/library/app:1", "localhost/app:1"),
        ("team/app:1", "docker.io/team/app:1", "localhost/team/app:1"),
        ("registry.example/team/app:1", "registry.example/team/app:1", "localhost/team/app:1"),
        ("registry:5000/app:1", "registry:5000/app:1", "localhost/app:1"),
        ("localhost/app:1", "localhost/app:1", "localhost/app:1"),
    ],
)
def test_an_image_has_the_name_that_a_kubelet_knows_and_one_that_no_registry_is_asked_for(
    name: str, whole: str, on_the_node: str
) -> None:
    assert whole_name(name) == whole
    assert name_on_the_node(name) == on_the_node


def test_the_names_of_a_docker_archive_are_its_tags(tmp_path: Path) -> None:
    archive = docker_archive(tmp_path / "a.tar", ["app:1", "registry.example/app:2"], [], {})
    assert names_in(archive) == ["docker.io/library/app:1", "registry.example/app:2"]


@pytest.mark.parametrize("annotations", [{CONTAINERD: "registry.example/app:2"}, {OCI: "registry.example/app:2"}])
def test_the_name_of_an_image_in_oci_layout_is_what_its_index_says(tmp_path: Path, annotations: dict[str, str]) -> None:
    assert names_in(oci_archive(tmp_path / "a.tar", annotations, [], {})) == ["registry.example/app:2"]


def test_containerds_name_is_taken_before_a_mere_tag(tmp_path: Path) -> None:
    archive = oci_archive(tmp_path / "a.tar", {CONTAINERD: "docker.io/library/app:1", OCI: "1"}, [], {})
    assert names_in(archive) == ["docker.io/library/app:1"]


@pytest.mark.parametrize("kind", ["untagged", "oci with a tag alone", "text", "empty tar", "truncated"])
def test_what_no_pod_could_ask_for_is_refused_in_one_line_with_what_to_do(tmp_path: Path, kind: str) -> None:
    archive = tmp_path / "a.tar"
    match kind:
        case "untagged":
            docker_archive(archive, [], [], {})
        case "oci with a tag alone":
            oci_archive(archive, {OCI: "latest"}, [], {})
        case "text":
            archive.write_text("FROM debian\n")
        case "empty tar":
            archive.write_bytes(b"\0" * 10240)
        case "truncated":
            docker_archive(archive, ["app:1"], [b"x" * 4096], {})
            archive.write_bytes(archive.read_bytes()[:3000])
    with pytest.raises(Problem) as refused:
        names_in(archive)
    assert str(refused.value).startswith(f"{archive}: ")
    assert "docker save" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_compressed_archive_is_read(tmp_path: Path) -> None:
    plain = docker_archive(tmp_path / "a.tar", ["app:1"], [], {})
    compressed = tmp_path / "a.tar.gz"
    compressed.write_bytes(gzip.compress(plain.read_bytes()))
    assert names_in(compressed) == ["docker.io/library/app:1"]


@pytest.fixture
def engines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where programs named docker and podman are looked for, and nothing else is."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    return directory


def engine(directory: Path, name: str, script: str) -> None:
    program = directory / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)


def test_an_image_that_only_podman_has_comes_from_podman(tmp_path: Path, engines: Path) -> None:
    saved = docker_archive(tmp_path / "a.tar", ["app:1"], [], {})
    engine(engines, "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    engine(engines, "podman", f'[ "$1" = image ] || /bin/cp {saved} "$3"')
    with archive_of("app:1") as archive:
        assert names_in(archive) == ["docker.io/library/app:1"]
    assert not archive.exists(), "a copy of every image that was loaded stays behind"


def test_an_image_that_nobody_has_is_refused_with_what_each_engine_says(engines: Path) -> None:
    engine(engines, "docker", "echo 'Cannot connect to the Docker daemon' >&2; exit 1")
    with pytest.raises(Problem) as refused, archive_of("ap:1"):
        pass
    assert "ap:1: is neither one of this project's images, nor a file" in str(refused.value)
    assert "docker: Cannot connect to the Docker daemon" in str(refused.value)


def test_without_any_engine_an_archive_is_asked_for(engines: Path) -> None:
    with pytest.raises(Problem, match="neither is on PATH") as refused, archive_of("app:1"):
        pass
    assert "name an archive" in str(refused.value)
