"""The in-process engine: the same program, run under the Pulumi SDK's mocks, and what it registered as plain data.

It needs no Pulumi CLI, no cluster and no login. What is recorded are the raw registration requests: the mocks' own
`MockResourceArgs` carries no options, so a lost `protect` or `ignoreChanges` would not be seen.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
from google.protobuf import empty_pb2, json_format, struct_pb2
from pulumi.runtime import mocks, rpc, settings
from pulumi.runtime.proto import resource_pb2
from pulumi.runtime.stack import run_in_stack

from ebbtide.manifests.google.memorystore import AUTHORITY, PRIMARY_ADDRESS
from ebbtide.manifests.resource import Resource, Secret, Timeouts
from ebbtide.program import deploy
from ebbtide.settings.models.stack import StackSettings

PROJECT = "ebbtide"
_STACK_TYPE = "pulumi:pulumi:Stack"
# How the SDK marks a special value on the wire, and a secret among them.
_SPECIAL = rpc._special_sig_key  # noqa: SLF001 - the wire format has no public name
_SECRET = rpc._special_secret_sig  # noqa: SLF001


@dataclass(frozen=True, slots=True)
class InProcessRun:
    """What a program registered, in the order in which it arrived."""

    resources: tuple[Resource, ...]
    """Inputs and options; references to outputs are text, `${cluster-network.selfLink}`."""
    plugin_versions: Mapping[str, frozenset[str]]
    """The versions that were asked for, by package."""
    outputs: Mapping[str, Any]
    """The stack's outputs; secret ones as `Secret`."""


def run_in_process(stack: StackSettings) -> InProcessRun:
    """Run the stack's program. Takes about half a second, nearly all of it to import Pulumi.

    Raises what the program raises.
    """
    return record(lambda: deploy(stack).outputs, stack.name)


def record(program: Callable[[], Mapping[str, Any] | None], stack: str = "dev", project: str = PROJECT) -> InProcessRun:
    """Run any Pulumi program that returns its outputs, and record what it registers.

    Everything of Pulumi's is set in a context of its own, with an event loop of its own: nothing is left behind, and
    nothing from an earlier run is seen.
    """
    return contextvars.copy_context().run(_record, program, stack, project)


def _record(program: Callable[[], Mapping[str, Any] | None], stack: str, project: str) -> InProcessRun:
    monitor = _RecordingMonitor()
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        pulumi.runtime.set_mocks(_NoMocks(), project=project, stack=stack, preview=True, monitor=monitor)

        def run() -> None:
            for name, value in (program() or {}).items():
                pulumi.export(name, value)

        # `set_mocks` has made a stack and closed it; the SDK's own entry point makes the one that keeps outputs.
        settings.ROOT.set(None)
        loop.run_until_complete(run_in_stack(run))
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    return monitor.result()


