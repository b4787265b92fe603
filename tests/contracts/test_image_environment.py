"""What the Deployment tells the container, and what the image reads: the same names, numbers and paths."""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from tests.properties.profiles import each_profile, hold
from tests.strategies import valid_stacks

from ebbtide.manifests.kubernetes import build_consumer
from ebbtide.manifests.kubernetes.container import DRAIN, HEALTH_CHECK
from ebbtide.settings.models import shutdown, transport
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.models.symfony import SymfonyMessengerWorker

ROOT = Path(__file__).parents[2]
CONSUMER = ROOT / "consumer"
SYMFONY = {"kind": "symfonyMessenger", "receivers": ["events"]}
CELERY = {"kind": "celery", "app": "shop"}
COMMAND = {"kind": "command", "command": ["php", "artisan", "queue:work"]}
EVERYTHING = {"metrics": {}, "shutdown": {"idleFirst": {"apiServer": "10.0.0.1/32"}}}
# The longest stay of a pod that nothing may evict (V-06).
LONGEST = {"longestMessage": "168h", "nodeScaleDown": "protect"}


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The image's own module, as PID 1 imports it."""
    monkeypatch.syspath_prepend(CONSUMER)
    return importlib.import_module("ebbtide_supervisor.environment")


@pytest.fixture
def command(environment: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The image's check of the worker's command, in a directory that looks like the application."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "console").touch()
    for program in ("php", "celery"):
        (tmp_path / "bin" / program).touch(mode=0o755)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return importlib.import_module("ebbtide_supervisor.command")


def containers(stack: StackSettings) -> Iterator[tuple[Any, Any]]:
    """Every consumer of a stack with the container that is built for it."""
    for consumer in stack.consumers.values():
        (deployment,) = [each for each in build_consumer(stack, consumer) if each["kind"] == "Deployment"]
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        yield consumer, container


def make_container(consumer: dict[str, Any]) -> Any:
    """The container of a consumer with these settings."""
    events = {"image": "registry.example/events:1", "autoscaling": {"kind": "fixed", "replicas": 1}, **consumer}
    stack = {"name": "test", "cluster": {"kind": "existing"}, "consumers": {"events": events}}
    ((_, container),) = containers(StackSettings.model_validate(stack))
    return container


def variables_of(container: Any) -> dict[str, str]:
    """The plain variables of a container."""
    return {entry["name"]: entry["value"] for entry in container["env"] if "value" in entry}


def test_the_deployment_sets_every_variable_that_the_image_reads_and_no_other(environment: ModuleType) -> None:
    read = {environment.PREFIX + name for name in (*environment.NUMBERS, *environment.WORDS)}
    workers = ({**SYMFONY, "processes": 8, "start": "fork"}, COMMAND)
    of_symfony, of_command = (set(variables_of(make_container({"worker": worker}))) for worker in workers)
    of_helper = {"EBBTIDE_METRICS_PORT", "EBBTIDE_IDLE_FIRST"}
    told = {"worker": CELERY, "transport": {"kind": "celeryRedis", "visibilityTimeout": "270s"}}
    of_celery = set(variables_of(make_container(told))) - of_command
    assert of_celery == {"EBBTIDE_VISIBILITY_TIMEOUT_SECONDS"}
    assert not of_helper & of_symfony, "what is off stands in the pods of everybody, who are then replaced for nothing"
    assert set(variables_of(make_container({"worker": workers[0], **EVERYTHING}))) == of_symfony | of_helper
    assert of_symfony | of_helper | of_celery == read | {"EBBTIDE_STATE_DIRECTORY"}, (
        "one side waits for a variable that the other never sets"
    )
    # Only PHP has a memory_limit to set, and can be forked after its boot.
    of_php = {"EBBTIDE_MEMORY_LIMIT_MEBIBYTES", "EBBTIDE_WORKER_START", "EBBTIDE_SHARED_MEBIBYTES"}
    assert of_symfony - of_command == of_php
    assert of_command <= of_symfony


@each_profile
def test_the_image_takes_whatever_validates_and_reads_the_same_numbers(
    environment: ModuleType, command: ModuleType, examples: int
) -> None:
    def check(stack: StackSettings) -> None:
        for consumer, container in containers(stack):
            read, problems = environment.read_environment(variables_of(container))
            assert not problems, "a deployment that passed every check would not start"
            budget = consumer.shutdown_budget
            numbers = (budget.stop_wait_seconds, budget.drain_deadline_seconds, budget.grace_seconds)
            assert (read.stop_wait_seconds, read.drain_deadline_seconds, read.grace_seconds) == numbers
            assert (read.processes, read.worker_kind) == (consumer.worker.processes, consumer.worker.kind)
            assert (read.drain, read.stop_signal) == (consumer.worker.drain, consumer.worker.stop_signal)
            assert read.time_limit_seconds == (consumer.worker.time_limit or 0)
            if consumer.worker.kind == "symfonyMessenger":
                assert command.command_problems(read, container["args"]) == []

    hold(check, valid_stacks(), examples)


RECOVER = {"kind": "redis", "redeliverTimeout": "200h", "recover": True}


@pytest.mark.parametrize(
    "consumer",
    [
        {"worker": {**SYMFONY, "processes": 400}},
        {"worker": SYMFONY, "shutdown": {"longestMessage": "1s"}},
        {"worker": SYMFONY, "shutdown": LONGEST},
        {"worker": {**SYMFONY, "timeLimit": None}},
        {"worker": {**SYMFONY, "memoryLimit": "512G"}},
        {"worker": {**SYMFONY, "memoryLimit": "1000K"}},
        {"worker": {**SYMFONY, "timeLimit": "8760h"}},
        {"worker": {**SYMFONY, "memoryLimit": "1M"}},
        {"worker": {**SYMFONY, "memoryLimit": "20500K", "phpMemoryLimit": "20900K"}},
        {"worker": SYMFONY, "shutdown": LONGEST, "transport": RECOVER},
        {"worker": SYMFONY, **EVERYTHING},
        {"worker": CELERY, "transport": {"kind": "celeryRedis", "visibilityTimeout": "168h"}},
        {"worker": CELERY, "transport": {"kind": "celeryRedis", "visibilityTimeout": "169h"}},
        {"worker": SYMFONY, "metrics": {"port": 1024}},
        {"worker": SYMFONY, "metrics": {"port": 65535}},
        {"worker": {**SYMFONY, "drain": "stopFile", "timeLimit": "1h"}, "shutdown": LONGEST},
    ],
    ids=str,
)
def test_the_image_takes_the_largest_and_the_smallest_values_or_the_settings_refuse_them(
    environment: ModuleType, command: ModuleType, consumer: dict[str, Any]
) -> None:
    try:
        container = make_container(consumer)
    except ValueError as refusal:
        assert refusal.__class__.__name__ == "ValidationError"  # noqa: PT017 - refused with a message is as good
        return
    read, problems = environment.read_environment(variables_of(container))
    assert not problems, "the settings let through what no container starts with"
    assert command.command_problems(read, container["args"]) == []


def test_docker_run_and_the_deployment_derive_the_same_ladder(environment: ModuleType) -> None:
    margins = (environment.STOP_WAIT_MARGIN, environment.DRAIN_DEADLINE_MARGIN, environment.GRACE_MARGIN)
    assert margins == (
        shutdown.FINISH_ALLOWANCE_SECONDS,
        shutdown.REPORT_ALLOWANCE_SECONDS,
        shutdown.EXIT_ALLOWANCE_SECONDS,
    )


@pytest.mark.parametrize("start", ["auto", "exec", "fork"])
@pytest.mark.parametrize("processes", [1, 7, 8, 70])
def test_the_image_starts_workers_as_the_limit_of_its_memory_was_computed_for(
    environment: ModuleType, start: str, processes: int
) -> None:
    worker = {**SYMFONY, "start": start, "processes": processes}
    variables = variables_of(make_container({"worker": worker}))
    read, _ = environment.read_environment(variables)
    alone, _ = environment.read_environment(variables | {"EBBTIDE_WORKER_START": start})
    assert variables.get("EBBTIDE_WORKER_START") != "auto", "an image that is older than the word would refuse it"
    settings = SymfonyMessengerWorker.model_validate(worker)
    assert read.worker_start == alone.worker_start == {"auto": "auto" if processes >= 8 else "exec"}.get(start, start)
    assert (settings.shared_memory_bytes > 0) == (read.worker_start != "exec")
    if settings.shared_memory_bytes:
        assert read.shared_mebibytes * 1024**2 == settings.shared_memory_bytes
        assert read.shared_mebibytes == environment.NUMBERS["SHARED_MEBIBYTES"].default, "docker run is told the same"
        for needed in (64, 138, 1000):
            code, parent = read.opcache_mebibytes(needed), read.parent_mebibytes(needed)
            assert code >= 64, "the large example's 44 MiB of compiled code have room"
            assert 2 * (code + parent) <= read.shared_mebibytes, "an old parent's workers live beside a new parent"


@pytest.mark.parametrize("path", [DRAIN, HEALTH_CHECK])
def test_what_the_kubelet_runs_is_in_the_image(path: str) -> None:
    directory, name = os.path.split(path)
    assert directory == "/opt/ebbtide", "where the Dockerfile puts consumer/"
    assert f" {directory}" in (ROOT / "Dockerfile").read_text()
    assert os.access(CONSUMER / name, os.X_OK), "a hook that cannot run fails, and 70 messages pay for it"


@pytest.mark.parametrize("probe", ["startupProbe", "readinessProbe", "livenessProbe"])
def test_the_health_check_knows_what_each_probe_asks(probe: str) -> None:
    kind = make_container({"worker": SYMFONY})[probe]["exec"]["command"][1]
    cases = (CONSUMER / "healthcheck").read_text().partition("case $kind in\n")[2].partition(")")[0]
    assert kind in cases.split(" | "), "an unknown word is a failed probe: the pod would never become ready"


def test_image_and_settings_know_one_default_of_symfonys_redelivery(environment: ModuleType) -> None:
    rules = importlib.import_module(f"{environment.__package__}.image_rules")
    assert rules.SYMFONY_REDELIVER_SECONDS == transport.SYMFONY_REDELIVER_SECONDS
