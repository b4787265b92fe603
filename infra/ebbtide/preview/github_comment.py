"""Post a review as one comment of a pull request, and keep it one comment.

Plain REST, by the standard library. GitHub's `POST` has no idempotency key, so after any answer that leaves it open
whether a comment was made, the comments are read again before another try. urllib3's Retry does none of that, and does
not know GitHub's two rate limits either (403 with Retry-After, X-RateLimit-Reset): it would have to be overridden in
each of its decisions.
"""

from __future__ import annotations

import json
import re
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.client import HTTPException
from typing import Any

from ebbtide.preview.markdown import BODY_LIMIT

_PAGE_SIZE = 100
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


class PullRequest:
    """The comments of one pull request."""

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
        self._api = api.rstrip("/")
        self._pull = f"{self._api}/repos/{repository}/pulls/{number}"
        self._issue = f"{self._api}/repos/{repository}/issues/{number}/comments"
        self._comment = f"{self._api}/repos/{repository}/issues/comments"
        self._token = token
        self._sleep = sleep

    def head(self) -> str:
        """The commit that the pull request is at. Raises CommentError."""
        content, _ = self._request("GET", self._pull)
        return str(content["head"]["sha"])

    def post(self, body: str) -> str:
        """Update the comment with the marker of `body`, or make it. Returns `created`, `updated` or `unchanged`.

        Two jobs at the same moment may both make one: the oldest stays, with the newest text. Raises CommentError.
        """
        found = _MARKER.match(body)
        if found is None:
            raise CommentError(f"the text {_NO_MARKER}")
        if len(body) > BODY_LIMIT:
            raise CommentError(f"the text has {len(body)} characters, and GitHub takes {BODY_LIMIT}")
        existing = self._with_marker(found.group())
        outcome = "unchanged"
        if not existing:
            self._create(body, found.group())
            outcome = "created"
            existing = self._with_marker(found.group())
        for surplus in existing[1:]:
            self._request("DELETE", f"{self._comment}/{surplus.number}", accept={404})
        if existing and existing[0].body != body:
            self._request("PATCH", f"{self._comment}/{existing[0].number}", {"body": body})
            outcome = "updated" if outcome == "unchanged" else outcome
        return outcome

    def _create(self, body: str, marker: str) -> None:
        """Make the comment once. A failure may have happened after GitHub stored it: look before trying again."""
        for attempt in range(_ATTEMPTS):
            try:
                self._request("POST", self._issue, {"body": body}, attempts=1)
            except _TransientError as error:
                if attempt == _ATTEMPTS - 1:
                    raise CommentError(f"GitHub did not take the comment: {error}; run the job again") from None
                self._sleep(error.pause or _FIRST_PAUSE_SECONDS * 2**attempt)
                if self._with_marker(marker):
                    return
            else:
                return

    def _with_marker(self, marker: str) -> list[Comment]:
        """Our comments on every page, oldest first."""
        found = [
            Comment(comment["id"], comment.get("body") or "")
            for page in self._pages()
            for comment in page
            if (comment.get("body") or "").startswith(marker) and _trusted(comment)
        ]
        return sorted(found, key=lambda comment: comment.number)

    def _pages(self) -> Iterator[list[Mapping[str, Any]]]:
        url: str | None = f"{self._issue}?per_page={_PAGE_SIZE}"
        while url is not None:
            page, link = self._request("GET", url)
            yield page
            following = re.search(r'<([^>]+)>;\s*rel="next"', link)
            url = following.group(1) if following else None
            if url is not None and not url.startswith(self._api):
                raise CommentError("GitHub's answer points to another host")

    def _request(
        self,
        method: str,
        url: str,
        content: Mapping[str, Any] | None = None,
        attempts: int = _ATTEMPTS,
        accept: frozenset[int] | set[int] = frozenset(),
    ) -> tuple[Any, str]:
        """The parsed answer and its Link header. Retries what may pass; raises CommentError for what will not."""
        for attempt in range(attempts):
            try:
                return self._send(method, url, content, accept)
            except _TransientError as error:
                if attempt == attempts - 1:
                    if attempts == 1:
                        raise
                    raise CommentError(
                        f"GitHub did not answer {method} in {attempts} tries: {error}; run the job again"
                    ) from None
                self._sleep(error.pause or _FIRST_PAUSE_SECONDS * 2**attempt)
        raise AssertionError("unreachable")

    def _send(
        self, method: str, url: str, content: Mapping[str, Any] | None, accept: frozenset[int] | set[int]
    ) -> tuple[Any, str]:
        request = urllib.request.Request(  # noqa: S310 - the address is the API's
            url,
            method=method,
            data=None if content is None else json.dumps(content).encode(),
            headers={
                "Accept": "application/vnd.github+json",
                "Authorization": f"Bearer {self._token}",
                "Content-Type": "application/json",
                "User-Agent": "ebbtide",
                "X-GitHub-Api-Version": "2022-11-28",
            },
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                text = answer.read()
                return (json.loads(text) if text else None), answer.headers.get("Link", "")
        except urllib.error.HTTPError as error:
            if error.code in accept:
                return None, ""
            raise _judged(error) from None
        except (urllib.error.URLError, HTTPException, TimeoutError, ConnectionError, ValueError) as error:
            raise _TransientError(str(getattr(error, "reason", error)) or type(error).__name__) from None


def _trusted(comment: Mapping[str, Any]) -> bool:
    """Whether a workflow made the comment, or somebody who may write here: anybody else may paste the marker."""
    user = comment.get("user")
    by_a_bot = isinstance(user, Mapping) and user.get("type") == "Bot"
    return by_a_bot or comment.get("author_association") in {"OWNER", "MEMBER", "COLLABORATOR"}


class _TransientError(Exception):
    def __init__(self, message: str, pause: float = 0.0) -> None:
        super().__init__(message)
        self.pause = min(pause, _LONGEST_PAUSE_SECONDS)


def _judged(error: urllib.error.HTTPError) -> Exception:
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
    remedies = {
        401: "the token is not valid: pass GITHUB_TOKEN of the job",
        403: "the token may not write comments: give the job `permissions: pull-requests: write`",
        404: "there is no such pull request, or the token may not see it",
        422: "GitHub refuses the text",
    }
    return CommentError(f"status {error.code}: {remedies.get(error.code, 'unexpected')}")
