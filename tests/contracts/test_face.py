"""What a program of one's own imports is one name away, complete, and costs nothing until it is used."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import ebbtide

ROOT = Path(__file__).parents[2]
PROGRAMS = [
    *ROOT.glob("examples/*/__main__.py"),
    *ROOT.glob("examples/*/infra/__main__.py"),
    ROOT / "infra" / "__main__.py",
]


def face() -> dict[str, str]:
    """Every public name with its module and its name there, as type checkers read it."""
    tree = ast.parse((ROOT / "infra" / "ebbtide" / "__init__.py").read_text(encoding="utf-8"))
    typed = next(node for node in tree.body if isinstance(node, ast.If))
    return {
        alias.asname or alias.name: f"{node.module}.{alias.name}"
        for node in typed.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }


def test_type_checkers_and_programs_see_the_same_names():
    assert sorted(["__version__", *face()]) == sorted(ebbtide.__all__)
    assert set(ebbtide.__all__) <= set(dir(ebbtide))


@pytest.mark.parametrize(("name", "where"), face().items())
def test_every_public_name_is_what_its_type_says(name, where):
    module, _, called = where.rpartition(".")
    assert getattr(ebbtide, name) is getattr(sys.modules[module], called)


def test_a_name_that_is_not_public_is_no_attribute():
    with pytest.raises(AttributeError, match="'ConsumerAutoscaler'"):
        _ = ebbtide.ConsumerAutoscaler


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda path: str(path.relative_to(ROOT)))
def test_examples_import_only_what_is_public(program):
    tree = ast.parse(program.read_text(encoding="utf-8"))
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom | ast.Import)]
    modules = {node.module for node in imports if isinstance(node, ast.ImportFrom)}
    assert {module for module in modules if module and module.startswith("ebbtide.")} == set()
    assert "ebbtide" in modules


def test_importing_the_package_imports_none_of_its_rooms():
    code = "import ebbtide, sys; print(*sorted(one for one in sys.modules if one.startswith(('ebbtide', 'pydantic'))))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT / "infra")
    assert done.stdout.split() == ["ebbtide", "ebbtide.version"]


def test_settings_are_loaded_and_checked_without_pulumi():
    code = (
        "import ebbtide, sys, pathlib;"
        "print(len(ebbtide.check(ebbtide.load_stack('dev', pathlib.Path('..')))), 'pulumi' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT / "infra")
    count, imported = done.stdout.split()
    assert int(count) > 0
    assert imported == "False"


def test_a_load_is_simulated_from_python():
    stack = ebbtide.load_stack("dev", ROOT)
    summary = ebbtide.simulate(stack, "githubevents", ROOT / "loads" / "githubevents.yaml")
    assert summary.messages > 1000
    with pytest.raises(ebbtide.SettingsError, match="use one of githubevents"):
        ebbtide.simulate(stack, "mail", ROOT / "loads" / "githubevents.yaml")
