"""An image, as far as its Dockerfile or `docker inspect` tells, and how a container of it starts."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass, field, replace

from ebbtide.doctor.data import Place, Said
from ebbtide.doctor.files import File


@dataclass(frozen=True, slots=True)
class Command:
    """Words to run. In shell form the shell is among them."""

    words: tuple[str, ...]
    place: Place
    is_shell: bool = False


@dataclass(frozen=True, slots=True)
class Copy:
    """COPY or ADD."""

    sources: tuple[str, ...]
    destination: str
    place: Place
    from_elsewhere: bool
    """Of another stage or image, whose files are not here."""

    def target_of(self, source: str) -> str:
        """Where a source file lies in the image."""
        is_directory = self.destination.endswith(("/", "/.")) or len(self.sources) > 1
        return posixpath.normpath(
            posixpath.join(self.destination, posixpath.basename(source)) if is_directory else self.destination
        )


@dataclass
class Image:
    """What is known of an image; None and empty where a base that is not here may say more."""

    place: Place
    base: Said[str] | None = None
    names: tuple[str, ...] = ()
    entrypoint: Command | None = None
    cmd: Command | None = None
    stop_signal: Said[str] | None = None
    shell: tuple[str, ...] = ("/bin/sh", "-c")
    workdir: str = "/"
    environment: dict[str, Said[str]] = field(default_factory=dict)
    runs: list[Said[str]] = field(default_factory=list)
    copies: list[Copy] = field(default_factory=list)
    inline: dict[str, File] = field(default_factory=dict)
    """Files that the Dockerfile itself holds, by their path."""
    is_whole: bool = False
    """From `docker inspect`: nothing of it is inherited from elsewhere."""

    @property
    def base_names(self) -> tuple[str, ...]:
        """The image that it is built on, where that is said."""
        return (self.base.value,) if self.base else ()

    def built_on(self, place: Place) -> Image:
        """A later stage that begins with this one."""
        return replace(
            self,
            place=place,
            environment=dict(self.environment),
            runs=list(self.runs),
            copies=list(self.copies),
            inline=dict(self.inline),
        )

    def environment_values(self) -> dict[str, str]:
        """The variables that are set."""
        return {name: said.value for name, said in self.environment.items()}

    def holds(self, path: str) -> bool | None:
        """Whether a file is put there; None where that cannot be known."""
        if path in self.inline:
            return True
        directory, unknown = posixpath.dirname(path), False
        for copy in self.copies:
            destination = posixpath.normpath(copy.destination)
            if path == destination or any(copy.target_of(source) == path for source in copy.sources):
                return True
            is_above = destination in ("/", directory) or directory.startswith(f"{destination}/")
            unknown |= is_above and (copy.from_elsewhere or any(_may_be_directory(one) for one in copy.sources))
        if self.is_whole or unknown or any(path.rpartition("/")[2] in run.value for run in self.runs):
            return None
        return False


def _may_be_directory(source: str) -> bool:
    return any(sign in source for sign in "*?[$") or "." not in posixpath.basename(source.rstrip("/")) or source == "."
