"""The notes of a merge request on GitLab."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from email.message import Message
from functools import cached_property
from typing import Any

from ebbtide.preview.comment import PAGE_SIZE, CommentError, Discussion


class MergeRequest(Discussion):
    """A merge request, by REST v4."""

    forge = "GitLab"
    remedies = {
        401: "the token is not valid: pass a project access token of scope `api`",
        403: "the token may not write notes: give it the role Reporter",
        404: "there is no such merge request, or the token may not see it",
        400: "GitLab refuses the text",
    }
    update = "PUT"

    def __init__(
        self, project: str, number: int, token: str, api: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        if not re.fullmatch("[1-9][0-9]*", project):
            raise CommentError(f"CI_PROJECT_ID: is not a number (got {project!r})")
        super().__init__(api, token, sleep)
        self._merge_request = f"{self._api}/projects/{project}/merge_requests/{number}"

    def head(self) -> str:
        content, _ = self.request("GET", self._merge_request)
        return str(self.field(content, "sha"))

    @property
    def comments_url(self) -> str:
        return f"{self._merge_request}/notes"

    def comment_url(self, number: int) -> str:
        return f"{self._merge_request}/notes/{number}"

    @property
    def headers(self) -> Mapping[str, str]:
        return {"PRIVATE-TOKEN": self._token}

    def next_page(self, answer: Message) -> str | None:
        page = answer.get("X-Next-Page") or ""
        return f"{self.comments_url}?per_page={PAGE_SIZE}&page={page}" if page.isdigit() else None

    def may_be_ours(self, comment: Mapping[str, Any]) -> bool:
        """Only what this token's own user wrote: unlike GitHub's, a note does not say who may write here."""
        author = comment.get("author")
        return isinstance(author, Mapping) and author.get("id") == self._user

    @cached_property
    def _user(self) -> int:
        content, _ = self.request("GET", f"{self._api}/user")
        number = self.field(content, "id")
        if not isinstance(number, int):
            raise CommentError(f"{self.forge}'s answer has an id that is no number")
        return number

    def to_body(self, text: str) -> str:
        """Without quick actions: a line that begins with a slash is an order to GitLab, `/merge` among them."""
        return re.sub(r"(?m)^([ \t]*)/", r"\1\\/", text)
