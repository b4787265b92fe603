"""Mutated files: no traceback, nothing run, no secret shown. 20,000 of them in the slow tier, and 400 by default."""

from __future__ import annotations

import random

import pytest
from tests.doctor.bundles import article, bundles

from ebbtide.cli.doctor import as_text
from ebbtide.doctor.diagnose import diagnose_files
from ebbtide.doctor.document import DoctorDocument
from ebbtide.doctor.files import File

SECRET = "hunter2Qx9Zk"
BUNDLES = [article(), *bundles("recipes", "public", "own", "right")]
SEEDS = [file for bundle in BUNDLES for file in bundle.files]
NOISE = [
    *("\0", "\t", "\r\n", "{{", "%(", "%(ENV_X)s", "[", "]", "<<EOF\n", "'", '"', "\\", "&a ", "*a", "!!x ", "\ufffd"),
    *("-1", "999999999999", "%env(X)%", "$(", "`", "\N{SNOWMAN}", "---\n", "FROM ", "exec ", "null", "[[ -f", "1e999"),
    *("? ", "<<: ", "replicas: []\n", "command: {}\n", "spec:\n"),
]


def mutated(chance: random.Random) -> File:
    """One file of a set-up with a few things wrong."""
    seed = chance.choice(SEEDS)
    text = seed.text
    for _ in range(chance.randrange(1, 6)):
        at, to = sorted((chance.randrange(len(text) + 1), chance.randrange(len(text) + 1)))
        match chance.randrange(4):
            case 0:
                text = text[:at] + chance.choice(NOISE) + text[at:]
            case 1:
                text = text[:at] + text[min(to, at + 40) :]
            case 2:
                text = text[:to] + text[at:to][:400] + text[to:]
            case _:
                lines = text.splitlines(keepends=True)
                chance.shuffle(lines)
                text = "".join(lines)
    if chance.random() < 0.5:
        at = chance.randrange(len(text) + 1)
        text = f"{text[:at]} PASSWORD={SECRET} redis://u:{SECRET}@h/x {text[at:]}"
    return File(chance.choice((seed.name, seed.name, chance.choice(SEEDS).name)), text)


def survive(first: int, count: int) -> None:
    for number in range(first, first + count):
        chance = random.Random(number)
        files = [mutated(chance) for _ in range(chance.randrange(1, 4))]
        try:
            document = DoctorDocument.of(diagnose_files(files))
            texts = [as_text(document, format_) for format_ in ("text", "json", "sarif", "markdown")]
        except Exception as error:
            raise AssertionError(f"seed {number}: {type(error).__name__}: {error}") from error
        shown = [text for text in texts if SECRET in text]
        assert not shown, f"seed {number} shows a secret"


def test_no_mutated_file_ends_in_a_traceback_or_shows_a_secret():
    survive(0, 200)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_none_of_twenty_thousand_mutated_files_does(part):
    survive(1_000 + part * 1_100, 1_100)
