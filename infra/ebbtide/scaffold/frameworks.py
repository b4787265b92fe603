"""Workers that ebbtide has a kind for: from the words of a command to the settings of that kind.

Which options a kind writes itself, and which it refuses and why, is asked of the kind.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from ebbtide.doctor.of_image import CONSUME, consumed_receivers
from ebbtide.doctor.setup import SetUp
from ebbtide.judgement.secrets import MASK
from ebbtide.settings.models.celery import CeleryBeat, CeleryWorker
from ebbtide.settings.models.laravel import LaravelQueueWorker
from ebbtide.settings.models.sidekiq import SidekiqWorker
from ebbtide.settings.models.symfony import SymfonyMessengerWorker
from ebbtide.settings.models.worker import WorkerSettings

Settings = dict[str, Any]

_CONSOLE: Final = SymfonyMessengerWorker.model_fields["console"].default


@dataclass
class Written:
    """A command, taken apart."""

    start: list[str]
    """Up to the program itself: `bundle exec sidekiq`."""
    positionals: list[str]
    owned: dict[str, list[str]] = field(default_factory=dict)
    """The values of what the kind has a setting for, by the name of the setting."""
    refused: dict[str, str] = field(default_factory=dict)
    """What the kind refuses, and its reason."""
    rest: list[str] = field(default_factory=list)
    """Further options, as they were."""

    def last(self, setting: str) -> str | None:
        """The value that counts."""
        values = self.owned.get(setting)
        return values[-1] if values else None

    def number(self, setting: str) -> int | None:
        """A whole number above 0."""
        value = self.last(setting)
        return int(value) if value and re.fullmatch(r"[1-9][0-9]{0,8}", value) else None

    def names(self, setting: str) -> list[str]:
        """Names behind commas, of all that were given."""
        return [name for value in self.owned.get(setting, ()) for name in value.split(",") if name]


def framework_settings(program: str, words: list[str], setup: SetUp, left: list[str]) -> Settings | None:
    """The settings of a kind of its own; None where there is none for it, or it cannot run this command. Says in `left`
    what was not carried."""
    carry = _CARRIES.get(program)
    return carry(words, setup, left) if carry else None


def _celery(words: list[str], _setup: SetUp, left: list[str]) -> Settings | None:
    said = _take_apart(words, "celery", CeleryWorker, {"-A": "app", "--app": "app", "--autoscale": "autoscale"})
    app, pool = said.last("app"), said.last("pool") or "prefork"
    if app is None or pool not in ("prefork", "threads", "solo"):
        return None
    settings: Settings = {"kind": "celery", "app": app}
    if said.start != ["celery"]:
        settings["program"] = said.start
    settings["queues"] = said.names("queues") or ["celery"]
    if pool != "prefork":
        settings["pool"] = pool
    highest = re.match(r"[1-9][0-9]{0,2}", said.last("autoscale") or "")
    settings["concurrency"] = said.number("concurrency") or (int(highest[0]) if highest else 1)
    if highest:
        left.append(f"`--autoscale`: {CeleryWorker.refused_options['--autoscale'][0]}; `concurrency` is its maximum")
    elif said.number("concurrency") is None and pool != "solo":
        left.append("concurrency, which was the number of the node's cores: `worker.concurrency` is 1")
    if limit := said.number("messageLimit"):
        settings["messageLimit"] = limit
    kilobytes = said.number("memoryLimit")
    if kilobytes:
        settings["memoryLimit"] = f"{-(-kilobytes // 1024)}M"
    else:
        left.append("how much memory a child needs: `worker.memoryLimit` is its default, 200M; measure it")
    return _with_rest(settings, said, left)


def _celery_beat(words: list[str], _setup: SetUp, left: list[str]) -> Settings | None:
    said = _take_apart(words, "celery", CeleryBeat, {"-A": "application", "--app": "application"})
    app = said.last("application")
    if app is None:
        return None
    program = {"program": said.start} if said.start != ["celery"] else {}
    return _with_rest({"kind": "celeryBeat", "app": app, **program}, said, left)


def _sidekiq(words: list[str], setup: SetUp, left: list[str]) -> Settings | None:
    said = _take_apart(words, "sidekiq", SidekiqWorker)
    file = setup.sidekiq[0] if len(setup.sidekiq) == 1 else None
    queues = [queue.partition(",")[0] for queue in said.owned.get("queues", ())]
    queues = queues or list(file.queues if file else ())
    settings: Settings = {"kind": "sidekiq", "command": said.start, "queues": queues or ["default"]}
    if not queues:
        left.append(
            "the queues, which nothing that was read says: `worker.queues` is `default` alone, and wins over "
            "config/sidekiq.yml"
        )
    threads = said.number("concurrency") or (file.concurrency if file else None)
    settings["concurrency"] = threads or 5
    if not threads:
        left.append(
            "how many threads a process has, which nothing that was read says (config/sidekiq.yml, RAILS_MAX_THREADS): "
            "`worker.concurrency` is 5"
        )
    left.append("how much memory a process needs: `worker.memoryLimit` is its default, 512M; measure it")
    left.append(
        "that a job is lost with a killed process (V-57): accept it, or set `worker.fetch` to `super` with Sidekiq Pro"
    )
    return _with_rest(settings, said, left)


def _laravel(words: list[str], _setup: SetUp, left: list[str]) -> Settings | None:
    said = _take_apart(words, "queue:work", LaravelQueueWorker)
    settings: Settings = {"kind": "laravelQueue"}
    if said.positionals:
        settings["connection"] = said.positionals[0]
    else:
        left.append("the connection, which is the application's default: `worker.connection` is redis")
    artisan = next((word for word in said.start if posixpath.basename(word) == "artisan"), "artisan")
    if artisan != "artisan":
        settings["artisan"] = artisan
    settings["queues"] = said.names("queues") or ["default"]
    if not said.names("queues"):
        left.append(
            "the queue, which no option says: `worker.queues` is `default`, and the connection's own `queue` in "
            "config/queue.php is what counted"
        )
    for setting in ("tries", "messageLimit"):
        if number := said.number(setting):
            settings[setting] = number
    for setting in ("maxTime", "sleep"):
        if number := said.number(setting):
            settings[setting] = f"{number}s"
    if megabytes := said.number("memoryLimit"):
        settings["memoryLimit"] = f"{megabytes}M"
    said.refused.pop("--timeout", None)  # it has become longestMessage, as far as it is known
    return _with_rest(settings, said, left)


def _symfony(words: list[str], _setup: SetUp, left: list[str]) -> Settings | None:
    if CONSUME not in words:
        return None  # a file of that name
    words = _with_their_options(words)
    said = _take_apart(words, CONSUME, SymfonyMessengerWorker)
    named = consumed_receivers(words)
    receivers = [name for name in named or () if name != MASK]
    is_said = bool(receivers) or named is None  # --all, which stays among the arguments, names none
    settings: Settings = {"kind": "symfonyMessenger", "receivers": receivers if is_said else ["async"]}
    if not is_said:
        left.append("the receivers, which the command does not say: `worker.receivers` is `async`")
    console = next((word for word in said.start if posixpath.basename(word) == "console"), _CONSOLE)
    if console != _CONSOLE:
        settings["console"] = console
    limit = said.last("memoryLimit") or ""
    settings["memoryLimit"] = limit if re.fullmatch(r"[0-9]+[KMG]", limit) else "128M"
    for setting in ("messageLimit", "failureLimit"):
        if number := said.number(setting):
            settings[setting] = number
    for setting in ("timeLimit", "sleep"):
        if number := said.number(setting):
            settings[setting] = f"{number}s"
    # Options of it that take no value may stand before a receiver.
    said.rest = [word for word in said.rest if word not in (*receivers, MASK)]
    return _with_rest(settings, said, left)


def _with_their_options(words: list[str]) -> list[str]:
    """What is hidden behind an option is its value, and no receiver."""
    found: list[str] = []
    for word in words:
        is_value = word == MASK and found and found[-1].startswith("--") and "=" not in found[-1]
        found[-1:] = [f"{found[-1]}={word}"] if is_value else [*found[-1:], word]
    return found


def _with_rest(settings: Settings, said: Written, left: list[str]) -> Settings:
    left += [f"`{option}`: {reason}" for option, reason in said.refused.items()]
    if said.rest:
        settings["arguments"] = said.rest
    return settings


def _take_apart(
    words: list[str], program: str, kind: type[WorkerSettings], further: dict[str, str] | None = None
) -> Written:
    at = next((n for n, word in enumerate(words) if posixpath.basename(word) == program), 0)
    said = Written(words[: at + 1], [])
    owned = {**kind.owned_options, **(further or {})}
    for option, value, as_written in _options(words[at + 1 :]):
        if option in owned:
            said.owned.setdefault(owned[option], []).append(value or "")
        elif option in kind.refused_options:
            said.refused[option] = "; ".join(kind.refused_options[option])
        elif option:
            said.rest += as_written
        elif value != "worker":
            said.positionals.append(value or "")
    return said


def _options(words: list[str]) -> Iterator[tuple[str, str | None, list[str]]]:
    """Each option, its value, and both as they were written; a word that belongs to none has an empty option. A word
    behind an option is taken for its value: these programs have their words first."""
    at = 0
    while at < len(words):
        word = words[at]
        following = words[at + 1] if at + 1 < len(words) else "-"
        at += 1
        if not word.startswith("-"):
            yield "", word, [word]
        elif word.startswith("--") and "=" in word:
            option, _, value = word.partition("=")
            yield option, value, [word]
        elif not word.startswith("--") and len(word) > 2:
            yield word[:2], word[2:].removeprefix("="), [word]
        elif following.startswith("-"):
            yield word, None, [word]
        else:
            at += 1
            yield word, following, [word, following]


_CARRIES: Final[dict[str, Callable[[list[str], SetUp, list[str]], Settings | None]]] = {
    CONSUME: _symfony,
    "celery beat": _celery_beat,
    "celery worker": _celery,
    "sidekiq": _sidekiq,
    "artisan queue:work": _laravel,
}
