"""A secret whose name somebody else has in Secret Manager is named by the preview, while nothing is made yet."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from tests.engine.conftest import WholeSystemFactory
from tests.engine.project import Run
from tests.engine.test_review import review

pytestmark = pytest.mark.engine

SECRETS = "secretmanager.projects.secrets"
TAKEN = "projects/acme-production/secrets/ebbtide-production-v1-dsn"
# Names that have the stack's in them are others.
OTHERS = ("projects/acme-production/secrets/ebbtide-production-v1-dsn-copy", "projects/acme-production/secrets/old")
LIST, MAY_LIST = f"{SECRETS}.list", "secretmanager.secrets.list"


@dataclass
class Life:
    """What each command did, and what of Google was asked by then."""

    free: Run
    taken: Run
    made_by_then: set[str]
    reviewed: str
    of_a_stack: Run
    forbidden: Run
    forbidden_reviewed: str
    up: Run
    asked_by_up: int
    own: Run
    asked_by_own: int
    second_up: Run
    rotation: Run
    other_rotation: Run


@pytest.fixture(scope="module")
def life(whole_system: WholeSystemFactory) -> Iterator[Life]:
    """Lived once; the tests look at it."""
    project, cloud = whole_system()
    for name in OTHERS:
        cloud.take(SECRETS, name, {})
    there = set(cloud.names)
    lived: dict[str, Any] = {"free": project.preview()}
    cloud.take(SECRETS, TAKEN, {"labels": {"team": "shop", "env": "live"}})
    lived |= {"taken": project.preview(check=False), "made_by_then": set(cloud.names) - there - {TAKEN}}
    lived["reviewed"] = review(project).stdout
    cloud.take(SECRETS, TAKEN, {"labels": {"managed-by": "ebbtide", "stack": "staging"}})
    lived["of_a_stack"] = project.preview(check=False)
    del cloud.stored[TAKEN]
    cloud.refusals.permissions.add(MAY_LIST)
    lived |= {"forbidden": project.preview(), "forbidden_reviewed": review(project, "--format", "json").stdout}
    before = cloud.counts[LIST]
    lived |= {"up": project.up(), "asked_by_up": cloud.counts[LIST] - before}
    before = cloud.counts[LIST]
    lived |= {"own": project.preview(), "asked_by_own": cloud.counts[LIST] - before, "second_up": project.up()}
    cloud.refusals.permissions.clear()
    cloud.take(SECRETS, TAKEN.replace("-v1-", "-v2-"), {})
    project.edit("ebbtide:broker", "secret", value={"version": 2})
    lived["rotation"] = project.preview(check=False)
    project.edit("ebbtide:broker", "secret", value={"version": 3})
    lived["other_rotation"] = project.preview()
    yield Life(**lived)
    project.edit("ebbtide:protect", value=False)
    project.edit("ebbtide:broker", "protect", value=False)
    project.up()
    project.destroy()


def test_names_that_nobody_has_are_previewed_without_a_word(life: Life) -> None:
    assert not life.free.errors
    assert not [message for message in life.free.warnings if "broker.secret" in message]
    assert life.free.operations["broker-secret-dsn"] == "create"


def test_a_secret_of_somebody_else_ends_the_preview_with_one_line_that_names_it_and_its_owner(life: Life) -> None:
    assert life.taken.status != 0
    (message,) = life.taken.errors
    assert "\n" not in message
    assert "Traceback" not in life.taken.output
    for words in ("ebbtide-production-v1-dsn", "acme-production", "env=live, team=shop", "broker.secret.version to 2"):
        assert words in message
    assert "ebbtide-production-v1-address" not in message, "that one is free"


def test_a_review_of_that_preview_says_it_too(life: Life) -> None:
    assert "the preview failed" in life.reviewed
    assert "ebbtide-production-v1-dsn" in life.reviewed


def test_nothing_was_made_by_then(life: Life) -> None:
    assert not life.made_by_then


def test_a_secret_of_another_stack_is_said_to_be_that_ones(life: Life) -> None:
    (message,) = life.of_a_stack.errors
    assert "made by ebbtide for a stack staging" in message


def test_who_may_not_look_is_told_that_it_was_not_judged_and_by_which_right_it_would_be(life: Life) -> None:
    assert life.forbidden.status == 0
    (message,) = [one for one in life.forbidden.warnings if "broker.secret" in one]
    assert "not judged" in message
    assert MAY_LIST in message
    assert "roles/secretmanager.viewer" in message
    assert life.forbidden.operations == life.free.operations, "the preview shows something else then"
    (note,) = [one for one in json.loads(life.forbidden_reviewed)["notes"] if "broker.secret" in one]
    assert "not judged" in note


def test_an_up_needs_no_right_for_it_and_asks_nothing(life: Life) -> None:
    assert not life.asked_by_up
    assert life.up.operations["broker-secret-dsn"] == "create"


def test_the_stacks_own_secrets_are_not_asked_about_and_change_nothing(life: Life) -> None:
    assert not life.asked_by_own
    assert not life.own.operations
    assert not life.second_up.operations


def test_a_rotation_onto_a_name_that_is_taken_is_refused_and_the_next_one_is_not(life: Life) -> None:
    (message,) = life.rotation.errors
    assert "ebbtide-production-v2-dsn" in message
    assert "broker.secret.version to 3" in message
    assert not life.other_rotation.errors
    assert life.other_rotation.operations["broker-secret-dsn"] == "delete-replaced"
