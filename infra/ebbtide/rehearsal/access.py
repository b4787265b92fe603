"""Which cluster, and whether a rehearsal can run there: asked before anything is made."""

from __future__ import annotations

import importlib
import logging
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ebbtide.judgement.findings import SettingsError
from ebbtide.rehearsal.problem import answer_of, refusal

# What the usual tools for a cluster on one's own machine call their contexts.
_LOCAL_CONTEXTS = ("kind", "minikube", "k3d", "docker-desktop", "rancher-desktop", "colima", "orbstack", "ebbtide")
_ASK_SECONDS = 10
_POOL = 64
"""One connection stays open for the log of each pod."""
_NOTHING = "nothing was made"
_PERMISSIONS = (("create", "", "namespaces"), ("delete", "", "namespaces"))


@dataclass(frozen=True, slots=True)
class Need:
    """An API that the cluster must serve."""

    group: str
    version: str
    resource: str
    """What a rehearsal lists of it."""
    without: str
    """What cannot work then."""
    remedy: str


@dataclass(frozen=True, slots=True)
class Access:
    """A cluster that answers, and the way to it."""

    context: str
    version: str
    """For example v1.34.4."""
    client: Any
    """The module `kubernetes.client`."""
    stream: Any
    """The function `kubernetes.stream.stream`."""
    configuration: Any

    @property
    def minor_version(self) -> str:
        """1.34"""
        return ".".join(self.version.lstrip("v").split(".")[:2])

    def connect(self) -> Any:
        """A client of its own: `stream` changes the one that it is given, so that threads must not share it."""
        return self.client.ApiClient(self.configuration)


def open_access(context: str | None, *, cluster_is_gke: bool) -> Access:
    """Choose the context and ask whether the cluster answers. Raises SettingsError; nothing is made."""
    kubernetes = _load_client()
    # Every attempt that fails would be a line of its own; what fails in the end is said once, by us.
    logging.getLogger("urllib3.connectionpool").setLevel(logging.ERROR)
    # The client itself looks at KUBECONFIG only once, when it is imported.
    given = os.environ.get("KUBECONFIG") or str(Path.home() / ".kube" / "config")
    chosen = _choose(kubernetes, given, context, cluster_is_gke=cluster_is_gke)
    configuration = kubernetes.client.Configuration()
    complaints = _Complaints()
    logging.getLogger().addHandler(complaints)
    try:
        kubernetes.config.load_kube_config(given, context=chosen, client_configuration=configuration)
    except Exception as error:  # noqa: BLE001 - a key that cannot be read, an unknown auth provider, ...
        raise _no_credentials(chosen, str(error)) from None
    finally:
        logging.getLogger().removeHandler(complaints)
    if complaints.messages:
        raise _no_credentials(chosen, complaints.messages[0].splitlines()[0])
    configuration.connection_pool_maxsize = _POOL
    configuration.retries = 2
    stream = importlib.import_module("kubernetes.stream").stream
    return Access(chosen, _version(kubernetes, configuration, chosen), kubernetes.client, stream, configuration)


def require(access: Access, needs: Iterable[Need]) -> None:
    """Ask for all that a rehearsal needs of the cluster. Raises SettingsError; nothing is made."""
    listed = list(needs)
    _require_permissions(access, [*_PERMISSIONS, *(("list", need.group, need.resource) for need in listed)])
    for need in listed:
        _require_api(access, need)


