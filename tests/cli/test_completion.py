"""A shell completes the names that are in the project, and stays silent where there is none."""

from __future__ import annotations

import pytest
from tests.cli.conftest import ROOT


@pytest.fixture
def complete(ebbtide):
    """`complete(line)`: what bash is offered for the last word."""

    def run(line: str, cwd=ROOT):
        words = line.split(" ")
        done = ebbtide(
            cwd=cwd,
            _EBBTIDE_COMPLETE="complete_bash",
            COMP_WORDS=line,
            COMP_CWORD=str(len(words) - 1),
        )
        assert done.stderr == ""
        return done.stdout.split()

    return run


@pytest.mark.parametrize("command", ["check", "explain", "preview", "render", "simulate", "rehearse"])
def test_stacks_are_offered(complete, command):
    assert complete(f"ebbtide {command} --stack ") == ["dev", "local", "production", "staging"]
    assert complete(f"ebbtide {command} -s pro") == ["production"]


@pytest.mark.parametrize("command", ["simulate", "rehearse"])
def test_consumers_of_the_stack_are_offered(complete, command):
    assert complete(f"ebbtide {command} --stack production --consumer ") == ["githubevents"]
    assert complete(f"ebbtide {command} --consumer gith") == ["githubevents"]
    assert complete(f"ebbtide {command} --stack nothing --consumer ") == []


def test_outside_of_a_project_nothing_is_offered_and_nothing_said(complete, tmp_path):
    assert complete("ebbtide check --stack ", cwd=tmp_path) == []
    assert complete("ebbtide simulate --consumer ", cwd=tmp_path) == []


def test_a_project_that_cannot_be_read_offers_nothing(complete, tmp_path):
    (tmp_path / "Pulumi.yaml").write_text("name: [")
    assert complete("ebbtide check --stack ", cwd=tmp_path) == []
