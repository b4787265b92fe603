"""Somebody who lives with a finding says why, and the next reader sees it."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from tests.settings.conftest import CONSUMER

from ebbtide.judgement.findings import Finding, Level
from ebbtide.settings.models.stack import StackSettings
from ebbtide.settings.rules.check import check_stack


def check(*, stack: dict[str, str] | None = None, consumer: dict[str, str] | None = None) -> dict[str, Finding]:
    settings = StackSettings.model_validate(
        {
            "name": "dev",
            "cluster": {"kind": "existing"},
            "accept": stack or {},
            "consumers": {"githubevents": {**CONSUMER, "accept": consumer or {}}, "mail": CONSUMER},
        }
    )
    return {f"{finding.path[1]} {finding.rule}": finding for finding in check_stack(settings) if len(finding.path) > 1}


def test_an_accepted_finding_is_shown_with_its_reason_and_asks_for_nothing():
    found = check(consumer={"N-02": "the broker is a sidecar"})["githubevents N-02"]
    assert found.accepted == "the broker is a sidecar"
    assert str(found).endswith("(accepted: the broker is a sidecar)")


@pytest.mark.parametrize("who", ["stack", "consumer"])
def test_an_acceptance_of_what_still_occurs_is_no_finding(who):
    assert "A-01" not in {one.rule for one in check(**{who: {"N-02": "a sidecar"}}).values()}


def test_what_one_consumer_accepts_is_still_a_finding_of_the_other():
    assert check(consumer={"N-02": "a sidecar"})["mail N-02"].accepted == ""


def test_what_the_stack_accepts_holds_for_every_consumer_and_a_consumers_own_reason_comes_first():
    found = check(stack={"N-02": "no brokers yet"}, consumer={"N-02": "a sidecar"})
    assert (found["githubevents N-02"].accepted, found["mail N-02"].accepted) == ("a sidecar", "no brokers yet")


def test_a_finding_of_the_stack_about_a_consumer_can_be_accepted_by_that_consumer():
    settings = {
        "name": "dev",
        "google": {"project": "acme-dev", "region": "europe-west1"},
        "cluster": {"kind": "gkeAutopilot"},
        "consumers": {"events": {**CONSUMER, "accept": {"V-07": "paid for"}}},
    }
    settings["consumers"]["events"]["resources"] = {"cpu": {"request": "490m"}, "memory": {"request": "6500Mi"}}
    (found,) = [one for one in check_stack(StackSettings.model_validate(settings)) if one.rule == "V-07"]
    assert found.accepted == "paid for"


@pytest.mark.parametrize(("who", "place"), [("stack", ()), ("consumer", ("consumers", "githubevents"))])
def test_an_acceptance_whose_finding_is_gone_is_a_finding_where_it_is_written(who, place):
    (found,) = [one for one in check(**{who: {"V-07": "once"}}).values() if one.rule == "A-01"]
    assert found.level is Level.WARNING
    assert found.path == (*place, "accept", "V-07")
    assert found.remedy == "remove it"


@pytest.mark.parametrize(
    ("accepted", "parts"),
    [
        ({"V-99": "x"}, ["no rule about settings is called 'V-99'", "did you mean V-59?"]),
        ({"V-21": "x"}, ["V-21 is an error", "mend the settings"]),
        (
            {"A-01": "x"},
            ["A-01 finds acceptances that are no longer needed, and would accept itself", "each that it names"],
        ),
        ({"V-16": " "}, ["is an empty reason"]),
        ({"P-10": "x"}, ["no rule about settings is called 'P-10'"]),
        ({"yaml": "x"}, ["yaml"]),
    ],
)
def test_what_cannot_be_accepted_is_refused(accepted, parts):
    with pytest.raises(ValidationError) as caught:
        check(consumer=accepted)
    (error,) = caught.value.errors()
    text = f"{error['msg']}; {error.get('ctx', {}).get('remedy', '')}"
    assert [part for part in parts if part not in text] == []
