"""A disk that is full while a command writes: one line, and no file that is half there."""

from __future__ import annotations

import os
import resource
import shutil
import stat
import subprocess
from pathlib import Path

import pytest
from tests.commands import run_here

from ebbtide.documents.whole import write_whole

ROOT = Path(__file__).parents[2]
# A page more than the shortest file that is written, and less than the longest: the write ends in the middle of one.
ROOM_BYTES = 700


def run_with_little_room(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """A command that can write no longer file than that. The kernel says so as it says that a disk is full."""
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM_BYTES, usual[1]))
    try:
        return run_here(*arguments)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)


def left(directory: Path) -> dict[str, int]:
    """Every file below, with its length."""
    return {str(file.relative_to(directory)): file.stat().st_size for file in directory.rglob("*") if file.is_file()}


def is_one_line(done: subprocess.CompletedProcess[str]) -> bool:
    return done.returncode == 1 and "Traceback" not in done.stderr and len(done.stderr.strip().splitlines()) == 1


def test_an_earlier_review_stays_where_a_new_one_finds_no_room(tmp_path: Path) -> None:
    file = tmp_path / "review.json"
    file.write_text("what was there")
    stack = ["--project", ROOT, "--stack", "dev"]
    done = run_with_little_room("preview", *stack, "--format", "json", "--out", file)
    assert is_one_line(done), done.stderr
    assert f"{file}: cannot be written: File too large" in done.stderr
    assert file.read_text() == "what was there"
    assert left(tmp_path) == {"review.json": len("what was there")}


def test_a_project_is_begun_by_whole_files_and_finished_by_the_next_run(tmp_path: Path) -> None:
    done = run_with_little_room("init", tmp_path / "shop", "--name", "shop")
    assert is_one_line(done), done.stderr
    assert "shop/" in done.stderr, "it does not say which file"
    begun = left(tmp_path / "shop")
    assert 0 not in begun.values()
    assert not [name for name in begun if name.endswith(".new")]
    again = run_here("init", tmp_path / "shop", "--name", "shop")
    assert again.returncode == 0, again.stderr
    assert "kept" in again.stdout or not begun
    assert (tmp_path / "shop" / "docker" / "consumer").is_dir()
    assert (tmp_path / "shop" / "docker" / "Dockerfile").is_file()


@pytest.mark.parametrize("command", ["render", "dashboard", "image"])
def test_a_directory_gets_no_half_file(tmp_path: Path, command: str) -> None:
    stack = [] if command == "image" else ["--project", ROOT, "--stack", "dev"]
    done = run_with_little_room(command, *stack, "--out", tmp_path / "out")
    assert is_one_line(done), done.stderr
    found = left(tmp_path / "out") if (tmp_path / "out").exists() else {}
    assert 0 not in found.values()
    assert not [name for name in found if name.endswith(".new")]


def test_a_report_of_doctor_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    done = run_with_little_room("doctor", ROOT / "examples/before", "--out", tmp_path / "none" / "report.json")
    assert is_one_line(done), done.stderr


def test_a_file_keeps_its_mode_and_its_link(tmp_path: Path) -> None:
    real, link = tmp_path / "real", tmp_path / "link"
    real.write_text("old")
    real.chmod(0o640)
    link.symlink_to(real)
    write_whole(link, "new")
    assert link.is_symlink()
    assert real.read_text() == "new"
    assert stat.S_IMODE(real.stat().st_mode) == 0o640


def test_a_pipe_is_written_to_and_not_replaced(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with subprocess.Popen([shutil.which("cat") or "cat", pipe], stdout=subprocess.PIPE) as reader:
        write_whole(pipe, "through")
        assert reader.communicate()[0] == b"through"
    assert stat.S_ISFIFO(pipe.stat().st_mode)


def test_a_name_beside_which_no_other_has_room_is_written_as_before(tmp_path: Path) -> None:
    file = tmp_path / ("n" * 253)
    write_whole(file, "text")
    assert file.read_text() == "text"
