"""What a command pays for does not grow with the kinds that there are: those that no stack names are not there."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ebbtide.settings.models.kinds import Family, is_family, kind_names
from ebbtide.settings.models.stack import StackSettings

ROOT = Path(__file__).parents[2]
READ = """
import json, sys
from pathlib import Path
from ebbtide.settings.loading.loader import load_stack
from ebbtide.settings.models.base import SettingsModel

load_stack("dev", Path("examples/celery"))

def below(model):
    for child in model.__subclasses__():
        yield child
        yield from below(child)

built = {one.__name__ for one in below(SettingsModel) if one.__pydantic_complete__}
print(json.dumps([sorted(sys.modules), sorted(built)]))
"""


def below(model: type[Any]) -> Iterator[type[Any]]:
    for child in model.__subclasses__():
        yield child
        yield from below(child)


FAMILIES = [one for one in below(Family) if is_family(one)]


@pytest.fixture(scope="module")
def read() -> tuple[list[str], list[str]]:
    """The modules that are there after a stack of Celery was read, and the models that were built for it."""
    done = subprocess.run([sys.executable, "-c", READ], cwd=ROOT, check=True, capture_output=True, text=True)
    modules, built = json.loads(done.stdout)
    return modules, built


def test_a_kind_that_no_stack_names_is_not_imported(read):
    modules, _ = read
    assert "ebbtide.settings.models.celery" in modules
    others = {"bullmq", "sidekiq", "laravel", "sqs", "rabbitmq", "doctrine", "command"}
    others |= {"hpa", "named_metrics", "cloud_sql", "memorystore", "managed_prometheus"}
    assert [name for name in sorted(others) if f"ebbtide.settings.models.{name}" in modules] == []


def test_a_model_of_which_no_stack_has_a_value_is_not_built(read):
    _, built = read
    assert {"StackSettings", "ConsumerSettings", "CeleryWorker", "CeleryRedisTransport", "ExistingCluster"} <= set(
        built
    )
    assert {"GkeStandard", "RedisTransport", "SymfonyMessengerWorker", "PodSettings", "Sidecar"}.isdisjoint(built)
    assert len(built) < 30, built


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.__name__)
def test_the_table_of_a_family_says_where_each_kind_is_and_what_it_is_called(family):
    for name, kind in family.kinds.items():
        assert issubclass(kind, family)
        assert name in kind_names(kind), f"{kind.__name__} is not called {name}"
    known = set(family.kinds.values())
    forgotten = [one for one in below(family) if one.__module__.startswith("ebbtide.") and kind_names(one)]
    assert [one.__name__ for one in forgotten if one not in known] == []


def test_check_reads_no_metadata_of_packages_and_the_project_once(monkeypatch):
    """pydantic looks there for plugins of its own; and Pulumi.yaml says the same to each of the four stacks."""
    command = """
import atexit, sys
from ebbtide.settings.loading import project
reads, read_yaml = [], project.read_yaml
project.read_yaml = lambda file, *rest: (reads.append(file.name), read_yaml(file, *rest))[1]
atexit.register(lambda: print(reads.count("Pulumi.yaml"), "importlib.metadata" in sys.modules))
sys.argv = ["ebbtide", "check"]
from ebbtide.cli.start import main
main()
"""
    monkeypatch.delenv("PYDANTIC_DISABLE_PLUGINS", raising=False)
    done = subprocess.run([sys.executable, "-c", command], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "1 False"


def test_rendering_loads_nothing_that_the_stack_has_no_use_for():
    left_out = ["ebbtide.observability.alerts", "ebbtide.manifests.resource", "ebbtide.manifests.google.broker"]
    program = f"""
import atexit, sys
atexit.register(lambda: print(sorted(sys.modules.keys() & {left_out}), file=sys.stderr))
sys.argv = ["ebbtide", "render", "--stack", "dev"]
from ebbtide.cli.start import main
main()
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, check=True, capture_output=True, text=True)
    assert done.stderr.splitlines()[-1] == "[]"


def test_every_family_of_a_stack_is_here():
    """The test above would pass for a family that it does not see."""
    assert {one.__name__ for one in FAMILIES} == {
        "AutoscalingSettings",
        "BrokerSettings",
        "ClusterSettings",
        "CollectorSettings",
        "ScalingMetric",
        "TransportSettings",
        "WorkerSettings",
    }
    assert is_family(StackSettings.model_fields["cluster"].annotation)
