"""The Redis servers of a set-up: how they are configured, and whether a queue may be in one.

A Redis is a broker, a cache, or both. Who speaks of it says which: the variables that hold its address, the settings of
queues, the triggers that count in it.
"""

from __future__ import annotations

import posixpath
import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

from ebbtide.doctor.data import Map, Place, Said
from ebbtide.doctor.files import File
from ebbtide.doctor.setup import SetUp
from ebbtide.doctor.workload import Container, ManifestObject, Workload

_IMAGE: Final = re.compile(r"(?:^|/)(?:redis|valkey)(?:[:@]|$)")
_LINE: Final = re.compile(r"(?mi)^[ \t]*(maxmemory-policy|appendonly|save|dir)[ \t]+(.*?)[ \t]*$")
_OF_A_CACHE: Final = re.compile(r"(?i)cache|session|throttl|rate_?limit|lock_|cable|pub_?sub|websocket|socket_?io")
_OF_A_QUEUE: Final = re.compile(r"(?i)broker|queue|transport|messenger|celery|sidekiq|resque|bull|\bjobs?\b|worker")
_NAMED_CACHE: Final = re.compile(r"(?i)(?:^|[-_/.])(?:cache|session)s?(?:$|[-_/.])")
_REDIS_WORKERS: Final = re.compile(r"(?:^|[\s/])(?:sidekiq|sidekiqswarm|resque|rq|rqworker|horizon|queue:work)(?:\s|$)")
_ELSEWHERE: Final = re.compile(r"^(?:amqps?|pyamqp|sqs|kafka|pulsar|nats|stomp):|https?://sqs\.")
_REDIS: Final = re.compile(r"^(?:rediss?|valkeys?|sentinel)(?:\+\w+)?:")
_NO_DISK: Final = frozenset({"configMap", "secret", "projected", "downwardAPI", "emptyDir"})
_QUOTED: Final = re.compile(r"([\"'])(.*)\1")
_DATA: Final = "/data"
"""Where the official images of Redis and Valkey work, and write."""


@dataclass
class RedisServer:
    """One server, or a configuration file of one."""

    title: str
    place: Place
    settings: dict[str, Said[str]] = field(default_factory=dict)
    hosts: frozenset[str] = frozenset()
    """What others call it by; nothing of a file alone."""
    workload: Workload | None = None
    container: Container | None = None
    is_file: bool = False
    reads_elsewhere: bool = False
    """It is started with a configuration that nobody handed over."""

    @property
    def is_kept_nowhere(self) -> bool:
        """Whether it is told to write nothing to disk."""
        save, log = self.settings.get("save"), self.settings.get("appendonly")
        return save is not None and save.value == "" and (log is None or log.value == "no")

    @property
    def data_is_in_its_pod(self) -> bool:
        """Whether a pod of Kubernetes has no disk that outlives it for what the server writes."""
        if self.workload is None or self.container is None:
            return False
        return has_no_disk(self.workload, self.container, self._may_write_to)

    def _may_write_to(self, mounted: str) -> bool:
        """Whether its data may be below a path, as far as is known where it writes."""
        said = self.settings.get("dir")
        directory = _DATA if said is None else said.value
        is_known = said is not None or not self.reads_elsewhere
        if not is_known or not directory.startswith("/") or not mounted.startswith("/"):
            return True
        return is_below(directory, mounted)


def has_no_disk(workload: Workload, container: Container, may_write_to: Callable[[str], bool]) -> bool:
    """Whether a pod of Kubernetes has no disk that outlives it below the paths that a server may write to."""
    if workload.kind == "service":
        return False
    claims = {one.map("metadata").text("name") for one in workload.data.items_of("spec", "volumeClaimTemplates")}
    kinds = {one.text("name"): set(one) - {"name"} for one in workload.pod.items_of("volumes")}
    mounts = [one for one in container.data.items_of("volumeMounts") if may_write_to(one.text("mountPath"))]
    names = [one.text("name") for one in mounts]
    return all(name not in claims and kinds.get(name, {"?"}) <= _NO_DISK for name in names)


