"""Post a review as one comment of a pull request or merge request, and keep it one comment.

Plain REST, by the standard library. Neither GitHub's nor GitLab's `POST` has an idempotency key, so after any answer
that leaves it open whether a comment was made, the comments are read again before another try. urllib3's Retry does
none of that, and does not know GitHub's two rate limits either (403 with Retry-After, X-RateLimit-Reset): it would have
to be overridden in each of its decisions.
"""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPException
from typing import Any, ClassVar

from ebbtide.preview.markdown import BODY_LIMIT

PAGE_SIZE = 100
_ATTEMPTS = 5
_FIRST_PAUSE_SECONDS = 1.0
# GitHub may ask for up to an hour after its primary rate limit; a job that waits longer than this is cut off anyway.
_LONGEST_PAUSE_SECONDS = 60.0
_MARKER = re.compile(r"<!-- ebbtide-preview [A-Za-z0-9._/-]+ -->")
_NO_MARKER = "does not begin with the marker of `ebbtide preview --format markdown`"
_TRANSIENT = {429, 500, 502, 503, 504}


class CommentError(Exception):
    """The comment could not be posted; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Comment:
    """A comment that carries our marker."""

    number: int
    body: str


class Discussion(ABC):
    """The comments of one pull request; what a forge's API calls them, a subclass knows."""

    forge: ClassVar[str]
    remedies: ClassVar[Mapping[int, str]]
    """What to do about a status that does not pass by itself."""
    update: ClassVar[str]
    """The method that changes a comment."""

    def __init__(self, api: str, token: str, sleep: Callable[[float], None] = time.sleep) -> None:
        self._api = api.rstrip("/")
        self._token = token
        self._sleep = sleep

    @abstractmethod
    def head(self) -> str:
        """The commit that the pull request is at. Raises CommentError."""

    @property
    @abstractmethod
    def comments_url(self) -> str:
        """Where comments are listed and made."""

    @abstractmethod
    def comment_url(self, number: int) -> str:
        """Where one comment is changed and deleted."""

    @property
    @abstractmethod
    def headers(self) -> Mapping[str, str]:
        """What every request carries, the token among it."""

    @abstractmethod
    def next_page(self, answer: Message) -> str | None:
        """The address of the following page of comments, by the headers of this one."""

    @abstractmethod
    def may_be_ours(self, comment: Mapping[str, Any]) -> bool:
        """Whether who made the comment could only be us, or somebody who may write here: anybody may paste the
        marker."""

    def to_body(self, text: str) -> str:
        """The text as this forge must be given it."""
        return text

    def post(self, body: str) -> str:
        """Update the comment with the marker of `body`, or make it. Returns `created`, `updated` or `unchanged`.

        Two jobs at the same moment may both make one: the oldest stays, with the newest text. Raises CommentError.
        """
        found = _MARKER.match(body)
        if found is None:
            raise CommentError(f"the text {_NO_MARKER}")
        body = self.to_body(body)
        if len(body) > BODY_LIMIT:
            raise CommentError(f"the text has {len(body)} characters, and a comment takes {BODY_LIMIT}")
        existing = self._with_marker(found.group())
        outcome = "unchanged"
        if not existing:
            self._create(body, found.group())
            outcome = "created"
            existing = self._with_marker(found.group())
        for surplus in existing[1:]:
            self.request("DELETE", self.comment_url(surplus.number), accept={404})
        if existing and existing[0].body != body:
            self.request(self.update, self.comment_url(existing[0].number), {"body": body})
            outcome = "updated" if outcome == "unchanged" else outcome
        return outcome

    def _create(self, body: str, marker: str) -> None:
        """Make the comment once. A failure may have happened after it was stored: look before trying again."""
        for attempt in range(_ATTEMPTS):
            try:
                self.request("POST", self.comments_url, {"body": body}, attempts=1)
            except _TransientError as error:
                if attempt == _ATTEMPTS - 1:
                    raise CommentError(f"{self.forge} did not take the comment: {error}; run the job again") from None
                self._sleep(error.pause or _FIRST_PAUSE_SECONDS * 2**attempt)
                if self._with_marker(marker):
                    return
            else:
                return

    def _with_marker(self, marker: str) -> list[Comment]:
        """Our comments on every page, oldest first."""
        found = [
            Comment(self.field(comment, "id"), comment.get("body") or "")
            for page in self._pages()
            for comment in page
            if str(comment.get("body") or "").startswith(marker) and self.may_be_ours(comment)
        ]
        return sorted(found, key=lambda comment: comment.number)

    def _pages(self) -> Iterator[list[Mapping[str, Any]]]:
        url: str | None = f"{self.comments_url}?per_page={PAGE_SIZE}"
        while url is not None:
            page, headers = self.request("GET", url)
            if not isinstance(page, list) or not all(isinstance(comment, Mapping) for comment in page):
                raise CommentError(f"{self.forge}'s answer is no list of comments")
            yield page
            url = self.next_page(headers)
            if url is not None and not url.startswith(f"{self._api}/"):
                raise CommentError(f"{self.forge}'s answer points to another host")

    def field(self, answer: Any, *path: str) -> Any:
        """What an answer says at a path. Raises CommentError where it is not there: a proxy, or another version."""
        for name in path:
            if not isinstance(answer, Mapping) or name not in answer:
                raise CommentError(f"{self.forge}'s answer has no {'.'.join(path)}")
            answer = answer[name]
        return answer

    def request(
        self,
        method: str,
        url: str,
        content: Mapping[str, Any] | None = None,
        attempts: int = _ATTEMPTS,
        accept: frozenset[int] | set[int] = frozenset(),
    ) -> tuple[Any, Message]:
        """The parsed answer and its headers. Retries what may pass; raises CommentError for what will not."""
        for attempt in range(attempts):
            try:
                return self._send(method, url, content, accept)
            except _TransientError as error:
                if attempt == attempts - 1:
                    if attempts == 1:
                        raise
                    raise CommentError(
                        f"{self.forge} did not answer {method} in {attempts} tries: {error}; run the job again"
                    ) from None
                self._sleep(error.pause or _FIRST_PAUSE_SECONDS * 2**attempt)
        raise AssertionError("unreachable")

    def _send(
        self, method: str, url: str, content: Mapping[str, Any] | None, accept: frozenset[int] | set[int]
    ) -> tuple[Any, Message]:
        request = urllib.request.Request(  # noqa: S310 - the address is the API's
            url,
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={"Content-Type": "application/json", "User-Agent": "ebbtide", **self.headers},
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                text = answer.read()
                return (json.loads(text) if text else None), answer.headers
        except urllib.error.HTTPError as error:
            if error.code in accept:
                return None, error.headers
            raise self._judged(error) from None
        except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError, ValueError) as error:
            raise _TransientError(str(getattr(error, "reason", error)) or type(error).__name__) from None

    def _judged(self, error: urllib.error.HTTPError) -> Exception:
        """Whether an error will pass by itself (and when), or what to do about it."""
        headers = error.headers
        limited = error.code == 429 or (
            error.code == 403 and (headers.get("Retry-After") or headers.get("X-RateLimit-Remaining") == "0")
        )
        if error.code in _TRANSIENT or limited:
            pause = headers.get("Retry-After") or ""
            reset = headers.get("X-RateLimit-Reset") or ""
            if pause.isdigit():
                return _TransientError(f"status {error.code}", float(pause))
            if limited and reset.isdigit():
                return _TransientError(f"status {error.code}", max(1.0, float(reset) - time.time()))
            return _TransientError(f"status {error.code}")
        return CommentError(f"status {error.code}: {self.remedies.get(error.code, 'unexpected')}")


class _TransientError(Exception):
    def __init__(self, message: str, pause: float = 0.0) -> None:
        super().__init__(message)
        self.pause = min(pause, _LONGEST_PAUSE_SECONDS)
