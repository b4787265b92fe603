"""Git, as far as a comparison of two commits needs it."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ebbtide.judgement.findings import SettingsError, refused


@dataclass(frozen=True, slots=True)
class Commit:
    """A commit, and by which name somebody asked for it."""

    ref: str
    id: str
    is_merge_base: bool = False
    """Whether it is where the work tree left `ref`, because `ref` has gone on since."""

    def __str__(self) -> str:
        where = f"where it left {self.ref}" if self.is_merge_base else self.ref
        return f"{where} ({self.id[:10]})"


def merge_base(ref: str, root: Path) -> Commit:
    """The commit from which the work tree's own changes begin: what they have in common with `ref`.

    What `ref` got since is not theirs, and would be shown as taken back. Raises SettingsError when `ref` is no commit
    here, or when the two have nothing in common.
    """
    tip = resolve(ref, root)
    done = _git(root, "merge-base", "HEAD", tip)
    if done.returncode != 0:
        raise _refusal(
            root, f"has no commit in common with the work tree (got {ref!r})", "name a branch that this one came from"
        )
    common = done.stdout.strip()
    return Commit(ref, common, is_merge_base=common != tip)


def resolve(ref: str, root: Path) -> str:
    """The id of a commit. Raises SettingsError when there is none of this name."""
    done = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
    if done.returncode != 0:
        if _git(root, "rev-parse", "--show-toplevel").returncode != 0:
            message = "needs a git repository, and this is none"
            raise refused("base", message, "run git init, or leave --base out", ("--base",))
        name = ref.removeprefix("origin/")
        raise _refusal(
            root, f"is no commit here (got {ref!r})", f"fetch it first (git fetch origin {name}), or name another"
        )
    return done.stdout.strip()


def _refusal(root: Path, message: str, remedy: str) -> SettingsError:
    if _git(root, "rev-parse", "--is-shallow-repository").stdout.strip() == "true":
        remedy = "this clone is shallow: fetch more of it (git fetch --unshallow; in a workflow fetch-depth: 0)"
    return refused("base", message, remedy, ("--base",))


@contextmanager
def checked_out(commit: str, root: Path) -> Iterator[Path]:
    """The project's directory at `commit`, in a temporary worktree. The caller's own tree is not touched.

    Raises SettingsError when git cannot.
    """
    prefix = _git(root, "rev-parse", "--show-prefix").stdout.strip()
    with tempfile.TemporaryDirectory(prefix="ebbtide-base-") as temporary:
        tree = Path(temporary) / "tree"
        try:
            done = _git(root, "worktree", "add", "--detach", "--quiet", str(tree), commit)
            if done.returncode != 0:
                raise refused("base", f"cannot be checked out: {done.stderr.strip()}", "", ("--base",))
            yield tree / prefix
        finally:
            # Of one that was broken off half-way git keeps a lock, and knows it only as one that is missing. No prune:
            # that forgets every missing worktree, also the user's own on a disk that is not mounted now.
            shutil.rmtree(tree, ignore_errors=True)
            _git(root, "worktree", "remove", "--force", "--force", str(tree))


def _git(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["git", "-C", str(root), *arguments], capture_output=True, text=True, check=False)
