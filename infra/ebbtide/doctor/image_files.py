"""What is at a path of an image, of the files that were handed over: scripts, programs, configurations."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass
from typing import Final

from ebbtide.doctor.files import CODE_OF_NODE, File
from ebbtide.doctor.image import Image
from ebbtide.doctor.of_image import OPTION_VALUES
from ebbtide.doctor.readers.clients import ClientProgram
from ebbtide.doctor.readers.node import Whole, whole
from ebbtide.doctor.readers.python import WholePython, program_of, whole_python
from ebbtide.doctor.readers.supervisor import SupervisorFile
from ebbtide.doctor.setup import SetUp
from ebbtide.doctor.shells import sh_replaces_itself
from ebbtide.doctor.unit import Words

_NODE: Final = frozenset({"node", "nodejs", "tsx", "ts-node", "ts-node-esm", "bun"})
_RUN_SCRIPTS: Final = frozenset({"npm", "yarn", "pnpm"})
RUN_FILE: Final = re.compile(r"(?:^|/)(?:services\.d|s6-rc\.d|s6|sv|service)/(?P<name>[^/]+)/run$")


@dataclass
class ImageFiles:
    """The files of one image, by their path in it; `used` collects those that something refers to."""

    setup: SetUp
    image: Image | None
    used: set[str]
    name: str = ""
    """What the container calls its image."""

    @property
    def sh_replaces_itself(self) -> bool | None:
        """Whether its sh becomes the last command of `-c`; None: nobody knows."""
        return sh_replaces_itself(*(self.image.base_names if self.image else ()), self.name)

    def script(self, path: str) -> File | None:
        """The script at a path of the image."""
        found = self._find(path, {file.name: file for file in self.setup.scripts})
        if found is not None:
            self.used.add(found.name)
        return found

    def program(self, words: Words) -> File | None:
        """The file that an interpreter runs: `php -d x=y worker.php`."""
        path = next((word for word in words[1:] if word and word.endswith((".php", ".py"))), None)
        return self._find(path, {file.name: file for file in self.setup.programs}) if path else None

    def client(self, words: Words) -> ClientProgram | None:
        """The program in PHP that a command runs, or the one in Go that its binary is built of."""
        ones = self.setup.clients
        path = next((word for word in words[1:] if word and word.endswith((".php", ".rb"))), None)
        if path is not None:
            found = self._find(path, {name: one.file for name, one in ones.items()})
            return ones.get(found.name) if found is not None else None
        in_go = [one for one in ones.values() if one.file.base.endswith(".go")]
        return in_go[0] if len(in_go) == 1 and self._is_built(words) else None

    def _is_built(self, words: Words) -> bool:
        """Whether the binary that a command runs comes from an earlier stage of the image's build."""
        name = posixpath.basename(words[0]) if words and words[0] else ""
        copies = [copy for copy in self.image.copies if copy.from_elsewhere] if self.image else []
        targets = (posixpath.basename(copy.target_of(source)) for copy in copies for source in copy.sources)
        return bool(name) and name in targets

    def node(self, words: Words) -> Whole | None:
        """The program that Node.js runs: `node --enable-source-maps dist/worker.js`, also by a script of package.json.
        What TypeScript becomes is built from its source."""
        path = _of_node(words, self.setup)
        programs = self.setup.node
        if not path or not programs:
            return None
        known = {name: one.file for name, one in programs.items()}
        for suffix in ("", *CODE_OF_NODE):
            found = (
                self._find(f"{path}{suffix}", known) if suffix == "" or "." not in posixpath.basename(path) else None
            )
            if found is not None:
                return whole(programs[found.name], programs)
        stem = posixpath.basename(path).partition(".")[0]
        sources = [name for name in programs if re.fullmatch(rf"(?:.*/)?{re.escape(stem)}\.[mc]?ts", name)]
        return whole(programs[sources[0]], programs) if len(sources) == 1 else None

    def python(self, words: Words) -> WholePython | None:
        """The program that Python runs: `python worker.py`, `python -m worker`."""
        programs = self.setup.python
        for path in program_of(words):
            ends = [name for name in programs if name == path or name.endswith(f"/{path.removeprefix('./')}")]
            found = self._find(path, {name: one.file for name, one in programs.items()}) if not ends else None
            name = ends[0] if len(ends) == 1 else found.name if found is not None and "-m" not in words else ""
            if name:
                return whole_python(programs[name], programs)
        return None

    def supervisor(self, path: str) -> SupervisorFile | None:
        """The configuration at a path of the image; the only one, where the path says nothing."""
        ones = {one.file.name: one for one in self.setup.supervisors}
        roots = [one for one in ones.values() if one.has_supervisord] or list(ones.values())
        file = self._find(path, {name: one.file for name, one in ones.items()}) if path else None
        if file is not None:
            return next((one for one in self.setup.supervisors if one.file == file), None)
        return roots[0] if len(roots) == 1 else None

    def _find(self, path: str, files: dict[str, File]) -> File | None:
        if path in files:
            return files[path]  # as it was handed over
        if self.image is not None:
            full = posixpath.normpath(posixpath.join(self.image.workdir, path))
            if full in self.image.inline:
                return self.image.inline[full]
            for copy in self.image.copies:
                for source in copy.sources:
                    if copy.target_of(source) == full:
                        base = posixpath.basename(source)
                        named = [file for file in files.values() if file.base == base]
                        tail = posixpath.normpath(source)
                        return next((file for file in named if file.name.endswith(tail)), named[0] if named else None)
        same = [file for file in files.values() if file.base == posixpath.basename(path)]
        return same[0] if len(same) == 1 else None

    def service_path(self, file: File) -> str:
        """Where the image's build puts it, if s6 looks there for what to run; else empty."""
        for copy in self.image.copies if self.image else ():
            for source in copy.sources:
                is_it = posixpath.basename(source) == file.base
                path = _below(copy.target_of(source) if is_it else copy.destination, source, file.name)
                if RUN_FILE.search(path):
                    return path
        return ""

    def read(self, path: str) -> bytes | None:
        """For the judgement of a command: the text of a script, None for what is not here."""
        file = self.script(path)
        return file.text.encode(errors="replace") if file is not None else None


def _of_node(words: Words, setup: SetUp) -> str:
    """The file that a command gives to Node.js; empty where it gives none."""
    parts = [word or "" for word in words]
    first = posixpath.basename(parts[0]) if parts else ""
    if first in _RUN_SCRIPTS and (script := setup.npm_scripts.get(parts[-1])) is not None:
        parts = re.split(r"&&|\|\||;", script.value)[0].split()
    at = next((n for n, part in enumerate(parts) if posixpath.basename(part) in _NODE), len(parts))
    rest = iter(parts[at + 1 :])
    for part in rest:
        if part in OPTION_VALUES:
            next(rest, None)
        elif not part.startswith("-") and part not in ("run", "watch"):
            return part
    return ""


def _below(target: str, source: str, name: str) -> str:
    """Where a file of the context lies in the image, if a COPY of it or of a directory above it puts it there."""
    source = posixpath.normpath(source)
    if name == source or name.endswith(f"/{source}"):
        return target
    _, found, rest = f"/{name}".partition(f"/{source}/")
    return posixpath.join(target, rest) if found else ""
