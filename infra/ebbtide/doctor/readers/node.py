"""Programs of Node.js that take messages: by which library, and when a message is done for the broker.

Only what stands in their text is read: BullMQ and Bull, amqplib, and SQS by Amazon's client. What is done by a function
of another file, or by another library, is not followed.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from ebbtide.doctor.files import CODE_OF_NODE, File
from ebbtide.doctor.readers.javascript import Source

_OWN: Final = re.compile(
    r"(?<![\w-])(?:bullmq|bull|amqplib|amqp-connection-manager|@nestjs/microservices|aws-sdk|@aws-sdk/client-sqs)\b"
)
_OTHERS: Final = re.compile(
    r"^(?:kafkajs|node-rdkafka|@confluentinc/kafka-javascript|bee-queue|kue|agenda|pg-boss|graphile-worker|"
    r"sqs-consumer|rascal|rhea|nats|nsqjs|stompit|@google-cloud/(?:pubsub|tasks)|@azure/service-bus|rsmq-worker|"
    r"celery-node|faktory-worker|node-resque|@golevelup/nestjs-rabbitmq|rabbitmq-client)$"
)
_IMPORT: Final = re.compile(r"(?:\bfrom\s*|\bimport\s*\(?\s*|\brequire\s*\(\s*)([\"'])([^\"'\n]+)\1")
_PACKAGE: Final = re.compile(r"[\"']([@a-z][\w@/-]{2,40})[\"']")
_ALIAS: Final = re.compile(r"\bWorker\s*(?:\bas\b|:)\s*([\w$]+)")
_LIKE_A_TEST: Final = re.compile(r"__(?:tests|mocks)__/|[._-](?:test|spec|e2e|mock|stories|d)\.[mc]?[jt]s$")
MOST_CHARACTERS: Final = 2**20
"""A larger one is a bundle of others' code."""
_MOST_CALLS: Final = 50

_NO_ACK: Final = re.compile(r"\bnoAck\s*:\s*(?:true|!0)\b")
_REPLIES: Final = re.compile(
    r"(?i)^(?:([\"'`])(?:amq\.rabbitmq\.reply-to)?\1|[\w$.?]*\.queue|[\w$.]*(?:repl(?:y|ies)|callback)\w*)$"
)
_DELETES: Final = re.compile(r"\bnew\s+DeleteMessage(?:Batch)?Command\s*\(|\.deleteMessage(?:Batch)?\s*\(")
_ACKS: Final = re.compile(r"\.ack\s*\(")
_HANDLE: Final = re.compile(r"([\w$]+)(?:\[[0-9]+\])?\s*[!?]?\.\s*ReceiptHandle\b")
_RECEIVES: Final = re.compile(r"\bReceiveMessageCommand\b|\.receiveMessage\s*\(")
_CALL: Final = re.compile(r"([\w$][\w$.?!]*)\s*(?:<[^<>()]{0,80}>)?\(")
_ASSIGNED: Final = re.compile(r"\b(?:const|let|var)\s+(\{[^{}]*\}|\[[^\[\]]*\]|[\w$]+)[^=;\n]{0,80}=\s*([^;\n]*)")
_EACH: Final = re.compile(r"\b(?:const|let|var)\s+([\w$]+)\s+of\s+([\w$.?]+)")
_KEYWORDS: Final = frozenset(
    {"if", "for", "while", "switch", "catch", "function", "return", "await", "super", "typeof"}
)
_ONLY_READS: Final = frozenset(
    {
        *("parse", "stringify", "toString", "from", "String", "Number", "Boolean", "Buffer", "push", "isArray", "keys"),
        *("ack", "nack", "reject", "deleteMessage", "deleteMessageBatch", "DeleteMessageCommand"),
        *("DeleteMessageBatchCommand", "ReceiveMessageCommand", "receiveMessage", "decode", "trim", "then", "catch"),
    }
)
_TELLS: Final = re.compile(
    r"^(?:this\.)?_?(?:console|log|logger|logging|winston|pino|debug|metrics?|statsd|tracer|span|Sentry|stats)\b",
    re.IGNORECASE,
)
# `if (message) {`, `if (message !== null) {`, `if (data.Messages && data.Messages.length) {`: whether one has come.
_HAS_COME: Final = re.compile(
    r"\bif\s*\(\s*!{0,2}[\w$.?]+(?:\s*!==?\s*(?:null|undefined))?(?:\s*&&[^()]*length[^()]*)?\)$"
)
_CONDITION: Final = re.compile(r"(?:\bif\s*\([^()]*(?:\([^()]*\)[^()]*)*\)|\belse|\bcatch\s*(?:\([^()]*\))?)$")