def is_below(path: str, mounted: str) -> bool:
    """Whether a path is a mounted one, or below it."""
    path, mounted = posixpath.normpath(path), posixpath.normpath(mounted)
    return path == mounted or path.startswith(f"{mounted.rstrip('/')}/")


def redis_servers(setup: SetUp) -> Iterator[RedisServer]:
    """Servers by their image; redis.conf, and ConfigMaps that hold one."""
    for workload in setup.workloads:
        for container in workload.containers:
            if _IMAGE.search(container.image.value if container.image else ""):
                hosts = {workload.name, *_services_of(workload, setup)}
                settings = _of_command(container)
                files = list(_mounted(workload, setup))
                for file in files:
                    settings = _of_text(file) | settings
                server = RedisServer(workload.title, workload.place, settings, frozenset(hosts), workload, container)
                # Another's image may work elsewhere: bitnami's does.
                server.reads_elsewhere = not _is_plain(container) or (_names_a_file(container) and not files)
                yield server
    for file in setup.redis:
        yield RedisServer(file.base, file.at(), _of_text(file), is_file=True)


def _is_plain(container: Container) -> bool:
    image = container.image.value if container.image else ""
    return re.match(r"(?:docker\.io/)?(?:library/|valkey/)?(?:redis|valkey)(?:[:@]|$)", image) is not None


def _names_a_file(container: Container) -> bool:
    """Whether its command names a configuration, or is a script of somebody's."""
    commands = [one for one in (container.command, container.arguments) if one is not None]
    return any(re.search(r"\.(?:conf|sh)\b", word) for one in commands for word in one.words)


def _plain(value: str) -> str:
    """Without the quotes that Redis takes away."""
    quoted = _QUOTED.fullmatch(value)
    return quoted[2] if quoted is not None else value


def _said(name: str, value: str) -> str:
    """A value as rules compare it: Redis reads its own words in any case."""
    return _plain(value) if name == "dir" else _plain(value).lower()


def _of_command(container: Container) -> dict[str, Said[str]]:
    """`--maxmemory-policy allkeys-lru --save ''`, in a shell's text too."""
    found: dict[str, Said[str]] = {}
    for command in (container.command, container.arguments):
        words = [part for word in command.words for part in _split(word)] if command else []
        for at, word in enumerate(words):
            name, equals, value = word.removeprefix("--").partition("=")
            name = name.lower()
            if word.startswith("--") and command is not None:
                following = words[at + 1] if at + 1 < len(words) else ""
                found[name] = Said(_said(name, value if equals else following), command.place)
    return found


def _split(word: str) -> list[str]:
    if " " not in word:
        return [word]
    try:
        return shlex.split(word)
    except ValueError:
        return word.split()


def _of_text(file: File) -> dict[str, Said[str]]:
    lines = _LINE.finditer(file.text)
    return {
        name: Said(_said(name, one[2]), file.at_character(one.start(1))) for one in lines for name in [one[1].lower()]
    }


def _mounted(workload: Workload, setup: SetUp) -> Iterator[File]:
    """The configuration files in ConfigMaps that its pods mount. Each line counts in the manifest's file."""
    names = {one.map("configMap").text("name") for one in workload.pod.items_of("volumes")}
    for one in setup.of_kind("ConfigMap"):
        if one.name in names:
            data = one.data.map("data")
            for key, text in data.items():
                if key.endswith(".conf") and isinstance(text, str):
                    yield File(one.file, "\n" * data.line_of(key) + text)


def _services_of(workload: Workload, setup: SetUp) -> Iterator[str]:
    labels = workload.data.map("spec", "template", "metadata", "labels")
    for one in setup.of_kind("Service"):
        selector = one.data.map("spec", "selector")
        if selector and labels.holds(selector):
            yield one.name


