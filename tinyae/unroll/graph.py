"""unroll · graph: the lines that compute a loss and its gradients.

The engine already does the work. f runs on parameters whose arrays are Recorded; grad with create_graph=True runs every
vjp on Tensors, so that the backward pass is a tape of rows as well. Every call of both is recorded. The program
consists of the lines that the loss and the gradients need.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, reduce, wraps
from inspect import Parameter, signature
from operator import add
from threading import RLock
from typing import Any, NamedTuple

import numpy as np

from .. import conv, functions, fused, ops
from ..errors import BadType, BadValue
from ..guards import scalar
from ..tensor import Tensor, grad, tape
from .recorded import Line, Recorded, fickle
from .recording import Draws, Recording
from .watched import Watched

RECORDING = RLock()                     # held by the thread that records: rows write their calls down for one at a time


class Graph(NamedTuple):
    """The lines of a loss and its gradients."""
    recording: Recording
    terms: list[str] | None             # the names of f's losses, if it returns a dict
    losses: list[Line]
    gradients: list[Line]
    gradient_of: dict[Line, Line]       # the line of a gradient -> the line of which it is the gradient
    rules: dict[Line, list]             # the line of a gradient -> the rules that its terms come from


def record(f: Callable, inputs: Sequence[Any], wrt: dict[str, Tensor], tensors: dict[str, Tensor],
           constants: dict[str, Any] | None, has_rng: bool, unused: str, watched: Watched) -> Graph:
    """Call f and grad on a recording of the inputs. tensors: all that hold parameters, by name; wrt is among them.

    watched: of the Tensors that f can reach, too, no number may become part of the text.
    """
    recording = Recording(constants)
    recording.named.update(tensors.values())
    given = [recording.input(name, x) for name, x in zip(argument_names(f, len(inputs)), inputs, strict=True)]
    draws = {"rng": Draws(recording)} if has_rng else {}
    with recorded_data([*tensors.items(), *watched.tensors], recording), np.errstate(all="ignore"):
        f(*given, **draws)                                      # twice: a number from a clock or from an rng of f's own
        before = recording.restart()                            # would be part of the text, and soon stale
        result = f(*given, **draws)
        recording.check()
        if before != recording.told and not recording.lost():   # (which is refused below)
            raise fickle([told for told, _ in before], [told for told, _ in recording.told])
        terms = result if isinstance(result, dict) else {"loss": result}
        if not terms or not all(isinstance(t, Tensor) for t in terms.values()):
            raise BadType("unroll needs an f that returns a loss", expected="a Tensor of one element, or a dict of "
                          "them", got=f"{result!r:.100}", fix="ops.mean(per_image)")
        total = reduce(add, terms.values())
        past, live = tape(scalar(total)), set(wrt.values())
        for t in past:                                          # as in grad: which Tensors depend on wrt?
            if not live.isdisjoint(t.parents):
                live.add(t)
        of = [*wrt.values(), *(t for t in past if t in live and t.op is not None)]
        gradients = grad(total, of, create_graph=True, unused=unused)
        losses, found = ([line_of(t) for t in ts] for ts in (terms.values(), gradients[:len(wrt)]))
        gradient_of = {line_of(g): line_of(t) for g, t in zip(reversed(gradients), reversed(of), strict=True)}
        rules = rules_of(past, live, dict(zip(of, gradients, strict=True)))
    for name, line in zip(terms, losses, strict=True):
        line.name = line.name or str(name)
    return Graph(recording, list(result) if isinstance(result, dict) else None, losses, found, gradient_of, rules)


def argument_names(f: Callable, n: int) -> list[str]:
    """The names of f's first n arguments, as far as it tells them."""
    try:
        known = [p.name for p in signature(f).parameters.values()
                 if p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        known = []
    return [*known, *(f"x{i}" for i in range(len(known), n))][:n]


@contextmanager
def recorded_data(tensors: Sequence[tuple[str, Tensor]], recording: Recording) -> Iterator[None]:
    """The tensors hold Recordeds, and afterwards their data again. Meanwhile, rows of arrays write their calls down.

    One thread records at a time. Others may use rows meanwhile, but not these tensors.
    """
    with RECORDING:
        plain_forwards = [(row, row.forward) for row in recording_forwards()]
        try:
            for row, forward in recording_forwards().items():
                row.forward = forward
            for name, t in tensors:
                recording.tensor(name, t)
            yield
            if recording.lost():
                raise BadValue("f changes a parameter", expected="an f that leaves t.data as it is", got="t.data = ...",
                               fix="optimizer.step(gradients) after program(x)")
        finally:
            recording.restore()
            for row, forward in plain_forwards:
                row.forward = forward


@cache
def recording_forwards() -> dict[Any, Callable]:
    """All rows, and the forwards that they have during a recording."""
    return {row: recording_forward(row) for module in (ops, fused, conv, functions) for row in vars(module).values()
            if hasattr(row, "vjps")}


def recording_forward(row: Any) -> Callable:
    """The row's forward, which also writes the call down if an argument is a Recorded."""
    forward = row.forward

    @wraps(forward)
    def written_down(*args: Any, **settings: Any) -> Any:
        first = next((a for a in args if isinstance(a, Recorded)), None)
        return forward(*args, **settings) if first is None else first.record(row, args, settings)
    return written_down


def line_of(t: Tensor) -> Line:
    if not hasattr(t._data, "line"):
        raise BadValue("a result does not depend on what was recorded", expected="a loss made of inputs and parameters",
                       got=repr(t), fix='unroll(..., constants=params(model)), for Tensors that have no gradient here')
    return t._data.line


def rules_of(past: list[Tensor], live: set[Tensor], gradients: dict[Tensor, Tensor]) -> dict[Line, list]:
    """Each gradient's line -> the rules that its terms come from, as (row, number of the argument)."""
    rules: dict[Line, list] = {}
    for t in reversed(past):
        for i, a in enumerate(t.args):
            if t.op is not None and t in live and isinstance(a, Tensor) and a in gradients:
                rules.setdefault(line_of(gradients[a]), []).append((t.op, i))
    return rules