_FUNCTION: Final = re.compile(r"=>$|([\w$]+)\s*\([^(){}]*\)(?:\s*:\s*[\w<>\[\], |.]+)?$")
_OF_SQS: Final = re.compile(r"\bnew\s+\w+Message\w*Command\b")
_ASKS: Final = re.compile(r"^(?:is|has|should|can|may|valid)(?:[A-Z_]|$)")
_IN_A_CONDITION: Final = re.compile(r"\bif\s*\([^{};]*$")
_KEPT: Final = re.compile(r"(?:\b(?:const|let|var)\s+)?([\w$]+)\s*(?::\s*\w+\s*)?=$")
_FOLLOWS: Final = re.compile(r"\.(?:then|finally)$")

_SHUTS_DOWN: Final = re.compile(
    r"graceful|shut-?down|terminus|exit-hook|signal-exit|node-cleanup|(?:^|/)death$", re.IGNORECASE
)
_HOOKS: Final = re.compile(r"\benableShutdownHooks\b")
_FORCED: Final = re.compile(r"([\w$]+)[?!]*\.close\s*\(\s*(?:true|!0)\s*\)")
_LEFT: Final = re.compile(
    r"(\bawait\s+|\breturn\s+)?\b(?:[\w$]+[?!]*\.)*([\w$]+)[?!]*\.close\s*\(\s*\)\s*;?\s*process\s*\.\s*exit\s*\("
)
# What takes jobs by its name: a server, or a database, is closed in the same words (`connection.close(true)`).
_TAKES_JOBS: Final = re.compile(r"(?i)worker|queue|consumer|processor")


@dataclass(frozen=True)
class Early:
    """A place where a message is done for the broker before it is handled, or might be."""

    line: int
    text: str
    is_judged: bool = True

    @property
    def word(self) -> str:
        """The option by which the broker forgets what it sends."""
        found = re.search(r"\b(noAck|auto_ack|no_ack)\b", self.text)
        return found[1] if found is not None else ""


