"""Whatever a command prints as JSON fits the schema that is committed for it, and is named as the schema says."""

from __future__ import annotations

import json
import re

import jsonschema
import pytest
from tests.cli.conftest import ROOT
from tests.commands import run_here
from tests.documents.schemas import DOCS, schema

from ebbtide.documents.document import to_json
from ebbtide.explain.timeline import Moment
from ebbtide.schemas import DOCUMENTS, SCHEMA_FILES
from ebbtide.settings.loading.project import stack_names

STACKS = stack_names(ROOT)
SWEEP = ["simulate", "-s", "production", "--sweep", "maxReplicas=5..6", "--goal", "p95 < 60s"]
BY_STACK = [["dashboard"], ["render", "--resources"]]
# Seconds each, for the days that they simulate: one stack in every run.
WITH_LOADS = [["explain"], ["preview"], ["preview", "--base", "HEAD"]]
PLAN = "tests/engine/plans/local-settings.json"
COMMANDS = [
    ["check"],
    ["doctor", "consumer"],
    ["rules"],
    ["rules", "V-21"],
    *([*command, "-s", stack] for command in BY_STACK for stack in STACKS),
    *([*command, "-s", "production"] for command in WITH_LOADS),
]
SLOW_COMMANDS = [
    ["simulate", "-s", "production", "--set", "maxReplicas=9", "--why", "01:00"],
    SWEEP,
    ["advise", "-s", "dev", "--goal", "p95 < 120s", "--seeds", "1"],
    *([*command, "-s", stack] for command in WITH_LOADS for stack in STACKS if stack != "production"),
    ["preview", "-s", "local", "--plan", PLAN],
]


def printed(*arguments: str):
    """The document that a command prints."""
    done = run_here(*arguments, "--format", "json", cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.parametrize(
    "command", [*COMMANDS, *(pytest.param(slow, marks=pytest.mark.slow) for slow in SLOW_COMMANDS)], ids=" ".join
)
def test_what_a_command_prints_fits_its_schema(command):
    jsonschema.validate(printed(*command), schema(command[0]))


def test_every_command_that_prints_a_document_is_held_against_its_schema():
    rehearsed = {"rehearse"}  # needs a cluster: tests/rehearsal/test_result.py holds it
    held = {command[0] for command in (*COMMANDS, *SLOW_COMMANDS)}
    assert {command.split()[0] for command in DOCUMENTS} - rehearsed == held


def named(schema):
    """Every property that a schema names."""
    if isinstance(schema, list):
        for entry in schema:
            yield from named(entry)
    elif isinstance(schema, dict):
        properties = schema.get("properties", {})
        yield from properties
        for entry in [*properties.values(), *(value for key, value in schema.items() if key != "properties")]:
            yield from named(entry)


@pytest.mark.parametrize("name", SCHEMA_FILES)
def test_every_key_is_in_camel_case(name):
    keys = set(named(json.loads((DOCS / name).read_text())))
    assert keys
    assert [key for key in keys if not re.fullmatch("[a-z][A-Za-z0-9]*", key)] == []


@pytest.mark.parametrize("command", DOCUMENTS)
def test_every_document_has_a_version_and_says_all_that_it_may_hold(command):
    full = schema(command.split()[0])
    for part in full.get("oneOf", [full]):
        document = full["$defs"][part["$ref"].rpartition("/")[2]] if "$ref" in part else part
        assert "const" in document["properties"]["version"]
        assert "version" in document["required"]
        assert document["additionalProperties"] is False


def test_what_does_not_fit_fails_here_and_is_printed_to_a_user_all_the_same():
    broken = Moment("soon", "the end")
    assert json.loads(to_json(broken)) == {"seconds": "soon", "what": "the end", "kind": "budget"}
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(json.loads(to_json(broken)), {"$ref": "#/$defs/Moment", **schema("explain")})
