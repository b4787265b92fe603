"""examples/whole-system on PostgreSQL: a password that nobody has seen, and that lies open nowhere."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest
from tests.engine.conftest import WholeSystemFactory
from tests.engine.project import Project, Run
from tests.engine.test_secrets import ENCRYPTED

pytestmark = pytest.mark.engine

TABLE = {"kind": "doctrine", "queue": "mail", "redeliverTimeout": "90s"}


@dataclass
class Life:
    """What each command did, and the passwords before and after a rotation."""

    up: Run
    second_up: Run
    shown: str
    resources: dict[str, dict[str, Any]]
    state: str
    passwords: tuple[str, str]
    rotation: Run
    after_rotation: Run
    state_after_rotation: str
    refused: Run
    destroy: Run
    left_over: object


@pytest.fixture(scope="module")
def life(whole_system: WholeSystemFactory) -> Life:
    """Lived once; the tests look at it."""
    project, cloud = whole_system()
    project.edit("ebbtide:broker", value={"kind": "cloudSqlPostgres"})
    project.edit("ebbtide:consumers", "mail", "transport", value=TABLE)
    lived: dict[str, Any] = {"up": project.up(), "second_up": project.up()}
    lived |= {"shown": project.run("stack", "output", "--json", check=True).output}
    lived |= {"resources": project.resources(), "state": project.state_text()}
    first = _password(project)
    project.edit("ebbtide:broker", "secret", value={"version": 2})
    lived |= {"rotation": project.up(), "after_rotation": project.up()}
    lived |= {"passwords": (first, _password(project)), "state_after_rotation": project.state_text()}
    lived["refused"] = project.destroy(check=False, previewed=True)
    project.edit("ebbtide:protect", value=False)
    project.edit("ebbtide:broker", "protect", value=False)
    project.up()
    lived |= {"destroy": project.destroy(), "left_over": cloud.names or project.resources()}
    return Life(**lived)


def _password(project: Project) -> str:
    """As whoever may decrypt the state can read it."""
    opened = json.loads(project.run("stack", "export", "--show-secrets", check=True).output)
    made = next(one for one in opened["deployment"]["resources"] if one["urn"].endswith("::broker-password"))
    found: str = json.loads(made["outputs"]["result"]["plaintext"])
    return found


def test_it_is_made_and_a_second_up_changes_nothing(life: Life) -> None:
    assert {"broker-password", "broker-instance", "broker-user", "broker-endpoint"} <= set(life.up.operations)
    assert life.up.is_before("broker-endpoint", "mail-deployment"), "pods start before they can reach the database"
    assert life.up.is_before("broker-user", "mail-deployment"), "pods start before they can log in"
    assert not life.second_up.operations
    assert set(life.second_up.summary) == {"same"}


def test_the_password_lies_nowhere_in_the_state(life: Life) -> None:
    first, second = life.passwords
    assert len(first) == len(second) == 32
    assert first not in life.state
    assert first not in life.state_after_rotation + life.shown
    assert second not in life.state_after_rotation
    assert "ebbtide-production-v1-dsn" in life.state, "the search would find a name"


def test_every_place_of_the_password_in_the_state_is_encrypted(life: Life) -> None:
    values = {
        "broker-password": ("outputs", "result"),
        "broker-user": ("inputs", "password"),
        "broker-secret-dsn-version": ("inputs", "secretData"),
        "broker-secret-password-version": ("outputs", "secretData"),
    }
    for name, (side, property_) in values.items():
        assert ENCRYPTED in life.resources[name][side][property_].values()


def test_nothing_that_was_printed_holds_the_password(life: Life) -> None:
    printed = life.up.output + life.rotation.output + json.dumps(life.up.events) + json.dumps(life.rotation.events)
    assert not [password for password in life.passwords if password in printed]


def test_a_rotation_makes_another_password_and_no_other_database(life: Life) -> None:
    first, second = life.passwords
    assert first != second
    assert life.rotation.operations["broker-user"] == "update"
    assert not {"broker-instance", "broker-database", "broker-endpoint"} & set(life.rotation.operations)
    assert life.rotation.is_before("broker-user", "mail-deployment"), "new pods have a password that is none yet"
    assert not life.after_rotation.operations


def test_a_destroy_is_refused_until_the_database_is_unprotected(life: Life) -> None:
    assert life.refused.status != 0
    # The first of the protected that would go: the database in the instance.
    assert any("broker-database" in message and "protect" in message for message in life.refused.errors)
    assert set(life.destroy.summary) == {"delete"}
    assert life.destroy.is_before("mail-deployment", "broker-instance")
    assert not life.left_over
