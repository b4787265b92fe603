"""What a pull request hands over is data: it names no other pull request or stack, and its texts stay text."""

from __future__ import annotations

import json

import pytest
from tests.commands import run_here
from tests.preview.github import TOKEN, Server
from tests.preview.previews import example

HEAD = "a" * 40


@pytest.fixture
def server():
    with Server() as running:
        yield running


@pytest.fixture
def previews(tmp_path):
    """A directory of downloaded artifacts, and how to add one."""

    def add(name, number="12\n", **changes):
        folder = tmp_path / f"preview-{name}"
        folder.mkdir()
        (folder / "pull-request").write_text(number)
        (folder / "preview.json").write_text(json.dumps({**example(), "project": "shop", "stack": name, **changes}))
        return folder

    return add


def post(server, tmp_path, head=HEAD, token=TOKEN):
    env = {"GITHUB_TOKEN": token, "GITHUB_API_URL": server.url, "GITHUB_REPOSITORY": "acme/shop"}
    return run_here("comment", tmp_path, "--head", head, env=env)


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


def test_the_next_review_takes_the_place_of_the_first(server, previews, tmp_path):
    folder = previews("dev")
    assert post(server, tmp_path).stdout == "preview-dev: created\n"
    (folder / "preview.json").write_text((folder / "preview.json").read_text().replace("danger, ", "DANGER, "))
    assert post(server, tmp_path).stdout == "preview-dev: updated\n"
    (body,) = bodies(server)
    assert body.startswith("<!-- ebbtide-preview shop/dev -->\n### ")
    assert "DANGER" in body


def test_nobody_is_notified_and_nothing_is_shown_by_a_text(server, previews, tmp_path):
    previews("dev", verdict="hello @acme/team <img src=x> ![x](https://evil.example)")
    assert post(server, tmp_path).returncode == 0
    (body,) = bodies(server)
    assert "hello @\u2060acme/team &lt;img src=x&gt; !\\[x\\](https\u2060://evil.example)" in body


def test_the_review_of_another_stack_is_not_overwritten(server, previews, tmp_path):
    previews("production", verdict="danger")
    previews("dev", stack="production", verdict="all is well")
    done = post(server, tmp_path)
    assert done.returncode == 1
    assert "another stack than dev" in done.stderr
    assert ["all is well" in body for body in bodies(server)] == [False]


def test_no_text_is_posted_but_what_is_made_of_the_schema(server, previews, tmp_path):
    folder = previews("dev")
    (folder / "dev.md").write_text("<!-- ebbtide-preview shop/dev -->\nall is well\n")
    (folder / "preview.json").write_text('{"markdown": "all is well"}')
    done = post(server, tmp_path)
    assert (done.returncode, bodies(server)) == (1, [])
    assert "is no preview" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_huge_file_a_link_and_nothing_at_all_are_refused(server, previews, tmp_path):
    (previews("dev") / "preview.json").write_text(" " * 34_000_000)
    linked = previews("production") / "preview.json"
    linked.unlink()
    linked.symlink_to("/etc/passwd")
    (previews("staging") / "preview.json").unlink()
    done = post(server, tmp_path)
    assert done.returncode == 1
    assert "32 MiB" in done.stderr
    assert done.stderr.count("no regular file") == 2
    assert bodies(server) == []


def test_a_token_that_is_not_valid_is_one_line_and_is_not_shown(server, previews, tmp_path):
    previews("dev")
    done = post(server, tmp_path, token="wrong-token")
    assert done.returncode == 1
    assert "the token is not valid" in done.stderr
    assert "wrong-token" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("variables", "arguments", "message"),
    [
        ({}, ("--head", HEAD), "GITHUB_TOKEN: is not set"),
        ({"CI_MERGE_REQUEST_IID": "12"}, (), "PREVIEW_TOKEN: is not set"),
        ({"GITHUB_TOKEN": "x"}, (), "--head: is required"),
        ({"GITHUB_TOKEN": "x"}, ("--head", HEAD), "holds no preview-<stack>/"),
    ],
)
def test_what_is_missing_is_said_in_one_line(tmp_path, variables, arguments, message):
    done = run_here("comment", tmp_path, *arguments, env=variables)
    assert (done.returncode, done.stdout) == (1, "")
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1
