"""Programs of Python that take messages by a client of a broker: pika, aio-pika, kombu, and SQS by Amazon's client.

When a message is done for the broker, and what the program does at its stop signal, as far as its text tells. What a
function of another file does with a message is not followed.
"""

from __future__ import annotations

import ast
import posixpath
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from ebbtide.doctor.data import Said
from ebbtide.doctor.files import File
from ebbtide.doctor.readers.node import MOST_CHARACTERS, Early
from ebbtide.doctor.readers.python_code import (
    blocks,
    ending,
    handles,
    last_of,
    names_in,
    only_call,
    root_of,
    seconds_of,
    variable_of,
    waits_for,
)
from ebbtide.doctor.readers.queues import parsed

_OWN: Final = re.compile(r"(?m)^\s*(?:from|import)\s+(pika|aio_pika|kombu|boto3|aioboto3|aiobotocore)\b")
_OTHERS: Final = re.compile(
    r"(?m)^\s*(?:from|import)\s+(aiokafka|confluent_kafka|kafka|aiormq|amqpstorm|stomp|nats|nsq|proton|taskiq|procrastinate|"
    r"google\.cloud(?:\.|\s+import\s+)pubsub\w*|azure\.servicebus|azure\.storage\.queue)\b"
)
_RQ: Final = re.compile(r"(?m)^\s*(?:from\s+rq(?:\.worker)?\s+import\b.*Worker|import\s+rq\b)")
_TAKES_OF_OTHERS: Final = re.compile(r"Consumer\b|\bsubscri|\bReceiver\b|receive_messages|_receiver\(|\bsubscribe\(")
# By library, the calls that take messages, and the words that say that the broker forgets what it sends.
_TAKES: Final[dict[str, frozenset[str]]] = {
    "pika": frozenset({"basic_consume", "basic_get", "consume"}),
    "aio_pika": frozenset({"consume", "iterator", "get"}),
    "kombu": frozenset({"Consumer", "SimpleQueue"}),
    **dict.fromkeys(("boto3", "aioboto3", "aiobotocore"), frozenset({"receive_message", "receive_messages"})),
}
_AT_ONCE: Final = frozenset({"auto_ack", "no_ack"})
_ENDS: Final = frozenset({"basic_ack", "ack", "delete_message", "delete", "delete_message_batch"})
_OF_SQS: Final = frozenset({"boto3", "aioboto3", "aiobotocore"})
_SIGNAL: Final = re.compile(
    r"\bSIGTERM\b|\bsignals?\b|signal_handler|(?i:graceful|shut_?down|\bkiller\b)|\b(?:uvicorn|hypercorn|gunicorn|daphne|"
    r"run_app|faststream|nameko|cotyledon|oslo_service|tornado|twisted|trio|gevent|honcho|on_event|lifespan)\b"
)
_RUNS: Final = frozenset({"run", "call", "check_call", "check_output"})


