"""diagnosis: which element is furthest off, and which plain mistake would explain it.

gradcheck compares along random directions, which tell that a gradient is wrong but not where. Only then does this
file differentiate element by element, for the message.
"""
from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from ..errors import Refusal
from .finite_differences import Arrays, Slope, norm, own_scale, scale, slope_of, values

LOOKED_AT = 500         # elements, a random choice where the arguments have more
NUDGE = 8.0 ** -3       # of an element, relative to its step, to see which results depend on it
TIDY = 1e-9             # a one-sided derivative smaller than this share of the other is shown as 0


class WrongGradient(Refusal, AssertionError):
    """grad and differences disagree, or a vjp spoils the gradient of others."""


class NotDifferentiable(Refusal, ValueError):
    """f has a kink, a jump or a pole here, or drowns in rounding: there is no derivative to compare with."""


class Claim(NamedTuple):
    """The claim that the gradient of <v, f> at the point is `exact`."""
    f: Any                  # a gradcheck.Function
    point: Arrays
    v: Arrays
    exact: Arrays           # J^T v, by grad

    def size(self, steps: Arrays) -> float:
        """The norm of each argument's gradient, measured in these steps, summed; 0 if it is not finite."""
        size = sum(norm(g * s) for g, s in zip(self.exact, steps, strict=True))
        return size if np.isfinite(size) else 0.0       # nothing is small beside infinity

    def slope(self, u: Arrays, size: float) -> Slope:
        """<v, J u> by differences, to be compared with <exact, u>."""
        return slope_of(self.f, self.point, self.v, u, size)


class Element(NamedTuple):
    """One element of one argument: its derivative by grad, and its slope for a step of that size."""
    argument: int
    flat: int               # its index in the flattened argument
    step: float
    slope: Slope
    exact: float

    @property
    def error(self) -> float:
        """How far apart the two are, in units of <v, f>; an unknown slope is no error, an infinite gradient is."""
        if np.isnan(self.slope.value):
            return -1.0
        error = abs(self.slope.value - self.exact * self.step)
        return np.inf if np.isnan(error) else error


def wrong_gradient(claim: Claim, rng: np.random.Generator) -> WrongGradient:
    """The element that is furthest off, and the mistake where it is a plain one."""
    f, found = claim.f, _elements(claim, rng)
    worst = max(found, key=lambda element: element.error)
    of, weight = _of(claim, worst)
    shapes = ", ".join(f"{name} {x.shape}" for name, x in zip(f.args, claim.point, strict=True))
    same = [e for e in found if e.argument == worst.argument and np.isfinite(e.slope.value)]
    return WrongGradient(
        f"{f.title} has a wrong gradient in {f.args[worst.argument]}, shapes {shapes}",
        expected=f"{worst.slope.value / worst.step / weight:.10g} by differences of {of} at {_place(claim, worst)}"
                 + (", the furthest off" if claim.point[worst.argument].size > 1 else ""),
        got=f"{worst.exact / weight:.10g} by grad",
        fix=_mistake(np.array([e.exact for e in same]), np.array([e.slope.value / e.step for e in same])))


def no_derivative(claim: Claim, rng: np.random.Generator) -> NotDifferentiable:
    """The one-sided derivatives at the sharpest kink; where there is none, how badly differences settle."""
    found = _elements(claim, rng)
    kinks = [e for e in found if e.slope.jump and e.slope._replace(jump=0.0).trusted(0.0)]
    if kinks:
        sharpest = max(kinks, key=lambda element: abs(element.slope.jump))
        of, weight = _of(claim, sharpest)
        right, left = (side / sharpest.step / weight for side in sharpest.slope.sides)
        right, left = (0.0 if abs(a) < TIDY * abs(b) else a for a, b in ((right, left), (left, right)))
        got = (f"the derivative of {of} is {right:.6g} from the right and {left:.6g} from the left, "
               f"at {_place(claim, sharpest)}")
    else:
        worst = max(found, key=lambda element: element.slope.doubt)
        doubt = worst.slope.doubt / (abs(worst.slope.value) or 1.0)
        settle = f"settle no better than to {doubt:.1g} of themselves" if doubt < np.inf else "do not settle"
        got = f"differences of smaller and smaller steps, which {settle}, at {_place(claim, worst)}"
    return NotDifferentiable(f"{claim.f.title} is not differentiable here", got=got,
                             expected="a smooth function around this point",
                             fix="move the point away from kinks (relu at 0, ties of max) and poles; "
                             "or subtract the large constant that swallows the differences")


def writes_into_g(f: Any) -> WrongGradient:
    return WrongGradient(f"a vjp of {f.title} writes into its g", expected="g as it came: other arguments share it",
                         got="other numbers in g after the vjp", fix="return 2 * g, not g *= 2; or copy g first")


def _elements(claim: Claim, rng: np.random.Generator) -> list[Element]:
    """A choice of elements from every argument, each differentiated alone: at the array's step, then at its own."""
    found, each = [], max(LOOKED_AT // len(claim.point), 1)
    for i, x in enumerate(claim.point):
        for j in rng.permutation(x.size)[:each]:
            for step in dict.fromkeys(float(scales(x).flat[j]) for scales in (scale, own_scale)):
                u = [np.zeros(p.shape) for p in claim.point]
                u[i].flat[j] = step
                element = Element(i, int(j), step, claim.slope(u, 0.0), float(claim.exact[i].flat[j]))
                if element.slope.trusted(0.0):
                    break
            found.append(element)
    return found


def _of(claim: Claim, element: Element) -> tuple[str, float]:
    """The function whose derivative to show, and its weight in <v, f>.

    Where only one result depends on the element, its own derivative says more than that of a random <v, f>.
    """
    nudged = [[x.copy() for x in claim.point] for _ in range(2)]
    for x, sign in zip(nudged, (1, -1), strict=True):
        x[element.argument].flat[element.flat] += sign * NUDGE * element.step
    weights = np.concatenate([w.ravel() for w in claim.v])
    here, right, left = (np.concatenate([y.ravel() for y in values(claim.f, x)] or [weights])
                         for x in (claim.point, *nudged))
    depends = (here != right) | (here != left) if weights.size > 1 else np.ones(1, bool)
    if depends.sum() == 1:
        return claim.f.name, float(weights[depends][0])
    return f"<v, {claim.f.name}>, v random,", 1.0


def _place(claim: Claim, element: Element) -> str:
    x, name = claim.point[element.argument], claim.f.args[element.argument]
    value = f"{x.flat[element.flat]:.6g}"
    if x.ndim == 0:
        return f"{name} = {value}"
    return f"element {tuple(map(int, np.unravel_index(element.flat, x.shape)))}, where {name} is {value}"


def _mistake(exact: np.ndarray, numeric: np.ndarray) -> str:
    """The advice, from one argument's gradient by grad and by differences."""
    if not np.isfinite(exact).all():
        return "a pole that where() hides in the result is still in the gradient, as 0 * inf: mask its argument as well"
    if not exact.any():
        return "the gradient is zero: is the path cut by .data, or the vjp's factor 0?"
    factor = float(exact @ numeric / (numeric @ numeric)) if numeric.any() else np.inf
    if not np.allclose(exact, factor * numeric, rtol=1e-5, atol=1e-7 * np.abs(exact).max()):
        return "look at the vjp of this argument; its elements are off by different factors"
    if abs(factor + 1) < 1e-5:
        return "the sign is wrong"
    return f"every element is {factor:.6g} times the right one: a factor is too much or missing"
