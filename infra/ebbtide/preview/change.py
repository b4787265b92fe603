"""A change of a stack: what is created, updated, replaced and deleted. It knows nothing of where it was read from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from typing import Any

from ebbtide.judgement.secrets import MASK
from ebbtide.manifests.resource import kind_of


class Operation(StrEnum):
    """What happens to a resource."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    DELETE = "delete"


GONE = (Operation.DELETE, Operation.REPLACE)
"""What takes away that which was there, for good or until a new one is made."""

Path = tuple[str | int, ...]


class _Missing:
    """Stands for a value that is not there, which is not the same as null."""

    def __repr__(self) -> str:
        return "(none)"

    def __bool__(self) -> bool:
        return False


MISSING = _Missing()
SECRET_SIGNATURE = "4dabf18193072939515e22adb298388d"  # noqa: S105
"""How the engine marks a special value in a state, a secret among them."""
SECRET = MASK
"""What stands for a secret value, in Pulumi's plans as well."""


class _Unknown:
    """Stands for a value that the engine knows only when it has made what the value comes from."""

    def __repr__(self) -> str:
        return "known after the update"

    def __bool__(self) -> bool:
        return False


UNKNOWN = _Unknown()


def deployed_name(inputs: Mapping[str, Any]) -> str | None:
    """What a resource with these inputs is called where it is deployed, rather than in the program; None where the
    provider makes up a name, or the engine does not know it yet."""
    metadata = mapping(inputs.get("metadata"))
    names = (
        metadata.get("name"),
        *(inputs.get(key) for key in ("name", "repositoryId", "instanceId", "accountId", "role", "secretId")),
    )
    return next((name for name in names if isinstance(name, str)), None)


@dataclass(frozen=True, slots=True)
class PropertyChange:
    """One property, before and after. A secret is `[secret]` on both sides: that it changed is all there is to know."""

    path: Path
    old: Any
    new: Any
    replaces: bool = False
    """Whether this property cannot change in place."""

    def leaves(self) -> Iterator[Leaf]:
        """Every value of both sides; where neither is told, that it changes at all."""
        if self.old is self.new is MISSING:
            yield Leaf(self.path, MISSING)
        yield from leaves(self.old, self.path)
        yield from leaves(self.new, self.path)


@dataclass(frozen=True, slots=True)
class OptionChange:
    """An option of the program's, before and after: `protect`, `ignoreChanges`."""

    name: str
    old: Any
    new: Any


@dataclass(frozen=True)
class ResourceChange:
    """One resource that does not stay as it is."""

    token: str
    name: str
    operation: Operation
    old: Mapping[str, Any] = field(default_factory=dict)
    """Inputs before; empty for a creation."""
    new: Mapping[str, Any] = field(default_factory=dict)
    """Inputs after; empty for a deletion."""
    properties: tuple[PropertyChange, ...] = ()
    options: tuple[OptionChange, ...] = ()
    ignored: tuple[str, ...] = ()
    """Paths that the program leaves alone after the change, where the source tells."""
    is_retained: bool = False
    """Whether what is there stays when the engine lets go of it (`retainOnDelete`)."""
    deletes_before: bool | None = None
    """Of a replacement: whether the old one goes before the new one comes; None where the source does not say."""
    through: str = ""
    """The provider that makes it, which is the cluster that it is in; empty where the source does not say."""
    moves: bool = False
    """Whether another provider made it before."""
    is_forced: bool = False
    """Whether the engine replaces it by itself and asks no provider: `--target-replace`, a taint, `replaceWith`, a
    trigger, `replaceOnChanges`."""

    @property
    def key(self) -> str:
        """Type and logical name."""
        return f"{self.token}::{self.name}"

    @property
    def kind(self) -> str:
        """`kubernetes:apps/v1:Deployment` -> `Deployment`."""
        return kind_of(self.token)

    @property
    def is_let_go(self) -> bool:
        """Whether only the engine forgets it, and it stays where it is."""
        return self.is_retained and self.operation is Operation.DELETE

    @property
    def package(self) -> str:
        """`kubernetes:apps/v1:Deployment` -> `kubernetes`."""
        return self.token.partition(":")[0]

    @property
    def title(self) -> str:
        """What it is called where it is deployed."""
        return deployed_name(self.new or self.old) or self.name

    @cached_property
    def unknown(self) -> tuple[Path, ...]:
        """Where a value is known only after the update. Every rule that reads asks."""
        return tuple(leaf.path for side in (self.old, self.new) for leaf in leaves(side) if not leaf.is_known)

    def touches(self, *prefix: str | int) -> bool:
        """Whether a property at or below, or above, this path changes."""
        return any(change.path[: len(prefix)] == prefix[: len(change.path)] for change in self.properties)