@dataclass(frozen=True)
class NodeProgram:
    """One file."""

    file: File

    @cached_property
    def names_a_queue(self) -> bool:
        """Whether it names a library that is read here, or another one of queues; at a glance."""
        text = self.file.text
        if len(text) > MOST_CHARACTERS:
            return False
        return _OWN.search(text) is not None or any(_OTHERS.match(name) for name in _PACKAGE.findall(text))

    @cached_property
    def source(self) -> Source:
        """Its text; most of a team's programs take no messages, and are never looked at."""
        return Source(self.file.text)

    @cached_property
    def imports(self) -> tuple[str, ...]:
        """What it imports, as it is written."""
        return tuple(dict.fromkeys(one[2] for one in _IMPORT.finditer(self.source.code)))

    @cached_property
    def locals(self) -> list[str]:
        """What it imports of the team's own."""
        return [one for one in self.imports if one.startswith((".", "/", "@/", "~", "#", "src/"))]

    @cached_property
    def packages(self) -> set[str]:
        """What it imports of others."""
        return {"/".join(one.split("/")[: 2 if one.startswith("@") else 1]) for one in self.imports} - set(self.locals)

    @cached_property
    def others(self) -> list[str]:
        """Libraries of queues that nobody here knows."""
        return sorted(one for one in self.packages if _OTHERS.match(one))

    @cached_property
    def makes_worker(self) -> int:
        """The line in which it makes a worker of BullMQ's or Bull's; 0 where it makes none."""
        found = None
        if "bullmq" in self.packages and "worker_threads" not in " ".join(self.imports):
            found = re.search(self._new_worker, self.source.bare)
        elif "bull" in self.packages:
            found = re.search(r"\.process\s*\(", self.source.bare)
        if found is None and self.packages & {"@nestjs/bullmq", "@nestjs/bull"}:
            found = re.search(r"@Processor\s*\(", self.source.bare)
        return self.source.line(found.start()) if found is not None else 0

    @cached_property
    def workers(self) -> set[str]:
        """What it calls the workers of BullMQ's, and the queues of Bull's, that it makes."""
        made = self._new_worker if "bullmq" in self.packages else r"(?:new\s+)?(?:Bull|Queue)\s*[<(]"
        return set(re.findall(rf"([\w$]+)\s*(?::[^=;\n]{{0,80}})?=\s*{made}", self.source.bare))

    @cached_property
    def _new_worker(self) -> str:
        names = "|".join(map(re.escape, ("Worker", *_ALIAS.findall(self.source.bare))))
        return rf"\bnew\s+(?:[\w$]+\.)?(?:{names})\s*[<(]"

    @cached_property
    def consumes(self) -> bool:
        """Whether it takes messages from a queue."""
        takes = r"\.consume\s*\(" if self.packages & {"amqplib", "amqp-connection-manager"} else r"(?!)"
        of_others = {"kafkajs": r"\.run\s*\(\s*\{", "sqs-consumer": r"\bConsumer\b"}
        patterns = [takes, *(pattern for name, pattern in of_others.items() if name in self.packages)]
        is_seen = any(re.search(pattern, self.source.bare) for pattern in patterns)
        return bool(self.makes_worker or is_seen or self._is_of_sqs)

    @property
    def _is_of_sqs(self) -> bool:
        is_client = bool(self.packages & {"@aws-sdk/client-sqs", "aws-sdk"})
        return is_client and _RECEIVES.search(self.source.bare) is not None

    @cached_property
    def early(self) -> list[Early]:
        """Where messages are done before they are handled."""
        found = []
        if self.packages & {"amqplib", "amqp-connection-manager", "@nestjs/microservices"}:
            found += [self._without_ack(one) for one in _NO_ACK.finditer(self.source.bare)]
        if self._is_of_sqs:
            found += self._before_its_work(_DELETES, "deletes a message from SQS")
        if self.packages & {"amqplib", "amqp-connection-manager"}:
            found += self._before_its_work(_ACKS, "acknowledges a message")
        return found

    def _without_ack(self, found: re.Match[str]) -> Early:
        source, line = self.source, self.source.line(found.start())
        call = next((start for start, _ in source.around(found.start()) if source.bare[start] == "("), None)
        name = re.search(r"([\w$]+)\s*$", source.before(call)) if call is not None else None
        queue = source.code[call + 1 : source.closed(call)].partition(",")[0].strip() if call is not None else ""
        is_server = re.search(r"\b(?:create|connect)Microservice\b", source.bare) and "Transport.RMQ" in source.bare
        is_own = not queue.startswith(("'", '"', "`")) and re.search(r"\bexclusive\s*:\s*true\b", source.bare)
        is_of_replies = _REPLIES.match(queue) or is_own
        if is_server or (name and name[1] in ("consume", "get") and not is_of_replies):
            return Early(line, "takes messages with noAck: true: for RabbitMQ each is done when it is sent")
        return Early(line, "says noAck: true, and whether of a queue of messages or of replies", is_judged=False)

    def _before_its_work(self, pattern: re.Pattern[str], what: str) -> Iterator[Early]:
        for n, found in enumerate(pattern.finditer(self.source.bare)):
            order = self._order(found) if n < _MOST_CALLS else None
            if order is False:
                yield Early(self.source.line(found.start()), f"{what} before it handles it")
            elif order is None and pattern is _DELETES:
                yield Early(
                    self.source.line(found.start()), f"{what}, and whether it has handled it by then", is_judged=False
                )

    def _order(self, found: re.Match[str]) -> bool | None:
        """Whether the message of a call has been handled before it; None where that is not seen."""
        source, opened = self.source, found.end() - 1
        names = self._message_of(opened)
        kept = _KEPT.search(source.before(found.start()))
        if kept is not None:  # a command that is sent later
            sent = re.compile(rf"\.send\s*\(\s*{re.escape(kept[1])}\b").search(source.bare, opened)
            if sent is None:
                return None
            opened = source.bare.index("(", sent.start())
        outer, is_always, is_inside = opened, True, True
        for start, end in source.around(opened):
            if not source.is_block(start):
                outer = start
                is_inside = is_inside or _FOLLOWS.search(source.before(start)) is not None
                continue
            if not is_inside:
                return None  # a function that somebody calls
            names = self._derived(names, start, end)
            if self._handles((start + 1, outer), names, is_strict=False):
                return True
            head = source.before(start)
            is_always = is_always and (not _CONDITION.search(head) or _HAS_COME.search(head) is not None)
            if is_always and names and self._handles((source.closed(outer) + 1, end), names, is_strict=True):
                return False
            function = _FUNCTION.search(head)
            if function is not None and function[1] not in _KEYWORDS - {"function"}:
                is_always = is_inside = False
            outer = start
        return None

    def _message_of(self, opened: int) -> set[str]:
        """What a call that ends a message calls it: by its receipt, or as it is handed over."""
        text = self.source.bare[opened : self.source.closed(opened)]
        names = set(_HANDLE.findall(text))
        for name in list(names):
            names |= {
                one.rpartition(".")[2] for one in re.findall(rf"([\w$.]+)\.map\(\s*\(?\s*{re.escape(name)}\b", text)
            }
        first = re.match(r"\(\s*([\w$]+)\s*(?:as\s[^,)]*)?[,)!]", f"{text})")
        return names or ({first[1]} if first is not None else set())

    def _derived(self, names: set[str], start: int, end: int) -> set[str]:
        """With what a block makes of them: `const body = JSON.parse(message.Body)`."""
        text, found = self.source.bare[start:end], set(names)
        for _ in range(2):
            for target, value in (*_ASSIGNED.findall(text), *_EACH.findall(text)):
                if found & set(re.findall(r"[\w$]+", value)) and not _OF_SQS.search(value):
                    found |= set(re.findall(r"[\w$]+", target))
        return found

    def _handles(self, where: tuple[int, int], names: set[str], *, is_strict: bool) -> bool:
        """Whether a message, or what was made of it, is handed to some call that does more than read it."""
        bare = self.source.bare
        for call in _CALL.finditer(bare, *where):
            words = re.findall(r"[\w$]+", call[1])
            if words[-1] in _KEYWORDS | _ONLY_READS or _TELLS.match(call[1]) or _ASKS.match(words[-1]):
                continue
            text, head = bare[call.end() : self.source.closed(call.end() - 1)], self.source.before(call.start())
            if _OF_SQS.match(text) or (_IN_A_CONDITION.search(head) and not head.endswith("await")):
                continue
            inside = set(re.findall(r"[\w$]+", text))
            if inside & names or (not is_strict and set(words[:-1]) & names):
                return True
        return False


