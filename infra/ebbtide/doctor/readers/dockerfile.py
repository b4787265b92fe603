"""Dockerfiles, by the grammar of tree-sitter-dockerfile: heredocs are no instructions, and the form stays known.

Of several stages the last one decides; what it is built from is read as well.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from ebbtide.doctor.data import Place, Said
from ebbtide.doctor.files import File
from ebbtide.doctor.image import Command, Copy, Image

_FLAG: Final = re.compile(r"--([a-z-]+)(?:=(\S*))?\s*")
_HEREDOC: Final = re.compile(r"<<-?([\"']?)(\w+)\1")
# `cat > /etc/app.conf <<EOF`, `cat <<EOF > /etc/app.conf`, `tee /etc/app.conf <<EOF`, up to the line that is EOF.
_WRITES: Final = re.compile(
    r"(?m)^[^\n#]*\b(?:cat|tee)\b(?=[^\n]*<<-?\s*[\"']?(?P<end>\w+))(?=[^\n]*(?:>\s*|\btee\s+)(?P<path>/[\w./-]+))[^\n]*\n"
    r"(?P<text>(?:.*\n)*?)[ \t]*(?P=end)[ \t]*$"
)
_VARIABLE: Final = re.compile(r"\$\{(\w+)(?::-([^}]*))?\}|\$(\w+)")


@dataclass(frozen=True, slots=True)
class _Instruction:
    name: str
    text: str
    line: int
    heredocs: tuple[tuple[str, int], ...]
    """Their texts, and the lines before each."""


def read_dockerfile(file: File) -> Image | None:
    """The image of the last stage; None where there is no FROM."""
    stages: list[Image] = []
    named: dict[str, Image] = {}
    arguments: dict[str, str] = {}
    for one in _instructions(file.text):
        place = file.at(one.line)
        if one.name == "ARG" and not stages:
            name, _, default = one.text.partition("=")
            arguments[name.strip()] = default.strip("\"' ")
        elif one.name == "FROM":
            stages.append(_stage(one, place, arguments, named))
            words = _without_flags(one.text).split()
            if len(words) == 3 and words[1].upper() == "AS":
                named[words[2].lower()] = stages[-1]
        elif stages:
            take = _TAKE.get(one.name)
            if take is not None:
                take(stages[-1], one, place)
    return stages[-1] if stages else None


def _stage(one: _Instruction, place: Place, arguments: dict[str, str], named: dict[str, Image]) -> Image:
    words = _without_flags(one.text).split()
    base = _filled(words[0], arguments) if words else ""
    earlier = named.get(base.lower())
    if earlier is None:
        return Image(place, base=Said(base, place))
    return earlier.built_on(place)


def _command(image: Image, one: _Instruction, place: Place) -> Command:
    words = _json_words(one.text)
    if words is not None:
        return Command(tuple(words), place, is_shell=False)
    return Command((*image.shell, one.text.strip()), place, is_shell=True)


def _entrypoint(image: Image, one: _Instruction, place: Place) -> None:
    image.entrypoint = _command(image, one, place)
    image.cmd = None  # a new ENTRYPOINT drops the CMD of the base


def _cmd(image: Image, one: _Instruction, place: Place) -> None:
    image.cmd = _command(image, one, place)


def _stop_signal(image: Image, one: _Instruction, place: Place) -> None:
    image.stop_signal = Said(one.text.strip().upper().removeprefix("SIG"), place)


def _shell(image: Image, one: _Instruction, _place: Place) -> None:
    image.shell = tuple(_json_words(one.text) or image.shell)


def _workdir(image: Image, one: _Instruction, _place: Place) -> None:
    image.workdir = posixpath.join(image.workdir, _filled(one.text.strip().strip("\"'"), image.environment_values()))


def _env(image: Image, one: _Instruction, place: Place) -> None:
    pairs = _split(one.text)
    if pairs and "=" not in pairs[0]:
        pairs = [f"{pairs[0]}={' '.join(pairs[1:])}"]
    for name, _, value in (pair.partition("=") for pair in pairs):
        image.environment[name] = Said(value, place)


def _run(image: Image, one: _Instruction, place: Place) -> None:
    text = "\n".join([one.text, *(heredoc for heredoc, _ in one.heredocs)])
    image.runs.append(Said(text, place))
    for heredoc, before in one.heredocs:
        if (target := _WRITES.search(f"{one.text}\n{_end_of(one.text)}")) is not None:
            _hold(image, target["path"], heredoc, before, place)
        for found in _WRITES.finditer(heredoc):
            lines = before + heredoc.count("\n", 0, found.start("text"))
            _hold(image, found["path"], found["text"], lines, place)


def _end_of(text: str) -> str:
    """What ends the first heredoc of a text."""
    found = _HEREDOC.search(text)
    return found[2] if found is not None else ""


def _hold(image: Image, path: str, text: str, before: int, place: Place) -> None:
    """A file whose text the Dockerfile has itself."""
    image.inline[path] = File(place.file, text, first_line=before, path=path)


def _copy(image: Image, one: _Instruction, place: Place) -> None:
    flags = dict(_FLAG.findall(one.text))
    rest = _without_flags(one.text)
    words = _json_words(rest) or _split(_HEREDOC.sub("", rest))
    variables = image.environment_values()
    destination = posixpath.join(image.workdir, _filled(words[-1], variables)) if words else ""
    if one.heredocs and destination:
        names = [found[2] for found in _HEREDOC.finditer(rest)]
        for (text, before), name in zip(one.heredocs, names, strict=False):
            path = posixpath.join(destination, name) if destination.endswith("/") else destination
            _hold(image, path, text, before, place)
            image.copies.append(Copy((), path, place, from_elsewhere=False))
        return
    image.copies.append(Copy(tuple(words[:-1]), destination, place, from_elsewhere="from" in flags))


_TAKE: Final = {
    "ENTRYPOINT": _entrypoint,
    "CMD": _cmd,
    "STOPSIGNAL": _stop_signal,
    "SHELL": _shell,
    "WORKDIR": _workdir,
    "ENV": _env,
    "RUN": _run,
    "COPY": _copy,
    "ADD": _copy,
}


def _json_words(text: str) -> list[str] | None:
    """The exec form is what is JSON, as BuildKit has it: one wrong quote makes it a shell's text."""
    try:
        words = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return words if isinstance(words, list) and all(isinstance(word, str) for word in words) else None


