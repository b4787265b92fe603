"""Which shell `sh` is in an image, and whether it becomes the last command of `-c`.

Measured: busybox's ash (1.35) and bash (5.2) replace themselves by the last command of the text where that is a simple
one, so that the stop signal reaches it. dash (0.5.12), the sh of Debian and Ubuntu, does not. Of a script's file none
of them does.
"""

from __future__ import annotations

import re
from typing import Any, Final

from ebbtide.doctor.of_image import BUILTINS, BY_SHELL, UnreadableError, parse

Words = tuple["str | None", ...]

# By the image's name: Alpine has busybox, the Red Hats, Amazon's and Arch have bash under the name of sh.
_REPLACES_ITSELF: Final = re.compile(
    r"(?:^|/)(?:alpine|busybox)(?:[:@]|$)|:[^/]*\balpine|"
    r"(?:^|/)(?:ubi\d*(?:-minimal|-micro|-init)?|fedora|rockylinux|almalinux|centos|amazonlinux|oraclelinux|archlinux)"
    r"(?:[/:@]|$)"
)
_STAYS: Final = re.compile(
    r"(?:^|/)(?:debian|ubuntu)(?:[:@]|$)|:[^/]*\b(?:bookworm|trixie|bullseye|slim|jammy|noble)\b|"
    r"^(?:docker\.io/)?(?:library/)?(?:php|python|ruby|node)(?:[:@]|$)"
)


def sh_replaces_itself(*images: str) -> bool | None:
    """Whether the sh of an image becomes its last command, by the image's name or its base's; None: nobody knows."""
    for image in images:
        if _REPLACES_ITSELF.search(image):
            return True
        if _STAYS.search(image):
            return False
    return None


def with_implicit_exec(words: Words, *, sh_replaces: bool) -> Words:
    """`bash -c 'cd /srv && worker'` as what it does: `bash -c 'cd /srv && exec worker'`."""
    found = _text_of(words)
    if found is None:
        return words
    shell, text = found
    if shell != "bash" and not (sh_replaces and shell in ("sh", "ash")):
        return words
    at = _last_command(text)
    return words if at is None else (*words[:2], f"{text[:at]}exec {text[at:]}", *words[3:])


def depends_on_sh(words: Words) -> bool:
    """Whether the verdict on a command is another one where sh is bash or busybox's."""
    is_other = with_implicit_exec(words, sh_replaces=True) != with_implicit_exec(words, sh_replaces=False)
    return is_other or started_by_sh(words) is not None


def started_by_sh(words: Words) -> str | None:
    """`npm`, where a command is run by it, through `sh -c`."""
    names = (str(word).rpartition("/")[2] for word in words)
    return next((name for name in names if name in BY_SHELL), None)


def _text_of(words: Words) -> tuple[str, str] | None:
    """`/bin/sh -ec TEXT` -> sh and the text."""
    if len(words) < 3 or words[2] is None or re.fullmatch(r"-[a-z]*c", str(words[1])) is None:
        return None
    return str(words[0]).rpartition("/")[2], words[2]


def _last_command(text: str) -> int | None:
    """Where the last command begins, if it is one that a shell becomes: simple, in no pipe and not in the background,
    with no redirection (bash stays for that), and no trap before it."""
    if not text.isascii() or re.search(r"\btrap\b", text):
        return None
    try:
        statements = parse(text.encode(), "bash").get("Stmts") or []
    except UnreadableError:
        return None
    last: dict[str, Any] = statements[-1] if statements else {}
    while (last.get("Cmd") or {}).get("Type") == "BinaryCmd" and _is_and(text, last["Cmd"]):
        if last.get("Redirs") or last.get("Background"):
            return None
        last = last["Cmd"]["Y"]
    command = last.get("Cmd") or {}
    is_simple = command.get("Type") == "CallExpr" and command.get("Args") and not command.get("Assigns")
    if not is_simple or any(last.get(key) for key in ("Redirs", "Background", "Negated", "Coprocess")):
        return None
    at = int((command.get("Pos") or {}).get("Offset") or 0)
    return None if re.split(r"[\s;]", text[at:], maxsplit=1)[0] in {"exec", *BUILTINS} else at


def _is_and(text: str, command: dict[str, Any]) -> bool:
    at = int((command.get("OpPos") or {}).get("Offset") or 0)
    return text[at : at + 2] == "&&"
