"""unroll · recording: the lines that one call of a function computes.

A recording admits inputs, draws of rng, constants with names, and leaf Tensors, whose data every call of the program
reads anew. It refuses any other array.
"""
from __future__ import annotations

from collections.abc import Callable
from itertools import count
from threading import get_ident
from typing import Any

import numpy as np

from .. import guards
from ..backend import Array, freeze, is_array, normal, to_host, uniform
from ..errors import BadValue, Refusal
from ..tensor import Tensor
from ..tensor import now as birth_now
from .recorded import Line, Recorded, captured, elsewhere, escaping, flat, name_of, place, plain, written

SMALL = 1 << 10                                     # bytes
SHAPED_BY_VALUES = ("argwhere", "bincount", "compress", "delete", "extract", "flatnonzero", "histogram",
                    "histogram_bin_edges", "intersect1d", "nonzero", "repeat", "roots", "setdiff1d", "setxor1d",
                    "trim_zeros", "union1d", "unique", "unique_all", "unique_counts", "unique_inverse", "unique_values")


class Recording:
    """What one call of a function has computed so far, and the constants that it may use, by name.

    constants: name -> array; None admits every array as a constant.
    """

    def __init__(self, constants: dict[str, Array] | None):
        self.now, self.lenient, self.start = count().__next__, constants is None, birth_now()
        self.thread = get_ident()
        self.told: list[tuple] = []                             # the calls so far: what another call of f must repeat
        self.order: dict[Line, int] = {}                        # the number of each line among them
        self.apart: Callable | None = None                      # what takes rows apart, see buffers.py,
        self.fixed: dict[str, Recorded] = {}                    # and the rows of zeros and ones that it needs, by name
        self.tensors: dict[Tensor, tuple[Array, Recorded]] = {}     # what a Tensor held before, and what it holds now
        self.named: set[Tensor] = set()                         # those that a program takes, used or not
        self.refused: Refusal | None = None                     # what f did that cannot be recorded
        self.constants: dict[Line, Array] = {}
        self.known: dict[int, Recorded] = {}                    # id of a constant -> its Recorded
        self.inputs: list[Line] = []                            # what a call is given, the rng last
        self.borrowed: list[tuple[Tensor, Array]] = []          # Tensors made of constants, and their data
        self.drawn: list[Line] = []                             # draws: one that is not used still changes the rng
        for name, array in (constants or {}).items():
            self.constant(name, array)

    def given(self, name: str, x: Any) -> Any:
        """The array x as the program gets it under this name."""
        return self.new(x, Line(None, (), {}, self.now(), str(name)))

    def input(self, name: str, x: Any) -> Any:
        """An input; unless it is an array, it becomes part of the program as it is."""
        array = self.given(name, to_host(x) if is_array(x) else np.empty(0, object))
        self.inputs.append(array.line)
        return array if is_array(x) else x

    def tensor(self, name: str, t: Tensor) -> None:
        """Let t hold a Recorded, until `restore`; every call of the program reads t's data anew."""
        if t in self.tensors:
            return
        array = self.given(name, to_host(t._data))
        self.tensors[t] = t._data, array
        t._data = array

    def adopt(self, row: Any, t: Tensor) -> None:
        """Do the same with a Tensor that f has from elsewhere, if it is a leaf that is older than this recording."""
        self.admit(row, (), {})                                 # refuses other threads
        if isinstance(t._data, Recorded):
            return
        if t.op is None and t.born < self.start:
            self.tensor(f"tensor_{len(self.tensors)}", t)
        else:
            ((array,), _), before = self.admit(row, (t._data,), {}), t._data
            self.borrowed.append((t, before))
            t._data = array

    def run(self, row: Any, args: tuple, settings: dict[str, Any]) -> Any:
        """guards.run, once all Tensors among args hold Recordeds."""
        tensors = [a for a in args if isinstance(a, Tensor)]
        for t in tensors:
            self.adopt(row, t)
        return guards.run(row, args, settings, tensors[0])

    def restore(self) -> None:
        """Give every Tensor its own data again."""
        for t, (before, _) in self.tensors.items():
            t._data = before
        for t, before in self.borrowed:
            t._data = before

    def lost(self) -> bool:
        """Whether f has given a Tensor other data."""
        return any(t._data is not array for t, (_, array) in self.tensors.items())

    def check(self) -> None:
        """Raise what has been refused, should f have caught it."""
        if self.refused is not None:
            raise self.refused

    def restart(self) -> list[tuple]:
        """Forget the calls so far, but not what they brought in; -> the calls."""
        told, self.told, self.drawn, self.order = self.told, [], [], {}
        return told

    def forget(self) -> None:
        """Drop the Recordeds, each of which knows this recording: a circle would keep their arrays alive."""
        self.tensors.clear()
        self.known.clear()
        self.fixed.clear()
        self.order.clear()

    def constant(self, name: str, array: Array) -> Recorded:
        given = self.known[id(array)] = self.given(name, to_host(array))
        self.constants[given.line] = array                      # which also keeps its id
        return given

    def row(self, of: str, n: int, dtype: np.dtype) -> Recorded:
        """n "zeros" or "ones", as an array that the program makes before its first step."""
        name = f"{of}_{n}" + f"_{dtype}" * (dtype != np.float32)
        if name not in self.fixed:
            self.fixed[name] = self.given(name, getattr(np, of)(n, dtype))
        return self.fixed[name]

    def new(self, array: Any, line: Line) -> Recorded:
        line.shape, line.dtype, line.in_rows = array.shape, array.dtype, array.flags.c_contiguous
        if line.function is not None:
            self.order[line] = len(self.order)
        return Recorded(freeze(array.view()), line, self)       # nothing that f calls can write into it

    def call(self, function: Any, args: tuple, settings: dict[str, Any], freezes: bool = False) -> Any:
        """function(*args, **settings), recorded: a Recorded, or a tuple of them. freezes: whether it is read-only."""
        try:
            return self._call(function, args, settings, freezes)
        except Refusal as error:
            if get_ident() == self.thread:
                self.refused = error
            raise

    def _call(self, function: Any, args: tuple, settings: dict[str, Any], freezes: bool) -> Any:
        if self.apart is not None and (z := self.apart(function, args, settings)) is not None:
            return z
        args, settings = self.admit(function, args, settings)
        self.check_shape(function, args, settings)
        self.tell(function, args, settings)
        line = Line(function, args, settings, self.now())
        if self.apart is not None and function is np.matmul and args[0].ndim == args[1].ndim == 2:
            z = self.new(empty((args[0].shape[0], args[1].shape[1]), args[0].dtype), line)
            line.in_rows = True                                 # as a new array is, and its numbers are not needed
            return z
        if isinstance(function, str):
            first, *rest = map(plain, args)
            z = reading(first.__getitem__ if function == "[]" else getattr(first, function), rest, settings)
        else:
            z = reading(getattr(function, "forward", function), args, settings)
        if self.apart is not None:                              # the text needs no values: memory for the next lines
            for x in line.recorded():
                x.array = hollow(x.array)
        if isinstance(z, np.ndarray | np.generic):
            used = [*line.uses()]
            if function in (np.ones_like, np.zeros_like) or (used and all(a.value is not None for a in used)):
                line.value = np.asarray(z)
            z = np.asarray(z)                                   # NumPy turns 0-d results into scalars
            return self.new(freeze(z) if freezes else z, line)
        if isinstance(z, tuple | list) and all(isinstance(part, np.ndarray) for part in z):
            whole = Recorded(np.empty(0), line, self)
            return tuple(self.new(part, Line("[]", (whole, i), {}, self.now())) for i, part in enumerate(z))
        raise escaping(f"{name_of(function)}, which returns {type(z).__name__}")

    def tell(self, function: Any, args: tuple, settings: dict[str, Any]) -> None:
        """Note the call, with its numbers and arrays; not where rows are taken apart, which is done once."""
        def told(x: Any) -> str:
            if not isinstance(x, Recorded):
                return repr(x)
            made = x.line.function is not None or x.line in self.constants
            return f"array {self.order.get(x.line, '')}" if made else x.line.name
        if self.apart is None:
            code = getattr(getattr(function, "forward", function), "__code__", None)    # of two rows of one name
            self.told.append(((name_of(function), *map(told, flat([*args, *settings.values()]))), code))

    def check_shape(self, function: Any, args: tuple, settings: dict[str, Any]) -> None:
        """Refuse results whose shape depends on values: the shapes of a program are fixed."""
        name = name_of(function)
        keys = flat([settings["key"] if "key" in settings else args[1] if function == "[]" else args * (name == "ix")])
        masks = [k for k in keys if isinstance(k, Recorded) and k.dtype == bool]
        if name in SHAPED_BY_VALUES or (name == "where" and len(args) + len(settings) == 1) or any(
                k.line not in self.constants or self.writable(k) for k in masks):
            raise BadValue(f"the shape of what {name.replace('[]', 'x[mask]')} returns depends on values",
                           expected="the same shapes in every call", got=f"a mask or its like, in {place()}",
                           fix="np.where(mask, x, 0) in place of x[mask]; a constant mask must be read-only")

    def writable(self, constant: Recorded) -> bool:
        return not self.lenient and self.constants[constant.line].flags.writeable

    def admit(self, function: Any, args: tuple, settings: dict[str, Any]) -> tuple[tuple, dict[str, Any]]:
        """args and settings with a Recorded for every constant. An array that is none is refused."""
        if get_ident() != self.thread:
            raise elsewhere()

        def known(x: Any) -> Any:
            if isinstance(x, tuple | list):
                return type(x)(map(known, x))
            if isinstance(x, Recorded) and self.apart is not None:      # x += y may make x stand for another line
                return Recorded(x.array, x.line, self)
            if isinstance(x, Recorded) or not is_array(x):
                return x
            if id(x) in self.known:
                return self.known[id(x)]
            if not self.lenient:
                raise captured(name_of(function), x)
            return self.constant(f"constant_{len(self.constants)}", x)
        return tuple(map(known, args)), {name: known(value) for name, value in settings.items()}


