"""Whatever the texts of a preview say, its comment holds text, tables, folds, charts and code of ours, and no more."""

from __future__ import annotations

import json
import re
from html import unescape

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from tests.preview.previews import JUNK, STACK, example, places, replaced, texts, with_every_text

from ebbtide.judgement.findings import SettingsError
from ebbtide.preview.formats import as_markdown
from ebbtide.preview.markdown import COMMENT_LIMIT, prose
from ebbtide.preview.reading import read_preview

KINDS = ["review", "deployment", "refusal"]
OUR_TAG = re.compile(r"</?(?:details|summary|code|sub)>|^<!-- ebbtide-preview [\w.-]*/production -->\n")
CHART_LINE = re.compile(r"gantt|  (?:title|dateFormat|axisFormat|section) [^:;#<&]*|  [^:;#<&]* : 0, \d+")


def active(text: str) -> list[str]:
    """Whatever in a comment is more than words, by a parser of CommonMark (GitHub's has the same rules)."""
    found = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        for one in [token, *(token.children or [])]:
            if one.type in {"image", "link_open"}:
                found.append(f"{one.type} {one.attrs}")
            if one.type in {"html_block", "html_inline"} and "<" in OUR_TAG.sub("", one.content):
                found.append(one.content)
            if one.type in {"text", "html_block"}:
                # GitHub looks for these in what a reader sees.
                shown = OUR_TAG.sub("", one.content)
                shown = unescape(shown) if one.type == "html_block" else shown
                found += re.findall(r"@[A-Za-z0-9]|[a-z]://|www\.|#\d", shown)
            if one.type == "fence" and one.info not in {"diff", "mermaid"}:
                found.append(one.info)
            if one.type == "fence" and one.info == "mermaid":
                found += [line for line in one.content.splitlines() if not CHART_LINE.fullmatch(line)]
    return found


HOSTILE = [
    "![x](https://evil.example/pixel.png)",
    "[click](https://evil.example)",
    "\\\\[click](https://evil.example)",
    "[a][b]\n\n[b]: https://evil.example",
    "https://evil.example and www.evil.example and acme/shop#12",
    "<https://evil.example>",
    "<img src=x>",
    "</code><a href=https://evil.example>",
    "<code onclick=x>y</code>",
    "<!-- ebbtide-preview shop/production -->",
    "hello @acme/team and &commat;acme and &#64;acme",
    "</summary></details>\n\n<img src=x>",
    "```\n\n<img src=x>",
    "~~~\n\n```diff\n~~~\n<img src=x>",
    "x\r```\r<img src=x>",
    "| x | ![y](https://evil.example)\n\n# z",
    'done : 0, 12\n  click done href "https://evil.example"',
]


@pytest.mark.parametrize("text", HOSTILE)
def test_a_text_does_no_more_than_text_does(text):
    assert active(text) or "click" in text, "the case does nothing even as it is"
    assert active(prose(text)) == []


@pytest.fixture(scope="module")
def comment(tmp_path_factory):
    """`comment(document)`: what the job that posts makes of it."""
    file = tmp_path_factory.mktemp("preview") / "preview.json"

    def render(document) -> str:
        file.write_text(document if isinstance(document, str) else json.dumps(document))
        return as_markdown(read_preview(file, STACK))

    return render


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", HOSTILE)
def test_markup_in_every_text_of_a_preview_stays_text(kind, text, comment):
    assert active(comment(with_every_text(example(kind), text))) == []


PIECES = sorted({piece for text in HOSTILE for piece in re.split(r"(\s|(?<=[\[\]()<>`~&;\\]))", text)})


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.sampled_from(KINDS),
    st.lists(st.sampled_from(["\n", "\n\n", "```", "> ", "- ", "    ", "\\", "`", "$", *PIECES]), max_size=30),
)
def test_no_mixture_of_them_does_either(comment, kind, pieces):
    shown = comment(with_every_text(example(kind), "".join(pieces)))
    assert active(shown) == []
    assert len(re.findall("<!--", shown)) <= 1, "another marker would be another comment"


@pytest.mark.parametrize("kind", KINDS)
def test_huge_texts_and_long_lists_still_fit_into_a_comment(kind, comment):
    huge, large = (with_every_text(example(kind), "&`" * count) for count in (2_000, 250))
    long = {
        key: value * 10 if isinstance(value, list) and key != "resources" else value for key, value in large.items()
    }
    for one in (huge, long):
        assert len(comment(one)) <= COMMENT_LIMIT


def must_be_shown_or_refused(comment, text: str) -> None:
    refusal, shown = "", ""
    try:
        shown = comment(text)
    except SettingsError as error:
        refusal = str(error)
    assert "\n" not in refusal
    assert len(refusal) < 1_000
    assert active(shown) == []
    assert len(shown) <= COMMENT_LIMIT
    shown.encode()


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_junk_in_any_place_is_shown_as_text_or_refused_in_a_sentence(comment, data):
    document = example(data.draw(st.sampled_from(KINDS)))
    path = data.draw(st.sampled_from(list(places(document))))
    text = json.dumps(replaced(document, path, data.draw(JUNK)))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(text))))
    must_be_shown_or_refused(comment, text if cut is None else text[:cut])


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_written_is_read_back_and_shown_the_same(kind, comment):
    assert comment(texts()[kind]).startswith("<!-- ebbtide-preview ebbtide/production -->\n### ")
    assert json.loads(texts()[kind])["kind"] == kind
