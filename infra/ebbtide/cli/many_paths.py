"""`--from a b c`: one option and all paths after it, as a shell expands `k8s/*`. Typer's options take one each."""

from __future__ import annotations

from typing import Any

from typer.core import TyperCommand


class ManyPaths(TyperCommand):
    """A command whose `--from` takes every word up to the next option."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Each path gets an option of its own."""
        return super().parse_args(ctx, spread("--from", args))


def spread(option: str, args: list[str]) -> list[str]:
    """`--from a b` as `--from a --from b`. A lone `-` is standard input, and no option."""
    found: list[str] = []
    within = False
    for word in args:
        is_option = word.startswith("-") and word != "-"
        if is_option:
            within = word == option or word.startswith(f"{option}=")
        elif within and found[-1] != option:
            found.append(option)
        found.append(word)
    return found
