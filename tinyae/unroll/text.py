"""unroll · text: recorded lines as Python that a person can read.

    z1 = affine(batch, encoder_0_W, encoder_0_b)            # (512, 256)
    g_z1 = keep(g_z2, z1 > 0)                               # (512, 256)   relu: dL/dx = keep(g, x > 0)

A value that is used once, and is short, stands where it is used. Operators are written as operators. The gradient of z1
is called g_z1; the comment names the rule that it comes from, as the row's table has it.
"""
from __future__ import annotations

import ast
import inspect
import operator
import re
import sys
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from functools import cache
from math import inf, prod
from typing import Any

import numpy as np

from .. import kernels
from ..ops import ROWS
from .recorded import Line, Recorded, is_rng
from .words import ATOM, UNARY, WORDS, Code, code, identifier, index_text, literal

SHORT, WIDE, COMMENT = 44, 118, 50          # columns: of what stands inside of a line; of a line; where comments begin
UNROLLED = "<unrolled>"                     # the name of a program's file in a traceback
LARGE = 1 << 16                             # bytes: a smaller array may live until the end

# How tightly the signs of Python bind. A name, a call or an index binds most tightly.
LEVELS = {"==": 1, "!=": 1, ">": 1, ">=": 1, "<": 1, "<=": 1, "|": 2, "&": 3, "+": 4, "-": 4, "*": 5, "/": 5, "@": 5,
          "**": 7}
_SIGNS = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "power": "**", "matmul": "@", "greater": ">", "greater_equal": ">=",
    "less": "<", "less_equal": "<=", "equal": "==", "not_equal": "!=", "subtract": "-", "multiply": "*", "divide": "/",
    "bitwise_and": "&", "bitwise_or": "|", "neg": "-", "negative": "-", "invert": "~",
}
REDUCTIONS = [ROWS[name] for name in ("sum", "mean", "max", "min")]
OPERATORS = {f: sign for name, sign in _SIGNS.items() for f in (ROWS.get(name), getattr(np, name, None)) if f}
OPERATORS |= {operator.pow: OPERATORS.pop(np.power)}        # x ** 0.5 is a root, and np.power(x, 0.5) is none


class Statement:
    """name = expression, its shape and size in bytes, the rules (row, argument) of which it is the result, and where
    it is written: the name of a buffer, or nothing."""
    __slots__ = ("expression", "name", "rules", "shape", "size", "target")

    def __init__(self, name: str, expression: str, line: Line, rules: list[tuple[Any, int]], target: str):
        self.name, self.expression, self.rules, self.target = name, expression, rules, target
        self.shape = "several arrays" if line.shape is None else line.shape
        self.size = inf if line.shape is None else prod(line.shape) * line.dtype.itemsize


def statements(lines: list[Line], leaves: list[Line], outputs: list[Line], gradient_of: dict[Line, Line],
               rules: dict[Line, list], inline: Callable[[Line], bool], targets: dict[Line, Any],
               called: dict[Any, str], homes: Collection[str] = (),
               taken: Iterable[str] = ()) -> tuple[list[Statement], dict[Any, Code]]:
    """(the program's statements, the name of each line that has one).

    called: the name of each function, see `functions`.
    gradient_of: the line of a gradient -> the line of which it is the gradient. rules: -> the rules it comes from.
    inline: whether a line may stand where it is used. targets: where a line's array is written: the name of a buffer,
    or a line whose array is no longer needed. homes: buffers that a line has for itself. taken: names that others have.
    """
    uses = Counter([*outputs, *(x for line in lines for x in line.uses())])
    kept, backward = {*outputs}, False
    counts, body = Counter(), []                                            # type: ignore[var-annotated]
    written: dict[Any, Code] = {function: Code(name) for function, name in called.items()}
    taken = {*WORDS, *called.values(), *taken}

    def name(line: Line) -> Code:
        of = written.get(gradient_of.get(line), "(")
        if line.name or of.isidentifier():
            wish = identifier(line.name or f"g_{of}")
        else:
            letter = "e" if _draws(line) else "t" if backward else "z"
            counts[letter] += 1
            wish = f"{letter}{counts[letter]}"
        while wish in taken:
            wish += "_"
        taken.add(wish)
        return Code(wish)

    for line in leaves:
        written[line] = name(line)
    for line in lines:
        backward = backward or line in rules
        if line.function is not None:
            target = targets.get(line, "")
            target = written[target] if isinstance(target, Line) else target
            expression = _call(line, written, target)
            if uses[line] == 1 and len(expression) <= SHORT and not (line in kept or _draws(line)) and inline(line):
                written[line] = expression
            else:
                written[line] = Code(target) if target in homes else name(line)
                body.append(Statement(written[line], expression, line, rules.get(line, []), target))
    return body, written


