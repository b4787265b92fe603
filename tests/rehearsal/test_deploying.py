"""What is deployed in a rehearsal: the stack itself, and for comparison the set-up that loses messages."""

import json
import shutil
import subprocess
import time
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from ebbtide.brokers import BROKERS
from ebbtide.judgement.findings import SettingsError
from ebbtide.rehearsal import conduct
from ebbtide.rehearsal import project as project_module
from ebbtide.rehearsal.baseline import baseline_manifests
from ebbtide.rehearsal.broker import broker_pod
from ebbtide.rehearsal.cluster import refuse_image
from ebbtide.rehearsal.cpu import Kinds
from ebbtide.rehearsal.load import Kind, Load, sender_pod
from ebbtide.rehearsal.project import Project
from ebbtide.settings.loading.loader import load_stack

ROOT = Path(__file__).parents[2]


@pytest.fixture
def pulumi(tmp_path, monkeypatch):
    """A program of that name, which is never run."""
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "pulumi"
    program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")


def test_the_project_is_a_copy_that_can_be_changed(tmp_path, pulumi):
    before = (ROOT / "stacks" / "Pulumi.local.yaml").read_bytes()
    project = Project.copy(ROOT, tmp_path / "copy", "local", "githubevents")
    project.set({"ebbtide:namespace": "elsewhere", "worker.processes": 7, "environment.LEDGER_FILE": "php://stdout"})
    settings = project.settings()
    consumer = settings.consumers["githubevents"]
    assert (settings.namespace.name, consumer.worker.processes) == ("elsewhere", 7)
    assert consumer.environment == {"APP_ENV": "prod", "LEDGER_FILE": "php://stdout"}, "the defaults still hold"
    assert (ROOT / "stacks" / "Pulumi.local.yaml").read_bytes() == before, "a rehearsal wrote into the user's stack"
    assert (project.directory / "infra" / "__main__.py").read_text() == (ROOT / "infra" / "__main__.py").read_text()


def test_values_that_no_stack_may_have_are_refused_before_anything_is_made(tmp_path, pulumi):
    project = Project.copy(ROOT, tmp_path / "copy", "local", "githubevents")
    project.set({"worker.processes": 0})
    with pytest.raises(SettingsError, match="processes"):
        project.settings()


def test_without_pulumi_nothing_is_begun(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SettingsError, match="pulumi: is not on PATH"):
        Project.copy(ROOT, tmp_path / "copy", "local", "githubevents")


def test_what_pulumi_says_is_shown_when_it_fails(tmp_path, pulumi):
    (tmp_path / "bin" / "pulumi").write_text("#!/bin/sh\necho 'error: no luck'\nexit 1\n")
    project = Project.copy(ROOT, tmp_path / "copy", "local", "githubevents")
    with pytest.raises(SettingsError, match=r"(?s)failed \(status 1\);.*no luck"):
        project.up()


def test_an_update_that_is_not_done_in_time_shows_what_it_waited_for(tmp_path, pulumi, monkeypatch):
    monkeypatch.setattr(project_module, "longest_update_seconds", lambda stack: 0)
    monkeypatch.setattr(project_module, "UP_ALLOWANCE_SECONDS", 0)
    (tmp_path / "bin" / "pulumi").write_text(
        "#!/bin/sh\n[ $1 = up ] || exit 0\necho 'waiting for pods'\nexec sleep 60\n"
    )
    project = Project.copy(ROOT, tmp_path / "copy", "local", "githubevents")

    def until_it_has_begun():
        while "waiting" not in (tmp_path / "copy" / "pulumi.log").read_text():
            time.sleep(0.01)

    with pytest.raises(SettingsError, match=r"(?s)is not done after .*waiting for pods"):
        project.up(until_it_has_begun)


@pytest.fixture
def stuck(monkeypatch):
    """A rehearsal in a cluster that removes nothing, and the namespaces it was asked to remove."""
    asked = []

    class Cluster:
        def __init__(self, access):
            pass

        def make_namespace(self, name):
            pass

        def remove_namespace(self, name):
            asked.append(name)
            raise RuntimeError(f"{name} stays")

        def has_namespace(self, name):
            return True

    monkeypatch.setattr(conduct, "Cluster", Cluster)
    return conduct.Rehearsal(
        SimpleNamespace(namespace="n", broker_namespace="n-broker"), SimpleNamespace(context="c"), lambda line: None
    ), asked


def test_a_namespace_that_cannot_be_removed_keeps_neither_the_other_nor_the_result(stuck):
    rehearsal, asked = stuck
    with rehearsal._namespaces():
        pass
    assert asked == ["n", "n-broker"]
    assert rehearsal.left_behind == (
        "left in the cluster: n-broker and n (RuntimeError: n stays; RuntimeError: n-broker stays), which a second run "
        "takes over"
    )


def test_what_ended_a_rehearsal_is_not_hidden_by_what_fails_after_it(stuck):
    rehearsal, asked = stuck
    with pytest.raises(ValueError, match="the cause"), rehearsal._namespaces():
        raise ValueError("the cause")
    assert asked == ["n", "n-broker"]


def test_a_closed_terminal_does_not_keep_the_namespaces(stuck):
    rehearsal, asked = stuck

    def say(line):
        raise BrokenPipeError

    rehearsal._say = say
    with pytest.raises(BrokenPipeError), rehearsal._namespaces():
        pass
    assert asked == ["n", "n-broker"]


