"""What somebody reads whose settings are wrong: one clean diagnostic, before anything is touched."""

from __future__ import annotations

import pytest
from tests.engine.conftest import ProjectFactory

from ebbtide.judgement.findings import SettingsError
from ebbtide.settings.loading.loader import load_stack

pytestmark = pytest.mark.engine


def test_a_settings_error_under_up_is_one_diagnostic_that_says_what_check_says(
    offline_project: ProjectFactory,
) -> None:
    project = offline_project("local")
    project.edit_consumer("shutdown", "longestMessage", value="20 parsecs")
    project.edit_consumer("autoscaling", "maxReplicas", value=0)
    up = project.up(check=False)
    with pytest.raises(SettingsError) as error:
        load_stack("local", project.directory)
    assert up.status != 0
    assert [message for message in up.errors if "longestMessage" in message] == [str(error.value).strip()], (
        "under `pulumi up` the same mistake has other words, or several"
    )
    assert len(up.errors) == 1
    assert "Traceback" not in up.output
    assert not up.operations.keys() - {"ebbtide-local"}, "something was touched before the settings were read"
    assert set(project.resources()) <= {"ebbtide-local"}


def test_an_encrypted_setting_is_refused_with_its_remedy(offline_project: ProjectFactory) -> None:
    project = offline_project("local")
    project.run("config", "set", "--secret", "ebbtide:namespace", "hidden", "--stack", "local", check=True)
    up = project.up(check=False)
    assert up.status != 0
    assert len(up.errors) == 1
    assert "secretEnvironment" in up.errors[0]
    assert "Traceback" not in up.output


def test_an_error_of_the_program_itself_keeps_its_traceback(offline_project: ProjectFactory) -> None:
    """The counterpart: a defect of ours must not be hidden as if it were the user's."""
    project = offline_project("local")
    project.replace_in("infra/__main__.py", "run(Path", "1 / 0\nrun(Path")
    up = project.up(check=False)
    assert any("ZeroDivisionError" in message and "Traceback" in message for message in up.errors)


def test_a_string_where_a_mapping_belongs_is_refused_in_both_ways_of_running(offline_project: ProjectFactory) -> None:
    """Pulumi.yaml types the key, so the engine says it before the program runs."""
    project = offline_project("local")
    project.edit("ebbtide:consumers", value="githubevents")
    up = project.up(check=False)
    assert up.status != 0
    assert "Traceback" not in up.output
    assert "consumers" in up.output
    assert "object" in up.output
    with pytest.raises(SettingsError, match="consumers"):
        load_stack("local", project.directory)
