"""A program in YAML or TypeScript gets the same consumers, and the same answers to mistakes, as one in Python."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from installation import install_yaml
from tests.engine.control_plane import ControlPlane
from tests.engine.other_languages import Program, generate_node_sdk, install_node
from tests.engine.project import COMMAND_SECONDS, ROOT

from ebbtide.in_process import run_in_process
from ebbtide.settings.loading.loader import load_stack

pytestmark = pytest.mark.engine

ProgramFactory = Callable[[str], Program]
_CONSUMER_ALONE = """\
name: shop
runtime: yaml
packages:
  ebbtide: ../../../plugin
resources:
  cluster:
    type: pulumi:providers:kubernetes
    properties: {clusterIdentifier: tests}
  invoices:
    type: ebbtide:QueueConsumer
    properties:
      namespace: queues
      cluster: {kind: existing, platform: gkeStandard, kubernetesVersion: "1.34"}
      settings:
        image: registry.example/consumers/invoices:1
        worker: {kind: command, command: [./worker], processes: 4}
        shutdown: {longestMessage: 90s}
        autoscaling: {kind: fixed, replicas: 2}
    options: {provider: "${cluster}"}
"""


@pytest.fixture(scope="module")
def yaml_installation(installation: dict[str, str]) -> dict[str, str]:
    """The same with a language host for YAML, built from Pulumi's source."""
    install_yaml(Path(installation["PULUMI_HOME"]).parent)
    return installation


@pytest.fixture
def program(tmp_path: Path, yaml_installation: dict[str, str]) -> ProgramFactory:
    """Copies of the examples that reach no cluster."""
    environment = {**yaml_installation, "KUBECONFIG": str(tmp_path / "none")}
    return lambda example: Program(tmp_path / "root", environment, example)


def test_a_yaml_program_makes_a_cluster_and_a_consumer_in_it(program: ProgramFactory) -> None:
    shop = program("yaml")
    shop.run("config", "set", "gcp:project", "acme-dev", "--stack", "dev", check=True)
    shop.run("config", "set", "gcp:region", "europe-west1", "--stack", "dev", check=True)
    preview = shop.preview()
    assert set(preview.operations.values()) == {"create"}
    assert {"cluster-gke", "login", "invoices", "invoices-deployment", "invoices-pdb"} <= set(preview.operations)
    assert not preview.warnings


def test_every_mistake_is_told_at_its_argument_and_without_a_traceback(program: ProgramFactory) -> None:
    shop = program("yaml")
    (shop.directory / "Pulumi.yaml").write_text(_CONSUMER_ALONE)
    shop.write("processes: 4", "processes: many, paralel: 2")
    shop.write("longestMessage: 90s", "longestMessage: soon")
    run = shop.preview(check=False)
    assert run.status != 0
    assert "settings.worker.processes: must be a whole number (got 'many')" in run.output
    assert "settings.worker.paralel: is not a setting" in run.output
    assert "settings.shutdown.longestMessage" in run.output
    assert "Traceback" not in run.output
    assert "File " not in run.output


def test_a_secret_that_somebody_pasted_is_not_printed(program: ProgramFactory) -> None:
    shop = program("yaml")
    (shop.directory / "Pulumi.yaml").write_text(_CONSUMER_ALONE)
    shop.write("        shutdown:", "        environment: {BROKER_PASSWORD: Tr0ub4dor&3xQ9}\n        shutdown:")
    run = shop.preview(check=False)
    assert run.status != 0, "a password is no setting"
    assert "settings.environment.BROKER_PASSWORD" in run.output
    assert "Tr0ub4dor" not in run.output


def test_what_is_known_only_while_deploying_is_refused_where_a_rule_needs_it(program: ProgramFactory) -> None:
    shop = program("yaml")
    (shop.directory / "Pulumi.yaml").write_text(_CONSUMER_ALONE)
    shop.write("longestMessage: 90s", 'longestMessage: "${cluster.id}"')
    run = shop.preview(check=False)
    assert run.status != 0
    assert "settings.shutdown.longestMessage: is known only while deploying" in run.output


def test_a_consumer_is_deployed_once_and_left_alone(
    tmp_path: Path, yaml_installation: dict[str, str], login: dict[str, str], control_plane: ControlPlane
) -> None:
    environment = {**yaml_installation, **login, "PATH": login["PATH"] + yaml_installation["PATH"]}
    shop = Program(tmp_path / "root", environment, "yaml")
    (shop.directory / "Pulumi.yaml").write_text(_CONSUMER_ALONE)
    control_plane.api.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "queues"}}, "tests")
    try:
        shop.up()
        deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "invoices"}}
        deployment["metadata"]["namespace"] = "queues"  # type: ignore[index]
        live = control_plane.api.get(deployment)
        assert live is not None
        assert live["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 120
        assert not shop.up().operations, "a second run changes what nobody has changed"
        shop.destroy()
    finally:
        control_plane.remove_namespace("queues")


@pytest.fixture(scope="module")
def node(tmp_path_factory: pytest.TempPathFactory, installation: dict[str, str]) -> Path:
    """A `node_modules` with Pulumi's SDK and the one that is generated from our schema."""
    if shutil.which("npm") is None:
        pytest.skip("npm is not on this machine, and nothing here installs it")
    modules = install_node(tmp_path_factory.mktemp("node"))
    generate_node_sdk((ROOT / "plugin" / "schema.json").read_text(), modules)
    return modules


def test_a_typescript_program_makes_the_same_stack_as_a_stack_file(
    tmp_path: Path, installation: dict[str, str], node: Path
) -> None:
    """The example says in TypeScript what examples/whole-system says in its stack file."""
    shop = Program(tmp_path / "root", {**installation, "KUBECONFIG": "none"}, "typescript")
    (shop.directory / "node_modules").symlink_to(node, target_is_directory=True)
    compiled = subprocess.run([node / ".bin" / "tsc"], cwd=shop.directory, capture_output=True, text=True, check=False)
    assert compiled.returncode == 0, compiled.stdout
    command = ["node", str(node.parent / "run.js"), str(shop.directory), "dev"]
    done = subprocess.run(
        command, env=shop.environment, capture_output=True, text=True, timeout=COMMAND_SECONDS, check=False
    )
    assert done.returncode == 0, done.stderr
    steps = [json.loads(line).get("resourcePreEvent") for line in done.stdout.splitlines()]
    urns = {step["metadata"]["urn"] for step in steps if step}
    made = {urn.rpartition("$")[2].rpartition("::")[2] for urn in urns if "ConsumerStack$" in urn}
    stack = load_stack("production", ROOT / "examples" / "whole-system")
    assert made == {resource.name for resource in run_in_process(stack).resources}


def test_the_engine_reads_the_committed_schema_from_the_package(program: ProgramFactory) -> None:
    shop = program("yaml")
    told = json.loads(shop.run("package", "get-schema", "../../../plugin", check=True).output)
    committed = json.loads((ROOT / "plugin" / "schema.json").read_text())
    assert told["version"] == committed["version"]
    assert {name: sorted(one["inputProperties"]) for name, one in told["resources"].items()} == {
        name: sorted(one["inputProperties"]) for name, one in committed["resources"].items()
    }
