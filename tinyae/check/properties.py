"""properties: laws that every gradient obeys, each a column of the table.

A property takes a Point and returns a relative error, or 0.0 if it can only hold or fail. It returns None if it does
not apply: broadcasting needs two arguments, the adjoint a linear function. It raises WrongGradient if the law is
broken.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..backend import Array, describe, device_of, to_device, to_host
from ..errors import BadValue
from ..tensor import Tensor, data_of, grad
from ..unroll import PASSES, unroll
from .cases import Case, fraction, here
from .gradcheck import WrongGradient, gradcheck, weighted

EXACT = 1e-12           # relative distance of two routes to one float64 number, without differences
ULP = 4 * 4             # on a GPU, in units in the last place: 4 for one operation with fused multiply-add, times 4 for
                        # sums of some 16 terms in another order, whose roundings add up like sqrt(16)
BY_OPERATORS = "look at its row's forward and vjps; write them with Python numbers, operators and rows"


class Point(NamedTuple):
    """f at float64 arrays on the host; it is computed on `device`."""
    name: str
    f: Callable[..., Tensor]
    arrays: list[np.ndarray]
    core: int               # how many of the last axes never broadcast
    device: str
    seed: int

    def tensors(self, dtype: Any = np.float64) -> list[Tensor]:
        return [Tensor(to_device(x.astype(dtype), self.device)) for x in self.arrays]

    def at(self, *arrays: np.ndarray) -> Point:
        return self._replace(arrays=list(arrays))

    def values(self) -> np.ndarray:
        return to_host(data_of(self.f(*self.tensors())))

    def cotangent(self, y: Tensor) -> np.ndarray:
        """A random v like y: a v of ones would hide a missing mixed term."""
        return np.random.default_rng(self.seed).standard_normal(y.shape)

    def gradients(self, tensors: list[Tensor], uses: int = 1, create_graph: bool = False) -> list[Any]:
        """Of <v, f>, with f called `uses` times on the same Tensors."""
        results = [self.f(*tensors) for _ in range(uses)]
        loss = weighted(results, [here(self.cotangent(y), y) for y in results])
        return grad(loss, tensors, create_graph, unused="zero")

    def host_gradients(self, uses: int = 1) -> list[np.ndarray]:
        return [to_host(g) for g in self.gradients(self.tensors(), uses)]


def points(name: str, case: Case, seed: int, device: str, split: bool) -> list[Point]:
    """The case at arrays drawn from seed; if split, also with each argument alone, the others being constants."""
    args = case.args(np.random.default_rng(seed))
    whole = Point(name, _called(name, case.f), args, case.core, device, seed)
    return [whole, *(_alone(whole, i) for i in range(len(args)) if split and len(args) > 1)]


def _alone(point: Point, i: int) -> Point:
    """The point as a function of argument i. Of the others, 0-d arrays become Python floats, the rest stay arrays."""
    def f(x: Tensor) -> Tensor:
        return point.f(*(x if j == i else here(a, x) if a.ndim else a.item() for j, a in enumerate(point.arrays)))
    name = f"{point.name} in argument {i} alone"
    return point._replace(name=name, f=_called(name, f), arrays=[point.arrays[i]])


def _called(name: str, f: Callable) -> Callable:
    def g(*args: Any) -> Any:
        return f(*args)
    g.__name__ = name
    return g


def first_order(p: Point) -> float:
    """The gradient is that of differences."""
    return gradcheck(p.f, *(t.data for t in p.tensors()), order=1, seed=p.seed)


def second_order(p: Point) -> float:
    """So is the gradient of the gradient."""
    return gradcheck(p.f, *(t.data for t in p.tensors()), order=2, seed=p.seed)


def g_untouched(p: Point) -> float:
    """No vjp writes into its g.

    y + 0 hands one array g to y and to 0, as every sum does, so the gradient of the 0 shows whether g has changed.
    NumPy can forbid such writing by a flag. CuPy has no such flag: on a GPU this property is the only guard.
    """
    y = p.f(*(tensors := p.tensors(np.float32)))                    # gradcheck asks the same in float64
    v, zero = here(p.cotangent(y), y), Tensor(np.zeros_like(y.data))
    seen = to_host(grad(ops.sum((y + zero) * v), [zero, *tensors], unused="zero")[0])
    if not np.array_equal(seen, to_host(v)):
        raise _broken(p, "has a vjp that writes into its g", "g as it came: other arguments share it",
                      f"{np.abs(seen - to_host(v)).max():.2g} apart", "return 2 * g, not g *= 2; or copy g first")
    return 0.0


def dtype(p: Point) -> float:
    """float32 stays float32, float64 float64; a gradient has the shape, dtype and device of its argument."""
    for kind in (np.float32, np.float64):
        tensors = p.tensors(kind)
        if (y := p.f(*tensors)).dtype != kind:
            raise _broken(p, "changes the dtype", kind.__name__, y.dtype)
        for create_graph in (False, True):
            for t, g in zip(tensors, p.gradients(tensors, create_graph=create_graph), strict=True):
                if isinstance(g, Tensor) != create_graph or _facts(data_of(g)) != _facts(t.data):
                    raise _broken(p, "has a gradient unlike its argument", describe(t), describe(g))
    return 0.0


def accumulation(p: Point) -> float:
    """An input used k times has k times the gradient; as every argument, it has the sum of their gradients."""
    once = p.host_gradients()
    worst = max(_same(p, f"used {k} times", p.host_gradients(k), [k * g for g in once]) for k in range(1, 9))
    if len(p.arrays) > 1 and len({x.shape for x in p.arrays}) == 1:
        x = fraction(np.random.default_rng(p.seed), p.arrays[0].shape)
        diagonal = p._replace(f=lambda t: p.f(*[t] * len(p.arrays))).at(x)
        separate = sum(p.at(*[x] * len(p.arrays)).host_gradients())
        worst = max(worst, _same(p, "given one Tensor for all arguments", diagonal.host_gradients(), [separate]))
    return worst


def broadcasting(p: Point) -> float | None:
    """The gradient of a broadcast argument is the sum over the copies that broadcasting made of it."""
    try:
        batch = np.broadcast_shapes(*(x.shape[:x.ndim - p.core] for x in p.arrays))
    except ValueError:
        return None
    spread = [np.broadcast_to(x, batch + x.shape[x.ndim - p.core:]) for x in p.arrays]
    if len({x.shape[:x.ndim - p.core] for x in p.arrays}) == 1 or p.values().shape[:len(batch)] != batch:
        return None
    wide = p.at(*spread).host_gradients()
    summed = [_collapse(g, x.shape) for g, x in zip(wide, p.arrays, strict=True)]
    return _same(p, "broadcast", p.host_gradients(), summed)


def adjoint(p: Point) -> float | None:
    """<A x, u> = <x, A^T u>, where f is linear: an exact test of the vjp, without differences."""
    y = p.f(*p.tensors())
    if not (y.size and _is_linear(p)):
        return None
    left = np.sum(to_host(y.data) * p.cotangent(y))
    right = sum(np.sum(g * x) for g, x in zip(p.host_gradients(), p.arrays, strict=True))
    size = np.linalg.norm(to_host(y.data)) * np.linalg.norm(p.cotangent(y))
    if not abs(left - right) <= EXACT * size:
        raise _broken(p, "is linear, but its vjp is not its adjoint", f"<A x, u> = {left:.15g}",
                      f"<x, A'u> = {right:.15g}")
    return float(abs(left - right) / (size or 1.0))


def traced(p: Point) -> float:
    """The gradient with create_graph, computed on Tensors, has the bits of the gradient computed on arrays.

    This holds on NumPy. On a GPU the two may differ by 16 units in the last place of the largest element of the array:
    1.9e-6 in float32 and 3.6e-15 in float64, for elements up to 1. There a fused kernel contracts a * b + c to one
    rounding, which changes an operation by a few units, and cuBLAS chooses its kernel by memory layout, which adds up
    the terms of a sum in another order. Such errors have the size of the terms and not of the result, which may cancel;
    the largest element stands for the terms. An H200 showed 1.8e-7 in float32, so 16 units leave room; a vjp that is
    wrong by 1e-5 is 84 units off.
    """
    for kind in (np.float32, np.float64):
        tensors = p.tensors(kind)
        for g, t in zip(p.gradients(tensors), p.gradients(tensors, create_graph=True), strict=True):
            _equal(p, "changes its gradient with create_graph", t.data, g, kind)
    return 0.0


def unrolled(p: Point) -> float:
    """Value and gradient of the unrolled program have the bits of f and grad, with all passes and with none.

    On a GPU the gradients may differ as in `traced`, since a program is made of the lines of the traced gradient.
    """
    for kind in (np.float32, np.float64):
        tensors = p.tensors(kind)

        def loss(tensors: list[Tensor] = tensors) -> Tensor:
            return weighted([y := p.f(*tensors)], [here(p.cotangent(y), y)])
        expected = [loss().data, *grad(loss(), tensors, unused="zero")]
        for chosen in ((), PASSES):
            value, gradients = unroll(loss, wrt=tensors, constants="any", unused="zero", passes=chosen)()
            for a, b in zip([value, *gradients], expected, strict=True):
                _equal(p, "changes when it is unrolled", a, b, kind)
    return 0.0


PROPERTIES: dict[str, Callable[[Point], float | None]] = {
    "first order": first_order, "second order": second_order, "g untouched": g_untouched, "dtype": dtype,
    "accumulation": accumulation, "broadcasting": broadcasting, "adjoint": adjoint, "raw = traced": traced,
    "unrolled": unrolled}


def _is_linear(p: Point) -> bool:
    """f(x + y) = f(x) + f(y) at two y: the opposite of x exposes rectifiers, a far one functions that saturate."""
    rng, x = np.random.default_rng(p.seed), p.arrays
    try:
        with np.errstate(all="ignore"):
            for y in ([-0.7 * a for a in x], [10 * rng.standard_normal(a.shape) for a in x]):
                apart = p.at(*x).values(), p.at(*y).values()
                if not np.allclose(p.at(*map(np.add, x, y)).values(), sum(apart), rtol=EXACT, atol=EXACT):
                    return False
    except BadValue:                        # a function that refuses half of space is not linear
        return False
    return True


def _same(p: Point, how: str, got: list[np.ndarray], expected: list[Any]) -> float:
    """The largest relative distance between two lists of gradients, if it is rounding."""
    worst = 0.0
    for i, (a, b) in enumerate(zip(got, expected, strict=True)):
        error = np.linalg.norm(a - b) / (np.linalg.norm(b) or 1.0)
        if not error <= EXACT:
            raise _broken(p, f"has a wrong gradient when {how}", f"gradient {i} of norm {np.linalg.norm(b):.10g}",
                          f"one of norm {np.linalg.norm(a):.10g}, {error:.2g} apart")
        worst = max(worst, float(error))
    return worst


def _equal(p: Point, how: str, got: Array, expected: Array, kind: type) -> None:
    """The same bits on NumPy; on a GPU, 16 units in the last place of the largest element."""
    a, b = to_host(expected), to_host(got)
    allowed = (p.device == "cuda") * ULP * np.finfo(kind).eps * np.max(np.abs(a), initial=0.0)
    if not np.all(np.abs(a - b) <= allowed):
        same = f"the same numbers, to {allowed:.2g}" if allowed else "the same bits"
        raise _broken(p, how, same, f"{np.abs(a - b).max():.2g} apart")


def _collapse(g: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """g summed over the axes that broadcasting added to shape or stretched."""
    new = g.ndim - len(shape)
    return g.sum((*range(new), *(i + new for i, n in enumerate(shape) if n == 1)), keepdims=True).reshape(shape)


def _facts(x: Array) -> tuple:
    return x.shape, x.dtype, device_of(x)


def _broken(p: Point, what: str, expected: Any, got: Any, fix: str = BY_OPERATORS) -> WrongGradient:
    shapes = ", ".join(str(x.shape) for x in p.arrays)
    return WrongGradient(f"{p.name} (seed {p.seed}) {what}, at shapes {shapes}", expected=expected, got=got, fix=fix)
