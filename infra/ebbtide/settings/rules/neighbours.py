"""Rule G-08: what the stacks of a project would make under one name in one Google Cloud project."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from ebbtide.judgement.findings import Finding, Level, Path
from ebbtide.judgement.rule import rule, rules_on, run_rules
from ebbtide.settings.models.brokered import broker_name, cluster_name, made_broker
from ebbtide.settings.models.stack import StackSettings, is_gke


@dataclass(frozen=True, slots=True)
class Neighbours:
    """A stack among the others of its project."""

    stack: StackSettings
    others: tuple[StackSettings, ...]


class Named(NamedTuple):
    """Something that a stack makes in Google Cloud."""

    what: str
    project: str
    region: str
    """Empty where a name is one of the whole project."""
    name: str


@rule(
    "G-08",
    Level.ERROR,
    subject=Neighbours,
    judges="settings",
    remedy="Leave the name out where stacks share a project: it then has the stack's name in it.",
    source="Google Cloud: networks, secrets and databases have one name in a project, repositories one in a region.",
)
def check_names_are_of_one_stack(seen: Neighbours) -> Iterator[Finding]:
    """What a stack makes in Google Cloud no other stack of the project makes under the same name. Google refuses the
    second one, of a broker's secrets when cluster and broker are there. Only `ebbtide check` without `--stack` sees
    more than one stack."""
    taken: dict[Named, list[str]] = {}
    for other in seen.others:
        for named in _named(other):
            taken.setdefault(named, []).append(other.name)
    for named, path in _named(seen.stack).items():
        if named in taken:
            yield Finding(
                path,
                f"makes {named.what} called {named.name} in {named.project}, and so does stack "
                f"{', '.join(taken[named])}",
                "give each its own name, or leave it out where it is made of the stack's",
            )


def check_neighbours(stacks: Iterable[StackSettings]) -> dict[str, list[Finding]]:
    """What each stack has in common with another, by the stack's name; nothing for most."""
    every = tuple(stacks)
    found = {}
    for stack in every:
        others = tuple(other for other in every if other is not stack)
        found[stack.name] = run_rules(rules_on(Neighbours), Neighbours(stack, others))
    return found


def _named(stack: StackSettings) -> Mapping[Named, Path]:
    """What it makes, with the setting that says how it is called."""
    if stack.google is None:
        return {}
    project, region, found = stack.google.project, stack.google.region, dict[Named, Path]()
    if is_gke(stack.cluster):
        found[Named("a cluster and its network", project, "", cluster_name(stack, stack.cluster))] = ("cluster", "name")
    broker = made_broker(stack)
    if broker is not None:
        # Its secrets are named after it, whatever region it is in.
        found[Named("a broker and its secrets", project, "", broker_name(stack, broker))] = ("broker", "name")
    if stack.image_repository is not None:
        named = Named("an image repository", project, region, stack.image_repository.name)
        found[named] = ("imageRepository", "name")
    return found
