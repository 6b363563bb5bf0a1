"""6 of 9 · gradcheck: is this gradient right?

For random u and v, <v, J u> by differences must equal <J^T v, u> by grad, to a relative error of 1e-6; then the same for
the gradient itself, which is a function of the arguments and of v. Everything in float64. What fools other checkers:

- v of all ones lets a softmax pass whose backward returns zero: here v is random;
- an absolute tolerance lets a zero gradient pass where the function is small: here the error is relative to the norm,
  and u and 1/v have the scale of the arguments and of the results, element by element;
- one step is too large here and too small there: here it is found, by the agreement of its neighbours.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .backend import is_array
from .errors import BadType, BadValue, Refusal
from .ops import sum as sum_of
from .tensor import Tensor, grad, raw

TOLERANCE = 1e-6
DIRECTIONS = 3                                      # a gradient that is off by 1e-3 escapes one with probability 1e-3
NEAR = [8.0 ** -k for k in range(3, 10)]            # steps, relative to the scale of the arguments;
WIDE = [8.0 ** -k for k in range(-3, 10)]           # the wide ladder is for arguments far below the function's scale

ROUNDING = 2.0 ** -53

Arrays = list[np.ndarray]


class WrongGradient(Refusal, AssertionError):
    """grad and differences disagree."""


class NotDifferentiable(Refusal, ValueError):
    """f has a kink, a jump or a pole here, or drowns in rounding: there is no derivative to compare with."""


class Slope(NamedTuple):
    """d/dh <v, f(x + h u)> at h = 0."""
    value: float        # by central differences, extrapolated to h = 0 (Richardson 1911)
    doubt: float        # how far the last extrapolations are apart
    jump: float         # right minus left derivative, where it does not shrink with the step; else 0


def gradcheck(f: Callable, *args: Any, order: int = 2, seed: int = 0) -> float:
    """The worst relative error of f's gradients up to `order`, if all are below 1e-6; otherwise raises.

    args: arrays, Tensors and floats, in any nesting of lists, tuples and dicts; they are cast to float64. Integers, masks,
    strings and other objects reach f as they are. f returns Tensors, nested likewise, and must be deterministic.
    WrongGradient: grad and differences disagree. NotDifferentiable: there is a kink here; move the point.
    """
    leaves: dict[str, Any] = {}
    layout = _open(args, "args", leaves)
    point = [np.array(raw(x), np.float64) for x in leaves.values()]
    if not point:
        raise BadType("nothing to differentiate by", expected="float arrays or Tensors among the arguments",
                      got=repr(args)[:200], fix="gradcheck(ops.tanh, np.array([0.3, -1.2]))")

    def flat(*tensors: Tensor) -> list[Tensor]:
        results: dict[str, Any] = {}
        _open(f(*_close(layout, dict(zip(leaves, tensors, strict=True)))), "result", results)
        return [y for y in results.values() if isinstance(y, Tensor)]

    name = getattr(f, "__name__", "f").replace("<lambda>", "f")
    with np.errstate(all="ignore"):                 # poles and steps out of the domain are looked for, not warned of
        return _check(flat, point, order, list(leaves), name, np.random.default_rng(seed), seed)


def _check(f: Callable, point: Arrays, order: int, names: list[str], name: str, rng: Any, seed: int) -> float:
    results, worst = _probe(f, point, name), 0.0
    for _ in range(DIRECTIONS):
        u = [rng.standard_normal(x.shape) * _scale(x) for x in point]
        v = [rng.standard_normal(y.shape) / _scale(y) for y in results]
        tensors = [Tensor(x) for x in point]
        exact = grad(_weighted(f(*tensors), v), tensors, unused="zero")
        analytic = _dot(exact, u)
        size = max(abs(analytic), _dot(exact, exact, [_scale(x) ** 2 for x in point]) ** 0.5)
        slope = _slope(f, point, v, u, size)
        if slope.jump or not slope.doubt <= TOLERANCE / 10 * max(size, abs(slope.value)):
            raise _no_derivative(name, slope, seed)
        error = abs(slope.value - analytic) / (max(size, abs(slope.value)) or 1.0)
        if not error <= TOLERANCE:
            raise _wrong(f, point, v, exact, names, name, error, seed)
        worst = max(worst, error)
    if order > 1:
        def vjp(*tensors: Tensor) -> list[Tensor]:
            x, weights = tensors[:len(point)], tensors[len(point):]
            return grad(_weighted(f(*x), weights), x, create_graph=True, unused="zero")

        if not all(np.array_equal(g.data, e) for g, e in zip(vjp(*map(Tensor, [*point, *v])), exact, strict=True)):
            raise WrongGradient(f"the gradient of {name} changes with create_graph", expected="the same bits on arrays "
                                "and on Tensors", got="two results", fix="write vjps with operators and rows only")
        names = [*names, *(f"cotangent {i}" for i in range(len(v)))]
        worst = max(worst, _check(vjp, [*point, *v], order - 1, names, f"the gradient of {name}", rng, seed))
    return worst


def _probe(f: Callable, point: Arrays, name: str) -> Arrays:
    """f at the point, after a look at what f is: Tensors out, finite, float64, the same twice."""
    try:
        first, second = ([y.data for y in f(*map(Tensor, point))] for _ in range(2))
    except BadType as error:
        if "mixes dtypes" not in error.what:
            raise
        raise BadType(f"{name} has captured an array of its own", expected="float64 throughout", got=error.got,
                      fix="pass it as an argument: gradcheck casts its arguments to float64") from error
    if not first:
        raise BadType(f"{name} returned no Tensor", expected="Tensors computed from the arguments", got="constants",
                      fix="return the Tensors themselves, not .data or .item()")
    if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(first, second, strict=True)):
        raise BadValue(f"{name} is random", expected="the same result from the same arguments", got="two results",
                       fix="pass the noise in as an argument, or make the generator inside f: default_rng(0)")
    if not all(np.isfinite(y).all() for y in first):
        raise BadValue(f"{name} is not finite at this point", expected="finite results", got="nan or inf",
                       fix="move the point into the domain of f")
    return first


def _slope(f: Callable, point: Arrays, v: Arrays, u: Arrays, size: float) -> Slope:
    for steps in (NEAR, WIDE):
        slope = _climb(f, point, v, u, steps)
        if slope.doubt <= TOLERANCE / 100 * max(size, abs(slope.value)):
            break
    return slope


def _climb(f: Callable, point: Arrays, v: Arrays, u: Arrays, steps: list[float]) -> Slope:
    here, slopes, bends, noise = _values(f, point), [], [], []
    for h in steps:                                                 # each 8 times smaller than the last
        up, down = (_values(f, [x + s * d for x, d in zip(point, u, strict=True)]) for s in (h, -h))
        if not (up and down):                                       # a step out of f's domain
            up = down = [np.full(y.shape, np.nan) for y in here]
        slopes.append(_dot(v, [a - b for a, b in zip(up, down, strict=True)]) / (2 * h))
        bends.append(_dot(v, [a - c - (c - b) for a, b, c in zip(up, down, here, strict=True)]) / h)
        noise.append(ROUNDING * _dot([np.abs(w) for w in v], [np.abs(y) for y in up]) / h)
    ends = [(64 * fine - coarse) / 63 for coarse, fine in zip(slopes, slopes[1:], strict=False)]
    doubts = [abs(b - a) + n if np.isfinite(a - b) else np.inf
              for a, b, n in zip(ends, ends[1:], noise[2:], strict=False)]
    best = int(np.argmin(doubts))
    # A smooth function bends by h f'': less by a factor 8 at each step. At a kink the bend stays.
    before, after = bends[best + 1:best + 3]
    kink = abs(after) > max(abs(before) / 2, 1e-4 * abs(ends[best + 1]), 1e3 * doubts[best])
    return Slope(ends[best + 1], doubts[best], after if kink else 0.0)


def _values(f: Callable, point: Arrays) -> Arrays:
    try:
        return [y.data for y in f(*map(Tensor, point))]
    except BadValue:                                                # a wide step may leave the domain of f
        return []


def _scale(x: np.ndarray) -> np.ndarray:
    """The size of each element, but no less than a thousandth of the array's."""
    rms = np.sqrt(np.mean(x * x)) if x.size else 0.0
    return np.maximum(np.abs(x), 1e-3 * rms if rms else 1.0)


