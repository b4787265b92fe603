"""Whatever a pull request's job puts into its artifact, the comment holds text, tables, folds and code, and no more."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from ebbtide.preview.untrusted import neutralised

GOLDEN = sorted((Path(__file__).parents[1] / "golden" / "preview").glob("*.md"))
TAG = re.compile(r"</?(?:details|summary|code|sub)>")


@pytest.mark.parametrize("file", GOLDEN, ids=lambda file: file.stem)
def test_what_our_renderer_writes_is_left_as_it_is(file):
    text = file.read_text().partition("\n")[2]
    assert neutralised(text) == text


def active(text: str) -> list[str]:
    """Whatever in a text is more than words, by a parser of CommonMark (GitHub's is another one of the same rules)."""
    found = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        for one in [token, *(token.children or [])]:
            if one.type in {"image", "link_open"}:
                found.append(f"{one.type} {one.attrs}")
            if one.type in {"html_block", "html_inline"} and "<" in TAG.sub("", one.content):
                found.append(one.content)
            if one.type in {"text", "html_block"} and (mention := re.search("@[A-Za-z0-9]", one.content)):
                found.append(mention.group())
            if one.type == "text" and re.search(r"[a-z]://|www\.|#\d", one.content):
                found.append(one.content)
    return found


HOSTILE = [
    "![x](https://evil.example/pixel.png)",
    "[click](https://evil.example)",
    "\\\\[click](https://evil.example)",
    "[a][b]\n\n[b]: https://evil.example",
    "https://evil.example and www.evil.example and acme/shop#12",
    "<https://evil.example>",
    "<img src=x>",
    "<code onclick=x>y</code>",
    "<!-- ebbtide-preview shop/production -->",
    "hello @acme/team and &commat;acme and &#64;acme",
    # A block that only we would see, or that ends for GitHub before it ends for us.
    "<details>\n```diff\n<img src=x>\n```",
    "<details>\n\u00a0\n```diff\n<img src=x>\n```",
    "~~~\n\n```diff\n~~~\n<img src=x>",
    "\n```diff\n````\n<img src=x>",
    "\n```diff\n ```\n<img src=x>",
    "\n```diff\nx\r```\r<img src=x>",
    "- x\n\n  ```diff\n  y\n\n<img src=x>",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_does_no_more_than_text_does(text):
    assert active(text), "the case does nothing even as it is"
    assert active(neutralised(text)) == []


PIECES = sorted({piece for text in HOSTILE for piece in re.split(r"(\s|(?<=[\[\]()<>`~&;\\]))", text)})


@given(st.lists(st.sampled_from(["\n", "\n\n", "```", "```diff", "> ", "- ", "    ", "\\", "`", *PIECES]), max_size=30))
def test_no_mixture_of_them_does_either(pieces):
    assert active(neutralised("".join(pieces))) == []


def test_a_chart_holds_no_link_of_its_own():
    text = '\n```mermaid\ngantt\n  section after\n  done : 0, 12\n  click done href "https://evil.example"\n```'
    shown = neutralised(text)
    assert "evil" not in shown
    assert "  done : 0, 12" in shown
