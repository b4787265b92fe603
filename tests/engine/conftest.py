"""The engine, a control plane, and copies of the project to run it on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[2]
# Programs that the engine starts, not a package: the tests use the client and the installation that they use.
sys.path[:0] = [str(_ROOT / "tools" / "pulumi"), str(_ROOT / "tools" / "pulumi" / "plugins")]

from google_provider import ENDPOINT_VARIABLE  # noqa: E402
from installation import install  # noqa: E402
from tests.engine.charts import chart_repository  # noqa: E402
from tests.engine.control_plane import ControlPlane, running_control_plane  # noqa: E402
from tests.engine.diagnosis import report  # noqa: E402
from tests.engine.google_api.api import Api  # noqa: E402
from tests.engine.google_api.server import served  # noqa: E402
from tests.engine.kubernetes_build import kubernetes_binaries  # noqa: E402
from tests.engine.project import ROOT, Project  # noqa: E402
from tests.engine.whole_system import CHARTS, EXAMPLE, KEDA_VERSIONS, bring_kinds_of_gke  # noqa: E402

STACKS = ("dev", "local", "production", "staging")
"""Every committed stack; test_stacks.py holds this list against the files."""
EACH_STACK = [pytest.param(name, marks=[] if name in {"dev", "production"} else [pytest.mark.long]) for name in STACKS]
"""One whose number of pods an HPA owns, and one of KEDA's; the others repeat the proof."""


@pytest.fixture(scope="session")
def installation(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The environment of the CLI, the language host and the plugins; builds what has not been built."""
    return install(tmp_path_factory.mktemp("pulumi"))


_PLANE = pytest.StashKey[ControlPlane]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[pytest.TestReport]:
    """A failure says what the CLI said and what is in the cluster then."""
    result: pytest.TestReport = yield
    if result.failed:
        plane = item.session.stash.get(_PLANE, None)
        told = report(plane and plane.api, plane and plane.directory)
        result.sections.append(("the engine's last commands, and the cluster", told))
    return result


@pytest.fixture(scope="session")
def control_plane(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A real API server with real controllers; builds them where that has not been done."""
    with running_control_plane(tmp_path_factory.mktemp("control-plane"), kubernetes_binaries()) as plane:
        request.session.stash[_PLANE] = plane
        yield plane
        del request.session.stash[_PLANE]


@pytest.fixture(scope="session")
def login(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What leads the program's own kubeconfigs to the control plane: its certificate is trusted, and
    gke-gcloud-auth-plugin answers with its token. A GKE cluster of the stand-in has its address."""
    directory = tmp_path_factory.mktemp("login")
    plugin = directory / "gke-gcloud-auth-plugin"
    credential = '{"apiVersion":"client.authentication.k8s.io/v1beta1","kind":"ExecCredential","status":{"token":"%s"}}'
    plugin.write_text(f"#!/bin/sh\necho '{credential % control_plane.token}'\n")
    plugin.chmod(0o755)
    return {
        "KUBECONFIG": str(control_plane.kubeconfig),
        "SSL_CERT_FILE": str(control_plane.authority),
        "PATH": f"{directory}{os.pathsep}",
    }


@pytest.fixture(scope="session")
def connected(installation: dict[str, str], login: dict[str, str]) -> dict[str, str]:
    """The environment of a CLI whose clusters are the control plane."""
    return {**installation, **login, "PATH": login["PATH"] + installation["PATH"]}


@pytest.fixture(scope="session")
def charts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of the repository with the stand-in for KEDA's chart."""
    with chart_repository(tmp_path_factory.mktemp("charts"), KEDA_VERSIONS) as address:
        yield address


ProjectFactory = Callable[[str], Project]
WholeSystemFactory = Callable[[], tuple[Project, Api]]


@pytest.fixture
def offline_project(tmp_path: Path, installation: dict[str, str]) -> ProjectFactory:
    """Copies of the project that reach no cluster: enough for previews."""

    def make(stack: str) -> Project:
        environment = {**installation, "KUBECONFIG": str(tmp_path / "none")}
        return Project(tmp_path / stack, environment, stack)

    return make


@pytest.fixture(scope="module")
def module_projects(
    tmp_path_factory: pytest.TempPathFactory, connected: dict[str, str], control_plane: ControlPlane, charts: str
) -> Iterator[ProjectFactory]:
    """Copies of the project whose clusters are the control plane; the caller destroys what it deploys.

    That leaves the namespace, of which the next module's engine would not be the owner.
    """
    with ExitStack() as clouds:

        def make(stack: str) -> Project:
            environment = {**connected, **_cloud(clouds, Api(control_plane.address))}
            return _project(tmp_path_factory.mktemp(stack) / stack, environment, charts, stack)

        yield make
    control_plane.remove_namespace("consumers")


@pytest.fixture
def project(
    tmp_path: Path, connected: dict[str, str], control_plane: ControlPlane, charts: str
) -> Iterator[ProjectFactory]:
    """Copies of the project whose clusters are the control plane, which is empty again after the test."""
    with ExitStack() as clouds:

        def make(stack: str) -> Project:
            environment = {**connected, **_cloud(clouds, Api(control_plane.address))}
            return _project(tmp_path / stack, environment, charts, stack)

        yield make
    control_plane.remove_namespace("consumers")


@pytest.fixture(scope="module")
def whole_system(
    tmp_path_factory: pytest.TempPathFactory,
    connected: dict[str, str],
    control_plane: ControlPlane,
    charts: str,
) -> Iterator[WholeSystemFactory]:
    """Copies of examples/whole-system, each with a Google Cloud of its own; the caller destroys what it deploys."""
    bring_kinds_of_gke(control_plane)
    with ExitStack() as clouds:

        def make() -> tuple[Project, Api]:
            directory, cloud = tmp_path_factory.mktemp("whole-system"), Api(control_plane.address)
            environment = {**connected, **_cloud(clouds, cloud)}
            return _project(directory / "production", environment, charts, "production", EXAMPLE), cloud

        yield make
    for namespace in ("consumers", "keda"):
        control_plane.remove_namespace(namespace)


def _cloud(clouds: ExitStack, api: Api) -> dict[str, str]:
    """A Google Cloud of its own, for one project."""
    return {ENDPOINT_VARIABLE: clouds.enter_context(served(api))}


def _project(
    directory: Path, environment: dict[str, str], charts: str, stack: str, example: Path | None = None
) -> Project:
    made = Project(directory, environment, stack, example)
    made.replace_in("infra/ebbtide/manifests/keda.py", CHARTS, charts)
    return made


__all__ = ["EACH_STACK", "ROOT", "STACKS"]
