"""supervisord's configuration, read as supervisor's own parser reads it (tests/doctor holds the two together).

Supervisor's parser itself is not used: it ends the process at an unknown `%(ENV_X)s`, and prints the names of all
variables of the environment that it runs in. Here such a value is UNKNOWN.
"""

from __future__ import annotations

import configparser
import difflib
import fnmatch
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from ebbtide.doctor.data import UNKNOWN, Place, Said, Unknown
from ebbtide.doctor.files import File
from ebbtide.doctor.shown import one_line

_SECTION: Final = re.compile(r"\[(?P<header>.+)\]")
_OPTION: Final = re.compile(r"(?P<option>[^\s:=#;][^:=]*?)\s*[:=]")
_EXPANSION: Final = re.compile(r"%\((\w+)\)([0-9]*[sd])")
_TRUE: Final = frozenset({"1", "true", "on", "yes"})
_FALSE: Final = frozenset({"0", "false", "off", "no"})
# supervisor/options.py: what it looks for by name, and what by how the name begins. Any other section it passes over.
_SECTIONS: Final = frozenset({"supervisord", "supervisorctl", "unix_http_server", "inet_http_server", "include"})
_FAMILIES: Final = frozenset({"program", "group", "eventlistener", "fcgi-program", "rpcinterface", "ctlplugin"})
_NUMBERS: Final = ("priority", "numprocs", "numprocs_start", "startsecs", "startretries", "stopwaitsecs")
_SWITCHES: Final = ("autostart", "stopasgroup", "killasgroup", "redirect_stderr")
_NO_SECTION: Final = re.compile(r"(?m)^\[[^\]\n]*$")
_ANY_SECTION: Final = re.compile(r"(?m)^\[\s*(?P<family>[\w-]+?)\s*(?::|\]|$)")
_COMMAND: Final = re.compile(r"(?m)^command\s*=")
_ALIKE: Final = 0.8


@dataclass(frozen=True)
class Program:
    """A `[program:x]`. What is not written has supervisor's default, and no place of its own."""

    name: str
    place: Place
    command: Said[str]
    options: Mapping[str, Said[str]]

    def line_of(self, option: str) -> Place:
        """Where an option stands, or the program."""
        return self.options[option].place if option in self.options else self.place

    def number(self, option: str, default: int) -> int | Unknown:
        """A whole number."""
        text = self.options[option].value.strip() if option in self.options else str(default)
        return int(text) if re.fullmatch(r"-?[0-9]{1,9}", text) else UNKNOWN

    def switch(self, option: str, *, default: bool) -> bool | Unknown:
        """On or off."""
        text = self.options[option].value.strip().lower() if option in self.options else ""
        return True if text in _TRUE else False if text in _FALSE else UNKNOWN if text else default

    def text(self, option: str, default: str = "") -> str:
        """As it is written."""
        return self.options[option].value.strip() if option in self.options else default

    @property
    def processes(self) -> int | Unknown:
        """How many of it run."""
        return self.number("numprocs", 1)

    @property
    def exit_codes(self) -> tuple[int, ...]:
        """The expected ones."""
        codes = self.text("exitcodes", "0").replace(",", " ").split()
        return tuple(int(code) for code in codes if code.isdecimal())

    @property
    def words(self) -> tuple[str, ...]:
        """Its command."""
        try:
            return tuple(shlex.split(self.command.value))
        except ValueError:
            return tuple(self.command.value.split())


@dataclass
class SupervisorFile:
    """One file; includes are joined by `SupervisorFile.with_included`."""

    file: File
    supervisord: dict[str, Said[str]] = field(default_factory=dict)
    programs: list[Program] = field(default_factory=list)
    listeners: list[str] = field(default_factory=list)
    includes: list[Said[str]] = field(default_factory=list)
    has_supervisord: bool = False
    faults: list[tuple[Place, str]] = field(default_factory=list)

    def included(self, others: list[SupervisorFile]) -> list[SupervisorFile]:
        """Those of the other files that `[include]` names, by the end of their path: a file knows no image's paths."""
        tails = [posixpath.basename(pattern.value) for pattern in self.includes]
        return [
            other
            for other in others
            if other is not self
            and not other.has_supervisord
            and any(fnmatch.fnmatch(other.file.base, tail) for tail in tails)
        ]


