"""unroll · program: record a loss and its gradients once, then run them as straight-line NumPy.

The recording is short because the engine already does the work. f runs on parameters whose arrays are Recorded; grad
with create_graph=True runs every vjp on Tensors, so that the backward pass is a tape of rows as well. The lines that
the loss and the gradients need are the program. text.py turns them into Python.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import reduce, wraps
from inspect import Parameter, signature
from operator import add
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .. import conv, files, functions, fused, ops, refusals
from ..backend import Array, describe, device_of, freeze, frozen, is_array, to_device
from ..errors import BadType, BadValue
from ..guards import scalar, wanted
from ..tensor import Tensor, grad, tape
from . import passes as work
from . import text
from .passes import PASSES, READABLE
from .recorded import Line, Recorded
from .recording import Draws, Recording
from .standalone import standalone

SIZES = ("refuse", "record again")


def unroll(f: Callable, *inputs: Any, wrt: Any, rng: Any = None, constants: Any = None, sizes: str = "refuse",
           unused: str = "error", passes: Sequence[str] = READABLE) -> Program:
    """f(*inputs, rng=rng) and its gradients with respect to wrt, as a Program: straight-line NumPy on bare arrays.

        program = unroll(model.losses, x, wrt=params(model), rng=rng)
        losses, gradients = program(x, rng=rng)         # what f and grad return, bit for bit

    f returns a Tensor of one element, or a dict of such Tensors, whose sum is differentiated. It is called once, with
    arrays that record what becomes of them; of rng it learns only that there is one, and draws nothing from it.
    wrt: leaf Tensors, in a list or a dict by name, as for grad. Every call reads their data anew.
    constants: name -> array or leaf Tensor, for what f uses besides its inputs and wrt; "any" admits all other arrays.
    A leaf Tensor that is older than the recording, such as a frozen parameter, needs no name, and is read anew as well.
    sizes: what to do with inputs of other shapes or dtypes, "refuse" or "record again".
    unused: as for grad.
    passes: which of PASSES to apply; `program.passes` shows what each does. The first alone makes the text to read, all
    of them the program to train with.

    Numbers, and all that f decides without looking at an array, become part of the program, as in any text: record
    again after changing them. BadValue, BadType: f branches on a value, takes one out of its array, writes into an
    array, or uses an array that comes from elsewhere.
    """
    if sizes not in SIZES:
        raise BadValue("unknown setting", expected=" or ".join(map(repr, SIZES)), got=f"sizes={sizes!r}",
                       fix='sizes="record again"')
    if unknown := {*passes} - {*PASSES}:
        raise BadValue("unknown pass", expected=", ".join(PASSES), got=", ".join(unknown), fix='passes=("names",)')
    program = Program(f, wrt, rng is not None, constants, sizes, unused, passes)
    program.record(inputs)
    return program


class Written(NamedTuple):
    """A program for inputs of one kind. Behind the inputs, step takes the rng, constants and the tensors' data."""
    step: Callable
    source: str
    constants: list[Array]
    tensors: list[Tensor]
    called: dict[str, Any]          # the functions in the text, by name
    examples: list[str]             # an expression for each argument of step


