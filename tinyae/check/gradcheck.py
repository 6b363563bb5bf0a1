"""gradcheck: is this gradient right?

A derivative is a limit of differences, so any gradient can be checked against values of the function alone. The file
begins with the check that textbooks print, textbook_gradcheck, and says how it can be fooled. Then comes gradcheck,
which compares two numbers: for random u and v, <v, J u> by differences must equal <J^T v, u> by grad, to a relative
error of 1e-6, where J is the Jacobian. The gradient of <v, f> is itself a function, of the arguments and of v, so the
same check of that function is the check of the second order.

finite_differences.py measures how far a difference can be trusted; diagnosis.py explains an error.
"""
from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..backend import device_of, is_array, to_device, to_host
from ..errors import BadType, BadValue
from ..ops import sum as sum_of
from ..tensor import Tensor, data_of, grad
from .diagnosis import Claim, NotDifferentiable, WrongGradient, no_derivative, writes_into_g, wrong_gradient
from .finite_differences import TRUSTED, Arrays, dot, noise_of, norm, own_scale, scale

__all__ = ["NotDifferentiable", "WrongGradient", "gradcheck", "textbook_gradcheck"]


def textbook_gradcheck(f: Callable, x: np.ndarray, h: float = 1e-5, tolerance: float = 1e-6) -> bool:
    """Whether d sum(f(x)) / dx by grad equals central differences, for one element of x after the other.

    Three things fool it:
    - The sum weighs all results by one. Those of a softmax add up to 1, so one whose vjp returns zero passes.
      gradcheck weighs them by a random v.
    - The tolerance is absolute. A zero gradient passes where f is small, and a right one fails where f is large.
      gradcheck divides the error by the norm of the gradient, for all arguments together and for each alone.
    - One step is too large here, too small there. log at 1e-8 fails, because x - h is negative.
      gradcheck searches for the step at which differences settle.
    """
    t = Tensor(x)
    (exact,) = grad(sum_of(f(t)), [t])
    for i in np.ndindex(x.shape):
        up, down = x.copy(), x.copy()
        up[i] += h
        down[i] -= h
        difference = (np.sum(f(up)) - np.sum(f(down))) / (2 * h)
        if not abs(difference - exact[i]) <= tolerance:
            return False
    return True


TOLERANCE = 10 * TRUSTED        # 1e-6: float64 has 16 digits, of which differences keep some 10
DIRECTIONS = 3                  # for one argument: one direction misses an error of 1e-3 with a probability of 1e-3
BAND = 1e3                      # elements whose sizes differ by more are checked apart, once steps must suit each


@dataclass
class Function:
    """The function to check: of float64 arrays on the host, computed by Tensors on `device`."""
    call: Callable[..., list[Tensor]]
    name: str
    seed: int
    args: list[str]
    device: str

    @property
    def title(self) -> str:
        return f"{self.name} (seed {self.seed})"

    def tensors(self, arrays: Arrays) -> list[Tensor]:
        return [Tensor(to_device(x, self.device)) for x in arrays]

    def __call__(self, point: Arrays) -> Arrays:
        return [to_host(y.data) for y in self.call(*self.tensors(point))]

    def gradients(self, point: Arrays, v: Arrays) -> Arrays:
        """J^T v.

        <v, y + 0> is differentiated by the 0 as well: the sum hands one g to both, so a vjp that writes into its g
        spoils the other's gradient, which must be v.
        """
        tensors = self.tensors(point)
        results = self.call(*tensors)
        zeros = self.tensors([np.zeros_like(w) for w in v])
        y = weighted([y + zero for y, zero in zip(results, zeros, strict=True)], [to_device(w, self.device) for w in v])
        found = [to_host(g) for g in _grad(y, [*tensors, *zeros])]
        if not all(map(np.array_equal, found[len(tensors):], v)):
            raise writes_into_g(self)
        return found[:len(tensors)]


def _grad(y: Tensor, wrt: list[Tensor], create_graph: bool = False) -> list[Any]:
    """grad, with zeros where there is no path. The forward pass went well, so a refusal blames a vjp."""
    try:
        return grad(y, wrt, create_graph, unused="zero")
    except BadValue as error:
        raise WrongGradient(error.what, expected=error.expected, got=error.got, fix=error.fix) from error


def weighted(results: Iterable[Tensor], v: Iterable[Any]) -> Tensor:
    """<v, results>, summed over all of them."""
    terms = [sum_of(y * w) for y, w in zip(results, v, strict=True)]
    return sum(terms[1:], terms[0])


def gradcheck(f: Callable, *args: Any, order: int = 2, seed: int = 0) -> float:
    """The largest relative error of f's gradients up to `order`, if it is below 1e-6; otherwise raises.

    args: arrays, Tensors and floats, in any nesting of lists, tuples and dicts; gradcheck casts them to float64.
    Integers, masks, strings and other objects reach f as they are. f returns Tensors, nested likewise, and gives the
    same result each time. WrongGradient: grad and differences disagree, or a vjp writes into its g.
    NotDifferentiable: f has a kink here; move the point.
    """
    if not isinstance(order, int) or order < 1:
        raise BadValue("order must be a positive integer", expected="order=1, 2 or more", got=repr(order),
                       fix="order=2")
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
    checked = Function(call, name, seed, list(leaves), "cuda" if on_gpu else "cpu")
    with np.errstate(all="ignore"):                 # differences step over poles and out of domains on purpose
        return _check(checked, point, order, np.random.default_rng(seed))