@dataclass(frozen=True, slots=True)
class StackChange:
    """All changes of one stack."""

    stack: str
    project: str
    changes: tuple[ResourceChange, ...]
    unchanged: int
    """How many resources stay as they are; -1 where the source does not say."""
    source: str
    """In words: what was compared with what."""
    incomplete: str = ""
    """Why the source ended before its end; empty when it did not."""
    notes: tuple[str, ...] = ()
    """What a reader must know about the comparison itself."""
    unknown_base: str = ""
    """Why nobody knows what there was before, so that all is shown as new; empty where it is known."""
    standing: tuple[ResourceChange, ...] = ()
    """What stays as it is, where the source tells; each with its inputs on both sides and no changed property."""
    hidden: int = 0
    """How many resources stay as they are that the source counts, and does not show."""
    accepted: Mapping[tuple[str, str], str] | None = None
    """The reasons with which the settings accepted findings before, by consumer and rule; None where the source does
    not tell."""


def is_moved(before: str, after: str) -> bool:
    """Whether another provider makes a resource than before; the engine replaces it then."""
    return bool(before and after) and before != after


def mapping(value: Any) -> Mapping[str, Any]:
    """A mapping, or an empty one where a plan holds something else."""
    return value if isinstance(value, Mapping) else {}


def mapping_at(document: Any, *path: str) -> Mapping[str, Any]:
    """The mapping at a path, or an empty one."""
    for part in path:
        document = mapping(document).get(part)
    return mapping(document)


def text_of(value: Any) -> str:
    """A text, or an empty one where a plan holds something else."""
    return value if isinstance(value, str) else ""


def entries(value: Any) -> list[Mapping[str, Any]]:
    """The mappings in a list, or none where a plan holds something else."""
    return [entry for entry in value if isinstance(entry, Mapping)] if isinstance(value, list) else []


def diff(old: Any, new: Any, path: Path = ()) -> Iterator[PropertyChange]:
    """The properties in which two values differ. The one place where lists are compared: entries that have names of
    their own by their name, others by their place; a list that is longer or shorter is one change."""
    if old is UNKNOWN or new is UNKNOWN:
        yield PropertyChange(path, old, new)
    elif old == new:
        return
    elif isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in sorted(old.keys() | new.keys()):
            yield from diff(old.get(key, MISSING), new.get(key, MISSING), (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        yield from _diff_lists(old, new, path)
    else:
        yield PropertyChange(path, old, new)


def _diff_lists(old: list[Any], new: list[Any], path: Path) -> Iterator[PropertyChange]:
    before, after = by_name(old), by_name(new)
    if before is not None and after is not None:
        changed = [change for key in dict.fromkeys([*before, *after]) for change in _named(before, after, key, path)]
        # Only the order differs: of variables it can matter, so it is said.
        yield from changed or [PropertyChange(path, old, new)]
    elif len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from diff(one, other, (*path, index))
    else:
        yield PropertyChange(path, old, new)


def _named(before: dict[str, Any], after: dict[str, Any], key: str, path: Path) -> Iterator[PropertyChange]:
    return diff(before.get(key, MISSING), after.get(key, MISSING), (*path, key))


def by_name(entries: list[Any]) -> dict[str, Any] | None:
    """The entries by their unique `name`, or None."""
    names = [entry.get("name") if isinstance(entry, Mapping) else None for entry in entries]
    if not all(isinstance(name, str) for name in names) or len(set(names)) != len(names):
        return None
    return {str(name): entry for name, entry in zip(names, entries, strict=True)}


@dataclass(frozen=True, slots=True)
class Leaf:
    """One value inside of a property: where it is, and whether it is known."""

    path: Path
    value: Any

    @property
    def is_known(self) -> bool:
        """Whether the engine knows it already."""
        return self.value is not UNKNOWN


def leaves(value: Any, path: Path = ()) -> Iterator[Leaf]:
    """Every value inside of a property that comes or goes as a whole; an empty mapping or list is one itself."""
    if isinstance(value, Mapping) and value:
        for key, entry in value.items():
            yield from leaves(entry, (*path, str(key)))
    elif isinstance(value, list) and value:
        named = by_name(value)
        for key, entry in named.items() if named is not None else enumerate(value):
            yield from leaves(entry, (*path, key))
    elif value is not MISSING:
        yield Leaf(path, value)
