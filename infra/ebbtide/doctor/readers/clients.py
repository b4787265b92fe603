"""Programs in PHP, Go and Ruby that take messages from RabbitMQ by a client of their own: when a message is done for
the broker, and which stop signals they handle, as far as their own file tells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from ebbtide.doctor.files import File
from ebbtide.doctor.readers import php
from ebbtide.doctor.readers.node import Early

_AMQP_OF_PHP: Final = re.compile(r"\b(?:PhpAmqpLib|AMQPQueue|Bunny)\b")
_TAKES_IN_PHP: Final = re.compile(r"->\s*(?:basic_consume|basic_get|consume|get|run)\s*\(")
_AMQP_OF_RUBY: Final = re.compile(r"\brequire\s*\(?\s*['\"]bunny['\"]|\bBunny\.new\b")
_AMQP_OF_GO: Final = re.compile(r"\"github\.com/(?:rabbitmq/amqp091-go|streadway/amqp)\"")
_TAKES_IN_GO: Final = re.compile(r"\.(Consume|ConsumeWithContext|Get)\s*\(")
_PLACE_IN_GO: Final = {("Consume", 7): 2, ("ConsumeWithContext", 8): 3, ("Get", 2): 1}
# Answers to a call of its own: the queue is gone with the program.
_REPLIES: Final = re.compile(r"(?i)repl(?:y|ies)|callback|rpc|response")
_OWN_QUEUE: Final = re.compile(r"(?i)queue_?declare\(\s*(?:''|\"\"|\))")
_INCLUDES: Final = re.compile(r"\b(?:require|include)(?:_once)?\b[^;]*;")
_SPEAKS_OF_SIGNALS: Final = re.compile(r"(?i)pcntl|signal|graceful|\bSIG(?:TERM|INT|QUIT)\b")
_DECLARES: Final = re.compile(r"(?m)^\s*(?:(?:final|abstract|readonly)\s+)*(?:class|interface|trait|enum)\s+\w")
_ENDS_IN_TIME: Final = "takes messages with {word}: for RabbitMQ each is done when it is sent"
_TEST: Final = re.compile(r"(?:_test\.go|Test\.php|_(?:spec|test)\.rb)$")


@dataclass(frozen=True)
class ClientProgram:
    """One file that takes messages."""

    file: File
    line: int
    """Where it begins to take them."""
    early: tuple[Early, ...]
    """Where a message is done before it is handled."""
    handles: frozenset[str] | None
    """Which stop signals it handles; None where its own file does not tell."""
    names_a_queue: bool = True


def read_client(file: File) -> ClientProgram | None:
    """A program that takes messages; None for anything else."""
    if _TEST.search(file.name) and not file.is_named:
        return None
    if file.base.lower().endswith(".go"):
        return _go(file) if _AMQP_OF_GO.search(file.text) else None
    if file.base.lower().endswith(".rb"):
        return _ruby(file) if _AMQP_OF_RUBY.search(file.text) else None
    return _php(file) if _AMQP_OF_PHP.search(file.text) and _TAKES_IN_PHP.search(file.text) else None


def _php(file: File) -> ClientProgram | None:
    first, early = 0, list[Early]()
    has_own = _OWN_QUEUE.search(file.text) is not None
    for call in php.method_calls(file.text, "basic_consume", "basic_get", "consume", "get", "run"):
        word = _done_early_in_php(call, file.text)
        # PHP's own amqp asks a queue itself, and Bunny's first argument is what handles a message.
        queue = call.argument(0, "queue") if call.name.startswith("basic_") else call.argument(1, "queue")
        is_of_replies = _REPLIES.search(queue) or (queue.startswith("$") and has_own)
        if call.name.startswith("basic_") or word:
            first = first or call.line
        if word and not is_of_replies:
            early.append(Early(call.line, _ENDS_IN_TIME.format(word=word)))
    if not first:
        return None
    code = php.without_comments(file.text)
    # A script of its own: what it includes, and who runs a class, may handle signals.
    is_whole = all("autoload" in one for one in _INCLUDES.findall(code)) and not _DECLARES.search(code)
    waits = re.search(r"->\s*(?:wait|consume)\s*\(", code) is not None
    is_told = is_whole and waits and not _SPEAKS_OF_SIGNALS.search(code)
    return ClientProgram(file, first, tuple(early), frozenset() if is_told else None)


def _done_early_in_php(call: php.MethodCall, text: str) -> str:
    """What a call says by which a message is done when it is sent; empty where it says nothing of the kind."""
    if any("AMQP_AUTOACK" in value for _, value in call.arguments):
        return "AMQP_AUTOACK"
    at = {"basic_consume": 3, "basic_get": 1}.get(call.name)
    if at is not None:
        return "no_ack" if call.argument(at, "no_ack").lower() == "true" else ""
    if call.name in ("consume", "run") and "Bunny" in text:
        return "noAck" if call.argument(4, "noAck").lower() == "true" else ""
    return ""


def _ruby(file: File) -> ClientProgram | None:
    code = re.sub(r"(?m)^([^#'\"\n]*)#.*$", r"\1", file.text)
    has_own = re.search(r"\.queue\(\s*(?:''|\"\")|temporary_queue|\bexclusive(?::| =>) true", code) is not None
    first, early = 0, list[Early]()
    for found in re.finditer(r"(\w+)\s*\.\s*subscribe(?:_with)?\b(?P<arguments>[^\n]*)", code):
        line = code.count("\n", 0, found.start()) + 1
        first = first or line
        is_acknowledged = re.search(r"\b(?:manual_ack|ack)\b", found["arguments"]) or found["arguments"].endswith(
            (",", "(")
        )
        if not is_acknowledged and not has_own and not _REPLIES.search(found[1]):
            early.append(Early(line, _ENDS_IN_TIME.format(word="no manual_ack")))
    # Of a program of several files another one may handle signals.
    is_told = not re.search(r"\brequire_relative\b|\btrap\b|^\s*(?:class|module)\s", code, re.MULTILINE)
    return ClientProgram(file, first, tuple(early), frozenset() if is_told else None) if first else None


def _go(file: File) -> ClientProgram | None:
    code = _without_comments_of_go(file.text)
    first, early = 0, list[Early]()
    has_own = _OWN_QUEUE.search(code) is not None
    for found in _TAKES_IN_GO.finditer(code):
        arguments = _arguments(code, found.end())
        at = _PLACE_IN_GO.get((found[1], len(arguments)))
        if at is None:
            continue
        line, queue = code.count("\n", 0, found.start()) + 1, arguments[at - 2 if found[1] != "Get" else 0]
        first = first or line
        is_of_replies = _REPLIES.search(queue) or (not queue.startswith(('"', "`")) and has_own)
        if arguments[at] == "true" and not is_of_replies:
            early.append(Early(line, _ENDS_IN_TIME.format(word="autoAck")))
    return ClientProgram(file, first, tuple(early), _signals_of_go(code)) if first else None


def _signals_of_go(code: str) -> frozenset[str] | None:
    """Of a main package that asks for signals itself, those that it asks for."""
    calls = [_arguments(code, one.end()) for one in re.finditer(r"\bsignal\.Notify(?:Context)?\s*\(", code)]
    if not re.search(r"(?m)^package\s+main\b", code) or not calls or any(len(one) < 2 for one in calls):
        return None
    words = [word for arguments in calls for word in arguments[1:]]
    known = [re.fullmatch(r"(?:os\.(Interrupt|Kill)|(?:syscall|unix)\.SIG([A-Z0-9]+))", word) for word in words]
    if not all(known):
        return None
    return frozenset(one[2] or {"Interrupt": "INT", "Kill": "KILL"}[one[1]] for one in known if one is not None)


def _without_comments_of_go(text: str) -> str:
    """The same lines, with blanks where comments are; what stands in quotes is none."""
    pattern = re.compile(r"\"(?:\\.|[^\"\\\n])*\"|`[^`]*`|//[^\n]*|/\*.*?\*/", re.DOTALL)
    return pattern.sub(lambda one: one[0] if one[0][0] in '"`' else re.sub(r"[^\n]", " ", one[0]), text)


def _arguments(code: str, start: int) -> list[str]:
    """The arguments of a call, from behind its bracket."""
    return [one.strip() for one in _split(code, start) if one.strip()]


def _split(code: str, start: int) -> Iterator[str]:
    depth, begin, quote = 0, start, ""
    for at in range(start, min(len(code), start + 4000)):
        sign = code[at]
        if quote:
            quote = "" if sign == quote and code[at - 1] != "\\" else quote
        elif sign in "\"'`":
            quote = sign
        elif sign in "([{":
            depth += 1
        elif depth and sign in ")]}":
            depth -= 1
        elif not depth and sign in ",)":
            yield code[begin:at]
            begin = at + 1
            if sign == ")":
                return