@dataclass(frozen=True)
class PythonProgram:
    """One file."""

    file: File

    @cached_property
    def names_a_queue(self) -> bool:
        """Whether it imports a library that is read here; at a glance."""
        return len(self.file.text) <= MOST_CHARACTERS and _OWN.search(self.file.text) is not None

    @cached_property
    def others(self) -> list[str]:
        """Libraries of queues that nobody here knows, where it seems to take messages by them."""
        found = sorted({re.sub(r"\s+import\s+", ".", one) for one in _OTHERS.findall(self.file.text)})
        return found if found and _TAKES_OF_OTHERS.search(self.file.text) else []

    @cached_property
    def tree(self) -> ast.Module:
        """Its syntax; empty where it has none."""
        return parsed(self.file) or ast.Module([], [])

    @cached_property
    def libraries(self) -> set[str]:
        """Of those read here, what it imports."""
        return set(_OWN.findall(self.file.text))

    @cached_property
    def calls(self) -> list[ast.Call]:
        """Every call."""
        return [node for node in ast.walk(self.tree) if isinstance(node, ast.Call)]

    @cached_property
    def taken(self) -> list[ast.Call]:
        """The calls that take messages."""
        names = {name for library in self.libraries for name in _TAKES[library]}
        found = [one for one in self.calls if last_of(one.func) in names]
        # A mapping's get is no queue's: `os.environ.get("X")`.
        return [one for one in found if last_of(one.func) != "get" or any(k.arg in _AT_ONCE for k in one.keywords)]

    @cached_property
    def takes(self) -> int:
        """The line in which it takes messages; 0 where it takes none."""
        if self.taken:
            return self.taken[0].lineno
        mixins = ("ConsumerMixin", "ConsumerProducerMixin")
        classes = (node for node in ast.walk(self.tree) if isinstance(node, ast.ClassDef))
        is_kombu = "kombu" in self.libraries
        return next((c.lineno for c in classes if is_kombu and any(last_of(b) in mixins for b in c.bases)), 0)

    @property
    def is_sent_to(self) -> bool:
        """Whether the broker sends it messages that are acknowledged, and it does not fetch them one by one."""
        fetches = {"basic_get", "get", "SimpleQueue"}
        at_once = any(k.arg in _AT_ONCE and not _is_false(k.value) for one in self.taken for k in one.keywords)
        return not at_once and not any(last_of(one.func) in fetches for one in self.taken)

    @cached_property
    def runs_rq(self) -> int:
        """The line in which it makes a worker of rq's that works; 0 where it makes none."""
        if not _RQ.search(self.file.text):
            return 0
        is_working = any(last_of(one.func) == "work" for one in self.calls)
        made = (one.lineno for one in self.calls if last_of(one.func) in ("Worker", "SimpleWorker"))
        return next(made, 0) if is_working else 0

    @cached_property
    def is_late(self) -> bool:
        """Whether it acknowledges, or deletes, behind the work, as far as that is seen: its messages come again."""
        ends = _ENDS | {"process"}
        # Also by a function that is handed over: `partial(channel.basic_ack, tag)`.
        is_ended = any(isinstance(one, ast.Attribute) and one.attr in ends for one in ast.walk(self.tree))
        return is_ended and not self.early

    @cached_property
    def early(self) -> list[Early]:
        """Where messages are done before they are handled."""
        return [*self._at_once(), *self._before_the_work()] if self.takes else []

    def _at_once(self) -> Iterator[Early]:
        is_own = re.search(r"\bexclusive\s*=\s*True\b", self.file.text) is not None
        for one in self.taken:
            said = next((k for k in one.keywords if k.arg in _AT_ONCE), None)
            if said is None or not (isinstance(said.value, ast.Constant) and said.value.value is True):
                continue
            words = [*one.args, *(k.value for k in one.keywords if k.arg == "queue")]
            queue = next((w for w in words if isinstance(w, ast.Constant) and isinstance(w.value, str)), None)
            if (queue is None and is_own) or (queue is not None and "reply" in str(queue.value)):
                continue  # of replies, or of a subscriber's own queue
            text = f"takes messages with {said.arg}=True: for RabbitMQ each is done when it is sent"
            yield Early(said.value.lineno, text)

    def _before_the_work(self) -> Iterator[Early]:
        for block, names, source in blocks(self.tree.body):
            for at, statement in enumerate(block):
                call = only_call(statement)
                if call is None or last_of(call.func) not in _ENDS or not self._is_of_a_message(call, names, source):
                    continue
                before, behind = block[:at], block[at + 1 :]
                if names and not handles(before, names) and handles(behind, names):
                    is_of_sqs = bool(self.libraries & _OF_SQS)
                    what = "deletes a message from SQS" if is_of_sqs else "acknowledges a message"
                    yield Early(statement.lineno, f"{what} before it handles it")

    def _is_of_a_message(self, call: ast.Call, names: set[str], source: ast.expr | None) -> bool:
        """Whether it ends the message of its block. What else is deleted in a loop came from somewhere else."""
        name = last_of(call.func)
        if name not in ("delete", "ack"):
            return True
        if call.args or not isinstance(call.func, ast.Attribute) or root_of(call.func.value) not in names:
            return False
        return name == "ack" or source is None or bool(names_in(source) & self._received or self._takes_in(source))

    def _takes_in(self, node: ast.AST) -> bool:
        return any(one in self.taken for one in ast.walk(node) if isinstance(one, ast.Call))

    @cached_property
    def _received(self) -> set[str]:
        """What it calls the messages that it has taken: `response = sqs.receive_message(...)`."""
        assigned = [node for node in ast.walk(self.tree) if isinstance(node, ast.Assign) and self._takes_in(node.value)]
        return {name for node in assigned for target in node.targets for name in names_in(target)}

    @cached_property
    def visibility(self) -> Said[int] | None:
        """For how long it hides what it takes from SQS, where that is a number."""
        for one in self.taken:
            for keyword in one.keywords:
                if keyword.arg == "VisibilityTimeout" and isinstance(keyword.value, ast.Constant):
                    value = keyword.value.value
                    if isinstance(value, int) and value > 0:
                        return Said(value, self.file.at(keyword.value.lineno))
        return None

    @cached_property
    def asks_for_more(self) -> bool:
        """Whether it asks SQS for more time with a message."""
        return any(last_of(one.func).startswith("change_") and "visibility" in last_of(one.func) for one in self.calls)

    @cached_property
    def waits(self) -> list[tuple[int, int, str]]:
        """What it runs beside itself, and for how long at most: seconds, line, or the variable that says it."""
        runs = (one for one in self.calls if last_of(one.func) in _RUNS and isinstance(one.func, ast.Attribute))
        keywords = (k for one in runs if root_of(one.func) in ("subprocess", "sp") for k in one.keywords)
        limits = [k.value for k in keywords if k.arg == "timeout"]
        return [(seconds_of(one), one.lineno, variable_of(one)) for one in limits]

    @cached_property
    def hears(self) -> bool:
        """Whether it speaks of signals, or of what handles them for it."""
        code = re.sub(r"(?m)^([^#'\"\n]*)#.*$", r"\1", self.file.text)
        code = re.sub(r"(?m)^\s*import signal\s*$", "", code)
        return _SIGNAL.search(code) is not None

    @cached_property
    def hasty(self) -> tuple[int, str] | None:
        """Where its handler of SIGTERM ends the process, and waits for nothing."""
        functions = {n.name: n for n in ast.walk(self.tree) if isinstance(n, (ast.FunctionDef, ast.AsyncFunctionDef))}
        for one in self.calls:
            is_it = last_of(one.func) in ("signal", "add_signal_handler") and len(one.args) > 1
            if not is_it or "SIGTERM" not in ast.dump(one.args[0]):
                continue
            handler, named = one.args[1], functions.get(last_of(one.args[1]))
            body: list[ast.stmt] = [ast.Expr(handler.body)] if isinstance(handler, ast.Lambda) else []
            body = list(named.body) if named is not None else body
            if not body:
                continue
            last = body[-1]
            if (name := ending(last)) and not any(waits_for(part) for part in body):
                return (one.lineno if named is None else last.lineno), name
        return None

    @cached_property
    def imports(self) -> list[tuple[str, int]]:
        """The modules that it imports, with how many dots stand before them; of `from a import b` a.b as well."""
        found: list[tuple[str, int]] = []
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                found += [(alias.name, 0) for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                base = node.module or ""
                found += [(base, node.level)] if base else []
                found += [(f"{base}.{alias.name}".lstrip("."), node.level) for alias in node.names]
        return found


def _is_false(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is False


@dataclass(frozen=True)
class WholePython:
    """A program with all that it imports of the team's own."""

    parts: tuple[PythonProgram, ...]
    missing: tuple[str, ...]
    """The team's own modules that were not handed over."""

    @property
    def taker(self) -> PythonProgram | None:
        """The part that takes messages."""
        return next((one for one in self.parts if one.takes), None)

    @property
    def runs_rq(self) -> bool:
        """Whether a part works for rq, which ends its job at SIGTERM."""
        return any(one.runs_rq for one in self.parts)

    @property
    def is_late(self) -> bool:
        """Whether all that take messages are seen to end them behind the work."""
        takers = [one for one in self.parts if one.takes]
        return bool(takers) and all(one.is_late for one in takers)


def whole_python(first: PythonProgram, programs: Mapping[str, PythonProgram]) -> WholePython:
    """A program and its imports."""
    parts: dict[str, PythonProgram] = {}
    missing: list[str] = []
    rest = [first]
    tops = {part for name in programs for part in (name.split("/")[:-1] or [])}
    while rest:
        one = rest.pop()
        if one.file.name in parts:
            continue
        parts[one.file.name] = one
        for name, level in one.imports:
            top = name.partition(".")[0]
            if level == 0 and top in sys.stdlib_module_names:
                continue
            found = _module(name, level, one.file.name, programs)
            if found is not None:
                rest.append(found)
            elif level or top in tops:
                missing.append("." * level + name)
    there = {posixpath.splitext(name)[0].replace("/", ".") for name in parts}
    modules = {name.rpartition(".")[0] for name in missing}
    # Of `from a import b`, a alone where it is missing: b stands in it.
    gone = set(missing) & modules
    left = [name for name in missing if name.rpartition(".")[0] not in gone]
    left = [name for name in left if not _is_in(name.rpartition(".")[0].lstrip("."), there)]
    return WholePython(tuple(parts.values()), tuple(dict.fromkeys(left)))


def _is_in(module: str, there: set[str]) -> bool:
    """Whether a name is one of a module that is here: `from app.handlers import enrich`."""
    return bool(module) and any(one == module or one.endswith((f".{module}", f"{module}.__init__")) for one in there)


def _module(name: str, level: int, importer: str, programs: Mapping[str, PythonProgram]) -> PythonProgram | None:
    """The file of a module: below the importer's own directories, or below any that holds its first part."""
    path = name.replace(".", "/")
    at = posixpath.dirname(importer)
    if level:
        for _ in range(level - 1):
            at = posixpath.dirname(at)
        roots = [at]
    else:
        roots = [at]
        while at:
            at = posixpath.dirname(at)
            roots.append(at)
        roots.append("src")
    for root in dict.fromkeys(roots):
        base = posixpath.join(root, path) if root else path
        for file in (f"{base}.py", f"{base}/__init__.py", f"./{base}.py"):
            if file in programs:
                return programs[file]
    return None


def program_of(words: Sequence[str | None]) -> list[str]:
    """The names that the file may have which an interpreter of Python runs: `python -u app/main.py`, `-m app.main`."""
    parts = [word or "" for word in words]
    at = next((n for n, word in enumerate(parts) if re.fullmatch(r"(?:.*/)?(?:python|pypy)[0-9.]*", word)), None)
    if at is None:
        return []
    rest = iter(parts[at + 1 :])
    for part in rest:
        if part == "-m":
            path = next(rest, "").replace(".", "/")
            return [f"{path}.py", f"{path}/__main__.py"] if path else []
        if part in ("-W", "-X", "-c"):
            next(rest, None)
        elif not part.startswith("-"):
            return [part] if part.endswith(".py") else []
    return []
