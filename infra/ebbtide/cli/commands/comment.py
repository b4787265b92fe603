"""The options of `ebbtide comment`."""

from pathlib import Path
from typing import Annotated

import typer

from ebbtide.cli.commands.options import new_command

app = new_command()


@app.command(
    epilog="""\b
Examples:
  ebbtide comment previews/ --head "$HEAD"     in a workflow of GitHub (examples/ci/github-comment.yml)
  ebbtide comment .                            in a pipeline of GitLab (examples/ci/gitlab.yml)
"""
)
def comment(
    directory: Annotated[
        Path, typer.Argument(help="Holds preview-<stack>/preview.json, and on GitHub preview-<stack>/pull-request.")
    ],
    head: Annotated[
        str | None,
        typer.Option("--head", metavar="SHA", help="Post only if the pull request is at this commit."),
    ] = None,
) -> None:
    """Post previews as comments of a pull request or merge request.

    One for each stack, updated in place. The token is read from GITHUB_TOKEN or PREVIEW_TOKEN. The
    previews are data: a job without rights may write them.
    """
    from ebbtide.cli.comment import run

    run(directory, head)
