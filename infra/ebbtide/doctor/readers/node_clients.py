"""Clients of brokers in programs of Node.js: where they take messages, and what their handler of a stop signal does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from ebbtide.doctor.data import Place
from ebbtide.doctor.readers.node import NodeProgram

_AMQP: Final = frozenset({"amqplib", "amqp-connection-manager"})
_CONSUME: Final = re.compile(r"\.consume\s*\(")
_KAFKA: Final = re.compile(r"\.run\s*\(\s*\{")
_SQS_CONSUMER: Final = re.compile(r"\bConsumer\.create\s*\(|\bnew\s+Consumer\s*\(")
_RECEIVES: Final = re.compile(r"\bnew\s+ReceiveMessageCommand\b|\.receiveMessage\s*\(")
_OF_SQS: Final = frozenset({"@aws-sdk/client-sqs", "aws-sdk"})
_VISIBLE: Final = re.compile(r"\bvisibilityTimeout\s*:\s*([0-9]{1,5})\b")
_HANDLE_TIMEOUT: Final = re.compile(r"\b(?:handleMessageTimeout)\s*:\s*([0-9_]+(?:\s*\*\s*[0-9_]+)*)")
_HEARTBEAT: Final = re.compile(r"\bheartbeatInterval\s*:")
_EACH: Final = re.compile(r"\beach(?:Message|Batch)\s*:\s*(?:async\s*)?\(.*?\)\s*=>\s*(?=\{)", re.DOTALL)
_BEGUN: Final = re.compile(
    r"(?:^\{|[;{}])\s*((?!await\b|return\b|if\b|for\b|while\b|switch\b|catch\b)[\w$][\w$.]*\s*\()"
)
_SETTLED: Final = re.compile(r"\s*\.\s*(?:catch|then|finally)\s*\(")
_NAMED: Final = re.compile(r"\s*([\w$]+)\s*\)")
_CALLED: Final = re.compile(
    r"\s*(?:async\s*)?(?:\([^()]*\)|[\w$]+)\s*=>\s*(?:void\s+|await\s+)?([\w$]+)\s*\([^()]*\)\s*\)"
)
_AWAITED: Final = re.compile(r"\bawait\s+(?:[\w$]+[?!]*\.)*([\w$]+)\s*\(")
_CLOSES: Final = frozenset({"close", "disconnect", "quit", "end", "$disconnect", "destroy", "shutdown"})
# Whatever may wait for what is in hand, or for nothing more to be.
_MAY_WAIT: Final = re.compile(
    r"\bset(?:Timeout|Interval|Immediate)\b|\bonce\s*\(|\.on\s*\(|\bPromise\b|\.(?:then|finally)\s*\(|\b(?:for|while|if)\s*\(|"
    r"\?|cancel|drain|(?<!a)wait|pause|idle|flight|pending|active|running|delay|sleep",
    re.IGNORECASE,
)


def amqp_line(one: NodeProgram) -> int:
    """The line in which it consumes from RabbitMQ, and acknowledges; 0 where it does not."""
    found = _CONSUME.search(one.source.bare) if one.packages & _AMQP else None
    return one.source.line(found.start()) if found is not None and not re.search(r"\bnoAck\b", one.source.bare) else 0


def makes_channel(one: NodeProgram) -> bool:
    """Whether its channel is its own: what it is set to stands here then."""
    return re.search(r"\.create(?:Confirm)?Channel\s*\(", one.source.bare) is not None


def taken_by(one: NodeProgram) -> tuple[int, str]:
    """The line in which it takes messages by a client, and that client; 0 where it takes none."""
    for packages, pattern, name in (
        (_AMQP, _CONSUME, "amqplib"),
        (frozenset({"sqs-consumer"}), _SQS_CONSUMER, "sqs-consumer"),
        (frozenset({"kafkajs"}), _KAFKA, "KafkaJS"),
        (_OF_SQS, _RECEIVES, "SQS"),
    ):
        found = pattern.search(one.source.bare) if one.packages & packages else None
        if found is not None:
            return one.source.line(found.start()), name
    return 0, ""


def unawaited(one: NodeProgram) -> Iterator[int]:
    """Of KafkaJS, the lines in which a handler begins something that it does not wait for: the offset is committed
    when the handler returns."""
    source = one.source
    for found in _EACH.finditer(source.bare) if "kafkajs" in one.packages else ():
        block = source.bare.find("{", found.end())
        body = source.bare[block : source.closed(block)] if block >= 0 else ""
        for begun in _BEGUN.finditer(body):
            opened = block + begun.end() - 1
            if _SETTLED.match(source.bare, source.closed(opened) + 1):
                yield source.line(block + begun.start(1))


def own_visibility(one: NodeProgram) -> tuple[int, Place, tuple[int, Place] | None] | None:
    """Of sqs-consumer: for how long SQS hides a message, and how long one may take; None where it asks for more time,
    or says nothing."""
    text = one.source.bare
    seconds = _VISIBLE.search(text) if "sqs-consumer" in one.packages and not _HEARTBEAT.search(text) else None
    if seconds is None or re.search(r"changeMessageVisibility", text, re.IGNORECASE):
        return None
    found = _HANDLE_TIMEOUT.search(text)
    longest = None
    if found is not None:
        milliseconds = 1
        for factor in found[1].replace("_", "").split("*"):
            milliseconds *= int(factor)
        longest = -(-milliseconds // 1000), one.file.at(one.source.line(found.start()))
    return int(seconds[1]), one.file.at(one.source.line(seconds.start())), longest


def hasty(one: NodeProgram, signal: str, client: str) -> tuple[int, str] | None:
    """Where its handler of a stop signal closes its connection, or ends the process, and waits for nothing."""
    on = re.compile(rf"\bprocess\s*\.\s*(?:on|once|addListener)\s*\(\s*([\"'`])SIG{signal}\1\s*,")
    for found in on.finditer(one.source.code):
        body = _body(one, found.end(), one.source.bare.index("(", found.start()))
        if body is None:
            continue
        start, end = body
        text = one.source.bare[start:end]
        if _MAY_WAIT.search(text) or not set(_AWAITED.findall(text)) <= _CLOSES:
            continue
        closed = re.search(r"\.close\s*\(", text) if client == "amqplib" else None
        left = re.search(r"\bprocess\s*\.\s*exit\s*\(", text)
        if closed is not None:
            return one.source.line(start + closed.start()), "closes its connection"
        # Either of them ends what it has begun in disconnect(), and in close().
        if left is not None and not _AWAITED.search(text):
            return one.source.line(start + left.start()), "ends the process"
    return None


def _body(one: NodeProgram, at: int, opened: int) -> tuple[int, int] | None:
    """Where the function stands that a handler is: there, or by its name."""
    bare = one.source.bare
    named = _NAMED.match(bare, at) or _CALLED.match(bare, at)
    if named is None:
        return at, one.source.closed(opened)
    name = re.escape(named[1])
    made = re.search(
        rf"\bfunction\s+{name}\s*\(|\b(?:const|let|var)\s+{name}\s*(?::[^=;]*)?=\s*(?:async\s*)?(?:function\b[^(]*)?\(",
        bare,
    )
    if made is None:
        return None
    block = bare.find("{", one.source.closed(made.end() - 1))
    return (block, one.source.closed(block)) if block >= 0 else None
