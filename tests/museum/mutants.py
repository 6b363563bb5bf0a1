"""Every vjp of every row, broken in four ways: does the gradient check notice?

A mutant is equivalent if nothing can tell it from the original. Only one kind can be: "detached" gives the right
value but cuts its dependence on z and the arguments, which is no change where the vjp does not depend on them, as in
rows that are linear, or linear in pieces. That is not declared but looked up: in the tape of the vjp's result.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from tinyae import Tensor, conv, fused, gradcheck, ops
from tinyae.check.cases import CASES
from tinyae.check.gradcheck import WrongGradient
from tinyae.guards import Each
from tinyae.tensor import data_of, tape

ROWS = ops.ROWS | fused.ROWS | conv.ROWS

KINDS: dict[str, Callable[[Callable], Callable]] = {
    "times 1.001": lambda vjp: lambda g, z, *args, **params: 1.001 * vjp(g, z, *args, **params),
    "negated": lambda vjp: lambda g, z, *args, **params: -vjp(g, z, *args, **params),
    "zero": lambda vjp: lambda g, z, *args, **params: 0.0 * vjp(g, z, *args, **params),
    "detached": lambda vjp: lambda g, z, *args, **params: vjp(g, data_of(z), *map(data_of, args), **params),
}


class Mutant(NamedTuple):
    row: str
    argument: int | None        # None: a row of any number of arguments has one vjp for all
    kind: str

    @property
    def vjp(self) -> str:
        return self.row + ("" if self.argument is None else f"[{self.argument}]")

    def __str__(self) -> str:
        return f"{self.vjp} {self.kind}"


def mutants(row: str) -> list[Mutant]:
    vjps = ROWS[row].vjps
    arguments = [i for i, vjp in enumerate(vjps) if vjp is not None] if not isinstance(vjps, Each) else [None]
    return [Mutant(row, i, kind) for i in arguments for kind in KINDS]


def fate(mutant: Mutant) -> str:
    """"caught", "equivalent" or "survived"."""
    if mutant.kind == "detached" and not _depends_on_more_than_g(mutant):
        return "equivalent"
    with _in_the_library(mutant):
        return "caught" if any(_is_wrong(case) for case in CASES[mutant.row]) else "survived"


def _is_wrong(case: Any) -> bool:
    try:
        gradcheck(case.f, *case.args(np.random.default_rng(0)))
    except WrongGradient:
        return True
    return False


def _depends_on_more_than_g(mutant: Mutant) -> bool:
    """Whether, in any case of the row, the tape of the traced vjp's result leads to z or to an argument."""
    row = ROWS[mutant.row]
    for case in CASES[mutant.row]:
        y = case.f(*map(Tensor, case.args(np.random.default_rng(0))))
        for t in tape(y):
            if t.op is row:
                indices = range(len(t.args)) if mutant.argument is None else [mutant.argument]
                for i in indices:
                    result = row.vjps[i](Tensor(np.ones(t.shape)), t, *t.args, **t.settings)
                    if isinstance(result, Tensor) and not {t, *t.parents}.isdisjoint(tape(result)):
                        return True
    return False


@contextmanager
def _in_the_library(mutant: Mutant) -> Iterator[None]:
    row, broken = ROWS[mutant.row], KINDS[mutant.kind]
    vjps = row.vjps
    try:
        if mutant.argument is None:
            row.vjps = Each(lambda i, *args, **settings: broken(vjps[i])(*args, **settings))
        else:
            row.vjps = tuple(broken(vjp) if i == mutant.argument else vjp for i, vjp in enumerate(vjps))
        yield
    finally:
        row.vjps = vjps
