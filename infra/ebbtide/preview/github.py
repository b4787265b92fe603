"""The comments of a pull request on GitHub."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from email.message import Message
from typing import Any

from ebbtide.preview.comment import CommentError, Discussion


class PullRequest(Discussion):
    """A pull request, by REST 2022-11-28."""

    forge = "GitHub"
    remedies = {
        401: "the token is not valid: pass GITHUB_TOKEN of the job",
        403: "the token may not write comments: give the job `permissions: pull-requests: write`",
        404: "there is no such pull request, or the token may not see it",
        422: "GitHub refuses the text",
    }
    update = "PATCH"

    def __init__(
        self,
        repository: str,
        number: int,
        token: str,
        api: str = "https://api.github.com",
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not re.fullmatch(r"[\w.-]+/[\w.-]+", repository):
            raise CommentError(f"GITHUB_REPOSITORY: is not owner/name (got {repository!r})")
        super().__init__(api, token, sleep)
        self._repository = f"{self._api}/repos/{repository}"
        self._number = number

    def head(self) -> str:
        content, _ = self.request("GET", f"{self._repository}/pulls/{self._number}")
        return str(self.field(content, "head", "sha"))

    @property
    def comments_url(self) -> str:
        return f"{self._repository}/issues/{self._number}/comments"

    def comment_url(self, number: int) -> str:
        return f"{self._repository}/issues/comments/{number}"

    @property
    def headers(self) -> Mapping[str, str]:
        return {
            "Accept": "application/vnd.github+json",
            "Authorization": f"Bearer {self._token}",
            "X-GitHub-Api-Version": "2022-11-28",
        }

    def next_page(self, answer: Message) -> str | None:
        following = re.search(r'<([^>]+)>;\s*rel="next"', answer.get("Link") or "")
        return following.group(1) if following else None

    def may_be_ours(self, comment: Mapping[str, Any]) -> bool:
        user = comment.get("user")
        by_a_bot = isinstance(user, Mapping) and user.get("type") == "Bot"
        return by_a_bot or comment.get("author_association") in {"OWNER", "MEMBER", "COLLABORATOR"}
