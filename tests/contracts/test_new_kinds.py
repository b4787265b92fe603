"""An autoscaler and a broker that this package does not know, added from this one module by published seams alone."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, Literal

import pytest
from tests import quick_yaml
from tests.commands import run_here

from ebbtide.brokers import BROKERS, DSN, Broker, Depth, Place
from ebbtide.capacity.autoscaler import read_autoscaler
from ebbtide.capacity.hpa import HpaSpec, Metric
from ebbtide.explain.scaling import scaling_words
from ebbtide.judgement.findings import SettingsError
from ebbtide.manifests.kubernetes.autoscaler import BOUNDS, build_autoscaler
from ebbtide.manifests.kubernetes.labels import Manifest, consumer_metadata
from ebbtide.manifests.resource import to_json
from ebbtide.manifests.stack import stack_resources
from ebbtide.preview.change import StackChange
from ebbtide.preview.review import review_change
from ebbtide.preview.sources.compare import compare
from ebbtide.rehearsal import conduct
from ebbtide.rehearsal.broker import broker_pod
from ebbtide.rehearsal.scenario import Options
from ebbtide.settings.loading.loader import load_stack
from ebbtide.settings.models.autoscaling import AutoscalingSettings
from ebbtide.settings.models.base import SettingsModel
from ebbtide.settings.models.consumer import ConsumerSettings
from ebbtide.settings.models.kinds import add_kind, forget_kind
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.models.transport import TransportSettings
from ebbtide.settings.reference.pages import settings_reference
from ebbtide.settings.reference.schema import stack_file_schema
from ebbtide.settings.rules.check import check_stack
from ebbtide.settings.values.units import Count, Seconds

ROOT = Path(__file__).parents[2]


class TideScaling(AutoscalingSettings):
    """As many pods as the tide is high."""

    kind: Literal["tide"]
    """The tide."""
    min_replicas: Count = 1
    """At low water."""
    max_replicas: Count
    """At high water."""


class MoonScaling(AutoscalingSettings):
    """A kind of which nothing is known but that it exists and what it makes."""

    kind: Literal["moon"]
    """The moon."""
    phases: Count
    """How many pods at full moon."""

    @property
    def min_replicas(self) -> int:
        return 0

    @property
    def max_replicas(self) -> int:
        return self.phases


class BottleTransport(TransportSettings):
    """Messages in bottles."""

    unacknowledged_setting = "drift"

    kind: Literal["bottle"]
    """Bottles."""
    drift: Seconds = 3600
    """How long a bottle is at sea before it is thrown again."""

    @property
    def redelivery_seconds(self) -> int:
        return self.drift


BEACH = Broker(
    name="beach",
    packages=("beach-server",),
    port=7,
    transport={"kind": "bottle", "drift": "60s"},
    variables={DSN: "bottle://{host}:{port}"},
    server="mkdir -p $DIRECTORY/$QUEUE; exec sleep 60",
    answers="[ -d $DIRECTORY/$QUEUE ]",
    depth="echo $(ls $DIRECTORY/$QUEUE | wc -l) 0",
)


@build_autoscaler.register(TideScaling)
@build_autoscaler.register(MoonScaling)
def _manifests(scaling: AutoscalingSettings, stack: StackSettings, consumer: ConsumerSettings) -> tuple[Manifest, ...]:
    spec = {"scaleTargetRef": {"name": consumer.name}, "low": scaling.min_replicas, "high": scaling.max_replicas}
    metadata = consumer_metadata(stack, consumer)
    return ({"apiVersion": "sea.example/v1", "kind": "TideGauge", "metadata": metadata, "spec": spec},)


@read_autoscaler.register
def _simulated(scaling: TideScaling, stack: StackSettings, consumer: ConsumerSettings) -> HpaSpec:
    return HpaSpec(scaling.min_replicas, scaling.max_replicas, (Metric("External", "AverageValue", 8, "water"),))


@scaling_words.register
def _words(scaling: TideScaling, limits: object) -> str:
    return f"The tide grows it to {scaling.max_replicas} within six hours."


ADDED: tuple[tuple[str, type[SettingsModel]], ...] = (
    ("autoscaling", TideScaling),
    ("autoscaling", MoonScaling),
    ("transport", BottleTransport),
)


@pytest.fixture(autouse=True)
def added(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for field, kind in ADDED:
        add_kind(ConsumerSettings, field, kind)
    monkeypatch.setitem(BOUNDS, "TideGauge", ("low", "high"))
    monkeypatch.setitem(BROKERS, BEACH.name, BEACH)
    yield
    for field, kind in ADDED:
        forget_kind(ConsumerSettings, field, kind)


Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """A project whose one consumer has this autoscaling and transport; returns its directory."""

    def to(autoscaling: dict[str, Any], transport: dict[str, Any] | None = None, name: str = "shop") -> Path:
        root = tmp_path / name
        (root / "stacks").mkdir(parents=True)
        (root / "Pulumi.yaml").write_text("name: shop\nruntime: python\nmain: infra\nstackConfigDir: stacks\n")
        mail = {
            "image": "registry.example/consumers/mail:1.0.0",
            "worker": {"kind": "symfonyMessenger", "receivers": ["mail"], "processes": 4},
            "shutdown": {"longestMessage": "20s"},
            "resources": {"cpu": {"request": "200m"}},
            "transport": transport or {"kind": "bottle", "drift": "60s"},
            "autoscaling": autoscaling,
        }
        cluster = {"kind": "existing", "kubernetesVersion": "1.34"}
        config = {"ebbtide:cluster": cluster, "ebbtide:consumers": {"mail": mail}}
        (root / "stacks" / "Pulumi.dev.yaml").write_text(quick_yaml.dump({"config": config}))
        return root

    return to


def ebbtide(root: Path, *arguments: str) -> tuple[int, str, str]:
    """A command in a project: its status and what it wrote. A traceback fails the test."""
    done = run_here(*arguments, cwd=root)
    return done.returncode, done.stdout, done.stderr


TIDE = {"kind": "tide", "maxReplicas": 5}


def test_a_new_autoscaler_renders_and_the_deployment_leaves_the_number_to_it(write):
    status, out, err = ebbtide(write(TIDE), "render", "--stack", "dev")
    assert status == 0, err
    objects = {one["kind"]: one for one in quick_yaml.load_all(out)}
    assert objects["TideGauge"]["spec"]["high"] == 5
    assert objects["TideGauge"]["metadata"]["name"] == "mail"
    assert "replicas" not in objects["Deployment"]["spec"]


def test_a_new_autoscaler_is_a_resource_of_the_stack_and_nobody_resets_its_number(write):
    resources = {resource.key: resource for resource in stack_resources(load_stack("dev", write(TIDE)))}
    gauge = resources["kubernetes:sea.example/v1:TideGauge::mail-tide-gauge"]
    assert gauge.parent == "ebbtide:index:ConsumerAutoscaler::mail"
    assert resources["kubernetes:apps/v1:Deployment::mail-deployment"].ignore_changes == ("spec.replicas",)


def test_a_new_autoscaler_explains_itself_and_one_that_does_not_is_said_to_be_not_judged(write):
    status, out, err = ebbtide(write(TIDE), "explain", "--stack", "dev")
    assert status == 0, err
    assert "The tide grows it to 5 within six hours." in out
    assert "maxReplicas" in out
    _, out, _ = ebbtide(write({"kind": "moon", "phases": 8}, name="other"), "explain", "--stack", "dev")
    assert "moon decides the number of pods, 0 to 8; how fast is not judged." in " ".join(out.split())


def test_a_new_autoscaler_simulates_and_one_that_cannot_says_so_in_one_line(write):
    root = write(TIDE)
    (root / "load.yaml").write_text(
        "messagesPerDay: 20000\ndurations: {p50: 2s, max: 20s}\nsignals: {water: backlog}\n"
    )
    status, out, err = ebbtide(root, "simulate", "--stack", "dev", "--load", "load.yaml", "--format", "json")
    assert status == 0, err
    assert json.loads(out)
    other = write({"kind": "moon", "phases": 8}, name="other")
    (other / "load.yaml").write_text((root / "load.yaml").read_text())
    status, _, err = ebbtide(other, "simulate", "--stack", "dev", "--load", "load.yaml")
    assert status == 1
    assert len(err.strip().splitlines()) == 1
    assert "of kind moon cannot be simulated" in err
    assert "--set autoscaling.kind=fixed" in err


def test_rules_about_settings_judge_new_kinds(write):
    """By what every kind answers: bounds (H-01) and how soon a killed message comes back (V-34, V-34a)."""
    with pytest.raises(SettingsError) as caught:
        load_stack("dev", write({**TIDE, "minReplicas": 9}, {"kind": "bottle", "drift": "5s"}))
    said = {finding.rule: str(finding) for finding in caught.value.findings}
    assert "is above maxReplicas (got 9 and 5); write at most 5" in said["H-01"]
    assert said["V-34"].startswith("consumers.mail.transport.drift: 5s is shorter than the longest message")
    slow = check_stack(load_stack("dev", write(TIDE, {"kind": "bottle"}, name="slow")))
    assert "V-34a" in {finding.rule for finding in slow}


Judge = Callable[..., dict[str, str]]


@pytest.fixture
def judge(write) -> Judge:
    """What a preview says of a change of the autoscaling, by rule; `sames`: whether the plan shows what stays."""
    heads: list[StackSettings] = []

    def of(
        before: dict[str, Any],
        after: dict[str, Any],
        edit: Callable[[list[Any]], list[Any]] = list,
        *,
        sames: bool = True,
    ) -> dict[str, str]:
        for one in (before, after):
            heads.append(load_stack("dev", write(one, name=f"side-{len(heads)}")))
        old, new = ([to_json(resource) for resource in stack_resources(head)] for head in heads[-2:])
        changes, standing = compare(old, edit(new))
        shown = standing if sames else ()
        change = StackChange("dev", "shop", changes, len(standing), "test", standing=shown)
        return {risk.rule: risk.sentence for risk in review_change(change, heads[-1]).risks}

    return of


def test_a_preview_judges_what_a_new_autoscaler_may_do(judge):
    """Its bounds (P-22), its going away (P-25), and that another owner decides (P-20)."""
    fewer = judge(TIDE, {**TIDE, "maxReplicas": 3})
    assert list(fewer) == ["P-22"]
    assert "mail scales between 1 and 3 pods instead of 1 and 5: at its maximum, 2 pods drain at once" in fewer["P-22"]
    assert "P-20" in judge(TIDE, {"kind": "fixed", "replicas": 2})
    gone = judge(TIDE, TIDE, lambda new: [one for one in new if not one["type"].endswith(":TideGauge")])
    assert list(gone) == ["P-25"]


HPA = {"kind": "hpa", "maxReplicas": 5, "metrics": [{"kind": "cpu", "targetUtilization": 60}]}


def test_a_new_autoscaler_is_one_owner_where_the_plan_hides_what_stays(judge):
    assert list(judge(TIDE, {**TIDE, "maxReplicas": 3}, sames=False)) == ["P-22"]
    assert list(judge(HPA, TIDE, sames=False)) == ["P-26"]
    assert list(judge(TIDE, {"kind": "moon", "phases": 8}, sames=False)) == ["P-22"]


def test_an_hpa_beside_a_new_autoscaler_is_a_second_owner_where_the_plan_hides_what_stays(judge):
    def with_hpa(new: list[Any]) -> list[Any]:
        (gauge,) = (one for one in new if one["type"].endswith(":TideGauge"))
        token = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
        target = {"kind": "Deployment", "name": "mail"}
        spec = {"scaleTargetRef": target, "maxReplicas": 2}
        properties = {**gauge["properties"], "kind": "HorizontalPodAutoscaler", "spec": spec}
        return [*new, {**gauge, "type": token, "name": "second", "properties": properties}]

    said = judge(TIDE, TIDE, with_hpa, sames=False)
    assert "HorizontalPodAutoscaler mail and the tide of its settings decide the number of pods of mail" in said["P-28"]


def test_a_mistake_in_a_new_kind_names_path_value_and_remedy(write):
    wrong = {"kind": "tide", "maxReplicas": "many", "hihgWater": 3}
    with pytest.raises(SettingsError) as caught:
        load_stack("dev", write(wrong, {"kind": "bottle", "drift": 60}))
    said = "\n".join(map(str, caught.value.findings))
    assert "consumers.mail.autoscaling.maxReplicas: must be a whole number (got 'many'); write for example 3" in said
    assert "consumers.mail.autoscaling.hihgWater: is not a setting; use one of kind, minReplicas, maxReplicas" in said
    assert "consumers.mail.transport.drift: " in said
    with pytest.raises(
        SettingsError, match=r"kind: is none of the known kinds .*write one of fixed, singleton, hpa, keda, tide, moon"
    ):
        load_stack("dev", write({"kind": "tides"}, name="unknown"))


def test_the_schema_and_the_reference_describe_new_kinds_and_forget_them():
    assert "At high water." in json.dumps(stack_file_schema()["$defs"]["TideScaling"])
    assert "## BottleTransport" in settings_reference()
    for field, kind in ADDED:
        forget_kind(ConsumerSettings, field, kind)
    try:
        assert json.dumps(stack_file_schema(), indent=2) + "\n" == (ROOT / "docs" / "stack.schema.json").read_text()
        assert settings_reference() == (ROOT / "docs" / "settings.md").read_text()
    finally:
        for field, kind in ADDED:
            add_kind(ConsumerSettings, field, kind)


def test_a_kind_that_takes_anothers_name_or_a_field_without_kinds_is_refused():
    class Impostor(AutoscalingSettings):
        """Another."""

        kind: Literal["hpa"]

    class Nameless(AutoscalingSettings):
        """None."""

    with pytest.raises(ValueError, match="autoscaling: 'hpa' is HpaSettings"):
        add_kind(ConsumerSettings, "autoscaling", Impostor)
    with pytest.raises(ValueError, match="Nameless has no field `kind`"):
        add_kind(ConsumerSettings, "autoscaling", Nameless)
    with pytest.raises(ValueError, match="image is not a setting of several kinds"):
        add_kind(ConsumerSettings, "image", TideScaling)


def test_a_new_broker_can_be_rehearsed(write, tmp_path, monkeypatch):
    """The pod starts it, the stack's copy reads from it, and a kill's messages come back while somebody looks."""
    (tmp_path / "pulumi").touch(mode=0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    cpu = {"kind": "hpa", "maxReplicas": 2, "metrics": [{"kind": "cpu", "targetUtilization": 60}]}
    root = write(cpu, {"kind": "rabbitmq"})
    (root / "infra").mkdir()
    options = Options(root, "dev", None, None, "n", BEACH, None, "b", "full", 0, False, {}, "setup", "send")
    (tmp_path / "copy").mkdir()
    monkeypatch.setattr(conduct, "Cluster", lambda access: access)
    rehearsal = conduct.Rehearsal(options, SimpleNamespace(minor_version="1.34", context="c"), print)
    _, consumer = rehearsal._prepare_project(tmp_path / "copy")
    assert consumer.transport == BottleTransport(kind="bottle", drift="60s")
    assert list(consumer.secret_environment) == [DSN]
    assert consumer.network.egress[0].ports == (7,)
    (container,) = broker_pod(BEACH, "image")["spec"]["containers"]
    assert "exec sleep 60" in container["command"][-1]


def test_a_new_broker_is_a_choice_of_rehearse(write):
    """It gets past `--broker`, which an unknown one does not; there is no such cluster here."""
    refused = ebbtide(write(TIDE), "rehearse", "--stack", "dev", "--broker", "puddle")
    assert refused[0] == 2
    assert "'puddle' is not one of 'redis', 'rabbitmq', 'postgresql', 'beach'." in refused[2]
    status, _, err = ebbtide(write(TIDE, name="x"), "rehearse", "--stack", "dev", "--broker", "beach", "--set", "wrong")
    assert status == 1
    assert "--set: is no PATH=VALUE" in err


def test_a_broker_starts_answers_and_tells_its_depth_by_its_entry_alone(tmp_path):
    """As the laboratory and the pod do it: the same commands, told where by the same variables."""
    environment = {"PATH": "/usr/bin:/bin", **Place(str(tmp_path), 7, "bottles", "127.0.0.1").environment}
    server = subprocess.Popen(BEACH.command(BEACH.server), env=environment)
    try:
        for _ in range(2000):
            if not subprocess.run(BEACH.command(BEACH.answers), env=environment, check=False).returncode:
                break
            time.sleep(0.05)
        (tmp_path / "bottles" / "one").touch()
        command = BEACH.command(BEACH.depth)
        printed = subprocess.run(command, env=environment, check=True, capture_output=True, text=True).stdout
        assert Depth.read(printed) == Depth(1, 0)
    finally:
        server.kill()
        server.wait()
