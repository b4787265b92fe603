"""Python's syntax as far as a program that takes messages is read: who calls what with which names. Nothing is run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from typing import Final

_ONLY_READS: Final = frozenset(
    {
        *(
            "loads",
            "dumps",
            "decode",
            "encode",
            "get",
            "str",
            "int",
            "len",
            "dict",
            "list",
            "print",
            "isinstance",
            "info",
        ),
        *(
            "debug",
            "warning",
            "error",
            "exception",
            "log",
            "append",
            "strip",
            "split",
            "items",
            "keys",
            "repr",
            "bytes",
        ),
        *("basic_ack", "basic_nack", "basic_reject", "ack", "nack", "reject", "requeue", "delete", "delete_message"),
        *(
            "delete_message_batch",
            "inc",
            "observe",
            "labels",
            "incr",
            "timing",
            "set_attribute",
            "bind",
            "format",
            "join",
        ),
        *(
            "reject_log_error",
            "ack_log_error",
            "from_dict",
            "model_validate",
            "model_validate_json",
            "parse_raw",
            "time",
        ),
    }
)
_CHANNEL: Final = re.compile(
    r"^(?:self|cls|_|ch|chan|channel|method|properties|props|header|headers|delivery|ctx)$|frame"
)
_WAITS: Final = frozenset(
    {
        "join",
        "wait",
        "shutdown",
        "sleep",
        "result",
        "acquire",
        "process_data_events",
        "drain",
        "run_until_complete",
        "kill",
    }
)


def seconds_of(node: ast.expr) -> int:
    """A number, or the one that a variable has where it is not set: `int(os.environ.get("T", "300"))`."""
    if isinstance(node, ast.Constant) and isinstance(node.value, (int, float, str)):
        text = str(node.value)
        return int(float(text)) if re.fullmatch(r"[0-9]{1,6}(?:\.[0-9]+)?", text) else 0
    if isinstance(node, ast.Call) and node.args:
        return seconds_of(node.args[-1])
    return 0


def variable_of(node: ast.expr) -> str:
    """The variable of the environment that a value comes from."""
    for one in ast.walk(node):
        is_environment = isinstance(one, ast.Subscript) and last_of(one.value) == "environ"
        key = one.slice if isinstance(one, ast.Subscript) and is_environment else None
        if (
            isinstance(one, ast.Call)
            and one.args
            and (last_of(one.func) == "getenv" or "environ" in ast.dump(one.func))
        ):
            key = one.args[0]
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            return key.value
    return ""


def blocks(body: Sequence[ast.stmt]) -> Iterator[tuple[list[ast.stmt], set[str], ast.expr | None]]:
    """Every block that has a message, what that is called in it, and what a loop takes it from. A block of a condition
    is none: only the run knows whether it is entered."""
    for statement in body:
        if isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            arguments = [*statement.args.posonlyargs, *statement.args.args, *statement.args.kwonlyargs]
            own = {one.arg for one in arguments if not _CHANNEL.search(one.arg)}
            flat = list(_flat(statement.body))
            yield flat, _derived(flat, own), None
        elif isinstance(statement, (ast.For, ast.AsyncFor)):
            own = {one.id for one in ast.walk(statement.target) if isinstance(one, ast.Name)}
            flat = list(_flat(statement.body))
            yield flat, _derived(flat, own), statement.iter
        inner = getattr(statement, "body", None)
        if isinstance(inner, list):
            yield from blocks(inner)
            yield from blocks(getattr(statement, "orelse", []))


def _flat(body: Sequence[ast.stmt]) -> Iterator[ast.stmt]:
    """A block with what always runs in it: of a `with`, of a `try`."""
    for statement in body:
        if isinstance(statement, (ast.With, ast.AsyncWith, ast.Try)):
            yield from _flat(statement.body)
        else:
            yield statement


def _derived(body: Sequence[ast.stmt], names: set[str]) -> set[str]:
    """With what the block makes of them: `payload = json.loads(message.body)`."""
    found = set(names)
    for node in (one for statement in body for one in ast.walk(statement)):
        if isinstance(node, ast.Assign) and names_in(node.value) & found:
            found |= {one.id for target in node.targets for one in ast.walk(target) if isinstance(one, ast.Name)}
    return found


def handles(body: Sequence[ast.stmt], names: set[str]) -> bool:
    """Whether a message, or what was made of it, is handed to some call that does more than read it."""
    for call in (one for statement in body for one in ast.walk(statement) if isinstance(one, ast.Call)):
        name = last_of(call.func)
        is_type = name[:1].isupper()
        given = {one for value in (*call.args, *(k.value for k in call.keywords)) for one in names_in(value)}
        if name not in _ONLY_READS and not is_type and given & names:
            return True
    return False


def only_call(statement: ast.stmt) -> ast.Call | None:
    value = statement.value if isinstance(statement, ast.Expr) else None
    value = value.value if isinstance(value, ast.Await) else value
    return value if isinstance(value, ast.Call) else None


def waits_for(part: ast.AST) -> bool:
    """Whether something in a handler may wait, or asks whether there is anything to wait for."""
    nodes = list(ast.walk(part))
    calls = {last_of(one.func) for one in nodes if isinstance(one, ast.Call)}
    return bool(calls & _WAITS) or any(
        isinstance(one, (ast.If, ast.IfExp, ast.While, ast.For, ast.Await)) for one in nodes
    )


def ending(statement: ast.stmt) -> str:
    """What ends the process, where a statement is that: `sys.exit(0)`, `raise SystemExit`."""
    if isinstance(statement, ast.Raise) and statement.exc is not None:
        raised = statement.exc.func if isinstance(statement.exc, ast.Call) else statement.exc
        return last_of(raised) if last_of(raised) == "SystemExit" else ""
    call = only_call(statement)
    name = last_of(call.func) if call is not None else ""
    return name if name in ("_exit", "exit", "quit") else ""


def names_in(node: ast.AST) -> set[str]:
    return {one.id for one in ast.walk(node) if isinstance(one, ast.Name)}


def root_of(node: ast.expr) -> str:
    while isinstance(node, (ast.Attribute, ast.Subscript, ast.Call)):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else ""


def last_of(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