def hollow(array: Array) -> Array:
    """An array of this shape and dtype that takes no memory; a small one as it is."""
    return array if array.nbytes < SMALL else empty(array.shape, array.dtype)


def empty(shape: tuple[int, ...], dtype: np.dtype) -> Array:
    """An array of this shape and dtype that takes no memory."""
    return np.broadcast_to(np.zeros((), dtype), shape)


def reading(f: Callable, args: Any, settings: dict[str, Any]) -> Any:
    """f of the arrays, of which it may write into none."""
    try:
        return f(*map(plain, args), **plain(settings))
    except ValueError as error:
        if "read-only" in str(error) or "writable" in str(error):       # as NumPy's rng says it
            raise written(name_of(f)) from error
        raise


class Draws:
    """A random generator whose draws are lines of the program. The numbers that it draws meanwhile do not matter."""

    def __init__(self, recording: Recording):
        self.rng, self.recording = np.random.default_rng(0), recording
        self.given = recording.input("rng", np.empty(0))
        self.given.line.dtype = None                            # see is_rng

    def draw(self, method: str, like: Any, wide: Any) -> Any:
        """Numbers of the shape, dtype and device of `like`."""
        if isinstance(like, Recorded):
            function = {"standard_normal": normal, "random": uniform}[method]
            return self._drawn(np.zeros(like.shape, like.dtype), function, (like,), {})
        return getattr(self, method)(like.shape, dtype=wide).astype(like.dtype, copy=False)

    def __getattr__(self, method: str) -> Callable:
        def drawn(*args: Any, **settings: Any) -> Any:
            args, settings = self.recording.admit(f"rng.{method}", args, settings)
            numbers = reading(getattr(self.rng, method), args, settings)
            if not isinstance(numbers, np.ndarray | np.generic):        # rng.random() is a Python number
                raise escaping(f"rng.{method} without a size")
            return self._drawn(np.asarray(numbers), method, args, settings)
        return drawn

    def _drawn(self, numbers: Any, function: Any, args: tuple, settings: dict[str, Any]) -> Recorded:
        self.recording.tell(function, args, settings)
        line = Line(function, (self.given, *args), settings, self.recording.now())
        self.recording.drawn.append(line)
        return self.recording.new(numbers, line)