def read_node(file: File) -> NodeProgram | None:
    """A program that may take messages, or is a part of one; None for anything else."""
    if _LIKE_A_TEST.search(file.name) and not file.is_named:
        return None
    return NodeProgram(file)


@dataclass(frozen=True)
class Whole:
    """A program with all that it imports of the team's own."""

    parts: tuple[NodeProgram, ...]
    missing: tuple[str, ...]
    """What was not handed over."""

    @property
    def worker(self) -> NodeProgram | None:
        """The part that makes a worker of BullMQ's or Bull's."""
        return next((one for one in self.parts if one.makes_worker), None)

    def is_left_to(self, signal: str) -> bool:
        """Whether it is known that nothing closes its worker at a stop signal: all of its parts are here."""
        return self.worker is not None and not self.missing and not (self.hears(signal) and self.closes)

    def hears(self, signal: str) -> bool:
        """Whether a part speaks of a stop signal, or takes somebody's package for it."""
        return any(
            re.search(rf"\bSIG{signal}\b", one.source.code) or self._leaves_it_to_others(one) for one in self.parts
        )

    @property
    def closes(self) -> bool:
        """Whether a part closes anything."""
        return any(re.search(r"\bclose\b", one.source.bare) or self._leaves_it_to_others(one) for one in self.parts)

    @staticmethod
    def _leaves_it_to_others(one: NodeProgram) -> bool:
        return _HOOKS.search(one.source.bare) is not None or any(_SHUTS_DOWN.search(name) for name in one.imports)

    def hastily(self) -> Iterator[tuple[NodeProgram, int, str]]:
        """Where a part closes a worker, and does not wait for its jobs."""
        for one in self.parts:
            for found in _FORCED.finditer(one.source.bare):
                if self._takes_jobs(found[1]):
                    yield one, one.source.line(found.start()), "closes its worker by force (close(true))"
            for found in _LEFT.finditer(one.source.bare):
                if not found[1] and self._takes_jobs(found[2]):
                    yield (
                        one,
                        one.source.line(found.start()),
                        "ends the process right behind close(), which it does not await",
                    )

    def _takes_jobs(self, name: str) -> bool:
        return _TAKES_JOBS.search(name) is not None or any(name in one.workers for one in self.parts)


