"""The output of `docker inspect IMAGE` (also podman's, and of a container): what a Dockerfile's base does not tell."""

from __future__ import annotations

from typing import Any

from ebbtide.doctor.data import Map, Place, Said, Seq
from ebbtide.doctor.image import Command, Image


def is_inspection(document: Any) -> bool:
    """Whether a document is such an output."""
    entries = document if isinstance(document, Seq) else [document]
    return bool(entries) and all(isinstance(one, Map) and isinstance(one.get("Config"), Map) for one in entries)


def images_of(document: Any, file: str) -> list[Image]:
    """Each image of the output."""
    return [_image(one, file) for one in (document if isinstance(document, Seq) else [document])]


def _image(data: Map, file: str) -> Image:
    config = data.map("Config")
    variables = [str(pair).partition("=") for pair in config.get("Env") or ()]
    place = Place(file, config.line)
    signal = config.text("StopSignal")
    tags = data.get("RepoTags")
    names = [str(tag) for tag in tags] if isinstance(tags, Seq) else [config.text("Image")]
    return Image(
        place,
        names=tuple(name for name in names if name),
        entrypoint=_command(config, "Entrypoint", file),
        cmd=_command(config, "Cmd", file),
        stop_signal=Said(signal.upper().removeprefix("SIG"), Place(file, config.line_of("StopSignal")))
        if signal
        else None,
        workdir=config.text("WorkingDir") or "/",
        environment={name: Said(value, Place(file, config.line_of("Env"))) for name, _, value in variables},
        is_whole=True,
    )


def _command(config: Map, key: str, file: str) -> Command | None:
    words = config.get(key)
    if not isinstance(words, Seq) or not words:
        return None
    text = tuple(str(word) for word in words)
    is_shell = len(text) == 3 and text[0].endswith("sh") and text[1] == "-c"
    return Command(text, Place(file, config.line_of(key)), is_shell=is_shell)