def looks_like_supervisor(file: File) -> bool:
    """Whether a file has a section of supervisor's."""
    if re.search(r"(?m)^\[(?:supervisord|program:[^\]]+|unix_http_server|supervisorctl)\]", file.text) is not None:
        return True
    # `[programm:mail]`, `[program:mail`: it is meant for one, which passes it over.
    families = {found["family"] for found in _ANY_SECTION.finditer(file.text)}
    return bool(_COMMAND.search(file.text)) and any(_meant(one) for one in families)


def _meant(family: str) -> str:
    """The family of sections that a word resembles; empty where it resembles none."""
    return next(iter(difflib.get_close_matches(family.lower(), sorted(_FAMILIES), 1, _ALIKE)), "")


def read_supervisor(file: File) -> SupervisorFile:
    """What a file says. Never raises: what is wrong with it is in `faults`."""
    found = SupervisorFile(file)
    parser = configparser.RawConfigParser(inline_comment_prefixes=(";", "#"), strict=False)
    try:
        parser.read_string(file.text, file.name or "supervisord.conf")
    except configparser.Error as error:
        wrong = [line for line, _ in getattr(error, "errors", ())]
        line = wrong[0] if wrong else getattr(error, "lineno", None) or 1
        found.faults.append((file.at(line), "is no configuration that supervisor can read"))
        return found
    lines = _lines(file.text)
    for broken in _NO_SECTION.finditer(file.text):
        text = (
            f"{one_line(broken[0])!r} is no section, its ] is missing: supervisor takes it and what follows for "
            "options of the section before it, and it was not judged"
        )
        found.faults.append((file.at_character(broken.start()), text))
    for section in parser.sections():
        place = file.at(lines.get((section, ""), 1))
        options = {
            option: Said(value, file.at(lines.get((section, option), place.line)))
            for option, value in parser.items(section)
            if value is not None
        }
        _take(found, section, place, options)
    return found


def _take(found: SupervisorFile, section: str, place: Place, options: dict[str, Said[str]]) -> None:
    family, _, name = section.partition(":")
    if section == "supervisord":
        found.supervisord, found.has_supervisord = options, True
    elif section == "include" and "files" in options:
        found.includes += [Said(word, options["files"].place) for word in options["files"].value.split()]
    elif family == "eventlistener":
        found.listeners.append(name)
    elif family == "fcgi-program":
        found.faults.append((place, f"[{one_line(section)}] is a program of FastCGI, which was not judged"))
    elif section not in _SECTIONS and family not in _FAMILIES:
        meant = _meant(family.strip())
        hint = f" (is {meant}:{one_line(name)} meant?)" if meant and name else ""
        text = f"[{one_line(section)}] is a section that supervisor passes over{hint}, and it was not judged"
        found.faults.append((place, text))
    elif family == "program":
        if "command" not in options:
            found.faults.append((place, f"gives program {name} no command, and supervisord refuses to start"))
            return
        found.faults += _refused(name, options)
        found.programs.append(Program(name.strip(), place, options["command"], options))


def _refused(name: str, options: Mapping[str, Said[str]]) -> Iterator[tuple[Place, str]]:
    """Values that supervisord cannot read. What it expands, `%(ENV_X)s`, is known only when it runs."""
    wrong = [(option, "no whole number") for option in _NUMBERS if not _is_number(options.get(option))]
    wrong += [(option, "neither true nor false") for option in _SWITCHES if not _is_switch(options.get(option))]
    for option, what in wrong:
        said = options[option]
        text = f"gives program {name} {option}={one_line(said.value)}, which is {what}: supervisord refuses to start"
        yield said.place, text


def _is_number(said: Said[str] | None) -> bool:
    try:
        return said is None or "%" in said.value or int(said.value) is not None
    except ValueError:
        return False


def _is_switch(said: Said[str] | None) -> bool:
    return said is None or "%" in said.value or said.value.strip().lower() in _TRUE | _FALSE


def _lines(text: str) -> dict[tuple[str, str], int]:
    """The line of each section and option; of two the last one counts."""
    lines: dict[tuple[str, str], int] = {}
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := _SECTION.match(line):
            section = header["header"]
            lines[section, ""] = number
        elif option := _OPTION.match(line):
            lines[section, option["option"].strip().lower()] = number
    return lines


def expand(text: str, variables: Mapping[str, str]) -> str:
    """`%(ENV_X)s` with what is known; the rest stays as it is written, which no number is."""

    def value(found: re.Match[str]) -> str:
        return variables.get(found[1].removeprefix("ENV_"), found[0]) if found[1].startswith("ENV_") else found[0]

    return _EXPANSION.sub(value, text)
