"""A directory whose files are this command's: what the last run wrote and this one does not is removed, and no more."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ebbtide.cli.output import fail
from ebbtide.documents.whole import write_whole


def write_files(out: Path, files: Mapping[str, bytes], record: str) -> None:
    """Write `files` below `out` by their relative names, each whole or not at all. Ends with a message where it cannot.

    `record` names the file, beside them, that lists them for the next run. Without it nothing there is known to be
    ours, so that only what is written is overwritten.
    """
    listed = out / record
    try:
        out.mkdir(parents=True, exist_ok=True)
        before = listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []
        # First the names, so that a run that is broken off leaves nothing behind that nobody knows of.
        _replace(listed, _lines({*before, *files}))
        for name, content in files.items():
            _replace(out / name, content)
        for name in sorted(set(before) - set(files)):
            _remove(out, name)
        _replace(listed, _lines(files))
    except OSError as error:
        fail(f"{out}: cannot be written: {error.strerror or error}; name another directory with --out")


def _lines(names: Iterable[str]) -> bytes:
    return "".join(f"{name}\n" for name in sorted(names)).encode()


def _replace(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    write_whole(file, content)


def _remove(out: Path, name: str) -> None:
    """What the record names, if it is a file below the directory; a record that somebody wrote leads nowhere else."""
    file = out / name
    if ".." not in Path(name).parts and not Path(name).is_absolute() and out.resolve() in file.resolve().parents:
        file.unlink(missing_ok=True)
