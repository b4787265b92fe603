"""YAML as PyYAML reads and writes it, by libyaml where that is there: ten times as fast.

The tests of doctor write 900 files while they are collected, and each process of a run collects all tests.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import yaml

_Dumper: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def dump(data: Any) -> str:
    """One document."""
    text: str = yaml.dump(data, Dumper=_Dumper)
    return text


def dump_all(documents: Iterable[Any]) -> str:
    """Several."""
    text: str = yaml.dump_all(documents, Dumper=_Dumper)
    return text


def load(text: str) -> Any:
    """One document."""
    return yaml.load(text, Loader=_Loader)


def load_all(text: str) -> Iterator[Any]:
    """Several."""
    return yaml.load_all(text, Loader=_Loader)
