"""20,000 mutated files of every kind that is read: each is used or refused in one line, soon, without a traceback."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from itertools import islice
from pathlib import Path
from random import Random
from types import FrameType

import pytest
from tests.doctor.bundles import article, bundles
from tests.handover_cases import ACCEPTED, DOUBTED, REFUSED
from tests.mutated_text import mutated_text

from ebbtide.capacity.load import read_load
from ebbtide.cli.doctor import as_text
from ebbtide.doctor.diagnose import diagnose_files
from ebbtide.doctor.document import DoctorDocument
from ebbtide.doctor.files import File
from ebbtide.image.ebbtide_supervisor.handover import judge_handover
from ebbtide.judgement.findings import SettingsError
from ebbtide.manifests.kubernetes import stack_manifests
from ebbtide.preview.document import ReviewDocument
from ebbtide.preview.review import review_change
from ebbtide.preview.review_markdown import review_markdown
from ebbtide.preview.sources.plan import read_plan
from ebbtide.settings.loading.loader import read_stack
from ebbtide.settings.rules.check import check_stack

ROOT = Path(__file__).parents[2]
# Of processor time, so that a busy machine fails nobody.
MOST_SECONDS = 5.0
LOADS = ("arrival,duration\n0,1.5\n2.25,3\n60,0.5\n", '{"arrival": 0, "duration": 2}\n{"arrival": 7.5}\n')


@dataclass(frozen=True)
class Kind:
    """A kind of file: some that are right, and what reads one, in a directory of its own."""

    seeds: Callable[[], Sequence[str]]
    read: Callable[[str, Path], None]


def _texts(*files: Path) -> tuple[str, ...]:
    return tuple(file.read_text(encoding="utf-8") for file in files)


def read_stack_file(text: str, directory: Path) -> None:
    (directory / "Pulumi.yaml").write_text("name: shop\nruntime: python\n", encoding="utf-8")
    (directory / "Pulumi.dev.yaml").write_text(text, encoding="utf-8", newline="")
    loaded = read_stack("dev", directory)
    check_stack(loaded.settings, loaded.notes)
    stack_manifests(loaded.settings)


def read_a_plan(text: str, directory: Path) -> None:
    review_markdown(ReviewDocument.of(review_change(read_plan(text))))


def read_script(text: str, directory: Path) -> None:
    content = text.encode()
    judge_handover(["/app/start"], lambda path: content if path == "/app/start" else None)
    judge_handover(["bash", "-c", text], lambda path: None)


def read_dockerfile(text: str, directory: Path) -> None:
    as_text(DoctorDocument.of(diagnose_files([File("Dockerfile", text)])), "text")


def read_a_load(text: str, directory: Path) -> None:
    for suffix in (".csv", ".jsonl", ".yaml"):
        file = directory / f"load{suffix}"
        file.write_text(text, encoding="utf-8", newline="")
        with suppress(SettingsError):
            list(islice(read_load(file).open(1), 3))


def _of_the_doctor() -> Sequence[str]:
    files = [file for bundle in (article(), *bundles("recipes", "public", "own", "right")) for file in bundle.files]
    return [file.text for file in files if Path(file.name).name.startswith("Dockerfile")]


KINDS = {
    "stack file": Kind(lambda: _texts(*sorted((ROOT / "stacks").glob("*.yaml"))), read_stack_file),
    "plan": Kind(
        lambda: _texts(*sorted(path for path in (ROOT / "tests/engine/plans").iterdir() if path.is_file())), read_a_plan
    ),
    "script": Kind(
        lambda: [f"#!/bin/{case.shell}\n{case.script}\n" for case in (*ACCEPTED, *REFUSED, *DOUBTED)], read_script
    ),
    "Dockerfile": Kind(lambda: [*_texts(ROOT / "Dockerfile"), *_of_the_doctor()], read_dockerfile),
    "load": Kind(lambda: [*LOADS, *_texts(*sorted((ROOT / "loads").glob("*.yaml")))], read_a_load),
}


@cache
def seeds(kind: str) -> Sequence[str]:
    return KINDS[kind].seeds()


@contextmanager
def limited() -> Iterator[None]:
    def stop(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"takes longer than {MOST_SECONDS} s of processor time")

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, MOST_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


BEFORE_A_RELEASE = (pytest.mark.slow, pytest.mark.long)


@pytest.mark.parametrize(
    ("first", "count"),
    [
        pytest.param(0, 20, id="quick"),
        pytest.param(1_000, 1_000, id="1", marks=pytest.mark.slow),
        # The same files each time: what once held is tried again before a release.
        *(pytest.param(1_000 * part, 1_000, id=str(part), marks=BEFORE_A_RELEASE) for part in range(2, 5)),
    ],
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_mutated_file_is_read_or_refused_in_one_line_and_soon(kind: str, first: int, count: int, tmp_path) -> None:
    for number in range(first, first + count):
        chance = Random(number)
        text = mutated_text(chance.choice(seeds(kind)), chance)
        try:
            messages = refusal_of(kind, text, tmp_path)
        except Exception as error:
            raise AssertionError(f"{kind} {number}: {type(error).__name__}: {error}") from error
        assert messages is None or messages, f"{kind} {number}: refused without a reason"
        assert not any("\n" in message for message in messages or ()), f"{kind} {number}: {messages}"


def refusal_of(kind: str, text: str, directory: Path) -> list[str] | None:
    """The lines of a refusal; None where it is read."""
    try:
        with limited():
            KINDS[kind].read(text, directory)
    except SettingsError as refusal:
        return [str(finding) for finding in refusal.findings]
    return None