def _weighted(results: list[Tensor], weights: Any) -> Tensor:
    total = Tensor(np.zeros(()))
    for y, w in zip(results, weights, strict=True):
        total = total + sum_of(w * y)
    return total


def _dot(*factors: Arrays) -> float:
    return float(sum(np.sum(np.prod(arrays, axis=0)) for arrays in zip(*factors, strict=True)))


def _no_derivative(name: str, slope: Slope, seed: int) -> NotDifferentiable:
    got = (f"right and left derivative differ by {slope.jump:.3g}" if slope.jump else
           f"differences of smaller and smaller steps that settle no better than {slope.doubt:.1g}")
    return NotDifferentiable(f"{name} is not differentiable here (seed {seed})", expected="a smooth function around this "
                             "point", got=got, fix="move the point away from kinks (relu at 0, ties of max) and poles; "
                             "or subtract the large constant that swallows the differences")


def _wrong(f: Callable, point: Arrays, v: Arrays, exact: Arrays, names: list[str], name: str, error: float,
           seed: int) -> WrongGradient:
    """The element that is furthest off, and the mistake where it is a plain one."""
    found = []
    for i, x in enumerate(point):
        numeric, scale = np.full(x.size, np.nan), _scale(x).ravel()
        for j in range(min(x.size, 500)):
            u = [np.zeros(p.shape) for p in point]
            u[i].flat[j] = scale[j]
            numeric[j] = _slope(f, point, v, u, 0.0).value / scale[j]
        off = np.abs(numeric - exact[i].ravel()) * scale
        found.append((np.nanmax(off, initial=-1.0), i, numeric))
    _, i, numeric = max(found, key=lambda row: row[0])
    analytic, scale = exact[i].ravel(), _scale(point[i]).ravel()
    j = int(np.nanargmax(np.abs(numeric - analytic) * scale))
    where = tuple(int(k) for k in np.unravel_index(j, point[i].shape))
    shapes = ", ".join(f"{n} {x.shape}" for n, x in zip(names, point, strict=True))
    return WrongGradient(
        f"{name} has a wrong gradient in {names[i]}, shapes {shapes} (relative error {error:.2g}, seed {seed})",
        expected=f"{numeric[j]:.10g} by differences at element {where}, which is furthest off",
        got=f"{analytic[j]:.10g} by grad", fix=_mistake(analytic, numeric))


