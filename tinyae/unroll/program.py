"""unroll · program: record a loss and its gradients once, then run them as straight-line NumPy.

The recording is short because the engine already does the work. f runs on parameters whose arrays are Recorded; grad
with create_graph=True runs every vjp on Tensors, so that the backward pass is a tape of rows as well. The lines that
the loss and the gradients need are the program. text.py turns them into Python.
"""
from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial, reduce, wraps
from inspect import Parameter, signature
from operator import add
from pathlib import Path
from threading import Lock, RLock
from typing import Any, NamedTuple

import numpy as np

from .. import conv, files, functions, fused, ops, refusals
from ..backend import Array, describe, device_of, freeze, is_array, to_device
from ..errors import BadType, BadValue
from ..guards import scalar, wanted
from ..tensor import Tensor, grad, tape
from . import buffers
from . import passes as work
from . import text
from .passes import PASSES, READABLE
from .recorded import Line, Recorded, fickle
from .recording import Draws, Recording
from .standalone import standalone
from .update import Update
from .watched import Watched

SIZES = ("refuse", "record again")
RECORDING = RLock()                     # held by the thread that records: rows write their calls down for one at a time


def unroll(f: Callable, *inputs: Any, wrt: Any, rng: Any = None, constants: Any = None, sizes: str = "refuse",
           unused: str = "error", passes: Sequence[str] = READABLE) -> Program:
    """f(*inputs, rng=rng) and its gradients with respect to wrt, as a Program: straight-line NumPy on bare arrays.

        program = unroll(model.losses, x, wrt=params(model), rng=rng)
        losses, gradients = program(x, rng=rng)         # what f and grad return, bit for bit

    f returns a Tensor of one element, or a dict of such Tensors, whose sum is differentiated. It is called twice, with
    arrays that record what becomes of them; of rng it learns only that there is one, and draws nothing from it.
    wrt: leaf Tensors, in a list or a dict by name, as for grad. Every call reads their data anew.
    constants: name -> array or leaf Tensor, for what f uses besides its inputs and wrt; "any" admits all other arrays.
    A leaf Tensor that is older than the recording, such as a frozen parameter, needs no name, and is read anew as well.
    sizes: what to do with inputs of other shapes or dtypes, and when a number, a Tensor or an array that f uses has been
        replaced by another: "refuse" or "record again".
    unused: as for grad.
    passes: which of PASSES to apply; `program.passes` shows what each does. The first alone makes the text to read, all
    of them the program to train with.

    Numbers, and all that f decides without looking at an array, become part of the program, as in any text. A program
    notices when a number has changed that f reads from a variable or an attribute; watched.py says where. BadValue, BadType: f branches on a value, takes one out of its array, writes into an
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
    text: Callable[..., str]        # the program's text, with or without comments
    constants: list[Array]
    tensors: list[Tensor]
    called: dict[str, Any]          # the functions in the text, by name
    examples: list[str]             # an expression for each argument of step


class Program:
    """f and its gradients as one function of bare arrays: what unroll makes."""

    def __init__(self, f: Callable, wrt: Any, has_rng: bool, constants: Any = None, sizes: str = "refuse",
                 unused: str = "error", chosen: Sequence[str] = PASSES, optimizer: Any = None):
        self.f, self.has_rng, self.sizes, self.unused, self.chosen = f, has_rng, sizes, unused, chosen
        self.given, self.optimizer, self.lock = constants, optimizer, Lock()
        self.watched = Watched(f)                                   # what f uses besides its inputs
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
        return next(iter(self.programs.values())).text()

    def __str__(self) -> str:
        return self.source

    @property
    def passes(self) -> dict[str, str]:
        """The text as it was recorded, and after each of all passes, by the pass's name."""
        texts = {}
        for n, name in enumerate(["recorded", *PASSES]):
            program = Program(self.f, list(self.wrt.values()) if self.as_list else self.wrt, self.has_rng, self.given,
                              self.sizes, self.unused, PASSES[:n])
            program.record([np.zeros(k[1], k[2]) if len(k) > 2 else k[1] for k in next(iter(self.programs))[:-1]])
            texts[name] = program.source
        return texts

    def save(self, path: str | Path) -> None:
        """Write the program as one Python file that needs nothing but NumPy. Run, it shows losses and gradients of
        random numbers."""
        program = next(iter(self.programs.values()))
        files.write(Path(path), standalone(program.text(), program.called, program.examples).encode())

    def __call__(self, *inputs: Any, rng: Any = None) -> tuple[Any, Any]:
        """(f's result, the gradients in the form of wrt), as arrays."""
        values, gradients = self.run(inputs, rng)
        gradients = [freeze(g if is_array(g) else np.asarray(g)) for g in gradients]
        return self.result(values), gradients if self.as_list else dict(zip(self.wrt, gradients, strict=True))

    def result(self, values: list[Array]) -> Any:
        """The losses in the form in which f returns them."""
        return values[0] if self.terms is None else dict(zip(self.terms, values, strict=True))

    def run(self, inputs: tuple, rng: Any, *more: Any) -> tuple[Any, Any]:
        """What the text's step returns. more: its last arguments."""
        if not self.watched.are_the_same():
            self._something_changed()
        program = self.programs.get(self.kinds(inputs))
        if program is None or (rng is not None) is not self.has_rng:
            inputs, program = self._otherwise(inputs, rng)
        draws = (rng,) if self.has_rng else ()
        with self.lock:                                         # two threads would share the buffers
            return program.step(*inputs, *draws, *program.constants, *[t._data for t in program.tensors], *more)

    def _something_changed(self) -> None:
        """Forget the programs, or refuse to run them, if f would now compute something else."""
        if (what := self.watched.changed()) and self.sizes == "refuse":
            raise BadValue("what f uses has changed since the program was recorded", expected="the same numbers, Tensors "
                           "and arrays", got=what, fix='unroll(..., sizes="record again"), or an input for what changes')
        if what:
            self.programs.clear()
        self.watched = Watched(self.f)

    def kinds(self, inputs: Sequence[Any]) -> tuple:
        """What a program is written for: the kinds of the inputs, and how the parameters lie in memory."""
        return *[kind(x) for x in inputs], tuple([t._data.strides for t in self.tensors.values()])

    def _otherwise(self, inputs: tuple, rng: Any) -> tuple[list, Written]:
        """(plain arrays, the program) for inputs of kinds that the program has not met: recorded anew, or refused."""
        if (rng is not None) is not self.has_rng:
            raise BadValue("a program takes an rng if it was recorded with one, and else none", got=f"rng={rng!r:.60}",
                           expected="a generator" if self.has_rng else "no rng", fix="unroll(f, x, wrt=..., rng=rng)")
        inputs = checked(inputs)                                # type: ignore[assignment]
        known = [tuple(k[:3] for k in kinds[:-1]) for kinds in self.programs]      # an array may lie in another order
        if self.sizes == "refuse" and tuple(kind(x)[:3] for x in inputs) not in known:
            raise BadValue("the program was recorded for other inputs", got=", ".join(map(describe, inputs)),
                           expected=" or ".join(", ".join(" ".join(map(str, k[1:])) for k in kinds) for kinds in known),
                           fix='unroll(..., sizes="record again")')
        return inputs, self.programs.get(self.kinds(inputs)) or self.record(inputs)

    def record(self, inputs: Sequence[Any]) -> Written:
        """Call f on a recording of such inputs, and keep the program that results."""
        inputs = checked(inputs)
        recording, kinds = Recording(self.constants), self.kinds(inputs)
        given = [recording.input(name, x)
                 for name, x in zip(argument_names(self.f, len(inputs)), inputs, strict=True)]
        draws = {"rng": Draws(recording)} if self.has_rng else {}
        with recorded_data(self.tensors, recording), np.errstate(all="ignore"):
            self.f(*given, **draws)                             # twice: a number from a clock or from an rng of f's own
            before = recording.restart()                        # would be part of the text, and soon stale
            result = self.f(*given, **draws)
            if before != recording.told:
                raise fickle(before, recording.told)
            self.watched = Watched(self.f)
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
                 rules: dict[Line, list]) -> Written:
        """The passes, one after the other, and the text."""
        drawn, head, taken, targets = recording.drawn, list[str](), list[str](), dict[Line, Any]()
        inline, update = lambda line: "names" in self.chosen, Update(self.optimizer) if self.optimizer else None
        if "names" in self.chosen:
            work.numbers(work.needed([*outputs, *drawn]))
        if "share" in self.chosen:
            work.share(work.needed([*outputs, *drawn]), outputs, drawn)
        if "buffers" in self.chosen and self.device == "cpu":
            instead = buffers.take_apart(work.needed([*outputs, *drawn]), recording)
            outputs = [instead.get(line, line) for line in outputs]
            gradient_of = {instead.get(g, g): instead.get(z, z) for g, z in gradient_of.items()}
            rules = {instead.get(g, g): found for g, found in rules.items()}
            if "share" in self.chosen:
                work.share(work.needed([*outputs, *drawn]), outputs, drawn)
            lines, wishes = work.needed([*outputs, *drawn]), dict[Line, str]()
            if update is not None:
                gradients = outputs[len(self.terms or [0]):]
                wishes = {g: home for g, home in reversed([*zip(gradients, update.homes, strict=True)])}
            places = buffers.places(lines, outputs, wishes)
            targets, head = places.targets, places.head(recording)
            taken = [*places.shapes]
            inline = lambda line: "names" in self.chosen and not buffers.is_fresh(line)     # noqa: E731
        lines = work.needed([*outputs, *drawn])
        used = {line: array for line, array in recording.constants.items() if line in lines}
        tensors = {t: array.line for t, (_, array) in recording.tensors.items()}
        fixed = [array.line for array in recording.fixed.values()]
        leaves = [*recording.inputs, *used, *tensors.values()]
        homes = update.homes if update else []
        body, names = text.statements(lines, [*fixed, *leaves], outputs, gradient_of, rules, inline, targets, homes,
                                      [*taken, *(update.names if update else ())])
        n, returned = len(self.terms or [0]), [names[line] for line in outputs]
        dead = text.deaths(body, returned) if "deaths" in self.chosen else {}
        arguments, tail = [names[line] for line in leaves], list[str]()
        results = f"    return [{', '.join(returned[:n])}], [", returned[n:], "]"
        if update is not None:
            arguments, head = arguments + update.arguments, head + update.head
            tail = [f"    {home}[...] = {g}" for home, g in zip(homes, returned[n:], strict=True) if g != home]
            tail, results = tail + update.lines, (results[0][:-1] + "new", [], "")
        source = partial(text.source, body, arguments, results, dead, head, tail)
        called = text.functions(lines)
        return Written(text.compiled(source(comments=False), called), source,
                       [to_device(c, self.device) for c in used.values()], list(tensors), called,
                       [text.example(line) for line in leaves])


