"""What a team reads of its set-up (tests/golden/doctor): places, figures and what to write instead, word for word."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.doctor.bundles import Bundle, article, bundles

from ebbtide.doctor.document import DoctorDocument

GOLDEN = Path(__file__).parents[1] / "golden" / "doctor"


def words(bundle: Bundle) -> str:
    """The report of one set-up."""
    told = DoctorDocument.of(bundle.report)
    lines = [f"# {bundle.name}: {bundle.title}", *told.seen]
    for one in told.findings:
        lines += [f"{one.harm} {one.rule} {one.place}", f"    {one.subject}: {one.message}", f"    -> {one.remedy}"]
    lines += [f"not judged {note.place}\n    {note.text}" for note in told.not_judged]
    return "\n".join([*lines, told.summary, ""])


@pytest.mark.parametrize("room", ["public", "own", "reports", "blind", "recipes", "right", "article"])
def test_what_is_said_of_each_set_up_is_as_it_was_read(room: str, update_golden: bool) -> None:
    found = "\n".join(words(bundle) for bundle in ([article()] if room == "article" else bundles(room)))
    file = GOLDEN / f"{room}.txt"
    if update_golden:
        file.parent.mkdir(exist_ok=True)
        file.write_text(found, encoding="utf-8")
    assert found == file.read_text(encoding="utf-8"), "read the difference; then --update-golden"
