"""The commands as a user meets them: exit statuses, one clean message for a mistake, nothing imported in vain."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests import quick_yaml
from tests.cli.conftest import COMMAND, ROOT

from ebbtide.cli.output import style
from ebbtide.explain.model import explain_stack
from ebbtide.settings.loading.loader import read_stack
from ebbtide.settings.loading.project import stack_names

STACKS = stack_names(ROOT)
READING = ["render", "explain", "preview", "dashboard"]


@pytest.mark.parametrize(
    "command",
    [
        "render",
        "check",
        "doctor",
        "init",
        "explain",
        "preview",
        "rules",
        "schema",
        "simulate",
        "advise",
        "dashboard",
        "rehearse",
        "comment",
    ],
)
def test_every_command_explains_itself_with_an_example(ebbtide, command):
    done = ebbtide(command, "--help")
    assert done.returncode == 0, done.stderr
    assert f"ebbtide {command}" in done.stdout.replace("\n", " "), (
        "a help text without an example leaves a reader guessing"
    )


@pytest.mark.parametrize("stack", STACKS)
def test_the_stacks_of_this_repository_have_no_errors(ebbtide, stack):
    done = ebbtide("check", "--stack", stack)
    assert done.returncode == 0, done.stdout + done.stderr


def test_check_names_every_stack_and_fails_on_warnings_only_when_asked(ebbtide, tmp_path):
    (tmp_path / "stacks").mkdir()
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nstackConfigDir: stacks\n")
    consumer = "{image: 'x:1', worker: {kind: command, command: [a]}, autoscaling: {kind: fixed, replicas: 1}}"
    for stack in ("one", "two"):
        (tmp_path / "stacks" / f"Pulumi.{stack}.yaml").write_text(
            f"config: {{ebbtide:cluster: {{kind: existing}}, ebbtide:consumers: {{a: {consumer}}}}}"
        )
    assert ebbtide("check", "--project", str(tmp_path)).returncode == 0
    done = ebbtide("check", "--strict", "--project", str(tmp_path))
    assert done.returncode == 1
    assert [stack for stack in ("one", "two") if f"{stack}: 1 warning" not in done.stdout] == []


def test_check_of_all_stacks_sees_two_that_give_a_broker_one_name(ebbtide, tmp_path):
    """By a name that the project gives to all of them, as whoever shares settings writes it."""
    shutil.copytree(ROOT / "examples" / "whole-system", tmp_path, dirs_exist_ok=True)
    made = tmp_path / "stacks" / "Pulumi.production.yaml"
    made.write_text(made.read_text().replace("{kind: memorystoreValkey}", "{kind: memorystoreValkey, name: orders}"))
    shutil.copy(made, made.with_name("Pulumi.canary.yaml"))
    done = ebbtide("check", "--project", str(tmp_path))
    assert done.returncode == 1
    lines = [line for line in done.stdout.splitlines() if "[G-08]" in line]
    assert [Path(line.split(":")[1].strip()).name for line in lines] == [
        "Pulumi.canary.yaml",
        "Pulumi.production.yaml",
    ]
    assert ebbtide("check", "--stack", "canary", "--project", str(tmp_path)).returncode == 0


def test_the_stacks_of_this_repository_pass_a_strict_check(ebbtide):
    done = ebbtide("check", "--strict")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [stack for stack in STACKS if stack not in done.stdout] == []


def test_one_rule_is_explained_with_what_to_do(ebbtide):
    done = ebbtide("rules", "v-21")
    assert done.returncode == 0
    assert [part for part in ("V-21  error", "`exec`", "What to do:", "Source:") if part not in done.stdout] == []


def test_an_unknown_rule_is_met_with_the_nearest(ebbtide):
    done = ebbtide("rules", "V-99")
    assert (done.returncode, done.stdout) == (1, "")
    # Which one it is changes with each new rule.
    assert re.search(r"did you mean V-[0-9]+\?", done.stderr)


def test_rules_as_json_are_all_of_them(ebbtide):
    report = json.loads(ebbtide("rules", "--format", "json").stdout)
    assert {"V-21", "P-01", "schema"} <= {rule["id"] for rule in report["rules"]}


def test_check_as_json_is_one_document(ebbtide):
    report = json.loads(ebbtide("check", "--format", "json").stdout)
    assert sorted(report["stacks"]) == STACKS
    finding = report["stacks"]["production"][0]
    assert sorted(finding) == ["accepted", "level", "message", "path", "remedy", "rule", "source"]


@pytest.mark.parametrize("command", READING)
def test_a_mistake_in_a_stack_is_its_message_and_exit_status_1(ebbtide, command, tmp_path):
    (tmp_path / "stacks").mkdir()
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nstackConfigDir: stacks\n")
    (tmp_path / "stacks" / "Pulumi.dev.yaml").write_text(
        "config: {ebbtide:cluster: {kind: existing}, ebbtide:consumers: {a: {}}}"
    )
    done = ebbtide(command, "--stack", "dev", "--project", str(tmp_path))
    assert done.returncode == 1
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert "stacks/Pulumi.dev.yaml: consumers.a.image: is required" in done.stderr


@pytest.mark.parametrize("command", READING)
def test_a_missing_stack_is_named_with_the_likely_one(ebbtide, command):
    done = ebbtide(command, "--stack", "prodution")
    assert done.returncode == 1
    assert "did you mean production?" in done.stderr


def test_outside_a_project_the_message_says_what_a_project_is(ebbtide, tmp_path):
    done = ebbtide("check", cwd=tmp_path)
    assert done.returncode == 1
    assert f"no Pulumi.yaml in {tmp_path}" in done.stderr


@pytest.mark.parametrize("command", READING)
def test_a_directory_that_is_no_project_is_not_exchanged_for_one_above_it(ebbtide, command):
    done = ebbtide(command, "--stack", "dev", "--project", "~/shop")
    assert done.returncode == 1, "`~` in quotes names a directory called ~, and the project around it is another one"
    assert "--project: does not exist, and so holds no Pulumi.yaml (got '~/shop')" in done.stderr


def test_a_project_without_stacks_does_not_pass(ebbtide, tmp_path):
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nstackConfigDir: stakcs\n")
    done = ebbtide("check", "--project", str(tmp_path))
    assert done.returncode == 1, "a pipeline would believe that all stacks are well"
    assert f"write its first one, {tmp_path}/stakcs/Pulumi.dev.yaml" in done.stderr


def test_an_empty_stack_name_is_not_every_stack(ebbtide):
    done = ebbtide("check", "--stack", "")
    assert done.returncode == 1, "a pipeline whose variable is not set would check something else"


def test_a_gate_without_a_change_to_judge_is_wrong_usage(ebbtide):
    done = ebbtide("preview", "--stack", "dev", "--fail-on", "danger")
    assert done.returncode == 2, "it could never fail"
    assert "name one with --base" in done.stderr


def test_render_prints_what_kubectl_takes(ebbtide):
    documents = list(quick_yaml.load_all(ebbtide("render", "--stack", "production").stdout))
    kinds = [document["kind"] for document in documents]
    assert "Deployment" in kinds
    assert "ScaledObject" in kinds
    deployment = documents[kinds.index("Deployment")]
    assert "replicas" not in deployment["spec"], "the autoscaler owns the number of pods"


def test_render_in_yaml_and_in_json_is_the_same(ebbtide):
    from_yaml = list(quick_yaml.load_all(ebbtide("render", "--stack", "dev").stdout))
    document = json.loads(ebbtide("render", "--stack", "dev", "--format", "json").stdout)
    assert (document["apiVersion"], document["kind"]) == ("v1", "List"), "kubectl takes no bare list"
    assert document["items"] == from_yaml


def test_a_rendered_directory_holds_this_run_and_what_others_put_there(ebbtide, tmp_path):
    """It brought a removed consumer back with an old image: files of the run before stayed, and numbers shifted."""
    out = tmp_path / "out"
    assert ebbtide("render", "--stack", "staging", "--out", str(out)).returncode == 0
    (out / "ours.yaml").write_text("kept: true\n")
    (out / "deployment-gone.yaml").write_text("kind: Deployment\n")
    record = out / ".ebbtide-render"
    outside = tmp_path / "outside.yaml"
    outside.write_text("kept: true\n")
    record.write_text(record.read_text() + "deployment-gone.yaml\n../outside.yaml\n")
    assert ebbtide("render", "--stack", "dev", "--out", str(out)).returncode == 0
    objects = list(quick_yaml.load_all(ebbtide("render", "--stack", "dev").stdout))
    kustomization = quick_yaml.load((out / "kustomization.yaml").read_text())
    names = [f"{one['kind']}-{one['metadata']['name']}.yaml".lower() for one in objects]
    assert kustomization["resources"] == names
    assert {path.name for path in out.iterdir()} == {*names, "kustomization.yaml", ".ebbtide-render", "ours.yaml"}
    assert outside.exists()


def test_a_kustomization_that_somebody_else_wrote_is_not_overwritten(ebbtide, tmp_path):
    (tmp_path / "kustomization.yaml").write_text("resources: [theirs.yaml]\n")
    done = ebbtide("render", "--stack", "dev", "--out", str(tmp_path))
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert (tmp_path / "kustomization.yaml").read_text() == "resources: [theirs.yaml]\n"


def test_an_image_context_has_no_file_of_an_earlier_version(ebbtide, tmp_path):
    out = tmp_path / "docker"
    assert ebbtide("image", "--out", str(out)).returncode == 0
    (out / "consumer" / "old.py").write_text("")
    (out / "mine.txt").write_text("")
    record = out / ".ebbtide-image"
    record.write_text(record.read_text() + "consumer/old.py\n")
    assert ebbtide("image", "--out", str(out)).returncode == 0
    assert (out / "mine.txt").exists()
    assert not (out / "consumer" / "old.py").exists()
    assert (out / "consumer" / "entrypoint").stat().st_mode & 0o111


def test_render_resources_lists_the_cluster_too(ebbtide):
    documents = list(quick_yaml.load_all(ebbtide("render", "--stack", "dev", "--resources").stdout))
    types = {document["type"] for document in documents}
    assert "gcp:container/cluster:Cluster" in types
    assert "kubernetes:apps/v1:Deployment" in types


def test_a_directory_that_cannot_be_written_is_one_line(ebbtide):
    done = ebbtide("render", "--stack", "dev", "--out", "/proc/nowhere")
    assert done.returncode == 1
    assert "cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_explain_shows_the_timeline_and_where_values_came_from(ebbtide):
    text = ebbtide("explain", "--stack", "production").stdout
    assert "terminationGracePeriodSeconds" in text
    assert "stacks/Pulumi.production.yaml" in text
    assert "\x1b[" not in text, "a pipe gets plain text"


def test_explain_says_what_goes_at_once_at_zero_and_why_each_default_of_keda_is_what_it_is(ebbtide):
    explanation = json.loads(ebbtide("explain", "--stack", "production", "--format", "json").stdout)
    values = {value["path"]: value for value in explanation["consumers"][0]["values"]}
    assert values["drop to zero"]["value"] == "5 pods at once, 350 processes and 350 broker connections"
    of_keda = ("pollingInterval", "cooldown", "paused", "pausedScaleIn")
    assert all(values[f"autoscaling.{name}"]["source"].startswith("default: ") for name in of_keda), "no reason"
    assert {"fallback", "initialCooldown"} <= set(values)


def test_explain_as_json_carries_units_in_its_names(ebbtide):
    explanation = json.loads(ebbtide("explain", "--stack", "production", "--format", "json").stdout)
    consumer = explanation["consumers"][0]
    assert [moment["seconds"] for moment in consumer["timeline"]][:5] == [0, 200, 210, 215, 230]
    envelope = {point["at"]: point["pods"] for point in consumer["envelope"]}
    assert envelope == {"min": 0, "max": 5, "drop": 5, "rollout": 10}
    assert consumer["scaling"]["firstSteps"] == [1, 4, 5]


@pytest.mark.slow
def test_explain_says_what_a_load_costs(ebbtide, tmp_path):
    load = tmp_path / "quiet.yaml"
    load.write_text((ROOT / "loads" / "githubevents.yaml").read_text())
    words = ("explain", "--stack", "production", "--format", "json")
    committed, given = (
        json.loads(ebbtide(*words, *more).stdout)["cost"] for more in ((), ("--load", f"githubevents={load}"))
    )
    assert [point["at"] for point in committed["points"]] == ["min", "max", "load"]
    assert committed["points"] == given["points"]
    assert "under the committed loads" in committed["words"][0]
    assert "under the given loads" in given["words"][0]


@pytest.mark.parametrize(
    ("load", "problem"),
    [("nobody=x.csv", "names no consumer (got 'nobody=x.csv'; there are githubevents)"), ("x.csv", "cannot be read")],
)
def test_explain_refuses_a_load_that_it_cannot_use(ebbtide, load, problem):
    done = ebbtide("explain", "--stack", "production", "--load", load)
    assert done.returncode == 1
    assert problem in done.stderr
    assert "Traceback" not in done.stderr


def test_preview_shows_what_is_deployed_without_any_login(ebbtide_process, tmp_path):
    done = ebbtide_process("preview", "--stack", "production", HOME=str(tmp_path), PATH="/usr/bin:/bin")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Stack production deploys 1 consumer in ")


@pytest.mark.parametrize("command", ["explain", "preview"])
def test_a_pipe_or_a_file_gets_no_blanks_at_the_ends_of_lines(ebbtide, command, tmp_path):
    text = ebbtide(command, "--stack", "dev").stdout
    assert [line for line in text.splitlines() if line != line.rstrip()] == [], "a diff of two outputs is full of them"
    if command == "preview":
        ebbtide(command, "--stack", "dev", "--out", str(tmp_path / "preview.txt"))
        assert (tmp_path / "preview.txt").read_text() == text


def test_a_reader_that_leaves_early_is_no_error():
    script = f"{sys.executable} -m ebbtide render --stack production --resources | head -n 1"
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stderr
    assert "BrokenPipe" not in done.stderr


IMPORTED = """
import sys
sys.argv = {argv!r}
from ebbtide.cli.main import main
try:
    main()
