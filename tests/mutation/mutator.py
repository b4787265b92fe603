"""Small changes to a module's source, one at a time, that a good test must notice.

Operators: comparisons moved by one or turned round, + and -, * and / and //, `and` and `or`, a dropped `not`, integer
constants +-1, booleans flipped, min and max, ceil and int, a branch never or always taken, nothing returned, += turned
round. Of what judges also: nothing found, one of several conditions dropped, another level, another name looked for, a
statement left out.
"""

# ruff: noqa: C901, PLR0912  one case for each kind of change
from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import islice

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
_LEVELS = {
    "Level": {"ERROR": "WARNING", "WARNING": "INFO", "INFO": "WARNING"},
    "RiskLevel": {"DANGER": "DISRUPTIVE", "DISRUPTIVE": "SCALING", "SCALING": "INFO", "INFO": "SCALING"},
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


_NO_CODE = frozenset({"annotation", "returns", "bases", "type_params"})
Change = tuple[str, Callable[[], object]]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One change of a module, and where it is."""

    line: int
    what: str
    source: str
    place: int
    """Which expression or statement, in the order in which they are written."""
    number: int
    """Which of its changes."""
    judges: bool

    @property
    def tree(self) -> ast.Module:
        """The changed module, made anew each time."""
        tree = ast.parse(self.source)
        target = next(islice(_code(tree, judges=self.judges), self.place, None))
        _, apply = next(islice(_changes(target, judges=self.judges), self.number, None))
        apply()
        return ast.fix_missing_locations(tree)


def mutants(source: str, *, judges: bool = False) -> Iterator[Mutant]:
    """Every mutant of a module, or of one that judges. Annotations, docstrings and imports are left alone."""
    for place, node in enumerate(_code(ast.parse(source), judges=judges)):
        for number, (what, _) in enumerate(_changes(node, judges=judges)):
            yield Mutant(node.lineno, what, source, place, number, judges)


def _changes(node: ast.AST, *, judges: bool) -> Iterator[Change]:
    yield from _of_any(node)
    if judges:
        yield from _of_what_judges(node)


def _code(tree: ast.AST, *, judges: bool) -> Iterator[ast.expr | ast.stmt]:
    """The expressions and statements that run, in order. A rule's level stands in its decorator."""
    for field, value in ast.iter_fields(tree):
        if field in _NO_CODE or (field == "decorator_list" and not judges):
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
            yield from _code(child, judges=judges)


def _of_any(node: ast.AST) -> Iterator[Change]:
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


def _of_what_judges(node: ast.AST) -> Iterator[Change]:
    match node:
        case ast.Attribute(value=ast.Name(id=kind), attr=level) if level in _LEVELS.get(kind, {}):
            other = _LEVELS[kind][level]
            yield f"{level} -> {other}", lambda: setattr(node, "attr", other)
        case ast.Expr(value=ast.Yield() | ast.YieldFrom()):
            # Still a generator.
            yield "yields nothing", lambda: setattr(node, "value", ast.YieldFrom(ast.Tuple([], ast.Load())))
        case ast.Expr(value=ast.Call() as call):
            yield "not called", lambda: setattr(node, "value", call.func)
        case ast.AugAssign():
            yield "not added", lambda: setattr(node, "value", _nothing(node))
        case ast.BoolOp():
            for at, _ in enumerate(node.values):
                # Its neighbour twice is the neighbour.
                yield f"condition {at} dropped", lambda at=at: node.values.__setitem__(at, node.values[at - 1])
        case ast.ListComp() | ast.SetComp() | ast.DictComp() | ast.GeneratorExp():
            for each in node.generators:
                for at, _ in enumerate(each.ifs):
                    yield f"filter {at} dropped", lambda e=each, a=at: e.ifs.__setitem__(a, ast.Constant(True))
    for name in _names_looked_for(node):
        other = f"~{name.value[1:]}"  # of which nobody finds the old one as a part
        yield f"{name.value} -> {other}", lambda n=name, o=other: setattr(n, "value", o)


def _nothing(added: ast.AugAssign) -> ast.expr:
    """What changes nothing when it is added: a text, list or number times 0, or a set to itself."""
    itself = ast.parse(ast.unparse(added.target), mode="eval").body
    return ast.BinOp(itself, ast.Mult(), ast.Constant(0)) if isinstance(added.op, ast.Add) else itself


def _names_looked_for(node: ast.AST) -> list[ast.Constant]:
    """Texts that are compared or looked up, not those that are only read by people."""
    match node:
        case ast.Compare():
            candidates = [node.left, *node.comparators]
        case ast.Set() | ast.Tuple() | ast.List():
            candidates = node.elts
        case ast.Dict():
            candidates = [*node.keys, *node.values]
        case ast.Subscript():
            candidates = [node.slice]
        case ast.Call(func=ast.Attribute(attr="get" | "startswith" | "endswith" | "of" | "after")):
            candidates = node.args
        case _:
            candidates = []
    return [
        each
        for each in candidates
        if isinstance(each, ast.Constant) and isinstance(each.value, str) and each.value and " " not in each.value
    ]
