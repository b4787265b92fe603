"""Settings of several kinds: a family has a base, whose table says in which module each kind is.

A kind is imported, and its validator built, when a stack names it: what `ebbtide check` takes does not grow with the
number of kinds that there are. What reads the models (files and their errors, the JSON Schema, docs/settings.md) asks
the table, so a kind that was added from outside of this package is one like the others.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from typing import TYPE_CHECKING, Any, ClassVar, Self, get_args

from pydantic import ValidationInfo
from pydantic_core import CoreSchema, PydanticKnownError, core_schema
from typing_extensions import TypeIs

from ebbtide.settings.models.base import SettingsModel


class Kinds(Mapping[str, type[Any]]):
    """The kinds of a family by the name that a stack file gives them; the module of one is imported when it is asked
    for."""

    def __init__(self, **places: str) -> None:
        """`hpa="hpa.HpaSettings"`: the module in this room, and the model."""
        self._known: dict[str, str | type[Any]] = dict(places)

    def __getitem__(self, name: str) -> type[Any]:
        kind = self._known[name]
        if isinstance(kind, str):
            module, _, model = kind.partition(".")
            kind = self._known[name] = getattr(import_module(f"{__package__}.{module}"), model)
        return kind

    def __iter__(self) -> Iterator[str]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)

    def add(self, kind: type[SettingsModel]) -> None:
        """Know this kind too. Raises ValueError where it has no name of its own."""
        names = kind_names(kind)
        taken = next((name for name in names if name in self), None)
        if not names or taken is not None:
            got = f"{kind.__name__} has no field `kind`" if taken is None else f"{taken!r} is {self[taken].__name__}"
            raise ValueError(f"{got}; give it a literal of its own")
        self._known |= dict.fromkeys(names, kind)

    def forget(self, kind: type[SettingsModel]) -> None:
        """Know it no longer."""
        self._known = {name: known for name, known in self._known.items() if known is not kind}


class Family(SettingsModel):
    """What the base of a family is. Fields are annotated with the base, and hold one of its kinds."""

    kinds: ClassVar[Kinds]

    if TYPE_CHECKING:
        # A field of each kind.
        @property
        def kind(self) -> str:
            """The kind's name in a stack file."""

    @classmethod
    def read_value(cls, value: object, info: ValidationInfo) -> Self:
        if isinstance(value, cls):
            return value
        if not is_family(cls):
            return super().read_value(value, info)
        if not isinstance(value, Mapping):
            raise PydanticKnownError("model_attributes_type")
        if "kind" not in value:
            raise PydanticKnownError("union_tag_not_found", {"discriminator": "'kind'"})
        name = value["kind"]
        if not isinstance(name, str) or name not in cls.kinds:
            # Half of a character, as "\ud800" is to YAML, is no text that pydantic takes.
            tag = str(name).encode(errors="backslashreplace").decode()
            context = {"discriminator": "'kind'", "tag": tag, "expected_tags": ", ".join(cls.kinds)}
            raise PydanticKnownError("union_tag_invalid", context)
        kind: type[Self] = cls.kinds[name]
        return kind.read_value(value, info)

    @classmethod
    def whole_schema(cls) -> CoreSchema:
        """Of a family that of every kind of it."""
        if not is_family(cls):
            return super().whole_schema()
        return core_schema.tagged_union_schema({name: kind.whole_schema() for name, kind in cls.kinds.items()}, "kind")


def is_family(annotation: Any) -> TypeIs[type[Family]]:
    """Whether this is the base of a family, and not one of its kinds."""
    return isinstance(annotation, type) and issubclass(annotation, Family) and "kinds" in annotation.__dict__


def of_kind(setting: Family | None, kind: str) -> Any:
    """The setting if it is of this kind: for who asks about one kind, and would import it only to ask."""
    return setting if setting is not None and setting.kind == kind else None


def kind_names(member: Any) -> tuple[str, ...]:
    """What a model may be called in `kind`; nothing for what is no kind of anything."""
    is_model = isinstance(member, type) and issubclass(member, SettingsModel)
    field = member.model_fields.get("kind") if is_model else None
    return get_args(field.annotation) if field else ()


def add_kind(model: type[SettingsModel], field: str, kind: type[SettingsModel]) -> None:
    """Let this field be of this kind too: `add_kind(ConsumerSettings, "autoscaling", KedaScaling)`.

    To be called before settings are read. A kind has a field `kind` with a literal of its own, and answers what the
    others' common base asks. Raises ValueError for a field that is not of several kinds, and for a name that is taken.
    """
    kinds = _kinds_of(model, field)
    try:
        kinds.add(kind)
    except ValueError as error:
        raise ValueError(f"{model.__name__}.{field}: {error}") from None


def forget_kind(model: type[SettingsModel], field: str, kind: type[SettingsModel]) -> None:
    """Take a kind out again: for a test that has added one."""
    _kinds_of(model, field).forget(kind)


def _kinds_of(model: type[SettingsModel], field: str) -> Kinds:
    info = model.model_fields.get(field)
    annotation = info.annotation if info else None
    family = next((one for one in (annotation, *get_args(annotation)) if is_family(one)), None)
    if family is None:
        raise ValueError(f"{model.__name__}.{field} is not a setting of several kinds")
    return family.kinds
