"""Serve a provider to the engine, on the engine's own protocol.

Not the SDK's experimental provider server (3.272): it cannot send back a value that is not known yet, and prints its
own traceback under every refusal.
"""

# The methods have the names and the parameters of the remote procedures.
# ruff: noqa: N802, ARG002

from __future__ import annotations

import functools
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import empty_pb2
from pulumi.runtime._grpc_settings import _GRPC_CHANNEL_OPTIONS
from pulumi.runtime.proto import plugin_pb2, provider_pb2, provider_pb2_grpc

from properties import Path, Properties, difference, plain, replacing_paths, to_struct


class RefusedError(Exception):
    """An operation that did nothing; the text is for whoever runs the engine."""


@dataclass(frozen=True, slots=True)
class Subject:
    """The resource that a request is about."""

    token: str
    name: str
    identifier: str = ""

    @classmethod
    def of(cls, request: Any) -> Subject:
        """`urn:pulumi:dev::ebbtide::parent$kubernetes:apps/v1:Deployment::githubevents-deployment`."""
        types, _, name = request.urn.rpartition("::")
        return cls(types.rpartition("::")[2].rpartition("$")[2], name, getattr(request, "id", ""))


class Provider:
    """What a provider has to know; values are JSON, and UNKNOWN in a preview."""

    def __init__(self, version: str) -> None:
        self.version = version

    def replaces(self, subject: Subject, path: Path, old: Any, new: Any) -> bool:
        """Whether the change of this property makes another object; a side that has none is `Missing`."""
        raise NotImplementedError

    def same_object(self, subject: Subject, old: Properties, new: Properties) -> bool:
        """Whether both cannot be there at once."""
        raise NotImplementedError

    def read(self, subject: Subject, inputs: Properties, outputs: Properties) -> tuple[Properties, Properties] | None:
        """Inputs and outputs as they are now; None where it is gone."""
        return inputs, outputs

    def create(self, subject: Subject, inputs: Properties) -> tuple[str, Properties]:
        """Make it. Returns its identifier and its outputs."""
        raise NotImplementedError

    def plan(self, subject: Subject, inputs: Properties, outputs: Properties | None) -> Properties:
        """The outputs as far as they are known before it is made, or changed, which had these until now."""
        return inputs

    def update(self, subject: Subject, old: Properties, inputs: Properties) -> Properties:
        """Change it from its old inputs. Returns its outputs."""
        raise NotImplementedError

    def delete(self, subject: Subject, inputs: Properties) -> None:
        """Delete it."""
        raise NotImplementedError

    def invoke(self, function: str, arguments: Properties) -> Properties:
        """Answer a question."""
        raise RefusedError(f"{function}{arguments} is not served")


class _Servicer(provider_pb2_grpc.ResourceProviderServicer):
    def __init__(self, provider: Provider) -> None:
        self._provider = provider

    def GetPluginInfo(self, request: Any, context: Any) -> Any:
        return plugin_pb2.PluginInfo(version=self._provider.version)

    def Cancel(self, request: Any, context: Any) -> Any:
        return empty_pb2.Empty()

    def CheckConfig(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def DiffConfig(self, request: Any, context: Any) -> Any:
        found = difference(plain(request.olds), plain(request.news))
        return _diff_response(found, delete_first=False)

    def Configure(self, request: Any, context: Any) -> Any:
        # Without acceptSecrets the engine sends plain values, and encrypts in the state what it knows to be secret.
        return provider_pb2.ConfigureResponse(supportsPreview=True, acceptOutputs=True)

    def Check(self, request: Any, context: Any) -> Any:
        return provider_pb2.CheckResponse(inputs=request.news)

    def Diff(self, request: Any, context: Any) -> Any:
        # Outputs are no measure of what was asked for.
        old, new = plain(request.old_inputs), plain(request.news)
        subject = Subject.of(request)
        found = difference(old, new, functools.partial(self._provider.replaces, subject))
        return _diff_response(found, delete_first=self._provider.same_object(subject, old, new))

    def Create(self, request: Any, context: Any) -> Any:
        subject, inputs = Subject.of(request), plain(request.properties)
        if request.preview:
            planned = _answer(context, lambda: self._provider.plan(subject, inputs, None))
            return provider_pb2.CreateResponse(properties=to_struct(planned))
        made = _answer(context, lambda: self._provider.create(subject, inputs))
        return provider_pb2.CreateResponse(id=made[0], properties=to_struct(made[1]))

    def Read(self, request: Any, context: Any) -> Any:
        subject, inputs, outputs = Subject.of(request), plain(request.inputs), plain(request.properties)
        now = _answer(context, lambda: self._provider.read(subject, inputs, outputs))
        if now is None:
            return provider_pb2.ReadResponse()
        return provider_pb2.ReadResponse(id=request.id, inputs=to_struct(now[0]), properties=to_struct(now[1]))

    def Update(self, request: Any, context: Any) -> Any:
        subject, inputs = Subject.of(request), plain(request.news)
        if request.preview:
            before = plain(request.olds)
            planned = {**before, **self._provider.plan(subject, inputs, before)}
            return provider_pb2.UpdateResponse(properties=to_struct(planned))
        old = plain(request.old_inputs)
        outputs = _answer(context, lambda: self._provider.update(subject, old, inputs))
        return provider_pb2.UpdateResponse(properties=to_struct(outputs))

    def Delete(self, request: Any, context: Any) -> Any:
        inputs = plain(request.old_inputs)
        _answer(context, lambda: self._provider.delete(Subject.of(request), inputs))
        return empty_pb2.Empty()

    def Invoke(self, request: Any, context: Any) -> Any:
        answer = _answer(context, lambda: self._provider.invoke(request.tok, plain(request.args)))
        return provider_pb2.InvokeResponse(**{"return": to_struct(answer)})


def _diff_response(found: dict[str, Any], *, delete_first: bool) -> Any:
    replaces = replacing_paths(found)
    return provider_pb2.DiffResponse(
        changes=provider_pb2.DiffResponse.DIFF_SOME if found else provider_pb2.DiffResponse.DIFF_NONE,
        replaces=replaces,
        deleteBeforeReplace=bool(replaces) and delete_first,
        detailedDiff=found,
        hasDetailedDiff=True,
    )


def _answer(context: Any, operation: Callable[[], Any]) -> Any:
    try:
        return operation()
    except RefusedError as error:
        context.abort(grpc.StatusCode.UNKNOWN, str(error))


def serve(provider: Provider) -> None:
    """Answer the engine until it ends this process."""
    # The engine ends its plugins by SIGINT, which is no error here.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    server = grpc.server(ThreadPoolExecutor(max_workers=32), options=_GRPC_CHANNEL_OPTIONS)
    provider_pb2_grpc.add_ResourceProviderServicer_to_server(_Servicer(provider), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    sys.stdout.write(f"{port}\n")
    sys.stdout.flush()
    server.wait_for_termination()
