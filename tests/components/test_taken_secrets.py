"""A preview refuses a secret whose name somebody else has, and says nothing of what nobody asked Google about.

The engine is the one in process; what it knows and what Google answers is said here (tests/engine asks a stand-in of
Google's API, through a real engine).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import grpc
import pulumi
import pytest
from google.protobuf import json_format
from pulumi.runtime.proto import resource_pb2
from tests.manifests.google.cases import GOOGLE, REDIS

from ebbtide import in_process
from ebbtide.in_process import run_in_process
from ebbtide.manifests.google.names import GET_SECRETS, SECRET
from ebbtide.settings.models.stack import StackSettings

DSN, ADDRESS = "ebbtide-shop-v1-dsn", "ebbtide-shop-v1-address"
STACK = StackSettings.model_validate(
    {
        "name": "shop",
        "google": GOOGLE,
        "cluster": {"kind": "gkeStandard"},
        "broker": {"kind": "memorystoreValkey"},
        "consumers": {"events": REDIS},
    }
)
Ask = Callable[..., list[dict[str, Any]]]


class _RefusedError(grpc.RpcError):
    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNKNOWN

    def details(self) -> str:
        return "invocation failed:\ngoogleapi: Error 403: Permission denied"


@pytest.fixture
def ask(monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Preview a stack whose engine has only secrets of these names in its state, and whose Google has these. Returns
    what Google was asked."""

    def preview(
        there: Mapping[str, Mapping[str, str]] | None, known: tuple[str, ...] = (), stack: StackSettings = STACK
    ) -> list[dict[str, Any]]:
        asked: list[dict[str, Any]] = []

        class Monitor(in_process._RecordingMonitor):
            def RegisterResource(self, request: Any) -> Any:  # noqa: N802 - the name of the remote procedure
                answer = super().RegisterResource(request)
                if request.type == SECRET and request.object["secretId"] not in known:
                    answer.id = ""
                return answer

            def Invoke(self, request: Any) -> Any:  # noqa: N802
                if request.tok != GET_SECRETS:
                    return super().Invoke(request)
                asked.append(json_format.MessageToDict(request.args))
                if there is None:
                    raise _RefusedError
                found = [{"secretId": name, "effectiveLabels": dict(labels)} for name, labels in there.items()]
                response = resource_pb2.ResourceInvokeResponse()
                json_format.ParseDict({"secrets": found}, getattr(response, "return"))
                return response

        monkeypatch.setattr(in_process, "_RecordingMonitor", Monitor)
        run_in_process(stack)
        return asked

    return preview


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    said: list[str] = []
    monkeypatch.setattr(pulumi.log, "warn", said.append)
    return said


def test_free_names_pass_without_a_word_and_are_asked_for_once(ask: Ask, warnings: list[str]) -> None:
    assert ask({f"{DSN}-copy": {}}) == [{"project": "acme-shop", "filter": "name:ebbtide-shop-v1"}]
    assert not warnings


def test_nothing_is_asked_where_the_stack_has_its_secrets(ask: Ask) -> None:
    assert ask({DSN: {}, ADDRESS: {}}, known=(DSN, ADDRESS)) == []


def test_only_what_is_new_is_held_against_what_is_there(ask: Ask) -> None:
    assert len(ask({DSN: {}}, known=(DSN,))) == 1


def test_nothing_is_asked_of_google_in_process(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    original = in_process._RecordingMonitor.Invoke

    def invoke(self: Any, request: Any) -> Any:
        asked.append(request.tok)
        return original(self, request)

    monkeypatch.setattr(in_process._RecordingMonitor, "Invoke", invoke)
    run_in_process(STACK)
    assert GET_SECRETS not in asked


@pytest.mark.parametrize(
    ("labels", "owner"),
    [
        ({}, "without labels"),
        ({"team": "orders", "env": "live"}, "labelled env=live, team=orders"),
        ({"managed-by": "ebbtide", "stack": "staging"}, "made by ebbtide for a stack staging"),
        ({"managed-by": "ebbtide", "stack": "shop"}, "of this name, in another project or with another state"),
    ],
)
def test_a_name_that_is_taken_is_refused_in_one_line_with_its_owner_and_a_way_out(
    ask: Ask, labels: dict[str, str], owner: str
) -> None:
    with pytest.raises(pulumi.RunError) as caught:
        ask({DSN: labels})
    message = str(caught.value)
    assert "\n" not in message
    for words in ("stack shop: broker.secret", DSN, "acme-shop", owner, "broker.secret.version to 2", "broker.name"):
        assert words in message
    assert ADDRESS not in message


def test_several_names_of_one_owner_are_one_line(ask: Ask) -> None:
    with pytest.raises(pulumi.RunError, match=f"{ADDRESS} and {DSN}") as caught:
        ask({DSN: {"team": "orders"}, ADDRESS: {"team": "orders"}})
    assert str(caught.value).count("labelled") == 1


def test_where_nobody_may_look_the_preview_goes_on_and_says_so_once(ask: Ask, warnings: list[str]) -> None:
    ask(None)
    (said,) = warnings
    for words in ("not judged", "Error 403: Permission denied", "secretmanager.secrets.list", "roles/secretmanager."):
        assert words in said
    assert "\n" not in said
