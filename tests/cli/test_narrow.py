"""A narrow terminal loses the bars, and no word."""

from __future__ import annotations

import io
import re
from pathlib import Path

import pytest
from rich.console import Console

from ebbtide.explain.model import explain_stack
from ebbtide.explain.text import print_explanation
from ebbtide.settings.loading.loader import read_stack

EXPLANATION = explain_stack(read_stack("production", Path(__file__).parents[2]))


def printed(width: int) -> str:
    text = io.StringIO()
    print_explanation(EXPLANATION, Console(file=text, width=width, color_system=None))
    return text.getvalue()


@pytest.mark.parametrize("width", [40, 48, 59, 67])
def test_below_the_width_of_a_bar_and_its_words_the_words_stay_whole(width: int) -> None:
    (consumer,) = EXPLANATION.consumers
    lines = printed(width).splitlines()
    begin = next(at for at, line in enumerate(lines) if line.startswith("How a pod stops"))
    end = next(at for at, line in enumerate(lines) if line.startswith("How far it scales"))
    words = " ".join(" ".join(lines[begin:end]).split())
    for moment in consumer.timeline:
        assert " ".join(moment.what.split()) in words
    assert not re.search("[█─▶…]", words)
    assert all(len(line) <= width for line in lines)


@pytest.mark.parametrize("width", [40, 60, 71])
def test_the_column_of_values_is_never_squeezed_out(width: int) -> None:
    (consumer,) = EXPLANATION.consumers
    image = next(value.value for value in consumer.values if value.path == "image")
    assert image[:10] in printed(width)
