"""What a person can put right; shown as one line."""

from __future__ import annotations


class Problem(Exception):  # noqa: N818 - it is said to a person, not raised at a caller
    """The message says what is wrong, and what to do about it."""
