"""Plans that were judged wrongly once, each with the sentence that a reader must get."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from tests.preview.test_plan import as_json, comment_of, on_a_terminal
from typer.testing import CliRunner

from ebbtide.cli.main import app
from ebbtide.preview.review import Review, review_change
from ebbtide.preview.risk import RiskLevel
from ebbtide.preview.sources.plan import read_plan
from ebbtide.settings.loading.loader import load_stack

CASES = Path(__file__).parent / "cases"
SETTINGS = load_stack("prod", CASES / "project")


def review(name: str) -> Review:
    return review_change(read_plan((CASES / name).read_text(), "prod", name), SETTINGS)


def sentences(found: Review) -> dict[str, str]:
    return {risk.rule: f"{risk.level}: {risk.sentence}" for risk in found.risks}


def all_texts(found: Review) -> str:
    return on_a_terminal(found) + comment_of(found) + as_json(found)


def test_an_image_that_is_known_only_after_the_update_is_said_to_be() -> None:
    found = review("image-known-after-the-update.json")
    assert sentences(found)["P-11"] == "info: w changes its image from 1 to one that is known after the update"
    assert "04da6b54" not in all_texts(found)
    assert "(known after the update)" in on_a_terminal(found)


def test_lines_of_the_cli_around_a_plan_are_left_out_and_said() -> None:
    found = review("lines-of-a-policy-pack-around.txt")
    assert [change.title for change in found.change.changes] == ["worker-rj23"]
    assert found.change.notes == (
        "left out of the plan's text: Installing policy pack acme-iam 0.0.7...; Finished installing policy pack",
    )


def test_a_summary_that_counts_more_than_the_plan_shows_is_no_all_clear() -> None:
    found = review("a-summary-without-its-steps.json")
    assert found.verdict == "prod: the preview failed (its summary counts steps that are not in it: 65 create)"


def test_the_credentials_of_a_provider_are_masked_everywhere() -> None:
    found = review("credentials-of-providers.json")
    text = all_texts(found)
    assert not [word for word in ("OLDTOKENAAAA", "NEWTOKENBBBB", "MIIEvFAKE", "PRIVATE KEY") if word in text]
    assert "kubeconfig" in text
    assert "[secret] changes" in text


def test_a_deployment_that_is_replaced_under_another_name_is_made_first() -> None:
    found = sentences(review("an-autonamed-deployment-is-replaced.json"))["P-02"]
    assert found.startswith(
        "disruptive: worker-rj23 is replaced because of metadata.name by worker-q8v6, which is made first"
    )
    assert "no pod" not in found


def test_an_autoscaler_over_a_running_deployment_is_a_risk_of_scaling() -> None:
    found = review("an-autoscaler-over-a-running-deployment.json")
    assert found.worst is RiskLevel.SCALING
    assert "takes over the number of pods of w: between 2 and 10" in sentences(found)["P-26"]


def test_a_scaled_object_is_judged_as_an_autoscaler_is() -> None:
    found = sentences(review("a-scaled-object-changes.json"))["P-22"]
    assert found.startswith("disruptive: w scales between 1 and 1 pods instead of 1 and 10")


@pytest.mark.parametrize("file", sorted(CASES.glob("*.*")), ids=lambda file: file.stem)
def test_none_of_them_is_harmless(file: Path) -> None:
    assert "no effect on running consumers found" not in review(file.name).verdict


def test_a_plan_of_somebody_elses_program_needs_no_settings(tmp_path: Path) -> None:
    plan = CASES / "an-autoscaler-over-a-running-deployment.json"
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (tmp_path / "Pulumi.prod.yaml").write_text("config:\n  shop:size: 3\n")
    command = ["preview", "-s", "prod", "--plan", str(plan), "--format", "json", "--project", str(tmp_path)]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 0, done.output
    shown = json.loads(done.stdout)
    assert shown["level"] == "scaling"
    assert any("no settings of ebbtide" in note for note in shown["notes"])


def test_settings_that_are_refused_are_not_passed_over(tmp_path: Path) -> None:
    shutil.copytree(CASES / "project", tmp_path / "project")
    file = tmp_path / "project" / "Pulumi.prod.yaml"
    file.write_text(file.read_text().replace("replicas: 2", "replicas: many"))
    plan = CASES / "an-autoscaler-over-a-running-deployment.json"
    done = CliRunner().invoke(app, ["preview", "-s", "prod", "--plan", str(plan), "--project", str(file.parent)])
    assert done.exit_code == 1


@pytest.mark.parametrize(
    ("level", "status"), [("danger", 0), ("notJudged", 0), ("disruptive", 0), ("scaling", 3), ("info", 3)]
)
def test_fail_on_names_a_level(level: str, status: int) -> None:
    plan = str(CASES / "an-autoscaler-over-a-running-deployment.json")
    project = str(CASES / "project")
    done = CliRunner().invoke(app, ["preview", "-s", "prod", "--plan", plan, "--project", project, "--fail-on", level])
    assert done.exit_code == status


def test_fail_on_not_judged_fails_on_what_nobody_has_judged(tmp_path: Path) -> None:
    urn = "urn:pulumi:prod::services::kubernetes:core/v1:ResourceQuota::quota"
    state = {"urn": urn, "type": "kubernetes:core/v1:ResourceQuota", "custom": True, "inputs": {}}
    plan = tmp_path / "plan.json"
    plan.write_text(json.dumps({"steps": [{"op": "create", "urn": urn, "newState": state}]}))
    command = ["preview", "-s", "prod", "--plan", str(plan), "--project", str(CASES / "project"), "--fail-on"]
    assert CliRunner().invoke(app, [*command, "danger"]).exit_code == 0
    assert CliRunner().invoke(app, [*command, "notJudged"]).exit_code == 3
