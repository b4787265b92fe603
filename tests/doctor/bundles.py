"""Set-ups in one file each: a title, where it is from, the faults it is known to have, and its files.

# Pods that stop too soon
source: acme/shop#12
faults: D-20@supervisord.conf D-21@deployment.yaml
--- supervisord.conf
[supervisord]
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from ebbtide.doctor.diagnose import Report, diagnose_files
from ebbtide.doctor.files import File

SET_UPS = Path(__file__).parent / "set-ups"
ARTICLE_FAULTS = [
    *("D-10@Dockerfile", "D-11@consume.sh", "D-20@supervisord.conf", "D-30@consume.sh", "D-31@drain.sh"),
    *("D-62@orders.yaml", "D-60@orders.yaml", "D-61@orders.yaml", "D-61@orders.yaml", "D-63@orders.yaml"),
    *("D-32@drain.sh", "D-33@drain.sh", "D-40@supervisord.conf", "D-41@supervisord.conf", "D-42@consume.sh"),
    *("D-51@orders.yaml", "D-55@orders.yaml", "D-67@orders.yaml", "D-34@drain.sh", "D-45@consume.sh"),
    *("D-46@consume.sh", "D-50@orders.yaml"),
]


@dataclass(frozen=True)
class Bundle:
    """One set-up."""

    name: str
    title: str
    faults: Counter[str]
    """How often a rule is to speak of a file: `D-20@supervisord.conf`."""
    files: tuple[File, ...]
    unjudged: str = ""
    """Of a fault that the files do not tell: what is said to be not judged."""

    @property
    def report(self) -> Report:
        """What doctor says of it."""
        return _diagnosed(self.files)

    def found(self) -> Counter[str]:
        """Which rules speak, of which files."""
        return Counter(f"{one.rule}@{one.place.file}" for one in self.report.diagnoses)


@cache
def _diagnosed(files: tuple[File, ...]) -> Report:
    return diagnose_files(files)


@cache
def read_bundle(path: Path) -> Bundle:
    """Read one."""
    head, *parts = re.split(r"(?m)^--- (.+)\n", path.read_text(encoding="utf-8"))
    faults = re.search(r"(?m)^faults: *(.*)$", head)
    files = tuple(File(name, text) for name, text in zip(parts[::2], parts[1::2], strict=True))
    title = head.partition("\n")[0].removeprefix("# ")
    words = faults[1].split() if faults else []
    short = Counter(word if "/" in word else _with_path(word, files) for word in words)
    unjudged = re.search(r"(?m)^unjudged: *(.*)$", head)
    return Bundle(f"{path.parent.name}/{path.stem}", title, short, files, unjudged[1] if unjudged else "")


def _with_path(fault: str, files: tuple[File, ...]) -> str:
    rule, _, base = fault.partition("@")
    return f"{rule}@{next(file.name for file in files if file.base == base)}"


def article() -> Bundle:
    """The set-up of the article that ebbtide answers, as examples/before has it."""
    root = SET_UPS.parents[2] / "examples" / "before"
    files = tuple(
        File(path.name, path.read_text(encoding="utf-8")) for path in sorted(root.iterdir()) if path.suffix != ".md"
    )
    return Bundle("examples/before", "The article's set-up", Counter(ARTICLE_FAULTS), files)


def bundles(*rooms: str) -> list[Bundle]:
    """Every set-up of these directories."""
    return [read_bundle(path) for room in rooms for path in sorted((SET_UPS / room).glob("*.txt"))]
