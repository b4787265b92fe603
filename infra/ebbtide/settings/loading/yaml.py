"""YAML as the Pulumi engine reads it.

The engine is Go and reads YAML 1.2's booleans with YAML 1.1's numbers; PyYAML by itself reads `on`, `NO` and
`1:30` as True, False and 90. A setting must mean the same in `ebbtide check` and under `pulumi up`; tests/engine
holds this reader against the real engine, value by value.
"""

from __future__ import annotations

import datetime as dt
import math
import re
from collections.abc import Hashable
from pathlib import Path
from typing import Any

import yaml

from ebbtide.judgement.findings import SettingsError, refused

# The C parser is 8 times faster; it is missing only where PyYAML was built without libyaml.
YAML_READER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

_INT = re.compile(r"[-+]?(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+|[0-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9_]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
# A date alone, with `T` and a time zone, or with a space and none.
_TIME = re.compile(
    r"(?P<date>[0-9]{4}-[0-9]{1,2}-[0-9]{1,2})"
    r"((?P<zoned>[Tt])?(?(zoned)| )(?P<time>[0-9]{1,2}:[0-9]{1,2}:[0-9]{1,2})(\.(?P<fraction>[0-9]{1,9}))?"
    r"(?(zoned)(?P<zone>Z|[-+][0-9]{2}:[0-9]{2})))?"
)
# Five hundred consumers are 30,000 values.
_MOST_VALUES = 1_000_000


class _EngineLoader(YAML_READER):  # type: ignore[misc]
    yaml_implicit_resolvers: dict[str, Any] = {}

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:  # noqa: FBT001, FBT002
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if not isinstance(key, Hashable):
                problem = "a mapping or a list is no key; text that begins with a brace or a bracket goes into quotes"
                raise yaml.constructor.ConstructorError(None, None, problem, key_node.start_mark)
            if key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"{key!r} stands here a second time", key_node.start_mark
                )
            seen.add(key)
        mapping: dict[Hashable, Any] = super().construct_mapping(node, deep=deep)
        return {_text_key(key): value for key, value in mapping.items()}

    def construct_yaml_map(self, node: yaml.MappingNode) -> Any:
        data: dict[Hashable, Any] = {}
        yield data
        # Deep, so that the keys become text and duplicates are found at every level.
        data.update(self.construct_mapping(node, deep=True))

    def construct_number(self, node: yaml.ScalarNode) -> int | float | str:
        """As Go's reader has it: what looks like a number and is none (`0x_`), or too large for one, is text."""
        written = str(self.construct_scalar(node))
        text = written.replace("_", "")
        if text.lstrip("-+").lower() in {".inf", ".nan"}:
            # The engine cannot hand these on: JSON has no word for them.
            problem = f"{text} is no number that a setting can be"
            raise yaml.constructor.ConstructorError(None, None, problem, node.start_mark)
        try:
            return _number(text)
        except (ValueError, OverflowError):
            return written

    def construct_time(self, node: yaml.ScalarNode) -> str:
        """As Go prints a time: `2026-01-02 00:00:00 +0000 UTC`. Whoever means the text puts it in quotes."""
        text = str(self.construct_scalar(node))
        found = _TIME.fullmatch(text)
        if found is None:
            return text
        try:
            at = dt.datetime.strptime(f"{found['date']} {found['time'] or '0:0:0'}Z", "%Y-%m-%d %H:%M:%S%z")
        except ValueError:
            # The 30th of February is a text.
            return text
        fraction = (found["fraction"] or "").rstrip("0")
        zone = (found["zone"] or "Z").replace(":", "")
        shown_zone = "+0000 UTC" if zone == "Z" else f"{zone} {zone}"
        return f"{at:%Y-%m-%d %H:%M:%S}{'.' if fraction else ''}{fraction} {shown_zone}"


def _number(text: str) -> int | float:
    """Raises ValueError or OverflowError for what is none."""
    sign, digits = (-1, text[1:]) if text.startswith("-") else (1, text.lstrip("+"))
    for prefix, base in (("0b", 2), ("0o", 8), ("0x", 16)):
        if digits.startswith(prefix):
            return sign * _of_64_bits(int(digits[2:], base))
    if re.fullmatch(r"0[0-7]+", digits):
        return sign * _of_64_bits(int(digits, 8))
    number = float(text)
    if math.isinf(number):
        raise OverflowError(text)
    if re.fullmatch(r"[0-9]+", digits):
        return sign * int(digits)
    # The engine hands values on as JSON, where 1e3 is 1000.
    return int(number) if number.is_integer() else number


