"""6 of 9 · gradcheck: is this gradient right?

For random u and v, <v, J u> by differences must equal <J^T v, u> by grad, to a relative error of 1e-6; then the same
for the gradient itself, a function of the arguments and of v. Everything in float64. What fools other checkers:

- v of all ones lets a softmax pass whose backward returns zero: here v is random;
- an absolute tolerance lets a zero gradient pass where the function is small: here the error is relative to the
  norm, of all arguments together and of each alone, and u and 1/v have the scales of arguments and results;
- one step is too large here and too small there: here it is found, by the agreement of its neighbours.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend import device_of, is_array, to_device, to_host
from ..errors import BadType, BadValue, Refusal
from ..ops import sum as sum_of
from ..tensor import Tensor, data_of, grad
from .finite_differences import ROUNDING, Arrays, Slope, dot, scale, slope_of

TOLERANCE = 1e-6
LOOKED_AT = 500         # elements of each argument, in search of the one furthest off


class WrongGradient(Refusal, AssertionError):
    """grad and differences disagree."""


class NotDifferentiable(Refusal, ValueError):
    """f has a kink, a jump or a pole here, or drowns in rounding: there is no derivative to compare with."""


@dataclass
class Function:
    """What is checked: a function of float64 arrays on the host, computed by Tensors on `device`."""
    call: Callable[..., list[Tensor]]
    name: str
    args: list[str]
    device: str

    def tensors(self, point: Arrays) -> list[Tensor]:
        return [Tensor(to_device(x, self.device)) for x in point]

    def __call__(self, point: Arrays) -> Arrays:
        return [to_host(y.data) for y in self.call(*self.tensors(point))]

    def weighted(self, tensors: Iterable[Tensor], v: Iterable[Any]) -> Tensor:
        """<v, f(tensors)>."""
        terms = [sum_of(y * w) for y, w in zip(self.call(*tensors), v, strict=True)]
        return sum(terms[1:], terms[0])

    def gradients(self, point: Arrays, v: Arrays) -> Arrays:
        """J^T v."""
        tensors = self.tensors(point)
        y = self.weighted(tensors, [to_device(w, self.device) for w in v])
        try:
            return [to_host(g) for g in grad(y, tensors, unused="zero")]
        except BadValue as error:                   # forward went well: a vjp did not
            raise WrongGradient(error.what, expected=error.expected, got=error.got, fix=error.fix) from error


def gradcheck(f: Callable, *args: Any, order: int = 2, seed: int = 0) -> float:
    """The worst relative error of f's gradients up to `order`, if all are below 1e-6; otherwise raises.

    args: arrays, Tensors and floats, in any nesting of lists, tuples and dicts; they are cast to float64. Integers,
    masks, strings and other objects reach f as they are. f returns Tensors, nested likewise, and is deterministic.
    WrongGradient: grad and differences disagree. NotDifferentiable: there is a kink here; move the point.
    """
    if not isinstance(order, int) or order < 1:
        raise BadValue("no such order", expected="order=1, 2 or more", got=repr(order), fix="order=2")
    leaves: dict[str, Any] = {}
    _replace(args, "args", leaves.setdefault)
    point = [np.array(to_host(data_of(x)) if is_array(data_of(x)) else x, np.float64) for x in leaves.values()]
    if not point:
        raise BadType("nothing to differentiate by", expected="float arrays or Tensors among the arguments",
                      got=repr(args)[:200], fix="gradcheck(ops.tanh, np.array([0.3, -1.2]))")

    def call(*tensors: Tensor) -> list[Tensor]:
        given = dict(zip(leaves, tensors, strict=True))
        results: dict[str, Any] = {}
        _replace(f(*_replace(args, "args", lambda path, _: given[path])), "result", results.setdefault)
        return [y for y in results.values() if isinstance(y, Tensor)]

    on_gpu = any(device_of(data_of(x)) == "cuda" for x in leaves.values())
    name = getattr(f, "__name__", "f").replace("<lambda>", "f")
    checked = Function(call, f"{name} (seed {seed})", list(leaves), "cuda" if on_gpu else "cpu")
    with np.errstate(all="ignore"):                 # poles and steps out of the domain are looked for, not warned of
        return _check(checked, point, order, np.random.default_rng(seed))


def _check(f: Function, point: Arrays, order: int, rng: np.random.Generator) -> float:
    results, worst, k = _probe(f, point), 0.0, len(point)
    # All arguments together, then each alone. One direction misses an error of 1e-3 with a probability of 1e-3.
    for moved in [range(k)] * (3 if k == 1 else 1) + [range(i, i + 1) for i in range(k) if k > 1]:
        u = [rng.standard_normal(x.shape) * scale(x) * (i in moved) for i, x in enumerate(point)]
        v = [rng.standard_normal(y.shape) / scale(y) for y in results]
        exact = f.gradients(point, v)
        norms = [float(np.linalg.norm(g * scale(x))) for g, x in zip(exact, point, strict=True)]
        norm = sum(norms) if np.isfinite(sum(norms)) else 0.0
        slope = slope_of(f, point, v, u, norm)
        rounding = 8 * ROUNDING * dot([np.abs(w) for w in v], [np.abs(y) for y in results])
        if slope.jump or not slope.doubt <= max(TOLERANCE / 10 * max(norm, abs(slope.value)), rounding or 8 * ROUNDING):
            raise _no_derivative(f, slope)
        # An argument that hardly matters is known no better than its differences are.
        size = max(abs(slope.value), sum(norms[i] for i in moved), 10 / TOLERANCE * slope.doubt)
        error = abs(slope.value - dot(exact, u)) / (size or 1.0)
        if not error <= TOLERANCE:                  # nan is not
            raise _wrong(f, point, v, exact, rng)
        worst = max(worst, error)
    # Where the gradient is nothing but rounding, there is no gradient of it to check.
    wrt = [i for i, norm in enumerate(norms) if norm == 0 or norm > rounding]
    if order > 1 and wrt:
        worst = max(worst, _check(_gradient(f, point, v, exact, wrt), [*point, *v], order - 1, rng))
    return worst


def _gradient(f: Function, point: Arrays, v: Arrays, exact: Arrays, wrt: list[int]) -> Function:
    """The gradient of <v, f> by some of its arguments, as a function of all of them and of v."""
    def vjp(*tensors: Tensor) -> list[Tensor]:
        x, weights = tensors[:len(point)], tensors[len(point):]
        return grad(f.weighted(x, weights), [x[i] for i in wrt], create_graph=True, unused="zero")

    names = [*f.args, *(f"cotangent {i}" for i in range(len(v)))]
    traced = Function(vjp, f"the gradient of {f.name}", names, f.device)
    if f.device == "cpu" and not all(map(np.array_equal, traced([*point, *v]), [exact[i] for i in wrt])):
        raise WrongGradient(f"{traced.name} changes with create_graph", expected="the same bits on arrays and on "
                            "Tensors", got="two results", fix="write vjps with operators and rows only")
    return traced


def _probe(f: Function, point: Arrays) -> Arrays:
    """f at the point, after a look at what f is: Tensors out, finite, float64, the same twice."""
    try:
        first, second = f(point), f(point)
    except BadType as error:
        if "mixes dtypes" not in error.what:
            raise
        raise BadType(f"{f.name} has captured an array of its own", expected="float64 throughout", got=error.got,
                      fix="pass it as an argument: gradcheck casts its arguments to float64") from error
    if not first:
        raise BadType(f"{f.name} returned no Tensor", expected="Tensors computed from the arguments", got="constants",
                      fix="return the Tensors themselves, not .data or .item()")
    if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(first, second, strict=True)):
        raise BadValue(f"{f.name} is random", expected="the same result from the same arguments", got="two results",
                       fix="pass the noise in as an argument, or make the generator inside f: default_rng(0)")
    if not all(np.isfinite(y).all() for y in first):
        raise BadValue(f"{f.name} is not finite at this point", expected="finite results", got="nan or inf",
                       fix="move the point into the domain of f")
    return first


def _no_derivative(f: Function, slope: Slope) -> NotDifferentiable:
    got = (f"right and left derivative differ by {slope.jump:.3g}" if slope.jump else
           f"differences of smaller and smaller steps that settle no better than {slope.doubt:.1g}")
    return NotDifferentiable(f"{f.name} is not differentiable here", expected="a smooth function around this point",
                             got=got, fix="move the point away from kinks (relu at 0, ties of max) and poles; "
                             "or subtract the large constant that swallows the differences")


def _wrong(f: Function, point: Arrays, v: Arrays, exact: Arrays, rng: np.random.Generator) -> WrongGradient:
    """The element that is furthest off, and the mistake where it is a plain one."""
    found = []
    for i, x in enumerate(point):
        analytic, numeric, step = exact[i].ravel(), np.full(x.size, np.nan), scale(x).ravel()
        for j in rng.permutation(x.size)[:LOOKED_AT]:
            u = [np.zeros(p.shape) for p in point]
            u[i].flat[j] = step[j]
            numeric[j] = slope_of(f, point, v, u).value / step[j]
        off = np.where(np.isnan(numeric), -1.0, np.nan_to_num(np.abs(numeric - analytic) * step, nan=np.inf))
        if x.size:
            found.append((off.max(), i, int(off.argmax()), analytic, numeric))
    _, i, j, analytic, numeric = max(found, key=lambda row: row[0])
    one = v[0].item() if len(v) == v[0].size == 1 else None        # of one number, show the gradient itself
    of = "<v, f>, v random," if one is None else "f"
    where = tuple(int(k) for k in np.unravel_index(j, point[i].shape))
    shapes = ", ".join(f"{n} {x.shape}" for n, x in zip(f.args, point, strict=True))
    return WrongGradient(f"{f.name} has a wrong gradient in {f.args[i]}, shapes {shapes}",
                         expected=f"{numeric[j] / (one or 1):.10g} by differences of {of} at element {where}, "
                                  "the furthest off",
                         got=f"{analytic[j] / (one or 1):.10g} by grad", fix=_mistake(analytic, numeric))


def _mistake(analytic: np.ndarray, numeric: np.ndarray) -> str:
    known = np.isfinite(numeric)
    a, n = analytic[known], numeric[known]
    if not np.isfinite(a).all():
        return "a pole that where() hides in the result is still in the gradient, as 0 * inf: mask its argument as well"
    if not a.any():
        return "the gradient is zero: is the path cut by .data, or the vjp's factor 0?"
    factor = float(a @ n / (n @ n)) if n.any() else np.inf
    if not np.allclose(a, factor * n, rtol=1e-5, atol=1e-7 * np.abs(a).max()):
        return "look at the vjp of this argument; its elements are off by different factors"
    if abs(factor + 1) < 1e-5:
        return "the sign is wrong"
    return f"every element is {factor:.6g} times the right one: a factor is too much or missing"


def _replace(value: Any, path: str, by: Callable[[str, Any], Any]) -> Any:
    """value with every float leaf replaced by by(path, leaf)."""
    if isinstance(value, dict):
        return {k: _replace(v, f"{path}[{k!r}]", by) for k, v in value.items()}
    if isinstance(value, list | tuple):
        parts = [_replace(v, f"{path}[{i}]", by) for i, v in enumerate(value)]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, Tensor | float | np.floating) or (is_array(value) and value.dtype.kind == "f"):
        return by(path, value)
    return value