class Program:
    """f and its gradients as one function of bare arrays: what unroll makes."""

    def __init__(self, f: Callable, wrt: Any, has_rng: bool, constants: Any = None, sizes: str = "refuse",
                 unused: str = "error", chosen: Sequence[str] = PASSES):
        self.f, self.has_rng, self.sizes, self.unused, self.chosen = f, has_rng, sizes, unused, chosen
        self.given = constants
        self.as_list = not isinstance(wrt, dict)
        self.wrt: dict[str, Tensor] = {f"w{i}": w for i, w in enumerate(wrt)} if self.as_list else dict(wrt)
        own = wanted(list(self.wrt.values()), unused)
        others = {} if constants == "any" else dict(constants or {})
        self.tensors = {n: c for n, c in others.items() if isinstance(c, Tensor) and c not in own}
        self.constants = None if constants == "any" else {n: c for n, c in others.items() if not isinstance(c, Tensor)}
        self.tensors |= self.wrt                                    # their data is read anew in every call
        for t in self.tensors.values():
            if t.op is not None:
                raise refusals.not_a_leaf(t, "a parameter of a program")
        if not all(map(is_array, (self.constants or {}).values())):
            raise BadType("constants must be arrays or leaf Tensors", expected="name -> array",
                          got=f"{constants!r:.100}", fix="numbers need no name: they are part of the program")
        self.device = device_of(next((t._data for t in self.tensors.values()), None))
        self.terms: list[str] | None = None                         # the names of f's losses, if it returns a dict
        self.programs: dict[tuple, Written] = {}                    # kinds of the inputs -> the program for them

    @property
    def source(self) -> str:
        """The text that is run: a function step. After several recordings, the first one's."""
        return next(iter(self.programs.values())).source

    def __str__(self) -> str:
        return self.source

    @property
    def passes(self) -> dict[str, str]:
        """The text as it was recorded, and after each of all passes, by the pass's name."""
        texts = {}
        for n, name in enumerate(["recorded", *PASSES]):
            program = Program(self.f, list(self.wrt.values()) if self.as_list else self.wrt, self.has_rng, self.given,
                              self.sizes, self.unused, PASSES[:n])
            program.record([np.zeros(k[1], k[2]) if len(k) == 3 else k[1] for k in next(iter(self.programs))])
            texts[name] = program.source
        return texts

    def save(self, path: str | Path) -> None:
        """Write the program as one Python file that needs nothing but NumPy. Run, it shows losses and gradients of
        random numbers."""
        program = next(iter(self.programs.values()))
        files.write(Path(path), standalone(program.source, program.called, program.examples).encode())

    def __call__(self, *inputs: Any, rng: Any = None) -> tuple[Any, Any]:
        """(f's result, the gradients in the form of wrt), as arrays."""
        # As on the tape, a view with gaps is copied into an array without: BLAS adds in another order than loops do.
        inputs = tuple([x if not isinstance(x, np.ndarray) or x.flags.forc else frozen(x) for x in inputs])
        program = self.programs.get(tuple([kind(x) for x in inputs]))
        if program is None or (rng is not None) is not self.has_rng:
            return self._otherwise(inputs, rng)
        draws = (rng,) if self.has_rng else ()
        values, gradients = program.step(*inputs, *draws, *program.constants, *[t._data for t in program.tensors])
        gradients = [freeze(g if is_array(g) else np.asarray(g)) for g in gradients]
        return (values[0] if self.terms is None else dict(zip(self.terms, values, strict=True)),
                gradients if self.as_list else dict(zip(self.wrt, gradients, strict=True)))

    def _otherwise(self, inputs: tuple, rng: Any) -> Any:
        """The call with inputs of kinds that the program has not met: with plain arrays, recorded anew, or refused."""
        known, now = list(self.programs), checked(inputs)
        if (rng is not None) is not self.has_rng:
            raise BadValue("a program takes an rng if it was recorded with one, and else none", got=f"rng={rng!r:.60}",
                           expected="a generator" if self.has_rng else "no rng", fix="unroll(f, x, wrt=..., rng=rng)")
        if self.sizes == "refuse" and tuple(map(kind, now)) not in known:
            raise BadValue("the program was recorded for other inputs", got=", ".join(map(describe, inputs)),
                           expected=" or ".join(", ".join(" ".join(map(str, k[1:])) for k in kinds) for kinds in known),
                           fix='unroll(..., sizes="record again")')
        if tuple(map(kind, now)) not in known:
            self.record(now)
        return self(*now, rng=rng)

    def record(self, inputs: Sequence[Any]) -> Written:
        """Call f on a recording of such inputs, and keep the program that results."""
        inputs = checked(inputs)
        recording, kinds = Recording(self.constants), tuple([kind(x) for x in inputs])
        given = [recording.input(name, x)
                 for name, x in zip(argument_names(self.f, len(inputs)), inputs, strict=True)]
        draws = {"rng": Draws(recording)} if self.has_rng else {}
        with recorded_data(self.tensors, recording), np.errstate(all="ignore"):
            result = self.f(*given, **draws)
            terms = result if isinstance(result, dict) else {"loss": result}
            if not terms or not all(isinstance(t, Tensor) for t in terms.values()):
                raise BadType("unroll needs an f that returns a loss", expected="a Tensor of one element, or a dict of "
                              "them", got=f"{result!r:.100}", fix="ops.mean(per_image)")
            total = reduce(add, terms.values())
            past, live = tape(scalar(total)), set(self.wrt.values())
            for t in past:                                          # as in grad: which Tensors depend on wrt?
                if not live.isdisjoint(t.parents):
                    live.add(t)
            of = [*self.wrt.values(), *(t for t in past if t in live and t.op is not None)]
            gradients = grad(total, of, create_graph=True, unused=self.unused)
            outputs = [line_of(t) for t in [*terms.values(), *gradients[:len(self.wrt)]]]
            gradient_of = {line_of(g): line_of(t) for g, t in zip(reversed(gradients), reversed(of), strict=True)}
            rules = rules_of(past, live, dict(zip(of, gradients, strict=True)))
        for name, line in zip(terms, outputs, strict=False):
            line.name = line.name or name
        self.terms = list(result) if isinstance(result, dict) else None
        self.programs[kinds] = self._written(recording, outputs, gradient_of, rules)
        recording.forget()
        return self.programs[kinds]

    def _written(self, recording: Recording, outputs: list[Line], gradient_of: dict[Line, Line],
                 rules: dict[Line, str]) -> Written:
        results = [*outputs, *recording.drawn]
        if "names" in self.chosen:
            work.numbers(work.needed(results))
        if "share" in self.chosen:
            work.share(work.needed(results), outputs, recording.drawn)
        lines = work.needed(results)
        used = {line: array for line, array in recording.constants.items() if line in lines}
        tensors = {t: array.line for t, (_, array) in recording.tensors.items()}
        leaves = [*recording.inputs, *used, *tensors.values()]
        body, names = text.statements(lines, leaves, outputs, gradient_of, rules, inline="names" in self.chosen)
        n, returned = len(self.terms or [0]), [names[line] for line in outputs]
        dead = text.deaths(body, returned) if "deaths" in self.chosen else {}
        source = text.source(body, [names[line] for line in leaves], returned[:n], returned[n:], dead)
        called = text.functions(lines)
        return Written(text.compiled(source, called), source, [to_device(c, self.device) for c in used.values()],
                       list(tensors), called, [text.example(line) for line in leaves])


