"""Real edits of this repository's stacks, each with the review that a reader gets (tests/golden/preview)."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from tests.preview.changes import CHANGES, Change

from ebbtide.manifests.resource import to_json
from ebbtide.manifests.stack import stack_resources
from ebbtide.preview.change import StackChange
from ebbtide.preview.document import ReviewDocument
from ebbtide.preview.review import Review, review_change
from ebbtide.preview.review_markdown import review_markdown
from ebbtide.preview.sources.compare import compare
from ebbtide.settings.loading.loader import load_stack
from ebbtide.settings.models.stack import StackSettings

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "preview"


def edited(directory: Path, stack: str, patch: dict) -> StackSettings:
    """The repository's stack with an edit of its file."""
    shutil.copytree(ROOT / "stacks", directory / "stacks", dirs_exist_ok=True)
    shutil.copy(ROOT / "Pulumi.yaml", directory)
    file = directory / "stacks" / f"Pulumi.{stack}.yaml"
    content = yaml.safe_load(file.read_text())
    for key, value in patch.items():
        name = f"ebbtide:{key}"
        content["config"][name] = laid_over(content["config"].get(name), value)
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    return load_stack(stack, directory)


def laid_over(old, new):
    """An edit: keys are set one by one, and another kind replaces all of them."""
    if not isinstance(old, dict) or not isinstance(new, dict) or old.get("kind") != new.get("kind", old.get("kind")):
        return new
    return {**old, **{key: laid_over(old.get(key), value) for key, value in new.items()}}


def compared(change: Change, directory: Path) -> tuple[StackChange, StackSettings]:
    """One recorded change, from the in-process source, and the settings of its head."""
    base = edited(directory / "base", change.stack, change.base)
    head = edited(directory / "head", change.stack, change.head)
    old, new = ([to_json(resource) for resource in stack_resources(settings)] for settings in (base, head))
    changes, standing = compare(old, new)
    return StackChange(change.stack, "ebbtide", changes, len(standing), "recorded change", standing=standing), head


def review(change: Change, directory: Path) -> Review:
    """Its review."""
    return review_change(*compared(change, directory))


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_a_change_is_judged_as_a_reviewer_would(change, tmp_path, update_golden):
    found = review(change, tmp_path)
    assert (found.worst.value if found.worst else None) == change.level, found.verdict
    assert set(change.rules) <= {risk.rule for risk in found.risks}
    file = GOLDEN / f"{change.name.replace(' ', '-').replace(',', '')}.md"
    text = review_markdown(ReviewDocument.of(found))
    if update_golden:
        GOLDEN.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    assert file.read_text() == text, "read the new text as a reviewer would, then refresh with --update-golden"


def test_there_is_no_golden_file_without_its_change():
    names = {change.name.replace(" ", "-").replace(",", "") for change in CHANGES}
    assert {file.stem for file in GOLDEN.glob("*.md")} == names


def test_a_timeline_that_moves_shows_each_moment_before_and_after(tmp_path):
    """A moment with one side only reads as if it were new."""
    change = next(one for one in CHANGES if review(one, tmp_path / one.name).timelines)
    for timeline in review(change, tmp_path / "again").timelines:
        assert all(before and after for before, after, _ in timeline.rows())
