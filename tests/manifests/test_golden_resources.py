"""What a stack deploys besides Kubernetes objects, as a reviewer reads it. `pytest --update-golden` writes it anew."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ebbtide.manifests.resource import Resource, to_json
from ebbtide.manifests.stack import stack_resources
from ebbtide.settings.loading.loader import load_stack
from ebbtide.settings.loading.project import stack_names

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden" / "resources"
URNS = ROOT / "tests" / "golden" / "urns.txt"


def urns(stack: str) -> dict[str, tuple[str, ...]]:
    """Every URN of a stack without its project, and the names the resource had before."""
    resources = {resource.key: resource for resource in stack_resources(load_stack(stack, ROOT))}

    def types(resource: Resource) -> str:
        above = f"{types(resources[resource.parent])}$" if resource.parent else ""
        return above + resource.token

    return {
        f"{stack}::{types(resource)}::{resource.name}": tuple(
            f"{stack}::{types(resource)}::{alias}" for alias in resource.aliases
        )
        for resource in resources.values()
    }


@pytest.mark.parametrize("stack", stack_names(ROOT))
def test_what_a_stack_deploys_changes_only_where_a_reviewer_can_see_it(stack: str, update_golden: bool) -> None:
    others = [to_json(r) for r in stack_resources(load_stack(stack, ROOT)) if not r.token.startswith("kubernetes:")]
    rendered = yaml.safe_dump_all(others, sort_keys=False, width=120)
    golden = GOLDEN / f"{stack}.yaml"
    if update_golden:
        golden.write_text(rendered)
    assert golden.read_text() == rendered, "run `pytest --update-golden` and commit the difference, if it is meant"


def test_no_resource_is_made_anew_because_it_was_renamed(update_golden: bool) -> None:
    current = {urn: aliases for stack in stack_names(ROOT) for urn, aliases in urns(stack).items()}
    known = {*current, *(alias for aliases in current.values() for alias in aliases)}
    if update_golden:
        # Only added to: a URN that once was deployed stays in the list for as long as somebody may have it.
        released = set(URNS.read_text().splitlines()) if URNS.exists() else set()
        URNS.write_text("\n".join(sorted(released | set(current))) + "\n")
    lost = [urn for urn in URNS.read_text().splitlines() if urn not in known]
    assert lost == [], (
        "an upgrade would delete and make anew what runs; give the renamed resource its former name in aliases"
    )
    assert set(current) <= set(URNS.read_text().splitlines()), "run `pytest --update-golden`: there are new resources"