def _mistake(analytic: np.ndarray, numeric: np.ndarray) -> str:
    known = np.isfinite(numeric)
    a, n = analytic[known], numeric[known]
    if not a.any():
        return "the gradient is zero: is the path cut by .data, or the vjp's factor 0?"
    factor = float(a @ n / (n @ n)) if n.any() else np.inf
    if not np.allclose(a, factor * n, rtol=1e-5, atol=1e-7 * np.abs(a).max()):
        return "look at the vjp of this argument; its elements are off by different factors"
    if abs(factor + 1) < 1e-5:
        return "the sign is wrong"
    return f"every element is {factor:.6g} times the right one: a factor is too much or missing"


def _open(value: Any, path: str, leaves: dict[str, Any]) -> Any:
    """value with its float leaves taken out, by path; what stands in their place is a _Hole."""
    if isinstance(value, dict):
        return {k: _open(v, f"{path}[{k!r}]", leaves) for k, v in value.items()}
    if isinstance(value, list | tuple):
        parts = [_open(v, f"{path}[{i}]", leaves) for i, v in enumerate(value)]
        return type(value)(*parts) if hasattr(value, "_fields") else type(value)(parts)
    if isinstance(value, Tensor | float | np.floating) or (is_array(value) and value.dtype.kind == "f"):
        leaves[path] = value
        return _Hole(path)
    return value


def _close(layout: Any, leaves: dict[str, Tensor]) -> Any:
    if isinstance(layout, _Hole):
        return leaves[layout.path]
    if isinstance(layout, dict):
        return {k: _close(v, leaves) for k, v in layout.items()}
    if isinstance(layout, list | tuple):
        parts = [_close(v, leaves) for v in layout]
        return type(layout)(*parts) if hasattr(layout, "_fields") else type(layout)(parts)
    return layout


class _Hole:
    def __init__(self, path: str):
        self.path = path