def _check(f: Function, point: Arrays, order: int, rng: np.random.Generator) -> float:
    """The largest relative error at this order and those above it."""
    results, worst, k = _results(f, point), 0.0, len(point)
    for moved in [range(k)] * (DIRECTIONS if k == 1 else 1) + [range(i, i + 1) for i in range(k) if k > 1]:
        v = [rng.standard_normal(y.shape) / scale(y) for y in results]
        claim = Claim(f, point, v, f.gradients(point, v))
        scales = [scale(x) for x in point]
        steps = [s * (i in moved) for i, s in enumerate(scales)]
        errors = [_error(claim, scales, steps, rng)]
        if errors == [None]:            # f is not smooth over steps of that size, as log is not at [1e-8, 1]
            own = [own_scale(x) for x in point]
            errors = [_error(claim, own, band, rng) for band in _bands(own, steps, moved)]
        for error in errors:
            if error is None:
                raise no_derivative(claim, rng)
            if not error <= TOLERANCE:                                  # nan is not
                raise wrong_gradient(claim, rng)
            worst = max(worst, error)
    # Where the gradient is nothing but rounding, it has no gradient to check.
    sizes = [norm(g * scale(x)) for g, x in zip(claim.exact, point, strict=True)]
    wrt = [i for i, size in enumerate(sizes) if size == 0 or size > noise_of(v, results)]
    if order > 1 and wrt:
        worst = max(worst, _check(_gradient(claim, wrt), [*point, *v], order - 1, rng))
    return worst


def _error(claim: Claim, scales: Arrays, steps: Arrays, rng: np.random.Generator) -> float | None:
    """The relative error of <J^T v, u>, for a random u of the size of `steps`; None where differences tell nothing."""
    u = [rng.standard_normal(s.shape) * s for s in steps]
    slope = claim.slope(u, whole := claim.size(scales))
    if not slope.trusted(whole):
        return None
    # No difference can be held to more digits than it has: an argument that hardly matters has few.
    size = max(abs(slope.value), claim.size(steps), slope.doubt / TRUSTED)
    return abs(slope.value - dot(claim.exact, u)) / (size or 1.0)


def _bands(own: Arrays, steps: Arrays, moved: range) -> Iterator[Arrays]:
    """Steps of the elements' own size: of each argument, those within a factor of BAND of each other move alone.

    Where those are the steps that have been taken, they are taken once more: u may have been nearly orthogonal to the
    gradient, and then any doubt is large beside <v, J u>.
    """
    if all(np.array_equal(own[i], steps[i]) for i in moved):
        yield steps
        return
    for i in moved:
        size = np.floor(np.log(own[i]) / np.log(BAND))
        for band in np.unique(size):
            yield [s * (size == band) if j == i else np.zeros(s.shape) for j, s in enumerate(own)]


def _gradient(claim: Claim, wrt: list[int]) -> Function:
    """The gradient of <v, f> by some of its arguments, as a function of all of them and of v."""
    f, point, v, exact = claim

    def vjp(*tensors: Tensor) -> list[Tensor]:
        x, weights = tensors[:len(point)], tensors[len(point):]
        return _grad(weighted(f.call(*x), weights), [x[i] for i in wrt], create_graph=True)

    names = [*f.args, *(f"cotangent {i}" for i in range(len(v)))]
    traced = Function(vjp, f"the gradient of {f.name}", f.seed, names, f.device)
    if f.device == "cpu" and not all(map(np.array_equal, traced([*point, *v]), [exact[i] for i in wrt])):
        raise WrongGradient(f"{traced.title} changes with create_graph", expected="the same bits on arrays and on "
                            "Tensors", got="two results", fix="write vjps with operators and rows only")
    return traced


def _results(f: Function, point: Arrays) -> Arrays:
    """f(point), after a check of what gradcheck needs of f: Tensors, finite, of float64, the same each time."""
    try:
        first, second = f(point), f(point)
    except BadType as error:
        if "mixes dtypes" not in error.what:
            raise
        raise BadType(f"{f.title} has captured an array of its own", expected="float64 throughout", got=error.got,
                      fix="pass it as an argument: gradcheck casts its arguments to float64") from error
    if not first:
        raise BadType(f"{f.title} returned no Tensor", expected="Tensors computed from the arguments", got="constants",
                      fix="return the Tensors themselves, not .data or .item()")
    if not all(np.array_equal(a, b, equal_nan=True) for a, b in zip(first, second, strict=True)):
        raise BadValue(f"{f.title} is random", expected="the same result from the same arguments", got="two results",
                       fix="pass the noise in as an argument, or make the generator inside f: default_rng(0)")
    if not all(np.isfinite(y).all() for y in first):
        raise BadValue(f"{f.title} is not finite at this point", expected="finite results", got="nan or inf",
                       fix="move the point into the domain of f")
    return first


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