class _Complaints(logging.Handler):
    """What the client logs while it reads a kubeconfig: it logs all that a failed exec plugin said, a dozen lines from
    gke-gcloud-auth-plugin, and goes on without credentials."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


def _load_client() -> Any:
    try:
        return importlib.import_module("kubernetes")
    except ModuleNotFoundError:
        raise refusal(
            "rehearse",
            "needs the Python client of Kubernetes, which is not installed",
            "run `pip install kubernetes`, or install the extra `rehearse` (README.md)",
        ) from None


def _choose(kubernetes: Any, given: str, context: str | None, *, cluster_is_gke: bool) -> str:
    try:
        contexts, current = kubernetes.config.list_kube_config_contexts(given)
    except Exception as error:  # noqa: BLE001 - no file, or one that cannot be read
        reason = str(error).splitlines()[0]
        raise refusal(
            "KUBECONFIG", f"leads to no cluster ({given}: {reason}); {_NOTHING}", "run `scripts/cluster up`, or set it"
        ) from None
    names = [str(one["name"]) for one in contexts]
    if context is not None:
        if context not in names:
            known = ", ".join(names) or "none"
            raise refusal("--context", f"is not in {given} (got {context!r}); {_NOTHING}", f"use one of: {known}")
        return context
    if cluster_is_gke:
        raise refusal(
            "--context",
            f"is needed: the stack makes its own cluster on GKE, and a rehearsal runs in one that exists; {_NOTHING}",
            "run `gcloud container clusters get-credentials`, then name that context",
        )
    if current is None:
        raise refusal("--context", f"is needed: {given} has no current context; {_NOTHING}", "name a context")
    name = str(current["name"])
    if not any(name == known or name.startswith(f"{known}-") for known in _LOCAL_CONTEXTS):
        raise refusal(
            "--context",
            f"is needed: the current context {name!r} is not known to be on this machine, and a rehearsal loads the "
            f"cluster and evicts pods; {_NOTHING}",
            f"write --context {name} if you mean it",
        )
    return name


def _version(kubernetes: Any, configuration: Any, context: str) -> str:
    with _asking(kubernetes.client, configuration, context) as connection:
        version = kubernetes.client.VersionApi(connection).get_code(_request_timeout=_ASK_SECONDS)
    return str(version.git_version)


@contextmanager
def _asking(client: Any, configuration: Any, context: str) -> Iterator[Any]:
    """A connection for one question. Raises SettingsError where the API server does not answer it."""
    try:
        with client.ApiClient(configuration) as connection:
            yield connection
    except client.ApiException as error:
        if error.status in {401, 403}:
            raise _no_credentials(context, f"the API server answers {answer_of(error)}") from None
        raise _unreachable(context, configuration.host, answer_of(error)) from None
    except SettingsError:
        raise
    except Exception as error:  # noqa: BLE001 - refused, no such host, a certificate of another cluster, time out
        reason = str(getattr(error, "reason", error)).rpartition(": ")[2]
        raise _unreachable(context, configuration.host, reason) from None


def _unreachable(context: str, host: str, reason: str) -> Exception:
    message = f"{context} cannot be reached at {host} ({reason}); {_NOTHING}"
    return refusal("cluster", message, "start the cluster or the VPN, or name another --context")


def _no_credentials(context: str, reason: str) -> Exception:
    message = f"{context} does not let us in ({reason}); {_NOTHING}"
    return refusal(
        "cluster", message, "log in; for GKE: `gcloud container clusters get-credentials` and its auth plugin"
    )


def _require_permissions(access: Access, permissions: Iterable[tuple[str, str, str]]) -> None:
    client = access.client
    refused = []
    for verb, group, resource in permissions:
        attributes = client.V1ResourceAttributes(verb=verb, group=group, resource=resource)
        asked = client.V1SelfSubjectAccessReview(
            spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes)
        )
        with _asking(client, access.configuration, access.context) as connection:
            answer = client.AuthorizationV1Api(connection).create_self_subject_access_review(
                asked, _request_timeout=_ASK_SECONDS
            )
        if not answer.status.allowed:
            refused.append(f"{verb} {resource}{f'.{group}' if group else ''}")
    if refused:
        message = (
            f"may not {', nor '.join(refused)} in {access.context}, and a rehearsal makes namespaces of its own, "
            f"watches them and takes them away; {_NOTHING}"
        )
        raise refusal("permission", message, "ask for that, or use another cluster")


def _require_api(access: Access, need: Need) -> None:
    """The API itself, which everybody may ask for: objects come later, in a namespace that is not there yet."""
    with _asking(access.client, access.configuration, access.context) as connection:
        objects = access.client.CustomObjectsApi(connection)
        try:
            objects.get_api_resources(need.group, need.version, _request_timeout=_ASK_SECONDS)
        except access.client.ApiException as error:
            if error.status in {401, 403}:
                raise
            message = f"{access.context} serves no {need.group} ({answer_of(error)}), so {need.without}; {_NOTHING}"
            raise refusal("metrics", message, need.remedy) from None
