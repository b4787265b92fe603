"""A pull request has one comment for each stack, however often the preview runs and whatever GitHub answers."""

from __future__ import annotations

import pytest
from tests.preview import gitlab
from tests.preview.github import TOKEN, Server

from ebbtide.preview.comment import CommentError
from ebbtide.preview.github import PullRequest
from ebbtide.preview.gitlab import MergeRequest

MARKER = "<!-- ebbtide-preview shop/production -->"
BODY = f"{MARKER}\n### production: nothing changes\n"


@pytest.fixture
def server():
    with Server() as running:
        yield running


@pytest.fixture
def pauses():
    return []


@pytest.fixture
def pull_request(server, pauses):
    return PullRequest("acme/shop", 12, TOKEN, server.url, sleep=pauses.append)


def ours(server):
    return [comment["body"] for comment in server.state.comments if comment["body"].startswith(MARKER)]


def test_the_first_preview_makes_the_comment(server, pull_request):
    assert pull_request.post(BODY) == "created"
    assert ours(server) == [BODY]


def test_the_next_preview_updates_it_in_place(server, pull_request):
    pull_request.post(BODY)
    assert pull_request.post(BODY + "more") == "updated"
    assert ours(server) == [BODY + "more"]


def test_the_same_text_is_not_written_again(server, pull_request):
    pull_request.post(BODY)
    before = len(server.state.requests)
    assert pull_request.post(BODY) == "unchanged"
    assert [request for request in server.state.requests[before:] if not request.startswith("GET")] == []


def test_the_comment_is_found_past_the_first_page(server, pull_request):
    for number in range(250):
        server.state.add(f"discussion {number}", kind="User")
    server.state.add(BODY)
    assert pull_request.post(BODY + "more") == "updated"
    assert len(ours(server)) == 1, "a second comment appears on every busy pull request"


def test_each_stack_has_its_own(server, pull_request):
    pull_request.post(BODY)
    pull_request.post(BODY.replace("production", "dev"))
    assert len(server.state.comments) == 2


def test_a_strangers_comment_with_the_marker_is_left_alone(server, pull_request):
    server.state.add(BODY + "pasted", kind="User")
    assert pull_request.post(BODY) == "created"
    assert server.state.comments[0]["body"] == BODY + "pasted"


def test_a_comment_posted_with_a_maintainers_token_is_found(server, pull_request):
    server.state.add(BODY, kind="User", association="MEMBER")
    assert pull_request.post(BODY + "more") == "updated"


def test_two_jobs_at_once_leave_one_comment(server, pull_request):
    server.state.race = BODY + "of the other job"
    pull_request.post(BODY)
    assert ours(server) == [BODY]


@pytest.mark.parametrize("method", ["GET", "PATCH"])
@pytest.mark.parametrize("status", [500, 502, 503, 429])
def test_a_passing_fault_is_tried_again(server, pull_request, pauses, method, status):
    pull_request.post(BODY)
    server.state.faults = [(method, status, {}, False)] * 2
    assert pull_request.post(BODY + "more") == "updated"
    assert pauses == [1.0, 2.0]


def test_an_answer_that_was_lost_makes_no_second_comment(server, pull_request):
    server.state.faults = [("POST", 502, {}, True)]
    pull_request.post(BODY)
    assert ours(server) == [BODY], "the comment was stored, only the answer was lost"


def test_a_comment_that_was_not_stored_is_made_at_the_next_try(server, pull_request):
    server.state.faults = [("POST", 502, {}, False)] * 2
    pull_request.post(BODY)
    assert ours(server) == [BODY]


@pytest.mark.parametrize("status", [403, 429])
def test_a_rate_limit_is_waited_for_as_long_as_it_says(server, pull_request, pauses, status):
    server.state.faults = [("GET", status, {"Retry-After": "7"}, False)]
    pull_request.post(BODY)
    assert pauses == [7.0]


@pytest.mark.parametrize(
    ("faults", "repository", "message"),
    [
        ([("POST", 403, {}, False)], "acme/shop", "pull-requests: write"),
        ([("GET", 500, {}, False)] * 5, "acme/shop", "did not answer GET in 5 tries"),
        ([], "acme/other", "no such pull request"),
        ([], "not a repository", "is not owner/name"),
    ],
)
def test_what_will_not_pass_says_what_to_do(server, faults, repository, message):
    server.state.faults = faults
    with pytest.raises(CommentError, match=message):
        PullRequest(repository, 12, TOKEN, server.url, sleep=lambda _: None).post(BODY)


@pytest.mark.parametrize("ask", [lambda one: one.head(), lambda one: one.post(BODY)])
def test_an_answer_that_is_none_of_the_forges_is_an_error_of_this_comment(server, pull_request, ask):
    """A proxy's, or another version's: the previews of other stacks are posted all the same."""
    server.state.faults = [("GET", 200, {}, False)]
    with pytest.raises(CommentError, match=r"GitHub's answer (has no head.sha|is no list of comments)"):
        ask(pull_request)


@pytest.mark.parametrize("host", ["http://127.0.0.1:1", "{url}.example", "{url}1"])
def test_the_token_is_sent_to_no_other_host_that_an_answer_points_to(server, pull_request, host):
    link = f'<{host.format(url=server.url)}/x>; rel="next"'
    server.state.faults = [("GET", 200, {"Link": link}, False)]
    server.state.fault_content = []
    with pytest.raises(CommentError, match="points to another host"):
        pull_request.post(BODY)
    assert len(server.state.requests) == 1


@pytest.mark.parametrize("body", ["no marker", f"text before {MARKER}", f"{MARKER}{'x' * 70_000}"])
def test_a_text_that_is_no_comment_is_refused_before_anything_is_sent(server, pull_request, body):
    with pytest.raises(CommentError):
        pull_request.post(body)
    assert server.state.requests == []


@pytest.fixture
def notes():
    with gitlab.Server() as running:
        yield running


@pytest.fixture
def merge_request(notes):
    return MergeRequest("5", 12, TOKEN, notes.url, sleep=lambda _: None)


def test_a_merge_request_has_one_note_also_past_the_first_page(notes, merge_request):
    assert merge_request.post(BODY) == "created"
    for number in range(250):
        notes.state.add(f"discussion {number}", author=1)
    assert merge_request.post(BODY + "more") == "updated"
    assert [note["body"] for note in notes.state.notes if note["body"].startswith(MARKER)] == [BODY + "more"]


def test_a_stranger_s_note_with_the_marker_is_left_alone(notes, merge_request):
    """It would be taken first, and the review never shown: or refused, as nobody may change another's note."""
    notes.state.add(BODY + "pasted", author=1)
    assert merge_request.post(BODY) == "created"
    assert merge_request.post(BODY + "more") == "updated"
    assert [note["body"] for note in notes.state.notes] == [BODY + "pasted", BODY + "more"]


def test_a_line_of_a_review_is_no_order_to_gitlab(notes, merge_request):
    merge_request.post(f"{BODY}/merge\n  /approve\na/b\n")
    assert notes.state.notes[0]["body"] == f"{BODY}\\/merge\n  \\/approve\na/b\n"


@pytest.mark.parametrize(
    ("project", "token", "message"),
    [("6", TOKEN, "no such merge request"), ("a/b", TOKEN, "is not a number"), ("5", "x", "the token is not valid")],
)
def test_what_gitlab_refuses_says_what_to_do(notes, project, token, message):
    with pytest.raises(CommentError, match=message):
        MergeRequest(project, 12, token, notes.url, sleep=lambda _: None).post(BODY)
