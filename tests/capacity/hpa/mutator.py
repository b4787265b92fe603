"""Small changes to a module's source, one at a time, that a good test must notice.

Operators: comparisons moved by one or turned round, + and -, * and / and //, `and` and `or`, a dropped `not`, integer
constants +-1, booleans flipped, min and max, ceil and int, a branch never or always taken, continue and break, a
conditional expression's arms swapped, a returned 0, += turned round.
"""

# ruff: noqa: C901, PLR0912  one case for each kind of change
from __future__ import annotations

import ast
import copy
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_OPERATORS: dict[type[ast.operator], tuple[type[ast.operator], ...]] = {
    ast.Add: (ast.Sub,),
    ast.Sub: (ast.Add,),
    ast.Mult: (ast.FloorDiv,),
    ast.Div: (ast.FloorDiv, ast.Mult),
    ast.FloorDiv: (ast.Div, ast.Mult),
    ast.Mod: (ast.FloorDiv,),
}
_NAMES = {
    "min": "max",
    "max": "min",
    "ceil": "int",
    "ceil_int32": "trunc_int32",
    "trunc_int32": "ceil_int32",
    "any": "all",
    "all": "any",
}


class Mutant(NamedTuple):
    """A changed module and where it was changed."""

    line: int
    what: str
    tree: ast.Module

    @property
    def name(self) -> str:
        """Stable as long as the line's text is: see the list of survivors."""
        return f"{self.line}: {self.what}"


def mutants(source: str) -> Iterator[Mutant]:
    """Every mutant of a module. Annotations, docstrings and imports are left alone."""
    tree = ast.parse(source)
    for index, node in enumerate(_code(tree)):
        for number, (what, _) in enumerate(_changes(node)):
            changed = copy.deepcopy(tree)
            target = list(_code(changed))[index]
            _, apply = list(_changes(target))[number]
            apply()
            ast.fix_missing_locations(changed)
            yield Mutant(node.lineno, what, changed)


def _code(tree: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    """The expressions and statements that run, in order."""
    for field, value in ast.iter_fields(tree):
        if field in {"annotation", "returns", "decorator_list", "bases", "type_params"}:
            continue
        for child in value if isinstance(value, list) else [value]:
            if not isinstance(child, ast.AST) or isinstance(child, (ast.Import, ast.ImportFrom, ast.Raise, ast.Assert)):
                continue
            if isinstance(child, ast.Expr) and isinstance(child.value, ast.Constant):
                continue
            if isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
                continue
            if isinstance(child, (ast.expr, ast.stmt)):
                yield child
            yield from _code(child)


def _changes(node: ast.AST) -> Iterator[tuple[str, object]]:
    match node:
        case ast.Compare():
            for position, operator in enumerate(node.ops):
                for other in _COMPARISONS[type(operator)]:
                    yield (
                        f"{type(operator).__name__} -> {other.__name__} [{position}]",
                        lambda p=position, o=other: node.ops.__setitem__(p, o()),
                    )
        case ast.BinOp() | ast.AugAssign():
            for other in _OPERATORS.get(type(node.op), ()):
                if isinstance(node.op, ast.Add) and isinstance(getattr(node, "right", None), ast.JoinedStr):
                    continue
                yield f"{type(node.op).__name__} -> {other.__name__}", lambda o=other: setattr(node, "op", o())
        case ast.BoolOp():
            other = ast.Or if isinstance(node.op, ast.And) else ast.And
            yield f"{type(node.op).__name__} -> {other.__name__}", lambda: setattr(node, "op", other())
        case ast.UnaryOp(op=ast.Not()):
            yield (
                "not dropped",
                lambda: (
                    setattr(node, "op", ast.Not()),
                    setattr(node, "operand", ast.UnaryOp(ast.Not(), node.operand)),
                ),
            )
        case ast.UnaryOp(op=ast.USub()):
            yield "minus dropped", lambda: setattr(node, "op", ast.UAdd())
        case ast.Constant(value=bool()):
            yield f"{node.value} -> {not node.value}", lambda: setattr(node, "value", not node.value)
        case ast.Constant(value=int() | float()):
            yield f"{node.value} -> {node.value} + 1", lambda: setattr(node, "value", node.value + 1)
            yield f"{node.value} -> {node.value} - 1", lambda: setattr(node, "value", node.value - 1)
        case ast.Call(func=ast.Name(id=name)) if name in _NAMES:
            yield f"{name} -> {_NAMES[name]}", lambda: setattr(node, "func", ast.Name(_NAMES[name], ast.Load()))
        case ast.If() | ast.IfExp():
            yield "if never", lambda: setattr(node, "test", ast.Constant(value=False))
            yield "if always", lambda: setattr(node, "test", ast.Constant(value=True))
        case ast.Return(value=ast.Constant(value=None | False | "")):
            return  # to its caller that is nothing already
        case ast.Return(value=ast.expr()):
            yield "returns nothing", lambda: setattr(node, "value", ast.Constant(value=None))
        case _:
            return