def _draws(line: Line) -> bool:
    """Whether the line draws random numbers: such lines keep their order."""
    return bool(line.args) and isinstance(line.args[0], Recorded) and is_rng(line.args[0].line)


def _call(line: Line, written: dict[Any, Code], target: str) -> Code:
    """The line as an expression; target: the array that it is written into, or nothing."""
    args = [literal(a, written) for a in line.args]
    settings = [f"{name}={literal(value, written)}" + "[...]" * (name == "like" and _is_scalar(value))
                for name, value in line.settings.items()]               # NumPy takes no scalar as like=
    function, given = line.function, line.settings
    if OPERATORS.get(function) == "**" and _is_scalar(line.args[0]) and (
            function is ROWS["power"] or hasattr(line.args[0].line.function, "vjps")):
        args[0] = Code(f"{args[0].within(ATOM)}[...]")                  # as on the tape: arrays have other powers
    if function == "[]":
        return Code(f"{args[0].within(ATOM)}[{index_text(line.args[1], written)}]")
    if isinstance(function, str):
        return Code(f"{args[0].within(ATOM)}.{function}({', '.join([*args[1:], *settings])})")
    sign = "" if settings or target else OPERATORS.get(function, "")
    if sign and len(args) == 2:
        level = LEVELS[sign]
        first = level + (level in (1, 7))                   # a - b - c is (a - b) - c; a > b > c is another thing
        return code(f"{args[0].within(first)} {sign} {args[1].within(level + 1)}", level)
    if sign in ("-", "~") and len(args) == 1:
        return code(f"{sign}{args[0].within(UNARY)}", UNARY)
    if (function, line.args[1:], given) in ((ROWS["swapaxes"], (), {"axis1": -1, "axis2": -2}),
                                            (np.swapaxes, (-1, -2), {})):
        return Code(f"{args[0].within(ATOM)}.mT")
    if function is ROWS["reshape"] and "shape" in given:
        return Code(f"{args[0].within(ATOM)}.reshape({literal(given['shape'], written)})")
    if function is ROWS["index"] and "key" in given and _is_basic(given["key"]):
        return Code(f"{args[0].within(ATOM)}[{index_text(given['key'], written)}]")
    settings += [f"out={target}"] * bool(target)
    if function in REDUCTIONS and kernels.count(line.args[0], given.get("axis")) <= kernels.MANY[line.dtype.itemsize]:
        return Code(f"np.{function.__name__}({', '.join([*args, *settings])})")
    return Code(f"{written[function]}({', '.join([*args, *settings])})")


def _is_scalar(x: Any) -> bool:
    """Whether NumPy's number stands in the text where the tape has an array of one."""
    return isinstance(x, Recorded) and x.line.shape == () and x.line.function is not None


def _is_basic(key: Any) -> bool:
    return all(k is None or k is Ellipsis or isinstance(k, int | slice)
               for k in (key if isinstance(key, tuple) else (key,)))


# ---- the rule that a gradient comes from

@cache
def rule(row: Any, i: int) -> str:
    """As in "matmul: dL/dx = g @ y.mT"; without the right side where it would explain nothing."""
    of, text = vjp_source(row, i)
    name = f"{row.__name__}: dL/d{of}"
    return f"{name} = {text}" if text and not re.search(r"\b_\w", text) else name           # not a helper's name


