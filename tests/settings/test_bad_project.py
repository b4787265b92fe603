"""What is wrong with a project is said of its Pulumi.yaml, in one line."""

from __future__ import annotations

import pytest
from tests import quick_yaml

from ebbtide.judgement.findings import SettingsError
from ebbtide.settings.loading.loader import load_stack, read_values
from ebbtide.settings.loading.project import first_stack, named_root

DEFAULTS = "name: shop\nconfig: {{ebbtide:defaults: {{value: {}}}}}\n"

CASES = [
    ("empty", "", ["Pulumi.yaml: is empty", "main: infra/"]),
    ("a list", "[1]", ["must hold a mapping (got a list)"]),
    ("config is text", "config: x", ["config: must hold a mapping"]),
    ("stacks in a list", "stackConfigDir: [a]", ["stackConfigDir: must be text (got a list)"]),
    ("defaults without value", "config: {defaults: {cluster: {}}}", ["without `value:`", "write `value:`"]),
    ("defaults are a list", DEFAULTS.format("[1]"), ["ebbtide:defaults: must hold a mapping (got a list)"]),
    ("shared part is a list", DEFAULTS.format("{consumer: [1]}"), ["defaults.consumer: must hold a mapping"]),
    (
        "unknown default",
        DEFAULTS.format("{clutser: {}}"),
        ["ebbtide:defaults.clutser", "did you mean", "defaults.cluster?"],
    ),
    ("not for a project", DEFAULTS.format("{google: {project: a}}"), ["defaults.google: is not a setting"]),
    ("unknown key", "config: {ebbtide:foo: {default: 1}}", ["Pulumi.yaml: ebbtide:foo: is not a setting"]),
    ("tabs", "config:\n\tdefaults: {}\n", ["Pulumi.yaml: line 2, column 1: a tab indents this line"]),
]


@pytest.mark.parametrize(("text", "parts"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_a_project_that_cannot_be_used_says_where_and_why(project, text, parts):
    (project.root / "Pulumi.yaml").write_text(text)
    for directory in (project.root, project.root / "stacks"):
        (directory / "Pulumi.dev.yaml").write_text(
            "config: {gcp:project: acme-dev, gcp:region: europe-west1, ebbtide:cluster: {kind: gkeStandard}}"
        )
    messages = project.messages()
    assert len(messages) == 1, messages
    assert messages[0].startswith("Pulumi.yaml: ")
    for part in parts:
        assert part in messages[0]


@pytest.mark.parametrize("key", ["consumers", "shop:consumers"])
def test_a_key_that_pulumi_gives_to_the_project_is_not_taken_for_ours(project, key):
    # `check` would judge it, and `pulumi up` would never see it.
    project.write_stack("dev", {"ebbtide:cluster": {"kind": "gkeStandard"}, key: {}})
    (message,) = project.messages()
    assert f"config.{key}: is shop:consumers to Pulumi, and nobody reads it; write ebbtide:consumers" in message


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("configs: {ebbtide:cluster: {kind: gkeStandard}}", "configs: is no key of a stack file; did you mean config?"),
        ("ebbtide:cluster: {kind: gkeStandard}", "ebbtide:cluster: stands outside of config:, where nobody reads it"),
        ("config: {}\nconsumers: {}", "consumers: stands outside of config:, where nobody reads it; move it below"),
    ],
)
def test_what_stands_outside_of_config_is_named_and_not_passed_over(project, text, said):
    project.write_text("dev", text)
    assert any(said in message for message in project.messages())


def test_anchors_may_stand_outside_of_config(project):
    cluster = "{gcp:project: acme-dev, gcp:region: europe-west1, ebbtide:cluster: *cluster}"
    project.write_text("dev", f"x-cluster: &cluster {{kind: gkeStandard}}\nconfig: {cluster}\n")
    assert project.read().settings.name == "dev"


def test_a_key_of_the_projects_own_that_has_another_name_is_left_alone(project):
    config = {"gcp:project": "acme-dev", "gcp:region": "europe-west1", "shop:theme": "dark", "colour": "red"}
    project.write_stack("dev", {**config, "ebbtide:cluster": {"kind": "gkeStandard"}})
    assert project.read().settings.name == "dev"


