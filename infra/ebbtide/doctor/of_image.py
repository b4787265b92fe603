"""What doctor takes from the image: its reader of scripts, its judgement of commands, its tables of programs. One judge
of scripts, wherever they are met."""

from ebbtide.image.ebbtide_supervisor.command import CONSUME, consumed_receivers, consumes
from ebbtide.image.ebbtide_supervisor.dsn import path_of, query_of, queue_of
from ebbtide.image.ebbtide_supervisor.handover import Verdict, judge_handover
from ebbtide.image.ebbtide_supervisor.programs import (
    BUILTINS,
    BY_SHELL,
    OPTION_VALUES,
    SHELLS,
    UTILITIES,
    WRAPPERS,
    Handover,
    Heard,
    Program,
    heard,
    known_program,
    rewritten,
    signal_name,
    signal_problem,
)
from ebbtide.image.ebbtide_supervisor.syntax import (
    Node,
    UnreadableError,
    Words,
    line_of,
    literal,
    nodes_of,
    parse,
    words_of,
)

__all__ = [
    "BUILTINS",
    "BY_SHELL",
    "CONSUME",
    "OPTION_VALUES",
    "SHELLS",
    "UTILITIES",
    "WRAPPERS",
    "Handover",
    "Heard",
    "Node",
    "Program",
    "UnreadableError",
    "Verdict",
    "Words",
    "consumed_receivers",
    "consumes",
    "heard",
    "judge_handover",
    "known_program",
    "line_of",
    "literal",
    "nodes_of",
    "parse",
    "path_of",
    "query_of",
    "queue_of",
    "rewritten",
    "signal_name",
    "signal_problem",
    "words_of",
]