def checked(inputs: Sequence[Any]) -> list[Any]:
    """inputs that are arrays or plain values; subclasses of arrays as plain arrays."""
    for x in inputs:
        if hasattr(x, "record") or not (is_array(x) or isinstance(x, int | float | str | np.generic | type(None))):
            raise BadType("an input of a program must be an array or a number", expected="x, an array", got=describe(x),
                          fix="x.data for a Tensor, np.asarray(x, np.float32) for a list")
    return [np.asarray(x) if isinstance(x, np.ndarray) else x for x in inputs]


def kind(x: Any) -> Any:
    """What a program is written for: type, shape, dtype and strides of an array; type and value of anything else."""
    return (type(x), x.shape, x.dtype, x.strides) if is_array(x) else (type(x), x)


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
    """The tensors hold Recordeds, and afterwards their data again. Meanwhile, rows of arrays write their calls down.

    One thread records at a time. Others may use rows meanwhile, but not these tensors.
    """
    with RECORDING:
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


def rules_of(past: list[Tensor], live: set[Tensor], gradients: dict[Tensor, Tensor]) -> dict[Line, list]:
    """Each gradient's line -> the rules that its terms come from, as (row, number of the argument)."""
    rules: dict[Line, list] = {}
    for t in reversed(past):
        for i, a in enumerate(t.args):
            if t.op is not None and t in live and isinstance(a, Tensor) and a in gradients:
                rules.setdefault(line_of(gradients[a]), []).append((t.op, i))
    return rules
