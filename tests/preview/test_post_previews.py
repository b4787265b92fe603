"""What a pull request hands over is posted as text: it names no other pull request, and notifies nobody."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from tests.preview.github import TOKEN, Server

ROOT = Path(__file__).parents[2]
HEAD = "a" * 40


@pytest.fixture
def server():
    with Server() as running:
        yield running


@pytest.fixture
def previews(tmp_path):
    """A directory of downloaded artifacts, and how to add one."""

    def add(stack, text="nothing changes", number="12\n"):
        folder = tmp_path / f"preview-{stack}"
        folder.mkdir()
        (folder / "pull-request").write_text(number)
        (folder / f"{stack}.md").write_text(f"<!-- ebbtide-preview shop/{stack} -->\n{text}\n")
        return folder

    return add


def post(server, tmp_path, head=HEAD):
    return subprocess.run(
        [str(ROOT / "scripts" / "post-previews"), str(tmp_path), head],
        env={
            "PATH": os.environ["PATH"],
            "GITHUB_TOKEN": TOKEN,
            "GITHUB_API_URL": server.url,
            "GITHUB_REPOSITORY": "acme/shop",
        },
        capture_output=True,
        text=True,
        check=False,
    )


def bodies(server):
    return [comment["body"] for comment in server.state.comments]


def test_every_stack_gets_its_comment(server, previews, tmp_path):
    previews("dev")
    previews("production")
    assert post(server, tmp_path).returncode == 0
    assert len(bodies(server)) == 2


@pytest.mark.parametrize("number", ["", "\n", "../../issues/1", "12; id", "-1", "0", "404"])
def test_a_number_that_is_none_keeps_no_other_preview_back(server, previews, tmp_path, number):
    previews("dev", number=number)
    previews("production")
    done = post(server, tmp_path)
    assert done.returncode == 1
    assert ["shop/production" in body for body in bodies(server)] == [True]


def test_a_pull_request_at_another_commit_gets_nothing(server, previews, tmp_path):
    previews("dev")
    done = post(server, tmp_path, head="b" * 40)
    assert "not at" in done.stderr
    assert bodies(server) == []


def test_nobody_is_notified_by_the_text(server, previews, tmp_path):
    previews("dev", "hello @acme/team and shop/consumer@sha256:0123")
    post(server, tmp_path)
    assert "@\u2060acme/team and shop/consumer@sha256:0123" in bodies(server)[0]


def test_the_review_of_another_stack_is_not_overwritten(server, previews, tmp_path):
    previews("production")
    folder = previews("dev")
    (folder / "dev.md").write_text("<!-- ebbtide-preview shop/production -->\nall is well\n")
    (folder / "more.md").write_text("<!-- ebbtide-preview shop/dev --><img src=x>\nall is well\n")
    done = post(server, tmp_path)
    assert done.returncode == 1
    assert "is not the preview of stack dev" in done.stderr
    assert "does not begin with the marker" in done.stderr
    assert ["all is well" in body for body in bodies(server)] == [False]


def test_a_picture_in_the_text_is_shown_as_words(server, previews, tmp_path):
    previews("dev", "<img src=x> ![x](https://evil.example)")
    assert post(server, tmp_path).returncode == 0
    assert "&lt;img src=x> !\\[x](https\u2060://evil.example)" in bodies(server)[0]


def test_a_huge_text_or_a_link_to_another_file_is_refused(server, previews, tmp_path):
    previews("dev", "x" * 70_000)
    folder = previews("production")
    (folder / "production.md").unlink()
    (folder / "production.md").symlink_to("/etc/passwd")
    done = post(server, tmp_path)
    assert done.returncode == 1
    assert "65536" in done.stderr
    assert "no regular file" in done.stderr
    assert bodies(server) == []