def checked(inputs: Sequence[Any]) -> list[Any]:
    """inputs that are arrays or plain values; subclasses of arrays as plain arrays."""
    for x in inputs:
        if not (is_array(x) or isinstance(x, int | float | str | np.generic | type(None))):
            raise BadType("an input of a program must be an array or a number", expected="x, an array", got=describe(x),
                          fix="x.data for a Tensor, np.asarray(x, np.float32) for a list")
    return [np.asarray(x) if isinstance(x, np.ndarray) else x for x in inputs]


def kind(x: Any) -> Any:
    """What a program is recorded for: type, shape and dtype of an array, type and value of anything else."""
    return (type(x), x.shape, x.dtype) if is_array(x) else (type(x), x)


def argument_names(f: Callable, n: int) -> list[str]:
    """The names of f's first n arguments, as far as it tells them."""
    try:
        known = [p.name for p in signature(f).parameters.values()
                 if p.kind in (Parameter.POSITIONAL_ONLY, Parameter.POSITIONAL_OR_KEYWORD)]
    except (TypeError, ValueError):
        known = []
    return [*known, *(f"x{i}" for i in range(len(known), n))][:n]


@contextmanager
def recorded_data(tensors: dict[str, Tensor], recording: Recording) -> Iterator[None]:
    """The tensors hold Recordeds, and afterwards their data again. Meanwhile, rows of arrays write their calls down."""
    plain_forwards = {row: row.forward for module in (ops, fused, conv, functions) for row in vars(module).values()
                      if hasattr(row, "vjps")}
    try:
        for row in plain_forwards:
            row.forward = recording_forward(row)
        for name, t in tensors.items():
            recording.tensor(name, t)
        yield
        if any(t._data is not array for t, (_, array) in recording.tensors.items()):
            raise BadValue("f changes a parameter", expected="an f that leaves t.data as it is", got="t.data = ...",
                           fix="optimizer.step(gradients) after program(x)")
    finally:
        recording.restore()
        for row, forward in plain_forwards.items():
            row.forward = forward


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


def rules_of(past: list[Tensor], live: set[Tensor], gradients: dict[Tensor, Tensor]) -> dict[Line, str]:
    """Each gradient's line -> the rules that its terms come from."""
    rules: dict[Line, list[str]] = {}
    for t in reversed(past):
        for i, a in enumerate(t.args):
            if t.op is not None and t in live and isinstance(a, Tensor) and a in gradients:
                rules.setdefault(line_of(gradients[a]), []).append(text.rule(t.op, i))
    return {line: ", ".join(dict.fromkeys(names)) for line, names in rules.items()}