class _NoMocks(mocks.Mocks):
    """Never asked: the monitor answers itself."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[Any, Any]]:
        raise NotImplementedError(args.typ)

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[Any, Any], list[tuple[str, str]] | None]:
        raise NotImplementedError(args.token)


# Outputs that the provider makes up; all others repeat an input. A text that begins with "=" is itself.
_COMPUTED_OUTPUTS: dict[str, dict[str, Any]] = {
    "gcp:compute/network:Network": {"selfLink": "selfLink"},
    "gcp:compute/subnetwork:Subnetwork": {"selfLink": "selfLink"},
    "gcp:compute/router:Router": {"name": "name"},
    "gcp:serviceaccount/account:Account": {"email": "email"},
    "gcp:container/cluster:Cluster": {
        "name": "name",
        "controlPlaneEndpointsConfig": {
            "dnsEndpointConfig": {"endpoint": "controlPlaneEndpointsConfig.dnsEndpointConfig.endpoint"}
        },
    },
    "gcp:artifactregistry/repository:Repository": {"registryUri": "registryUri"},
    "gcp:memorystore/instance:Instance": {
        "endpoints": [
            {
                "connections": [
                    {"pscAutoConnection": {"connectionType": "=CONNECTION_TYPE_PRIMARY", "ipAddress": PRIMARY_ADDRESS}}
                ]
            }
        ],
        "managedServerCas": [{"caCerts": [{"certificates": [AUTHORITY]}]}],
    },
    "gcp:sql/databaseInstance:DatabaseInstance": {
        "name": "name",
        "pscServiceAttachmentLink": "pscServiceAttachmentLink",
    },
    "gcp:secretmanager/secret:Secret": {"secretId": "secretId"},
    "random:index/randomPassword:RandomPassword": {"result": "result"},
}
_LOOKUP_OUTPUTS = {"gcp:organizations/getProject:getProject": ("number",)}


class _RecordingMonitor(mocks.MockMonitor):
    """Takes every registration as it is on the wire, and answers with names of outputs instead of values."""

    def __init__(self) -> None:
        super().__init__(_NoMocks())
        self._resources: list[Resource] = []
        self._versions: dict[str, set[str]] = {}
        self._outputs: dict[str, Any] = {}

    def result(self) -> InProcessRun:
        """Everything, sorted: requests arrive from several threads, in an order that differs from run to run."""
        return InProcessRun(
            resources=tuple(sorted(self._resources, key=lambda resource: resource.key)),
            plugin_versions={package: frozenset(versions) for package, versions in self._versions.items()},
            outputs=self._outputs,
        )

    def RegisterResource(  # noqa: N802 - the name of the remote procedure
        self, request: resource_pb2.RegisterResourceRequest
    ) -> resource_pb2.RegisterResourceResponse:
        urn = self.make_urn(request.parent, request.type, request.name)
        if request.type == _STACK_TYPE:
            return resource_pb2.RegisterResourceResponse(urn=urn)
        resource = _resource_of(request)
        self._resources.append(resource)
        if request.custom:
            self._versions.setdefault(resource.package, set()).add(request.version)
        outputs = struct_pb2.Struct()
        outputs.CopyFrom(request.object)
        json_format.ParseDict(_named(_COMPUTED_OUTPUTS.get(request.type, {}), request.name), outputs)
        identifier = f"${{{request.name}.id}}" if request.custom else ""
        return resource_pb2.RegisterResourceResponse(urn=urn, id=identifier, object=outputs)

    def RegisterResourceOutputs(  # noqa: N802
        self, request: resource_pb2.RegisterResourceOutputsRequest
    ) -> Any:
        if _key_of_urn(request.urn).startswith(_STACK_TYPE):
            self._outputs = {name: value for name, value in _plain(request.outputs).items() if value is not None}
        return empty_pb2.Empty()

    def Invoke(self, request: resource_pb2.ResourceInvokeRequest) -> resource_pb2.ResourceInvokeResponse:  # noqa: N802
        asked = ", ".join(str(value) for value in _plain(request.args).values())
        function = request.tok.rpartition(":")[2]
        answer = {name: f"${{{function}({asked}).{name}}}" for name in _LOOKUP_OUTPUTS[request.tok]}
        self._versions.setdefault(request.tok.partition(":")[0], set()).add(request.version)
        response = resource_pb2.ResourceInvokeResponse()
        json_format.ParseDict(answer, getattr(response, "return"))
        return response


def _named(outputs: Any, resource: str) -> Any:
    if isinstance(outputs, dict):
        return {name: _named(output, resource) for name, output in outputs.items()}
    if isinstance(outputs, list):
        return [_named(output, resource) for output in outputs]
    if outputs.startswith("="):
        return outputs[1:]
    return f"${{{resource}.{outputs}}}"


def _resource_of(request: resource_pb2.RegisterResourceRequest) -> Resource:
    parent = _key_of_urn(request.parent)
    by_reference = {urn for entry in request.propertyDependencies.values() for urn in entry.urns}
    return Resource(
        token=request.type,
        name=request.name,
        properties=_plain(request.object),
        parent=None if parent.startswith(_STACK_TYPE) else parent,
        # `<urn>::<id>`
        provider=_key_of_urn(request.provider.rpartition("::")[0]) if request.provider else None,
        depends_on=tuple(sorted(_key_of_urn(urn) for urn in set(request.dependencies) - by_reference)),
        protect=request.protect,
        delete_before_replace=request.deleteBeforeReplace,
        retain_on_delete=request.retainOnDelete,
        ignore_changes=tuple(request.ignoreChanges),
        timeouts=Timeouts(
            create_seconds=_seconds(request.customTimeouts.create),
            update_seconds=_seconds(request.customTimeouts.update),
            delete_seconds=_seconds(request.customTimeouts.delete),
        ),
        aliases=tuple(alias.spec.name for alias in request.aliases),
        secret_outputs=tuple(sorted(request.additionalSecretOutputs)),
    )


def _key_of_urn(urn: str) -> str:
    """`urn:pulumi:dev::ebbtide::ebbtide:index:GkeCluster$gcp:container/cluster:Cluster::cluster-gke` -> type::name."""
    types, _, name = urn.rpartition("::")
    return f"{types.rpartition('::')[2].rpartition('$')[2]}::{name}"


def _seconds(text: str) -> int | None:
    return int(text.removesuffix("s")) if text else None


def _plain(struct: struct_pb2.Struct) -> dict[str, Any]:
    return {name: _plain_value(value) for name, value in struct.fields.items()}


def _plain_value(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        fields = value.struct_value.fields
        if _SPECIAL in fields and fields[_SPECIAL].string_value == _SECRET:
            return Secret(_plain_value(fields["value"]))
        return _plain(value.struct_value)
    if kind == "list_value":
        return [_plain_value(entry) for entry in value.list_value.values]
    if kind == "number_value":
        # Numbers are floats on the wire; a manifest has 5 replicas and not 5.0.
        return int(value.number_value) if value.number_value.is_integer() else value.number_value
    return None if kind in {None, "null_value"} else getattr(value, kind)