def vjp_source(row: Any, i: int) -> tuple[str, str]:
    """("x", "g @ y.mT"): the name of row's i-th argument and its vjp, as its module's table has them; else (i, "")."""
    if not isinstance(row.vjps, tuple):
        return f"x{i}", ""
    vjp = inspect.unwrap(row.vjps[i])
    found = _table(vjp.__module__).get(row.__name__, [])
    written = found[i] if len(found) == len(row.vjps) else None
    if not isinstance(written, ast.Lambda):
        return str(i), ""
    return written.args.args[2 + i].arg, ast.unparse(written.body)


@cache
def _table(module: str) -> dict[str, list[ast.expr]]:
    """row -> the expressions of its vjps, from a module's source."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[module]))
    except (OSError, TypeError, KeyError):              # typed at a prompt
        return {}
    return {node.targets[0].id: node.value.args[1:] for node in tree.body
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name)
            and isinstance(node.value, ast.Call) and getattr(node.value.func, "id", "") == "op"}


# ---- the whole text

def source(body: list[Statement], arguments: list[str], results: tuple[str, list[str], str], dead: dict[int, list[str]],
           head: Sequence[str] = (), tail: Sequence[str] = (), comments: bool = True) -> str:
    """def step(arguments): ..., with shapes and rules at the ends of lines.

    results: the return's beginning, its parts and its end. dead: what dies after a statement, by the statement's
    number. head, tail: lines above step, and before its return.
    """
    lines = [*head, *[""] * 2 * bool(head), *folded("def step(", arguments, "):")]
    for i, s in enumerate(body):
        line = f"    {s.expression if s.name == s.target else f'{s.name} = {s.expression}'}"
        if comments:
            line = f"{line:{COMMENT}}  # {s.shape}"
            told = ", ".join(dict.fromkeys(rule(*r) for r in s.rules))
            for comment in (told, told.partition(" = ")[0]):
                if comment and len(line) + len(comment) + 3 <= WIDE:
                    line = f"{line:{COMMENT + 18}} {comment}"
                    break
        lines += [line, *(f"    del {', '.join(names)}" for names in [dead.get(i)] if names)]
    return "\n".join([*lines, *tail, *folded(*results), ""])


def deaths(body: list[Statement], kept: list[str]) -> dict[int, list[str]]:
    """The large arrays that no statement behind this one names, by the number of the statement."""
    last: dict[str, int] = {}
    large = {s.name for s in body if s.size >= LARGE and not s.target} - {*kept}
    for i, s in enumerate(body):
        last |= {name: i for name in re.findall(r"\w+", s.expression) if name in large}
    return {i: [name for name, at in last.items() if at == i] for i in sorted({*last.values()})}


def folded(first: str, parts: list[str], last: str) -> list[str]:
    """first, the parts with commas between them, and last, in lines that are not too long."""
    lines = [first]
    for part in [*(f"{part}, " for part in parts[:-1]), *(part + last for part in parts[-1:] or [""])]:
        if len(lines[-1]) + len(part) > WIDE:
            lines.append(" " * len(first))
        lines[-1] += part
    return [line.rstrip() for line in lines]


def compiled(text: str, called: dict[Any, str]) -> Callable:
    space = {name: getattr(f, "forward", f) for f, name in called.items() if "." not in name}
    space["np"] = np
    exec(compile(text, UNROLLED, "exec"), space)
    return space["step"]


def example(line: Line) -> str:
    """An expression for an array like that of a leaf: numbers in [0, 1), or for integers and masks zeros."""
    if is_rng(line) or line.dtype == object:
        return "rng" if is_rng(line) else "None"
    dtype = f"np.{line.dtype.type.__name__}"
    return f"rng.random({line.shape}).astype({dtype})" if line.dtype.kind == "f" else f"np.zeros({line.shape}, {dtype})"
