"""Which files are looked at, and what is not: large ones, binary ones, links that lead elsewhere."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ebbtide.doctor.data import Place
from ebbtide.doctor.diagnosis import Note
from ebbtide.judgement.findings import refused

MOST_BYTES: Final = 8 * 2**20
"""Of one file. `kubectl get -A -o yaml` of 500 objects is 2 MB; what is larger is no configuration."""
MOST_FILES: Final = 20_000
_SKIPPED: Final = frozenset({"node_modules", "vendor", "__pycache__", "var", "venv", "site-packages"})
CODE_OF_NODE: Final = (".js", ".mjs", ".cjs", ".ts", ".mts", ".cts")
_CODE: Final = (".go", ".rb")
_BUILT: Final = frozenset({"dist", "build", "out", ".next", ".nuxt", "coverage", "public", "static"})
"""What is made of code, or goes to browsers: its source is read."""
_SUFFIXES: Final = frozenset(
    {
        ".yaml",
        ".yml",
        ".json",
        ".conf",
        ".ini",
        ".sh",
        ".bash",
        ".dockerfile",
        ".php",
        ".xml",
        ".py",
        ".tpl",
        ".toml",
        *CODE_OF_NODE,
        *_CODE,
        "",
    }
)
_NAMED: Final = ("dockerfile", "containerfile", ".env.prod", "gemfile.lock")
_SHOWN_SUFFIXES: Final = frozenset({".conf", ".sh", ".bash", ".ini", ".yaml", ".yml"})


@dataclass(frozen=True, slots=True)
class File:
    """A file that was read. Names are shown as they were given."""

    name: str
    text: str
    is_named: bool = True
    """It was named itself, and not found in a directory: then it is a loss if nothing knows what it is."""
    first_line: int = 0
    """Lines before it, where it stands inside of another file."""
    path: str = ""
    """What it will be called, where it stands inside of another file."""

    @property
    def base(self) -> str:
        """The last part of its name."""
        return (self.path or self.name).rpartition("/")[2]

    def at(self, line: int = 1) -> Place:
        """A line of it."""
        return Place(self.name, self.first_line + line)

    def at_character(self, place: int) -> Place:
        """The line in which a character stands."""
        return self.at(self.text.count("\n", 0, place) + 1)


def collect(paths: Sequence[str]) -> tuple[list[File], list[Note]]:
    """Every file at or below the paths; `-` is standard input. Raises SettingsError for one that is not there."""
    files: dict[str, File] = {}
    notes: list[Note] = []
    for name in paths:
        if name == "-":
            _add(files, notes, "<stdin>", sys.stdin.buffer.read(MOST_BYTES + 1), is_named=True)
            continue
        path = Path(name)
        if not path.exists():
            raise refused("doctor", f"{name} does not exist", "name a file, a directory, or - for standard input")
        if path.is_dir():
            for found in _below(path, notes):
                _read(files, notes, found, is_named=False)
        elif path.is_file():
            _read(files, notes, path, is_named=True)
        else:
            notes.append(Note(Place(name), "is no regular file, and was not read"))
    return list(files.values()), notes


def _below(root: Path, notes: list[Note]) -> Iterator[Path]:
    inside = Path(os.path.realpath(root))  # Path.resolve raises for a link that leads to itself
    count = code = 0
    for directory, names, files in os.walk(root):
        names[:] = sorted(name for name in names if name not in _SKIPPED and not name.startswith(".git"))
        for name in sorted(files):
            path = Path(directory) / name
            if path.suffix.lower() not in _SUFFIXES and not name.lower().startswith(_NAMED):
                continue
            if path.suffix.lower() in (*CODE_OF_NODE, *_CODE):
                code += 1
                if code > MOST_FILES or _BUILT.intersection(path.relative_to(root).parts[:-1]):
                    continue
            else:
                count += 1
            if count > MOST_FILES:
                notes.append(Note(Place(str(root)), f"has more than {MOST_FILES} files; the rest was not read"))
                return
            if path.is_symlink() and not Path(os.path.realpath(path)).is_relative_to(inside):
                notes.append(Note(Place(str(path)), "is a link out of the directory, and was not followed"))
            elif path.is_file():
                yield path


def _read(files: dict[str, File], notes: list[Note], path: Path, *, is_named: bool) -> None:
    name = str(path)
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
    except OSError as error:
        notes.append(Note(Place(name), f"cannot be read: {error.strerror}"))
        return
    _add(files, notes, name, content, is_named=is_named)


def _add(files: dict[str, File], notes: list[Note], name: str, content: bytes, *, is_named: bool) -> None:
    is_shown = is_named or Path(name).suffix in _SHOWN_SUFFIXES
    if len(content) > MOST_BYTES and not is_named and name.endswith(CODE_OF_NODE):
        return  # a bundle for browsers
    if len(content) > MOST_BYTES:
        notes.append(Note(Place(name), f"is larger than {MOST_BYTES // 2**20} MiB, and was not read"))
    elif b"\0" in content[:8192] and not content.startswith((b"\xff\xfe", b"\xfe\xff")):
        if is_shown:
            notes.append(Note(Place(name), "is no text, and was not read"))
    else:
        files.setdefault(name, File(name, _decoded(content), is_named))


def _decoded(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", errors="replace")
    return content.decode("utf-8-sig", errors="replace").replace("\r\n", "\n")
