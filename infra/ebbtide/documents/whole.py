"""A file is written whole or not at all: a full disk or a signal leaves what was there before."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

# What is left of a write that began must go; any other error is of the file beside it, and is the target's own to say:
# a file that is mounted by itself cannot be replaced, and one in a directory of others has no place beside it.
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO})


def write_whole(file: Path, content: str | bytes) -> None:
    """Write a file, by another one beside it that takes its place when it is complete.

    A device or a pipe is written to. Raises OSError with the file's name where it cannot be written.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        if file.exists() and not file.is_file():
            file.write_bytes(data)
        else:
            _replace(file.resolve(), data)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(file)) from None


def _replace(target: Path, data: bytes) -> None:
    fresh = target.with_name(f".{target.name}.new")
    try:
        fresh.write_bytes(data)
        if target.exists():
            fresh.chmod(target.stat().st_mode & 0o7777)
        os.replace(fresh, target)  # noqa: PTH105 - and not rename, which Windows refuses
    except BaseException as error:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)
        if not isinstance(error, OSError) or error.errno in _FULL:
            raise
        target.write_bytes(data)
