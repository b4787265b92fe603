"""`ebbtide comment`: reviews as comments, one for each stack, from the JSON that a job without rights wrote.

The directory comes from a pull request, perhaps of a stranger. Of each `preview-<stack>/` below it `preview.json` is
read, which must fit the schema and be of that stack; on GitHub also `pull-request`, whose number is used only after
GitHub has said that this pull request's head is the commit that the workflow ran for. The comment is written here: no
text of theirs is more than text. One preview that cannot be posted does not keep the others back. The token is read
from the environment and never printed.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import typer

from ebbtide.cli.output import BAD_INPUT, fail
from ebbtide.judgement.findings import SettingsError
from ebbtide.preview.comment import CommentError, Discussion
from ebbtide.preview.formats import as_markdown
from ebbtide.preview.github import PullRequest
from ebbtide.preview.gitlab import MergeRequest
from ebbtide.preview.reading import read_preview


def run(directory: Path, head: str | None) -> None:
    """Post every preview below `directory`; ends with 1 where one could not be."""
    environment = os.environ
    on_gitlab = bool(environment.get("CI_MERGE_REQUEST_IID"))
    head = head or (_gitlab_head(environment) if on_gitlab else None)
    token = "PREVIEW_TOKEN" if on_gitlab else "GITHUB_TOKEN"
    if not environment.get(token):
        fail(f"{token}: is not set; pass the job's token in the environment")
    if not head:
        fail("--head: is required on GitHub; pass ${{ github.event.workflow_run.head_sha }}")
    if not (folders := sorted(directory.glob("preview-*/"))):
        fail(f"{directory}: holds no preview-<stack>/; download what the job of the preview kept")
    open_discussion = _merge_request if on_gitlab else _pull_request
    posted = [_posted(folder, head, open_discussion) for folder in folders]
    if not all(posted):
        raise typer.Exit(BAD_INPUT)


def _posted(folder: Path, head: str, open_discussion: Callable[[Path], Discussion]) -> bool:
    """Post the preview of one stack. Returns whether nothing is left to do."""
    try:
        discussion = open_discussion(folder)
        if (actual := discussion.head()) != head:
            typer.echo(f"{folder}: its pull request is at {actual}, not at {head}: newer, or another one", err=True)
            return True
        preview = read_preview(folder / "preview.json", folder.name.removeprefix("preview-"))
        typer.echo(f"{folder.name}: {discussion.post(as_markdown(preview))}")
    except (CommentError, SettingsError, OSError) as error:
        typer.echo(f"{folder}: {error}", err=True)
        return False
    return True


def _pull_request(folder: Path) -> Discussion:
    with (folder / "pull-request").open("rb") as opened:
        number = opened.read(12).decode(errors="replace").strip("\n")
    environment = os.environ
    return PullRequest(
        environment.get("GITHUB_REPOSITORY", ""),
        _number(number, "pull-request"),
        environment["GITHUB_TOKEN"],
        environment.get("GITHUB_API_URL", "https://api.github.com"),
    )


def _merge_request(folder: Path) -> Discussion:  # noqa: ARG001 - GitLab tells the number itself
    environment = os.environ
    return MergeRequest(
        environment.get("CI_PROJECT_ID", ""),
        _number(environment["CI_MERGE_REQUEST_IID"], "CI_MERGE_REQUEST_IID"),
        environment["PREVIEW_TOKEN"],
        environment.get("CI_API_V4_URL", "https://gitlab.com/api/v4"),
    )


def _number(text: str, name: str) -> int:
    if not re.fullmatch("[1-9][0-9]*", text):
        raise CommentError(f"{name} does not hold a number")
    return int(text)


def _gitlab_head(environment: Mapping[str, str]) -> str:
    """What the merge request was at when its pipeline began; of merged results the commit itself is another one."""
    return environment.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") or environment.get("CI_COMMIT_SHA", "")
