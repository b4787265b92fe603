"""A preview that comes back from a job is one of this stack that fits the schema, or one sentence says why not."""

from __future__ import annotations

import json

import pytest
from tests.commands import run_here
from tests.preview.previews import ROOT, STACK, example, texts

from ebbtide.documents.document import to_json
from ebbtide.judgement.findings import SettingsError
from ebbtide.preview.reading import read_preview


@pytest.fixture
def file(tmp_path):
    return tmp_path / "preview.json"


@pytest.mark.parametrize("kind", ["review", "deployment", "refusal"])
def test_what_was_written_is_what_is_read(kind, file):
    file.write_text(texts()[kind])
    assert to_json(read_preview(file, STACK)) == texts()[kind]


REFUSED = {
    "empty": ("", "is not JSON"),
    "cut off": (lambda: texts()["review"][:-20], "is not JSON"),
    "a list": ("[]", "is no preview"),
    "a number that is too long for one": ("1" * 10_000, "is not JSON"),
    "nested without end": ("[" * 100_000, "is not JSON"),
    "not UTF-8": (b"\xff\xfe\x00", "is not JSON"),
    "no kind": (lambda: json.dumps({**example(), "kind": "other"}), "kind"),
    "another version": (lambda: json.dumps({**example(), "version": 1}), "review.version"),
    "a text for a number": (lambda: json.dumps({**example(), "unchanged": "3"}), "review.unchanged"),
    "a level that is none": (lambda: json.dumps({**example(), "level": "fine"}), "review.level"),
    "without its risks": (lambda: json.dumps({k: v for k, v in example().items() if k != "risks"}), "review.risks"),
    "another stack's": (lambda: json.dumps({**example(), "stack": "dev"}), "another stack than production (got 'dev')"),
    "larger than any": (lambda: " " * (32 * 1024**2) + "{}", "32 MiB"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_anything_else_is_refused_in_a_sentence(case, file):
    text, part = REFUSED[case]
    text = text() if callable(text) else text
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(SettingsError) as caught:
        read_preview(file, STACK)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_link_to_another_file_is_not_followed(file, tmp_path):
    (tmp_path / "other.json").write_text(texts()["review"])
    file.symlink_to(tmp_path / "other.json")
    with pytest.raises(SettingsError, match="no regular file"):
        read_preview(file, STACK)


def test_what_a_later_version_adds_is_left_out(file):
    file.write_text(json.dumps({**example(), "comesLater": 1}))
    assert to_json(read_preview(file, STACK)) == texts()["review"]


def preview(*arguments):
    return run_here("preview", "--stack", STACK, *arguments, cwd=ROOT)


def test_one_review_is_shown_in_every_format_and_guards_the_pipeline(file, tmp_path):
    file.write_text(texts()["review"])
    assert preview("--from", file).stdout.startswith(example()["verdict"])
    assert preview("--from", file, "--format", "markdown").stdout.startswith("<!-- ebbtide-preview ebbtide/production")
    assert preview("--from", file, "--format", "json").stdout == texts()["review"] + "\n"
    assert example()["level"] == "danger"
    assert preview("--from", file, "--fail-on", "danger").returncode == 3
    assert "\x1b" not in preview("--from", file).stdout


def test_a_gate_does_not_pass_what_is_no_review(file):
    file.write_text(texts()["deployment"])
    done = preview("--from", file, "--fail-on", "danger")
    assert (done.returncode, "holds a deployment" in done.stderr) == (1, True), "nothing was judged"
    file.write_text(texts()["refusal"])
    assert preview("--from", file).returncode == 1


def test_a_preview_does_not_drive_the_terminal(file):
    file.write_text(json.dumps({**example("deployment"), "verdict": "a\x1b]0;owned\x07\x1b[2Jb"}))
    shown = preview("--from", file).stdout
    assert "\x1b" not in shown
    assert "owned" in shown
