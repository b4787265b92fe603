"""What an application's own files and scripts say that a stack file has no place for: named, and not carried."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final

from ebbtide.doctor.data import Place
from ebbtide.doctor.of_image import BUILTINS, SHELLS
from ebbtide.doctor.readers.messenger import Transport, variable_of
from ebbtide.doctor.readers.scripts import read_script
from ebbtide.doctor.unit import Unit, Words, Worker
from ebbtide.judgement.secrets import MASK, secret_words
from ebbtide.settings.models.redis import RedisTransport

_MESSENGER_SECONDS: Final = RedisTransport.model_fields["redeliver_timeout"].default
# They say, look and wait, or handle the old way's own marks: nothing of it is missed afterwards.
_LOOKS: Final = ("[", "[[", "awk", "cat", "cut", "date", "env", "grep", "head", "id", "ls", "nc", "pgrep", "ps", "sed")
_PASSING: Final = BUILTINS | {*_LOOKS, "rm", "sleep", "sort", "tail", "touch", "tr", "uname", "wc", *SHELLS}


def run_before(unit: Unit, worker: Worker) -> list[str]:
    """What the scripts ran besides this worker, each as a line of what is not carried: a cache that was warmed, a
    migration."""
    found = [(words, place) for words, place in (*_of_start(unit), *worker.started())]
    workers = {one.words for one in unit.workers} | {one.command.words for one in unit.workers}
    lines = []
    for said, place in found:
        words = said[1:] if said[:1] == ("exec",) else said
        name = _base(words)
        is_other = name and name not in _PASSING and "=" not in name
        if not is_other or words in workers or _holds_worker(words, workers) or _starts_supervisor(words):
            continue
        shown = [word or "?" for word in words]
        hidden = set(secret_words(shown))
        text = " ".join(MASK if at in hidden else word for at, word in enumerate(shown))
        lines.append(
            f"`{text}` ({place}), which the script ran beside the workers: run it in the image's build, in your "
            "pipeline, or by an init container (docs/pods.md)"
        )
    return list(dict.fromkeys(lines))


def _of_start(unit: Unit) -> Iterator[tuple[Words, Place]]:
    """The commands of the script that the container begins with, however the supervisor is reached from it."""
    for word in unit.start.words[:4] if unit.start else ():
        name = (word or "").rpartition("/")[2]
        files = [one for one in unit.setup.scripts if name and one.base == name]
        inline = unit.image.inline.get(word or "") if unit.image else None
        for file in [inline] if inline is not None else files[:1]:
            script = read_script(file.text)
            for call in script.calls:
                if call.name not in script.functions:
                    yield call.words, file.at(file.first_line + call.line)


def _holds_worker(words: Words, workers: set[Words]) -> bool:
    """Whether it is a worker behind a program that becomes it: `gosu app php ...`."""
    return any(one and words[-len(one) :] == one for one in workers)


def _starts_supervisor(words: Words) -> bool:
    return any(_base((word,)) in ("supervisord", "s6-svscan", "init") for word in words)


def _base(words: Words) -> str:
    return str(words[0]).rpartition("/")[2] if words and words[0] else ""


def broker_places(unit: Unit, worker: dict[str, Any]) -> list[str]:
    """Where the application itself says how its broker is reached, without what stands there."""
    if worker["kind"] == "symfonyMessenger":
        return [_of_transport(one) for one in _own(unit, worker)]
    if worker["kind"] == "celery":
        said = ((one.options[key], key) for one in unit.setup.celery for key in ("broker_url",) if key in one.options)
        return [f"{place.place} has it as `{key}`" for place, key in said]
    return []


def _of_transport(one: Transport) -> str:
    variable = variable_of(one)
    what = f"in the variable {variable}" if variable else "as its DSN"
    return f"{one.place} has that of {one.name}, {what}"


def _own(unit: Unit, worker: dict[str, Any]) -> Iterable[Transport]:
    receivers = worker.get("receivers", ())
    return (one for one in unit.setup.transports if one.name in receivers and not one.is_variable and one.dsn)


def redelivery_of(unit: Unit, worker: dict[str, Any]) -> str:
    """What messenger.yaml says now, as the end of a sentence."""
    found = [
        f"{option.place} says {option.value}"
        for one in _own(unit, worker)
        if (option := one.options.get("redeliver_timeout")) is not None
    ]
    return f"; {', '.join(found)}" if found else f", where nothing that was read says it and {_MESSENGER_SECONDS} holds"
