"""How bad a finding is, is a promise: a rule speaks at the level that docs/rules.md says, and at no other."""

from __future__ import annotations

import re
from pathlib import Path

from ebbtide.rulebook import all_rules

_PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text()
SAID = dict(re.findall(r"^### (\S+)\n\n\*\*(.+?)\.\*\*", _PAGE, re.MULTILINE))


def test_a_rule_speaks_at_the_level_that_its_page_says():
    assert len(SAID) > 300
    assert {name: " or ".join(text.levels) for name, text in all_rules().items()} == SAID
