"""The manifests of each stack as a reviewer reads them. `pytest --update-golden` writes them anew."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ebbtide.manifests.kubernetes import stack_manifests
from ebbtide.settings.loading.loader import load_stack
from ebbtide.settings.loading.project import stack_names

ROOT = Path(__file__).parents[3]
GOLDEN = ROOT / "tests" / "golden" / "manifests"


@pytest.mark.parametrize("stack", stack_names(ROOT))
def test_what_a_stack_deploys_changes_only_where_a_reviewer_can_see_it(stack: str, update_golden: bool) -> None:
    rendered = yaml.safe_dump_all(stack_manifests(load_stack(stack, ROOT)), sort_keys=False, width=120)
    golden = GOLDEN / f"{stack}.yaml"
    if update_golden:
        golden.write_text(rendered)
    assert golden.read_text() == rendered, "run `pytest --update-golden` and commit the difference, if it is meant"


def test_no_golden_file_is_left_of_a_stack_that_is_gone() -> None:
    assert sorted(file.stem for file in GOLDEN.iterdir()) == stack_names(ROOT)
