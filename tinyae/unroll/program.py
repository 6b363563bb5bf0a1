"""unroll · program: a loss and its gradients, recorded once and run as straight-line NumPy.

graph.py records, and writing.py makes the text. A Program keeps a text for each kind of inputs, and makes sure that
none is stale.
"""
from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np

from .. import files, refusals
from ..backend import Array, describe, device_of, freeze, is_array, is_frozen
from ..errors import BadType, BadValue
from ..guards import wanted
from ..tensor import Tensor
from .capture import Captured
from .graph import record
from .passes import PASSES, READABLE
from .standalone import standalone
from .watched import Watched
from .writing import Written, named, written

SIZES = ("refuse", "record again")


def unroll(f: Callable, *inputs: Any, wrt: Any, rng: Any = None, constants: Any = None, sizes: str = "refuse",
           unused: str = "error", passes: Sequence[str] = READABLE) -> Program:
    """f(*inputs, rng=rng) and its gradients with respect to wrt, as a Program: straight-line NumPy on bare arrays.

        program = unroll(model.losses, x, wrt=params(model), rng=rng)
        losses, gradients = program(x, rng=rng)         # what f and grad return, bit for bit

    f returns a Tensor of one element, or a dict of such Tensors, whose sum is differentiated. unroll calls f twice,
    with arrays that record how they are used, and draws nothing from rng.
    wrt: leaf Tensors, in a list or a dict by name, as for grad. Every call reads their data anew.
    constants: name -> array or leaf Tensor, for what f uses besides its inputs and wrt; "any" admits all other arrays.
    A leaf Tensor that is older than the recording, such as a frozen parameter, needs no name, and is read anew as well.
    sizes: what to do with inputs of other shapes or dtypes, and when a number, a Tensor or an array that f uses has
        been replaced by another: "refuse" or "record again".
    unused: as for grad.
    passes: which of PASSES to apply; `program.passes` shows what each does. The first alone makes the text to read, all
    of them the program to train with.

    Numbers, and every decision of f that does not depend on an array, become part of the program. A program notices if
    a number changes that f reads from a variable or an attribute; watched.py says where. While f is recorded,
    isinstance(x, np.ndarray) is true of an input, but type(x) is another type. What f writes down elsewhere, such as a
    count of its calls, a program does not.
    BadValue, BadType: f branches on a value, takes one out of its array, writes into an array, uses an array that comes
    from elsewhere, or computes something else in a second call.
    """
    if sizes not in SIZES:
        raise BadValue("unknown setting", expected=" or ".join(map(repr, SIZES)), got=f"sizes={sizes!r}",
                       fix='sizes="record again"')
    if unknown := {*passes} - {*PASSES}:
        raise BadValue("unknown pass", expected=", ".join(PASSES), got=", ".join(unknown), fix='passes=("names",)')
    program = Program(f, wrt, rng is not None, constants, sizes, unused, passes)
    program.record(inputs)
    return program


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
        self.read: dict[Tensor, None] = dict.fromkeys(self.tensors.values())    # all whose data the programs read
        self.first: list[Any] = []                                  # the first inputs: (shape, dtype) of an array
        self.programs: dict[tuple, Written] = {}                    # kinds of the inputs -> the program for them

    @property
    def source(self) -> str:
        """The text that is run: a function step. After several recordings, the first one's."""
        return next(iter(self.programs.values())).text()

    def __str__(self) -> str:
        return self.source

    def _repr_html_(self) -> str:
        """The text, which a notebook shows."""
        return f"<pre>{escape(self.source)}</pre>"

    @property
    def passes(self) -> dict[str, str]:
        """The text as it was recorded, and after each of all passes, by the pass's name."""
        texts = {}
        for n, name in enumerate(["recorded", *PASSES]):
            program = Program(self.f, list(self.wrt.values()) if self.as_list else self.wrt, self.has_rng, self.given,
                              self.sizes, self.unused, PASSES[:n], self.optimizer)
            program.record([np.zeros(*x) if isinstance(x, tuple) else x for x in self.first])
            texts[name] = program.source
        return texts

    def save(self, path: str | Path) -> None:
        """Write the program as one Python file that needs nothing but NumPy. The file, when run, shows losses and
        gradients (or new parameters) of random numbers."""
        program = next(iter(self.programs.values()))
        text = standalone(program.text(), program.called, program.examples, self.optimizer is not None)
        files.write(Path(path), text.encode())

    def __call__(self, *inputs: Any, rng: Any = None) -> tuple[Any, Any]:
        """(f's result, the gradients in the form of wrt), as arrays."""
        losses, gradients = self.run(inputs, rng)
        return losses, self.formed(gradients)

    def formed(self, gradients: list[Array]) -> Any:
        """The gradients, each of its parameter's shape, as wrt."""
        gradients = [freeze(g if is_array(g) else np.asarray(g)) for g in gradients]
        return gradients if self.as_list else dict(zip(self.wrt, gradients, strict=True))

    def capture(self, *inputs: Any, rng: Any = None) -> Captured:
        """The program as one CUDA graph, for inputs like these; see capture.py. rng: the generator of all draws."""
        return Captured(self, inputs, rng)

    def run(self, inputs: Sequence[Any], rng: Any, *more: Any) -> tuple[Any, Any]:
        """(the losses, one number each, as f returns them; what else the text's step returns). more: its last
        arguments."""
        if not self.watched.are_the_same():
            self._something_changed()
        program = self.programs.get(self.kinds(inputs))
        if program is None or (rng is not None) is not self.has_rng:
            inputs, program = self._otherwise(inputs, rng)
        draws = (rng,) if self.has_rng else ()
        with self.lock:                                         # two threads would share the buffers
            data = [t._data for t in program.tensors]
            values, second = program.step(*inputs, *draws, *program.constants, *data, *more)
        # What is an array, and no number, may be an input.
        return named(program.terms, [np.array(v) if isinstance(v, np.ndarray) else v for v in values]), second

    def check_rng(self, rng: Any) -> None:
        """BadValue: an rng, and the program was recorded without one; or none, and it was recorded with one."""
        if (rng is not None) is not self.has_rng:
            raise BadValue("a program takes an rng if it was recorded with one, and else none", got=f"rng={rng!r:.60}",
                           expected="a generator" if self.has_rng else "no rng", fix="unroll(f, x, wrt=..., rng=rng)")

    def _something_changed(self) -> None:
        """Forget the programs, or refuse to run them, if f would now compute something else."""
        if (what := self.watched.changed()) and self.sizes == "refuse":
            raise BadValue("what f uses has changed since the recording", expected="the same numbers and Tensors",
                           got=what, fix='unroll(..., sizes="record again"), or an input for it')
        if what:
            self.programs.clear()
        self.watched = Watched(self.f, self.watched.constants)

    def kinds(self, inputs: Sequence[Any]) -> tuple:
        """What a program is written for: the kinds of the inputs, and how the parameters lie in memory."""
        return *[kind(x) for x in inputs], tuple([t._data.strides for t in self.read])

    def _otherwise(self, inputs: Sequence[Any], rng: Any) -> tuple[list, Written]:
        """(plain arrays, the program) for inputs of kinds that the program has not met: recorded anew, or refused."""
        self.check_rng(rng)
        now = checked(inputs)
        known = [tuple(k[:3] for k in kinds[:-1]) for kinds in self.programs]      # an array may lie in another order
        if self.sizes == "refuse" and tuple(kind(x)[:3] for x in now) not in known:
            raise BadValue("the program was recorded for other inputs", got=", ".join(map(describe, inputs)),
                           expected=" or ".join(", ".join(" ".join(map(str, k[1:])) for k in kinds) for kinds in known),
                           fix='unroll(..., sizes="record again")')
        return now, self.programs.get(self.kinds(now)) or self.record(now)

    def record(self, inputs: Sequence[Any]) -> Written:
        """Call f on a recording of such inputs, and keep the program that results."""
        inputs = checked(inputs)
        graph = record(self.f, inputs, self.wrt, self.tensors, self.constants, self.has_rng, self.unused, self.watched)
        self.first = self.first or [(x.shape, x.dtype) if is_array(x) else x for x in inputs]
        found = written(graph, self.chosen, self.device, self.optimizer)
        self.watched = Watched(self.f, found.constants)
        self.read |= dict.fromkeys(found.tensors)
        self.programs[self.kinds(inputs)] = found
        graph.recording.forget()
        return found


def checked(inputs: Sequence[Any]) -> list[Any]:
    """inputs that are arrays or plain values; subclasses of arrays as plain arrays."""
    for x in inputs:
        if hasattr(x, "record") or not (is_array(x) or isinstance(x, int | float | str | np.generic | type(None))):
            raise BadType("an input of a program must be an array or a number", expected="x, an array", got=describe(x),
                          fix="x.data for a Tensor, np.asarray(x, np.float32) for a list")
    return [np.asarray(x) if isinstance(x, np.ndarray) else x for x in inputs]


def kind(x: Any) -> Any:
    """What a program is written for: type, shape, dtype and strides of an array, and whether rows copy it; type and
    text of anything else: -0.0 is not 0.0, though it is equal."""
    return (type(x), x.shape, x.dtype, x.strides, is_frozen(x)) if is_array(x) else (type(x), repr(x))