def whole(first: NodeProgram, programs: Mapping[str, NodeProgram]) -> Whole:
    """A program and its imports."""
    parts: dict[str, NodeProgram] = {}
    missing: list[str] = []
    rest = [first]
    while rest:
        one = rest.pop()
        if one.file.name in parts:
            continue
        parts[one.file.name] = one
        for name in one.locals:
            found = _resolved(name, one.file.name, programs)
            if found is not None:
                rest.append(found)
            elif not name.endswith((".json", ".node", ".css", ".graphql")):
                missing.append(name)
    return Whole(tuple(parts.values()), tuple(dict.fromkeys(missing)))


def parts_of_takers(programs: Mapping[str, NodeProgram]) -> set[str]:
    """The files of all programs of which a part names a queue. Each import is looked up once: program by program, 3,000
    files that import each other took five seconds."""
    imports = {
        name: {found.file.name for local in one.locals if (found := _resolved(local, name, programs)) is not None}
        for name, one in programs.items()
    }
    importers: dict[str, set[str]] = {}
    for name, others in imports.items():
        for other in others:
            importers.setdefault(other, set()).add(name)
    takers = _reached({name for name, one in programs.items() if one.names_a_queue}, importers)
    return _reached(takers, imports)


def _reached(first: set[str], steps: Mapping[str, set[str]]) -> set[str]:
    found, rest = set(first), list(first)
    while rest:
        fresh = steps.get(rest.pop(), set()) - found
        found |= fresh
        rest += fresh
    return found


def _resolved(name: str, importer: str, programs: Mapping[str, NodeProgram]) -> NodeProgram | None:
    if not name.startswith("."):
        return None
    path = posixpath.normpath(posixpath.join(posixpath.dirname(importer), name))
    stem = re.sub(r"\.[mc]?js$", "", path)
    names = (path, *(f"{one}{suffix}" for one in (path, stem) for suffix in CODE_OF_NODE))
    names += tuple(f"{path}/index{suffix}" for suffix in CODE_OF_NODE)
    return next((programs[one] for one in names if one in programs), None)
