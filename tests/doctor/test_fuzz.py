"""Mutated files, to doctor and to init: no traceback, nothing run, no secret shown. 400 of them, and 20,000 slowly."""

from __future__ import annotations

import random

import pytest
from tests.doctor.bundles import article, bundles
from tests.mutated_text import mutated_text

from ebbtide.cli.doctor import as_text
from ebbtide.doctor.connect import connect
from ebbtide.doctor.diagnose import diagnose_files
from ebbtide.doctor.document import DoctorDocument
from ebbtide.doctor.files import File
from ebbtide.doctor.read import read_all
from ebbtide.scaffold.answers import Project
from ebbtide.scaffold.carry import carry
from ebbtide.scaffold.files import stack_text
from ebbtide.scaffold.migration import migration_text

SECRET = "hunter2Qx9Zk"
BUNDLES = [article(), *bundles("recipes", "public", "own", "reports", "blind", "right")]
SEEDS = [file for bundle in BUNDLES for file in bundle.files]


def mutated(chance: random.Random) -> File:
    """One file of a set-up with a few things wrong."""
    seed = chance.choice(SEEDS)
    text = mutated_text(seed.text, chance)
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
            moved = carry(connect(read_all(files)))
            consumers = {one.name: one.settings for one in moved}
            texts += [stack_text(Project("shop", "dev", "gkeStandard", "1.34", consumers))]
            texts += [migration_text(moved, document, "dev")] if moved else []
        except Exception as error:
            raise AssertionError(f"seed {number}: {type(error).__name__}: {error}") from error
        shown = [text for text in texts if SECRET in text]
        assert not shown, f"seed {number} shows a secret"


@pytest.mark.slow
def test_no_mutated_file_ends_in_a_traceback_or_shows_a_secret():
    survive(0, 200)


# The same files each time: most of them are tried before a release.
@pytest.mark.slow
@pytest.mark.parametrize("part", [*range(3), *(pytest.param(part, marks=pytest.mark.long) for part in range(3, 10))])
def test_none_of_twenty_thousand_mutated_files_does(part):
    survive(1_000 + part * 1_100, 1_100)