except SystemExit:
    pass
print(*sys.modules, file=sys.stderr)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("argv", "forbidden"),
    [
        (["ebbtide", "--help"], {"pydantic", "yaml", "pulumi", "rich.console"}),
        (["ebbtide", "check"], {"pulumi", "rich.console"}),
        (["ebbtide", "render", "--stack", "production"], {"pulumi", "rich.console"}),
        (["ebbtide", "explain", "--stack", "production"], {"pulumi"}),
        (["ebbtide", "preview", "--stack", "production"], {"pulumi_gcp", "pulumi_kubernetes"}),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_command_does_not_wait_for_what_it_does_not_use(argv, forbidden):
    script = IMPORTED.format(argv=argv)
    done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert forbidden & set(done.stderr.split()) == set()


def test_dashboards_are_written_as_files_that_their_readers_take(ebbtide, tmp_path):
    done = ebbtide("dashboard", "--stack", "production", "--out", str(tmp_path / "monitoring"))
    assert done.returncode == 0, done.stderr
    assert done.stdout == ""
    written = {str(file.relative_to(tmp_path / "monitoring")) for file in (tmp_path / "monitoring").rglob("*.*")}
    assert {"grafana.json", "cloud-monitoring.json", "prometheus-rules.yaml", "loki-rules.yaml"} < written
    assert "log-metrics/ebbtide_drains_ended_production.yaml" in written
    assert f"{len(written)} files" in done.stderr
    rules = quick_yaml.load((tmp_path / "monitoring" / "prometheus-rules.yaml").read_text())
    assert {group["name"] for group in rules["groups"]} == {"ebbtide-githubevents"}
    asked = quick_yaml.load((tmp_path / "monitoring" / "loki-rules.yaml").read_text())["groups"][0]["rules"]
    assert all("count_over_time" in rule["expr"] and "logging_googleapis_com" not in rule["expr"] for rule in asked)


def test_dashboards_that_cannot_be_written_are_one_sentence(ebbtide, tmp_path):
    (tmp_path / "file").touch()
    done = ebbtide("dashboard", "--stack", "production", "--out", str(tmp_path / "file" / "below"))
    assert done.returncode == 1
    assert len(done.stderr.strip().splitlines()) == 1
    assert "name another directory with --out" in done.stderr


def test_a_list_of_alerts_says_which_wake_somebody(ebbtide):
    done = ebbtide("dashboard", "--stack", "production")
    assert done.returncode == 0
    assert "EbbtidePodCutOff" in done.stdout
    assert "page" in done.stdout


@pytest.mark.parametrize("encoding", ["ascii", "cp1252"])
def test_output_that_is_not_utf_8_is_no_traceback(ebbtide_process, encoding):
    done = ebbtide_process("explain", "--stack", "dev", PYTHONIOENCODING=encoding)
    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("format", ["json", "yaml"])
def test_a_manifest_says_the_same_whatever_the_terminal_can_show(ebbtide_process, tmp_path, format):  # noqa: A002
    (tmp_path / "Pulumi.yaml").write_text("name: shop\n")
    consumer = {
        "image": "x:1",
        "worker": {"kind": "command", "command": ["a"]},
        "autoscaling": {"kind": "fixed", "replicas": 1},
        "environment": {"GREETING": "Grüße"},
    }
    config = {"ebbtide:cluster": {"kind": "existing"}, "ebbtide:consumers": {"a": consumer}}
    (tmp_path / "Pulumi.dev.yaml").write_text(quick_yaml.dump({"config": config}))
    done = ebbtide_process(
        "render", "--stack", "dev", "--format", format, "--project", str(tmp_path), PYTHONIOENCODING="ascii"
    )
    assert (done.returncode, done.stderr) == (0, "")
    objects = json.loads(done.stdout)["items"] if format == "json" else list(quick_yaml.load_all(done.stdout))
    deployment = next(one for one in objects if one["kind"] == "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert {"name": "GREETING", "value": "Grüße"} in container["env"]


def test_a_full_disk_behind_the_output_is_one_line():
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*COMMAND, "check"], cwd=ROOT, stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert (done.returncode, done.stderr) == (1, "error: standard output: No space left on device\n")


def test_a_stack_s_name_that_no_file_can_have_is_one_line(ebbtide):
    done = ebbtide("explain", "--stack", "a" * 300)
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 1)
    assert "File name too long" in done.stderr


def test_no_colour_where_it_is_not_wanted(monkeypatch):
    assert style("error", fg="red") != "error"
    monkeypatch.setenv("NO_COLOR", "1")
    assert style("error", fg="red") == "error"


def test_a_warning_about_googles_settings_names_the_key_that_stands_in_the_file(tmp_path):
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (tmp_path / "Pulumi.dev.yaml").write_text(
        "config:\n"
        "  gcp:project: acme-production\n"
        "  gcp:region: mars-north1\n"
        "  ebbtide:cluster: {kind: gkeAutopilot}\n"
        "  ebbtide:broker: {kind: memorystoreValkey}\n"
        "  ebbtide:consumers:\n"
        "    mail: {image: 'acme.example/mail:1', worker: {kind: symfonyMessenger, receivers: [mail]},\n"
        "           transport: {kind: redis, stream: mail}, autoscaling: {kind: fixed, replicas: 2}}\n"
    )
    found = explain_stack(read_stack("dev", tmp_path)).findings
    (finding,) = [one for one in found if one.rule == "BR-46"]
    assert finding.path == ("gcp:region",)
