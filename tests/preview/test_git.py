"""A commit is looked at beside the user's repository, which is left as it was."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from ebbtide import git
from ebbtide.judgement.findings import SettingsError


def run_git(root, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@example.com", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", "-C", root, *identity, *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def repository(tmp_path):
    root = tmp_path / "shop"
    (root / "deploy").mkdir(parents=True)
    (root / "deploy" / "Pulumi.yaml").write_text("name: shop\n")
    run_git(root, "init", "--quiet", ".")
    run_git(root, "add", ".")
    run_git(root, "commit", "--quiet", "--message", "Begin")
    return root


def known_worktrees(root):
    return sorted(path.name for path in (root / ".git" / "worktrees").glob("*"))


def test_the_project_is_where_it_was_in_the_repository(repository):
    with git.checked_out("HEAD", repository / "deploy") as tree:
        assert (tree / "Pulumi.yaml").read_text() == "name: shop\n"
    assert not tree.exists()
    assert known_worktrees(repository) == []


def test_a_worktree_of_the_user_on_a_disk_that_is_not_mounted_stays_known(repository, tmp_path):
    run_git(repository, "worktree", "add", "--quiet", "--detach", str(tmp_path / "disk"))
    shutil.move(tmp_path / "disk", tmp_path / "unmounted")
    with git.checked_out("HEAD", repository):
        assert len(known_worktrees(repository)) == 2
    assert known_worktrees(repository) == ["disk"]


@pytest.mark.parametrize("left", ["nothing of the tree", "a part of the tree"])
def test_a_checkout_that_is_broken_off_half_way_leaves_nothing(repository, monkeypatch, left):
    """As git leaves it when it is interrupted with the command: locked, and its directory incomplete."""
    really = git._git

    def interrupted(root, *arguments):
        done = really(root, *arguments)
        if arguments[:2] == ("worktree", "add"):
            tree = arguments[-2]
            shutil.rmtree(tree)
            if left == "a part of the tree":
                (repository.parent / tree).mkdir()
            (repository / ".git" / "worktrees" / "tree" / "locked").write_text("initializing")
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(git, "_git", interrupted)
    with pytest.raises(KeyboardInterrupt), git.checked_out("HEAD", repository):
        pass
    assert known_worktrees(repository) == []


def test_what_git_refuses_is_told(repository):
    with pytest.raises(SettingsError, match="cannot be checked out"), git.checked_out("0" * 40, repository):
        pass
    assert known_worktrees(repository) == []