def test_a_failure_is_none_where_the_namespaces_are_gone_all_the_same(stuck):
    rehearsal, _ = stuck
    rehearsal._cluster.has_namespace = lambda name: False
    with rehearsal._namespaces():
        pass
    assert (rehearsal.left_behind, rehearsal._left_something) == ("what was made is taken away again", False)


def test_the_baseline_has_neither_hook_nor_probes_nor_a_grace_period_of_its_own():
    manifests = baseline_manifests(load_stack("local", ROOT))
    (deployment,) = [one for one in manifests if one["kind"] == "Deployment"]
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert "terminationGracePeriodSeconds" not in pod
    assert not {"lifecycle", "args", "readinessProbe", "livenessProbe", "startupProbe"} & container.keys()
    assert "HorizontalPodAutoscaler" in {one["kind"] for one in manifests}, "without it nothing scales, nothing is lost"


@pytest.mark.parametrize("reason", ["ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "InvalidImageName"])
def test_an_image_that_cannot_be_pulled_is_one_line(reason):
    status = {"containerStatuses": [{"image": "registry/app:1", "state": {"waiting": {"reason": reason}}}]}
    with pytest.raises(SettingsError, match=rf"--image: registry/app:1 cannot be pulled .*{reason}"):
        refuse_image({"status": status}, "--image")


def test_a_container_that_is_being_made_is_waited_for():
    status = {"containerStatuses": [{"image": "a", "state": {"waiting": {"reason": "ContainerCreating"}}}]}
    refuse_image({"status": status}, "--image")


@pytest.mark.parametrize(
    "pod", [*(broker_pod(broker, "i") for broker in BROKERS.values()), sender_pod("i", [], "/app")]
)
def test_pods_of_the_rehearsal_fit_into_a_restricted_namespace(pod):
    spec = pod["spec"]
    assert spec["securityContext"]["runAsNonRoot"]
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    security = spec["containers"][0]["securityContext"]
    assert security == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}


class Shell:
    """Runs here what would run in the pod."""

    def __init__(self):
        self.output = ""

    def execute(self, namespace, pod, command, seconds):
        self.output = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True).stdout


def test_the_messages_of_a_batch_are_lines_with_names_of_their_own():
    shell = Shell()
    load = Load(shell, "n", "cat", lambda: 0, lambda: 0, sent={"busy-0": 1.0})
    load.send(Kind("busy", 2.5, 0.02, 10, 3))
    assert shutil.which("seq"), "the pod's shell is Debian's, and so is this one"
    sent = [json.loads(line) for line in shell.output.splitlines()]
    assert [one["delivery"] for one in sent] == ["busy-1", "busy-2", "busy-3"]
    assert sent[0]["payload"] == {"work": {"seconds": 2.5, "cpuShare": 0.02}}
    assert load.sent == {"busy-0": 1.0, "busy-1": 2.5, "busy-2": 2.5, "busy-3": 2.5}


def test_the_load_asks_for_more_than_the_target_and_the_quiet_for_nothing():
    consumer = load_stack("local", ROOT).consumers["githubevents"]
    kinds = Kinds.of(consumer)
    millicores = 1000 * kinds.busy.cpu_share * consumer.worker.processes
    assert millicores / consumer.cpu_request_millicores == pytest.approx(0.6 * 2.5), "not enough to scale up"
    assert kinds.quiet.cpu_share == 0
    assert kinds.longest_busy.seconds == kinds.longest_quiet.seconds == 20


def test_the_other_consumers_of_a_stack_are_left_alone_with_their_real_queues(tmp_path, pulumi):
    root = tmp_path / "project"
    shutil.copytree(ROOT / "infra", root / "infra", ignore=shutil.ignore_patterns("__pycache__", "ebbtide"))
    shutil.copy(ROOT / "Pulumi.yaml", root)
    (root / "stacks").mkdir()
    shared = yaml.safe_load((root / "Pulumi.yaml").read_text())
    consumers = shared["config"]["defaults"]["default"]["consumers"]
    fixed = {**consumers["githubevents"], "autoscaling": {"kind": "fixed", "replicas": 1}}
    consumers["orders"] = {**fixed, "namespace": "orders"}
    consumers["mails"] = {**fixed, "namespace": "letters"}
    (root / "Pulumi.yaml").write_text(yaml.safe_dump(shared))
    stack = yaml.safe_load((ROOT / "stacks" / "Pulumi.local.yaml").read_text())
    stack["config"]["ebbtide:consumers"]["mails"] = {"namespace": "mails"}
    stack["config"]["ebbtide:consumers"]["invoices"] = consumers["orders"]
    (root / "stacks" / "Pulumi.local.yaml").write_text(yaml.safe_dump(stack))
    assert load_stack("local", root).consumers.keys() == {"githubevents", "invoices", "mails", "orders"}
    project = Project.copy(root, tmp_path / "copy", "local", "mails")
    project.set({"ebbtide:namespace": "rehearsal", "namespace": None})
    settings = project.settings()
    (mails,) = settings.consumers.values()
    assert mails.name == "mails"
    assert settings.seen_by(mails).namespace.name == "rehearsal", "it would take the real one over"
