"""How busy a pod is reaches the API server in few words, and an API server that says no is nobody's trouble."""

from __future__ import annotations

import http.client
import itertools
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from ebbtide_supervisor import idle_first
from ebbtide_supervisor.idle_first import ApiError, ApiServer, Writer, deletion_cost
from tests.api_stand_in import ApiStandIn, make_directory

if TYPE_CHECKING:
    from collections.abc import Iterator

IDLE = None
LONGEST = 100


@pytest.mark.parametrize(
    ("ages", "cost"),
    [
        ([IDLE] * 4, 0),
        ([1.0, IDLE, IDLE, IDLE], 100),
        ([1.0, 1.0, IDLE, IDLE], 200),
        ([1.0] * 4, 400),
        ([1.0] + [IDLE] * 69, 100),
        ([1.0] * 70, 400),
        ([51.0, IDLE, IDLE, IDLE], 110),
        ([101.0, IDLE, IDLE, IDLE], 1100),
    ],
)
def test_a_pod_costs_more_the_more_it_has_in_hand(ages: list[float | None], cost: int) -> None:
    assert deletion_cost(ages, LONGEST) == cost


def test_of_70_workers_few_changes_are_a_write() -> None:
    costs = {deletion_cost([1.0] * busy + [IDLE] * (70 - busy), LONGEST) for busy in range(71)}
    assert costs == {0, 100, 200, 300, 400}


@pytest.fixture(scope="module")
def projected(tmp_path_factory: pytest.TempPathFactory) -> Path:
    try:
        return make_directory(tmp_path_factory.mktemp("certificate"))
    except FileNotFoundError:
        pytest.skip("NOT RUN: there is no openssl to make a certificate")


@pytest.fixture
def directory(projected: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(projected, tmp_path / "projected"))


@pytest.fixture
def api(directory: Path) -> Iterator[ApiStandIn]:
    made = ApiStandIn(directory)
    yield made
    made.stop()


@pytest.fixture
def server(api: ApiStandIn, directory: Path) -> ApiServer:
    return ApiServer("127.0.0.1", api.port, directory)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, str]]:
    events: list[tuple[str, str]] = []
    monkeypatch.setattr(idle_first, "emit", lambda event, reason="": events.append((event, reason)))
    return events


def test_one_annotation_of_its_own_pod_is_written(api: ApiStandIn, server: ApiServer) -> None:
    server.set_cost(100)
    ((path, headers, body),) = api.asked
    assert path == "/api/v1/namespaces/shop/pods/mail-1?fieldManager=ebbtide-idle-first"
    assert headers["Authorization"] == "Bearer TOKEN"
    assert body == {"metadata": {"annotations": {"controller.kubernetes.io/pod-deletion-cost": "100"}}}


def test_a_token_that_the_kubelet_has_renewed_is_used(api: ApiStandIn, server: ApiServer, directory: Path) -> None:
    server.set_cost(0)
    (directory / "token").write_text("NEXT")
    server.set_cost(100)
    assert api.asked[1][1]["Authorization"] == "Bearer NEXT"


def test_what_has_not_changed_is_not_written_and_what_has_waits_its_time(api: ApiStandIn, server: ApiServer) -> None:
    writer, start = Writer(server), 10_000_000.0
    for seconds, cost in ((0, 0), (1, 100), (2, 0), (14, 200), (21, 200), (22, 200), (300, 200), (900, 200)):
        writer.write(cost, start + seconds)
    written = [body["metadata"]["annotations"][idle_first.DELETION_COST] for _, _, body in api.asked]
    assert written == ["0", "200"], "a pod writes more often than each 15 s, or what has not changed"


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((401, {}, {"message": "Unauthorized"}), "the API server answers 401: Unauthorized"),
        ((403, {}, {"message": "pods is forbidden"}), "the API server answers 403: pods is forbidden"),
        ((429, {"Retry-After": "120"}, {"message": "too many"}), "the API server answers 429: too many"),
        ((500, {}, b"<html>"), "the API server answers 500: b'<html>'"),
    ],
)
def test_an_api_server_that_refuses_is_said_once_and_asked_less_often(
    api: ApiStandIn,
    server: ApiServer,
    said: list[tuple[str, str]],
    answer: tuple[int, dict[str, str], Any],
    reason: str,
) -> None:
    api.answers.extend([answer] * 20)
    writer, start = Writer(server), 10_000_000.0
    asked_at = []
    for seconds in range(3600):
        before = len(api.asked)
        writer.write(100, start + seconds)
        if len(api.asked) > before:
            asked_at.append(seconds)
    assert [event for event, _ in said] == ["idleFirstFailed"]
    assert reason in said[0][1]
    gaps = [after - before for before, after in itertools.pairwise(asked_at)]
    assert gaps[0] >= int(answer[1].get("Retry-After", 15))
    assert max(gaps) <= 306
    assert len(asked_at) < 20
    api.answers.clear()
    writer.write(100, start + 4000)
    assert [event for event, _ in said] == ["idleFirstFailed", "idleFirstResumed"]


def test_a_token_that_has_expired_is_said_once_and_the_next_one_makes_it_good(
    api: ApiStandIn, server: ApiServer, directory: Path, said: list[tuple[str, str]]
) -> None:
    api.answers.extend([(401, {}, {"message": "Unauthorized"})] * 2)
    writer, start = Writer(server), 10_000_000.0
    for seconds in range(200):
        if len(api.asked) == 2:
            (directory / "token").write_text("NEXT")
        writer.write(100, start + seconds)
    assert [event for event, _ in said] == ["idleFirstFailed", "idleFirstResumed"]
    assert [headers["Authorization"] for _, headers, _ in api.asked] == ["Bearer TOKEN"] * 2 + ["Bearer NEXT"]


def silent(*_: object) -> None:
    """Some faults say nothing but what they are."""
    raise TimeoutError


def test_an_api_server_that_is_away_or_another_is_a_reason(directory: Path, api: ApiStandIn) -> None:
    with pytest.raises(ApiError, match="cannot be reached"):
        ApiServer("127.0.0.1", 1, directory).set_cost(0)
    with pytest.raises(ApiError, match="cannot be reached"):
        ApiServer("localhost", api.port, directory).set_cost(0)  # its certificate is for another name
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(http.client.HTTPSConnection, "request", silent)
        with pytest.raises(ApiError, match="cannot be reached: TimeoutError"):
            ApiServer("127.0.0.1", api.port, directory).set_cost(0)
    (directory / "token").unlink()
    with pytest.raises(ApiError, match="cannot be read"):
        ApiServer("127.0.0.1", api.port, directory).set_cost(0)
