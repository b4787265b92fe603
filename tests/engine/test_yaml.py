"""A value in a stack file means the same to the engine and to our loader."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.engine.conftest import ProjectFactory

from ebbtide.judgement.findings import SettingsError
from ebbtide.settings.loading.yaml import parse_yaml

pytestmark = pytest.mark.engine

# PyYAML by itself reads the first three lines as booleans, numbers to the base of 60, and dates.
SCALARS = [
    *("on", "off", "yes", "no", "NO", "y", "n", "true", "True", "TRUE", "tRue", "~", "null", "Null", "nUll"),
    *("1:30", "12:30:45", "190:20:30", "1:30.5"),
    *("2026-01-02", "2026-01-02T03:04:05Z", "2026-1-2", "2026-01-02 03:04:05.5"),
    *("2026-01-02T03:04:05+02:00", "2026-01-02T03:04:05.250Z", "2026-01-02T03:04:05", "2026-13-01", "2026-02-30"),
    *("1e3", "1.5e3", "1E+2", "1e-7", "1e400", "1e5_0", ".5", "-.5", "+.5", "0.", "1.10", "1.0", "0.1"),
    *("0", "-0", "+1", "012", "0777", "09", "08.5", "0o14", "0o8", "0x1F", "0x", "-0x1F", "0b11", "0b2"),
    *("1_000", "1__0", "1_", "_1", "0_7", "1_0.5", "1.5_0", "9007199254740993", "12345678901234567890"),
    *('"on"', "'1'", '"\\u00e9"', "!!str 1", '!!int "3"', "=", "."),
    *("[on, 1, 1.5, ~]", "{x: {y: 1:30}}", "{1: x}", "{012: x}", "{1.0: x}", "{true: x}", "{on: x}", "{~: x}"),
    *("{2026-01-02: x}", "[012, 2026-01-02]"),
]
REFUSED = [".inf", "-.inf", ".nan", "{a: 1, a: 2}", "@x", "- 1"]


def test_every_scalar_is_read_as_the_engine_reads_it(offline_project: ProjectFactory) -> None:
    project = offline_project("local")
    table = "".join(f"    v{number}: {scalar}\n" for number, scalar in enumerate(SCALARS))
    project.stack_file.write_text(f"config:\n  ebbtide:table:\n{table}")
    engine = json.loads(_config(project)["ebbtide:table"]["value"])
    ours = parse_yaml(project.stack_file.read_text(), Path("stack"))["config"]["ebbtide:table"]
    different = {
        scalar: {"engine": engine[f"v{number}"], "ours": ours[f"v{number}"]}
        for number, scalar in enumerate(SCALARS)
        if not _same(engine[f"v{number}"], ours[f"v{number}"])
    }
    assert not different, "`ebbtide check` and `pulumi up` see different settings"


@pytest.mark.parametrize("text", REFUSED)
def test_what_the_engine_refuses_is_refused_here(offline_project: ProjectFactory, text: str) -> None:
    project = offline_project("local")
    project.stack_file.write_text(f"config:\n  ebbtide:table: {{v: {text}}}\n")
    assert project.run("config", "--json", "--stack", "local").status != 0, "the engine takes it after all"
    with pytest.raises(SettingsError):
        parse_yaml(project.stack_file.read_text(), Path("stack"))


def _config(project: object) -> dict[str, dict[str, str]]:
    run = project.run("config", "--json", "--stack", "local", check=True)  # type: ignore[attr-defined]
    read: dict[str, dict[str, str]] = json.loads(run.output)
    return read


def _same(engine: object, ours: object) -> bool:
    if isinstance(engine, bool) or isinstance(ours, bool):
        return engine is ours
    if isinstance(engine, int | float) and isinstance(ours, int | float):
        # JSON has one kind of number, and no more digits than a float.
        return float(engine) == float(ours)
    return engine == ours
