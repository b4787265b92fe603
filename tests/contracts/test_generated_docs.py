"""What is generated from the code is current: a reader of docs/ reads what the code does."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, ValidationError

from ebbtide.observability.reference import with_lists
from ebbtide.package.host import schema_text
from ebbtide.preview.reference import with_rules
from ebbtide.rulebook import rules_page
from ebbtide.scaffold.files import template_texts
from ebbtide.schemas import SCHEMA_FILES
from ebbtide.settings.loading.project import stack_names
from ebbtide.settings.loading.yaml import read_yaml
from ebbtide.settings.reference.pages import settings_reference
from ebbtide.settings.reference.schema import stack_file_schema, stack_file_schema_text

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("name", "current"),
    [
        ("docs/settings.md", settings_reference),
        ("docs/rules.md", rules_page),
        ("docs/stack.schema.json", stack_file_schema_text),
        ("docs/preview.md", lambda: with_rules((ROOT / "docs/preview.md").read_text())),
        ("docs/observability.md", lambda: with_lists((ROOT / "docs/observability.md").read_text())),
        ("plugin/schema.json", schema_text),
        *((f"templates/consumers/{name}", lambda text=text: text) for name, text in template_texts().items()),
        *((f"docs/{name}", text) for name, text in SCHEMA_FILES.items()),
    ],
)
def test_a_generated_document_is_current(name, current):
    assert (ROOT / name).read_text() == current(), "run scripts/generate-docs"


def test_every_setting_is_described():
    lines = [line for line in settings_reference().splitlines() if line.startswith("- **`")]
    assert len(lines) > 100
    assert [line for line in lines if line.endswith("):")] == []


@cache
def editor() -> Draft202012Validator:
    """What marks faults in a stack's file; 1.4 s of a processor."""
    schema = stack_file_schema()
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


@pytest.mark.slow
@pytest.mark.parametrize("stack", stack_names(ROOT))
def test_an_editor_accepts_the_stacks_of_this_repository(stack):
    file = ROOT / "stacks" / f"Pulumi.{stack}.yaml"
    editor().validate(read_yaml(file, file))


def test_an_editor_marks_a_misspelt_key():
    with pytest.raises(ValidationError):
        editor().validate({"config": {"ebbtide:consumers": {"a": {"imgae": "x"}}}})
