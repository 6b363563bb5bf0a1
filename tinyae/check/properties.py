"""properties: what must hold of every gradient, whatever it is the gradient of.

Each property takes a Point and returns how far it is from holding exactly (0.0 if only yes or no is asked), or None
where it says nothing (broadcasting, with one argument). Where it does not hold, it raises WrongGradient.
"""
from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from .. import ops
from ..backend import Array, device_of, to_device, to_host
from ..errors import BadValue
from ..refusals import describe
from ..tensor import Tensor, data_of, grad
from .cases import Case, fraction, here
from .gradcheck import WrongGradient, gradcheck

EXACT = 1e-12           # two routes to one float64 number, without differences


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
        """A random v like y: never all ones, which would hide a missing mixed term."""
        return np.random.default_rng(self.seed).standard_normal(y.shape)

    def gradients(self, tensors: list[Tensor], uses: int = 1, create_graph: bool = False) -> list[Any]:
        """Of <v, f>, with f called `uses` times on the same Tensors."""
        terms = [(y := self.f(*tensors)) * here(self.cotangent(y), y) for _ in range(uses)]
        return grad(ops.sum(sum(terms[1:], terms[0])), tensors, create_graph, unused="zero")

    def host_gradients(self, uses: int = 1) -> list[np.ndarray]:
        return [to_host(g) for g in self.gradients(self.tensors(), uses)]


def points(name: str, case: Case, seed: int, device: str, split: bool) -> list[Point]:
    """The case at arrays drawn from seed; if split, also with each argument alone, the others being constants."""
    args = case.args(np.random.default_rng(seed))
    whole = Point(name, _called(name, case.f), args, case.core, device, seed)
    return [whole, *(_alone(whole, i) for i in range(len(args)) if split and len(args) > 1)]


def _alone(point: Point, i: int) -> Point:
    """A constant that is one number comes as a Python float, any other as an array."""
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
    return gradcheck(p.f, *(t.data for t in p.tensors()), order=1, seed=p.seed)


def second_order(p: Point) -> float:
    return gradcheck(p.f, *(t.data for t in p.tensors()), order=2, seed=p.seed)


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
    """An input used k times has k times the gradient; one that is every argument, the sum of theirs."""
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
    """The gradient on Tensors has the bits of the gradient on arrays.

    On a GPU, where fused kernels round differently, 4 units in the last place are allowed.
    """
    for kind in (np.float32, np.float64):
        tensors = p.tensors(kind)
        for g, t in zip(p.gradients(tensors), p.gradients(tensors, create_graph=True), strict=True):
            a, b = to_host(g), to_host(t.data)
            allowed = 0 if p.device == "cpu" else 4 * np.spacing(np.abs(a))
            if not np.all(np.abs(a - b) <= allowed):
                raise _broken(p, "changes its gradient with create_graph", "the same bits",
                              f"{np.abs(a - b).max():.2g} apart")
    return 0.0


PROPERTIES: dict[str, Callable[[Point], float | None]] = {
    "first order": first_order, "second order": second_order, "dtype": dtype, "accumulation": accumulation,
    "broadcasting": broadcasting, "adjoint": adjoint, "raw = traced": traced}


def _is_linear(p: Point) -> bool:
    """Seen at a point and its opposite, which tells rectifiers, and at a far one, which tells what saturates."""
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


def _collapse(g: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """g summed over the axes that broadcasting added to shape or stretched."""
    new = g.ndim - len(shape)
    return g.sum((*range(new), *(i + new for i, n in enumerate(shape) if n == 1)), keepdims=True).reshape(shape)


def _facts(x: Array) -> tuple:
    return x.shape, x.dtype, device_of(x)


def _broken(p: Point, what: str, expected: Any, got: Any) -> WrongGradient:
    shapes = ", ".join(str(x.shape) for x in p.arrays)
    return WrongGradient(f"{p.name} (seed {p.seed}) {what}, at shapes {shapes}", expected=expected, got=got,
                         fix="look at its row's forward and vjps; write them with Python numbers, operators and rows")
