"""`ebbtide doctor` as a user meets it: exit statuses and formats."""

from __future__ import annotations

import json

import jsonschema
import pytest
from tests.documents.schemas import schema

WRONG = "[supervisord]\nnodaemon=true\n[program:a]\ncommand=php artisan queue:work --timeout=60\nstopwaitsecs=5\n"
SLOW = WRONG.replace("stopwaitsecs=5", "stopwaitsecs=70\nstartsecs=0")


@pytest.fixture
def written(tmp_path):
    """`written(text)`: the path of a supervisord.conf."""

    def write(text: str) -> str:
        (tmp_path / "workers.conf").write_text(text)
        return str(tmp_path / "workers.conf")

    return write


@pytest.mark.parametrize(
    ("text", "options", "status"),
    [
        (WRONG, [], 1),
        (SLOW, [], 0),
        (SLOW, ["--strict"], 1),
        (WRONG, ["--fail-on", "loses"], 3),
        (SLOW, ["--fail-on", "loses"], 0),
        (SLOW, ["--fail-on", "delays"], 3),
        (WRONG, ["--fail-on", "never"], 2),
    ],
)
def test_the_exit_status_says_how_bad_it_is(ebbtide, written, text, options, status):
    done = ebbtide("doctor", written(text), *options)
    assert done.returncode == status, done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_what_is_not_judged_can_fail_a_job(ebbtide, written):
    assert ebbtide("doctor", written(WRONG), "--fail-on", "notJudged").returncode == 3


def test_json_fits_its_schema_and_names_the_line(ebbtide, written):
    path = written(WRONG)
    document = json.loads(ebbtide("doctor", path, "--format", "json").stdout)
    jsonschema.validate(document, schema("doctor"))
    (finding,) = document["findings"]
    assert (finding["rule"], finding["harm"], finding["level"], finding["file"], finding["line"]) == (
        "D-20", "loses", "error", path, 5
    )  # fmt: skip


def test_sarif_names_rule_level_file_and_line(ebbtide, written, tmp_path):
    out = tmp_path / "out.sarif"
    ebbtide("doctor", written(WRONG), "--format", "sarif", "--out", str(out))
    (run,) = json.loads(out.read_text())["runs"]
    (result,) = run["results"]
    region = result["locations"][0]["physicalLocation"]["region"]
    assert (result["ruleId"], result["level"], region) == ("D-20", "error", {"startLine": 5})
    assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == "D-20"
    assert run["invocations"][0]["toolExecutionNotifications"], "what is not judged must not look like a clean bill"


def test_markdown_takes_a_stranger_s_text_for_text(ebbtide, tmp_path):
    (tmp_path / "w.conf").write_text(WRONG.replace("program:a", "program:<img src=x>@team|worker"))
    text = ebbtide("doctor", str(tmp_path), "--format", "markdown").stdout
    assert "<img" not in text
    assert "@team" not in text
    assert "D-20" in text


def test_a_terminal_is_not_obeyed_from_a_file(ebbtide, tmp_path):
    (tmp_path / "w.conf").write_text(WRONG.replace("program:a", "program:\x1b[31mworker"))
    assert "\x1b" not in ebbtide("doctor", str(tmp_path)).stdout


def test_standard_input_is_read(ebbtide, tmp_path):
    import subprocess
    import sys

    text = "apiVersion: extensions/v1beta1\nkind: Deployment\nmetadata: {name: w}\n"
    done = subprocess.run(
        [sys.executable, "-m", "ebbtide", "doctor", "-"], input=text, capture_output=True, text=True, check=False
    )
    assert "D-61  <stdin>:1" in done.stdout


def test_what_only_doctor_needs_is_imported_by_it_alone(ebbtide):
    import subprocess
    import sys

    code = (
        "import sys, ebbtide, ebbtide.cli.main, ebbtide.cli.check\n"
        "print([name for name in sys.modules if 'tree_sitter' in name or 'doctor' in name])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
