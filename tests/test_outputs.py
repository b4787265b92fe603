"""What the documentation shows is what the commands print."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(
    "name",
    ["README.md", "docs/doctor.md", "docs/migrating.md", pytest.param("docs/capacity.md", marks=pytest.mark.slow)],
)
def test_a_reader_who_runs_a_command_sees_what_the_document_shows(name: str) -> None:
    specification = importlib.util.spec_from_file_location("outputs", ROOT / "scripts" / "outputs.py")
    assert specification is not None
    assert specification.loader is not None
    outputs = importlib.util.module_from_spec(specification)
    specification.loader.exec_module(outputs)
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "\n$ " in text, "there is no command in it"
    assert outputs.fill(text) == text, f"{name} is out of date: run scripts/generate-docs"
