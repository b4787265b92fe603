"""Texts with a few things wrong, as an editor, a merge or a template leaves them."""

from __future__ import annotations

from random import Random

_MOST_REPEATED = 400
NOISE = [
    *("\0", "\t", "\r\n", "{{", "%(", "%(ENV_X)s", "[", "]", "<<EOF\n", "'", '"', "\\", "&a ", "*a", "!!x ", "\ufffd"),
    *("-1", "999999999999", "%env(X)%", "$(", "`", "\N{SNOWMAN}", "---\n", "FROM ", "exec ", "null", "[[ -f", "1e999"),
    *("? ", "<<: ", "replicas: []\n", "command: {}\n", "spec:\n", "0x_", "9" * 5000, "\U0001f680", "\x85", "~", "{}"),
]


def mutated_text(text: str, chance: Random) -> str:
    """One to five times: noise put in, a piece taken out or repeated, or the lines in another order."""
    for _ in range(chance.randrange(1, 6)):
        at, to = sorted((chance.randrange(len(text) + 1), chance.randrange(len(text) + 1)))
        match chance.randrange(4):
            case 0:
                text = text[:at] + chance.choice(NOISE) + text[at:]
            case 1:
                text = text[:at] + text[min(to, at + 40) :]
            case 2:
                text = text[:to] + text[at:to][:_MOST_REPEATED] + text[to:]
            case _:
                lines = text.splitlines(keepends=True)
                chance.shuffle(lines)
                text = "".join(lines)
    return text