def _of_64_bits(whole: int) -> int:
    if whole >= 2**64:
        raise OverflowError(whole)
    return whole


def _text_key(key: Hashable) -> str:
    if isinstance(key, bool):
        return str(key).lower()
    return "<nil>" if key is None else str(key)


_EngineLoader.add_implicit_resolver(
    "tag:yaml.org,2002:bool", re.compile(r"(true|True|TRUE|false|False|FALSE)$"), list("tTfF")
)
_EngineLoader.add_implicit_resolver("tag:yaml.org,2002:null", re.compile(r"(~|null|Null|NULL|)$"), ["~", "n", "N", ""])
_EngineLoader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(f"({_INT.pattern})$"), list("-+0123456789"))
_EngineLoader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(f"({_FLOAT.pattern})$"), list("-+0123456789.")
)
_EngineLoader.add_implicit_resolver(
    "tag:yaml.org,2002:timestamp", re.compile(f"({_TIME.pattern})$"), list("0123456789")
)
_EngineLoader.add_implicit_resolver("tag:yaml.org,2002:merge", re.compile(r"<<$"), ["<"])
_EngineLoader.add_constructor("tag:yaml.org,2002:int", _EngineLoader.construct_number)
_EngineLoader.add_constructor("tag:yaml.org,2002:float", _EngineLoader.construct_number)
_EngineLoader.add_constructor("tag:yaml.org,2002:timestamp", _EngineLoader.construct_time)
_EngineLoader.add_constructor("tag:yaml.org,2002:map", _EngineLoader.construct_yaml_map)


def _fail(file: Path, message: str, remedy: str) -> SettingsError:
    return refused("yaml", message, remedy, (), str(file))


def _refuse_bombs(root: yaml.Node | None) -> None:
    """Raise for aliases that stand for themselves, or in a few lines for more values than memory holds."""
    sizes: dict[int, int] = {}

    def size(node: yaml.Node) -> int:
        if id(node) in sizes:
            if not sizes[id(node)]:
                raise yaml.constructor.ConstructorError(None, None, "this anchor contains itself", node.start_mark)
            return sizes[id(node)]
        sizes[id(node)] = 0
        inner = node.value if isinstance(node, yaml.CollectionNode) else []
        parts = [part for entry in inner for part in (entry if isinstance(entry, tuple) else (entry,))]
        total = sizes[id(node)] = 1 + sum(map(size, parts))
        if total > _MOST_VALUES:
            message = f"aliases make more than {_MOST_VALUES:,} values of this"
            raise yaml.constructor.ConstructorError(None, None, message, node.start_mark)
        return total

    if root is not None:
        size(root)


def _load(text: str) -> Any:
    loader = _EngineLoader(text)
    try:
        root = loader.get_single_node()
        if "&" in text:
            _refuse_bombs(root)
        return None if root is None else loader.construct_document(root)
    finally:
        loader.dispose()


def parse_yaml(text: str, file: Path) -> Any:
    """`text` as the engine reads it. Raises SettingsError with the line of what is not YAML."""
    try:
        return _load(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        line = text.splitlines()[mark.line] if mark and mark.line < len(text.splitlines()) else ""
        if "\t" in line[: len(line) - len(line.lstrip())] or "\\t" in str(error.problem):
            raise _fail(
                file, f"{where}a tab indents this line, and YAML allows only spaces", "replace it by spaces"
            ) from None
        raise _fail(file, f"{where}is not YAML: {error.problem or error.context}", "correct this line") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise _fail(file, f"is not YAML: {str(error).splitlines()[0]}", "correct the file") from None


def read_yaml(file: Path, shown_as: Path, least: str = "`config: {}`") -> Any:
    """The file's content. Raises SettingsError when it cannot be read as UTF-8 YAML, or is empty: then it names the
    least that may be written."""
    try:
        text = file.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        message = f"is not UTF-8 (byte 0x{error.object[error.start]:02x} at position {error.start})"
        raise _fail(shown_as, message, "save it as UTF-8") from None
    except OSError as error:
        raise _fail(shown_as, f"cannot be read: {error.strerror}", "check the path and its permissions") from None
    content = parse_yaml(text, shown_as)
    if content is None:
        raise _fail(shown_as, "is empty", f"write at least {least}")
    return content
