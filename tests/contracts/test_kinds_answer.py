"""Behaviour that depends on the kind of a setting is the kind's own: nobody else asks which one it is."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KINDS_OF_AUTOSCALING = {"FixedReplicas", "Singleton", "HpaSettings", "KedaSettings"}


def asked_for_by_name(source: str) -> list[int]:
    """The lines that ask whether a value is of one kind of autoscaling: isinstance, a match, or its `kind`."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in {"isinstance", "issubclass"}
        ):
            names = {name.id for name in ast.walk(node.args[1]) if isinstance(name, ast.Name)}
        elif isinstance(node, ast.MatchClass):
            names = {name.id for name in ast.walk(node.cls) if isinstance(name, ast.Name)}
        elif isinstance(node, ast.Compare):
            parts = (node.left, *node.comparators)
            of_scaling = any(
                isinstance(part, ast.Attribute) and ast.unparse(part).endswith("scaling.kind") for part in parts
            )
            names = KINDS_OF_AUTOSCALING if of_scaling else set()
        else:
            continue
        if names & KINDS_OF_AUTOSCALING:
            found.append(node.lineno)
    return found


def test_nobody_asks_which_kind_of_autoscaling_it_is():
    """They register with a function that is asked instead; the family's own module may know its members."""
    models = ROOT / "infra" / "ebbtide" / "settings" / "models"
    own = {models / "autoscaling.py", models / "keda.py"}
    files = [file for file in (ROOT / "infra" / "ebbtide").rglob("*.py") if file not in own]
    assert len(files) > 100
    asking = {str(file.relative_to(ROOT)): lines for file in files if (lines := asked_for_by_name(file.read_text()))}
    assert asking == {}


@pytest.mark.parametrize(
    "source",
    [
        "isinstance(scaling, HpaSettings | FixedReplicas)",
        "isinstance(scaling, (Other, HpaSettings))",
        "match scaling:\n case HpaSettings(): pass",
        "consumer.autoscaling.kind == 'hpa'",
    ],
)
def test_asking_is_found(source):
    assert asked_for_by_name(source)
