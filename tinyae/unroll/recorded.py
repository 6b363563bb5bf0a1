"""unroll · recorded: an array that remembers the call that made it.

While a function is recorded, every array that it meets is a Recorded. Whatever is computed from a Recorded is one too,
and holds the Line that computes it: a row of the tape, a function or method of NumPy, a random draw. A Recorded refuses
every use that would let a value escape from the record: bool(x), float(x), np.asarray(x), writing into x. It also
refuses an array from elsewhere, because the program would keep using it after it has changed.
"""
from __future__ import annotations

import operator
import sys
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

import numpy as np

from ..backend import Array, frozen
from ..errors import BadName, BadType, BadValue, Refusal
from ..tensor import Tensor

METHODS = ("all", "any", "argmax", "argmin", "argsort", "astype", "clip", "copy", "cumprod", "cumsum", "diagonal",
           "max", "mean", "min", "prod", "ravel", "reshape", "round", "squeeze", "std", "sum", "swapaxes", "take",
           "transpose", "var")
NUMBERS = (np.shape, np.ndim, np.size)              # functions of NumPy that look at an array's shape alone


class OtherOrder(Exception):
    """x += y where x lies in columns and x + y would lie in rows, or the other way round."""


class Line:
    """One line of the program: function(*args, **settings), whose args may be Recordeds.

    function: a row, a function, the name of a method, or "[]" for an index. A line without a function is an array that
    the program is given; its name is known from the start.
    """
    __slots__ = ("args", "born", "dtype", "found", "function", "in_rows", "name", "settings", "shape", "value")

    def __init__(self, function: Any, args: tuple, settings: dict[str, Any], born: float, name: str = ""):
        self.become(function, args, settings)
        self.born, self.name = born, name
        self.shape: Any = None
        self.dtype: Any = None
        self.in_rows = False                    # whether its array lies in memory row by row (C order)
        self.value: Array | None = None         # of a line that depends on no input: dL/dL = 1, and what it becomes

    def become(self, function: Any, args: tuple, settings: dict[str, Any]) -> None:
        """Compute something else from now on."""
        self.function, self.args, self.settings = function, args, settings
        self.found: list[Recorded] | None = None

    def uses(self) -> list[Line]:
        """The lines whose arrays this one takes."""
        return [x.line for x in self.recorded()]

    def recorded(self) -> list[Recorded]:
        """The Recordeds that this line takes."""
        if self.found is None:
            self.found = [x for x in flat([*self.args, *self.settings.values()]) if isinstance(x, Recorded)]
        return self.found


class Recorded(np.lib.mixins.NDArrayOperatorsMixin):
    """An array that remembers the Line that made it. It cannot be written into."""
    __slots__ = ("array", "line", "recording")
    __array_priority__ = 100

    def __init__(self, array: Array, line: Line, recording: Any):
        self.array, self.line, self.recording = array, line, recording

    shape = property(lambda self: self.array.shape)
    dtype = property(lambda self: self.array.dtype)
    ndim = property(lambda self: self.array.ndim)
    size = property(lambda self: self.array.size)
    itemsize = property(lambda self: self.array.itemsize)
    strides = property(lambda self: self.array.strides)
    T = property(lambda self: self.record(np.transpose, (self,), {}))
    mT = property(lambda self: self.record(np.swapaxes, (self, -1, -2), {}))

    # Outside of this library, isinstance says of a Recorded what it will say of the array in a call.
    __class__ = property(lambda self: Recorded if within(sys._getframe(1)) else np.ndarray)

    def record(self, function: Any, args: tuple, settings: dict[str, Any]) -> Any:
        return self.recording.call(function, args, settings)

    def ones(self, n: int) -> Recorded:
        """backend.ones, while a row is taken apart."""
        return self.recording.row("ones", n, self.dtype)

    def forward(self, row: Any) -> Callable:
        """The row's forward, recorded. On the tape, its result is read-only."""
        return lambda *args, **settings: self.recording.call(row, args, settings, freezes=True)

    def frozen(self) -> Recorded:
        """As backend.frozen: an array that can still change is copied, and then lies in memory without gaps."""
        array = frozen(self.array)
        if array is self.array or self.array.flags.forc:        # where it has none, only the recording needs the copy
            return Recorded(array, self.line, self.recording)
        return self.recording.call(np.copy, (self,), {}, freezes=True)

    def refuse(self, error: Refusal) -> NoReturn:
        """Raise the error; `unroll` raises it again, should f catch it."""
        self.recording.refused = error
        raise error

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *args: Any, out: Any = None, **settings: Any) -> Any:
        if out is not None:
            return self.write(out[0], f"np.{ufunc.__name__}", lambda: ufunc(*args, **settings))
        if method == "__call__":
            return self.record(ufunc, args, settings)
        if method != "reduce":
            self.refuse(escaping(f"np.{ufunc.__name__}.{method}"))
        return self.record(ufunc.reduce, args, settings)

    def __array_function__(self, function: Callable, types: Any, args: tuple, settings: dict[str, Any]) -> Any:
        if function in NUMBERS:
            return function(*map(plain, args), **plain(settings))
        if settings.get("out") is not None:
            out = settings["out"]
            return self.write(out, f"np.{function.__name__}",
                              lambda: function(*args, **{k: v for k, v in settings.items() if k != "out"}))
        if not any(isinstance(x, Recorded) for x in flat([*args, *settings.values()])):
            settings = settings | {"like": self}                # NumPy has taken it out: np.zeros(shape, like=x)
        return self.record(function, args, settings)

    def write(self, out: Any, name: str, compute: Callable) -> Any:
        """out = compute(), where a row is taken apart: its own arrays may be written into. Elsewhere it is refused."""
        if self.recording.apart is None or not isinstance(out, Recorded):
            self.refuse(written(f"x += y, or {name}(..., out=)"))
        z = compute()
        if z.line.in_rows is not out.line.in_rows or not (z.line.in_rows or z.strides == out.strides):
            raise OtherOrder
        out.line, out.array = z.line, z.array
        return out

    def __getitem__(self, key: Any) -> Any:
        return self.record("[]", (self, key), {})

    def __pow__(self, y: Any) -> Any:
        return NotImplemented if isinstance(y, Tensor) else self.record(operator.pow, (self, y), {})

    def __rpow__(self, y: Any) -> Any:
        return self.record(operator.pow, (y, self), {})

    def __len__(self) -> int:
        return len(self.array)

    def __iter__(self) -> Iterator[Any]:
        return (self[i] for i in range(len(self)))

    def __deepcopy__(self, memo: Any) -> Recorded:
        return self

    def __setitem__(self, key: Any, value: Any) -> NoReturn:
        self.refuse(written("x[key] = value"))

    def __bool__(self) -> NoReturn:
        self.refuse(BadValue("a recorded program cannot branch on a value", expected="the same lines for all values",
                             got=f"the truth of an array, asked for in {place()}",
                             fix="np.where(condition, x, y); or leave this function on the tape, with grad"))

    def __array__(self, *args: Any, **settings: Any) -> NoReturn:
        self.refuse(escaping("np.asarray and whatever else takes the array itself"))

    def __float__(self) -> NoReturn:
        self.refuse(escaping("float, int, .item() and whatever else makes a Python number of it"))

    def item(self, *args: Any) -> NoReturn:
        self.__float__()

    def __format__(self, spec: str) -> str:
        if spec:
            self.refuse(escaping("a text"))
        return repr(self)

    __int__ = __index__ = __complex__ = __hash__ = __float__
    tolist = item

    def __getattr__(self, name: str) -> NoReturn:
        error = BadName("a recorded array does not have all that an array has", got=f"x.{name}, in {place()}",
                        expected=f"its operators, functions of NumPy, and x.{', x.'.join(METHODS)}",
                        fix="np.ravel(x) in place of x.flatten(), say")
        if hasattr(np.ndarray, name) and name[:2] != "__":
            self.refuse(error)
        raise error

    def __reduce__(self) -> NoReturn:
        self.refuse(escaping("pickle"))

    def __repr__(self) -> str:
        return f"Recorded(shape {self.shape}, {self.dtype})"


