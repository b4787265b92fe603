"""The command, as in tests/cli."""

from tests.cli.conftest import ebbtide

__all__ = ["ebbtide"]