def _without_flags(text: str) -> str:
    text = text.strip()
    while (flag := _FLAG.match(text)) is not None:
        text = text[flag.end() :]
    return text


def _split(text: str) -> list[str]:
    try:
        return shlex.split(text)
    except ValueError:
        return text.split()


def _filled(text: str, values: dict[str, str]) -> str:
    return _VARIABLE.sub(lambda found: values.get(found[1] or found[3]) or found[2] or found[0], text)


@cache
def _parser() -> Any:
    import tree_sitter  # noqa: PLC0415 - only where there is a Dockerfile
    import tree_sitter_dockerfile  # noqa: PLC0415

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # the grammar hands a number on
        return tree_sitter.Parser(tree_sitter.Language(tree_sitter_dockerfile.language()))


def _instructions(text: str) -> Iterator[_Instruction]:
    source = text if text.endswith("\n") else f"{text}\n"
    for node in _parser().parse(source.encode()).root_node.children:
        if node.type.endswith("_instruction") and node.children:
            keyword = node.children[0]
            parts, heredocs = _parts(node, keyword.end_byte, source.encode())
            name = keyword.text.decode(errors="replace").upper()
            yield _Instruction(name, parts, node.start_point[0] + 1, heredocs)


def _parts(node: Any, begin: int, source: bytes) -> tuple[str, tuple[tuple[str, int], ...]]:
    """The text of an instruction without comments, line continuations and heredocs, and the heredocs' texts, each with
    the number of lines before it."""
    left_out, heredocs = list[tuple[int, int]](), list[tuple[str, int]]()
    open_ = [node]
    while open_:
        one = open_.pop()
        if one.type == "heredoc_block":
            lines = [child for child in one.children if child.type == "heredoc_line"]
            held = "".join(f"{child.text.decode(errors='replace')}\n" for child in lines)
            heredocs.append((held, lines[0].start_point[0] if lines else one.start_point[0]))
            left_out.append((one.start_byte, one.end_byte))
        elif one.type in ("comment", "line_continuation"):
            left_out.append((one.start_byte, one.end_byte))
        else:
            open_.extend(reversed(one.children))
    text, at = b"", begin
    for start, end in sorted(left_out):
        text += source[at:start] + b" "
        at = max(at, end)
    return (text + source[at : node.end_byte]).decode(errors="replace").strip(), tuple(heredocs)