def _method(name: str) -> Callable:
    def method(self: Recorded, *args: Any, **settings: Any) -> Any:
        if name == "astype" and settings.get("copy") is False and np.dtype(
                args[0] if args else settings["dtype"]) == self.dtype:
            return self
        return self.record(name, (self, *args), settings)
    return method


for _name in METHODS:
    setattr(Recorded, _name, _method(_name))


def plain(x: Any) -> Any:
    """x with arrays instead of Recordeds."""
    if isinstance(x, tuple | list):
        return type(x)(map(plain, x))
    if isinstance(x, dict):
        return {name: plain(value) for name, value in x.items()}
    return x.array if isinstance(x, Recorded) else x


def flat(x: Any) -> list[Any]:
    """All that a list or tuple holds, however deep."""
    parts: list[Any] = []
    for part in x:
        if isinstance(part, tuple | list):
            parts += flat(part)
        else:
            parts.append(part)
    return parts


def is_rng(line: Line) -> bool:
    """Whether the line is the random generator that the program is given: the one leaf without a dtype."""
    return line.function is None and line.dtype is None


def name_of(function: Any) -> str:
    return function if isinstance(function, str) else getattr(function, "__name__", "a function").strip("_")


def place() -> str:
    """The file and the line of the refused call."""
    frame = sys._getframe(1)
    while within(frame) or frame.f_globals["__name__"].startswith("numpy."):
        frame = frame.f_back                                    # type: ignore[assignment]
    return f"{frame.f_code.co_filename}, line {frame.f_lineno}"


def within(frame: Any) -> bool:
    """Whether the frame is one of this library's."""
    return frame.f_globals.get("__name__", "").split(".")[0] == __package__.split(".")[0]


# ---- refusals

def elsewhere() -> Refusal:
    return BadValue("another thread is recording with this Tensor", expected="a Tensor that holds its own data",
                    got=f"its use in {place()}", fix="wait until unroll has returned; or a model for each thread")


def fickle(before: list[tuple], now: list[tuple]) -> Refusal:
    one, other = next((pair for pair in zip(before, now, strict=False) if pair[0] != pair[1]),
                      (f"{len(before)} calls", f"{len(now)} calls"))
    return BadValue("f does something else in every call", expected=f"the same again: {one}", got=f"{other}",
                    fix="draw from the rng that f is given; give a number that changes to f as an input")


def captured(row: str, x: Any) -> Refusal:
    return BadValue(f"an array that {row} uses comes from outside of the program", got=f"{x.shape} {x.dtype}",
                    expected="an input, a parameter in wrt, a draw of rng, or a constant that has a name",
                    fix='give it to f as an input; or name what never changes: unroll(..., constants={"mask": mask})')


def escaping(what: str) -> Refusal:
    return BadType("a value would leave the recorded program", got=f"{what}, in {place()}",
                   expected="rows, and functions of NumPy that return arrays",
                   fix="compute with the array itself: np.max(x) in place of float(np.max(x))")


def written(how: str) -> Refusal:
    return BadType("an array of a recorded program cannot be written into", expected="a new array for new values",
                   got=f"{how}, in {place()}", fix="x = x + y in place of x += y; np.where for a part of it")
