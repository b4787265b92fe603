"""Every rule there is, for `ebbtide rules` and docs/rules.md."""

from __future__ import annotations

from textwrap import wrap

# Each of these rooms declares its rules when it is imported.
import ebbtide.doctor.rules
import ebbtide.judgement.inputs
import ebbtide.preview.rules
import ebbtide.settings.rules  # noqa: F401
from ebbtide.image.ebbtide_supervisor.rule_texts import IMAGE_RULES
from ebbtide.judgement.rule import Judged, RuleText, known_rules, register

_WIDTH = 118
_HEAD = """\
# Rules

<!-- Written by scripts/generate-docs from the rules. Do not edit. -->

Everything that ebbtide judges, by id. `ebbtide rules V-21` prints one. Ids are stable; an id with a letter behind its
number was split off from the one without.
"""
_ROOMS: dict[Judged, tuple[str, str]] = {
    "settings": (
        "Settings",
        """\
What `ebbtide check` holds settings against, beyond their types. Errors stop a deployment, also of settings that are
built in Python; warnings and information are shown by `check`, `explain` and `preview`, and can be accepted with a
reason (`accept`).""",
    ),
    "change": ("Changes", "What `ebbtide preview` says of a change, worst first."),
    "image": ("Images", "What the image's build and its entrypoint refuse, or warn of."),
    "set-up": (
        "Set-ups",
        """\
What `ebbtide doctor` says of files that ebbtide has not written, worst first: what loses messages, what the cluster
refuses or drops, what is handled twice, what waits, and what costs.""",
    ),
    "input": ("Input", "Under which ids input is refused that cannot be judged at all."),
}


for _text in IMAGE_RULES.values():
    # The image has a table of its own: it runs without this package.
    register(RuleText(_text.id, "image", (_text.level,), _text.title, _text.why, _text.remedy, _text.source))


def all_rules() -> dict[str, RuleText]:
    """Every rule by its id."""
    return known_rules()


def rules_page() -> str:
    """The text of docs/rules.md."""
    parts = [_HEAD]
    for judged, (title, head) in _ROOMS.items():
        rules = [text for text in all_rules().values() if text.judges == judged]
        if rules:
            parts += [f"## {title}\n", f"{head}\n", *(_entry(text) for text in rules)]
    return "\n".join(parts)


def _entry(text: RuleText) -> str:
    said = f"**{' or '.join(text.levels)}.** {text.title} {text.why}"
    lines = [f"### {text.id}", "", *_wrapped(said), "", *_wrapped(f"- What to do: {text.remedy}")]
    return "\n".join([*lines, *_wrapped(f"- Source: {text.source}"), ""])


def _wrapped(text: str) -> list[str]:
    indent = "  " if text.startswith("- ") else ""
    return wrap(text, _WIDTH, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False)