def is_of_a_queue(server: RedisServer, setup: SetUp) -> bool:
    """Whether something says that a queue is in it."""
    return any(_OF_A_QUEUE.search(name) or not _OF_A_CACHE.search(name) for name in _mentions(server, setup))


def may_hold_a_queue(server: RedisServer, setup: SetUp) -> bool:
    """Whether a queue may be in it: not where all that speak of it mean a cache, nor where all queues are elsewhere."""
    names = list(_mentions(server, setup))
    if names:
        return is_of_a_queue(server, setup)
    is_named_cache = any(_NAMED_CACHE.search(host) for host in server.hosts)
    return not is_named_cache and not _queues_are_elsewhere(setup)


def _mentions(server: RedisServer, setup: SetUp) -> Iterator[str]:
    """What holds the address of a server: names of variables, and `queue` of settings that are a queue's."""
    if not server.hosts:
        return
    hosts = "|".join(map(re.escape, sorted(server.hosts)))
    # Also behind a password, and one pod of a StatefulSet: `redis://:secret@jobs-redis-0.jobs-redis:6379/0`.
    before = r"(?:^|//|@|,)(?:[^\s/@]*@)?(?:[\w-]+-[0-9]+\.)?"
    address = re.compile(rf"{before}(?:{hosts})(?:\.[\w.-]+)?(?::[0-9]+)?(?:[/,?]|$)")
    for name, value in _variables(setup):
        if address.search(value):
            yield name
    for text in _queue_addresses(setup):
        if address.search(text):
            yield "queue"


def _variables(setup: SetUp) -> Iterator[tuple[str, str]]:
    for workload in setup.workloads:
        for container in workload.containers:
            yield from ((name, said.value) for name, said in container.environment.items())
    for image in setup.images:
        yield from ((name, said.value) for name, said in image.environment.items())


def _queue_addresses(setup: SetUp) -> Iterator[str]:
    yield from (str(one.options["broker_url"].value) for one in setup.celery if "broker_url" in one.options)
    for trigger in _triggers(setup.objects):
        metadata = trigger.map("metadata")
        yield from (metadata.text(key) for key in ("address", "addresses", "host", "hosts") if key in metadata)
    for workload in setup.workloads:
        for container in workload.containers:
            commands = [one for one in (container.command, container.arguments) if one is not None]
            yield from (word for one in commands for word in one.words if _REDIS.match(word))


def _triggers(objects: list[ManifestObject]) -> Iterator[Map]:
    for one in objects:
        if one.kind in ("ScaledObject", "ScaledJob"):
            yield from (trigger for trigger in one.data.items_of("spec", "triggers") if "redis" in trigger.text("type"))


def _queues_are_elsewhere(setup: SetUp) -> bool:
    """Whether all that is known of queues is of another broker."""
    urls = [str(one.options["broker_url"].value) for one in setup.celery if "broker_url" in one.options]
    urls += [value for name, value in _variables(setup) if _OF_A_QUEUE.search(name) or _ELSEWHERE.search(value)]
    schemes = {one.scheme for one in setup.transports}
    drivers = {one.driver for one in setup.connections} - {"sync", "null"}
    commands = (
        one for workload in setup.workloads for box in workload.containers for one in (box.command, box.arguments)
    )
    uses_redis = (
        any(_REDIS.match(url) for url in urls)
        or bool(schemes & {"redis", ""})
        or "redis" in drivers
        or bool(setup.sidekiq or setup.rq or {"bull", "bullmq"} & setup.npm_packages)
        or (not drivers and any(_REDIS_WORKERS.search(" ".join(one.words)) for one in commands if one is not None))
        or any(True for _ in _triggers(setup.objects))
    )
    return not uses_redis and (any(_ELSEWHERE.search(url) for url in urls) or bool(schemes or drivers))