def test_shared_defaults_under_a_bare_key_say_what_pulumi_takes(project):
    text = "name: shop\nstackConfigDir: stacks\nconfig: {defaults: {value: {}}}\n"
    (project.root / "Pulumi.yaml").write_text(text)
    project.write_stack("dev", {"ebbtide:cluster": {"kind": "gkeStandard"}})
    (message,) = project.messages()
    assert message.startswith("Pulumi.yaml: config.defaults: is shop:defaults to Pulumi")
    assert message.endswith("write ebbtide:defaults, and its content under value:")


def test_stacks_outside_of_the_project_are_named_by_their_path(project, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (project.root / "Pulumi.yaml").write_text(f"name: shop\nstackConfigDir: {elsewhere}\n")
    assert f"{elsewhere}/Pulumi.dev.yaml does not exist" in project.messages()[0]


def test_a_file_that_is_a_directory_or_ends_otherwise_says_so(project):
    (project.root / "stacks" / "Pulumi.dev.yaml").mkdir()
    assert "stacks/Pulumi.dev.yaml: cannot be read: Is a directory" in project.messages()[0]
    (project.root / "stacks" / "Pulumi.prod.yml").touch()
    assert "rename stacks/Pulumi.prod.yml" in project.messages("prod")[0]


def test_the_stacks_name_is_its_files(project):
    project.write_stack("Shop 1", {"ebbtide:cluster": {"kind": "gkeStandard"}})
    (message,) = project.messages("Shop 1")
    assert message.startswith("stacks/Pulumi.Shop 1.yaml: the stack's name is not a Kubernetes name")
    assert "rename the stack and its file" in message


def test_the_project_is_named_by_its_directory_or_its_file(project):
    assert named_root(project.root) == named_root(project.root / "Pulumi.yaml") == project.root
    with pytest.raises(SettingsError, match="holds no Pulumi"):
        named_root(project.root / "stacks")


MEANT = {
    "ebbtide:defaults": ({"value": {"worker": {"kind": "celery"}}}, "write ebbtide:defaults.consumer.worker"),
    "ebbtide:worker": ({"value": {"processes": 3}}, "write ebbtide:consumers.<name>.worker"),
    "ebbtide:default": ({"value": {"consumer": {}}}, "did you mean ebbtide:defaults?"),
}


@pytest.mark.parametrize("key", MEANT)
def test_a_key_of_the_wrong_level_is_told_where_it_belongs(key, tmp_path):
    value, said = MEANT[key]
    (tmp_path / "Pulumi.yaml").write_text(
        quick_yaml.dump({"name": "shop", "runtime": "python", "config": {key: value}})
    )
    cluster = {"kind": "existing", "platform": "other", "kubernetesVersion": "1.34"}
    (tmp_path / "Pulumi.dev.yaml").write_text(quick_yaml.dump({"config": {"ebbtide:cluster": cluster}}))
    with pytest.raises(SettingsError) as refusal:
        load_stack("dev", tmp_path)
    assert said in str(refusal.value)


def test_stacks_that_pulumi_does_not_look_at_are_found_and_the_line_is_named(tmp_path):
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (tmp_path / "stacks").mkdir()
    (tmp_path / "stacks/Pulumi.prod.yaml").write_text("config: {}\n")
    said = "stacks/Pulumi.prod.yaml is there: write stackConfigDir: stacks in Pulumi.yaml"
    with pytest.raises(SettingsError) as refusal:
        load_stack("prod", tmp_path)
    assert said in str(refusal.value)
    assert first_stack(tmp_path) == said
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\nstackConfigDir: stacks\n")
    with pytest.raises(SettingsError, match="use one of prod"):
        load_stack("test", tmp_path)


def test_a_near_miss_of_a_setting_one_level_lower_is_told_its_place():
    consumer = {"image": "a:1", "worker": {"kind": "symfonyMessenger", "receivers": ["mail"]}, "maxReplica": 3}
    consumer["autoscaling"] = {"kind": "keda", "minReplicas": 0, "maxReplicas": 9}
    cluster = {"kind": "existing", "platform": "other", "kubernetesVersion": "1.34", "keda": "existing"}
    with pytest.raises(SettingsError, match=r"did you mean autoscaling\.maxReplicas\?"):
        read_values({"name": "dev", "cluster": cluster, "consumers": {"mail": consumer}})
