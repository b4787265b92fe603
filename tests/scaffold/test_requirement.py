"""requirements.txt gets the ebbtide that wrote it, and never another package of that name."""

from __future__ import annotations

import json

import pytest

from ebbtide.scaffold.files import template_texts
from ebbtide.scaffold.requirement import requirement
from ebbtide.version import __version__

COMMIT = "0123456789abcdef0123456789abcdef01234567"
ORIGINS = {
    "an index": (None, f"ebbtide=={__version__}\n"),
    "a commit": (
        {"url": "https://git.example/ebbtide", "vcs_info": {"vcs": "git", "commit_id": COMMIT}},
        f"ebbtide @ git+https://git.example/ebbtide@{COMMIT}\n",
    ),
    "an archive": (
        {"url": "https://files.example/ebbtide-0.1.0-py3-none-any.whl", "archive_info": {}},
        "ebbtide @ https://files.example/ebbtide-0.1.0-py3-none-any.whl\n",
    ),
}


@pytest.mark.parametrize("name", ORIGINS)
def test_the_line_names_where_ebbtide_is_from(name):
    origin, line = ORIGINS[name]
    assert requirement(None if origin is None else json.dumps(origin)) == line


def test_of_a_directory_it_says_that_ci_has_no_such_directory():
    text = requirement(json.dumps({"url": "file:///home/me/ebbtide", "dir_info": {"editable": True}}))
    comment, line = text.splitlines()
    assert comment.startswith("#")
    assert "git+https://" in comment
    assert line == "ebbtide @ file:///home/me/ebbtide"


def test_the_template_asks_no_index_for_a_name_that_is_not_there():
    lines = template_texts()["requirements.txt"].splitlines()
    assert all(line.startswith("#") for line in lines)
