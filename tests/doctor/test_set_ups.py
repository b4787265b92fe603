"""Whole set-ups: what is wrong with them is found, and what is right with them is left alone."""

from __future__ import annotations

import pytest
from tests.cli.conftest import ROOT
from tests.commands import run_here
from tests.doctor.bundles import article, bundles, read_bundle

from ebbtide.doctor.diagnose import diagnose
from ebbtide.rulebook import all_rules
from ebbtide.settings.loading.project import stack_names

ARTICLE = article()
KNOWN_FAULTS = bundles("public", "own", "reports", "blind")
ALL = [ARTICLE, *bundles("recipes", "public", "own", "reports", "blind", "right")]


@pytest.mark.parametrize("fault", sorted(ARTICLE.faults))
def test_a_team_with_the_article_s_set_up_is_told_of(fault):
    assert ARTICLE.found()[fault] == ARTICLE.faults[fault]


def test_the_article_s_set_up_has_at_least_fifteen_faults_and_no_other_is_claimed():
    assert ARTICLE.found() == ARTICLE.faults
    assert ARTICLE.faults.total() >= 15


@pytest.mark.parametrize("bundle", bundles("recipes"), ids=lambda bundle: bundle.name)
def test_who_followed_another_recipe_is_told_at_least_five_things_all_of_them_true(bundle):
    assert bundle.found() == bundle.faults
    assert bundle.faults.total() >= 5


@pytest.mark.parametrize("bundle", KNOWN_FAULTS, ids=lambda bundle: bundle.name)
def test_a_known_fault_is_found_where_it_is_and_nothing_else_is_claimed(bundle):
    assert bundle.found() == bundle.faults, bundle.title


def test_there_are_forty_small_set_ups_and_twenty_of_them_come_from_public_reports():
    assert len(KNOWN_FAULTS) >= 40
    assert len(bundles("public")) >= 20


@pytest.mark.parametrize(
    "bundle", [one for one in bundles("blind") if one.unjudged or not one.faults], ids=lambda bundle: bundle.name
)
def test_a_fault_that_the_files_do_not_tell_is_named_as_not_judged(bundle):
    assert bundle.unjudged, "a known fault is found, or said to be not judged"
    assert any(bundle.unjudged in note.text for note in bundle.report.notes)


@pytest.mark.parametrize("bundle", bundles("right"), ids=lambda bundle: bundle.name)
def test_a_set_up_that_is_right_raises_no_alarm(bundle):
    report = bundle.report
    assert [f"{one.rule} {one.place} {one.message}" for one in report.diagnoses] == []


def test_there_are_ten_set_ups_that_are_right():
    assert len(bundles("right")) >= 10


@pytest.mark.parametrize("stack", stack_names(ROOT))
def test_what_ebbtide_renders_and_builds_has_no_fault(stack, tmp_path):
    done = run_here("render", "--stack", stack, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    (tmp_path / "rendered.yaml").write_text(done.stdout)
    image = [str(ROOT / name) for name in ("Dockerfile", "consumer", "examples/github-events")]
    report = diagnose([str(tmp_path / "rendered.yaml"), *image])
    assert [f"{one.rule} {one.place} {one.message}" for one in report.diagnoses] == []
    assert any("messenger:consume" in line for line in report.seen), "a worker that is not seen is not judged"


def test_every_rule_about_set_ups_has_one_that_it_finds():
    spoken = {fault.partition("@")[0] for bundle in ALL for fault in bundle.faults}
    assert {text.id for text in all_rules().values() if text.judges == "set-up"} - spoken == set()


def test_each_diagnosis_names_a_line_that_says_what_it_is_about():
    for bundle in ALL:
        lines = {file.name: file.text.splitlines() for file in bundle.files}
        for one in bundle.report.diagnoses:
            assert 1 <= one.place.line <= len(lines[one.place.file]), (bundle.name, one)
            assert lines[one.place.file][one.place.line - 1].strip(), (bundle.name, one)


def test_a_bundle_says_which_file_each_fault_is_in():
    bundle = read_bundle(next((ROOT / "tests/doctor/set-ups/recipes").glob("1-*")))
    assert bundle.faults["D-13@docker/Dockerfile"] == 1
